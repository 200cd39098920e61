import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { SecureRandom, Signature } from "effect/crypto"
import { Effect, Fiber, Layer, Result } from "effect"
import { TestClock } from "effect/testing"
import { SqlClient } from "effect/sql"
import * as KeyRing from "@guildhall/core/KeyRing"
import { type Account, AccountId } from "../src/Account.ts"
import * as Checkpoint from "../src/Checkpoint.ts"
import type { Act, Entry, Posted } from "../src/Entry.ts"
import { HoldId } from "../src/Hold.ts"
import { type Command, type History, LedgerStore, type Outcome, type Range, type View } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as Period from "../src/Period.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import * as Trial from "../src/testing/internal/Trial.ts"
import * as Verify from "../src/Verify.ts"
import * as RandomCommands from "./RandomCommands.ts"
import { EUR, seen } from "./SampleBooks.ts"

const Sql = LedgerStoreSql.layer({ renewMs: 10_000 }).pipe(Layer.provideMerge(TestDatabase.layer))
const Crypto = Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto))
const Keys = KeyRing.layerMemory.pipe(Layer.provide(Crypto))

const outside = AccountId.make("external:card")
const buyer = AccountId.make("buyer:ann")
const provider = AccountId.make("accrual:eve")
const payable = AccountId.make("payable:eve")
const [settled, drawn, kept] = [HoldId.make("req_settled"), HoldId.make("req_drawn"), HoldId.make("req_kept")]

const START_MS = 1_000_000

const begin = (unit: bigint): Command => ({ _tag: "BeginPayout", account: payable, rail: "card", unit, minimum: 1n })

const payout = (hold: HoldId, amount: bigint): Command => ({
  _tag: "Settle",
  hold,
  posting: Sample.posting(payable, outside, amount, { kind: "payout", idempotencyKey: hold }),
})

const firstRange = HoldId.make(`payout:${payable}:0-9`)
const secondRange = HoldId.make(`payout:${payable}:9-11`)
const thirdRange = HoldId.make(`payout:${payable}:11-13`)

/**
 * Entries 1 to 14 in the first batch: four accounts opened, a top-up, a settlement of 20 and a charge of 5, the buyer's terms
 * set, 100 to be paid out; a payout of 90 begun and made, one of 10 begun and voided, and one of 10 that is pending. Entry 15
 * closes what was before, 16 seals it. Entry 17 draws 4 of a hold of 7; 300 more fill a node of the tree.
 */
const trade = Effect.gen(function* () {
  yield* TestClock.adjust(START_MS)
  yield* Trial.commit([
    Sample.open(outside, { kind: "external", floor: null }),
    Sample.open(buyer),
    Sample.open(provider, { kind: "accrual" }),
    Sample.open(payable, { kind: "payable" }),
    Sample.post(outside, buyer, 1_000n, { kind: "topUp" }),
    Sample.hold(buyer, 30n, { id: settled }),
    { _tag: "Settle", hold: settled, posting: Sample.posting(buyer, provider, 20n) },
    Sample.post(buyer, provider, 5n),
    Sample.setTerms(buyer, { floor: -10n }),
    Sample.post(buyer, payable, 100n),
    begin(30n),
    payout(firstRange, 90n),
    begin(1n),
    { _tag: "Void", hold: secondRange, attachments: [] },
    begin(1n),
    Sample.hold(buyer, 7n, { id: drawn }),
    Sample.hold(buyer, 8n, { id: kept }),
  ])
  yield* TestClock.adjust(1_000)
  const endMs = START_MS + 500
  yield* Trial.outcome({ _tag: "ClosePeriod", endMs })
  const store = yield* LedgerStore
  const trialBalance = yield* store.snapshot((view) => Period.trialBalance(view, endMs))
  yield* Trial.outcome({ _tag: "SealPeriod", endMs, trialBalance })
  yield* Trial.outcome({ _tag: "Draw", hold: drawn, posting: Sample.posting(buyer, provider, 4n) })
  yield* Trial.commit(Array.from({ length: 300 }, () => Sample.post(buyer, provider, 1n)))
  return store
})

const told = (store: LedgerStore["Service"], options?: Verify.Options) =>
  Effect.map(Effect.flip(Effect.provideService(Verify.verify(options), LedgerStore, store)), (error) => {
    if (error._tag !== "Disagreement") return assert.fail(error.message)
    const { figure, sequence, account, expected, found } = error
    return [figure, sequence, account, expected, found] as const
  })

