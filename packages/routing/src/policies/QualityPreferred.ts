/**
 * The policy `QualityPreferred`: instances with a clean record of probes and attestations come first, and among them requests
 * are shared by throughput.
 *
 * @since 0.1.0
 */
import * as Parts from "@guildhall/core/Parts"
import * as Schema from "effect/Schema"
import * as Naming from "../internal/Naming.ts"
import { setting } from "../internal/Settings.ts"
import { RoutingPolicy } from "../RoutingPolicy.ts"
import * as Scored from "../Scored.ts"

/**
 * The settings.
 *
 * - `cleanBps`: from which `qualityBps` on a record counts as clean, 9,900 by default. One of which nothing is known counts
 *   as clean: it has failed nothing.
 * - `typicalTokensPerSecond`: the throughput of an instance that was not measured yet, 30 by default.
 *
 * @category models
 * @since 0.1.0
 */
export const Settings = Schema.Struct({
  cleanBps: setting(0, 10_000, 9_900),
  typicalTokensPerSecond: setting(0.001, 1e6, 30),
})
/** @since 0.1.0 */
export type Settings = typeof Settings.Type

/**
 * The settings where nothing is said.
 *
 * @category constants
 * @since 0.1.0
 */
export const usual: Settings = Schema.decodeUnknownSync(Settings)({})

/**
 * Makes the policy. Throughput is the median of the last five minutes or, where that is not known, what `pace` says.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (settings: Settings): Scored.Standings => {
  const { cleanBps, typicalTokensPerSecond } = settings
  return Scored.standings({
    name: Naming.withSettings("QualityPreferred", settings, usual),
    version: 1,
    reads: ["pace"],
    table: (length) => {
      const first = new Float64Array(length)
      const qualities = new Float64Array(length)
      const throughputs = new Float64Array(length)
      return {
        first,
        weight: throughputs,
        stand: ({ measured, rating }, row) => {
          const quality = rating?.qualityBps ?? 10_000
          const paced = rating?.pace === undefined ? typicalTokensPerSecond : 1e6 / Math.max(1, rating.pace.tokenUs)
          first[row] = quality >= cleanBps ? 0 : 1
          qualities[row] = quality
          // One that stands still still has a little: else its first answer after a pause could never be seen.
          throughputs[row] = Math.max(0.001, measured?.tokensPerSecond[0] ?? paced)
        },
        because: (row) => `${(qualities[row] ?? 0) / 100} % clean, drawn by ${throughputs[row] ?? 0} tokens/s`,
      }
    },
  })
}

/**
 * The part by which a definition names the policy: `{ use: "QualityPreferred" }`, with {@link Settings}.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.part(RoutingPolicy, { name: "QualityPreferred", settings: Settings, make })
