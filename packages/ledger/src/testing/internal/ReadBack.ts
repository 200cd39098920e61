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
import type { Entry, Posted } from "../../Entry.ts"
import type { HoldId } from "../../Hold.ts"
import { LedgerStore, type Moment, type View } from "../../LedgerStore.ts"
import * as Sample from "../SampleCommand.ts"
import * as History from "./History.ts"
import * as Recompute from "./Recompute.ts"
import * as Trial from "./Trial.ts"

/** What was answered is there, in every word. */
const kept = Effect.gen(function* () {
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
  const posted = yield* Trial.posted({ _tag: "Settle", hold: gone.id, posting })
  assert.strictEqual(posted.hold, gone.id)
  assert.deepStrictEqual(posted.balances, [10n ** 40n - 3n, 3n])
  assert.deepStrictEqual({ ...posted.posting, attachments: [] }, { ...posting, attachments: [] })
  const [found, ...more] = (yield* History.attachments).filter(({ attachment: { kind } }) => kind === attachment.kind)
  assert.lengthOf(more, 0)
  assert.deepStrictEqual(found?.attachment, attachment)
})

const sorted = (balances: ReadonlyMap<AccountId, bigint>) => [...balances].sort(([a], [b]) => (a < b ? -1 : 1))

/** A part of history: by account, by keys, and in pages of any size. */
const parts = Effect.gen(function* () {
  const store = yield* LedgerStore
  const { outside, buyer, provider } = yield* Trial.people(100n)
  const quiet = Sample.accountId()
  yield* Trial.outcome(Sample.open(quiet))
  const made: Array<Posted> = []
  for (const legs of [
    [
      [buyer, -1n],
      [provider, 1n],
    ],
    [
      [buyer, 5n],
      [provider, -1n],
      [buyer, -4n],
    ],
    [
      [outside, -9n],
      [provider, 9n],
    ],
    [
      [provider, -3n],
      [buyer, 2n],
      [outside, 1n],
    ],
  ] as const) {
    made.push(yield* Trial.posted({ _tag: "Post", posting: Sample.postingOf(legs) }))
  }
  const sequences = (entries: ReadonlyArray<Entry>) => entries.map(({ sequence }) => sequence)
  const [first, second, third, fourth] = made.map(({ sequence }) => sequence)
  for (const limit of [1, 2, 3, 500]) {
    const ofProvider = yield* History.all(store, "entries", limit, { account: provider })
    assert.deepStrictEqual<unknown>(sequences(ofProvider), [first, second, third, fourth])
    assert.deepStrictEqual<unknown>(ofProvider[1], made[1])
    // An account is touched once by a posting, however many of its legs are on it.
    const ofBuyer = yield* History.all(store, "entries", limit, { account: buyer })
    assert.deepStrictEqual<unknown>(sequences(ofBuyer).slice(1), [first, second, fourth])
    assert.deepStrictEqual(yield* History.all(store, "entries", limit, { account: quiet }), [])
    assert.deepStrictEqual(yield* History.all(store, "entries", limit, { account: Sample.accountId() }), [])
    const keys = [2, 0].flatMap((at) => made[at]?.posting.idempotencyKey ?? [])
    const byKeys = yield* History.all(store, "entries", limit, { keys: [...keys, ...keys, Sample.text()] })
    assert.deepStrictEqual<unknown>(byKeys, [made[0], made[2]])
    assert.deepStrictEqual(yield* History.all(store, "entries", limit, { keys: [] }), [])
  }
  const opened = yield* store.history("entries", { after: 0n, limit: 2, keys: [`ledger:open:${quiet}`] })
  assert.deepStrictEqual<unknown>(
    opened.map((entry) => (entry._tag === "Acted" ? entry.act : entry)),
    [{ _tag: "Opened", account: quiet, kind: "buyer", asset: Sample.USD, floor: 0n, ceiling: null, state: "open" }],
  )
  const whole = yield* History.entries
  assert.deepStrictEqual(yield* History.all(store, "entries", 7), whole)
  assert.deepStrictEqual(yield* store.history("entries", { after: 3n, limit: 4 }), whole.slice(3, 7))
  assert.deepStrictEqual(yield* store.history("entries", { after: BigInt(whole.length), limit: 4 }), [])
  assert.deepStrictEqual(yield* History.all(store, "attachments", 3), yield* History.attachments)
  assert.deepStrictEqual(yield* History.all(store, "batches", 5), yield* History.batches)
})

