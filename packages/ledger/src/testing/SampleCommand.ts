/**
 * Commands to test a ledger with. Ids are fresh on every call, so a suite can run twice on one database.
 *
 * @since 0.1.0
 */
import { randomBytes } from "node:crypto"
import { type Asset, USD as usd } from "@guildhall/core/Asset"
import { AccountId, type AccountKind, type Terms } from "../Account.ts"
import { HoldId, type HoldRequest } from "../Hold.ts"
import type { Command } from "../LedgerStore.ts"
import type { Posting } from "../Posting.ts"

/** The asset of every sample, unless another is asked for. @since 0.1.0 */
export const USD: Asset = usd

/** A text that no test has used. @since 0.1.0 */
export const text = (): string => randomBytes(8).toString("hex")

/** An account that no test has used. @since 0.1.0 */
export const accountId = (kind: AccountKind = "buyer"): AccountId => AccountId.make(`${kind}:${text()}`)

/** A hold that no test has used. @since 0.1.0 */
export const holdId = (): HoldId => HoldId.make(`req_${text()}`)

/** Opens an account, with a floor of zero and no ceiling unless another is asked for. @since 0.1.0 */
export const open = (
  id: AccountId,
  values: Partial<Extract<Command, { readonly _tag: "Open" }>> = {},
): Extract<Command, { readonly _tag: "Open" }> => ({
  _tag: "Open",
  id,
  kind: "buyer",
  asset: USD,
  floor: 0n,
  ceiling: null,
  ...values,
})

/** A posting that moves `amount` from one account to another. @since 0.1.0 */
export const posting = (from: AccountId, to: AccountId, amount: bigint, values: Partial<Posting> = {}): Posting => ({
  idempotencyKey: text(),
  kind: "charge",
  legs: [
    { account: from, amount: -amount },
    { account: to, amount },
  ],
  attachments: [],
  ...values,
})

/** Makes a posting that moves `amount` from one account to another. @since 0.1.0 */
export const post = (
  from: AccountId,
  to: AccountId,
  amount: bigint,
  values: Partial<Posting> = {},
): Extract<Command, { readonly _tag: "Post" }> => ({ _tag: "Post", posting: posting(from, to, amount, values) })

/** A posting of these legs. @since 0.1.0 */
export const postingOf = (
  legs: ReadonlyArray<readonly [account: AccountId, amount: bigint]>,
  values: Partial<Posting> = {},
): Posting => ({
  idempotencyKey: text(),
  kind: "charge",
  legs: legs.map(([account, amount]) => ({ account, amount })),
  attachments: [],
  ...values,
})

/** A hold of `amount` that lives for ten minutes, unless another life is asked for. @since 0.1.0 */
export const holdRequest = (account: AccountId, amount: bigint, values: Partial<HoldRequest> = {}): HoldRequest => ({
  id: holdId(),
  account,
  amount,
  owner: `gateway-${text()}`,
  lifeMs: 600_000,
  definitionDigest: "0".repeat(64),
  context: { sample: true },
  ...values,
})

/** Takes a hold of `amount`. @since 0.1.0 */
export const hold = (
  account: AccountId,
  amount: bigint,
  values: Partial<HoldRequest> = {},
): Extract<Command, { readonly _tag: "Hold" }> => ({ _tag: "Hold", hold: holdRequest(account, amount, values) })

/** Changes an account's terms: open, with a floor of zero and no ceiling unless others are asked for. @since 0.1.0 */
export const setTerms = (
  account: AccountId,
  terms: Partial<Terms>,
  idempotencyKey = text(),
): Extract<Command, { readonly _tag: "SetTerms" }> => ({
  _tag: "SetTerms",
  idempotencyKey,
  account,
  terms: { floor: 0n, ceiling: null, state: "open", ...terms },
})
