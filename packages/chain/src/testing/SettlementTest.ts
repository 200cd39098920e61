/**
 * The suite of the port `Settlement`: one test for each of its numbered guarantees, with the same words.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Conformance from "@guildhall/core/testing/Conformance"
import * as Division from "@guildhall/core/rules/Division"
import type { Address } from "../Address.ts"
import { ZERO } from "../Address.ts"
import * as CumulativeTree from "../CumulativeTree.ts"
import * as Entries from "../Entries.ts"
import type { Voucher } from "../Message.ts"
import { Settlement, stateOf, type Terms } from "../Settlement.ts"
import { ChainTestbed } from "./ChainTestbed.ts"
import { bytes32, does, funded, holder, isRefused, MARGIN_S, once, unique, until } from "./internal/Trial.ts"

/** A token of its own with so much funded and in the boost pool, and who acts on it. */
const prepared = Effect.fnUntraced(function* (amount: bigint, boost = 0n) {
  const settlement = yield* Settlement
  const testbed = yield* ChainTestbed
  const token = yield* testbed.token
  const funder = yield* funded(token, amount + boost)
  if (amount > 0n) yield* does(settlement, { _tag: "Fund", by: funder, token, amount })
  if (boost > 0n) yield* does(settlement, { _tag: "FundBoost", by: funder, token, amount: boost })
  return {
    settlement,
    testbed,
    token,
    operator: yield* holder("operator"),
    provider: yield* testbed.account,
    epoch: Effect.map(testbed.nowS, (nowS) => Math.floor(nowS / settlement.terms.epochLengthS)),
  }
})

const termsOf = Effect.fnUntraced(function* (epoch: number) {
  const settlement = yield* Settlement
  return (yield* settlement.termsAt(epoch)) ?? assert.fail("there are no terms")
})

const divisionOf = ({ providerBps, shares }: Terms): Division.Terms => ({
  providerBps,
  partiesBps: shares.map(({ bps }) => bps),
})

/** What a contract holds beyond what it owes, with that of the roots' contract. */
const spareOf = Effect.fnUntraced(function* (token: Address) {
  const settlement = yield* Settlement
  const testbed = yield* ChainTestbed
  const contracts = new Set([testbed.contracts.Settlement, settlement.domain.contract])
  const held = yield* Effect.forEach(contracts, (contract) => testbed.balance(contract, token))
  const { boostPool, funded: free, owed, pending, rootPool } = yield* settlement.totals(token)
  return held.reduce((sum, amount) => sum + amount, 0n) - free - boostPool - owed - pending - rootPool
})

/** Goes on to the next epoch, and answers the one that is over. */
const nextEpoch = Effect.gen(function* () {
  const settlement = yield* Settlement
  const testbed = yield* ChainTestbed
  const epoch = Math.floor((yield* testbed.nowS) / settlement.terms.epochLengthS)
  yield* until((epoch + 1) * settlement.terms.epochLengthS + 1)
  return epoch
})

const afterChallenge = Effect.gen(function* () {
  const { challengeDelayS } = (yield* Settlement).terms
  yield* (yield* ChainTestbed).advance(challengeDelayS + MARGIN_S)
})

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

const signed = Effect.fnUntraced(function* (voucher: Omit<Voucher, "_tag">, by?: Address) {
  const testbed = yield* ChainTestbed
  const whole: Voucher = { _tag: "Voucher", ...voucher }
  const { voucherSigner } = yield* termsOf(voucher.epoch)
  return { voucher: whole, signature: yield* testbed.sign(by ?? voucherSigner, whole) }
})

