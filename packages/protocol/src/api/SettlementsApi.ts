/**
 * The epochs that a market settles on its chain, and the proofs by which a provider claims what it earned: from here or from a copy
 * kept before, with any wallet, whether the market is there or not.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { AssetCode } from "@guildhall/core/Asset"
import { NonNegativeAmount } from "@guildhall/core/Money"
import { Access, Roles } from "./Access.ts"
import { errors } from "./Problem.ts"

const number = (minimum: number, maximum: number, expected = "a whole number") =>
  Schema.String.pipe(
    Schema.check(Schema.isPattern(/^[0-9]{1,10}$/, { expected })),
    Schema.decodeTo(
      Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum }))),
      SchemaTransformation.numberFromString,
    ),
  )

const AddressText = Schema.String.pipe(Schema.check(Schema.isPattern(/^0x[0-9a-fA-F]{40}$/)))
const HexText = Schema.String.pipe(Schema.check(Schema.isPattern(/^0x[0-9a-f]*$/)))

/**
 * The most epochs of a page.
 *
 * @category constants
 * @since 0.1.0
 */
export const EPOCHS_MAX = 100

/**
 * An epoch. `state` says how far it has come: `begun` and `netted` are the market's own work; `posted`, that the chain has its root
 * and the time for challenges runs; `claimable`, that it can be claimed; `cancelled`, that it does not count and is paid with the
 * next one; `empty`, that nobody earned anything. `contract` is the one that pays, `root` what it commits to: null where that is not
 * known yet. Amounts are in the token's smallest unit: `total` is what all providers get together, `boost` the part of it that the
 * boost pool pays.
 *
 * @category models
 * @since 0.1.0
 */
export const SettlementView = Schema.Struct({
  epoch: Schema.Int,
  asset: AssetCode,
  state: Schema.Literals(["begun", "netted", "posted", "claimable", "cancelled", "empty"]),
  kind: Schema.Literals(["root", "batch"]),
  endMs: Schema.Int,
  chainId: Schema.Int,
  contract: AddressText,
  token: AddressText,
  root: Schema.NullOr(HexText),
  total: Schema.NullOr(NonNegativeAmount),
  boost: Schema.NullOr(NonNegativeAmount),
  accounts: Schema.NullOr(Schema.Int),
  transaction: Schema.NullOr(Schema.String),
  appliesAtS: Schema.NullOr(Schema.Int),
  definition: Schema.String,
})
/** @since 0.1.0 */
export type SettlementView = typeof SettlementView.Type

/**
 * A page of epochs, the newest first; `next` is the `before` of the next page.
 *
 * @category models
 * @since 0.1.0
 */
export const SettlementsView = Schema.Struct({
  data: Schema.Array(SettlementView),
  next: Schema.optionalKey(Schema.Int),
})
/** @since 0.1.0 */
export type SettlementsView = typeof SettlementsView.Type

/**
 * What the caller's wallets can prove of an epoch. `cumulative` is all that a wallet earned up to it, `amount` the part of this epoch.
 * `leaf` and `proof` lead to the epoch's root: hashed in pairs, the lower one first. `call` is what a wallet sends to be paid what is
 * new in it, null where the epoch is paid without (`batch`). A later proof takes the place of all before.
 *
 * @category models
 * @since 0.1.0
 */
export const SettlementProofView = Schema.Struct({
  ...SettlementView.fields,
  proofs: Schema.Array(
    Schema.Struct({
      account: AddressText,
      amount: NonNegativeAmount,
      cumulative: NonNegativeAmount,
      leaf: HexText,
      proof: Schema.Array(HexText),
      call: Schema.NullOr(Schema.Struct({ to: AddressText, data: HexText })),
    }),
  ),
})
/** @since 0.1.0 */
export type SettlementProofView = typeof SettlementProofView.Type

/** The number of an epoch, or `latest`: the last that is claimable. */
const params = {
  epoch: Schema.Union([Schema.Literal("latest"), number(0, 4_000_000_000, "the number of an epoch, or `latest`")]),
}

/** The contract, where a market has moved to another one: what was earned before is claimed on the former. */
const query = { contract: Schema.optionalKey(AddressText) }

/**
 * The group. Anyone with a key sees the epochs; a provider gets the proofs of its own wallets.
 *
 * @category groups
 * @since 0.1.0
 */
export class SettlementsApi extends HttpApiGroup.make("settlements")
  .add(
    HttpApiEndpoint.get("list", "/v1/settlements", {
      query: {
        limit: Schema.optionalKey(number(1, EPOCHS_MAX)),
        before: Schema.optionalKey(number(0, 4_000_000_000)),
        ...query,
      },
      success: SettlementsView,
      error: errors(503),
    }).annotate(OpenApi.Summary, "The epochs that the market settled on its chain, the newest first."),
    HttpApiEndpoint.get("get", "/v1/settlements/:epoch", {
      params,
      query,
      success: SettlementView,
      error: errors(404, 503),
    }).annotate(OpenApi.Summary, "An epoch, by its number, or the `latest` that can be claimed."),
    HttpApiEndpoint.get("proof", "/v1/settlements/:epoch/proof", {
      params,
      query,
      success: SettlementProofView,
      error: errors(403, 404, 503),
    })
      .annotate(OpenApi.Summary, "What your wallets can claim of an epoch, with the proof and the call that claims it.")
      .annotate(Roles, ["provider"]),
  )
  .middleware(Access)
  .annotate(OpenApi.Title, "Settlements") {}
