import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { HoldId } from "../src/Hold.ts"
import { LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import * as CrashTrial from "./CrashTrial.ts"
import * as LedgerWorkers from "./LedgerWorkers.ts"
import * as Invariants from "./model/Invariants.ts"

const LIFE_MS = 600

type Store = LedgerStore["Service"]

/** Sweeps until the hold is not pending any more; answers how it stands. */
const sweep = Effect.fnUntraced(function* (store: Store, hold: HoldId) {
  for (;;) {
    yield* CrashTrial.done(store, { _tag: "Expire", limit: 10 })
    const [found] = yield* store.holds({ ids: [hold] })
    if (found?.state !== "pending") return found
    yield* Effect.sleep(20)
  }
})

/** A process that owns a hold of 5, of a buyer who has 5, and whoever looks on. */
const owned = Effect.fnUntraced(function* (url: string) {
  const store = yield* LedgerStore
  const [outside, buyer, earner] = [Sample.accountId("external"), Sample.accountId(), Sample.accountId("accrual")]
  yield* store.commit([
    Sample.open(outside, { kind: "external", floor: null }),
    Sample.open(buyer),
    Sample.open(earner, { kind: "accrual" }),
    Sample.post(outside, buyer, 5n, { kind: "topUp" }),
  ])
  const name = `owner-${Sample.text()}`
  const worker = yield* LedgerWorkers.start("own", {
    DATABASE_URL: url,
    BUYER: buyer,
    EARNER: earner,
    NAME: name,
    LIFE_MS: String(LIFE_MS),
    RENEW_MS: "60",
  })
  assert.strictEqual(yield* worker.hear, "held")
  return { store, outside, buyer, earner, worker, hold: HoldId.make(name) }
})

type Owned = Effect.Success<ReturnType<typeof owned>>

const trial = (name: string, run: (owned: Owned) => Effect.Effect<void, unknown>) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      const url = yield* TestDatabase.make
      yield* Effect.gen(function* () {
        const it = yield* owned(url)
        yield* run(it)
        yield* Invariants.check(it.store)
      }).pipe(Effect.provide(LedgerStoreSql.layer({ renewMs: 0 }).pipe(Layer.provide(TestDatabase.at(url)))))
    }).pipe(Effect.scoped, TestClock.withLive),
  )

/** Nothing is held any more; the buyer has all, and one receipt of the expiry. */
const released = Effect.fnUntraced(function* ({ buyer, hold, store }: Owned) {
  const [account] = yield* store.accounts([buyer])
  assert.deepInclude(account, { balance: 5n, held: 0n })
  const attached = yield* store.history("attachments", { after: 0n, limit: 10 })
  assert.deepStrictEqual(
    attached.map(({ attachment }) => attachment),
    [{ kind: "hold.expired", body: { name: hold } }],
  )
})

/** The claim of what the owner did not settle: once, whoever asks again. */
const claimed = Effect.fnUntraced(function* ({ earner, hold, outside, store }: Owned) {
  const claim = { _tag: "Claim", hold, posting: Sample.posting(outside, earner, 5n, { kind: "claim" }) } as const
  assert.deepInclude(yield* CrashTrial.done(store, claim), { replayed: false })
  assert.deepInclude(yield* CrashTrial.done(store, claim), { replayed: true })
  const other = { ...claim, posting: Sample.posting(outside, earner, 5n, { kind: "claim" }) }
  assert.strictEqual((yield* Effect.flip(CrashTrial.done(store, other))).reason._tag, "HoldNotAvailable")
  assert.strictEqual((yield* store.accounts([earner]))[0]?.balance, 5n)
})

describe("the owner of a hold", () => {
  trial("that lives keeps it for longer than its life, and settles it", (it) =>
    Effect.gen(function* () {
      for (let left = 8; left > 0; left--) {
        yield* Effect.sleep(LIFE_MS / 5)
        yield* CrashTrial.done(it.store, { _tag: "Expire", limit: 10 })
      }
      yield* it.worker.tell
      assert.strictEqual(yield* it.worker.hear, "done")
      assert.strictEqual((yield* it.store.accounts([it.earner]))[0]?.balance, 5n)
    }),
  )

  trial("that is killed loses it when its time has passed, and what it did is claimed once", (it) =>
    Effect.gen(function* () {
      yield* it.worker.signal("SIGKILL")
      const [account] = yield* it.store.accounts([it.buyer])
      assert.deepInclude(account, { balance: 5n, held: 5n })
      assert.deepInclude(yield* sweep(it.store, it.hold), { state: "expired", drawn: 0n })
      yield* released(it)
      yield* claimed(it)
    }),
  )

  trial("that was frozen wakes up to find it expired, and moves nothing", (it) =>
    Effect.gen(function* () {
      yield* it.worker.signal("SIGSTOP")
      assert.deepInclude(yield* sweep(it.store, it.hold), { state: "expired" })
      yield* released(it)
      yield* it.worker.tell
      yield* it.worker.signal("SIGCONT")
      assert.strictEqual(yield* it.worker.hear, "HoldNotAvailable")
      // Its renewals, which it sends again by now, bring nothing back.
      yield* Effect.sleep(100)
      yield* released(it)
      yield* claimed(it)
    }),
  )
})