type Readers = { readonly [Kind in keyof History]: (item: History[Kind]) => ReadonlyArray<History[Kind]> }

const history =
  (changes: Partial<Readers>) =>
  (view: View): Partial<View> => {
    const asItIs: Readers = {
      entries: (item) => [item],
      attachments: (item) => [item],
      batches: (item) => [item],
      nodes: (item) => [item],
      payouts: (item) => [item],
    }
    const readers: Readers = { ...asItIs, ...changes }
    return {
      history: <Kind extends keyof History>(kind: Kind, range: Range) =>
        Effect.map(view.history(kind, range), (items) => items.flatMap((item) => readers[kind](item))),
    }
  }

const entry = (sequence: bigint, change: (entry: Entry) => ReadonlyArray<Entry>) =>
  history({ entries: (is) => (is.sequence === sequence ? change(is) : [is]) })

const posted = (sequence: bigint, change: (posted: Posted) => Partial<Posted>) =>
  entry(sequence, (is) => (is._tag === "Posted" ? [{ ...is, ...change(is) }] : assert.fail("it is an act")))

const legs = (sequence: bigint, amounts: readonly [bigint, bigint], balances: readonly [bigint, bigint]) =>
  posted(sequence, ({ posting }) => ({
    posting: { ...posting, legs: posting.legs.map((leg, at) => ({ ...leg, amount: amounts[at] ?? 0n })) },
    balances,
  }))

const act = (sequence: bigint, tag: Act["_tag"], change: object) =>
  entry(sequence, (is) => {
    if (is._tag !== "Acted" || is.act._tag !== tag) return assert.fail(`entry ${sequence} is no ${tag}`)
    return [{ ...is, act: { ...is.act, ...change } }]
  })

const accounts =
  (change: (account: Account) => ReadonlyArray<Account>) =>
  (view: View): Partial<View> => ({
    accounts: (ids) => Effect.map(view.accounts(ids), (all) => all.flatMap(change)),
  })

const account = (change: Partial<Account>) => accounts((is) => (is.id === buyer ? [{ ...is, ...change }] : [is]))

const holds =
  (
    id: HoldId,
    change: { readonly drawn?: bigint; readonly account?: AccountId; readonly amount?: bigint } | undefined,
  ) =>
  (view: View): Partial<View> => ({
    holds: (query) =>
      Effect.map(view.holds(query), (all) =>
        all.flatMap((hold) => (hold.id !== id ? [hold] : change === undefined ? [] : [{ ...hold, ...change }])),
      ),
  })

const batch = (number: bigint, change: (batch: History["batches"]) => ReadonlyArray<History["batches"]>) =>
  history({ batches: (is) => (is.number === number ? change(is) : [is]) })

const node = (change: (node: History["nodes"]) => ReadonlyArray<History["nodes"]>) => history({ nodes: change })

const payouts = (hold: HoldId, change: Partial<History["payouts"]> | undefined) =>
  history({ payouts: (is) => (is.hold !== hold ? [is] : change === undefined ? [] : [{ ...is, ...change }]) })

const other = new Uint8Array(32)
const zeros = "0".repeat(64)
const nobody = AccountId.make("buyer:nobody")

/** Books of random commands, whose payouts end and whose closed periods are sealed with what they say themselves. */
const randomBooks = Effect.fnUntraced(function* (
  seed: number,
  made: { payouts: number; seals: number; draws: number },
) {
  yield* TestClock.adjust(60_000)
  const store = yield* LedgerStore
  const follow = Effect.fnUntraced(function* (outcome: Outcome) {
    if (outcome._tag === "PayoutBegun" && outcome.payout !== null && !outcome.replayed) {
      made.payouts += 1
      yield* store.commit([RandomCommands.endOf(outcome.payout)])
    }
    if (outcome._tag !== "PeriodClosed" || outcome.replayed) return
    const { endMs } = outcome
    const trialBalance = yield* store.snapshot((view) => Period.trialBalance(view, endMs))
    yield* Trial.outcome({ _tag: "SealPeriod", endMs, trialBalance })
    made.seals += 1
  })
  for (const commands of RandomCommands.batches(seed, 400)) {
    yield* TestClock.adjust(1)
    // A seal that somebody made up is not what the books say.
    const answers = yield* store.commit(commands.filter(({ _tag }) => _tag !== "SealPeriod"))
    for (const answer of answers) if (Result.isSuccess(answer)) yield* follow(answer.success)
  }
  yield* Verify.verify()
  for (const { drawn } of yield* store.holds({ pending: true })) if (drawn > 0n) made.draws += 1
})

