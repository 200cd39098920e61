import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Context, Effect, Layer, Result } from "effect"
import { TestClock } from "effect/testing"
import type { Posted } from "../src/Entry.ts"
import { type Hold, type HoldId, type HoldState, partsOf } from "../src/Hold.ts"
import type { LedgerError } from "../src/LedgerError.ts"
import { type Attached, type Command, type History, LedgerStore, type Outcome } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as Recompute from "../src/testing/internal/Recompute.ts"
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
  const pending = (yield* store.holds({ pending: true })).filter(({ id }) => !id.startsWith("payout:"))
  assert.sameMembers(
    pending.map(({ id }) => id),
    holds.flatMap(({ id, state }) => (state === "pending" ? [id] : [])),
  )
  return holds
})

/** What postings took of a hold: what it says was drawn of it, and one claim at most. */
const checkTaken = (hold: Hold, postings: ReadonlyArray<Posted>) => {
  const own = postings.filter((posted) => posted.hold === hold.id)
  const claims = own.filter(({ posting }) => posting.kind === "claim").length
  assert.strictEqual(claims, hold.claimed ? 1 : 0, `${hold.id} was claimed`)
  let whole = 0n
  for (const part of partsOf(hold)) {
    let drawn = 0n
    for (const { posting } of own) {
      if (posting.kind === "claim") continue
      const taken = posting.legs.reduce((sum, leg) => (leg.account === part.account ? sum - leg.amount : sum), 0n)
      if (taken > 0n) drawn += taken
    }
    assert.strictEqual(drawn, part.drawn, `${hold.id} was drawn on`)
    assert.isTrue(drawn <= part.amount, `${hold.id} paid more than it was of`)
    whole += drawn
  }
  assert.strictEqual(whole, hold.drawn)
}

/** What must be true of the books after every batch. */
const checkBooks = Effect.fnUntraced(
  function* (store: Store, seen: Map<HoldId, HoldState>) {
    const entries = yield* Recompute.balances
    const postings = entries.flatMap((entry) => (entry._tag === "Posted" ? [entry] : []))
    for (const hold of yield* checkHolds(store, seen)) checkTaken(hold, postings)
    const reversed = postings.flatMap(({ posting }) => posting.links?.reverses ?? [])
    assert.strictEqual(new Set(reversed).size, reversed.length, "a posting was taken back twice")
    let last = 0n
    for (const payout of yield* store.history("payouts", { after: 0n, limit: 1_000 })) {
      assert.strictEqual(payout.fromSequence, last)
      last = payout.toSequence
    }
  },
  (effect, store) => Effect.provideService(effect, LedgerStore, store),
)

/** An outcome without times, which every store has of its own. */
const timeless = (outcome: Outcome): unknown => {
  switch (outcome._tag) {
    case "Held":
      return { ...outcome, hold: { ...outcome.hold, expiresAtMs: 0 } }
    case "Expired":
      return { ...outcome, holds: outcome.holds.toSorted() }
    case "Linked":
      return outcome.outcomes.map(timeless)
    case "Previewed": {
      const { accounts, outcome: previewed } = outcome.preview
      return [timeless(previewed), accounts.toSorted((a, b) => (a.after.id < b.after.id ? -1 : 1))]
    }
    default:
      return outcome
  }
}

const said = (answer: Result.Result<Outcome, LedgerError> | undefined): unknown => {
  if (answer === undefined) return "no answer"
  return Result.isFailure(answer)
    ? `${answer.failure.reason._tag}: ${answer.failure.message}`
    : timeless(answer.success)
}

/** What ends the payouts that were begun, if any were. */
const endsOf = (answers: ReadonlyArray<Result.Result<Outcome, LedgerError>>): ReadonlyArray<Command> =>
  answers.flatMap((answer) => {
    const payout = Result.isSuccess(answer) && answer.success._tag === "PayoutBegun" ? answer.success.payout : null
    return payout === null ? [] : [RandomCommands.endOf(payout)]
  })

const body = ({ attachment }: Attached): string => JSON.stringify(attachment)
const untimed = (entry: History["entries"]) => {
  if (entry._tag === "Acted") return { ...entry, postedAtMs: 0 }
  const { effectiveAtMs: _, ...posting } = entry.posting
  return { ...entry, postedAtMs: 0, effectiveAtMs: 0, posting }
}

const hasExpire = (batch: ReadonlyArray<Command>): boolean => batch.some(({ _tag }) => _tag === "Expire")

