/**
 * Instances that are gone for good: one that has not beaten for as long as the market waits leaves it, and comes back only by
 * registering again. What is offline meanwhile is `Liveness`'s to say.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { DEREGISTER_AFTER_MS, type MarketDefinition } from "@guildhall/core/MarketDefinition"
import { MemberId } from "@guildhall/core/Member"
import { Journal } from "@guildhall/journal/Journal"
import { Devices } from "@guildhall/registry/Devices"
import * as Liveness from "./Liveness.ts"
import * as Loop from "./Loop.ts"

/**
 * Who acts in the journal where the market does.
 *
 * @category constants
 * @since 0.1.0
 */
export const MARKET = MemberId.make("mem_market")

const deregistered = Metric.counter("guildhall_instances_deregistered", {
  description: "Instances that left the market because they had been silent for too long.",
})

/**
 * One round: takes off the market what has been silent since `afterMs` ago, and notes it in the journal as
 * `instance.deregistered`. Two that run at once note it once.
 *
 * @category constructors
 * @since 0.1.0
 */
export const round = Effect.fn("Silence.round")(function* (afterMs: number) {
  const devices = yield* Devices
  const journal = yield* Journal
  const nowMs = yield* Clock.currentTimeMillis
  const silent = (yield* devices.instances).filter((listed) => {
    const beatAtMs = Liveness.beatOf(listed)
    return beatAtMs !== undefined && nowMs - beatAtMs > afterMs
  })
  for (const { instance, lastBeatAtMs } of silent) {
    if (!(yield* devices.drop(instance.id, nowMs - afterMs))) continue
    yield* Metric.update(deregistered, 1)
    yield* Effect.logInfo(`${instance.id} (${instance.model}) has been silent for too long, and left the market.`)
    const id = `act:silence:${instance.id}:${lastBeatAtMs}`
    const act = "instance.deregistered"
    yield* journal.append([{ _tag: "OperatorActed", id, actor: MARKET, act, subject: instance.id, atMs: nowMs }])
  }
})

const EVERY_MS = 60_000

/**
 * Runs a round every minute, or more often where the market waits for less than that, for as long as the layer lives.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: { readonly heartbeat: MarketDefinition["heartbeat"] }) => {
  const afterMs = options.heartbeat.deregisterAfterMs ?? DEREGISTER_AFTER_MS
  return Layer.effectDiscard(Loop.run("Silence", Math.max(50, Math.min(EVERY_MS, afterMs / 4)), round(afterMs)))
}
