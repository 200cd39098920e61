/** The least weight that a lot is divided by; the greatest is its inverse. */
const WEIGHT_MIN = 1e-300

/** A number that a policy gives is used as it is, unless nothing can be ordered by it: then it is the worst. */
export const sound = (value: number): number =>
  // Plus zero, so that there are no two zeros.
  value <= Number.MAX_VALUE ? Math.max(value, -Number.MAX_VALUE) + 0 : Number.MAX_VALUE

/** A weight by which a lot can be divided. */
export const soundWeight = (weight: number): number =>
  weight > WEIGHT_MIN ? Math.min(weight, 1 / WEIGHT_MIN) : WEIGHT_MIN
