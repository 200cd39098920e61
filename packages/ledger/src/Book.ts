/**
 * The rules of the ledger, shared by every store: what a command does to accounts, holds and history. Total functions of
 * plain data; the store's clock arrives as an argument.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import type { Account, AccountId } from "./Account.ts"
import type { Hold, HoldId } from "./Hold.ts"
import {
  AccountNotOpen,
  Conflict,
  HoldNotAvailable,
  InsufficientFunds,
  InvalidCommand,
  LedgerError,
  UnknownAccount,
} from "./LedgerError.ts"
import type { Command, Outcome, Posted } from "./LedgerStore.ts"
import { AMOUNT_MAX } from "./Limits.ts"
import type { Attachment } from "./Posting.ts"
import * as CommandForm from "./internal/CommandForm.ts"
import { attached, available, done, fingerprint, invalid, record, refuse, replay } from "./internal/PostingRules.ts"

/**
 * What a store must know before it applies a command: the accounts, holds and keys that the command names.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pages {
  readonly account: (id: AccountId) => Account | undefined
  readonly hold: (id: HoldId) => Hold | undefined
  /** Which posting has an idempotency key: its sequence and the fingerprint of what was asked. */
  readonly key: (key: string) => { readonly fingerprint: string; readonly sequence: bigint } | undefined
  /** Until when an owner has renewed its holds, in Unix milliseconds. */
  readonly leaseOf: (owner: string) => number | undefined
  /** Pending holds that neither their own life nor their owner's lease keeps alive at `nowMs`, oldest first. */
  readonly due: (nowMs: number, limit: number) => ReadonlyArray<Hold>
  readonly pendingOf: (owner: string) => number
  readonly lastSequence: bigint
}

/**
 * What a command changes. A store writes all of them or none.
 *
 * @category models
 * @since 0.1.0
 */
export type Change =
  | { readonly _tag: "AccountSet"; readonly account: Account }
  | { readonly _tag: "HoldSet"; readonly hold: Hold }
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
  const print = fingerprint("Post", null, posting)
  return (
    replay(pages, posting.idempotencyKey, print) ??
    record(pages, posting, { fingerprint: print, hold: null, ending: null, nowMs, changes: [] })
  )
}

/** A hold lives until its own expiry or its owner's last renewal, whichever is later. */
const withLease = (pages: Pages, hold: Hold): Hold => ({
  ...hold,
  expiresAtMs: Math.max(hold.expiresAtMs, pages.leaseOf(hold.owner) ?? 0),
})

const takeHold = (pages: Pages, { hold: request }: Of<"Hold">, nowMs: number): Applied => {
  const { id, account: accountId, amount } = request
  const account = pages.account(accountId)
  const known = pages.hold(id)
  if (known !== undefined) {
    // The context says when it was written: a second try may carry another time.
    const isSame =
      known.account === accountId &&
      known.amount === amount &&
      known.owner === request.owner &&
      known.definitionDigest === request.definitionDigest
    if (!isSame || account === undefined) return refuse(new Conflict({ idempotencyKey: id }))
    return done({ _tag: "Held", hold: withLease(pages, known), available: available(account), replayed: true })
  }
  if (account === undefined) return refuse(new UnknownAccount({ account: accountId }))
  if (account.state !== "open") return refuse(new AccountNotOpen({ account: accountId, state: account.state }))
  const left = available(account)
  if (left < amount) return refuse(new InsufficientFunds({ account: accountId, available: left, needed: amount }))
  const after: Account = { ...account, held: account.held + amount }
  if (after.held > AMOUNT_MAX) return invalid(`it takes what is held of ${accountId} beyond 78 digits.`)
  const hold: Hold = { ...request, state: "pending", claimed: false, expiresAtMs: nowMs + request.lifeMs }
  return done({ _tag: "Held", hold: withLease(pages, hold), available: available(after), replayed: false }, [
    { _tag: "AccountSet", account: after },
    { _tag: "HoldSet", hold },
  ])
}

const notAvailable = (id: HoldId, hold: Hold | undefined, wanted: Hold["state"]) =>
  refuse(new HoldNotAvailable({ hold: id, state: hold?.state ?? null, wanted }))