type Told = readonly [Verify.Figure, bigint | null, AccountId | null, string | RegExp, string | RegExp]

/** What is shown wrongly, and what verify says of it. */
const faults: ReadonlyArray<readonly [string, (view: View) => Partial<View>, Told]> = [
  ["an entry is missing", entry(6n, () => []), ["sequence", null, null, "6", "7"]],
  ["an entry has another number", posted(6n, () => ({ sequence: 8n })), ["sequence", null, null, "6", "8"]],
  [
    "an entry is older than the one before",
    posted(7n, () => ({ postedAtMs: START_MS - 1 })),
    ["time", 7n, null, "1000000", "999999"],
  ],
  [
    "a batch is older than the one before, and so are its entries",
    history({
      entries: (is) => [is.sequence === 17n ? { ...is, postedAtMs: START_MS - 1 } : is],
      batches: (is) => [is.number === 4n ? { ...is, committedAtMs: START_MS - 1 } : is],
    }),
    ["time", 17n, null, "1001000", "999999"],
  ],
  [
    "an entry is younger than its batch",
    posted(17n, () => ({ postedAtMs: START_MS + 1_001 })),
    ["time", 17n, null, "1001000", "1001001"],
  ],
  ["legs do not sum to zero", legs(6n, [-20n, 21n], [980n, 21n]), ["sum", 6n, null, "0 USD", "1 USD"]],
  [
    "legs in a second asset do not sum to zero",
    history({
      entries: (is) => {
        if (is._tag === "Acted" && is.act._tag === "Opened" && is.act.account === payable) {
          return [{ ...is, act: { ...is.act, asset: EUR } }]
        }
        if (is._tag === "Acted" || is.sequence !== 6n) return [is]
        const legs = [...is.posting.legs, { account: payable, amount: 1n }]
        return [{ ...is, posting: { ...is.posting, legs }, balances: [...is.balances, 1n] }]
      },
    }),
    ["sum", 6n, null, "0 EUR.", "1 EUR."],
  ],
  [
    "a leg recorded another balance",
    posted(7n, () => ({ balances: [976n, 25n] })),
    ["running balance", 7n, buyer, "975", "976"],
  ],
  [
    "a leg is on an unknown account",
    act(3n, "Opened", { account: nobody }),
    ["account", 6n, provider, "known", "missing"],
  ],
  [
    "an account is opened again",
    act(3n, "Opened", { account: buyer }),
    ["account", 3n, buyer, "opened once", "opened again"],
  ],
  [
    "terms are set of an unknown account",
    act(8n, "TermsSet", { account: nobody }),
    ["account", 8n, nobody, "known", "missing"],
  ],
  ["a posting goes below a floor", act(2n, "Opened", { floor: 981n }), ["available", 6n, buyer, "981 or more", "980"]],
  [
    "a posting goes above a ceiling",
    act(2n, "Opened", { ceiling: 999n }),
    ["balance", 5n, buyer, "999 or less", "1000"],
  ],
  ["a closed account is moved", act(2n, "Opened", { state: "closed" }), ["terms", 5n, buyer, "open", "closed"]],
  ["terms do not fit the balance", act(8n, "TermsSet", { floor: 976n }), ["terms", 8n, buyer, /fit 975/, /976/]],
  ["an account has another balance", account({ balance: 570n }), ["balance", null, buyer, "571", "570"]],
  ["more is held than holds keep", account({ held: 12n }), ["held", null, buyer, "11", "12"]],
  ["a floor was changed", account({ floor: -11n }), ["terms", null, buyer, /-10\.\./, /-11\.\./]],
  ["a ceiling was changed", account({ ceiling: 5_000n }), ["terms", null, buyer, /\.\.null/, /\.\.5000/]],
  ["an account was frozen", account({ state: "frozen" }), ["terms", null, buyer, /open/, /frozen/]],
  ["an account has another kind", account({ kind: "platform" }), ["terms", null, buyer, /buyer/, /platform/]],
  [
    "an account is gone",
    accounts((is) => (is.id === provider ? [] : [is])),
    ["account", null, provider, "known", "missing"],
  ],
  [
    "an account was never opened",
    accounts((is) => (is.id === buyer ? [is, { ...is, id: nobody }] : [is])),
    ["account", null, nobody, "opened", "never opened"],
  ],
  ["a hold is of an unknown account", holds(kept, { account: nobody }), ["account", null, nobody, "known", "missing"]],
  ["a hold is drawn beyond its amount", holds(drawn, { drawn: 8n }), ["hold", null, buyer, "at most 7", "8"]],
  [
    "a hold is drawn by less than was drawn",
    holds(drawn, { drawn: 0n }),
    ["hold", null, buyer, "req_drawn drawn by 4", "drawn by 0"],
  ],
  [
    "more is held than there is",
    (view) => ({ ...holds(kept, { amount: 600n })(view), ...account({ held: 603n })(view) }),
    ["available", null, buyer, "-10 or more", "-32"],
  ],
  ["a pending hold is gone", holds(kept, undefined), ["held", null, buyer, "3", "11"]],
  [
    "a posting counts in a closed period",
    posted(17n, () => ({ effectiveAtMs: START_MS })),
    ["period", 17n, null, "1000500", "1000000"],
  ],
  ["a period is closed twice", act(15n, "PeriodClosed", { endMs: 0 }), ["period", 15n, null, "later than 0", "0"]],
  [
    "a period that is not closed is sealed",
    act(16n, "PeriodSealed", { endMs: START_MS + 501 }),
    ["seal", 16n, null, /closed/, "1000501"],
  ],
  [
    "the sealed balances do not balance",
    (view) => ({ balances: (at) => Effect.map(view.balances(at), (all) => new Map([...all, [buyer, 1n]])) }),
    ["seal", 16n, null, /^\d+$/, /^\d+$/],
  ],
  [
    "the sealed balances are others",
    (view) => ({
      balances: (at) => Effect.map(view.balances(at), (all) => new Map([...all, [buyer, 874n], [provider, 26n]])),
    }),
    ["seal", 16n, null, /^\S{43} 4 USD 910\/910$/, /^\S{43} 4 USD 910\/910$/],
  ],
  ["a range begins too late", act(10n, "PayoutBegun", { fromSequence: 5n }), ["payout", 10n, payable, "0", "5"]],
  ["a range ends too early", act(10n, "PayoutBegun", { toSequence: 8n }), ["payout", 10n, payable, "9", "8"]],
  ["a range forgets what was carried", act(12n, "PayoutBegun", { carriedIn: 0n }), ["payout", 12n, payable, "10", "0"]],
  ["a range is worth too much", act(10n, "PayoutBegun", { amount: 91n }), ["payout", 10n, payable, "100", "101"]],
  ["a payout is of less than its range", legs(11n, [-80n, 80n], [20n, -920n]), ["payout", 11n, payable, "90", "80"]],
  [
    "a payout is made twice",
    posted(17n, () => ({ hold: firstRange })),
    ["payout", 17n, payable, "posted once", "posted again"],
  ],
  [
    "a payout is voided twice",
    act(13n, "PayoutVoided", { hold: firstRange }),
    ["payout", 13n, null, "pending", "posted"],
  ],
  [
    "two payouts are pending",
    entry(13n, (is) => {
      const terms = { account: buyer, floor: -10n, ceiling: null, state: "open" } as const
      return is._tag === "Acted" ? [{ ...is, act: { _tag: "TermsSet", ...terms } }] : []
    }),
    ["payout", 14n, payable, "one at a time", "two pending"],
  ],
  [
    "a payout is voided that was never begun",
    act(12n, "PayoutBegun", { hold: nobody }),
    ["payout", 13n, null, "pending", "missing"],
  ],
  [
    "a payout's state was changed",
    payouts(secondRange, { state: "posted" }),
    ["payout", null, payable, /voided$/, /posted$/],
  ],
  ["a payout is gone", payouts(secondRange, undefined), ["payout", null, null, "3", "2"]],
  [
    "less is held for a payout than its amount",
    (view) => ({
      ...holds(thirdRange, { amount: 9n })(view),
      ...accounts((is) => (is.id === payable ? [{ ...is, held: 9n }] : [is]))(view),
    }),
    ["payout", null, payable, "10 held for it", "9"],
  ],
  [
    "nothing is held for a pending payout",
    (view) => ({
      ...holds(thirdRange, undefined)(view),
      ...accounts((is) => (is.id === payable ? [{ ...is, held: 0n }] : [is]))(view),
    }),
    ["payout", null, payable, "10 held for it", "missing"],
  ],
  ["the last batch has no record", batch(5n, () => []), ["batch", 18n, null, "recorded", "missing"]],
  ["a batch has no record", batch(2n, () => []), ["batch", 16n, null, "2", "3"]],
  [
    "a batch is recorded without entries",
    batch(5n, (is) => [is, { ...is, number: 6n }]),
    ["batch", null, null, "none", "6"],
  ],
  ["a batch has another number", batch(1n, (is) => [{ ...is, number: 9n }]), ["batch", 14n, null, "1", "9"]],
  [
    "a batch ends beyond the history",
    batch(5n, (is) => [{ ...is, lastSequence: 400n }]),
    ["batch", 317n, null, "recorded", "missing"],
  ],
  ["a batch begins elsewhere", batch(1n, (is) => [{ ...is, firstSequence: 2n }]), ["batch", 14n, null, "1", "1"]],
  [
    "a batch ends elsewhere",
    batch(1n, (is) => [{ ...is, lastSequence: 13n }]),
    ["root", 13n, null, /^\S{64}$/, /^\S{64}$/],
  ],
  [
    "a batch is from another time",
    batch(1n, (is) => [{ ...is, committedAtMs: 5 }]),
    ["time", 1n, null, "5", "1000000"],
  ],
  ["a batch has another root", batch(1n, (is) => [{ ...is, root: other }]), ["root", 14n, null, /^\S{64}$/, zeros]],
  [
    "an entry has another key",
    posted(7n, ({ posting }) => ({ posting: { ...posting, idempotencyKey: "another" } })),
    ["root", 14n, null, /^\S{64}$/, /^\S{64}$/],
  ],
  [
    "the chain's head is another one",
    batch(1n, (is) => [{ ...is, chain: other }]),
    ["chain", 14n, null, /^\S{64}$/, zeros],
  ],
  ["a node is another one", node((is) => [{ ...is, hash: other }]), ["node", 317n, null, "1", "1"]],
  ["a node is of another level", node((is) => [{ ...is, level: 9 }]), ["node", 317n, null, "1", "1"]],
  ["a node has another place", node((is) => [{ ...is, index: 1n }]), ["node", 317n, null, "1", "1"]],
  ["a node is gone", node(() => []), ["node", 317n, null, "1", "missing"]],
  ["there is a node too much", node((is) => [is, { ...is, number: 2n }]), ["batch", null, null, "none", "2"]],
]

