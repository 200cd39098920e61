import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Console, Effect, Exit } from "effect"
import { Command } from "effect/cli"
import { TestClock } from "effect/testing"
import { AccountId } from "../src/Account.ts"
import { LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as PeriodCommand from "../src/PeriodCommand.ts"
import * as StatementCommand from "../src/StatementCommand.ts"
import * as BeanCheck from "./BeanCheck.ts"
import * as Books from "./SampleBooks.ts"

const ledger = Command.make("ledger").pipe(
  Command.withSubcommands([StatementCommand.command, StatementCommand.exportCommand, PeriodCommand.command]),
)

const run = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const out: Array<string> = []
  const errors: Array<string> = []
  const console = yield* Console.Console
  const exit = yield* Command.runWith(ledger, { version: "0.0.0" })(args).pipe(
    Effect.provideService(Console.Console, {
      ...console,
      log: (...texts: ReadonlyArray<unknown>) => void out.push(`${texts.join(" ")}\n`),
      error: (...texts: ReadonlyArray<unknown>) => void errors.push(texts.join(" ")),
    }),
    Effect.provide(NodeServices.layer),
    Effect.exit,
  )
  return { isOk: Exit.isSuccess(exit), out: out.join(""), errors: errors.join("\n") }
})

const buyer = "buyer:mem_1"

const books = Effect.gen(function* () {
  yield* TestClock.setTime(Date.UTC(2026, 0, 1))
  return yield* Books.fill(yield* LedgerStore, 31, 3_000)
})

describe("ledger statement", () => {
  it.effect("prints a table, JSON, CSV or beancount, page after page", () =>
    Effect.gen(function* () {
      const told = Books.expected(yield* books, AccountId.make(buyer), null, null)
      const table = yield* run("statement", buyer)
      assert.isTrue(table.isOk)
      assert.lengthOf(table.out.trimEnd().split("\n"), told.lines.length + 4)
      const json = JSON.parse((yield* run("statement", buyer, "--json")).out)
      assert.strictEqual(json.closing, `${told.closing}`)
      assert.lengthOf(json.lines, told.lines.length)
      const csv = yield* run("statement", buyer, "--csv")
      assert.isTrue(csv.out.endsWith("\r\n"))
      assert.notInclude(csv.out, "\r\n\n")
      const { problems } = BeanCheck.check((yield* run("statement", buyer, "--beancount")).out)
      assert.deepStrictEqual(problems, [])
    }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )

  it.effect("takes a month, a day or a time as a bound, and refuses what is none", () =>
    Effect.gen(function* () {
      const moves = yield* books
      const id = AccountId.make(buyer)
      const cases = [
        [["--from", "2025-02", "--to", "2025-03"], Date.UTC(2025, 1), Date.UTC(2025, 2)],
        [["--from", "2025-02-10"], Date.UTC(2025, 1, 10), null],
        [["--to", "2025-02-10T01:00:00+01:00"], null, Date.UTC(2025, 1, 10)],
      ] as const
      for (const [flags, fromMs, toMs] of cases) {
        const { lines, opening } = Books.expected(moves, id, fromMs, toMs)
        const json = JSON.parse((yield* run("statement", buyer, "--json", ...flags)).out)
        assert.strictEqual(json.opening, `${opening}`)
        assert.lengthOf(json.lines, lines.length)
      }
      for (const time of ["yesterday", "2025", "2025-02-30", "2025-13", "2025-02-10T01:00", "1"]) {
        const { errors, isOk, out } = yield* run("statement", buyer, "--from", time)
        assert.isFalse(isOk)
        assert.include(errors + out, "is not a time. Write a month, a day or a time with its zone")
      }
    }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )

  it.effect("refuses an id that is none, an account that is not there, and two formats", () =>
    Effect.gen(function* () {
      yield* books
      const wrong = yield* run("statement", "Nobody")
      assert.isFalse(wrong.isOk)
      assert.include(wrong.errors + wrong.out, "is not an account's id")
      const missing = yield* run("statement", "buyer:nobody", "--json")
      assert.isFalse(missing.isOk)
      assert.deepInclude(JSON.parse(missing.out), { ok: false, reason: "UnknownAccount" })
      assert.include((yield* run("statement", "buyer:nobody")).errors, "There is no account buyer:nobody")
      const both = yield* run("statement", buyer, "--json", "--csv")
      assert.isFalse(both.isOk)
      assert.include(both.errors, "one format")
    }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )

  it.effect("ends with an error where the lines do not add up, and leaves JSON that nobody can read", () =>
    Effect.gen(function* () {
      yield* books
      const store = yield* LedgerStore
      const { errors, isOk, out } = yield* Effect.provideService(
        run("statement", buyer, "--json"),
        LedgerStore,
        Books.seen(store, Books.oneTooMuch),
      )
      assert.isFalse(isOk)
      assert.include(errors, "does not add up")
      assert.throws(() => JSON.parse(out))
    }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )
})

describe("ledger export", () => {
  it.effect("prints books that check", () =>
    Effect.gen(function* () {
      yield* books
      for (const flags of [[], ["--from", "2025-02", "--to", "2025-03"]]) {
        const { isOk, out } = yield* run("export", ...flags)
        assert.isTrue(isOk)
        assert.deepStrictEqual(BeanCheck.check(out).problems, [])
      }
    }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )
})

describe("ledger close", () => {
  it.effect("closes and seals, prints what was sealed, and prints it again", () =>
    Effect.gen(function* () {
      yield* books
      const first = yield* run("close", "2025-03")
      assert.isTrue(first.isOk)
      assert.match(
        first.out,
        /^closed {2}everything that counts before 2025-03-01T00:00:00\.000Z\n {2}seal {6}entry \d+\n/,
      )
      assert.match(first.out, /\n {2}USD {7}debits [\d.]+, credits [\d.]+\n$/)
      assert.strictEqual((yield* run("close", "2025-03")).out, first.out)
      const json = JSON.parse((yield* run("close", "2025-03", "--json")).out)
      assert.deepInclude(json, { ok: true, end: "2025-03-01T00:00:00.000Z", accounts: Books.accounts.length })
      assert.include(first.out, json.root)
    }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )

  it.effect("refuses a time that has not come, as a letter or as JSON", () =>
    Effect.gen(function* () {
      yield* books
      const letter = yield* run("close", "2027")
      assert.isFalse(letter.isOk)
      const future = yield* run("close", "2027-01")
      assert.isFalse(future.isOk)
      assert.include(future.errors, "has not ended yet")
      const json = JSON.parse((yield* run("close", "2027-01", "--json")).out)
      assert.deepInclude(json, { ok: false, reason: "InvalidCommand" })
    }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )
})
