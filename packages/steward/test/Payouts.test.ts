import { assert, describe, it } from "@effect/vitest"
import { AssetCode } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import * as Account from "@guildhall/ledger/Account"
import * as Ledger from "@guildhall/ledger/Ledger"
import * as LedgerStoreMemory from "@guildhall/ledger/LedgerStoreMemory"
import * as Opening from "@guildhall/ledger/Opening"
import * as PayoutRun from "@guildhall/ledger/PayoutRun"
import * as Scripted from "@guildhall/ledger/testing/ScriptedPayoutRail"
import { Effect, Layer } from "effect"
import { KeyValueStore } from "effect/persistence"
import { TestClock } from "effect/testing"
import { WorkflowEngine } from "effect/workflow"
import * as Payouts from "../src/Payouts.ts"

const asset = { code: AssetCode.make("USD"), scale: 12 }
/** The least that the rail carries. */
const unit = 1_000_000n
const minute = 60_000
const rail = "Coin"
const world = Account.ids.external("world")
const member = (name: string) => MemberId.make(`mem_${name}`)

let postings = 0

const earn = Effect.fnUntraced(function* (name: string, amount: bigint, source = "usdc") {
  const ledger = yield* Ledger.Ledger
  const account = Account.ids.accrual(source, member(name))
  for (const id of [world, account]) yield* ledger.open(Opening.of(id, asset))
  yield* ledger.post({
    idempotencyKey: `test:${++postings}`,
    kind: "topUp",
    legs: [
      { account: world, amount: -amount },
      { account, amount },
    ],
    attachments: [],
  })
})

const balance = (id: Account.AccountId) =>
  Effect.flatMap(Ledger.Ledger, (ledger) => Effect.map(ledger.accounts([id]), ([found]) => found?.balance ?? 0n))

const rest = Effect.forEach(Array.from({ length: 100 }), () => Effect.yieldNow, { discard: true })

const scene = <E>(
  test: (of: {
    readonly scripted: Scripted.Scripted
    readonly without: Set<string>
    /** A process that begins to pay. */
    readonly begin: Effect.Effect<
      { readonly round: Effect.Effect<void, unknown> },
      never,
      Ledger.Ledger | Layer.Success<typeof LedgerStoreMemory.layer> | PayoutRun.PayoutRun
    >
  }) => Effect.Effect<void, E, Ledger.Ledger | Layer.Success<typeof LedgerStoreMemory.layer> | PayoutRun.PayoutRun>,
) =>
  Effect.suspend(() => {
    const scripted = Scripted.make({ name: rail, scale: 6, deliver: () => Scripted.arrives })
    const without = new Set<string>()
    const begin = Payouts.make({
      rail,
      asset,
      sources: { usdc: { afterMs: 0 }, card: { afterMs: 10 * minute } },
      everyMs: minute,
      minimum: 5n * unit,
      definition: "d1",
      payable: (members) => Effect.succeed(new Set(members.filter((id) => !without.has(id.slice("mem_".length))))),
    })
    return test({ scripted, without, begin }).pipe(
      Effect.provide(
        PayoutRun.layer({ rails: [scripted.rail] }).pipe(
          Layer.provideMerge(WorkflowEngine.layerMemory),
          Layer.provideMerge(KeyValueStore.layerMemory),
          Layer.provideMerge(Ledger.layer.pipe(Layer.provideMerge(LedgerStoreMemory.layer))),
        ),
      ),
    )
  })

const sent = ({ sends }: Scripted.Scripted) =>
  sends.map((payout) => [payout.member.slice("mem_".length), payout.amount])

describe("Payouts", () => {
  it.effect("pays what was earned before the period and is safe, of the sources that are named, in whole units", () =>
    scene(({ begin, scripted }) =>
      Effect.gen(function* () {
        const { round } = yield* begin
        yield* earn("ann", 7n * unit + 3n)
        yield* earn("bob", 9n * unit, "card")
        yield* earn("cyd", 9n * unit, "grant")
        yield* round
        yield* rest
        assert.deepStrictEqual(sent(scripted), [])
        yield* TestClock.adjust(minute)
        yield* round
        yield* rest
        assert.deepStrictEqual(sent(scripted), [["ann", 7n * unit]])
        assert.strictEqual(yield* balance(Account.ids.external(rail)), 7n * unit)
        assert.strictEqual(yield* balance(Account.ids.payable(rail, member("ann"))), 3n)
        yield* TestClock.adjust(10 * minute)
        yield* round
        yield* rest
        assert.deepStrictEqual(sent(scripted).slice(1), [["bob", 9n * unit]])
        assert.strictEqual(yield* balance(Account.ids.accrual("grant", member("cyd"))), 9n * unit)
      }),
    ),
  )

  it.effect("leaves with the member what it cannot be paid, and what is less than the minimum", () =>
    scene(({ begin, scripted, without }) =>
      Effect.gen(function* () {
        const { round } = yield* begin
        without.add("ann")
        yield* earn("ann", 6n * unit)
        yield* earn("bob", 4n * unit)
        yield* TestClock.adjust(minute)
        yield* round
        yield* rest
        assert.deepStrictEqual(sent(scripted), [])
        assert.strictEqual(yield* balance(Account.ids.accrual("usdc", member("ann"))), 6n * unit)
        without.delete("ann")
        yield* earn("bob", unit)
        yield* TestClock.adjust(minute)
        yield* round
        yield* rest
        assert.sameDeepMembers(sent(scripted), [
          ["ann", 6n * unit],
          ["bob", 5n * unit],
        ])
      }),
    ),
  )

  it.effect("pays nothing twice: not in a period that was seen to, nor by a process that begins anew in it", () =>
    scene(({ begin, scripted }) =>
      Effect.gen(function* () {
        const { round } = yield* begin
        yield* earn("ann", 6n * unit)
        yield* TestClock.adjust(minute)
        yield* Effect.all([round, Effect.flatMap(begin, (other) => other.round)], { concurrency: "unbounded" })
        yield* rest
        yield* round
        yield* Effect.flatMap(begin, (other) => other.round)
        yield* rest
        assert.deepStrictEqual(sent(scripted), [["ann", 6n * unit]])
        // What comes in the period after its beginning is the next one's, for every process.
        yield* earn("ann", 8n * unit)
        yield* Effect.flatMap(begin, (other) => other.round)
        yield* rest
        assert.lengthOf(scripted.sends, 1)
        yield* TestClock.adjust(minute)
        yield* round
        yield* rest
        assert.deepStrictEqual(sent(scripted).slice(1), [["ann", 8n * unit]])
      }),
    ),
  )
})
