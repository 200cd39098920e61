/**
 * From one asset to another, at a recorded rate, through the market's exchange accounts.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { AccountId, ids } from "../Account.ts"
import { Rate } from "../Posting.ts"
import * as Draft from "./internal/Draft.ts"
import type { Template } from "./Template.ts"

type Ratio = Pick<Rate, "numerator" | "denominator">

/**
 * What an amount is worth at a rate, rounded down: what a payee gets.
 *
 * **Example** (Three cents of the one are two of the other)
 *
 * ```ts
 * import { Exchange } from "@guildhall/ledger/templates"
 *
 * Exchange.worth({ numerator: 2n, denominator: 3n }, 100n) // => 66n
 * Exchange.cost({ numerator: 2n, denominator: 3n }, 66n) // => 99n
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const worth = ({ denominator, numerator }: Ratio, amount: bigint): bigint => (amount * numerator) / denominator

/**
 * The least amount that is worth so much at a rate: what to take in where the payee must get `wanted`. A payee gets `wanted`
 * or more, where a unit of what is taken in is worth several.
 *
 * @category rules
 * @since 0.1.0
 */
export const cost = ({ denominator, numerator }: Ratio, wanted: bigint): bigint =>
  (wanted * denominator + numerator - 1n) / numerator

const isOutside = Schema.makeFilter<AccountId>((id) =>
  /^(exchange|rounding):/.test(id) ? `${id} is the market's side of exchanges.` : undefined,
)

/**
 * An exchange, by its own id: `amount` of the rate's `from`, from the payer's account, for what it is worth in the rate's `to`,
 * to the payee's.
 *
 * @category models
 * @since 0.1.0
 */
export const Exchange = Schema.Struct({
  exchange: Draft.Name,
  payer: AccountId.pipe(Schema.check(isOutside)),
  payee: AccountId.pipe(Schema.check(isOutside)),
  amount: Draft.PositiveAmount,
  rate: Rate,
}).pipe(
  Schema.check(
    Schema.makeFilter(({ amount, rate }) => {
      if (rate.from === rate.to) return `${rate.from} is not exchanged for itself.`
      return worth(rate, amount) > 0n ? undefined : `${amount} ${rate.from} are not worth one unit of ${rate.to}.`
    }),
  ),
)
/** @since 0.1.0 */
export type Exchange = typeof Exchange.Type

/**
 * Takes the amount in and gives its worth out, once. The payee gets {@link worth}; where that was rounded, the odd unit goes to
 * `rounding:<to>`, so that nothing is lost and nobody gains by exchanging to and fro.
 *
 * **Example** (An odd unit)
 *
 * ```ts
 * import { AssetCode, USD } from "@guildhall/core/Asset"
 * import { Account } from "@guildhall/ledger"
 * import { Exchange } from "@guildhall/ledger/templates"
 * import { Result } from "effect"
 *
 * const EUR = AssetCode.make("EUR")
 * const rate = { from: USD.code, to: EUR, numerator: 2n, denominator: 3n, source: "ecb", asOfMs: 0 }
 * const payer = Account.AccountId.make("platform:fees")
 * const payee = Account.AccountId.make("platform:euro")
 * const posting = Exchange.posting({ exchange: "x1", payer, payee, amount: 100n, rate })
 * Result.getOrThrow(posting).legs.map(({ account, amount }) => `${account} ${amount}`)
 * // => ["platform:fees -100", "exchange:USD 100", "exchange:EUR -67", "platform:euro 66", "rounding:EUR 1"]
 * ```
 *
 * @category templates
 * @since 0.1.0
 */
export const posting: Template<Exchange> = Draft.template("exchange", Exchange, (exchange) => {
  const { amount, payee, payer, rate } = exchange
  const given = worth(rate, amount)
  const odd = given * rate.denominator === amount * rate.numerator ? 0n : 1n
  return {
    key: `exchange:${exchange.exchange}`,
    moves: [
      [payer, -amount],
      [ids.exchange(rate.from), amount],
      [ids.exchange(rate.to), -given - odd],
      [payee, given],
      [ids.rounding(rate.to), odd],
    ],
    links: {},
    rate,
  }
})
