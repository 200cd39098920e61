/**
 * The suite of the port `StakeBook`: one test for each of its numbered guarantees, with the same words.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Conformance from "@guildhall/core/testing/Conformance"
import type { Address } from "../Address.ts"
import { StakeBook } from "../StakeBook.ts"
import { ChainTestbed } from "./ChainTestbed.ts"
import { bytes32, does, funded, holder, isRefused, MARGIN_S, once, spare, unique } from "./internal/Trial.ts"

const staked = Effect.fnUntraced(function* (amount: bigint) {
  const book = yield* StakeBook
  const by = yield* funded(book.terms.token, amount)
  yield* does(book, { _tag: "Stake", by, amount })
  return { book, by }
})

const activeOf = (book: StakeBook["Service"], by: Address) =>
  Effect.map(book.standing(by), (standing) => standing.active)

const actsOnce = Effect.gen(function* () {
  const book = yield* StakeBook
  const by = yield* funded(book.terms.token, 300n)
  const act = { _tag: "Stake", by, amount: 100n, idempotencyKey: unique() } as const
  yield* once(book, act, { ...act, amount: 101n }, activeOf(book, by))
})

const leaves = Effect.gen(function* () {
  const testbed = yield* ChainTestbed
  const { book, by } = yield* staked(1_000n)
  assert.strictEqual(yield* activeOf(book, by), 1_000n)
  yield* does(book, { _tag: "RequestUnstake", by, amount: 400n })
  const leaving = yield* book.standing(by)
  assert.deepStrictEqual([leaving.active, leaving.unbonding], [600n, 400n])
  yield* testbed.advance(book.terms.cooldownS + MARGIN_S)
  yield* does(book, { _tag: "Withdraw", by })
  assert.strictEqual(yield* testbed.balance(by, book.terms.token), 400n)
  const left = yield* book.standing(by)
  assert.deepStrictEqual([left.active, left.unbonding, left.readyAtS], [600n, 0n, 0])
})

const waits = Effect.gen(function* () {
  const testbed = yield* ChainTestbed
  const { book, by } = yield* staked(1_000n)
  yield* does(book, { _tag: "RequestUnstake", by, amount: 100n })
  yield* isRefused(book, { _tag: "Withdraw", by }, "CooldownNotOver")
  yield* testbed.advance(book.terms.cooldownS - MARGIN_S)
  yield* does(book, { _tag: "RequestUnstake", by, amount: 100n })
  yield* testbed.advance(2 * MARGIN_S)
  yield* isRefused(book, { _tag: "Withdraw", by }, "CooldownNotOver")
  assert.strictEqual((yield* book.standing(by)).unbonding, 200n)
  yield* testbed.advance(book.terms.cooldownS)
  yield* does(book, { _tag: "Withdraw", by })
  assert.strictEqual(yield* testbed.balance(by, book.terms.token), 200n)
})

const cancels = Effect.gen(function* () {
  const { book, by } = yield* staked(1_000n)
  yield* isRefused(book, { _tag: "CancelUnstake", by }, "NothingUnbonding")
  yield* does(book, { _tag: "RequestUnstake", by, amount: 700n })
  yield* does(book, { _tag: "CancelUnstake", by })
  const { active, readyAtS, unbonding } = yield* book.standing(by)
  assert.deepStrictEqual([active, unbonding, readyAtS], [1_000n, 0n, 0])
})

const ages = Effect.gen(function* () {
  const testbed = yield* ChainTestbed
  const book = yield* StakeBook
  const table = (yield* book.tiers(yield* testbed.nowS)) ?? assert.fail("there are no tiers")
  const top = table.tiers.at(-1) ?? assert.fail("the table is empty")
  const by = yield* funded(book.terms.token, top.minStake + 1n)
  yield* does(book, { _tag: "Stake", by, amount: top.minStake })
  const young = yield* book.standing(by)
  assert.strictEqual(young.aged, 0n, "a deposit of now counts")
  assert.deepStrictEqual(young.tier, table.tiers[0])
  yield* testbed.advance(book.terms.minActiveS + MARGIN_S)
  const old = yield* book.standing(by)
  assert.strictEqual(old.aged, top.minStake)
  assert.deepStrictEqual(old.tier, top)
  yield* does(book, { _tag: "Stake", by, amount: 1n })
  yield* does(book, { _tag: "RequestUnstake", by, amount: 2n })
  assert.strictEqual((yield* book.standing(by)).aged, top.minStake - 1n, "what leaves still counts")
})

const remembers = Effect.gen(function* () {
  const testbed = yield* ChainTestbed
  const { book, by } = yield* staked(500n)
  yield* testbed.advance(10)
  const thenS = yield* testbed.nowS
  yield* testbed.advance(10)
  yield* does(book, { _tag: "RequestUnstake", by, amount: 200n })
  yield* testbed.advance(10)
  assert.strictEqual(yield* book.stakeAt(by, thenS), 500n)
  assert.strictEqual(yield* book.stakeAt(by, (yield* testbed.nowS) - 1), 300n)
  const future = yield* Conformance.refused(book.stakeAt(by, thenS + 1_000_000), "for a second to come")
  assert.strictEqual(future.reason._tag, "Refused")
})

const appends = Effect.gen(function* () {
  const testbed = yield* ChainTestbed
  const book = yield* StakeBook
  const by = yield* holder("curator")
  const nowS = yield* testbed.nowS
  const before = yield* book.tiers(nowS)
  const tiers = [
    { minStake: 0n, multiplierBps: 10_000, priority: 0 },
    { minStake: 7n, multiplierBps: 11_000, priority: 1 },
  ]
  const soonS = nowS + book.terms.tierDelayS - MARGIN_S
  const activatesAtS = nowS + book.terms.tierDelayS + 2 * MARGIN_S
  yield* isRefused(book, { _tag: "AppendTiers", by, tiers, activatesAtS: soonS }, "TiersTooEarly")
  const stranger = yield* testbed.account
  yield* isRefused(book, { _tag: "AppendTiers", by: stranger, tiers, activatesAtS }, "MissingRole")
  const falling = tiers.toReversed()
  yield* isRefused(book, { _tag: "AppendTiers", by, tiers: falling, activatesAtS }, "BadTiers")
  yield* does(book, { _tag: "AppendTiers", by, tiers, activatesAtS })
  assert.deepStrictEqual(yield* book.tiers(activatesAtS - 1), before)
  const after = yield* book.tiers(activatesAtS)
  assert.deepStrictEqual([after?.activatesAtS, after?.tiers], [activatesAtS, tiers])
  yield* isRefused(book, { _tag: "AppendTiers", by, tiers, activatesAtS }, "TiersTooEarly")
  yield* does(book, {
    _tag: "AppendTiers",
    by,
    tiers: before?.tiers ?? [],
    activatesAtS: activatesAtS + MARGIN_S,
  })
  yield* testbed.advance(book.terms.tierDelayS + 4 * MARGIN_S)
})

const rewards = Effect.gen(function* () {
  const testbed = yield* ChainTestbed
  const { book, by } = yield* staked(10n ** 24n)
  const funder = yield* funded(book.terms.token, 1_000_000n)
  const ownFirst = (yield* book.standing(by)).rewards
  yield* does(book, { _tag: "FundRewards", by: funder, amount: 1_000_000n })
  assert.strictEqual((yield* book.standing(by)).rewards - ownFirst < 1_000_000n, true)
  yield* testbed.advance(30 * 86_400)
  const earned = (yield* book.standing(by)).rewards
  assert.isTrue(earned > 0n && earned <= 1_000_000n, `it earned ${earned}`)
  yield* testbed.advance(30 * 86_400)
  assert.strictEqual((yield* book.standing(by)).rewards, earned, "what was not funded accrued")
  yield* does(book, { _tag: "ClaimRewards", by })
  assert.strictEqual(yield* testbed.balance(by, book.terms.token), earned)
  yield* isRefused(book, { _tag: "ClaimRewards", by }, "NoRewards")
})

const isOnlyTheOwners = Effect.gen(function* () {
  const testbed = yield* ChainTestbed
  const { book, by } = yield* staked(1_000n)
  yield* does(book, { _tag: "RequestUnstake", by, amount: 300n })
  yield* testbed.advance(book.terms.cooldownS + MARGIN_S)
  const before = yield* book.standing(by)
  const others = [yield* testbed.account, ...Object.values(testbed.roles)]
  for (const other of others) {
    yield* isRefused(book, { _tag: "RequestUnstake", by: other, amount: 1n }, "NotEnoughActive")
    yield* isRefused(book, { _tag: "Withdraw", by: other }, "NothingUnbonding")
    yield* isRefused(book, { _tag: "CancelUnstake", by: other }, "NothingUnbonding")
  }
  const after = yield* book.standing(by)
  assert.deepStrictEqual([after.active, after.unbonding], [before.active, before.unbonding])
})

const addsUp = Effect.gen(function* () {
  const testbed = yield* ChainTestbed
  const book = yield* StakeBook
  const { token } = book.terms
  const spared = spare("Staking", token, book.totals)
  const before = yield* spared
  const totals = yield* book.totals
  const by = yield* funded(token, 900n)
  yield* isRefused(book, { _tag: "Stake", by, amount: 0n }, "ZeroAmount")
  yield* isRefused(book, { _tag: "Stake", by, amount: 901n }, "ERC20InsufficientBalance")
  const invalid = yield* Conformance.refused(
    book.act({ _tag: "Stake", by, amount: -1n, idempotencyKey: bytes32() }),
    "below zero",
  )
  assert.strictEqual(invalid.reason._tag, "InvalidInput")
  assert.deepStrictEqual(yield* book.totals, totals, "it was refused, and something moved")
  yield* does(book, { _tag: "Stake", by, amount: 500n })
  yield* does(book, { _tag: "RequestUnstake", by, amount: 200n })
  yield* does(book, { _tag: "FundRewards", by, amount: 400n })
  const moved = yield* book.totals
  assert.strictEqual(moved.active - totals.active, 300n)
  assert.strictEqual(moved.unbonding - totals.unbonding, 200n)
  assert.strictEqual(moved.rewards - totals.rewards, 400n)
  yield* testbed.advance(book.terms.cooldownS + MARGIN_S)
  yield* does(book, { _tag: "Withdraw", by })
  assert.strictEqual(yield* spared, before)
})

const pauses = Effect.gen(function* () {
  const testbed = yield* ChainTestbed
  const { book, by } = yield* staked(1_000n)
  yield* does(book, { _tag: "RequestUnstake", by, amount: 600n })
  yield* testbed.advance(book.terms.cooldownS + MARGIN_S)
  const pauser = yield* holder("pauser")
  yield* does(book, { _tag: "Pause", by: pauser })
  yield* isRefused(book, { _tag: "Stake", by, amount: 1n }, "IsPaused")
  yield* does(book, { _tag: "Withdraw", by })
  yield* does(book, { _tag: "RequestUnstake", by, amount: 400n })
  yield* does(book, { _tag: "Unpause", by: pauser })
  assert.strictEqual(yield* testbed.balance(by, book.terms.token), 600n)
})

/**
 * What the port guarantees, in the order of its documentation.
 *
 * @category constants
 * @since 0.1.0
 */
