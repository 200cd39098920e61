import type { AssetCode } from "@guildhall/core/Asset"
import type { Account, AccountId } from "../Account.ts"
import type * as Book from "../Book.ts"
import { type Entry, keyOf, type Posted } from "../Entry.ts"
import type { Hold, HoldId } from "../Hold.ts"
import type { PayoutRange } from "../PayoutRange.ts"
import type { Attachment } from "../Posting.ts"

/** What was changed on top of other pages, in the order in which it was. */
export interface Dirty {
  readonly accounts: Map<AccountId, Account>
  readonly holds: Map<HoldId, Hold>
  readonly leases: Map<string, number>
  readonly payouts: Map<HoldId, PayoutRange>
  readonly entries: Array<Entry>
  readonly attachments: Array<Attachment>
  readonly changes: Array<Book.Change>
}

/** Pages that changes are written on, over others that stay as they are. */
export interface Sheet extends Book.Pages {
  readonly write: (changes: ReadonlyArray<Book.Change>) => void
  readonly dirty: Dirty
}

/** Makes an empty sheet over pages. */
export const make = (base: Book.Pages): Sheet => {
  const dirty: Dirty = {
    accounts: new Map(),
    holds: new Map(),
    leases: new Map(),
    payouts: new Map(),
    entries: [],
    attachments: [],
    changes: [],
  }
  const keys = new Map<string, { readonly fingerprint: string; readonly sequence: bigint }>()
  const posted = new Map<bigint, Posted>()
  const scales = new Map<AssetCode, number>()
  const lastPayouts = new Map<AccountId, PayoutRange>()
  let closedUntilMs = base.closedUntilMs

  const write = (change: Book.Change): void => {
    switch (change._tag) {
      case "AccountSet":
        dirty.accounts.set(change.account.id, change.account)
        scales.set(change.account.asset.code, change.account.asset.scale)
        return
      case "HoldSet":
        dirty.holds.set(change.hold.id, change.hold)
        return
      case "Entered": {
        const { entry } = change
        dirty.entries.push(entry)
        keys.set(keyOf(entry), { fingerprint: entry.fingerprint, sequence: entry.sequence })
        if (entry._tag === "Posted") posted.set(entry.sequence, entry)
        return
      }
      case "Attached":
        dirty.attachments.push(change.attachment)
        return
      case "LeaseSet":
        dirty.leases.set(change.owner, change.untilMs)
        return
      case "PayoutSet":
        dirty.payouts.set(change.payout.hold, change.payout)
        lastPayouts.set(change.payout.account, change.payout)
        return
      case "ClosedUntilSet":
        closedUntilMs = change.endMs
    }
  }

  /** A context is read only where it is needed: what was written before it was need not have it. */
  const hold = (id: HoldId): Hold | undefined => {
    const written = dirty.holds.get(id)
    if (written === undefined || written.context !== null) return written ?? base.hold(id)
    const context = base.hold(id)?.context ?? null
    return context === null ? written : { ...written, context }
  }
  const leaseOf = (owner: string): number | undefined => dirty.leases.get(owner) ?? base.leaseOf(owner)

  /** What was ended or renewed since is due no more. */
  const isDue = ({ id, owner }: Hold, nowMs: number): boolean =>
    hold(id)?.state === "pending" && (dirty.leases.get(owner) ?? 0) <= nowMs

  const pendingOf = (owner: string): number => {
    let pending = base.pendingOf(owner)
    for (const hold of dirty.holds.values()) {
      if (hold.owner !== owner) continue
      pending += (hold.state === "pending" ? 1 : 0) - (base.hold(hold.id)?.state === "pending" ? 1 : 0)
    }
    return pending
  }

  return {
    account: (id) => dirty.accounts.get(id) ?? base.account(id),
    hold,
    key: (key) => keys.get(key) ?? base.key(key),
    posted: (sequence) => posted.get(sequence) ?? base.posted(sequence),
    scaleOf: (asset) => scales.get(asset) ?? base.scaleOf(asset),
    leaseOf,
    // Some of those that are due below were ended above.
    due: (nowMs, limit) =>
      base
        .due(nowMs, limit + dirty.holds.size)
        .flatMap((due) => (isDue(due, nowMs) ? (hold(due.id) ?? []) : []))
        .slice(0, limit),
    pendingOf,
    lastPayout: (account) => lastPayouts.get(account) ?? base.lastPayout(account),
    get lastSequence() {
      return base.lastSequence + BigInt(dirty.entries.length)
    },
    get closedUntilMs() {
      return closedUntilMs
    },
    write: (changes) => {
      for (const change of changes) {
        dirty.changes.push(change)
        write(change)
      }
    },
    dirty,
  }
}
