/**
 * How full an instance is: what is in flight on it, against what it can take by now. Filters and policies ask here, so that
 * all of them mean the same.
 *
 * @since 0.1.0
 */
import type { Candidate } from "./RoutingPolicy.ts"

/** More than any instance may declare. A load of this size is a wrong report, or hopeless. */
const IN_FLIGHT_MAX = 100_000

/** All of what an instance declared. */
const FULL_BPS = 10_000

/**
 * Requests on the instance: this gateway's, the other gateways', and those of others that it tells of. An integer from 0 to
 * 100,000.
 *
 * **Example** (It serves other markets as well)
 *
 * ```ts
 * import { Load } from "@guildhall/routing"
 * import { SampleMarket } from "@guildhall/routing/testing"
 *
 * const instance = SampleMarket.instance({ name: "shared", concurrency: 8 })
 * Load.inFlight({ instance, inFlight: 1, rating: { peersInFlight: 2 } }) // => 3
 * Load.inFlight({ instance, inFlight: 1, rating: { foreign: 5 } }) // => 6
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const inFlight = ({ inFlight, rating }: Candidate): number => {
  if (rating === undefined) return Math.min(IN_FLIGHT_MAX, inFlight)
  return Math.min(IN_FLIGHT_MAX, inFlight + (rating.peersInFlight ?? 0) + (rating.foreign ?? 0))
}

/**
 * How many requests that are not this market's an instance has, when it says that it has so many in all. Only these are kept:
 * what it said of ours would still count when they are long over.
 *
 * **Example** (Six in all, of which two are ours)
 *
 * ```ts
 * import { Load } from "@guildhall/routing"
 * import { SampleMarket } from "@guildhall/routing/testing"
 *
 * const instance = SampleMarket.instance({ name: "shared", concurrency: 8 })
 * Load.foreign({ instance, inFlight: 2 }, 6) // => 4
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const foreign = ({ inFlight, rating }: Candidate, said: number): number =>
  Math.min(IN_FLIGHT_MAX, Math.max(0, said - inFlight - (rating?.peersInFlight ?? 0)))

/**
 * How many requests it can take at a time by now: what it declared, or what it was seen to take where that is less; of that
 * the part that a new instance may use. At least 1.
 *
 * **Example** (A new instance)
 *
 * ```ts
 * import { Load } from "@guildhall/routing"
 * import { SampleMarket } from "@guildhall/routing/testing"
 *
 * const instance = SampleMarket.instance({ name: "new", concurrency: 8 })
 * Load.capacity({ instance, inFlight: 0 }) // => 8
 * Load.capacity({ instance, inFlight: 0, rating: { rampBps: 2_000 } }) // => 1
 * Load.capacity({ instance, inFlight: 0, rating: { inFlightMax: 5 } }) // => 5
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const capacity = ({ instance, rating }: Candidate): number => {
  if (rating === undefined) return instance.concurrency
  const most = Math.min(instance.concurrency, rating.inFlightMax ?? instance.concurrency)
  const { rampBps = FULL_BPS } = rating
  // Most have no ramp left: a ranking asks this twice of everybody, and a division is most of what it costs.
  return Math.max(1, rampBps === FULL_BPS ? Math.floor(most) : Math.floor((most * rampBps) / FULL_BPS))
}