export const guarantees: ReadonlyArray<Conformance.Guarantee<Conformance.Proof<StakeBook | ChainTestbed>>> = [
  {
    number: 1,
    test: "The same act under the same key is done once and answered alike; another act under the key is a `Conflict`.",
    proof: actsOnce,
  },
  {
    number: 2,
    test: "What was staked is active at once; what is asked back is not active any more, and is paid after the cooldown, to its owner.",
    proof: leaves,
  },
  {
    number: 3,
    test: "Before the cooldown is over nothing can be withdrawn; a further request joins the first and starts its cooldown anew.",
    proof: waits,
  },
  { number: 4, test: "A request that is cancelled is active stake again.", proof: cancels },
  {
    number: 5,
    test: "A tier counts the stake that was active for the minimum time and still is: a deposit of now gives none.",
    proof: ages,
  },
  { number: 6, test: "The stake of a past second is found, and does not change.", proof: remembers },
  {
    number: 7,
    test: "A table of tiers counts from its second on, which is at least the delay away; a table once given is never changed.",
    proof: appends,
  },
  {
    number: 8,
    test: "Rewards are paid from what was funded only: when it is used up, none accrue.",
    proof: rewards,
  },
  { number: 9, test: "Only its owner's own acts lower a stake.", proof: isOnlyTheOwners },
  {
    number: 10,
    test: "What was refused moved nothing, and what came in is active, unbonding, or rewards: the totals sum to what went in less what went out.",
    proof: addsUp,
  },
  { number: 11, test: "While paused nothing comes in, and everything goes out.", proof: pauses },
]

const port: Conformance.Port<StakeBook | ChainTestbed> = { name: "StakeBook", guarantees, clock: "virtual" }

/** Proves a layer of the port. @category suites @since 0.1.0 */
export const suite: Conformance.Suite<StakeBook | ChainTestbed> = Conformance.suite(port)

/** Proves that the suite bites: on this layer the guarantee with this number must fail. @category suites @since 0.1.0 */
export const breaks: Conformance.Breaks<StakeBook | ChainTestbed> = Conformance.breaks(port)