describe("Book", () => {
  for (const seed of [4, 2, 3, 5, 8, 13, 21, 34, 55, 89]) {
    it.effect(`keeps its invariants through 400 random commands (seed ${seed})`, () =>
      Effect.gen(function* () {
        const store = yield* LedgerStoreMemory.make
        const seen = new Map<HoldId, HoldState>()
        const outcomes = new Map<string, number>()
        yield* TestClock.adjust("1 second")
        let ends: ReadonlyArray<Command> = []
        for (const batch of RandomCommands.batches(seed, 400)) {
          if (hasExpire(batch)) yield* TestClock.adjust("1 second")
          const answers = yield* store.commit([...batch, ...ends])
          ends = endsOf(answers)
          for (const answer of answers) {
            const name = Result.isFailure(answer) ? answer.failure.reason._tag : answer.success._tag
            outcomes.set(name, (outcomes.get(name) ?? 0) + 1)
          }
          yield* checkBooks(store, seen)
        }
        yield* Effect.provideService(Recompute.chain, LedgerStore, store)
        // The commands were not all refused, or there would be little to check.
        for (const name of ["Posted", "Held", "Voided", "Linked", "TermsSet", "PayoutBegun", "Previewed"]) {
          assert.isAbove(outcomes.get(name) ?? 0, 0, name)
        }
        for (const name of ["InsufficientFunds", "HoldNotAvailable", "Conflict", "LinkRefused", "InvalidCommand"]) {
          assert.isAbove(outcomes.get(name) ?? 0, 0, name)
        }
        assert.sameMembers([...new Set(seen.values())], ["pending", "posted", "voided", "expired"])
      }),
    )
  }

  for (const seed of [144, 233, 377, 610]) {
    it.effect(`is the same in memory and in PostgreSQL, command by command (seed ${seed})`, () =>
      Effect.gen(function* () {
        const memory = yield* LedgerStoreMemory.make
        const context = yield* Layer.build(LedgerStoreSql.layer({ renewMs: 0 }).pipe(Layer.provide(TestDatabase.layer)))
        const sql = Context.get(context, LedgerStore)
        yield* TestClock.adjust("1 second")
        let ends: ReadonlyArray<Command> = []
        for (const random of RandomCommands.batches(seed, 400)) {
          const batch = [...random, ...ends]
          if (hasExpire(batch)) yield* Effect.all([TestClock.adjust("1 second"), TestClock.withLive(Effect.sleep(3))])
          const [here, there] = yield* Effect.all([memory.commit(batch), sql.commit(batch)])
          for (const [at, command] of batch.entries()) {
            assert.deepStrictEqual(said(there[at]), said(here[at]), command._tag)
          }
          ends = endsOf(here)
        }
        const byId = <A extends { readonly id: string }>(items: ReadonlyArray<A>) =>
          items.toSorted((a, b) => (a.id < b.id ? -1 : 1))
        assert.deepStrictEqual(byId(yield* sql.accounts()), byId(yield* memory.accounts()))
        const whole = { after: 0n, limit: 10_000 }
        assert.deepStrictEqual(
          (yield* sql.history("entries", whole)).map(untimed),
          (yield* memory.history("entries", whole)).map(untimed),
        )
        assert.deepStrictEqual(yield* sql.history("payouts", whole), yield* memory.history("payouts", whole))
        assert.deepStrictEqual(
          (yield* sql.history("attachments", whole)).map(body).toSorted(),
          (yield* memory.history("attachments", whole)).map(body).toSorted(),
        )
        for (let sequence = 0n; sequence < 200n; sequence += 7n) {
          const [here, there] = yield* Effect.all([memory.balances({ sequence }), sql.balances({ sequence })])
          assert.deepStrictEqual(new Map([...there].sort()), new Map([...here].sort()))
        }
        for (let beforeMs = 0; beforeMs < 14; beforeMs++) {
          const [here, there] = yield* Effect.all([memory.balances({ beforeMs }), sql.balances({ beforeMs })])
          assert.deepStrictEqual(new Map([...there].sort()), new Map([...here].sort()))
        }
        const pending = (store: Store) =>
          Effect.map(store.holds({ pending: true }), (holds) =>
            byId(holds).map((hold) => ({ ...hold, expiresAtMs: 0 })),
          )
        assert.deepStrictEqual(yield* pending(sql), yield* pending(memory))
        yield* checkBooks(sql, new Map())
        yield* Effect.provideService(Recompute.chain, LedgerStore, sql)
      }).pipe(Effect.scoped),
    )
  }

  for (const seed of [987, 1597, 2584]) {
    it.effect(`is the same although each batch is decided while the one before is written (seed ${seed})`, () =>
      Effect.gen(function* () {
        const memory = yield* LedgerStoreMemory.make
        const context = yield* Layer.build(LedgerStoreSql.layer({ renewMs: 0 }).pipe(Layer.provide(TestDatabase.layer)))
        const sql = Context.get(context, LedgerStore)
        yield* TestClock.adjust("1 second")
        // When something expires is not the same in both.
        const batches = RandomCommands.batches(seed, 600).filter((batch) => !hasExpire(batch))
        const here = yield* Effect.forEach(batches, (batch) => memory.commit(batch))
        const there = yield* Effect.forEach(batches, (batch) => sql.commit(batch), { concurrency: "unbounded" })
        for (const [at, batch] of batches.entries()) {
          for (const [index, command] of batch.entries()) {
            assert.deepStrictEqual(said(there[at]?.[index]), said(here[at]?.[index]), `${command._tag} in batch ${at}`)
          }
        }
        yield* checkBooks(sql, new Map())
        yield* Effect.provideService(Recompute.chain, LedgerStore, sql)
      }).pipe(Effect.scoped),
    )
  }
})