const redeems = Effect.gen(function* () {
  const { epoch: current, provider, settlement, testbed, token } = yield* prepared(500n)
  const epoch = yield* current
  const division = divisionOf(yield* termsOf(epoch))
  const by = yield* testbed.account
  const redeem = Effect.fnUntraced(function* (cumulative: bigint) {
    const shown = yield* signed({ provider, token, epoch, cumulative })
    yield* does(settlement, { _tag: "Redeem", by, ...shown })
  })
  for (const cumulative of [1n, 2n, 3n, 105n]) yield* redeem(cumulative)
  assert.strictEqual((yield* settlement.credit(token, provider)).owed, Division.part(105n, division.providerBps))
  const old = yield* signed({ provider, token, epoch, cumulative: 104n })
  yield* isRefused(settlement, { _tag: "Redeem", by, ...old }, "NothingToRedeem")
  yield* redeem(700n)
  assert.strictEqual(yield* settlement.redeemed(token, provider, epoch), 500n)
  const rest = yield* signed({ provider, token, epoch, cumulative: 700n })
  yield* isRefused(settlement, { _tag: "Redeem", by, ...rest }, "NotEnoughFunded")
  const funder = yield* funded(token, 1_000n)
  yield* does(settlement, { _tag: "Fund", by: funder, token, amount: 1_000n })
  yield* redeem(700n)
  assert.strictEqual((yield* settlement.credit(token, provider)).owed, Division.part(700n, division.providerBps))
  assert.strictEqual((yield* settlement.totals(token)).funded, 800n)
})

const refusesVouchers = Effect.gen(function* () {
  const { epoch: current, provider, settlement, testbed, token } = yield* prepared(500n)
  const epoch = yield* current
  const by = yield* testbed.account
  const good = yield* signed({ provider, token, epoch, cumulative: 10n })
  const forged = yield* signed({ provider, token, epoch, cumulative: 10n }, by)
  yield* isRefused(settlement, { _tag: "Redeem", by, ...forged }, "InvalidVoucher")
  const changes = [{ provider: by }, { token: yield* testbed.token }, { cumulative: 11n }, { epoch: epoch - 1 }]
  for (const change of changes) {
    const voucher = { ...good.voucher, ...change }
    yield* isRefused(settlement, { _tag: "Redeem", by, voucher, signature: good.signature }, "InvalidVoucher")
  }
  const early = yield* signed({ provider, token, epoch: epoch + 2, cumulative: 10n })
  yield* isRefused(settlement, { _tag: "Redeem", by, ...early }, "EpochNotOver")
  yield* until((epoch + settlement.terms.voucherEpochs + 1) * settlement.terms.epochLengthS + 1)
  yield* isRefused(settlement, { _tag: "Redeem", by, ...good }, "VoucherExpired")
})

const proposes = Effect.gen(function* () {
  const { epoch: current, operator: by, provider, settlement, token } = yield* prepared(100n, 10n)
  const epoch = yield* nextEpoch
  const before = yield* settlement.totals(token)
  const proposal = {
    _tag: "ProposeEpoch",
    by,
    token,
    epoch,
    kind: "Root",
    commitment: bytes32(),
    gross: 100n,
    boost: 10n,
  } as const
  yield* isRefused(settlement, { ...proposal, epoch: yield* current }, "EpochNotOver")
  yield* does(settlement, proposal)
  assert.strictEqual(stateOf((yield* settlement.token(token)).proposal, epoch), "Waiting")
  yield* isRefused(settlement, { ...proposal, gross: 0n, boost: 0n }, "ZeroAmount")
  yield* isRefused(settlement, proposal, "EpochWaiting")
  yield* isRefused(settlement, { _tag: "ApplyRoot", by: provider, token, epoch }, "ChallengeDelayOpen")
  yield* isRefused(settlement, { _tag: "CancelEpoch", by: provider, token, epoch }, "MissingRole")
  yield* isRefused(settlement, { _tag: "CancelEpoch", by, token, epoch }, "NotOverdue")
  yield* does(settlement, { _tag: "CancelEpoch", by: yield* holder("challenger"), token, epoch })
  assert.deepStrictEqual(yield* settlement.totals(token), before)
  yield* isRefused(settlement, { _tag: "ApplyRoot", by: provider, token, epoch }, "NoEpochWaiting")
  yield* does(settlement, proposal)
  yield* afterChallenge
  yield* does(settlement, { _tag: "ApplyRoot", by: provider, token, epoch })
  assert.strictEqual(stateOf((yield* settlement.token(token)).proposal, epoch), "Over")
  yield* isRefused(settlement, { ...proposal, gross: 1n, boost: 0n }, "EpochNotLater")
})

