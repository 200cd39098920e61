import { hash } from "node:crypto"
import * as Result from "effect/Result"
import type { AssetCode } from "@guildhall/core/Asset"
import type { Account, AccountId } from "../Account.ts"
import type { Applied, Change, Pages } from "../Book.ts"
import { detailOf } from "../Chain.ts"
import type { Posted } from "../Entry.ts"
import type { HoldId } from "../Hold.ts"
import {
  AccountNotOpen,
  CeilingExceeded,
  Conflict,
  InsufficientFunds,
  InvalidCommand,
  LedgerError,
  type LedgerReason,
  PeriodClosed,
  UnknownAccount,
} from "../LedgerError.ts"
import type { Command, Outcome } from "../LedgerStore.ts"
import { AMOUNT_MAX } from "../Limits.ts"
import type { Attachment, Posting } from "../Posting.ts"
import * as ExchangeRules from "./ExchangeRules.ts"

type Of<Tag extends Command["_tag"]> = Extract<Command, { readonly _tag: Tag }>

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

export const digest = (text: string): string => hash("sha256", text, "base64url")

/**
 * What was asked, as a digest: equal for equal requests only. What a posting moves, and what for, is what makes it the
 * same; a receipt that a second try attaches may differ in its times.
 */
export const fingerprint = (tag: string, hold: HoldId | null, posting: Posting): string => {
  let text = `${tag}\n${hold}\n${posting.kind}\n${posting.effectiveAtMs}\n${detailOf(posting)}`
  for (const { account, amount } of posting.legs) text += `\n${account} ${amount}`
  return digest(text)
}

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

/** What a hold gives back of an account while one of its postings is made. */
interface Release {
  readonly account: AccountId
  readonly amount: bigint
}

/** Whether an account takes this leg: a frozen one only what an earlier hold promised, its own or somebody else's to it. */
const takesPart = ({ id, state }: Account, amount: bigint, released: ReadonlyArray<Release>): boolean =>
  state === "open" ||
  (state === "frozen" && released.length > 0 && (amount > 0n || released.some(({ account }) => account === id)))

/** The accounts after all legs, before anything is said about limits. */
const move = (pages: Pages, posting: Posting, released: ReadonlyArray<Release>): Result.Result<Moved, LedgerError> => {
  const accounts = new Map<AccountId, Account>()
  const sums = new Map<AssetCode, bigint>()
  const balances: Array<bigint> = []
  for (const { account: id, amount } of released) {
    const account = pages.account(id)
    if (account !== undefined) accounts.set(id, { ...account, held: account.held - amount })
  }
  for (const { account: id, amount } of posting.legs) {
    const account = accounts.get(id) ?? pages.account(id)
    if (account === undefined) return refuse(new UnknownAccount({ account: id }))
    if (!takesPart(account, amount, released)) return refuse(new AccountNotOpen({ account: id, state: account.state }))
    const balance = account.balance + amount
    if (balance > AMOUNT_MAX || balance < -AMOUNT_MAX) return invalid(`it takes ${id} beyond 78 digits.`)
    accounts.set(id, { ...account, balance })
    balances.push(balance)
    sums.set(account.asset.code, (sums.get(account.asset.code) ?? 0n) + amount)
  }
  for (const [asset, sum] of sums) {
    if (sum !== 0n) return invalid(`its legs in ${asset} sum to ${sum}. They must sum to zero.`)
  }
  const problem = ExchangeRules.problem(posting, accounts, [...sums.keys()])
  return problem === undefined ? Result.succeed({ accounts, balances }) : invalid(problem)
}

/** The first account that these moves would take out of its limits. Who moves away from a limit is never in the way. */
const beyondLimits = (pages: Pages, { accounts }: Moved): LedgerReason | undefined => {
  for (const after of accounts.values()) {
    const before = pages.account(after.id)
    if (before === undefined) continue
    if (after.ceiling !== null && after.balance > after.ceiling && after.balance > before.balance) {
      return new CeilingExceeded({ account: after.id, ceiling: after.ceiling, balance: after.balance })
    }
    if (after.floor === null || after.balance >= before.balance) continue
    const left = available(after)
    if (left >= 0n) continue
    const had = available(before) + before.held - after.held
    return new InsufficientFunds({ account: after.id, available: had, needed: had - left })
  }
  return undefined
}

/** Records a posting; `release` is what it frees of a hold's parts, `hold` the one that it belongs to. */
export const record = (
  pages: Pages,
  posting: Posting,
  options: {
    readonly fingerprint: string
    readonly hold: HoldId | null
    readonly release: ReadonlyArray<Release>
    readonly nowMs: number
    readonly changes: ReadonlyArray<Change>
  },
): Applied => {
  const { nowMs } = options
  const effectiveAtMs = posting.effectiveAtMs ?? nowMs
  if (effectiveAtMs > nowMs) return invalid("a posting cannot count at a time that has not come yet.")
  if (effectiveAtMs < pages.closedUntilMs) {
    return refuse(new PeriodClosed({ closedUntilMs: pages.closedUntilMs, effectiveAtMs }))
  }
  const moved = move(pages, posting, options.release)
  if (Result.isFailure(moved)) return Result.fail(moved.failure)
  const refused = beyondLimits(pages, moved.success)
  if (refused !== undefined) return refuse(refused)
  const sequence = pages.lastSequence + 1n
  const entry: Posted = {
    _tag: "Posted",
    sequence,
    fingerprint: options.fingerprint,
    posting: posting.attachments.length === 0 ? posting : { ...posting, attachments: [] },
    hold: options.hold,
    balances: moved.success.balances,
    postedAtMs: nowMs,
    effectiveAtMs,
  }
  const changes: Array<Change> = [{ _tag: "Entered", entry }]
  for (const account of moved.success.accounts.values()) changes.push({ _tag: "AccountSet", account })
  for (const attachment of posting.attachments) changes.push({ _tag: "Attached", attachment })
  changes.push(...options.changes)
  return done({ _tag: "Posted", sequence, replayed: false }, changes)
}

export const post = (pages: Pages, { posting }: Of<"Post">, nowMs: number): Applied => {
  const print = fingerprint("Post", null, posting)
  return (
    replay(pages, posting.idempotencyKey, print) ??
    record(pages, posting, { fingerprint: print, hold: null, release: [], nowMs, changes: [] })
  )
}

export const reverse = (pages: Pages, { sequence, attachments }: Of<"Reverse">, nowMs: number): Applied => {
  const posted = pages.posted(sequence)
  if (posted === undefined) return invalid(`there is no posting ${sequence}.`)
  const { kind, legs, links, rate } = posted.posting
  if (kind === "reversal") return invalid("a reversal is not taken back. Make the posting again, under a new key.")
  const posting: Posting = {
    idempotencyKey: `ledger:reversal:${sequence}`,
    kind: "reversal",
    legs: legs.map(({ account, amount }) => ({ account, amount: -amount })),
    attachments,
    links: { ...links, reverses: sequence.toString() },
    ...(rate === undefined ? {} : { rate }),
  }
  const print = fingerprint("Reverse", null, posting)
  return (
    replay(pages, posting.idempotencyKey, print) ??
    record(pages, posting, { fingerprint: print, hold: null, release: [], nowMs, changes: [] })
  )
}
