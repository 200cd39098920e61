/**
 * The rules of the ledger, shared by every store: what a command does to accounts, holds and history. Total functions of
 * plain data; the store's clock arrives as an argument.
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Canonical from "@guildhall/core/Canonical"
import type { Account, AccountId } from "./Account.ts"
import type { Hold, HoldId } from "./Hold.ts"
import {
  AccountNotOpen,
  Conflict,
  HoldNotAvailable,
  InsufficientFunds,
  InvalidCommand,
  LedgerError,
  type LedgerReason,
  UnknownAccount,
} from "./LedgerError.ts"
import type { Command, Outcome, Posted } from "./LedgerStore.ts"
import type { Attachment, Posting } from "./Posting.ts"

/** Attachments of one command are at most so many bytes of JSON. @category constants @since 0.1.0 */
export const ATTACHMENT_BYTES_MAX = 16_384
/** A hold's context is at most so many bytes of JSON. @category constants @since 0.1.0 */
export const CONTEXT_BYTES_MAX = 8_192

/**
 * What a store must know before it applies a command: the accounts, holds and keys that the command names. `leaseOf` is
 * until when an owner has renewed its holds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pages {
  readonly account: (id: AccountId) => Account | undefined
  readonly hold: (id: HoldId) => StoredHold | undefined
  /** Which posting has an idempotency key: its sequence and the fingerprint of what was asked. */
  readonly key: (key: string) => { readonly fingerprint: string; readonly sequence: bigint } | undefined
  readonly leaseOf: (owner: string) => number | undefined
  /** Pending holds that neither their own life nor their owner's lease keeps alive at `nowMs`, oldest first. */
  readonly due: (nowMs: number, limit: number) => ReadonlyArray<StoredHold>
  readonly pendingOf: (owner: string) => number
  readonly lastSequence: bigint
}

/**
 * A hold as a store keeps it: with the fingerprint of how it ended, so that a repeated command is known.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoredHold extends Hold {
  readonly takenAs: string
  readonly endedAs: string | null
}

/**
 * What a command changes. A store writes all of them or none.
 *
 * @category models
 * @since 0.1.0
 */
export type Change =
  | { readonly _tag: "AccountSet"; readonly account: Account }
  | { readonly _tag: "HoldSet"; readonly hold: StoredHold }
  | { readonly _tag: "Posted"; readonly posted: Posted; readonly fingerprint: string }
  | { readonly _tag: "Attached"; readonly attachment: Attachment }
  | { readonly _tag: "LeaseSet"; readonly owner: string; readonly untilMs: number }

/**
 * What a command leads to: its outcome, and what changes.
 *
 * @category models
 * @since 0.1.0
 */
export type Applied = Result.Result<{ readonly outcome: Outcome; readonly changes: ReadonlyArray<Change> }, LedgerError>

const refuse = (reason: LedgerReason): Result.Result<never, LedgerError> => Result.fail(new LedgerError({ reason }))
const invalid = (detail: string) => refuse(new InvalidCommand({ detail }))
const done = (outcome: Outcome, changes: ReadonlyArray<Change> = []): Applied => Result.succeed({ outcome, changes })

/** What was asked, as a digest: equal for equal requests only. */
const fingerprintOf = (tag: string, content: Canonical.Json): string =>
  createHash("sha256")
    .update(`${tag}:${Canonical.stringify(content)}`)
    .digest("base64url")

const postingFingerprint = (tag: string, hold: HoldId | null, posting: Posting): string => {
  // What a posting moves is what makes it the same; a receipt attached by a second try may differ in its times.
  const legs = posting.legs.map(({ account, amount }) => ({ account, amount: amount.toString() }))
  return fingerprintOf(tag, { hold, kind: posting.kind, legs })
}

const bytesOf = (json: Schema.Json): number => new TextEncoder().encode(JSON.stringify(json)).length

