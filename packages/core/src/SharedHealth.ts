/**
 * What the gateways of a market tell each other of the health of instances, by way of what keeps it: how their work ended, day by
 * day, and who is left alone for long. What one gateway found out is so known to all of them, and to those that start later.
 *
 * @since 0.1.0
 */
import type { InstanceId } from "./Instance.ts"
import type { Counts } from "./rules/HealthWindow.ts"

/**
 * How work of an instance ended on a day, which counts from 1970.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outcomes {
  readonly instanceId: InstanceId
  readonly day: number
  readonly counts: Counts
}

/**
 * How an instance was found, again and again, to be on the market or not: the first and the last time at which it was looked at.
 * All gateways look at the same times, and what several of them saw counts once.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sightings extends Outcomes {
  readonly fromMs: number
  readonly toMs: number
}

/**
 * For how much longer an instance is left alone, and why. Ejections of an instance last the longer, the more there were.
 *
 * @category models
 * @since 0.1.0
 */
export interface LeftAlone {
  readonly instanceId: InstanceId
  readonly why: "parked" | "ejected"
  readonly forMs: number
  readonly ejections: number
}

/**
 * What a gateway tells: what it found out since it told the last time.
 *
 * @category models
 * @since 0.1.0
 */
export interface Told {
  readonly outcomes: ReadonlyArray<Outcomes>
  readonly sightings: ReadonlyArray<Sightings>
  readonly leftAlone: ReadonlyArray<LeftAlone>
}

/**
 * What a gateway hears: all that is known of the days that changed, its own part included, and who is left alone. `today` is the
 * day by the clock of what keeps it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Heard {
  readonly today: number
  readonly days: ReadonlyArray<Outcomes>
  readonly leftAlone: ReadonlyArray<LeftAlone>
}

/**
 * Nothing to tell.
 *
 * @category constants
 * @since 0.1.0
 */
export const nothing: Told = { outcomes: [], sightings: [], leftAlone: [] }

/**
 * How much that is.
 *
 * **Example** (Nothing)
 *
 * ```ts
 * import { SharedHealth } from "@guildhall/core"
 *
 * SharedHealth.size(SharedHealth.nothing) // => 0
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const size = ({ leftAlone, outcomes, sightings }: Told): number =>
  outcomes.length + sightings.length + leftAlone.length
