import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { Account } from "../src/Account.ts"
import * as Book from "../src/Book.ts"
import type { Hold } from "../src/Hold.ts"
import * as Overlay from "../src/internal/Overlay.ts"
import * as Sample from "../src/testing/SampleCommand.ts"

/** Pages with one account and one hold, whose context was read or not. */
const pagesOf = (account: Account, hold: Hold, isRead: boolean): Book.Pages => {
  const known = isRead ? hold : { ...hold, context: null }
  return {
    account: (id) => (id === account.id ? account : undefined),
    hold: (id) => (id === hold.id ? known : undefined),
    key: () => undefined,
    posted: () => undefined,
    scaleOf: () => undefined,
    leaseOf: () => undefined,
    due: () => [known],
    pendingOf: () => 1,
    lastPayout: () => undefined,
    lastSequence: 0n,
    closedUntilMs: 0,
  }
}

describe("a batch that is decided on top of one that is on its way", () => {
  it("expires a hold with the context that was read for it, though the one before changed it without", () => {
    const id = Sample.accountId()
    const account: Account = {
      ...{ id, kind: "buyer", asset: Sample.USD, floor: 0n, ceiling: null, state: "open" },
      ...{ balance: 50n, held: 10n },
    }
    const { further: _, ...request } = Sample.holdRequest(id, 10n)
    const hold: Hold = { ...request, state: "pending", drawn: 0n, claimed: false, expiresAtMs: 5 }
    const first = Overlay.make(pagesOf(account, hold, false))
    const grown = Book.decide(first, { _tag: "Grow", hold: hold.id, amount: 15n }, 9)
    first.write(Result.getOrThrow(grown).changes)
    assert.isNull(first.hold(hold.id)?.context)

    const next = Overlay.make(pagesOf(account, hold, true))
    next.write(first.dirty.changes)
    const expired = Book.decide(Overlay.make(next), { _tag: "Expire", limit: 1 }, 9)
    const { changes, outcome } = Result.getOrThrow(expired)
    assert.deepStrictEqual(outcome, { _tag: "Expired", holds: [hold.id] })
    const attached = changes.flatMap((change) => (change._tag === "Attached" ? [change.attachment.body] : []))
    assert.deepStrictEqual(attached, [hold.context])
    const freed = changes.flatMap((change) => (change._tag === "AccountSet" ? [change.account.held] : []))
    assert.deepStrictEqual(freed, [0n])
    const again = Book.decide(next, { _tag: "Hold", hold: request }, 9)
    const held = Result.getOrThrow(again).outcome
    assert.deepStrictEqual(held._tag === "Held" ? held.hold.context : undefined, request.context)
  })
})
