/**
 * The parts by which money comes in and goes out on the market's chain, as a definition names them: `EvmDeposit` among its `topUps`,
 * `EvmPayout` among its `payouts`. What they are made of is loaded only where a market has a chain.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import * as MarketChain from "@guildhall/core/MarketChain"
import { NonNegativeAmount } from "@guildhall/core/Money"
import * as Parts from "@guildhall/core/Parts"
import * as PaymentRail from "@guildhall/ledger/PaymentRail"
import * as PayoutRail from "@guildhall/ledger/PayoutRail"

/** The name of deposits: each member has an address of its own. */
export const DEPOSIT = "EvmDeposit"

/** The name of payouts: transfers to members' wallets, many in one transaction. */
export const PAYOUT = "EvmPayout"

/**
 * What a definition says of deposits: `source` is what their money is called, in the definition's `funding` and in accounts.
 *
 * @category models
 * @since 0.1.0
 */
export const DepositTerms = Schema.Struct({ source: MarketChain.FundingSource })
export type DepositTerms = typeof DepositTerms.Type

/**
 * What a definition says of payouts: what was earned of which source is paid so, how long after it was earned at the earliest, how
 * often, and from how many of the token's smallest unit on.
 *
 * @category models
 * @since 0.1.0
 */
export const PayoutTerms = Schema.Struct({
  sources: MarketChain.Settling.fields.sources,
  everyMs: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1_000, maximum: 31_536_000_000 }))),
  minimum: Schema.optionalKey(NonNegativeAmount),
})
export type PayoutTerms = typeof PayoutTerms.Type

const DepositJson = Schema.toCodecJson(DepositTerms)
const PayoutJson = Schema.toCodecJson(PayoutTerms)

type Named = Pick<MarketDefinition, "topUps" | "payouts">
type Around = Named & Pick<MarketDefinition, "chain" | "chargeAsset" | "funding">

/**
 * The terms of deposits in a definition that was checked; undefined where it names none.
 *
 * @category getters
 * @since 0.1.0
 */
export const depositOf = ({ topUps }: Pick<Named, "topUps">): DepositTerms | undefined =>
  Option.getOrUndefined(Schema.decodeUnknownOption(DepositJson)(topUps.find(({ use }) => use === DEPOSIT)?.with))

/**
 * The terms of payouts in a definition that was checked; undefined where it names none.
 *
 * @category getters
 * @since 0.1.0
 */
export const payoutOf = ({ payouts }: Pick<Named, "payouts">): PayoutTerms | undefined =>
  Option.getOrUndefined(Schema.decodeUnknownOption(PayoutJson)(payouts.find(({ use }) => use === PAYOUT)?.with))

/** What both need: a chain, and a token of what is charged. */
const chainProblem = ({ chain, chargeAsset }: Around): string | undefined => {
  if (chain === undefined) return "It moves money on a chain, and the market has none. Give it a section `chain`."
  return chain.tokens[chargeAsset] === undefined
    ? `${chargeAsset} has no token on the market's chain. Name one in chain.tokens.`
    : undefined
}

const isTwice = (refs: ReadonlyArray<Parts.PartRef>, name: string): boolean =>
  refs.filter(({ use }) => use === name).length > 1

const depositProblem = (around: Around, { source }: DepositTerms): string | undefined => {
  if (isTwice(around.topUps, DEPOSIT)) return "It is named twice, and a member has one address. Name it once."
  return around.funding.includes(source)
    ? chainProblem(around)
    : `Nobody could spend money of the source "${source}": the market's \`funding\` lists ${around.funding.join(", ")}. Add it there.`
}

const payoutProblem = (around: Around, { sources }: PayoutTerms): string | undefined => {
  if (isTwice(around.payouts, PAYOUT)) return "It is named twice. Name all that it pays in one."
  const names = Object.keys(sources)
  if (names.length === 0) return "It pays nothing. Name one source or more."
  const both = names.find((name) => around.chain?.settlement.sources[name] !== undefined)
  return both === undefined
    ? chainProblem(around)
    : `What was earned of "${both}" is paid by epochs already (chain.settlement.sources). Name it in one of the two.`
}

/**
 * What makes the rails of checked terms.
 *
 * @category models
 * @since 0.1.0
 */
export interface Makers {
  readonly deposit: (terms: DepositTerms) => Effect.Effect<PaymentRail.PaymentRail, { readonly message: string }>
  readonly payout: (terms: PayoutTerms) => Effect.Effect<PayoutRail.PayoutRail, { readonly message: string }>
}

/**
 * Makes rails that move nothing: for looking at a definition before there is a database.
 *
 * @category constructors
 * @since 0.1.0
 */
export const checking: Makers = {
  deposit: ({ source }) => {
    const options = { name: DEPOSIT, fundingSource: source }
    return Effect.succeed(PaymentRail.makeMemory({ ...options, decide: () => ({ _tag: "Pending", next: null }) }))
  },
  payout: () => {
    const options = { name: PAYOUT, scale: 0 }
    return Effect.succeed(PayoutRail.makeMemory({ ...options, decide: () => ({ _tag: "Pending", next: null }) }))
  },
}

const refusal = (kind: string, use: string) => (detail: string) => new Parts.PartError({ kind, use, detail })

/**
 * The parts, for the market of a definition. What they need and it has not is said where they are resolved.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (around: Around, makers: Makers): ReadonlyArray<Parts.Part> => {
  const made = <A, T>(
    kind: Parts.Kind<A>,
    name: string,
    settings: Schema.ConstraintDecoder<unknown> & { readonly Type: T },
    problemOf: (around: Around, terms: T) => string | undefined,
    maker: (terms: T) => Effect.Effect<A, { readonly message: string }>,
  ): Parts.Part => {
    const refuse = refusal(kind.name, name)
    return Parts.composed(kind, {
      name,
      settings,
      make: (terms) => {
        const problem = problemOf(around, terms)
        return problem === undefined
          ? Effect.mapError(maker(terms), ({ message }) => refuse(message))
          : Effect.fail(refuse(problem))
      },
    })
  }
  return [
    made(PaymentRail.PaymentRail, DEPOSIT, DepositJson, depositProblem, makers.deposit),
    made(PayoutRail.PayoutRail, PAYOUT, PayoutJson, payoutProblem, makers.payout),
  ]
}
