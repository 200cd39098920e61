/**
 * Keeps the holds of this process alive while it lives, and notices when one is lost nevertheless.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { Ledger } from "@guildhall/ledger/Ledger"
import type { LedgerError } from "@guildhall/ledger/LedgerError"
import type { HoldGate } from "./HoldGate.ts"
import { Roll } from "./internal/Roll.ts"
import { Market } from "./Market.ts"

/**
 * The service. The lane tells it which holds are in flight; a hold that can no longer be charged has its gate expired,
 * and the relay then ends the stream in-band.
 *
 * @category services
 * @since 0.1.0
 */
export class HoldRenewal extends Context.Service<
  HoldRenewal,
  {
    readonly track: (gate: HoldGate) => void
    readonly untrack: (gate: HoldGate) => void
  }
>()("@guildhall/gateway/HoldRenewal") {}

const make = Effect.gen(function* () {
  const { definition, owner } = yield* Market
  const ledger = yield* Ledger
  const { lifeMs, renewMs } = definition.hold
  const tracked = new Roll<HoldGate>()
  const clock = yield* Clock.Clock
  // The clock must not jump with the wall's time: what counts is how much time has passed.
  const nowMs = () => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)

  /** Asks about every hold: the store knows of fewer than this process does. */
  const recount = Effect.fnUntraced(function* (gates: ReadonlyArray<HoldGate>) {
    for (const gate of gates) {
      const hold = yield* ledger.findHold(gate.id)
      if (hold?.state === "expired" || hold === undefined) gate.expire()
    }
  })

  let failures = 0
  const failed = (error: LedgerError) =>
    Effect.suspend(() => {
      failures += 1
      // One line for an outage, however long it is.
      return failures > 1
        ? Effect.void
        : Effect.logWarning(
            `The holds of this process could not be renewed, and requests under way end where that lasts longer than ${lifeMs / 1_000} s. ${error.message}`,
          )
    })
  const renewed = Effect.suspend(() => {
    if (failures === 0) return Effect.void
    failures = 0
    return Effect.logInfo("The holds of this process are renewed again.")
  })

  const beat = Effect.gen(function* () {
    const startedMs = nowMs()
    const open = tracked.all().filter((gate) => gate.state === "open")
    const count = yield* ledger.renew(owner, lifeMs)
    for (const gate of open) gate.livesUntilMs = startedMs + lifeMs
    const stillOpen = open.filter((gate) => tracked.has(gate))
    if (count < stillOpen.length) yield* recount(stillOpen)
    yield* renewed
  })

  // However long a renewal took: once the store has said that they live, nothing ends. Only what it said nothing about may be gone.
  const overdue = Effect.sync(() => {
    const now = nowMs()
    for (const gate of tracked.all()) if (now > gate.livesUntilMs) gate.expire()
  })

  yield* Effect.catch(beat, (error) => Effect.andThen(failed(error), overdue)).pipe(
    Effect.schedule(Schedule.spaced(renewMs)),
    Effect.forkScoped,
  )

  return HoldRenewal.of({
    track: (gate) => {
      gate.livesUntilMs = nowMs() + lifeMs
      tracked.add(gate)
    },
    untrack: (gate) => tracked.delete(gate),
  })
})

/**
 * Renews this process's holds every `definition.hold.renewMs` for as long as the layer lives.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<HoldRenewal, never, Market | Ledger> = Layer.effect(HoldRenewal, make)
