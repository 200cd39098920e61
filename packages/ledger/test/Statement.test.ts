import { assert, describe, it } from "@effect/vitest"
import * as Money from "@guildhall/core/Money"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { AccountId } from "../src/Account.ts"
import { LedgerStore, type View } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as Statement from "../src/Statement.ts"
import * as StatementText from "../src/StatementText.ts"
import * as Books from "./SampleBooks.ts"

const buyer = AccountId.make("buyer:mem_1")
const day = (at: number) => Books.START_MS + at * Books.DAY_MS
const whole = { account: buyer, fromMs: null, toMs: null }

const stores = {
  memory: LedgerStoreMemory.layer,
  sql: LedgerStoreSql.layer({ renewMs: 10_000 }).pipe(Layer.provide(TestDatabase.layer)),
}

const collect = (query: Statement.Query) =>
  Statement.read(query, (statement) =>
    Effect.map(Stream.runCollect(statement.lines), (lines) => ({ statement, lines })),
  )

const textOf = (query: Statement.Query, write: (statement: Statement.Statement) => StatementText.Text) =>
  Statement.read(query, (statement) => Stream.mkString(write(statement)))

/** Reads RFC 4180, as little as there is to it. */
const records = (text: string): ReadonlyArray<ReadonlyArray<string>> => {
  const rows: Array<Array<string>> = []
  let row: Array<string> = []
  for (let at = 0; at < text.length;) {
    const field = /^(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/.exec(text.slice(at))
    if (field === null) return assert.fail(`no field at ${at}: ${text.slice(at, at + 40)}`)
    row.push(field[1]?.replaceAll('""', '"') ?? field[2] ?? "")
    at += field[0].length
    if (field[3] === ",") continue
    rows.push(row)
    row = []
  }
  return rows
}

for (const [name, layer] of Object.entries(stores)) {
  describe(`Statement: ${name}`, () => {
    it.live("has what counts in its period, and opening and lines lead to closing", () =>
      Effect.gen(function* () {
        const moves = yield* Books.fill(yield* LedgerStore, 7, 400)
        assert.isAbove(moves.length, 50)
        const next = Books.numbers(11)
        const bound = () => {
          const chance = next()
          if (chance < 0.2) return null
          // The very moment at which something counts.
          if (chance < 0.6) return moves[Math.floor(next() * moves.length)]?.countsAtMs ?? null
          return day(Math.floor(next() * 92) - 1)
        }
        for (let round = 0; round < 60; round++) {
          const account = Books.accounts[round % Books.accounts.length]?.id ?? buyer
          const [a, b] = [bound(), bound()]
          const [fromMs, toMs] = a !== null && b !== null && a > b ? [b, a] : [a, b]
          const { lines, statement } = yield* collect({ account, fromMs, toMs })
          const told = Books.expected(moves, account, fromMs, toMs)
          assert.strictEqual(statement.opening, told.opening)
          assert.strictEqual(statement.closing, told.closing)
          assert.deepStrictEqual(
            lines.map(({ amount, balance, countsAtMs, sequence }) => ({ sequence, countsAtMs, amount, balance })),
            told.lines,
          )
        }
      }).pipe(Effect.provide(layer)),
    )

    it.live("reads a closed period to its end only, and says the same as before it was closed", () =>
      Effect.gen(function* () {
        const store = yield* LedgerStore
        yield* Books.fill(store, 8, 100)
        const query = { account: buyer, fromMs: day(31), toMs: day(59) }
        const before = yield* collect(query)
        yield* store.commit([{ _tag: "ClosePeriod", endMs: day(59) }])
        const legs = [
          { account: AccountId.make("external:card"), amount: -1n },
          { account: buyer, amount: 1n },
        ]
        const late = Array.from({ length: 1_500 }, (_, at) => ({
          _tag: "Post" as const,
          posting: { idempotencyKey: `late-${at}`, kind: "topUp" as const, legs, attachments: [] },
        }))
        for (const answer of yield* store.commit(late)) yield* Effect.fromResult(answer)
        let pages = 0
        const watched: View = {
          ...store,
          history: (kind, range) =>
            Effect.suspend(() => {
              if (range.account !== undefined) pages += 1
              return store.history(kind, range)
            }),
        }
        const lines = yield* Effect.flatMap(Statement.make(watched, query), (made) => Stream.runCollect(made.lines))
        assert.deepStrictEqual(lines, before.lines)
        assert.strictEqual(pages, 1)
        const after = yield* collect({ ...query, fromMs: day(59), toMs: null })
        assert.strictEqual(after.statement.opening, before.statement.closing)
        const lateOnes = after.lines.filter(({ idempotencyKey }) => idempotencyKey.startsWith("late-"))
        assert.lengthOf(lateOnes, late.length)
      }).pipe(Effect.provide(layer)),
    )

    it.live("refuses an account that is not there, and a period that ends before it begins", () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(collect(whole))
        assert.strictEqual(error._tag === "LedgerError" ? error.reason._tag : error._tag, "UnknownAccount")
        const backwards = yield* Effect.flip(collect({ ...whole, fromMs: day(2), toMs: day(1) }))
        assert.include(backwards.message, "before it begins at 2025-01-03")
      }).pipe(Effect.provide(layer)),
    )
  })
}

