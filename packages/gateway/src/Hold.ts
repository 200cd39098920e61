/**
 * Step 3. Sets aside what a request can cost, durably, while the request is already on its way to a provider. Only where
 * the last known balance is not a comfortable multiple of the hold does the dispatch wait as well; what is set aside is
 * then only the likely cost, and a stream's hold grows as it goes on.
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
import * as HoldContext from "@guildhall/journal/HoldContext"
import { HoldId, partsOf, type Hold as Held } from "@guildhall/ledger/Hold"
import { Ledger } from "@guildhall/ledger/Ledger"
import { LedgerError } from "@guildhall/ledger/LedgerError"
import type { Admitted } from "./Admit.ts"
import { HoldGate } from "./HoldGate.ts"
import { HoldRenewal } from "./HoldRenewal.ts"
import * as HoldGrowth from "./internal/HoldGrowth.ts"
import * as Ticks from "./internal/Ticks.ts"
import { Market } from "./Market.ts"
import * as Quantiles from "./Quantiles.ts"
import type { Priced } from "./Price.ts"
import type * as Receipt from "./Receipt.ts"
import { Refusal } from "./Refusal.ts"
import { covered, first, type Reserved } from "./Reservation.ts"

/** The likely cost is that of an answer which so many do not exceed. */
const LIKELY = 0.95

/** The hold is what everything else waits for. */
const AWAY =
  "The market's books cannot be written at the moment, so nothing is charged. Send the request again in a moment."

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
      return error.isRetryable
        ? new Refusal({ code: "service_unavailable", detail: AWAY })
        : new Refusal({ code: "internal_error" })
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
  const { reservation } = definition
  const asset = chargeAssetOf(definition)
  const lengths = Quantiles.make()
  const growWith = yield* HoldGrowth.make

  /** What the journal is to be told if this process is gone when the hold expires. */
  const context = ({ id, model, payer, startedAtMs }: Admitted, { requestCommitment, salts }: Receipt.Opening) =>
    HoldContext.encode({
      id,
      market: definition.name,
      definitionDigest: digest,
      buyer: payer.memberId,
      keyId: payer.keyId,
      model,
      asset: definition.chargeAsset,
      startedAtMs,
      requestCommitment,
      salts,
    })

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

  const termsOf = (gate: HoldGate, admitted: Admitted, opening: Receipt.Opening) => {
    const { account, further = [] } = admitted.payer
    return {
      id: gate.id,
      account,
      ...(further.length === 0 ? {} : { further: further.map((source) => source.account) }),
      owner,
      lifeMs: definition.hold.lifeMs,
      definitionDigest: digest,
      context: context(admitted, opening),
    }
  }

  /** Holds what was wanted or, where there is less and the request is not on its way yet, as much as there is. */
  const hold = (
    terms: ReturnType<typeof termsOf>,
    priced: Priced,
    wanted: Reserved,
    mayShrink: boolean,
  ): Effect.Effect<{ readonly reserved: Reserved; readonly hold: Held }, LedgerError> =>
    ledger.hold({ ...terms, amount: wanted.amount }).pipe(
      Effect.map(({ hold }) => ({ reserved: wanted, hold })),
      Effect.catch((error) => {
        const { reason } = error
        if (!mayShrink || reason._tag !== "InsufficientFunds") return Effect.fail(error)
        const less = covered(reservation, priced, { available: reason.available, wanted: wanted.tokens })
        // Others may take from the balance meanwhile; each round asks for less, so there is a last one.
        return less === undefined || less.tokens >= wanted.tokens
          ? Effect.fail(error)
          : hold(terms, priced, less, mayShrink)
      }),
    )

  const decide =
    (gate: HoldGate, timer: Ticks.Timer) =>
    (exit: Exit.Exit<{ readonly reserved: Reserved; readonly hold: Held }, LedgerError>): void => {
      Ticks.stop(timer)
      if (Exit.isSuccess(exit)) {
        if (gate.state === "refused") fork(giveBack(gate))
        return gate.open(exit.value.reserved, partsOf(exit.value.hold))
      }
      const error = Cause.squash(exit.cause)
      if (error instanceof LedgerError) refuse(gate, refusal(error, asset), error.isRetryable)
      else refuse(gate, new Refusal({ code: "internal_error" }), true)
    }

  const take = Effect.fnUntraced(function* (admitted: Admitted, priced: Priced, opening: Receipt.Opening) {
    const { account, keyId } = admitted.payer
    const available = ledger.lastAvailable(account)
    const likely = lengths.quantile(`${keyId} ${admitted.model}`, LIKELY)
    const wanted = first(reservation, priced, { available, likely })
    const worst = { amount: priced.maximum, tokens: priced.outputBound }
    const isComfortable = available !== undefined && available >= worst.amount * BigInt(reservation.comfort)
    const isStream = admitted.touched.stream
    const gate = new HoldGate({
      id: HoldId.make(admitted.id),
      reserved: wanted,
      most: worst,
      growth: isStream ? { step: reservation.outputTokensStep, grow: growWith(priced, admitted.payer) } : undefined,
    })
    renewal.track(gate)
    // The store may not answer at all.
    const timer = Ticks.after(definition.timeouts.totalMs, () =>
      refuse(gate, new Refusal({ code: "service_unavailable", detail: AWAY }), true),
    )
    // What is on its way already was promised its whole length, unless it is a stream, which can be ended.
    const mayShrink = isStream || !isComfortable
    // Not a child of this fiber: the hold must be decided even where the buyer leaves, or it could not be given back.
    fork(hold(termsOf(gate, admitted, opening), priced, wanted, mayShrink)).addObserver(decide(gate, timer))
    if (!isComfortable) yield* decided(gate)
    return gate
  })

  /** Takes in how long an answer was that came to its own end. */
  const learn = ({ model, payer }: Admitted, outputTokens: number): void =>
    lengths.learn(`${payer.keyId} ${model}`, outputTokens)

  /** Lets go of a hold whose request failed inside the gateway. */
  const abandon = (gate: HoldGate): void => {
    renewal.untrack(gate)
    // One that is still on its way is given back once it is there.
    if (gate.state === "pending") gate.refuse(new Refusal({ code: "internal_error" }))
    else if (gate.state === "open") fork(giveBack(gate))
  }

  return { take, abandon, learn } as const
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
