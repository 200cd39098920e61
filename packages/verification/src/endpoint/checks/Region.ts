/**
 * Whether an instance can be where it says it is: no answer is back sooner than light. It refuses what is physically
 * impossible, and nothing else: an answer that takes long proves nothing.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Place, Settings, Verdict } from "@guildhall/core/EntryVerification"
import type { Instance } from "@guildhall/core/Instance"
import * as HealthPath from "@guildhall/protocol/HealthPath"
import { type Check, doesNotApply, failed, notChecked, passed } from "../Check.ts"
import { EndpointProbe } from "../EndpointProbe.ts"
import * as ProofAsk from "../ProofAsk.ts"

const EARTH_KM = 6_371
/** In glass light makes two thirds of its speed: so many kilometres a millisecond. */
const LIGHT_KM_PER_MS = 200
/** The first exchange opens a connection; the fastest counts. */
const TIMES = 4
const LIMIT_MS = 5_000

const radians = (degrees: number): number => (degrees * Math.PI) / 180

/**
 * The length of the shortest way between two places on the earth's surface, in kilometres.
 *
 * **Example** (From Paris to New York)
 *
 * ```ts
 * import { Region } from "@guildhall/verification/endpoint/checks"
 *
 * const paris = { latitude: 48.86, longitude: 2.35 }
 * Math.round(Region.distanceKm(paris, { latitude: 40.71, longitude: -74.01 })) // => 5837
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const distanceKm = (a: Place, b: Place): number => {
  const [latitudeA, latitudeB] = [radians(a.latitude), radians(b.latitude)]
  const half =
    Math.sin((latitudeB - latitudeA) / 2) ** 2 +
    Math.cos(latitudeA) * Math.cos(latitudeB) * Math.sin(radians(b.longitude - a.longitude) / 2) ** 2
  return 2 * EARTH_KM * Math.asin(Math.min(1, Math.sqrt(half)))
}

/**
 * What the rule knows: the declared region, the market's settings, from which of its points was measured, and the shortest round
 * trip in milliseconds, where there is one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Measured {
  readonly region: string | undefined
  readonly settings: Pick<Settings, "points" | "regions">
  readonly point: string | undefined
  readonly roundTripMs: number | undefined
}

/**
 * The verdict.
 *
 * @category rules
 * @since 0.1.0
 */
export const judge = ({ point, region, roundTripMs, settings }: Measured): Verdict => {
  if (region === undefined) return doesNotApply("It declares no region.")
  const declared = settings.regions?.[region]
  if (declared === undefined) {
    return notChecked(
      `The market does not say where ${region} is.`,
      "Declare a region that the market lists, or ask the operator to add it to `entry.regions`.",
    )
  }
  const from = point === undefined ? undefined : settings.points?.[point]
  if (from === undefined) {
    return notChecked(
      "The market does not say where it measures from.",
      "The operator names the places of the gateways in `entry.points`, and each gateway's own.",
    )
  }
  if (roundTripMs === undefined) {
    return notChecked("No round trip to the device could be measured.", "Mend what the checks before this one found.")
  }
  const leastKm = Math.max(0, distanceKm(from, declared) - declared.radiusKm)
  const leastMs = (2 * leastKm) / LIGHT_KM_PER_MS
  const took = `It answered in ${roundTripMs.toFixed(1)} ms`
  if (roundTripMs >= leastMs) return passed(`${took}; from ${region} it takes light ${leastMs.toFixed(1)} ms at least.`)
  return failed(
    "entry_region_impossible",
    `${took}, and light alone takes ${leastMs.toFixed(1)} ms from ${region} to ${point} and back (${Math.round(leastKm)} km).`,
    "Declare the region in which the machine stands.",
  )
}

/** The device's signature counts: a server in between could answer sooner, but not sign. Without a key, any answer does. */
const once = Effect.fnUntraced(function* (instance: Instance) {
  if (instance.devicePublicKey !== undefined) {
    const { answer, proof } = yield* ProofAsk.ask(instance)
    const isOwn = proof._tag === "Success" && proof.success.device === instance.devicePublicKey
    return isOwn ? answer.tookMs : undefined
  }
  const probe = yield* EndpointProbe
  const answer = yield* probe.ask({
    instance,
    method: "GET",
    path: HealthPath.of(instance),
    limitMs: LIMIT_MS,
    bytesMax: 65_536,
  })
  return answer._tag === "Complete" ? answer.tookMs : undefined
})

/**
 * The check.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check = {
  name: "region",
  run: Effect.fn("Region.check")(function* ({ instance, point, settings }) {
    const { region } = instance
    const known = judge({ region, settings, point, roundTripMs: Number.POSITIVE_INFINITY })
    // Nothing is measured where nothing could be said of it.
    if (known.state !== "passed") return known
    const times: Array<number> = []
    for (let time = 0; time < TIMES; time += 1) {
      const tookMs = yield* once(instance)
      if (tookMs === undefined) break
      times.push(tookMs)
    }
    return judge({ region, settings, point, roundTripMs: times.length === 0 ? undefined : Math.min(...times) })
  }),
}
