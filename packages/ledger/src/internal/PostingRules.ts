import { hash } from "node:crypto"
import * as Result from "effect/Result"
import type { Account, AccountId } from "../Account.ts"
import type { Applied, Change, Pages } from "../Book.ts"
import type { Hold, HoldId } from "../Hold.ts"
import {
  AccountNotOpen,
  Conflict,
  InsufficientFunds,
  InvalidCommand,
  LedgerError,
  type LedgerReason,
  UnknownAccount,
} from "../LedgerError.ts"
import type { Outcome, Posted } from "../LedgerStore.ts"
import { AMOUNT_MAX } from "../Limits.ts"
import type { Attachment, Posting } from "../Posting.ts"

export const refuse = (reason: LedgerReason): Result.Result<never, LedgerError> =>
  Result.fail(new LedgerError({ reason }))

export const invalid = (detail: string) => refuse(new InvalidCommand({ detail }))

export const done = (outcome: Outcome, changes: ReadonlyArray<Change> = []): Applied =>
  Result.succeed({ outcome, changes })

/** What an account can still spend: its balance less what is held, above its floor; without a floor all there can be. */
export const available = (account: Account): bigint =>
  account.floor === null ? AMOUNT_MAX : account.balance - account.held - account.floor

export const attached = (attachments: ReadonlyArray<Attachment>): ReadonlyArray<Change> =>
  attachments.map((attachment) => ({ _tag: "Attached", attachment }))

/**
 * What was asked, as a digest: equal for equal requests only. What a posting moves is what makes it the same; a receipt
 * that a second try attaches may differ in its times.
 */
export const fingerprint = (tag: string, hold: HoldId | null, { kind, legs }: Posting): string =>
  hash(
    "sha256",
    JSON.stringify([tag, hold, kind, legs.map(({ account, amount }) => [account, amount.toString()])]),
    "base64url",
  )

/** The first answer to a key that was used before, or a conflict; undefined for a new key. */
export const replay = (pages: Pages, key: string, print: string): Applied | undefined => {
  const known = pages.key(key)
  if (known === undefined) return undefined
  return known.fingerprint === print
    ? done({ _tag: "Posted", sequence: known.sequence, replayed: true })
    : refuse(new Conflict({ idempotencyKey: key }))
}

interface Moved {
  readonly accounts: ReadonlyMap<AccountId, Account>
  /** The balance of each leg's account right after it. */
  readonly balances: ReadonlyArray<bigint>
}

/** The accounts after all legs, before anything is said about limits. */
const move = (pages: Pages, posting: Posting, ending: Hold | null): Result.Result<Moved, LedgerError> => {
  const accounts = new Map<AccountId, Account>()
  const sums = new Map<string, bigint>()
  const balances: Array<bigint> = []
  const held = ending === null ? undefined : pages.account(ending.account)
  if (ending !== null && held !== undefined) accounts.set(held.id, { ...held, held: held.held - ending.amount })
  for (const { account: id, amount } of posting.legs) {
    const account = accounts.get(id) ?? pages.account(id)
    if (account === undefined) return refuse(new UnknownAccount({ account: id }))
    // A frozen or closed account still takes what an earlier hold promised.
    if (account.state !== "open" && ending === null) {
      return refuse(new AccountNotOpen({ account: id, state: account.state }))
    }
    const balance = account.balance + amount
    if (balance > AMOUNT_MAX || balance < -AMOUNT_MAX) return invalid(`it takes ${id} beyond 78 digits.`)
    accounts.set(id, { ...account, balance })
    balances.push(balance)
    sums.set(account.asset, (sums.get(account.asset) ?? 0n) + amount)
  }
  for (const [asset, sum] of sums) {
    if (sum !== 0n) return invalid(`its legs in ${asset} sum to ${sum}. They must sum to zero.`)
  }
  return Result.succeed({ accounts, balances })
}

/** The account that these moves would take below its floor. Who only receives is never in the way. */
const overdrawn = (pages: Pages, { accounts }: Moved): Result.Result<never, LedgerError> | undefined => {
  for (const after of accounts.values()) {
    const before = pages.account(after.id)
    if (after.floor === null || before === undefined || after.balance >= before.balance) continue
    const left = available(after)
    if (left >= 0n) continue
    const had = available(before) + before.held - after.held
    return refuse(new InsufficientFunds({ account: after.id, available: had, needed: had - left }))
  }
  return undefined
}

/** Records a posting; `ending` is the pending hold that it ends, `hold` the one that it belongs to. */
export const record = (
  pages: Pages,
  posting: Posting,
  options: {
    readonly fingerprint: string
    readonly hold: HoldId | null
    readonly ending: Hold | null
    readonly nowMs: number
    readonly changes: ReadonlyArray<Change>
  },
): Applied => {
  const moved = move(pages, posting, options.ending)
  if (Result.isFailure(moved)) return Result.fail(moved.failure)
  const refused = overdrawn(pages, moved.success)
  if (refused !== undefined) return refused
  const sequence = pages.lastSequence + 1n
  const posted: Posted = {
    sequence,
    posting: { ...posting, attachments: [] },
    hold: options.hold,
    balances: moved.success.balances,
    postedAtMs: options.nowMs,
  }
  const changes: Array<Change> = [{ _tag: "Posted", posted, fingerprint: options.fingerprint }]
  for (const account of moved.success.accounts.values()) changes.push({ _tag: "AccountSet", account })
  return done({ _tag: "Posted", sequence, replayed: false }, [
    ...changes,
    ...attached(posting.attachments),
    ...options.changes,
  ])
}
