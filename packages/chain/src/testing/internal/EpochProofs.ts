/** Proofs of what is guaranteed of epochs: proposed, paid by a root, paid by a batch. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Division from "@guildhall/core/rules/Division"
import * as CumulativeTree from "../../CumulativeTree.ts"
import * as Entries from "../../Entries.ts"
import { stateOf } from "../../Settlement.ts"
import { bytes32, does, holder, isRefused } from "./Trial.ts"
import { prepared, termsOf, divisionOf, nextEpoch, afterChallenge } from "./SettlementTrial.ts"

export const proposes = Effect.gen(function* () {
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

export const paysByRoot = Effect.gen(function* () {
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

export const paysByBatch = Effect.gen(function* () {
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