const attachmentsFit = (attachments: ReadonlyArray<Attachment>): boolean =>
  attachments.reduce((sum, attachment) => sum + bytesOf(attachment.body), 0) <= ATTACHMENT_BYTES_MAX

const attached = (attachments: ReadonlyArray<Attachment>): ReadonlyArray<Change> =>
  attachments.map((attachment) => ({ _tag: "Attached", attachment }))

/** What an account can still spend: its balance less what is held, above its floor. */
const available = (account: Account): bigint | null =>
  account.floor === null ? null : account.balance - account.held - account.floor

/** The accounts that a posting's legs touch, after it; or why it cannot be. */
const moveLegs = (
  pages: Pages,
  posting: Posting,
  release: { readonly account: AccountId; readonly amount: bigint } | null,
): Result.Result<
  { readonly accounts: ReadonlyArray<Account>; readonly balances: ReadonlyArray<bigint> },
  LedgerError
> => {
  const touched = new Map<AccountId, Account>()
  const sums = new Map<string, bigint>()
  const balances: Array<bigint> = []
  if (release !== null) {
    const account = pages.account(release.account)
    if (account !== undefined) touched.set(account.id, { ...account, held: account.held - release.amount })
  }
  for (const { account: id, amount } of posting.legs) {
    const account = touched.get(id) ?? pages.account(id)
    if (account === undefined) return refuse(new UnknownAccount({ account: id }))
    // A frozen or closed account still takes what an earlier hold promised.
    if (account.state !== "open" && release === null)
      return refuse(new AccountNotOpen({ account: id, state: account.state }))
    const after = { ...account, balance: account.balance + amount }
    touched.set(id, after)
    balances.push(after.balance)
    sums.set(account.asset, (sums.get(account.asset) ?? 0n) + amount)
  }
  for (const [asset, sum] of sums) {
    if (sum !== 0n) return invalid(`its legs in ${asset} sum to ${sum}. They must sum to zero.`)
  }
  for (const { account: id } of posting.legs) {
    const after = touched.get(id)
    const before = pages.account(id)
    if (after === undefined || before === undefined) continue
    const left = available(after)
    if (left !== null && left < 0n && after.balance < before.balance) {
      const had = available(before) ?? 0n
      return refuse(new InsufficientFunds({ account: id, available: had, needed: had - left }))
    }
  }
  return Result.succeed({ accounts: [...touched.values()], balances })
}

const record = (
  pages: Pages,
  posting: Posting,
  options: {
    readonly fingerprint: string
    readonly hold: StoredHold | null
    readonly release: boolean
    readonly nowMs: number
    readonly changes: ReadonlyArray<Change>
  },
): Applied => {
  if (!attachmentsFit(posting.attachments)) return invalid(`its attachments are over ${ATTACHMENT_BYTES_MAX} bytes.`)
  const release =
    options.release && options.hold !== null ? { account: options.hold.account, amount: options.hold.amount } : null
  const moved = moveLegs(pages, posting, release)
  if (Result.isFailure(moved)) return Result.fail(moved.failure)
  const sequence = pages.lastSequence + 1n
  const posted: Posted = {
    sequence,
    posting,
    hold: options.hold?.id ?? null,
    balances: moved.success.balances,
    postedAtMs: options.nowMs,
  }
  return done({ _tag: "Posted", sequence, replayed: false }, [
    ...moved.success.accounts.map((account): Change => ({ _tag: "AccountSet", account })),
    { _tag: "Posted", posted, fingerprint: options.fingerprint },
    ...attached(posting.attachments),
    ...options.changes,
  ])
}

/** The first answer to a key that was used before, or a conflict; undefined for a new key. */
const replay = (pages: Pages, key: string, fingerprint: string): Applied | undefined => {
  const known = pages.key(key)
  if (known === undefined) return undefined
  return known.fingerprint === fingerprint
    ? done({ _tag: "Posted", sequence: known.sequence, replayed: true })
    : refuse(new Conflict({ idempotencyKey: key }))
}

