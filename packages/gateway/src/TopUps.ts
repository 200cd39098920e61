/**
 * Money in: a top-up goes through one of the market's rails, and what the rail has moved is posted once.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { chargeAssetOf } from "@guildhall/core/MarketDefinition"
import type { MemberId } from "@guildhall/core/Member"
import * as Money from "@guildhall/core/Money"
import type { ReasonCode } from "@guildhall/core/Reason"
import { JournalEntryJson } from "@guildhall/journal/JournalEntry"
import * as Account from "@guildhall/ledger/Account"
import { Ledger } from "@guildhall/ledger/Ledger"
import type { LedgerError } from "@guildhall/ledger/LedgerError"
import * as TopUpTemplate from "@guildhall/ledger/templates/TopUp"
import type { RailError } from "@guildhall/ledger/Movement"
import type { PaymentRail } from "@guildhall/ledger/PaymentRail"
import { Members } from "@guildhall/registry/Members"
import type { RegistryError } from "@guildhall/registry/RegistryError"
import * as AccountOpener from "./AccountOpener.ts"
import { Market } from "./Market.ts"

/**
 * A top-up as it is asked for. `amount` is a decimal in whole ones of the charge asset; `actor` is who asked.
 *
 * @category models
 * @since 0.1.0
 */
export interface TopUp {
  readonly actor: MemberId
  readonly member: MemberId
  readonly amount: string
  readonly rail: string | undefined
  readonly idempotencyKey: string
}

/**
 * Why a top-up was refused.
 *
 * @category errors
 * @since 0.1.0
 */
export class TopUpRefused extends Schema.TaggedError<TopUpRefused>()("TopUpRefused", {
  code: Schema.Literals(["invalid_request", "not_found", "idempotency_conflict", "service_unavailable"]),
  detail: Schema.String,
}) {
  override get message(): string {
    return this.detail
  }
}

/**
 * The service.
 *
 * @category services
 * @since 0.1.0
 */
export class TopUps extends Context.Service<
  TopUps,
  {
    /** Tops up a buyer, once for each rail and key. */
    readonly start: (
      topUp: TopUp,
    ) => Effect.Effect<
      { readonly account: Account.Account; readonly added: bigint; readonly replayed: boolean },
      TopUpRefused | LedgerError | RegistryError
    >
  }
>()("@guildhall/gateway/TopUps") {}

const refuse = (code: TopUpRefused["code"] & ReasonCode, detail: string) => new TopUpRefused({ code, detail })

const ofRail = (error: RailError): TopUpRefused => {
  switch (error.reason) {
    case "Conflict":
      return refuse("idempotency_conflict", error.message)
    case "Refused":
      return refuse("invalid_request", error.message)
    case "NotFound":
    case "Unavailable":
      return refuse("service_unavailable", error.message)
  }
}

const encodeEntry = Schema.encodeEffect(JournalEntryJson)

const makeService = Effect.fnUntraced(function* (rails: ReadonlyArray<PaymentRail>) {
  const { definition } = yield* Market
  const ledger = yield* Ledger
  const members = yield* Members
  const asset = chargeAssetOf(definition)
  for (const { fundingSource, name } of rails) {
    if (!definition.funding.includes(fundingSource)) {
      return yield* Effect.die(
        new Error(
          `The rail ${name} brings in money of the source "${fundingSource}", which nobody could spend: the market's \`funding\` lists ${definition.funding.join(", ")}. Add it there.`,
        ),
      )
    }
  }

  const amountOf = (text: string) =>
    Effect.fromResult(Money.parse(text, asset)).pipe(
      Effect.mapError((detail) => refuse("invalid_request", detail)),
      Effect.filterOrFail(
        (amount) => amount > 0n,
        () => refuse("invalid_request", `"${text}" adds nothing. Give an amount above zero.`),
      ),
    )

  const open = yield* AccountOpener.make

  const moved = Effect.fnUntraced(function* (rail: PaymentRail, topUp: TopUp, amount: bigint) {
    const { member, idempotencyKey } = topUp
    const movement = yield* Effect.mapError(rail.start({ idempotencyKey, member, asset: asset.code, amount }), ofRail)
    const { state } = movement
    if (state._tag === "Succeeded") return movement
    if (state._tag === "Failed") {
      return yield* refuse("invalid_request", `The rail ${rail.name} refused it: ${state.detail}`)
    }
    const next = state._tag === "Pending" && state.next !== null ? ` It waits for this: ${state.next}` : ""
    return yield* refuse(
      "service_unavailable",
      `The rail ${rail.name} has not finished.${next} Ask again with the same key.`,
    )
  })

  return TopUps.of({
    start: Effect.fn("TopUps.start")(function* (topUp) {
      const amount = yield* amountOf(topUp.amount)
      const rail = topUp.rail === undefined ? rails[0] : rails.find(({ name }) => name === topUp.rail)
      if (rail === undefined) {
        const known = rails.length === 0 ? "It has none." : `It has: ${rails.map(({ name }) => name).join(", ")}.`
        return yield* refuse("not_found", `This market has no such rail for top-ups. ${known}`)
      }
      if ((yield* members.find(topUp.member)) === undefined) {
        return yield* refuse("not_found", `There is no member ${topUp.member}. Create it first.`)
      }
      const { externalId } = yield* moved(rail, topUp, amount)
      const to = Account.ids.funds(rail.fundingSource, topUp.member)
      const body = yield* encodeEntry({
        _tag: "OperatorActed",
        id: TopUpTemplate.keyOf(rail.name, topUp.idempotencyKey),
        actor: topUp.actor,
        act: "member.toppedUp",
        subject: `${topUp.member} by ${Money.format(amount, asset)} ${asset.code} through ${rail.name}`,
        atMs: yield* Clock.currentTimeMillis,
      }).pipe(Effect.orDie)
      const posting = yield* Effect.fromResult(
        TopUpTemplate.posting(
          {
            rail: rail.name,
            key: topUp.idempotencyKey,
            movement: externalId,
            fundingSource: rail.fundingSource,
            to,
            amount,
          },
          { attachments: [{ kind: "operator.acted", body }] },
        ),
      )
      yield* open(
        posting.legs.map(({ account }) => account),
        asset,
      )
      const { replayed } = yield* ledger.post(posting)
      return { account: yield* ledger.account(to), added: amount, replayed }
    }),
  })
})

/**
 * Top-ups through these rails, those that the definition's `topUps` name, resolved, in its order. What a rail brings in goes
 * to the account of its source, so the definition's `funding` must list that.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: {
  readonly rails: ReadonlyArray<PaymentRail>
}): Layer.Layer<TopUps, never, Market | Ledger | Members> => Layer.effect(TopUps, makeService(options.rails))
