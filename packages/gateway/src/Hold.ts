/**
 * Step 3. Sets aside the most a request can cost, durably, while the request is already on its way to a provider. Only
 * where the last known balance is below ten times the hold does the dispatch wait as well.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import type * as Asset from "@guildhall/core/Asset"
import { chargeAssetOf } from "@guildhall/core/MarketDefinition"
import * as Money from "@guildhall/core/Money"
import { HoldId } from "@guildhall/ledger/Hold"
import { Ledger } from "@guildhall/ledger/Ledger"
import { LedgerError } from "@guildhall/ledger/LedgerError"
import type { Admitted } from "./Admit.ts"
import { HoldGate } from "./HoldGate.ts"
import { HoldRenewal } from "./HoldRenewal.ts"
import * as Ticks from "./internal/Ticks.ts"
import { Market } from "./Market.ts"
import type { Priced } from "./Price.ts"
import * as Receipt from "./Receipt.ts"
import { Refusal } from "./Refusal.ts"

/** A balance this many times the hold cannot be used up by others before the hold is durable, as far as can be foreseen. */
const COMFORT = 10n

/**
 * What a refusal of the ledger means to the buyer.
 *
 * @category errors
 * @since 0.1.0
 */
export const refusal = (error: LedgerError, asset: Asset.Asset): Refusal => {
  const { reason } = error
  switch (reason._tag) {
    case "InsufficientFunds": {
      const available = Money.format(reason.available < 0n ? 0n : reason.available, asset)
      const needed = Money.format(reason.needed, asset)
      const detail = `The balance is ${available} ${asset.code}, and this request may cost ${needed} ${asset.code}. Top it up, or lower \`max_tokens\`.`
      return new Refusal({ code: "insufficient_funds", detail })
    }
    case "UnknownAccount":
      return new Refusal({ code: "insufficient_funds", detail: "This key has no balance yet. Top it up." })
    case "AccountNotOpen":
      return new Refusal({ code: "account_frozen" })
    default:
      return new Refusal({ code: error.isRetryable ? "service_unavailable" : "internal_error" })
  }
}

/**
 * Makes the step. `take` answers the gate, with the hold on its way or decided.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const market = yield* Market
  const ledger = yield* Ledger
  const renewal = yield* HoldRenewal
  const { definition, digest, owner } = market
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const asset = chargeAssetOf(definition)

  /** What the journal is to be told if this process is gone when the hold expires. */
  const context = (admitted: Admitted, opening: Receipt.Opening) =>
    Receipt.entryJson(
      Receipt.entry(
        Receipt.make(market, admitted, opening, {
          outcome: "recovered",
          reason: "hold_expired",
          instance: undefined,
          usage: {},
          usageSource: "none",
          charge: 0n,
          split: [],
          attempts: 0,
          firstByteAtMs: undefined,
          endedAtMs: admitted.startedAtMs,
          responseCommitment: undefined,
        }),
        opening.salts,
        null,
      ),
    )

  /** A hold that nobody waits for may exist nevertheless, and would be renewed for ever: it is given back. */
  const giveBack = (gate: HoldGate) =>
    ledger.void(gate.id, []).pipe(
      Effect.retry({
        while: (error) => error.isRetryable,
        schedule: Schedule.spaced(definition.hold.renewMs).pipe(
          Schedule.upTo({ duration: definition.hold.lifeMs * 2 }),
        ),
      }),
      // Whatever else the ledger says, there is no pending hold that could be given back.
      Effect.ignore,
    )

  const refuse = (gate: HoldGate, refusal: Refusal, mayExist: boolean): void => {
    gate.refuse(refusal)
    renewal.untrack(gate)
    if (mayExist) fork(giveBack(gate))
  }

  const decide =
    (gate: HoldGate, timer: Ticks.Timer) =>
    (exit: Exit.Exit<unknown, LedgerError>): void => {
      Ticks.stop(timer)
      if (Exit.isSuccess(exit)) {
        if (gate.state === "refused") fork(giveBack(gate))
        return gate.open()
      }
      const error = Cause.squash(exit.cause)
      if (error instanceof LedgerError) refuse(gate, refusal(error, asset), error.isRetryable)
      else refuse(gate, new Refusal({ code: "internal_error" }), true)
    }

  const take = Effect.fnUntraced(function* (admitted: Admitted, priced: Priced, opening: Receipt.Opening) {
    const gate = new HoldGate(HoldId.make(admitted.id), priced.maximum)
    const { account } = admitted.payer
    const available = ledger.lastAvailable(account)
    renewal.track(gate)
    // The store may not answer at all.
    const timer = Ticks.after(definition.timeouts.totalMs, () =>
      refuse(gate, new Refusal({ code: "service_unavailable" }), true),
    )
    // Not a child of this fiber: the hold must be decided even where the buyer leaves, or it could not be given back.
    fork(
      ledger.hold({
        id: gate.id,
        account,
        amount: priced.maximum,
        owner,
        lifeMs: definition.hold.lifeMs,
        definitionDigest: digest,
        context: context(admitted, opening),
      }),
    ).addObserver(decide(gate, timer))
    if (available === undefined || available < priced.maximum * COMFORT) yield* decided(gate)
    return gate
  })

  /** Lets go of a hold whose request failed inside the gateway. */
  const abandon = (gate: HoldGate): void => {
    renewal.untrack(gate)
    if (gate.state !== "refused") fork(giveBack(gate))
  }

  return { take, abandon } as const
})

/**
 * Waits until a hold is durable; fails with the refusal where there is none.
 *
 * @category steps
 * @since 0.1.0
 */
export const decided = (gate: HoldGate): Effect.Effect<void, Refusal> =>
  Effect.suspend(() => {
    if (gate.state === "pending") return Effect.andThen(waited(gate), decided(gate))
    return gate.refusal === undefined ? Effect.void : Effect.fail(gate.refusal)
  })

const waited = (gate: HoldGate) => Effect.callback<void>((resume) => gate.whenDecided(() => resume(Effect.void)))