const paysByRoot = Effect.gen(function* () {
  const { operator: by, settlement, testbed, token } = yield* prepared(1_000n, 50n)
  const epoch = yield* nextEpoch
  const division = divisionOf(yield* termsOf(epoch))
  const all = Division.providersOf(division, 1_000n, 50n)
  const accounts = [yield* testbed.account, yield* testbed.account, yield* testbed.account]
  const earned = accounts.map((account, at) => ({ account, cumulative: all / 3n + (at === 0 ? all % 3n : 0n) }))
  const tree = CumulativeTree.make({ ...settlement.domain, token }, earned)
  const commitment = tree.root
  yield* does(settlement, {
    _tag: "ProposeEpoch",
    by,
    token,
    epoch,
    kind: "Root",
    commitment,
    gross: 1_000n,
    boost: 50n,
  })
  yield* afterChallenge
  yield* does(settlement, { _tag: "ApplyRoot", by, token, epoch })
  assert.strictEqual((yield* settlement.totals(token)).rootPool, all)
  for (const [at, { account, cumulative }] of earned.entries()) {
    const proof = tree.proofs[at] ?? []
    const claim = { _tag: "ClaimRoot", by, token, account, cumulative, proof } as const
    yield* isRefused(settlement, { ...claim, cumulative: cumulative + 1n }, "InvalidProof")
    yield* isRefused(settlement, { ...claim, account: by }, "InvalidProof")
    yield* does(settlement, claim)
    assert.deepStrictEqual((yield* does(settlement, claim)).events, [], "it was paid twice")
    assert.strictEqual(yield* testbed.balance(account, token), cumulative)
    assert.strictEqual((yield* settlement.credit(token, account)).rootClaimed, cumulative)
  }
  assert.strictEqual((yield* settlement.totals(token)).rootPool, 0n)
})

const paysByBatch = Effect.gen(function* () {
  const { operator: by, settlement, testbed, token } = yield* prepared(1_000n, 7n)
  const epoch = yield* nextEpoch
  const terms = yield* termsOf(epoch)
  const all = Division.providersOf(divisionOf(terms), 1_000n, 7n)
  const accounts = [yield* testbed.account, yield* testbed.account]
  const entries = accounts.map((account) => ({ account, amount: (all - 1n) / 2n }))
  const dust = all - entries.reduce((sum, { amount }) => sum + amount, 0n)
  const commitment = Entries.commitment(entries)
  yield* does(settlement, {
    _tag: "ProposeEpoch",
    by,
    token,
    epoch,
    kind: "Batch",
    commitment,
    gross: 1_000n,
    boost: 7n,
  })
  yield* afterChallenge
  const act = { _tag: "ApplyBatch", by: yield* testbed.account, token, epoch, entries } as const
  yield* isRefused(settlement, { ...act, entries: entries.toReversed() }, "WrongEntries")
  yield* isRefused(settlement, { _tag: "ApplyRoot", by, token, epoch }, "BadEpochKind")
  yield* does(settlement, act)
  yield* isRefused(settlement, act, "NoEpochWaiting")
  for (const { account, amount } of entries) assert.strictEqual((yield* settlement.credit(token, account)).owed, amount)
  const others = Division.others(divisionOf(terms), 1_000n, all - 7n - dust)
  assert.strictEqual((yield* settlement.credit(token, terms.treasury)).owed, others.treasury)
  const { owed, pending } = yield* settlement.totals(token)
  assert.deepStrictEqual([owed, pending], [1_007n, 0n])
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
