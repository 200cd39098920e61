import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Fiber, Layer, Result } from "effect"
import * as Ledger from "../src/Ledger.ts"
import { type Command, LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import * as Verify from "../src/Verify.ts"

/** What a program without types may send. */
const untyped = (command: unknown): Command => command as Command

const circle: Record<string, unknown> = {}
circle["self"] = circle
const thrower = {
  get body() {
    throw new Error("no")
  },
}

const [outside, buyer] = [Sample.accountId("external"), Sample.accountId()]
const posting = Sample.posting(outside, buyer, 1n)
const post = (change: object) =>
  untyped({ _tag: "Post", posting: { ...posting, idempotencyKey: Sample.text(), ...change } })
const hold = (change: object) => untyped({ _tag: "Hold", hold: { ...Sample.holdRequest(buyer, 1n), ...change } })
const inner = { _tag: "Post", posting }

const poison: Readonly<Record<string, Command>> = {
  nothing: untyped(null),
  "no such command": untyped({ _tag: "Steal" }),
  "no kind": post({ kind: undefined }),
  "another kind": post({ kind: "lottery" }),
  "no legs": post({ legs: undefined }),
  "a number for an amount": post({
    legs: [
      { account: outside, amount: -1 },
      { account: buyer, amount: 1 },
    ],
  }),
  "a list for an account": post({
    legs: [
      { account: [outside], amount: -1n },
      { account: buyer, amount: 1n },
    ],
  }),
  "a number for a key": post({ idempotencyKey: 7 }),
  "a link without a value": post({ links: { request: "r", case: undefined } }),
  "a link of another name": post({ links: { invoice: "i" } }),
  "no attachments": post({ attachments: undefined }),
  "an attachment that goes round in a circle": post({ attachments: [{ kind: "a", body: circle }] }),
  "an attachment with a bigint": post({ attachments: [{ kind: "a", body: { amount: 1n } }] }),
  "an attachment that throws": post({ attachments: [thrower] }),
  "no context": hold({ context: undefined }),
  "a number held": hold({ amount: 1 }),
  "a word for further accounts": hold({ further: "buyer" }),
  "no list of further accounts": hold({ further: {} }),
  "a number among further accounts": hold({ further: [7] }),
  "a number to grow to": untyped({ _tag: "Grow", hold: "h", amount: 1 }),
  "no hold to grow": untyped({ _tag: "Grow", amount: 1n }),
  "growth out of nothing": untyped({ _tag: "Grow", hold: "h", amount: 1n, sources: null }),
  "growth out of no account": untyped({ _tag: "Grow", hold: "h", amount: 1n, sources: [] }),
  "no hold": untyped({ _tag: "Hold", hold: null }),
  "an account of no kind": untyped({ ...Sample.open(Sample.accountId()), kind: null }),
  "an account without an asset": untyped({ ...Sample.open(Sample.accountId()), asset: undefined }),
  "terms without a state": untyped({
    _tag: "SetTerms",
    idempotencyKey: "t",
    account: buyer,
    terms: { floor: 0n, ceiling: null },
  }),
  "a number for a sequence": untyped({ _tag: "Reverse", sequence: 1, attachments: [] }),
  "a seal of nothing": untyped({ _tag: "SealPeriod", endMs: 1, trialBalance: null }),
  "a seal that does not balance": untyped({
    _tag: "SealPeriod",
    endMs: 1,
    trialBalance: { root: "A".repeat(43), accounts: 2, totals: [{ asset: "USD", debits: 1n, credits: 2n }] },
  }),
  "a linked sweep": untyped({ _tag: "Link", commands: [inner, { _tag: "Expire", limit: 1 }] }),
  "a preview of a preview": untyped({ _tag: "Preview", command: { _tag: "Preview", command: inner } }),
}

for (const [name, layer] of [
  ["memory", LedgerStoreMemory.layer],
  ["sql", LedgerStoreSql.layer({ renewMs: 10_000 }).pipe(Layer.provide(TestDatabase.layer))],
] as const) {
  describe(`what is not of its type: ${name}`, () => {
    it.effect("is refused alone, and the others of its batch are made", () =>
      Effect.gen(function* () {
        const store = yield* LedgerStore
        yield* store.commit([Sample.open(outside, { kind: "external", floor: null }), Sample.open(buyer)])
        let made = 0n
        for (const [what, command] of Object.entries(poison)) {
          const [before, answer, after] = yield* store.commit([
            Sample.post(outside, buyer, 1n),
            command,
            Sample.post(outside, buyer, 1n),
          ])
          assert.isTrue(before !== undefined && Result.isSuccess(before), what)
          assert.isTrue(after !== undefined && Result.isSuccess(after), what)
          if (answer === undefined || Result.isSuccess(answer)) return assert.fail(`${what} was taken`)
          assert.strictEqual(answer.failure.reason._tag, "InvalidCommand", what)
          assert.isFalse(answer.failure.isRetryable, what)
          made += 2n
        }
        assert.strictEqual((yield* store.accounts([buyer]))[0]?.balance, made)
        assert.strictEqual(BigInt((yield* Verify.verify()).postings), made)
      }).pipe(Effect.provide(layer)),
    )
  })
}

describe("a caller that changes its command while it waits", () => {
  it.effect("has posted what it asked for", () =>
    Effect.gen(function* () {
      const ledger = yield* Ledger.Ledger
      yield* ledger.open({ id: outside, kind: "external", asset: Sample.USD, floor: null })
      yield* ledger.open({ id: buyer, kind: "buyer", asset: Sample.USD, floor: 0n })
      const legs = [
        { account: outside, amount: -5n },
        { account: buyer, amount: 5n },
      ]
      const made = yield* Effect.forkChild(ledger.post({ ...posting, legs }))
      yield* Effect.yieldNow
      legs.splice(1, 1, { account: buyer, amount: 500n })
      yield* Fiber.join(made)
      assert.strictEqual((yield* ledger.account(buyer)).balance, 5n)

      const further = [outside]
      const request = Sample.holdRequest(buyer, 6n, { further })
      const held = yield* Effect.forkChild(ledger.hold(request))
      yield* Effect.yieldNow
      further.splice(0, 1, buyer)
      assert.lengthOf((yield* Fiber.join(held)).hold.parts ?? [], 2)
      const sources = [outside]
      const grown = yield* Effect.forkChild(ledger.grow(request.id, { amount: 7n, sources }))
      yield* Effect.yieldNow
      sources.splice(0, 1, buyer)
      assert.strictEqual((yield* Fiber.join(grown)).amount, 7n)
    }).pipe(Effect.provide(Ledger.layer.pipe(Layer.provide(LedgerStoreMemory.layer)))),
  )
})
