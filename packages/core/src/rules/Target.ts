/**
 * What a market hopes for of its instances, and how one stands: for people to look at. Penalties have rules of their own.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { BasisPoints } from "./Split.ts"

/**
 * The targets. `latencyMs`: half of the requests have their first byte sooner. `uptimeBps`: so much of the time the instance is
 * online, in basis points.
 *
 * @category models
 * @since 0.1.0
 */
export const Targets = Schema.Struct({
  latencyMs: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 3_600_000 }))),
  uptimeBps: BasisPoints,
})
/** @since 0.1.0 */
export type Targets = typeof Targets.Type

/**
 * What was measured of an instance; undefined where nothing was.
 *
 * @category models
 * @since 0.1.0
 */
export interface Measured {
  readonly latencyMs: number | undefined
  readonly uptimeBps: number | undefined
}

/**
 * How an instance stands: true where the target is met, undefined where there is no target, or nothing was measured.
 *
 * @category models
 * @since 0.1.0
 */
export interface Standing {
  readonly latency: boolean | undefined
  readonly uptime: boolean | undefined
}

/**
 * Compares what was measured with the targets: sooner than the one, and at least the other.
 *
 * **Example** (A tenth of a second, and 99.5 % of the time)
 *
 * ```ts
 * import { Target } from "@guildhall/core/rules"
 *
 * const targets = { latencyMs: 100, uptimeBps: 9_950 }
 * Target.standing(targets, { latencyMs: 99, uptimeBps: 9_949 }) // => { latency: true, uptime: false }
 * Target.standing(targets, { latencyMs: 100, uptimeBps: undefined }) // => { latency: false, uptime: undefined }
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const standing = (targets: Targets | undefined, { latencyMs, uptimeBps }: Measured): Standing => ({
  latency: targets === undefined || latencyMs === undefined ? undefined : latencyMs < targets.latencyMs,
  uptime: targets === undefined || uptimeBps === undefined ? undefined : uptimeBps >= targets.uptimeBps,
})

/**
 * The part of the time that something was online, in basis points, rounded down: `undefined` where it was never looked at.
 *
 * @category rules
 * @since 0.1.0
 */
export const uptimeBps = (online: number, offline: number): number | undefined =>
  online + offline > 0 ? Math.floor((10_000 * online) / (online + offline)) : undefined
