import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { AccountId } from "../src/Account.ts"
import * as Beancount from "../src/Beancount.ts"
import { LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as Statement from "../src/Statement.ts"
import * as BeanCheck from "./BeanCheck.ts"
import * as Books from "./SampleBooks.ts"

const day = (at: number) => Books.START_MS + at * Books.DAY_MS
const buyer = AccountId.make("buyer:mem_1")
const everything = { fromMs: null, toMs: null }

const text = (period: { readonly fromMs: number | null; readonly toMs: number | null }) =>
  Beancount.read(period, Stream.mkString)

const filled = Effect.fnUntraced(function* (seed: number) {
  yield* TestClock.setTime(Date.UTC(2026, 0, 1))
  return yield* Books.fill(yield* LedgerStore, seed, 250)
})

describe("BeanCheck", () => {
  const head = "1970-01-01 open Assets:A USD\n1970-01-01 open Equity:B USD\n"
  const moved = '\n2025-01-01 * "Top-up"\n  key: "k"\n  Assets:A  1.50 USD\n  Equity:B  -1.50 USD\n'

  it("takes what is right", () => {
    assert.deepStrictEqual(BeanCheck.check(`${head}${moved}\n2025-01-02 balance Assets:A  1.5 USD\n`).problems, [])
  })

  it.each([
    ["a transaction that does not sum to zero", head + moved.replace("-1.50", "-1.49"), /sums to/],
    ["a balance that does not hold", `${head}${moved}\n2025-01-02 balance Assets:A  1.51 USD\n`, /has/],
    ["a balance of the same day, which comes before", `${head}${moved}\n2025-01-01 balance Assets:A  1.5 USD\n`, /has/],
    ["an account that is not open", moved, /not open/],
    ["another commodity", head + moved.replaceAll("50 USD", "50 EUR"), /has no EUR/],
    ["a name with a small letter", head.replace("Assets:A", "Assets:a"), /not a directive/],
    ["a string that ends early", head + moved.replace("Top-up", 'Top"up'), /not a directive/],
  ])("finds %s", (_, source, problem) => {
    assert.match(BeanCheck.check(source).problems.join("\n"), problem)
  })
})

describe("Beancount", () => {
  it.effect("exports books that check, whatever the period", () =>
    Effect.gen(function* () {
      const moves = yield* filled(21)
      const periods = [
        everything,
        { fromMs: day(31), toMs: day(59) },
        { fromMs: day(31) + 5_000_000, toMs: day(59) + 7_000_001 },
        { fromMs: null, toMs: day(10) },
        { fromMs: day(80), toMs: null },
        { fromMs: day(5), toMs: day(5) },
      ]
      for (const period of periods) {
        const { directives, problems } = BeanCheck.check(yield* text(period))
        assert.deepStrictEqual(problems, [])
        const within = moves.filter(
          ({ countsAtMs }) => countsAtMs >= (period.fromMs ?? 0) && countsAtMs < (period.toMs ?? Infinity),
        )
        const made = directives.flatMap(({ metadata }) => metadata.get("sequence") ?? [])
        assert.sameMembers(
          made,
          within.map(({ sequence }) => `"${sequence}"`),
        )
        assert.lengthOf(
          directives.filter(({ kind }) => kind === "balance"),
          Books.accounts.length,
        )
      }
    }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )

  it.live("exports from PostgreSQL what it exports from the memory", () =>
    Effect.gen(function* () {
      const fill = Effect.flatMap(LedgerStore, (store) => Books.fill(store, 24, 150))
      const texts = Effect.andThen(fill, Effect.all([text(everything), text({ fromMs: day(31), toMs: day(59) })]))
      const Sql = LedgerStoreSql.layer({ renewMs: 10_000 }).pipe(Layer.provide(TestDatabase.layer))
      const stored = yield* Effect.provide(texts, Sql)
      const kept = yield* Effect.provide(texts, LedgerStoreMemory.layer)
      const timeless = (source: string) => source.replaceAll(/posted-at: .*/g, "")
      assert.deepStrictEqual(stored.map(timeless), kept.map(timeless))
      for (const source of stored) assert.deepStrictEqual(BeanCheck.check(source).problems, [])
    }),
  )

  it.effect("exports a statement that checks, with nobody else's account in it", () =>
    Effect.gen(function* () {
      const moves = yield* filled(22)
      for (const { id } of Books.accounts) {
        for (const [fromMs, toMs] of [
          [null, null],
          [day(20), day(40)],
          [day(40) + 1, null],
        ] as const) {
          const source = yield* Statement.read({ account: id, fromMs, toMs }, (made) =>
            Stream.mkString(Beancount.statement(made)),
          )
          const { directives, problems } = BeanCheck.check(source)
          assert.deepStrictEqual(problems, [])
          const told = Books.expected(moves, id, fromMs, toMs)
          const openings = told.opening === 0n ? 0 : 1
          assert.lengthOf(
            directives.filter(({ kind }) => kind === "transaction"),
            told.lines.length + openings,
          )
          for (const other of Books.accounts) if (other.id !== id) assert.notInclude(source, `"${other.id}"`)
        }
      }
    }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )

  it.effect("writes commodities, accounts, links, all digits, what was sealed and what was closed", () =>
    Effect.gen(function* () {
      const store = yield* LedgerStore
      yield* TestClock.setTime(day(60) + 1)
      yield* Books.open(store)
      const legs = [
        { account: AccountId.make("external:card"), amount: -1_500_000_000_001n },
        { account: buyer, amount: 1_500_000_000_001n },
      ]
      const links = { case: 'a "b" \\ c', movement: "mv\n1" }
      const posting = {
        idempotencyKey: "k",
        kind: "topUp",
        legs,
        attachments: [],
        links,
        effectiveAtMs: day(9) + 1,
      } as const
      const terms = { floor: null, ceiling: null, state: "closed" } as const
      const trialBalance = { root: "a".repeat(43), accounts: 2, totals: [] }
      const answers = yield* store.commit([
        { _tag: "Post", posting },
        { _tag: "SetTerms", idempotencyKey: "t", account: AccountId.make("buyer:Bob.x-1"), terms },
        { _tag: "ClosePeriod", endMs: day(31) },
        { _tag: "SealPeriod", endMs: day(31), trialBalance },
      ])
      for (const answer of answers) yield* Effect.fromResult(answer)
      const source = yield* text(everything)
      assert.deepStrictEqual(BeanCheck.check(source).problems, [])
      const expected = [
        '1970-01-01 commodity EUR.-X\n  asset: "EUR."\n  scale: 2\n',
        '1970-01-01 open Liabilities:Buyer:Mem-1 USD\n  account: "buyer:mem_1"\n',
        '1970-01-01 open Liabilities:Buyer:X--Bob--2ex--2d1 USD\n  account: "buyer:Bob.x-1"\n',
        [
          '2025-01-10 * "Top-up by card, case a \\"b\\" \\\\ c"',
          '  sequence: "8"',
          '  kind: "topUp"',
          '  key: "k"',
          '  posted-at: "2025-03-02T00:00:00.001Z"',
          '  counts-at: "2025-01-10T00:00:00.001Z"',
          '  case: "a \\"b\\" \\\\ c"',
          '  movement: "mv\ufffd1"',
          "  Assets:External:Card  1.500000000001 USD",
          "  Liabilities:Buyer:Mem-1  -1.500000000001 USD",
          "",
        ].join("\n"),
        `2025-02-01 custom "period-sealed" "${"a".repeat(43)}"\n  sequence: "11"\n`,
        "2025-01-11 balance Liabilities:Buyer:Mem-1  -1.500000000001 USD\n",
        "2025-01-11 close Liabilities:Buyer:X--Bob--2ex--2d1\n",
      ]
      for (const each of expected) assert.include(source, each)
    }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )

  it.effect("fails where an account's entries do not lead to its balance", () =>
    Effect.gen(function* () {
      yield* filled(23)
      const store = yield* LedgerStore
      const damaged = Books.seen(store, (view) => ({
        history: (kind, range) => view.history(kind, { ...range, after: range.after + 12n }),
      }))
      const error = yield* Effect.flip(Effect.provideService(text(everything), LedgerStore, damaged))
      assert.strictEqual(error._tag, "StatementMismatch")
    }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )

  it.prop(
    "no two accounts have one name, and every name is one",
    [Schema.Array(AccountId).pipe(Schema.check(Schema.isMinLength(2), Schema.isMaxLength(30)))],
    ([ids]) => {
      const names = new Map(ids.map((id) => [id, Beancount.accountName({ id, kind: "buyer" })]))
      assert.lengthOf([...new Set(names.values())], names.size)
      for (const name of names.values()) assert.match(name, /^Liabilities(:[A-Z0-9][A-Za-z0-9-]*)+$/)
    },
    { arbitrary: { seed: "beancount-names", runs: 300 } },
  )

  it("tells ids apart that differ in a sign or a capital only", () => {
    const words = [
      "a",
      "A",
      "AB",
      "aB",
      "ab",
      "a_b",
      "a-b",
      "a.b",
      "a__b",
      "_a",
      "a_",
      "X--a",
      "x--a",
      "X",
      "1",
      "1_a",
      "A_B",
    ]
    const names = words.map((word) => Beancount.accountName({ id: AccountId.make(`buyer:${word}`), kind: "buyer" }))
    assert.lengthOf([...new Set(names)], words.length)
    for (const name of names) assert.match(name, /^Liabilities(:[A-Z0-9][A-Za-z0-9-]*)+$/)
  })
})
