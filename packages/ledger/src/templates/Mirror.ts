/**
 * What an event on a chain moved between the buckets of a contract, for the books to follow.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Amount } from "@guildhall/core/Money"
import { AccountId } from "../Account.ts"
import * as Draft from "./internal/Draft.ts"
import type { Template } from "./Template.ts"

const Hash = Schema.String.pipe(Schema.check(Schema.isPattern(/^0x[0-9a-f]{64}$/)))
const Count = Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0)))

/**
 * An event by its chain, transaction and number, in the block with this hash, and what it moved on accounts of kind `chain`: it
 * sums to zero in each asset.
 *
 * @category models
 * @since 0.1.0
 */
export const Mirror = Schema.Struct({
  chainId: Count,
  transaction: Hash,
  logIndex: Count,
  blockHash: Hash,
  moves: Schema.Array(
    Schema.Struct({
      account: AccountId.pipe(
        Schema.check(
          Schema.makeFilter((account) =>
            account.startsWith("chain:") ? undefined : `${account} is no mirror of a chain.`,
          ),
        ),
      ),
      amount: Amount,
    }),
  ),
})
/** @since 0.1.0 */
export type Mirror = typeof Mirror.Type

/**
 * The idempotency key of an event's posting. The block is in it, for a chain may take a block back and have the same transaction in
 * another one: the first is reversed then, and the second is posted.
 *
 * @category constructors
 * @since 0.1.0
 */
export const keyOf = ({ blockHash, chainId, logIndex, transaction }: Omit<Mirror, "moves">): string =>
  `chain:${chainId}:${transaction}:${logIndex}@${blockHash.slice(2, 34)}`

/**
 * Moves what the event moved. Several moves on one account become one leg.
 *
 * @category templates
 * @since 0.1.0
 */
export const posting: Template<Mirror> = Draft.template("mirror", Mirror, (mirror) => ({
  key: keyOf(mirror),
  moves: mirror.moves.map(({ account, amount }) => [account, amount] as const),
  links: { movement: `${mirror.transaction}:${mirror.logIndex}` },
}))
