/**
 * The proofs of a ledger's store that concern what is read back of it.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import type { AccountId } from "../../Account.ts"
import type { HoldId } from "../../Hold.ts"
import { LedgerStore, type View } from "../../LedgerStore.ts"
import * as Sample from "../SampleCommand.ts"
import * as History from "./History.ts"
import * as Trial from "./Trial.ts"

/** Guarantee 8. @since 0.1.0 */
export const durable = Effect.gen(function* () {
  const store = yield* LedgerStore
  const { buyer, provider } = yield* Trial.people(10n ** 40n)
  const [request, gone] = [Sample.holdRequest(buyer, 7n), Sample.holdRequest(buyer, 9n)]
  const context = { text: `a "quoted" \\ {brace}, \u0000 and 😀`, list: [1, null, true] }
  const held = yield* Trial.outcome({ _tag: "Hold", hold: { ...request, context } })
  yield* Trial.outcome({ _tag: "Hold", hold: gone })
  const attachment = { kind: Sample.text(), body: context }
  const posting = Sample.posting(buyer, provider, 3n, {
    idempotencyKey: `it's "a" \\ key{},;${Sample.text()}`,
    attachments: [attachment],
  })
  const settled = yield* Trial.outcome({ _tag: "Settle", hold: gone.id, posting })
  if (held._tag !== "Held" || settled._tag !== "Posted") return assert.fail("the answers are of another kind")

  const opened = Sample.open(buyer)
  const { _tag, ...terms } = opened
  assert.deepStrictEqual<unknown>(yield* Trial.account(buyer), {
    ...terms,
    state: "open",
    balance: 10n ** 40n - 3n,
    held: 7n,
  })
  assert.deepStrictEqual(yield* store.accounts([]), [])
  assert.deepStrictEqual(yield* store.accounts([Sample.accountId()]), [])
  assert.includeMembers(
    (yield* store.accounts()).map(({ id }) => id),
    [buyer, provider],
  )
  const kept = yield* Trial.hold(request.id)
  assert.deepStrictEqual({ ...kept }, { ...kept, ...request, context, state: "pending", claimed: false })
  assert.strictEqual(kept.expiresAtMs, held.hold.expiresAtMs)
  assert.strictEqual((yield* Trial.hold(gone.id)).state, "posted")
  const pending = (yield* store.holds({ pending: true })).map(({ id }) => id)
  assert.include(pending, request.id)
  assert.notInclude(pending, gone.id)
  const posted = (yield* History.postings).find(({ sequence }) => sequence === settled.sequence)
  assert.strictEqual(posted?.hold, gone.id)
  assert.deepStrictEqual(posted?.balances, [10n ** 40n - 3n, 3n])
  assert.deepStrictEqual({ ...posted?.posting, attachments: [] }, { ...posting, attachments: [] })
  const [found, ...more] = (yield* History.attachments).filter(({ attachment: { kind } }) => kind === attachment.kind)
  assert.lengthOf(more, 0)
  assert.deepStrictEqual(found?.attachment, attachment)
})

/** Guarantee 9. @since 0.1.0 */
export const recomputed = Effect.gen(function* () {
  const store = yield* LedgerStore
  const { outside, buyer, provider } = yield* Trial.people(1_000n)
  const before = (yield* History.postings).length
  const batches = Array.from({ length: 10 }, (_, batch) =>
    Array.from({ length: 5 }, (_, at) =>
      at === 3
        ? Sample.post(buyer, provider, 10n ** 9n)
        : Sample.post(at % 2 === 0 ? buyer : outside, at % 2 === 0 ? provider : buyer, BigInt(batch + at + 1)),
    ),
  )
  const answers = yield* Effect.all(
    batches.map((batch) => store.commit(batch)),
    { concurrency: "unbounded" },
  )
  const postings = yield* History.postings
  assert.lengthOf(postings, before + 40)
  assert.deepStrictEqual(
    postings.map(({ sequence }) => sequence),
    postings.map((_, at) => BigInt(at + 1)),
  )
  for (const [batch, results] of answers.entries()) {
    const sequences = results.flatMap((result) =>
      Result.isSuccess(result) && result.success._tag === "Posted" ? [result.success.sequence] : [],
    )
    assert.lengthOf(sequences, 4, `batch ${batch}`)
    assert.deepStrictEqual(
      sequences,
      sequences.toSorted((a, b) => (a < b ? -1 : 1)),
    )
  }
  const running = new Map<AccountId, bigint>()
  for (const { posting, balances } of postings) {
    for (const [at, { account, amount }] of posting.legs.entries()) {
      running.set(account, (running.get(account) ?? 0n) + amount)
      assert.strictEqual(balances[at], running.get(account))
    }
  }
  for (const { id, balance } of yield* store.accounts()) assert.strictEqual(balance, running.get(id) ?? 0n, id)
})

