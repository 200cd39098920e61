/**
 * The suite of the port `Settlement`: one test for each of its numbered guarantees, with the same words.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Conformance from "@guildhall/core/testing/Conformance"
import * as Division from "@guildhall/core/rules/Division"
import { ZERO } from "../Address.ts"
import type { Settlement, Terms } from "../Settlement.ts"
import type { ChainTestbed } from "./ChainTestbed.ts"
import { bytes32, does, funded, holder, isRefused, MARGIN_S, once, unique, until } from "./internal/Trial.ts"
import { prepared, termsOf, divisionOf, spareOf, nextEpoch, afterChallenge } from "./internal/SettlementTrial.ts"
import { proposes, paysByRoot, paysByBatch } from "./internal/EpochProofs.ts"
import { signed, redeems, refusesVouchers } from "./internal/VoucherProofs.ts"

const actsOnce = Effect.gen(function* () {
  const { settlement, testbed, token } = yield* prepared(0n)
  const by = yield* testbed.account
  yield* testbed.fund(by, token, 300n)
  const act = { _tag: "Fund", by, token, amount: 100n, idempotencyKey: unique() } as const
  const free = Effect.map(settlement.totals(token), (totals) => totals.funded)
  yield* once(settlement, act, { ...act, amount: 101n }, free)
})

const settles = Effect.gen(function* () {
  const { epoch, operator, provider, settlement, testbed, token } = yield* prepared(1_000n)
  const terms = yield* termsOf(yield* epoch)
  const requestId = bytes32()
  const act = { _tag: "Settle", by: operator, provider, token, amount: 999n, requestId } as const
  yield* isRefused(settlement, { ...act, by: provider }, "MissingRole")
  yield* does(settlement, act)
  yield* isRefused(settlement, { ...act, amount: 1n }, "AlreadySettled")
  const parts = Division.ofRequest(divisionOf(terms), 999n)
  assert.strictEqual((yield* settlement.credit(token, provider)).owed, parts.provider)
  assert.strictEqual((yield* settlement.credit(token, terms.treasury)).owed, parts.treasury)
  yield* does(settlement, { _tag: "Claim", by: provider, token })
  assert.strictEqual(yield* testbed.balance(provider, token), parts.provider)
  yield* does(settlement, { _tag: "ClaimFor", by: provider, account: terms.treasury, token })
  assert.strictEqual(yield* testbed.balance(terms.treasury, token), parts.treasury)
  const nothing = yield* does(settlement, { _tag: "Claim", by: provider, token })
  assert.deepStrictEqual(nothing.events, [])
})

const isCapped = Effect.gen(function* () {
  const { operator: by, provider, settlement, token } = yield* prepared(100n, 10n)
  const epoch = yield* nextEpoch
  yield* isRefused(
    settlement,
    { _tag: "Settle", by, provider, token, amount: 101n, requestId: bytes32() },
    "NotEnoughFunded",
  )
  const proposal = { _tag: "ProposeEpoch", by, token, epoch, kind: "Root", commitment: bytes32() } as const
  yield* isRefused(settlement, { ...proposal, gross: 101n, boost: 0n }, "NotEnoughFunded")
  yield* isRefused(settlement, { ...proposal, gross: 100n, boost: 11n }, "NotEnoughBoost")
  const entries = [{ account: provider, amount: 101n }]
  yield* isRefused(settlement, { _tag: "PayMany", by, token, batchId: bytes32(), entries }, "NotEnoughFunded")
  yield* does(settlement, { ...proposal, gross: 100n, boost: 10n })
  const { boostPool, funded: free, pending } = yield* settlement.totals(token)
  assert.deepStrictEqual([free, boostPool, pending], [0n, 0n, 110n])
  yield* isRefused(
    settlement,
    { _tag: "Settle", by, provider, token, amount: 1n, requestId: bytes32() },
    "NotEnoughFunded",
  )
})

const keepsTerms = Effect.gen(function* () {
  const { operator, settlement, testbed, token } = yield* prepared(1_000n)
  const by = yield* holder("curator")
  const { epochLengthS, termsDelayS } = settlement.terms
  const nowS = yield* testbed.nowS
  const epoch = Math.floor(nowS / epochLengthS)
  const before = yield* termsOf(epoch)
  const party = yield* testbed.account
  const fromEpoch = Math.floor((nowS + termsDelayS) / epochLengthS) + 2
  const terms: Terms = { ...before, fromEpoch, providerBps: 5_000, shares: [{ party, bps: 1_000 }] }
  yield* isRefused(settlement, { _tag: "AppendTerms", by, terms: { ...terms, fromEpoch: epoch } }, "TermsTooEarly")
  yield* isRefused(settlement, { _tag: "AppendTerms", by, terms: { ...terms, providerBps: 9_001 } }, "BadTerms")
  yield* isRefused(settlement, { _tag: "AppendTerms", by, terms: { ...terms, treasury: ZERO } }, "ZeroAddress")
  yield* isRefused(settlement, { _tag: "AppendTerms", by: operator, terms }, "MissingRole")
  yield* does(settlement, { _tag: "AppendTerms", by, terms })
  yield* does(settlement, { _tag: "AppendTerms", by, terms: { ...before, fromEpoch: fromEpoch + 1 } })
  assert.deepStrictEqual(yield* termsOf(epoch), before)
  assert.deepStrictEqual(yield* termsOf(fromEpoch), terms)
  yield* until((fromEpoch + 1) * epochLengthS + 1)
  const account = yield* testbed.account
  const settleIn = Effect.fnUntraced(function* (settledEpoch: number) {
    const { signature, voucher } = yield* signed({ provider: account, token, epoch: settledEpoch, cumulative: 100n })
    yield* does(settlement, { _tag: "Redeem", by, voucher, signature })
    return (yield* settlement.credit(token, account)).owed
  })
  assert.strictEqual(yield* settleIn(fromEpoch), 50n)
  assert.strictEqual((yield* settlement.credit(token, party)).owed, 10n)
  assert.strictEqual((yield* settleIn(fromEpoch + 1)) - 50n, Division.part(100n, before.providerBps))
})

const unfunds = Effect.gen(function* () {
  const { operator, settlement, testbed, token } = yield* prepared(100n, 10n)
  const by = yield* holder("funder")
  const act = { _tag: "RequestUnfund", by, token, funded: 150n, boost: 5n } as const
  yield* isRefused(settlement, { ...act, by: operator }, "MissingRole")
  yield* isRefused(settlement, { _tag: "Unfund", by, token }, "NoUnfundRequest")
  yield* does(settlement, act)
  yield* isRefused(settlement, { _tag: "Unfund", by, token }, "UnfundTooEarly")
  yield* does(settlement, { _tag: "CancelUnfund", by, token })
  yield* does(settlement, act)
  yield* testbed.advance(2 * settlement.terms.unfundDelayS + MARGIN_S)
  yield* isRefused(settlement, { _tag: "Unfund", by, token }, "UnfundExpired")
  yield* does(settlement, act)
  yield* testbed.advance(settlement.terms.unfundDelayS + MARGIN_S)
  yield* does(settlement, { _tag: "Unfund", by, token })
  assert.strictEqual(yield* testbed.balance(by, token), 105n)
  const { boostPool, funded: free } = yield* settlement.totals(token)
  assert.deepStrictEqual([free, boostPool], [0n, 5n])
})

const paysMany = Effect.gen(function* () {
  const { operator: by, settlement, testbed, token } = yield* prepared(10_000n)
  const accounts = yield* Effect.forEach([1, 2, 3], () => testbed.account)
  const entries = accounts.map((account, at) => ({ account, amount: BigInt(100 * (at + 1)) }))
  const [first, second] = entries
  if (first === undefined || second === undefined) return assert.fail("there are no entries")
  yield* testbed.refuse(token, second.account)
  const act = { _tag: "PayMany", by, token, batchId: bytes32(), entries } as const
  yield* isRefused(settlement, { ...act, entries: [] }, "BadEntries")
  yield* isRefused(settlement, { ...act, entries: [{ ...first, amount: 0n }] }, "BadEntries")
  yield* does(settlement, act)
  yield* isRefused(settlement, act, "AlreadyPaid")
  assert.strictEqual(yield* testbed.balance(first.account, token), 100n)
  assert.strictEqual(yield* testbed.balance(second.account, token), 0n)
  assert.strictEqual((yield* settlement.credit(token, second.account)).owed, 200n)
  const { funded: free, owed } = yield* settlement.totals(token)
  assert.deepStrictEqual([free, owed], [9_400n, 200n])
})

const pauses = Effect.gen(function* () {
  const { epoch: current, operator, provider, settlement, testbed, token } = yield* prepared(1_000n)
  const epoch = yield* current
  const requestId = bytes32()
  yield* does(settlement, { _tag: "Settle", by: operator, provider, token, amount: 100n, requestId })
  const by = yield* holder("pauser")
  yield* does(settlement, { _tag: "Pause", by })
  const payer = yield* funded(token, 10n)
  yield* isRefused(settlement, { _tag: "Fund", by: payer, token, amount: 10n }, "IsPaused")
  const settle = { _tag: "Settle", by: operator, provider, token, amount: 1n, requestId: bytes32() } as const
  yield* isRefused(settlement, settle, "IsPaused")
  yield* does(settlement, { _tag: "Claim", by: provider, token })
  const shown = yield* signed({ provider, token, epoch, cumulative: 100n })
  yield* does(settlement, { _tag: "Redeem", by: provider, ...shown })
  yield* does(settlement, { _tag: "ClaimFor", by: provider, account: provider, token })
  yield* does(settlement, { _tag: "Unpause", by })
  const part = Division.part(100n, (yield* termsOf(epoch)).providerBps)
  assert.strictEqual(yield* testbed.balance(provider, token), 2n * part)
})

const addsUp = Effect.gen(function* () {
  const { operator: by, provider, settlement, testbed, token } = yield* prepared(1_000n, 100n)
  const before = yield* settlement.totals(token)
  assert.strictEqual(yield* spareOf(token), 0n)
  yield* isRefused(settlement, { _tag: "Settle", by, provider, token, amount: 0n, requestId: bytes32() }, "ZeroAmount")
  yield* isRefused(
    settlement,
    { _tag: "Settle", by, provider: ZERO, token, amount: 1n, requestId: bytes32() },
    "ZeroAddress",
  )
  const poor = yield* testbed.account
  yield* isRefused(settlement, { _tag: "Fund", by: poor, token, amount: 1n }, "ERC20InsufficientBalance")
  assert.deepStrictEqual(yield* settlement.totals(token), before, "it was refused, and something moved")
  if (settlement.capabilities.pulls) {
    const payer = yield* funded(token, 50n)
    const pull = { _tag: "SettleFrom", by, payer, provider, token, amount: 33n, requestId: bytes32() } as const
    yield* isRefused(settlement, pull, "ERC20InsufficientAllowance")
    yield* testbed.allow(payer, token, 33n)
    yield* does(settlement, pull)
    assert.strictEqual(yield* testbed.balance(payer, token), 17n)
  }
  yield* does(settlement, { _tag: "Settle", by, provider, token, amount: 77n, requestId: bytes32() })
  const epoch = yield* nextEpoch
  yield* does(settlement, {
    _tag: "ProposeEpoch",
    by,
    token,
    epoch,
    kind: "Root",
    commitment: bytes32(),
    gross: 501n,
    boost: 99n,
  })
  assert.strictEqual(yield* spareOf(token), 0n)
  yield* afterChallenge
  yield* does(settlement, { _tag: "ApplyRoot", by, token, epoch })
  yield* does(settlement, { _tag: "Claim", by: provider, token })
  assert.strictEqual(yield* spareOf(token), 0n)
})

/**
 * What the port guarantees, in the order of its documentation.
 *
 * @category constants
 * @since 0.1.0
 */
