/**
 * Which instances do so much worse than the others of their model that they are left alone for a while. Never more than a
 * part of them, and never the last.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { BasisPoints } from "./Split.ts"

/**
 * The settings.
 *
 * - `percentMax`: of so many instances of a model in a hundred may be ejected at a time, though one always may.
 * - `requestsMin`: of fewer requests lately, nothing is said.
 * - `worseBps`: an outlier's share of failures is by so much above the middle one of the others.
 * - `forMs`: how long the first time lasts; each further one lasts so much longer, up to ten times.
 *
 * @category models
 * @since 0.1.0
 */
export const Settings = Schema.Struct({
  percentMax: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 99 }))),
  requestsMin: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 }))),
  worseBps: BasisPoints,
  forMs: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 86_400_000 }))),
})
/** @since 0.1.0 */
export type Settings = typeof Settings.Type

/**
 * An instance among the others of its model, with what it did lately. `isOut`: nothing is routed to it already.
 *
 * @category models
 * @since 0.1.0
 */
export interface Peer<Id> {
  readonly id: Id
  readonly succeeded: number
  readonly failed: number
  readonly isOut: boolean
}

const bpsOf = ({ failed, succeeded }: Pick<Peer<unknown>, "succeeded" | "failed">): number =>
  (10_000 * failed) / (succeeded + failed)

/** The middle of sorted numbers without the one at a place; of two in the middle, the higher. */
const middleWithout = (sorted: ReadonlyArray<number>, at: number): number => {
  const middle = (sorted.length - 1) >> 1
  return sorted[middle < at ? middle : middle + 1] ?? 0
}

/**
 * Whom to eject, the worst first.
 *
 * **Example** (One of three fails each time)
 *
 * ```ts
 * import { Ejection } from "@guildhall/core/rules"
 *
 * const settings = { percentMax: 10, requestsMin: 20, worseBps: 3_000, forMs: 30_000 }
 * const good = { succeeded: 50, failed: 1, isOut: false }
 * const pool = [{ id: "a", ...good }, { id: "b", ...good }, { id: "c", succeeded: 0, failed: 20, isOut: false }]
 * Ejection.outliers(settings, pool) // => ["c"]
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const outliers = <Id>(settings: Settings, pool: ReadonlyArray<Peer<Id>>): ReadonlyArray<Id> => {
  const out = pool.reduce((count, { isOut }) => count + (isOut ? 1 : 0), 0)
  const most = Math.min(pool.length - 1, Math.max(1, Math.floor((pool.length * settings.percentMax) / 100)))
  const room = most - out
  if (room <= 0) return []
  const judged = pool
    .filter(({ failed, succeeded }) => succeeded + failed >= settings.requestsMin)
    .map((peer) => ({ peer, bps: bpsOf(peer) }))
    .sort((a, b) => a.bps - b.bps)
  if (judged.length < 2) return []
  const sorted = judged.map(({ bps }) => bps)
  return judged
    .filter(({ bps, peer }, at) => !peer.isOut && bps >= middleWithout(sorted, at) + Math.max(1, settings.worseBps))
    .toReversed()
    .slice(0, room)
    .map(({ peer }) => peer.id)
}

/**
 * How long an ejection lasts, for the first, second, … time.
 *
 * @category rules
 * @since 0.1.0
 */
export const lastsMs = ({ forMs }: Settings, times: number): number => forMs * Math.min(10, Math.max(1, times))