type Of<Tag extends Command["_tag"]> = Extract<Command, { readonly _tag: Tag }>

const open = (pages: Pages, { id, kind, asset, floor }: Of<"Open">): Applied => {
  const known = pages.account(id)
  if (known === undefined) {
    const account: Account = { id, kind, asset, floor, state: "open", balance: 0n, held: 0n }
    return done({ _tag: "Opened", account, replayed: false }, [{ _tag: "AccountSet", account }])
  }
  return known.kind === kind && known.asset === asset && known.floor === floor
    ? done({ _tag: "Opened", account: known, replayed: true })
    : refuse(new Conflict({ idempotencyKey: id }))
}

const post = (pages: Pages, { posting }: Of<"Post">, nowMs: number): Applied => {
  const fingerprint = postingFingerprint("Post", null, posting)
  return (
    replay(pages, posting.idempotencyKey, fingerprint) ??
    record(pages, posting, { fingerprint, hold: null, release: false, nowMs, changes: [] })
  )
}

const takeHold = (pages: Pages, { hold: request }: Of<"Hold">, nowMs: number): Applied => {
  const { id, account: accountId, amount, owner, lifeMs, definitionDigest, context } = request
  const account = pages.account(accountId)
  // The context says when it was written: a second try may carry another time.
  const takenAs = fingerprintOf("Hold", { account: accountId, amount: amount.toString(), owner, definitionDigest })
  const known = pages.hold(id)
  if (known !== undefined) {
    if (known.takenAs !== takenAs) return refuse(new Conflict({ idempotencyKey: id }))
    const left = account === undefined ? null : available(account)
    return done({ _tag: "Held", hold: withLease(pages, known), available: left ?? 0n, replayed: true })
  }
  if (account === undefined) return refuse(new UnknownAccount({ account: accountId }))
  if (account.state !== "open") return refuse(new AccountNotOpen({ account: accountId, state: account.state }))
  if (amount < 0n || lifeMs <= 0) return invalid("a hold needs an amount of zero or more and a life above zero.")
  if (bytesOf(context) > CONTEXT_BYTES_MAX) return invalid(`its context is over ${CONTEXT_BYTES_MAX} bytes.`)
  const left = available(account)
  if (left !== null && left < amount) {
    return refuse(new InsufficientFunds({ account: accountId, available: left, needed: amount }))
  }
  const hold: StoredHold = {
    id,
    account: accountId,
    amount,
    owner,
    lifeMs,
    definitionDigest,
    context,
    state: "pending",
    claimed: false,
    expiresAtMs: nowMs + lifeMs,
    takenAs,
    endedAs: null,
  }
  return done({ _tag: "Held", hold, available: left === null ? amount : left - amount, replayed: false }, [
    { _tag: "AccountSet", account: { ...account, held: account.held + amount } },
    { _tag: "HoldSet", hold },
  ])
}

/** A hold lives until its own expiry or its owner's last renewal, whichever is later. */
const withLease = (pages: Pages, hold: StoredHold): StoredHold => ({
  ...hold,
  expiresAtMs: Math.max(hold.expiresAtMs, pages.leaseOf(hold.owner) ?? 0),
})

const notAvailable = (id: HoldId, hold: StoredHold | undefined, wanted: Hold["state"]) =>
  refuse(new HoldNotAvailable({ hold: id, state: hold?.state ?? null, wanted }))