const settle = (pages: Pages, { hold: id, posting }: Of<"Settle">, nowMs: number): Applied => {
  const print = fingerprint("Settle", id, posting)
  const known = replay(pages, posting.idempotencyKey, print)
  if (known !== undefined) return known
  const hold = pages.hold(id)
  if (hold?.state !== "pending") return notAvailable(id, hold, "pending")
  const taken = posting.legs.reduce((sum, leg) => (leg.account === hold.account ? sum - leg.amount : sum), 0n)
  if (taken > hold.amount) return invalid(`it takes ${taken} from ${hold.account}, and only ${hold.amount} is held.`)
  return record(pages, posting, {
    fingerprint: print,
    hold: id,
    ending: hold,
    nowMs,
    changes: [{ _tag: "HoldSet", hold: { ...hold, state: "posted" } }],
  })
}

const voidHold = (pages: Pages, { hold: id, attachments }: Of<"Void">): Applied => {
  const hold = pages.hold(id)
  if (hold?.state === "voided") return done({ _tag: "Voided", replayed: true })
  if (hold?.state !== "pending") return notAvailable(id, hold, "pending")
  const changes: Array<Change> = [{ _tag: "HoldSet", hold: { ...hold, state: "voided" } }]
  const account = pages.account(hold.account)
  if (account !== undefined) {
    changes.push({ _tag: "AccountSet", account: { ...account, held: account.held - hold.amount } })
  }
  return done({ _tag: "Voided", replayed: false }, [...changes, ...attached(attachments)])
}

const claim = (pages: Pages, { hold: id, posting }: Of<"Claim">, nowMs: number): Applied => {
  const print = fingerprint("Claim", id, posting)
  const known = replay(pages, posting.idempotencyKey, print)
  if (known !== undefined) return known
  const hold = pages.hold(id)
  if (hold?.state !== "expired" || hold.claimed) return notAvailable(id, hold, "expired")
  if (posting.legs.some((leg) => leg.account === hold.account && leg.amount < 0n)) {
    return invalid(`a claim is not paid by ${hold.account}: its hold expired, and the money is its own again.`)
  }
  return record(pages, posting, {
    fingerprint: print,
    hold: id,
    ending: null,
    nowMs,
    changes: [{ _tag: "HoldSet", hold: { ...hold, claimed: true } }],
  })
}

const renew = (pages: Pages, { owner, lifeMs }: Of<"Renew">, nowMs: number): Applied =>
  done({ _tag: "Renewed", count: pages.pendingOf(owner) }, [
    { _tag: "LeaseSet", owner, untilMs: Math.max(nowMs + lifeMs, pages.leaseOf(owner) ?? 0) },
  ])

const expire = (pages: Pages, { limit }: Of<"Expire">, nowMs: number): Applied => {
  const accounts = new Map<AccountId, Account>()
  const changes: Array<Change> = []
  const holds: Array<HoldId> = []
  for (const hold of pages.due(nowMs, limit)) {
    const account = accounts.get(hold.account) ?? pages.account(hold.account)
    if (account !== undefined) accounts.set(account.id, { ...account, held: account.held - hold.amount })
    changes.push({ _tag: "HoldSet", hold: { ...hold, state: "expired" } })
    changes.push({ _tag: "Attached", attachment: { kind: "hold.expired", body: hold.context } })
    holds.push(hold.id)
  }
  const released = [...accounts.values()].map((account): Change => ({ _tag: "AccountSet", account }))
  return done({ _tag: "Expired", holds }, [...released, ...changes])
}

/**
 * What is wrong with a command's form, whatever the books say: a leg of zero, an amount beyond 78 digits, a text that a
 * database cannot keep. `undefined` where nothing is. A store looks before it reads anything, so that one such command
 * does not take its batch down.
 *
 * @category rules
 * @since 0.1.0
 */
export const refusal = (command: Command): LedgerError | undefined => {
  const detail = CommandForm.problem(command)
  return detail === undefined ? undefined : new LedgerError({ reason: new InvalidCommand({ detail }) })
}

/**
 * Decides a command whose form is right. Nothing is changed here: the answer says what would be.
 *
 * @category rules
 * @since 0.1.0
 */
export const decide = (pages: Pages, command: Command, nowMs: number): Applied => {
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

/**
 * Applies one command: {@link refusal}, then {@link decide}.
 *
 * @category rules
 * @since 0.1.0
 */
export const apply = (pages: Pages, command: Command, nowMs: number): Applied => {
  const refused = refusal(command)
  return refused === undefined ? decide(pages, command, nowMs) : Result.fail(refused)
}