/** Guarantee 10. @since 0.1.0 */
export const attached = Effect.gen(function* () {
  const { buyer, provider } = yield* Trial.people(100n)
  const before = (yield* History.attachments).length
  const kind = Sample.text()
  const attachments = (...bodies: ReadonlyArray<number>) => bodies.map((body) => ({ kind, body }))
  const voided = Sample.holdRequest(buyer, 1n)
  const settled = Sample.holdRequest(buyer, 1n)
  const posting = Sample.posting(buyer, provider, 1n, { attachments: attachments(1, 2) })
  yield* Trial.commit([
    { _tag: "Hold", hold: voided },
    { _tag: "Hold", hold: settled },
    { _tag: "Post", posting },
    Sample.post(buyer, provider, 1_000n, { attachments: attachments(90) }),
    { _tag: "Void", hold: voided.id, attachments: attachments(3) },
    { _tag: "Post", posting },
    { _tag: "Void", hold: voided.id, attachments: attachments(91) },
    { _tag: "Settle", hold: settled.id, posting: Sample.posting(buyer, provider, 1n, { attachments: attachments(4) }) },
  ])
  yield* Trial.commit([Sample.post(buyer, provider, 1n, { attachments: attachments(5) })])
  const huge = { kind, body: "x".repeat(16_400) }
  yield* Trial.refuses(Sample.post(buyer, provider, 1n, { attachments: [huge] }), "InvalidCommand")
  const kept = (yield* History.attachments).slice(before)
  assert.deepStrictEqual(
    kept.map(({ attachment }) => attachment),
    attachments(1, 2, 3, 4, 5),
  )
  assert.deepStrictEqual(
    kept.map(({ sequence }) => sequence),
    kept.map((_, at) => BigInt(before + at + 1)),
  )
})

/** What a view shows of some accounts and holds, and of what came after a moment. */
const look = Effect.fnUntraced(function* (
  view: View,
  accounts: ReadonlyArray<AccountId>,
  holds: ReadonlyArray<HoldId>,
  after: { readonly posting: bigint; readonly attachment: bigint },
) {
  const pending = (yield* view.holds({ pending: true })).map(({ id }) => id)
  return {
    accounts: (yield* view.accounts(accounts)).map(({ id, balance, held }) => `${id} ${balance} ${held}`).sort(),
    isListed: (yield* view.accounts()).filter(({ id }) => accounts.includes(id)).length,
    states: (yield* view.holds({ ids: holds })).map(({ id, state }) => `${id} ${state}`).sort(),
    isPending: holds.map((id) => pending.includes(id)),
    postings: (yield* view.postings(after.posting, 10)).length,
    attachments: (yield* view.attachments(after.attachment, 10)).length,
  }
})

/** Guarantee 11. @since 0.1.0 */
export const oneMoment = Effect.gen(function* () {
  const store = yield* LedgerStore
  const { outside, buyer, provider } = yield* Trial.people(100n)
  const [kept, later] = [Sample.holdRequest(buyer, 10n), Sample.holdRequest(buyer, 20n)]
  const newcomer = Sample.accountId()
  yield* Trial.outcome({ _tag: "Hold", hold: kept })
  const after = {
    posting: (yield* History.postings).at(-1)?.sequence ?? 0n,
    attachment: (yield* History.attachments).at(-1)?.sequence ?? 0n,
  }
  const see = (view: View) => look(view, [outside, buyer, provider, newcomer], [kept.id, later.id], after)

  // Someone else, who was there before the snapshot, commits while it is read.
  const go = yield* Deferred.make<void>()
  const attachments = [{ kind: Sample.text(), body: 1 }]
  const writer = yield* Effect.forkChild(
    Effect.andThen(
      Deferred.await(go),
      store.commit([
        { _tag: "Settle", hold: kept.id, posting: Sample.posting(buyer, provider, 7n, { attachments }) },
        { _tag: "Hold", hold: later },
        Sample.open(newcomer),
      ]),
    ),
  )
  const failure = yield* Effect.flip(
    store.snapshot(
      Effect.fnUntraced(function* (view) {
        const before = yield* see(view)
        assert.deepInclude(before, { isListed: 3, isPending: [true, false], postings: 0, attachments: 0 })
        assert.include(before.accounts, `${buyer} 100 10`)
        yield* Deferred.succeed(go, undefined)
        assert.isTrue((yield* Fiber.join(writer)).every(Result.isSuccess))
        assert.deepStrictEqual(yield* see(view), before)
        return yield* Effect.fail("what is read may fail" as const)
      }),
    ),
  )
  assert.strictEqual(failure, "what is read may fail")
  const now = yield* store.snapshot(see)
  assert.deepInclude(now, { isListed: 4, isPending: [false, true], postings: 1, attachments: 1 })
  assert.include(now.accounts, `${buyer} 93 20`)
})