describe("StatementText", () => {
  const books = Effect.gen(function* () {
    yield* TestClock.setTime(Date.UTC(2026, 0, 1))
    return yield* Books.fill(yield* LedgerStore, 3, 300)
  })

  it.effect("JSON is one object with every figure as a string", () =>
    Effect.gen(function* () {
      const moves = yield* books
      const query = { account: buyer, fromMs: day(10), toMs: day(50) }
      const told = Books.expected(moves, buyer, day(10), day(50))
      const read = JSON.parse(yield* textOf(query, StatementText.json))
      assert.deepInclude(read, { account: buyer, kind: "buyer", asset: { code: "USD", scale: 12 } })
      assert.deepInclude(read, { from: "2025-01-11T00:00:00.000Z", to: "2025-02-20T00:00:00.000Z" })
      assert.deepInclude(read, { opening: `${told.opening}`, closing: `${told.closing}` })
      assert.deepStrictEqual(
        read.lines.map((line: Record<string, string>) => [line["sequence"], line["amount"], line["balance"]]),
        told.lines.map(({ amount, balance, sequence }) => [`${sequence}`, `${amount}`, `${balance}`]),
      )
      const empty = JSON.parse(yield* textOf({ ...query, toMs: day(10) }, StatementText.json))
      assert.deepStrictEqual(empty.lines, [])
    }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )

  it.effect("CSV is what RFC 4180 says, and no field of it is a formula", () =>
    Effect.gen(function* () {
      const moves = yield* books
      const told = Books.expected(moves, buyer, null, null)
      const [names = [], opening, ...rows] = records(yield* textOf(whole, StatementText.csv))
      const closing = rows.pop()
      const at = (name: string) => names.indexOf(name)
      assert.strictEqual(opening?.[at("reason")], "Opening balance")
      assert.strictEqual(closing?.[at("balance")], Money.format(told.closing, Books.USD))
      assert.lengthOf(rows, told.lines.length)
      rows.forEach((row, index) => {
        assert.lengthOf(row, names.length)
        assert.strictEqual(row[at("amount")], Money.format(told.lines[index]?.amount ?? 0n, Books.USD))
        row.forEach((field, column) => {
          const isAmount = column === at("amount") || column === at("balance")
          assert.match(field, isAmount ? /^-?\d+(\.\d+)?$/ : /^(?![=+\-@\t\r\n])/)
        })
      })
      const requests = new Set(rows.map((row) => row[at("request")]))
      assert.includeMembers([...requests], [`'=HYPERLINK("x")`, 'a "quoted", one', "'@cmd\r\nline", "日本"])
    }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )

  it.effect("a table is for a person, and cannot move the terminal's cursor", () =>
    Effect.gen(function* () {
      const store = yield* LedgerStore
      yield* TestClock.setTime(day(40))
      yield* Books.open(store)
      const legs = [
        { account: AccountId.make("external:card"), amount: -2_500_000_000_000n },
        { account: buyer, amount: 2_500_000_000_000n },
      ]
      const base = { kind: "topUp", legs, attachments: [] } as const
      yield* store.commit([
        { _tag: "Post", posting: { ...base, idempotencyKey: "a", links: { movement: "mv\u001b[2J" } } },
        { _tag: "Post", posting: { ...base, idempotencyKey: "b", effectiveAtMs: day(30) } },
      ])
      assert.strictEqual(
        yield* textOf({ ...whole, fromMs: day(1) }, StatementText.table),
        [
          "buyer:mem_1 in USD, from 2025-01-02T00:00:00.000Z to now",
          "     entry  counts at                           amount               balance  reason",
          "                                                                           0  Opening balance",
          "         8  2025-02-10T00:00:00Z                   2.5                   2.5  Top-up by card, movement mv\ufffd[2J",
          "         9  2025-01-31T00:00:00Z                   2.5                     5  Top-up by card (posted 2025-02-10)",
          "                                                                           5  Closing balance",
          "",
        ].join("\n"),
      )
      // From the very moment at which both were posted.
      const { lines, statement } = yield* collect({ ...whole, fromMs: day(40) })
      assert.lengthOf(lines, 1)
      assert.strictEqual(statement.opening, 2_500_000_000_000n)
    }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )

  it.effect("fails where the lines do not lead to the closing balance", () =>
    Effect.gen(function* () {
      yield* books
      const store = yield* LedgerStore
      const damaged = Books.seen(store, Books.oneTooMuch)
      const error = yield* Effect.flip(Effect.provideService(textOf(whole, StatementText.json), LedgerStore, damaged))
      assert.strictEqual(error._tag, "StatementMismatch")
      assert.include(error.message, "does not add up")
    }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )
})
