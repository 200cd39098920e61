/**
 * The parts that a definition may name here. An embedder's own composition adds theirs to this list.
 */
import * as Effect from "effect/Effect"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import * as Parts from "@guildhall/core/Parts"
import * as Funds from "@guildhall/gateway/Funds"
import * as ApiKeyScheme from "@guildhall/ledger/ApiKeyScheme"
import * as PaymentRail from "@guildhall/ledger/PaymentRail"
import { PayoutRail } from "@guildhall/ledger/PayoutRail"
import { type Payer, PaymentError, PaymentScheme } from "@guildhall/ledger/PaymentScheme"
import { RoutingPolicy } from "@guildhall/routing/RoutingPolicy"
import type { ApiKey, Members } from "@guildhall/registry/Members"
import * as ChainParts from "./ChainParts.ts"
import { routingParts } from "./RoutingParts.ts"

/** What parts ask the registry. */
type Lookup = Pick<Members["Service"], "authenticate">

const AWAY = "The API key cannot be looked up at the moment. Send the request again in a moment."

/** API keys of the registry, paying from what the key's member has of each source, in the definition's order. */
const apiKey = (members: Lookup, definition: Pick<MarketDefinition, "funding">): Parts.Part => {
  // The registry answers with the same key until it looks again: one payer is made of it, however many requests come.
  const payers = new WeakMap<ApiKey, Payer>()
  const payerOf = (key: ApiKey): Payer => {
    const known = payers.get(key)
    if (known !== undefined) return known
    const [first, ...further] = Funds.sourcesOf(definition, key.memberId)
    const payer = {
      memberId: key.memberId,
      keyId: key.id,
      ...first,
      ...(further.length === 0 ? {} : { further }),
      role: key.role,
      dataCollection: key.dataCollection,
      terms: key.terms,
    }
    payers.set(key, payer)
    return payer
  }
  return Parts.part(PaymentScheme, {
    name: "ApiKey",
    settings: Parts.NoSettings,
    make: () =>
      ApiKeyScheme.make({
        lookup: (secret) =>
          members.authenticate(secret).pipe(
            Effect.map((key) => (key === undefined ? undefined : payerOf(key))),
            // What the registry says of its store is for the operator. That it is away, its loops tell.
            Effect.tapError((error) => (error.isRetryable ? Effect.void : Effect.logError(error.message))),
            Effect.mapError(() => new PaymentError({ code: "service_unavailable", detail: AWAY })),
          ),
      }),
  })
}

/**
 * Collects the parts over the registry's members, for the market of a definition; `rails` makes those of its chain.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (members: Lookup, definition: MarketDefinition, rails: ChainParts.Makers): Parts.Parts =>
  Parts.make([
    ...routingParts,
    apiKey(members, definition),
    PaymentRail.developmentPart,
    ...ChainParts.make(definition, rails),
  ])

/**
 * Makes every part that a definition names, over a registry of nobody, and answers what is wrong with those that cannot be
 * made, each with the path to it: so that a start is refused before there is a database.
 *
 * @category rules
 * @since 0.1.0
 */
export const problems = Effect.fnUntraced(function* (definition: MarketDefinition) {
  const parts = make({ authenticate: () => Effect.undefined }, definition, ChainParts.checking)
  const resolve = (path: string, kind: Parts.Kind<unknown>, ref: Parts.PartRef) =>
    Effect.match(parts.resolve(kind, ref), {
      onFailure: ({ message }) => [`${path}: ${message}`],
      onSuccess: () => [],
    })
  const each = (path: string, kind: Parts.Kind<unknown>, refs: ReadonlyArray<Parts.PartRef>) =>
    refs.map((ref, at) => resolve(`${path}[${at}]`, kind, ref))
  const found = yield* Effect.all([
    resolve("routing", RoutingPolicy, definition.routing),
    ...each("payments", PaymentScheme, definition.payments),
    ...each("topUps", PaymentRail.PaymentRail, definition.topUps),
    ...each("payouts", PayoutRail, definition.payouts),
  ])
  return found.flat()
})