export const guarantees: ReadonlyArray<Conformance.Guarantee<Conformance.Proof<Settlement | ChainTestbed>>> = [
  {
    number: 1,
    test: "The same act under the same key is done once and answered alike; another act under the key is a `Conflict`.",
    proof: actsOnce,
  },
  {
    number: 2,
    test: "A request is settled once: provider and parties have the floor of their shares, the treasury the rest, and all can claim it.",
    proof: settles,
  },
  {
    number: 3,
    test: "Nothing is settled, proposed or paid beyond what is funded, nor boosted beyond the boost pool.",
    proof: isCapped,
  },
  {
    number: 4,
    test: "A voucher pays what is new in it, of one provider, token and epoch: its provider's part is the floor of its share of the whole, however often it is redeemed; where the funds fall short it pays a part now and the rest later.",
    proof: redeems,
  },
  {
    number: 5,
    test: "A voucher that another signed, of another provider, token or epoch, or that comes too late, is refused.",
    proof: refusesVouchers,
  },
  {
    number: 6,
    test: "An epoch that is over is proposed once, after all before it, and counts after the challenge delay; cancelled before, its money is where it was.",
    proof: proposes,
  },
  {
    number: 7,
    test: "A root pays each account up to its cumulative amount, by a proof, once, whoever asks; a wrong proof is refused.",
    proof: paysByRoot,
  },
  {
    number: 8,
    test: "A batch credits what its commitment names, once; fees and what is left of the division are the parties' and the treasury's.",
    proof: paysByBatch,
  },
  {
    number: 9,
    test: "Terms count from their epoch on and are never changed: epochs before keep theirs, also when they are settled later.",
    proof: keepsTerms,
  },
  {
    number: 10,
    test: "What is funded and not used leaves to the funder only, after a delay that was announced, and within as long again.",
    proof: unfunds,
  },
  { number: 11, test: "Many are paid in one act, once; who cannot be paid is credited.", proof: paysMany },
  {
    number: 12,
    test: "While paused nothing comes in, and every claim of what was earned still pays.",
    proof: pauses,
  },
  {
    number: 13,
    test: "What was refused moved nothing, and the totals sum to what went in less what went out.",
    proof: addsUp,
  },
]

const port: Conformance.Port<Settlement | ChainTestbed> = { name: "Settlement", guarantees, clock: "virtual" }

/** Proves a layer of the port. @category suites @since 0.1.0 */
export const suite: Conformance.Suite<Settlement | ChainTestbed> = Conformance.suite(port)

/** Proves that the suite bites: on this layer the guarantee with this number must fail. @category suites @since 0.1.0 */
export const breaks: Conformance.Breaks<Settlement | ChainTestbed> = Conformance.breaks(port)