const matches = (is: Told, expected: Told) => {
  for (const [at, part] of expected.entries()) {
    if (part instanceof RegExp) assert.match(String(is[at]), part, is.join(" | "))
    else assert.strictEqual(is[at], part, is.join(" | "))
  }
}

describe("Verify", () => {
  for (const [name, store] of [
    ["memory", LedgerStoreMemory.layer],
    ["SQL", Sql],
  ] as const) {
    it.effect(`agrees with books that were only written by the ledger: ${name}`, () =>
      Effect.gen(function* () {
        const nothing = { entries: 0, postings: 0, accounts: 0, pendingHolds: 0, batches: 0 }
        assert.deepInclude(yield* Verify.verify(), nothing)
        const { buyer } = yield* Trial.people(1_000n)
        const request = Sample.hold(buyer, 7n)
        yield* Trial.outcome(request)
        const entries: Array<number> = []
        const verified = yield* Verify.verify({ progress: (count) => Effect.sync(() => void entries.push(count)) })
        assert.deepInclude(verified, { entries: 4, postings: 1, accounts: 3, pendingHolds: 1, batches: 4 })
        assert.match(verified.root, /^[0-9a-f]{64}$/)
        assert.deepStrictEqual(entries, [4])
      }).pipe(Effect.provide(store)),
    )

    it.effect(`agrees with whatever commands led to: ${name}`, () =>
      Effect.gen(function* () {
        const made = { payouts: 0, seals: 0, draws: 0 }
        for (let seed = 1; seed <= (name === "memory" ? 12 : 1); seed++) {
          const books = randomBooks(seed, made)
          yield* name === "memory" ? Effect.provide(books, Layer.fresh(store)) : Effect.provide(books, store)
        }
        if (name === "memory") for (const [what, count] of Object.entries(made)) assert.isAbove(count, 0, what)
      }),
    )
  }

  for (const [name, change, expected] of faults) {
    it.effect(`finds the first figure that differs where ${name}`, () =>
      Effect.gen(function* () {
        const store = yield* trade
        yield* Verify.verify()
        matches(yield* told(seen(store, change)), expected)
      }).pipe(Effect.provide(LedgerStoreMemory.layer)),
    )
  }

  it("has a fault for each figure, the checkpoint's apart", () => {
    const figures = new Set(faults.map(([, , [figure]]) => figure))
    assert.sameMembers([...figures, "checkpoint"], [...Verify.Figure.literals])
  })

  it.effect("finds a seal whose totals are not those of its balances", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust(START_MS)
      const { outside, buyer } = yield* Trial.people(10n)
      yield* TestClock.adjust(1_000)
      const endMs = START_MS + 500
      yield* Trial.outcome({ _tag: "ClosePeriod", endMs })
      const store = yield* LedgerStore
      const sound = yield* store.snapshot((view) => Period.trialBalance(view, endMs))
      const totals = sound.totals.map((total) => ({ ...total, debits: 11n, credits: 11n }))
      yield* Trial.outcome({ _tag: "SealPeriod", endMs, trialBalance: { ...sound, totals } })
      yield* Trial.outcome(Sample.post(outside, buyer, 1n))
      matches(yield* told(store), ["seal", 6n, null, /USD 10\/10$/, /USD 11\/11$/])
    }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )

  it.effect("writes a letter: what differs, why, and what to do", () =>
    Effect.gen(function* () {
      const store = seen(yield* trade, account({ balance: 570n }))
      const { message } = yield* Effect.flip(Effect.provideService(Verify.verify(), LedgerStore, store))
      assert.strictEqual(
        message,
        [
          "The books do not agree: the balance of buyer:ann should be 571 and is 570.",
          "  The history was changed from outside, or a page of the database is damaged.",
          "  Stop the market, keep a copy of the database, and restore the last backup that verifies.",
        ].join("\n"),
      )
    }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )

  it.effect("ends what it reads ahead when it stops early", () =>
    Effect.gen(function* () {
      const store = yield* trade
      let [begun, ended] = [0, 0]
      const ahead = Effect.andThen(
        Effect.sync(() => void (begun += 1)),
        Effect.onInterrupt(Effect.never, () => Effect.sync(() => void (ended += 1))),
      )
      const wrong = seen(store, (view) => {
        const changed = { ...view, ...posted(17n, () => ({ balances: [] }))(view) }
        return {
          history: (kind, range) => {
            if (kind === "entries" && range.after > 0n) return ahead
            // Batches come one by one: while verify waits for the next, the next entries are being read.
            return changed.history(kind, kind === "batches" ? { ...range, limit: 1 } : range)
          },
        }
      })
      matches(yield* told(wrong), ["running balance", 17n, buyer, "871", "missing"])
      assert.deepStrictEqual([begun, ended], [1, 1])
    }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )
})

describe("Verify: against a checkpoint", () => {
  const opened = [Sample.open(outside, { kind: "external", floor: null }), Sample.open(buyer)]
  const topUp = (amount: bigint) => Sample.post(outside, buyer, amount, { idempotencyKey: `topUp-${amount}` })
  const taken = Effect.gen(function* () {
    const store = yield* LedgerStore
    return yield* store.snapshot((view) => Checkpoint.take(view, 1))
  })
  const written = (batches: ReadonlyArray<ReadonlyArray<Command>>) =>
    Effect.gen(function* () {
      const store = yield* LedgerStoreMemory.make
      for (const commands of batches) yield* store.commit(commands)
      return store
    })

  it.effect("agrees with every checkpoint that was taken of the same history", () =>
    Effect.gen(function* () {
      for (const commands of [opened, [topUp(5n)], [topUp(6n), topUp(7n)]]) {
        yield* Trial.commit(commands)
        const checkpoint = yield* taken
        yield* Verify.verify({ checkpoint })
        yield* Trial.commit([Sample.post(buyer, outside, 1n)])
        yield* Verify.verify({ checkpoint })
      }
    }).pipe(Effect.provide([LedgerStoreMemory.layer, Keys])),
  )

  it.effect("compares root and chain, each by itself", () =>
    Effect.gen(function* () {
      yield* Trial.commit(opened)
      const store = yield* LedgerStore
      const checkpoint = yield* taken
      const [root, chain] = [checkpoint.root, checkpoint.chain].map((bytes) => Buffer.from(bytes).toString("hex"))
      const at = ["checkpoint", 2n, null, zeros] as const
      matches(yield* told(store, { checkpoint: { ...checkpoint, root: other } }), [...at, root ?? ""])
      matches(yield* told(store, { checkpoint: { ...checkpoint, chain: other } }), [...at, chain ?? ""])
    }).pipe(Effect.provide([LedgerStoreMemory.layer, Keys])),
  )

  it.effect("finds a history that was cut off or written again, however its batches were cut", () =>
    Effect.gen(function* () {
      for (const commands of [opened, [topUp(5n)], [topUp(6n)]]) yield* Trial.commit(commands)
      const checkpoint = yield* taken
      assert.strictEqual(checkpoint.size, 4n)
      const found = Effect.fnUntraced(function* (batches: ReadonlyArray<ReadonlyArray<Command>>) {
        const store = yield* written(batches)
        // By themselves these books are sound: nothing but the checkpoint knows of others.
        yield* Effect.provideService(Verify.verify(), LedgerStore, store)
        return yield* told(store, { checkpoint })
      })
      const hash = /^[0-9a-f]{64}$/
      matches(yield* found([opened, [topUp(5n)]]), ["checkpoint", null, null, "4 entries or more", "3"])
      matches(yield* found([]), ["checkpoint", null, null, "4 entries or more", "0"])
      matches(yield* found([opened, [topUp(5n)], [topUp(9n)]]), ["checkpoint", 4n, null, hash, hash])
      // The same entries in other batches have the same root; the chain over the batches is another.
      matches(yield* found([[...opened, topUp(5n), topUp(6n)]]), ["checkpoint", 4n, null, hash, hash])
      matches(yield* found([opened, [topUp(5n), topUp(9n), topUp(7n)]]), [
        "checkpoint",
        4n,
        null,
        "the last of a batch",
        "within one",
      ])
    }).pipe(Effect.provide([LedgerStoreMemory.layer, Keys])),
  )
})

describe("Verify: in PostgreSQL", () => {
  it.effect("finds what was changed in the database behind the ledger's back", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const store = yield* LedgerStore
      const { buyer, provider } = yield* Trial.people(1_000n)
      yield* Trial.outcome(Sample.setTerms(buyer, { floor: -10n }))
      const request = Sample.holdRequest(buyer, 30n)
      yield* Trial.outcome({ _tag: "Hold", hold: request })
      yield* Trial.outcome({ _tag: "Draw", hold: request.id, posting: Sample.posting(buyer, provider, 20n) })
      const checkpoint = yield* store.snapshot((view) => Checkpoint.take(view, 1))
      yield* Trial.outcome(Sample.post(buyer, provider, 5n))
      const later = yield* store.snapshot((view) => Checkpoint.take(view, 1))

      yield* sql`UPDATE ledger_accounts SET balance = balance + 1 WHERE id = ${buyer}`
      matches(yield* told(store), ["balance", null, buyer, "975", "976"])
      yield* sql`UPDATE ledger_accounts SET balance = balance - 1, held = held + 1 WHERE id = ${buyer}`
      matches(yield* told(store), ["held", null, buyer, "10", "11"])
      yield* sql`UPDATE ledger_accounts SET held = held - 1, floor = -1000 WHERE id = ${buyer}`
      matches(yield* told(store), ["terms", null, buyer, /-10\.\./, /-1000\.\./])
      yield* sql`UPDATE ledger_accounts SET floor = -10, held = 30 WHERE id = ${buyer}`
      yield* sql`UPDATE ledger_holds SET drawn = 0 WHERE id = ${request.id}`
      matches(yield* told(store), ["hold", null, buyer, /drawn by 20$/, "drawn by 0"])
      yield* sql`UPDATE ledger_holds SET drawn = 20 WHERE id = ${request.id}`
      yield* sql`UPDATE ledger_accounts SET held = 10 WHERE id = ${buyer}`
      yield* Verify.verify({ checkpoint: later })

      const several = Sample.holdRequest(buyer, 1_000n, { further: [provider] })
      yield* Trial.outcome({ _tag: "Hold", hold: { ...several, amount: 985n } })
      yield* Verify.verify()
      yield* sql`UPDATE ledger_holds SET amount = 984 WHERE id = ${several.id}`
      matches(yield* told(store), ["hold", null, buyer, "985", "984"])
      yield* sql`UPDATE ledger_holds SET amount = 985, drawn = 1 WHERE id = ${several.id}`
      matches(yield* told(store), ["hold", null, buyer, "0", "1"])
      const parts = (buyers: string, providers: string, drawn = "0") =>
        JSON.stringify([
          [buyer, buyers, "0"],
          [provider, providers, drawn],
        ])
      yield* sql`UPDATE ledger_holds SET drawn = 0, parts = ${parts("974", "11")}::json WHERE id = ${several.id}`
      matches(yield* told(store), ["held", null, provider, "11", "10"])
      yield* sql`UPDATE ledger_holds SET parts = ${parts("975", "10", "1")}::json WHERE id = ${several.id}`
      matches(yield* told(store), ["hold", null, provider, /drawn by 0$/, "drawn by 1"])
      yield* sql`UPDATE ledger_holds SET parts = ${parts("975", "10", "11")}::json WHERE id = ${several.id}`
      matches(yield* told(store), ["hold", null, provider, "at most 10", "11"])
      yield* sql`UPDATE ledger_holds SET parts = ${parts("975", "10")}::json WHERE id = ${several.id}`
      yield* Verify.verify()
      yield* Trial.outcome({ _tag: "Void", hold: several.id, attachments: [] })

      // Whoever owns the database can cut off the end and put the balances right. Only a checkpoint tells.
      for (const table of ["entries", "batches", "moves"]) {
        yield* sql.unsafe(`ALTER TABLE ledger_${table} DISABLE TRIGGER append_only`)
      }
      yield* sql`DELETE FROM ledger_entries WHERE sequence = 7`
      yield* sql`DELETE FROM ledger_batches WHERE last_sequence = 7`
      yield* sql`UPDATE ledger_accounts SET balance = 980 WHERE id = ${buyer}`
      yield* sql`UPDATE ledger_accounts SET balance = 20 WHERE id = ${provider}`
      yield* Verify.verify({ checkpoint })
      matches(yield* told(store, { checkpoint: later }), ["checkpoint", null, null, "7 entries or more", "6"])

      yield* sql`UPDATE ledger_entries SET key = 'another' WHERE sequence = 4`
      matches(yield* told(store), ["root", 4n, null, /^\S{64}$/, /^\S{64}$/])
      yield* sql`UPDATE ledger_entries SET amounts = '{-999,999}', balances = '{-999,999}' WHERE sequence = 4`
      matches(yield* told(store), ["root", 4n, null, /^\S{64}$/, /^\S{64}$/])
      yield* sql`UPDATE ledger_entries SET amounts = '{-999,1000}', balances = '{-999,1000}' WHERE sequence = 4`
      matches(yield* told(store), ["sum", 4n, null, "0 USD", "1 USD"])
      yield* sql`DELETE FROM ledger_entries WHERE sequence = 4`
      matches(yield* told(store), ["sequence", null, null, "4", "5"])
    }).pipe(Effect.provide([Sql, Keys])),
  )

  it.effect("verifies one moment of books that are being written", () =>
    Effect.gen(function* () {
      const { buyer, provider } = yield* Trial.people(1_000_000n)
      const spend = Effect.gen(function* () {
        const hold = Sample.holdRequest(buyer, 3n)
        yield* Trial.commit([{ _tag: "Hold", hold }])
        yield* Trial.commit([{ _tag: "Settle", hold: hold.id, posting: Sample.posting(buyer, provider, 1n) }])
      })
      const traffic = yield* Effect.forkChild(Effect.forever(spend))
      let most = 0
      for (let round = 0; round < 20 || most < 40; round++) {
        const { postings } = yield* Verify.verify()
        assert.isAtLeast(postings, most)
        most = postings
      }
      yield* Fiber.interrupt(traffic)
    }).pipe(Effect.provide(Sql)),
  )
})