const settle = (pages: Pages, { hold: id, posting }: Of<"Settle">, nowMs: number): Applied => {
  const fingerprint = postingFingerprint("Settle", id, posting)
  const known = replay(pages, posting.idempotencyKey, fingerprint)
  if (known !== undefined) return known
  const hold = pages.hold(id)
  if (hold?.state !== "pending") return notAvailable(id, hold, "pending")
  const taken = posting.legs.reduce((sum, leg) => (leg.account === hold.account ? sum - leg.amount : sum), 0n)
  if (taken > hold.amount) return invalid(`it takes ${taken} from ${hold.account}, and only ${hold.amount} is held.`)
  const ended: StoredHold = { ...hold, state: "posted", endedAs: fingerprint }
  return record(pages, posting, {
    fingerprint,
    hold,
    release: true,
    nowMs,
    changes: [{ _tag: "HoldSet", hold: ended }],
  })
}

const release = (pages: Pages, hold: StoredHold): ReadonlyArray<Change> => {
  const account = pages.account(hold.account)
  return account === undefined
    ? []
    : [{ _tag: "AccountSet", account: { ...account, held: account.held - hold.amount } }]
}

const voidHold = (pages: Pages, { hold: id, attachments }: Of<"Void">): Applied => {
  const hold = pages.hold(id)
  if (hold?.state === "voided") return done({ _tag: "Voided", replayed: true })
  if (hold?.state !== "pending") return notAvailable(id, hold, "pending")
  if (!attachmentsFit(attachments)) return invalid(`its attachments are over ${ATTACHMENT_BYTES_MAX} bytes.`)
  return done({ _tag: "Voided", replayed: false }, [
    ...release(pages, hold),
    { _tag: "HoldSet", hold: { ...hold, state: "voided", endedAs: "Void" } },
    ...attached(attachments),
  ])
}

const claim = (pages: Pages, { hold: id, posting }: Of<"Claim">, nowMs: number): Applied => {
  const fingerprint = postingFingerprint("Claim", id, posting)
  const known = replay(pages, posting.idempotencyKey, fingerprint)
  if (known !== undefined) return known
  const hold = pages.hold(id)
  if (hold?.state !== "expired" || hold.claimed) return notAvailable(id, hold, "expired")
  return record(pages, posting, {
    fingerprint,
    hold,
    release: false,
    nowMs,
    changes: [{ _tag: "HoldSet", hold: { ...hold, claimed: true } }],
  })
}

const renew = (pages: Pages, { owner, lifeMs }: Of<"Renew">, nowMs: number): Applied =>
  done({ _tag: "Renewed", count: pages.pendingOf(owner) }, [{ _tag: "LeaseSet", owner, untilMs: nowMs + lifeMs }])

const expire = (pages: Pages, { limit }: Of<"Expire">, nowMs: number): Applied => {
  const accounts = new Map<AccountId, Account>()
  const changes: Array<Change> = []
  const holds: Array<HoldId> = []
  for (const hold of pages.due(nowMs, limit)) {
    const account = accounts.get(hold.account) ?? pages.account(hold.account)
    if (account !== undefined) accounts.set(account.id, { ...account, held: account.held - hold.amount })
    changes.push({ _tag: "HoldSet", hold: { ...hold, state: "expired", endedAs: "Expire" } })
    changes.push({ _tag: "Attached", attachment: { kind: "hold.expired", body: hold.context } })
    holds.push(hold.id)
  }
  const released = [...accounts.values()].map((account): Change => ({ _tag: "AccountSet", account }))
  return done({ _tag: "Expired", holds }, [...released, ...changes])
}

/**
 * Applies one command. Nothing is changed here: the answer says what would be.
 *
 * @category rules
 * @since 0.1.0
 */
export const apply = (pages: Pages, command: Command, nowMs: number): Applied => {
  switch (command._tag) {
    case "Open":
      return open(pages, command)
    case "Post":
      return post(pages, command, nowMs)
    case "Hold":
      return takeHold(pages, command, nowMs)
    case "Settle":
      return settle(pages, command, nowMs)
    case "Void":
      return voidHold(pages, command)
    case "Claim":
      return claim(pages, command, nowMs)
    case "Renew":
      return renew(pages, command, nowMs)
    case "Expire":
      return expire(pages, command, nowMs)
  }
}
