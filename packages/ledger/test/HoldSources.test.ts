/** Holds of several accounts, and their growth: what must be so whatever is asked, in whatever order. */
import { assert, describe, it } from "@effect/vitest"
import { USD } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import { Effect, Result, Schema } from "effect"
import { type AccountId, ids } from "../src/Account.ts"
import { HoldId, partsOf, spread } from "../src/Hold.ts"
import * as Ledger from "../src/Ledger.ts"
import { type Command, LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as Opening from "../src/Opening.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import * as CrashTrial from "./CrashTrial.ts"
import * as Verify from "../src/Verify.ts"

const Amount = Schema.BigInt.pipe(Schema.check(Schema.isBetweenBigInt({ minimum: 0n, maximum: 60n })))
const Four = Schema.Tuple([Amount, Amount, Amount, Amount])
const Steps = Schema.Array(
  Schema.Struct({
    act: Schema.Literals(["hold", "grow", "draw", "settle", "void", "spend", "earn"]),
    at: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 3 }))),
    turn: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 3 }))),
    amount: Amount,
  }),
).pipe(Schema.check(Schema.isBetweenLength(1, 40)))

const ann = MemberId.make("mem_ann")
const sources = ["credit", "voucher", "card", "bank"].map((name) => ids.funds(name, ann))
const [outside, earner] = [ids.external("any"), ids.accrual("any", MemberId.make("mem_bob"))]
const holds = [0, 1, 2, 3].map((at) => HoldId.make(`req_${at}`))

/** Books with these funds. */
const books = Effect.fnUntraced(function* (funds: ReadonlyArray<bigint>) {
  const store = yield* LedgerStoreMemory.make
  for (const id of [outside, earner, ...sources]) {
    yield* CrashTrial.done(store, { _tag: "Open", ...Opening.of(id, USD) })
  }
  for (const [at, id] of sources.entries()) {
    const amount = funds[at] ?? 0n
    if (amount > 0n) yield* CrashTrial.done(store, Sample.post(outside, id, amount, { kind: "topUp" }))
  }
  return store
})

type Store = LedgerStore["Service"]

const freeOf = (store: Store, of: ReadonlyArray<AccountId>) =>
  Effect.map(store.accounts(of), (accounts) =>
    of.map((id) => {
      const account = accounts.find((each) => each.id === id) ?? assert.fail(`there is no ${id}`)
      return account.balance - account.held
    }),
  )

const sum = (amounts: ReadonlyArray<bigint>) => amounts.reduce((all, each) => all + each, 0n)

/** The sources, beginning with another one. */
const turned = (turn: number): readonly [AccountId, ...ReadonlyArray<AccountId>] => {
  const [first, ...others] = [...sources.slice(turn), ...sources.slice(0, turn)]
  return [first ?? assert.fail(), ...others]
}

const request = (id: HoldId, amount: bigint, [account, ...further]: ReturnType<typeof turned>): Command => ({
  _tag: "Hold",
  hold: { ...Sample.holdRequest(account, amount, { further }), id, owner: "o" },
})

/** A posting that takes from a hold what is asked, first source first. */
const taking = (parts: ReturnType<typeof partsOf>, amount: bigint) => {
  const taken = spread(parts, amount)
  const all = sum(taken.map((each) => each.amount))
  return Sample.postingOf([...taken.map((each) => [each.account, -each.amount] as const), [earner, all]])
}

