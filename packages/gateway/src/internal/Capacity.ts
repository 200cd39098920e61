import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import type { BuyerClass, MemberId } from "@guildhall/core/Member"
import type { ModelId } from "@guildhall/core/Model"
import type { ReasonCode } from "@guildhall/core/Reason"
import type { Router } from "@guildhall/routing/Router"
import { CapacityQueue, type Waiting } from "../CapacityQueue.ts"
import type { Ending } from "./Exchange.ts"
import type { Attached, Outlet } from "./Outlet.ts"
import * as Ticks from "./Ticks.ts"

/** A request that may wait: for which model, whose it is, and until when at most, on the scale of `Ticks.now`. */
export interface Waiter<A> {
  readonly model: ModelId
  readonly member: MemberId
  readonly class: BuyerClass
  /** What it needs of an instance besides room for so many tokens; see `CapacityQueue.Waiting`. */
  readonly needs: string
  readonly tokens: number
  readonly outlet: Outlet
  readonly deadline: number
  /** Takes a place on an instance that has room, or answers undefined where none has. */
  readonly take: () => A | undefined
}

const waits = Metric.counter("guildhall_queue_requests_total", {
  description: "Requests for which every instance was busy, by what came of their waiting.",
  incremental: true,
})
const waiting = Metric.gauge("guildhall_queue_requests", { description: "Requests that wait for an instance." })

/** Between two times that the same change asks whom it makes room for. */
const PAUSE_MS = 1

type Outcome = "served" | "full" | "timeout" | "gone"

const refused = (reason: ReasonCode, retryMs: number): Ending => ({
  _tag: "Failed",
  reason,
  retry: false,
  retryAfterS: Math.ceil(retryMs / 1_000),
})

/** Makes the queues of a process: one for each model whose instances are busy. */
export const make = Effect.fnUntraced(function* (bounds: MarketDefinition["queue"], router: Router["Service"]) {
  const context = yield* Effect.context<never>()
  const queues = new Map<ModelId, CapacityQueue>()
  const due = new Set<ModelId>()
  const pausing = new Set<ModelId>()
  const counters = {
    served: Metric.withAttributes(waits, { outcome: "served" }),
    full: Metric.withAttributes(waits, { outcome: "full" }),
    timeout: Metric.withAttributes(waits, { outcome: "timeout" }),
    gone: Metric.withAttributes(waits, { outcome: "gone" }),
  }
  let size = 0

  const count = (model: ModelId, by: 1 | -1): void => {
    size += by
    router.queued(model, by)
    waiting.updateUnsafe(size, context)
  }

  /** Serves who can be, and goes on a little later where that takes too much asking at once. */
  const serve = (model: ModelId): void => {
    const queue = queues.get(model)
    if (queue === undefined) return
    let answer = queue.next(Ticks.now())
    while (answer === "started") answer = queue.next(Ticks.now())
    if (queue.size === 0) queues.delete(model)
    else if (answer === "more" && !pausing.has(model)) {
      pausing.add(model)
      Ticks.after(PAUSE_MS, () => {
        pausing.delete(model)
        serve(model)
      })
    }
  }

  const serveDue = (): void => {
    for (const model of due) {
      queues.get(model)?.changed()
      serve(model)
    }
    due.clear()
  }

  router.onRoom((model) => {
    if (!queues.has(model)) return
    // After whatever it was that made room has come to its end.
    if (due.size === 0) queueMicrotask(serveDue)
    due.add(model)
  })

  const queueOf = (model: ModelId): CapacityQueue => {
    const known = queues.get(model)
    if (known !== undefined) return known
    const queue = new CapacityQueue(bounds)
    queues.set(model, queue)
    return queue
  }

  /** Waits for a place, and takes it. The buyer may leave meanwhile, and the gateway or the hold may give the request up. */
  return <A>(waiter: Waiter<A>): Effect.Effect<A | Ending> =>
    Effect.callback<A | Ending>((resume) => {
      const { model, outlet, take } = waiter
      const nowMs = Ticks.now()
      const queue = queueOf(model)
      let isOver = false
      const end = (answer: A | Ending, outcome: Outcome): void => {
        if (isOver) return
        isOver = true
        Ticks.stop(timer)
        outlet.detach(attached)
        counters[outcome].updateUnsafe(1, context)
        resume(Effect.succeed(answer))
      }
      const entry: Waiting = {
        member: waiter.member,
        class: waiter.class,
        needs: waiter.needs,
        tokens: waiter.tokens,
        giveWay: (retryMs) => {
          outlet.guard(() => giveUp(refused("queue_full", retryMs), "full"))
        },
        start: () => {
          const taken = take()
          if (taken === undefined) return false
          count(model, -1)
          end(taken, "served")
          return true
        },
      }
      const giveUp = (answer: Ending, outcome: Outcome): void => {
        if (isOver) return
        queue.leave(entry)
        count(model, -1)
        end(answer, outcome)
      }
      const attached: Attached = {
        onGone: () => giveUp({ _tag: "Aborted" }, "gone"),
        onDrain: () => undefined,
        onLost: () => giveUp({ _tag: "Failed", reason: "hedge_lost", retry: false }, "gone"),
        stop: (reason) => giveUp({ _tag: "Failed", reason, retry: false }, "gone"),
        onGate: () => {
          const { refusal, state } = outlet.gate
          if (state === "refused")
            giveUp({ _tag: "Failed", reason: refusal?.code ?? "internal_error", retry: false }, "gone")
          if (state === "expired") giveUp({ _tag: "Failed", reason: "hold_expired", retry: false }, "gone")
        },
      }
      const waitMs = Math.max(1, Math.min(bounds.waitMs, waiter.deadline - nowMs))
      const timer = Ticks.after(waitMs, () => {
        outlet.guard(() => {
          queue.leave(entry)
          giveUp(refused("queue_timeout", queue.retryMs(entry, Ticks.now())), "timeout")
        })
      })
      outlet.attach(attached)
      const entered = queue.enter(entry, nowMs)
      if (entered !== "waits") return end(refused("queue_full", entered.retryMs), "full")
      count(model, 1)
      if (outlet.gone) attached.onGone()
      else attached.onGate()
    })
})