/** The balances of any moment, by sequence and by time; some of what counts then is posted later. */
const moments = Effect.fnUntraced(function* (pass: Trial.Pass) {
  const store = yield* LedgerStore
  const { outside, buyer, provider } = yield* Trial.people(100n)
  const ids = [outside, buyer, provider]
  const at = Effect.fnUntraced(function* (moment: Moment) {
    const some = yield* store.balances(moment, ids)
    const all = yield* store.balances(moment)
    for (const id of ids) assert.strictEqual(all.get(id), some.get(id))
    return ids.map((id) => some.get(id))
  })
  const first = yield* Trial.posted(Sample.post(buyer, provider, 10n))
  yield* pass(30)
  // The account twice in one posting: its balance is the one after the last of its legs.
  const twice = yield* Trial.posted({
    _tag: "Post",
    posting: Sample.postingOf([
      [provider, 7n],
      [buyer, -4n],
      [provider, -3n],
    ]),
  })
  assert.deepStrictEqual(twice.balances, [17n, 86n, 14n])
  yield* pass(30)
  const { postedAtMs: middleMs } = twice
  const late = yield* Trial.posted(Sample.post(buyer, provider, 20n, { effectiveAtMs: first.postedAtMs + 1 }))
  assert.strictEqual(late.effectiveAtMs, first.postedAtMs + 1)
  assert.isAbove(late.postedAtMs, middleMs)
  const lateToo = yield* Trial.posted({
    _tag: "Post",
    posting: Sample.postingOf(
      [
        [buyer, 9n],
        [provider, -1n],
        [buyer, -8n],
      ],
      { effectiveAtMs: middleMs },
    ),
  })
  yield* pass(30)
  const last = yield* Trial.posted(Sample.post(outside, buyer, 1n))
  yield* Trial.refuses(
    Sample.post(outside, buyer, 1n, { effectiveAtMs: last.postedAtMs + 3_600_000 }),
    "InvalidCommand",
  )
  yield* Trial.refuses(Sample.post(outside, buyer, 1n, { effectiveAtMs: 0.5 }), "InvalidCommand")

  assert.deepStrictEqual(yield* at({ sequence: first.sequence - 2n }), [undefined, undefined, undefined])
  assert.deepStrictEqual(yield* at({ sequence: first.sequence - 1n }), [-100n, 100n, undefined])
  assert.deepStrictEqual(yield* at({ sequence: first.sequence }), [-100n, 90n, 10n])
  assert.deepStrictEqual(yield* at({ sequence: twice.sequence }), [-100n, 86n, 14n])
  assert.deepStrictEqual(yield* at({ sequence: late.sequence }), [-100n, 66n, 34n])
  assert.deepStrictEqual(yield* at({ sequence: lateToo.sequence }), [-100n, 67n, 33n])
  assert.deepStrictEqual(yield* at({ sequence: last.sequence }), [-101n, 68n, 33n])
  assert.deepStrictEqual(yield* at({ sequence: last.sequence + 1_000_000n }), [-101n, 68n, 33n])
  assert.deepStrictEqual(yield* at({ sequence: 0n }), [undefined, undefined, undefined])

  assert.deepStrictEqual(yield* at({ beforeMs: first.postedAtMs + 1 }), [-100n, 90n, 10n])
  assert.deepStrictEqual(yield* at({ beforeMs: first.postedAtMs + 2 }), [-100n, 70n, 30n])
  assert.deepStrictEqual(yield* at({ beforeMs: middleMs }), [-100n, 70n, 30n])
  assert.deepStrictEqual(yield* at({ beforeMs: middleMs + 1 }), [-100n, 67n, 33n])
  assert.deepStrictEqual(yield* at({ beforeMs: last.postedAtMs }), [-100n, 67n, 33n])
  assert.deepStrictEqual(yield* at({ beforeMs: last.postedAtMs + 1 }), [-101n, 68n, 33n])
  assert.deepStrictEqual(sorted(yield* store.balances({ beforeMs: 0 })), [])
  assert.deepStrictEqual(sorted(yield* store.balances({ beforeMs: last.postedAtMs + 1 }, [])), [])
  assert.deepStrictEqual(sorted(yield* store.balances({ beforeMs: last.postedAtMs + 1 }, [Sample.accountId()])), [])
})

