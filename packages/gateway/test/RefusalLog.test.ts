import * as Chance from "@guildhall/tools/Chance"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Result, Schema } from "effect"
import { TestClock } from "effect/testing"
import { ProviderPreferences } from "@guildhall/core"
import { Journal, JournalEntry } from "@guildhall/journal"
import { JournalError } from "@guildhall/journal/JournalError"
import * as SampleEntry from "@guildhall/journal/testing/SampleEntry"
import * as ProviderControls from "@guildhall/protocol/openai/ProviderControls"
import * as RefusalLog from "../src/RefusalLog.ts"

const { JournalEntryJson } = JournalEntry

const refusals = (count: number) =>
  SampleEntry.requestIds(count).map((requestId) => SampleEntry.refused({ requestId, buyer: null }))

describe("RefusalLog", () => {
  it.effect("loses an entry that cannot be written, and no other of its batch", () =>
    Effect.gen(function* () {
      const journal = yield* Journal.makeMemory
      const said: Array<string> = []
      const logger = Logger.make<unknown, void>(({ message }) => void said.push(String(message)))
      const [bad, ...good] = refusals(20)
      if (bad === undefined) return
      const poisoned = {
        ...bad,
        decision: { ...SampleEntry.decision, preferences: { latencyMaxMs: { p50: Infinity } } },
      }
      yield* Effect.scoped(
        Effect.gen(function* () {
          const log = yield* RefusalLog.make
          for (const entry of [...good.slice(0, 7), poisoned, ...good.slice(7)]) log(entry)
        }),
      ).pipe(Effect.provideService(Journal.Journal, journal), Effect.provide(Logger.layer([logger])))
      for (const { requestId } of good) assert.lengthOf(yield* journal.requests({ id: requestId }), 1)
      assert.lengthOf(yield* journal.requests({ id: bad.requestId }), 0)
      assert.lengthOf(said, 1)
      assert.include(said[0], bad.requestId)
      assert.notInclude(said[0], "backup")
    }),
  )

  it.effect("tells an outage of the store once, and what it cost when it is over", () =>
    Effect.gen(function* () {
      let isAway = true
      const said: Array<string> = []
      const logger = Logger.make<unknown, void>(({ message }) => void said.push(String(message)))
      const journal = yield* Journal.makeMemory
      const flaky = {
        ...journal,
        append: (entries: ReadonlyArray<JournalEntry.JournalEntry>) =>
          isAway ? Effect.fail(new JournalError({ reason: "Unavailable", cause: "away" })) : journal.append(entries),
      }
      yield* Effect.scoped(
        Effect.gen(function* () {
          const log = yield* RefusalLog.make
          for (const entry of refusals(9)) {
            log(entry)
            yield* TestClock.adjust("1 second")
          }
          isAway = false
          for (const entry of refusals(2)) log(entry)
        }),
      ).pipe(Effect.provideService(Journal.Journal, flaky), Effect.provide(Logger.layer([logger])))
      assert.strictEqual(said.at(-1), "Refusals are in the journal again; 9 were lost.")
      assert.lengthOf(said, 2)
      assert.include(said[0], "Look after the database")
    }),
  )

  it.effect("does not try one by one where the store is away", () =>
    Effect.gen(function* () {
      let calls = 0
      const journal = yield* Journal.makeMemory
      const away = {
        ...journal,
        append: () =>
          Effect.suspend(() => {
            calls += 1
            return Effect.fail(new JournalError({ reason: "Unavailable", cause: "away" }))
          }),
      }
      const program = Effect.gen(function* () {
        const log = yield* RefusalLog.make
        for (const entry of refusals(20)) log(entry)
      })
      yield* Effect.scoped(program).pipe(Effect.provideService(Journal.Journal, away), Effect.provide(Logger.layer([])))
      assert.strictEqual(calls, 1)
    }),
  )
})

/** Numbers and texts as JSON can say them, and as nobody should. */
const odd: readonly [string, ...ReadonlyArray<string>] = [
  "1e400",
  "-1e400",
  "1e308",
  "1e305",
  "1e21",
  "5e-324",
  "-0",
  "0",
  "1",
  "0.1",
  "1e9",
  "1000000001",
  '"1e-30"',
  '"1e30"',
  '"NaN"',
  '"0.000000000000000001"',
  `"${"9".repeat(60)}"`,
  `"0.${"0".repeat(59)}"`,
  '"\\u0000"',
  '"\\ud800"',
  '"😀"',
  `"${"x".repeat(100)}"`,
  `"${"x".repeat(101)}"`,
  "true",
  "null",
  '"price"',
  '"deny"',
  '"fp8"',
]
const inner: readonly [string, ...ReadonlyArray<string>] = [
  "p50",
  "p99",
  "prompt",
  "completion",
  "request",
  "image",
  "by",
  "__proto__",
]

describe("preferences that are accepted", () => {
  it("can be written into the journal and read again, whatever was asked", () => {
    const dice = Chance.make(7)
    const one = dice.pick
    const value = (): string => {
      const shape = dice.below(4)
      if (shape === 0) return `[${Array.from({ length: dice.below(4) }, () => one(odd)).join()}]`
      if (shape === 1) return `{${JSON.stringify(one(inner))}:${one(odd)},${JSON.stringify(one(inner))}:${one(odd)}}`
      return one(odd)
    }
    const encode = Schema.encodeUnknownSync(JournalEntryJson)
    const decode = Schema.decodeUnknownSync(JournalEntryJson)
    const isPreferences = Schema.is(ProviderPreferences.ProviderPreferences)
    let accepted = 0
    for (let turn = 0; turn < 20_000; turn++) {
      const provider = Array.from(
        { length: 1 + dice.below(2) },
        () => `"${one(ProviderControls.MEMBERS)}":${value()}`,
      ).join()
      const further =
        dice.below(3) === 0 ? `,${one(['"seed"', '"\\u0000"', '"\\ud800"', `"${"x".repeat(101)}"`])}:1` : ""
      const body: unknown = JSON.parse(`{"model":"a/b","provider":{${provider}}${further}}`)
      const read = ProviderControls.read(body, "a/b")
      if (Result.isFailure(read) || read.success.preferences === undefined) continue
      accepted += 1
      const { preferences } = read.success
      assert.isTrue(isPreferences(preferences), provider)
      const entry = { ...SampleEntry.ended(), decision: { ...SampleEntry.decision, preferences } }
      const text = JSON.stringify(encode(entry))
      const again = decode(JSON.parse(text))
      assert.strictEqual(JSON.stringify(encode(again)), text, provider)
      if (again._tag !== "RequestEnded") throw new Error(again._tag)
      assert.isDefined(again.decision?.preferences, provider)
    }
    assert.isAbove(accepted, 500)
  })
})
