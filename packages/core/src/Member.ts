/**
 * Who takes part in a market. A member buys, provides, operates, or several of these; an account is one
 * balance of a member in the ledger.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The id of a member: `mem_` and 8 to 64 letters, digits, `_` or `-`.
 *
 * @category models
 * @since 0.1.0
 */
export const MemberId = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^mem_[A-Za-z0-9_-]{1,64}$/)),
  Schema.brand("MemberId"),
)
/** @since 0.1.0 */
export type MemberId = typeof MemberId.Type

/**
 * The public id of an API key: `key_…`. It names the key in lists, receipts and logs; the secret is shown once.
 *
 * @category models
 * @since 0.1.0
 */
export const KeyId = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^key_[A-Za-z0-9_-]{1,64}$/)),
  Schema.brand("KeyId"),
)
/** @since 0.1.0 */
export type KeyId = typeof KeyId.Type

/**
 * What a key may do: buy inference, run devices, or operate the market.
 *
 * @category models
 * @since 0.1.0
 */
export const Role = Schema.Literals(["buyer", "provider", "operator"])
/** @since 0.1.0 */
export type Role = typeof Role.Type

/**
 * Whether a buyer lets bodies be kept outside the gateway and the serving provider. `deny` is the default. It leaves out no
 * provider: a request does that by its `denyRetention`.
 *
 * @category models
 * @since 0.1.0
 */
export const DataCollection = Schema.Literals(["allow", "deny"])
/** @since 0.1.0 */
export type DataCollection = typeof DataCollection.Type

/**
 * How a buyer stands with the market, by its plan or what it spends: a `premium` one comes first where capacity is short.
 *
 * @category models
 * @since 0.1.0
 */
export const BuyerClass = Schema.Literals(["standard", "premium"])
/** @since 0.1.0 */
export type BuyerClass = typeof BuyerClass.Type

/**
 * A member of the market.
 *
 * @category models
 * @since 0.1.0
 */
export const Member = Schema.Struct({
  id: MemberId,
  name: Schema.NonEmptyString,
  createdAtMs: Schema.Int,
})
/** @since 0.1.0 */
export type Member = typeof Member.Type