describe("a hold of several accounts", () => {
  it.effect.prop(
    "takes of each all it has before the next gives anything, and all or nothing",
    [Four, Amount],
    ([funds, extra]) =>
      Effect.gen(function* () {
        const store = yield* books(funds)
        const amount = (sum(funds) * extra) / 40n
        const [answer] = yield* store.commit([request(holds[0] ?? assert.fail(), amount, turned(0))])
        const free = yield* freeOf(store, sources)
        if (amount > sum(funds)) {
          assert.isTrue(answer !== undefined && Result.isFailure(answer))
          return assert.deepStrictEqual(free, [...funds])
        }
        assert.isTrue(answer !== undefined && Result.isSuccess(answer))
        let rest = amount
        for (const [at, has] of funds.entries()) {
          const takes = has < rest ? has : rest
          assert.strictEqual(free[at], has - takes)
          rest -= takes
        }
      }),
    { arbitrary: { seed: "hold-greedy", runs: 300 } },
  )

  it.effect.prop(
    "never takes an account below its line, loses or makes a unit, or changes anything when it is asked again",
    [Four, Steps],
    ([funds, steps]) =>
      Effect.gen(function* () {
        const store = yield* books(funds)
        for (const { act, amount, at, turn } of steps) {
          const id = holds[at] ?? assert.fail()
          const [known] = yield* store.holds({ ids: [id] })
          const [source, parts] = [sources[turn] ?? assert.fail(), known === undefined ? undefined : partsOf(known)]
          const ofParts = parts === undefined ? Sample.posting(source, earner, 1n) : taking(parts, amount)
          const commands: Readonly<Record<typeof act, Command>> = {
            hold: request(id, amount, turned(turn)),
            grow: { _tag: "Grow", hold: id, amount, ...(turn === 0 ? {} : { sources: turned(turn) }) },
            draw: { _tag: "Draw", hold: id, posting: ofParts },
            settle: { _tag: "Settle", hold: id, posting: ofParts },
            void: { _tag: "Void", hold: id, attachments: [] },
            spend: Sample.post(source, earner, amount + 1n),
            earn: Sample.post(outside, source, amount + 1n, { kind: "topUp" }),
          }
          const before = [yield* store.accounts(), yield* store.holds({ ids: holds })]
          const [answer] = yield* store.commit([commands[act]])
          const after = [yield* store.accounts(), yield* store.holds({ ids: holds })]
          if (answer === undefined || Result.isFailure(answer)) assert.deepStrictEqual(after, before, act)
          else {
            yield* store.commit([commands[act]])
            assert.deepStrictEqual([yield* store.accounts(), yield* store.holds({ ids: holds })], after, `${act} again`)
          }
          const accounts = yield* store.accounts()
          for (const { balance, floor, held, id } of accounts) {
            if (floor !== null) assert.isTrue(balance - held >= floor, id)
          }
          assert.strictEqual(sum(accounts.map(({ balance }) => balance)), 0n)
          const pending = (yield* store.holds({ pending: true })).flatMap(partsOf)
          for (const { held, id } of accounts) {
            const keeps = pending.filter(({ account }) => account === id).map((part) => part.amount - part.drawn)
            assert.strictEqual(held, sum(keeps), id)
          }
        }
        yield* Effect.provideService(Verify.verify(), LedgerStore, store)
      }),
    { arbitrary: { seed: "hold-sources-steps", runs: 150 } },
  )

  it.effect.prop(
    "holds the same in steps as at once, whatever the steps, while nothing else moves",
    [Four, Schema.Array(Amount).pipe(Schema.check(Schema.isBetweenLength(1, 6)))],
    ([funds, targets]) =>
      Effect.gen(function* () {
        const [one, many] = [yield* books(funds), yield* books(funds)]
        const id = holds[0] ?? assert.fail()
        const reached = targets.filter((target) => target <= sum(funds))
        const most = reached.reduce((a, b) => (a > b ? a : b), 0n)
        yield* CrashTrial.done(one, request(id, most, turned(0)))
        yield* CrashTrial.done(many, request(id, 0n, turned(0)))
        for (const amount of targets) yield* many.commit([{ _tag: "Grow", hold: id, amount, sources: sources }])
        const [[atOnce], [inSteps]] = [yield* one.holds({ ids: [id] }), yield* many.holds({ ids: [id] })]
        if (atOnce === undefined || inSteps === undefined) return assert.fail("there is no hold")
        assert.strictEqual(inSteps.amount, most)
        if (most > 0n) assert.deepStrictEqual(partsOf(inSteps), partsOf(atOnce))
        assert.deepStrictEqual(yield* freeOf(many, sources), yield* freeOf(one, sources))
      }),
    { arbitrary: { seed: "grow-steps", runs: 300 } },
  )

  it.prop(
    "is spent first source first, up to what each part keeps",
    [Schema.Array(Schema.Tuple([Amount, Amount])).pipe(Schema.check(Schema.isBetweenLength(1, 4))), Amount],
    ([pairs, amount]) => {
      const parts = pairs.flatMap(([a, b], at) => {
        const account = sources[at]
        return account === undefined ? [] : [{ account, amount: a > b ? a : b, drawn: a > b ? b : a }]
      })
      const keeps = parts.map((part) => part.amount - part.drawn)
      const taken = spread(parts, amount)
      assert.strictEqual(sum(taken.map((each) => each.amount)), sum(keeps) < amount ? sum(keeps) : amount)
      const of = parts.map(({ account }) => taken.find((each) => each.account === account)?.amount ?? 0n)
      for (const [at, takes] of of.entries()) {
        assert.isTrue(takes >= 0n && takes <= (keeps[at] ?? 0n))
        if (of.slice(at + 1).some((later) => later > 0n)) assert.strictEqual(takes, keeps[at])
      }
    },
    { arbitrary: { seed: "spread", runs: 500 } },
  )
})

describe("what is last known to be available", () => {
  it.effect("is the sum over the sources, after holds, growth and refusals", () =>
    Effect.gen(function* () {
      const store = yield* books([10n, 0n, 30n, 0n])
      const ledger = yield* Effect.provideService(Ledger.make, LedgerStore, store)
      const [account, ...further] = turned(0)
      const of = (amount: bigint, id = Sample.holdId()) => ({ ...Sample.holdRequest(account, amount, { further }), id })
      assert.isUndefined(ledger.lastAvailable(account))
      const { available, hold } = yield* ledger.hold(of(15n))
      assert.deepStrictEqual([available, ledger.lastAvailable(account)], [25n, 25n])
      const grown = yield* ledger.grow(hold.id, { amount: 20n, sources })
      assert.deepStrictEqual([grown.available, ledger.lastAvailable(account)], [20n, 20n])
      yield* ledger.void(hold.id, [])
      const refused = yield* Effect.flip(ledger.hold(of(41n)))
      assert.deepInclude(refused.reason, { _tag: "InsufficientFunds", available: 40n, needed: 41n, account })
      assert.strictEqual(ledger.lastAvailable(account), 40n)
      const next = yield* ledger.hold(of(40n))
      assert.strictEqual(ledger.lastAvailable(account), 0n)
      const stuck = yield* Effect.flip(ledger.grow(next.hold.id, { amount: 41n, sources }))
      assert.deepInclude(stuck.reason, { _tag: "InsufficientFunds", available: 0n, needed: 1n, account })
    }).pipe(Effect.scoped),
  )
})
