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
import { Devices, type ListedInstance } from "@guildhall/registry/Devices"
import { WAITING_MAX } from "@guildhall/registry/Notifier"
import * as Warn from "./internal/Warn.ts"
import * as Liveness from "./Liveness.ts"
import * as Loop from "./Loop.ts"

/**
 * Who acts in the journal where the market does.
 *
 * @category constants
 * @since 0.1.0
 */
export const MARKET = MemberId.make("mem_market")

/**
 * After this part of the time until it leaves the market, an instance's member is warned: of seven days, after one.
 *
 * @category constants
 * @since 0.1.0
 */
export const WARN_PART = 1 / 7

const deregistered = Metric.counter("guildhall_instances_deregistered", {
  description: "Instances that left the market because they had been silent for too long.",
})

/** Says once for each silence when the instance is about to leave, while there is time to do something about it. */
const warnOf = Effect.fnUntraced(function* (listed: ListedInstance, beatAtMs: number, afterMs: number) {
  const warn = yield* Warn.make
  const { instance } = listed
  const deadlineMs = beatAtMs + afterMs
  yield* warn(instance, `${beatAtMs}`, {
    topic: "silent",
    code: "offline",
    detail: `${instance.id} (${instance.model}) has not beaten since ${Warn.dateText(beatAtMs)}. If it stays silent until ${Warn.dateText(deadlineMs)}, it leaves the market, and comes back only by registering again. Start its agent, and run \`guildhall-agent doctor\` there.`,
    deadlineMs,
  })
})

/**
 * One round: takes off the market what has been silent since `afterMs` ago, and notes it in the journal as
 * `instance.deregistered`. Two that run at once note it once. What has been silent for {@link WARN_PART} of that is warned of, where a
 * `Notifier` is kept; leaving the market takes nothing from anybody, so it does not wait for the warning to come.
 *
 * @category constructors
 * @since 0.1.0
 */
export const round = Effect.fn("Silence.round")(function* (afterMs: number) {
  const devices = yield* Devices
  const journal = yield* Journal
  const nowMs = yield* Clock.currentTimeMillis
  const silent: Array<ListedInstance> = []
  const late: Array<{ readonly listed: ListedInstance; readonly beatAtMs: number }> = []
  for (const listed of yield* devices.instances) {
    const beatAtMs = Liveness.beatOf(listed)
    const silentMs = beatAtMs === undefined ? 0 : nowMs - beatAtMs
    if (silentMs > afterMs) silent.push(listed)
    else if (beatAtMs !== undefined && silentMs > afterMs * WARN_PART) late.push({ listed, beatAtMs })
  }
  // Of so many that fall silent together a member hears of the first to leave: more than are kept would be warned of anew each time.
  const ofMembers = Map.groupBy(late, ({ listed }) => listed.instance.memberId)
  for (const own of ofMembers.values()) {
    const first = own.toSorted((a, b) => a.beatAtMs - b.beatAtMs).slice(0, WAITING_MAX)
    for (const { beatAtMs, listed } of first) yield* warnOf(listed, beatAtMs, afterMs)
  }
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
 * Runs a round every minute, or more often where the market waits for less than that, for as long as the layer lives; the first
 * once devices had their time to beat, for the silence before it may have been the market's own.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: { readonly heartbeat: MarketDefinition["heartbeat"] }) => {
  const afterMs = options.heartbeat.deregisterAfterMs ?? DEREGISTER_AFTER_MS
  const firstMs = options.heartbeat.intervalMs * options.heartbeat.missesMax
  return Layer.effectDiscard(
    Effect.gen(function* () {
      const startedAtMs = yield* Clock.currentTimeMillis
      const due = Effect.map(Clock.currentTimeMillis, (nowMs) => nowMs - startedAtMs >= firstMs)
      yield* Loop.run("Silence", Math.max(50, Math.min(EVERY_MS, afterMs / 4)), Effect.when(round(afterMs), due))
    }),
  )
}
