/**
 * Adds what this gateway found out of the health of instances to what the market knows of it, and tells the router what the others
 * found out: every few seconds, and once at the start, so that a gateway knows the last days from before its time.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SharedHealth from "@guildhall/core/SharedHealth"
import { type Addition, HealthRecord } from "@guildhall/registry/HealthRecord"
import { Router } from "@guildhall/routing/Router"
import * as Loop from "./Loop.ts"

/** How long the last addition may take when the gateway stops. */
const LAST_MS = 2_000

/** An addition that has no answer yet, and when it was told first. */
interface Pending {
  readonly addition: Addition
  readonly atMs: number
}

/** Who is left alone was told of with the time that was left then. */
const asOf = ({ addition, atMs }: Pending, nowMs: number): Addition => {
  const passedMs = Math.max(0, nowMs - atMs)
  const leftAlone = addition.told.leftAlone.map((left) => ({ ...left, forMs: left.forMs - passedMs }))
  return { ...addition, told: { ...addition.told, leftAlone } }
}

/**
 * Makes the effect that adds and hears once. What could not be added is told again, with its number, so it counts once whether
 * or not it had arrived; what comes meanwhile waits in the router.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const record = yield* HealthRecord
  const router = yield* Router
  let number = 0
  let pending: Pending | undefined
  let mark: string | undefined

  const settle = Effect.gen(function* () {
    if (pending === undefined) return
    yield* record.add(asOf(pending, yield* Clock.currentTimeMillis))
    pending = undefined
  })

  return Effect.gen(function* () {
    yield* settle
    const nowMs = yield* Clock.currentTimeMillis
    const told = router.shareHealth(nowMs)
    if (SharedHealth.size(told) > 0) {
      number++
      pending = { addition: { gateway: router.replica, number, told }, atMs: nowMs }
    }
    yield* settle
    const heard = yield* record.changes(mark)
    router.learnHealth(heard, yield* Clock.currentTimeMillis)
    mark = heard.mark
  }).pipe(Effect.withSpan("HealthExchange.round"))
})

/**
 * Exchanges every `everyMs` (5,000 unless told) for as long as the layer lives, before it is ready, and when it closes. Where the
 * record is away at the start, the gateway starts without it and hears of it later.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: { readonly everyMs?: number } = {}) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const round = yield* make
      const { tick } = yield* Router
      yield* Effect.ignore(round)
      // What was heard is said as time passes, and the first request is to be routed by it.
      yield* Effect.map(Clock.currentTimeMillis, tick)
      yield* Loop.atEnd(round, {
        limitMs: LAST_MS,
        otherwise:
          "The health of the last seconds is not written: it does not count in the last days of the instances.",
      })
      yield* Loop.run("HealthExchange", options.everyMs ?? 5_000, round)
    }),
  )
