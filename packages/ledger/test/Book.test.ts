import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Context, Effect, Layer, Result } from "effect"
import { TestClock } from "effect/testing"
import type { AccountId } from "../src/Account.ts"
import type { HoldId, HoldState } from "../src/Hold.ts"
import type { LedgerError } from "../src/LedgerError.ts"
import { type Attached, type Command, LedgerStore, type Outcome, type Posted } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as RandomCommands from "./RandomCommands.ts"

type Store = LedgerStore["Service"]

/** Where every hold stands, by batches: a hold that has left `pending` must stay where it is. */
const checkHolds = Effect.fnUntraced(function* (store: Store, seen: Map<HoldId, HoldState>) {
  const ids = Array.from({ length: 40 }, (_, at) => `hold-${at}` as HoldId) // A test's own ids are well-formed.
  const holds = yield* store.holds({ ids })
  for (const { id, state, claimed } of holds) {
    const before = seen.get(id) ?? "pending"
    if (before !== "pending") assert.strictEqual(state, before, `${id} left ${before}`)
    if (claimed) assert.strictEqual(state, "expired", `${id} was claimed`)
    seen.set(id, state)
  }
  assert.sameMembers(
    (yield* store.holds({ pending: true })).map(({ id }) => id),
    holds.flatMap(({ id, state }) => (state === "pending" ? [id] : [])),
  )
  return holds
})

/** What must be true of the books after every batch. */
const checkBooks = Effect.fnUntraced(function* (store: Store, seen: Map<HoldId, HoldState>) {
  const accounts = new Map((yield* store.accounts()).map((account) => [account.id, account]))
  const postings = yield* store.postings(0n, 10_000)
  const holds = yield* checkHolds(store, seen)
  const [balances, held] = [new Map<AccountId, bigint>(), new Map<AccountId, bigint>()]
  const paid = new Map<HoldId, number>()
  for (const { posting, sequence, hold, balances: recorded } of postings) {
    const sums = new Map<string, bigint>()
    for (const [at, { account, amount }] of posting.legs.entries()) {
      const asset = accounts.get(account)?.asset ?? assert.fail(`${account} is not open`)
      sums.set(asset, (sums.get(asset) ?? 0n) + amount)
      balances.set(account, (balances.get(account) ?? 0n) + amount)
      assert.strictEqual(recorded[at], balances.get(account))
    }
    for (const [asset, sum] of sums) assert.strictEqual(sum, 0n, `posting ${sequence} in ${asset}`)
    if (hold !== null) paid.set(hold, (paid.get(hold) ?? 0) + 1)
  }
  for (const { state, account, amount } of holds) {
    if (state === "pending") held.set(account, (held.get(account) ?? 0n) + amount)
  }
  for (const [hold, times] of paid) {
    assert.strictEqual(times, 1, `${hold} was settled and claimed, or one of them twice`)
    const { state, claimed } = holds.find(({ id }) => id === hold) ?? assert.fail(`there is no ${hold}`)
    assert.isTrue(state === "posted" || (state === "expired" && claimed))
  }
  for (const { id, balance, held: heldOf, floor } of accounts.values()) {
    assert.strictEqual(balance, balances.get(id) ?? 0n, id)
    assert.strictEqual(heldOf, held.get(id) ?? 0n, id)
    if (floor !== null) assert.isTrue(balance - heldOf >= floor, `${id} is below its floor`)
  }
  assert.deepStrictEqual(
    postings.map(({ sequence }) => sequence),
    postings.map((_, at) => BigInt(at + 1)),
  )
})

/** An answer without times, which every store has of its own. */
const timeless = (answer: Result.Result<Outcome, LedgerError> | undefined): unknown => {
  if (answer === undefined) return "no answer"
  if (Result.isFailure(answer)) return `${answer.failure.reason._tag}: ${answer.failure.message}`
  const outcome = answer.success
  switch (outcome._tag) {
    case "Held":
      return { ...outcome, hold: { ...outcome.hold, expiresAtMs: 0 } }
    case "Expired":
      return { ...outcome, holds: outcome.holds.toSorted() }
    default:
      return outcome
  }
}

const body = ({ attachment }: Attached): string => JSON.stringify(attachment)
const untimed = (posted: Posted) => ({ ...posted, postedAtMs: 0, posting: { ...posted.posting, attachments: [] } })

const hasExpire = (batch: ReadonlyArray<Command>): boolean => batch.some(({ _tag }) => _tag === "Expire")

describe("Book", () => {
  for (const seed of [1, 2, 3, 5, 8, 13, 21, 34, 55, 89]) {
    it.effect(`keeps its invariants through 400 random commands (seed ${seed})`, () =>
      Effect.gen(function* () {
        const store = yield* LedgerStoreMemory.make
        const seen = new Map<HoldId, HoldState>()
        const outcomes = new Map<string, number>()
        for (const batch of RandomCommands.batches(seed, 400)) {
          if (hasExpire(batch)) yield* TestClock.adjust("1 second")
          for (const answer of yield* store.commit(batch)) {
            const name = Result.isFailure(answer) ? answer.failure.reason._tag : answer.success._tag
            outcomes.set(name, (outcomes.get(name) ?? 0) + 1)
          }
          yield* checkBooks(store, seen)
        }
        // The commands were not all refused, or there would be little to check.
        for (const name of ["Posted", "Held", "Voided", "InsufficientFunds", "HoldNotAvailable", "Conflict"]) {
          assert.isAbove(outcomes.get(name) ?? 0, 0, name)
        }
        assert.sameMembers([...new Set(seen.values())], ["pending", "posted", "voided", "expired"])
      }),
    )
  }

  for (const seed of [144, 233, 377]) {
    it.effect(`is the same in memory and in PostgreSQL, command by command (seed ${seed})`, () =>
      Effect.gen(function* () {
        const memory = yield* LedgerStoreMemory.make
        const context = yield* Layer.build(LedgerStoreSql.layer({ renewMs: 0 }).pipe(Layer.provide(TestDatabase.layer)))
        const sql = Context.get(context, LedgerStore)
        for (const batch of RandomCommands.batches(seed, 400)) {
          if (hasExpire(batch)) yield* Effect.all([TestClock.adjust("1 second"), TestClock.withLive(Effect.sleep(3))])
          const [here, there] = yield* Effect.all([memory.commit(batch), sql.commit(batch)])
          for (const [at, command] of batch.entries()) {
            assert.deepStrictEqual(timeless(there[at]), timeless(here[at]), command._tag)
          }
        }
        const byId = <A extends { readonly id: string }>(items: ReadonlyArray<A>) =>
          items.toSorted((a, b) => (a.id < b.id ? -1 : 1))
        assert.deepStrictEqual(byId(yield* sql.accounts()), byId(yield* memory.accounts()))
        assert.deepStrictEqual(
          (yield* sql.postings(0n, 10_000)).map(untimed),
          (yield* memory.postings(0n, 10_000)).map(untimed),
        )
        assert.deepStrictEqual(
          (yield* sql.attachments(0n, 10_000)).map(body).toSorted(),
          (yield* memory.attachments(0n, 10_000)).map(body).toSorted(),
        )
        const pending = (store: Store) =>
          Effect.map(store.holds({ pending: true }), (holds) =>
            byId(holds).map((hold) => ({ ...hold, expiresAtMs: 0 })),
          )
        assert.deepStrictEqual(yield* pending(sql), yield* pending(memory))
        yield* checkBooks(sql, new Map())
      }).pipe(Effect.scoped),
    )
  }
})
