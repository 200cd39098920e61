/**
 * How a charge is shared. Every party gets the floor of its share, and the odd units go to one party that the
 * definition names, so the parts always sum to the whole.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Integer basis points: 10,000 are the whole.
 *
 * @category models
 * @since 0.1.0
 */
export const BasisPoints = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 10_000 })))

/**
 * Who can have a share in a charge.
 *
 * @category models
 * @since 0.1.0
 */
export const Party = Schema.Literals(["provider", "platform", "validators", "insurance"])
/** @since 0.1.0 */
export type Party = typeof Party.Type

/**
 * The shares of a market. Each party stands once, the shares sum to 10,000, and `remainderTo` is one of them.
 *
 * @category models
 * @since 0.1.0
 */
export const Split = Schema.Struct({
  shares: Schema.NonEmptyArray(Schema.Struct({ party: Party, bps: BasisPoints })),
  remainderTo: Party,
}).pipe(
  Schema.check(
    Schema.makeFilter((split) => {
      const total = split.shares.reduce((sum, share) => sum + share.bps, 0)
      if (total !== 10_000) return `the shares sum to ${total} basis points. They must sum to 10000.`
      const parties = new Set(split.shares.map((share) => share.party))
      if (parties.size !== split.shares.length) return "a party stands twice. Give each party one share."
      return parties.has(split.remainderTo)
        ? undefined
        : `"${split.remainderTo}" takes the remainder but has no share. Name one of the parties.`
    }),
  ),
)
/** @since 0.1.0 */
export type Split = typeof Split.Type

/**
 * Shares an amount. The parts sum to the amount exactly.
 *
 * **Example** (Ninety to ten, with an odd unit)
 *
 * ```ts
 * import { Split } from "@guildhall/core/rules"
 *
 * const split = Split.Split.make({
 *   shares: [{ party: "provider", bps: 9000 }, { party: "platform", bps: 1000 }],
 *   remainderTo: "platform",
 * })
 * Split.share(split, 19n) // => [{ party: "provider", amount: 17n }, { party: "platform", amount: 2n }]
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const share = (
  split: Split,
  amount: bigint,
): ReadonlyArray<{ readonly party: Party; readonly amount: bigint }> => {
  const floors = split.shares.map(({ party, bps }) => ({ party, amount: (amount * BigInt(bps)) / 10_000n }))
  const rest = amount - floors.reduce((sum, part) => sum + part.amount, 0n)
  return floors.map((part) =>
    part.party === split.remainderTo ? { party: part.party, amount: part.amount + rest } : part,
  )
}