/** Every entry of a large batch is a moment of its own, and pages may end at any of them. */
const within = Effect.gen(function* () {
  const store = yield* LedgerStore
  const { outside, buyer, provider } = yield* Trial.people(100n)
  const made = Effect.fnUntraced(function* (size: number) {
    const answers = yield* Trial.commit(
      Array.from({ length: size }, (_, at) =>
        at % 3 === 1
          ? Sample.post(outside, provider, 2n)
          : Sample.post(buyer, at % 3 === 0 ? provider : outside, 1n, { links: { request: String(at) } }),
      ),
    )
    return answers.flatMap((answer) =>
      Result.isSuccess(answer) && answer.success._tag === "Posted" ? [answer.success.sequence] : [],
    )
  })
  const sequences = [...(yield* made(17)), ...(yield* made(1)), ...(yield* made(9))]
  assert.lengthOf(sequences, 27)
  const start = (sequences[0] ?? 0n) - 1n
  const last = sequences.at(-1) ?? 0n
  for (const account of [buyer, provider]) {
    const all = (yield* store.history("entries", { after: start, limit: 100, account })).map(({ sequence }) => sequence)
    const moves = (yield* store.history("entries", { after: start, limit: 100 })).flatMap((entry) =>
      entry._tag === "Posted" && entry.posting.legs.some((leg) => leg.account === account) ? [entry.sequence] : [],
    )
    assert.deepStrictEqual(all, moves)
    for (let after = start; after <= last; after++) {
      const page = yield* store.history("entries", { after, limit: 4, account })
      const expected = moves.filter((sequence) => sequence > after).slice(0, 4)
      assert.deepStrictEqual(
        page.map(({ sequence }) => sequence),
        expected,
      )
    }
  }
  const entries = yield* store.history("entries", { after: start, limit: 100 })
  const running = new Map(yield* store.balances({ sequence: start }, [outside, buyer, provider]))
  for (const entry of entries) {
    if (entry._tag !== "Posted") continue
    for (const { account, amount } of entry.posting.legs) running.set(account, (running.get(account) ?? 0n) + amount)
    const found = yield* store.balances({ sequence: entry.sequence }, [outside, buyer, provider])
    assert.deepStrictEqual(sorted(found), sorted(running), `at entry ${entry.sequence}`)
  }
})

/** Guarantee 8. @since 0.1.0 */
export const durable = (pass: Trial.Pass) => Effect.all([kept, parts, within, moments(pass)], { discard: true })

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
  yield* Recompute.balances
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
  after: { readonly entry: bigint; readonly batch: bigint; readonly attachment: bigint },
) {
  const pending = (yield* view.holds({ pending: true })).map(({ id }) => id)
  return {
    accounts: (yield* view.accounts(accounts)).map(({ id, balance, held }) => `${id} ${balance} ${held}`).sort(),
    isListed: (yield* view.accounts()).filter(({ id }) => accounts.includes(id)).length,
    states: (yield* view.holds({ ids: holds })).map(({ id, state }) => `${id} ${state}`).sort(),
    isPending: holds.map((id) => pending.includes(id)),
    entries: (yield* view.history("entries", { after: after.entry, limit: 10 })).length,
    batches: (yield* view.history("batches", { after: after.batch, limit: 10 })).length,
    attachments: (yield* view.history("attachments", { after: after.attachment, limit: 10 })).length,
    balances: sorted(yield* view.balances({ sequence: after.entry + 10n }, accounts)).map(([, balance]) => balance),
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
    entry: (yield* History.entries).at(-1)?.sequence ?? 0n,
    batch: (yield* History.batches).at(-1)?.number ?? 0n,
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
        assert.deepInclude(before, { isListed: 3, isPending: [true, false], entries: 0, batches: 0, attachments: 0 })
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
  assert.deepInclude(now, { isListed: 4, isPending: [false, true], entries: 2, batches: 1, attachments: 1 })
  assert.include(now.accounts, `${buyer} 93 20`)
})
