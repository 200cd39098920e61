/**
 * The suite of the port `ValidatorSet`: one test for each of its numbered guarantees, with the same words.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Conformance from "@guildhall/core/testing/Conformance"
import * as Hex from "../Hex.ts"
import type { Address } from "../Address.ts"
import type { Bytes32 } from "../Hex.ts"
import { seedCommitmentOf, ValidatorSet } from "../ValidatorSet.ts"
import { ChainTestbed } from "./ChainTestbed.ts"
import { bytes32, does, funded, holder, isRefused, MARGIN_S, once, spare, unique } from "./internal/Trial.ts"
import { REWARD, GOOD, BAD, NOTHING, epochNow, toEpoch, registered, opened, vote, voted } from "./internal/JobTrial.ts"

const actsOnce = Effect.gen(function* () {
  const set = yield* ValidatorSet
  const by = yield* funded(set.terms.token, 300n)
  const act = { _tag: "FundRewards", by, amount: 100n, idempotencyKey: unique() } as const
  const pool = Effect.map(set.totals, (totals) => totals.rewardPool)
  yield* once(set, act, { ...act, amount: 101n }, pool)
})

const lists = Effect.gen(function* () {
  const set = yield* ValidatorSet
  const testbed = yield* ChainTestbed
  const { cooldownS, minBond, token } = set.terms
  const poor = yield* funded(token, minBond)
  yield* isRefused(set, { _tag: "Register", by: poor, amount: minBond - 1n }, "UnderMinimum")
  yield* toEpoch((yield* epochNow) + 1)
  const by = yield* registered
  const epoch = yield* epochNow
  yield* isRefused(set, { _tag: "Register", by, amount: minBond }, "WrongValidatorState")
  assert.notInclude(yield* set.listed(epoch), by, "it is listed at once")
  assert.include(yield* set.listed(epoch + 1), by)
  yield* toEpoch(epoch + 1)
  yield* does(set, { _tag: "RequestExit", by })
  assert.include(yield* set.listed(epoch + 1), by, "it left in the middle of an epoch")
  assert.notInclude(yield* set.listed(epoch + 2), by)
  yield* isRefused(set, { _tag: "Withdraw", by }, "CooldownNotOver")
  yield* testbed.advance(cooldownS + MARGIN_S)
  yield* does(set, { _tag: "Withdraw", by })
  assert.strictEqual(yield* testbed.balance(by, token), 2n * minBond)
  assert.strictEqual((yield* set.validator(by)).state, "None")
})

const draws = Effect.gen(function* () {
  const { drawn, epoch, job, listed, operator, seed, set } = yield* opened
  assert.deepStrictEqual((yield* set.job(job)).drawn, [])
  assert.strictEqual(new Set(drawn).size, set.terms.drawnCount)
  assert.isTrue(drawn.every((validator) => listed.includes(validator)))
  const commitment = seedCommitmentOf(bytes32())
  yield* isRefused(set, { _tag: "CommitSeed", by: operator, epoch, commitment }, "SeedNotCommittable")
  yield* isRefused(set, { _tag: "CommitSeed", by: operator, epoch: epoch - 1, commitment }, "SeedNotCommittable")
  yield* isRefused(set, { _tag: "RevealSeed", by: operator, epoch, seed }, "WrongEpoch")
  yield* toEpoch(epoch + 1)
  yield* isRefused(set, { _tag: "OpenJob", by: operator, job: bytes32(), reward: 0n }, "NoSeed")
  yield* toEpoch(epoch + 2)
  yield* isRefused(set, { _tag: "RevealSeed", by: operator, epoch, seed: bytes32() }, "WrongSeed")
  yield* does(set, { _tag: "RevealSeed", by: operator, epoch, seed })
  assert.deepStrictEqual((yield* set.job(job)).drawn, drawn)
})

const commits = Effect.gen(function* () {
  const { drawn, epoch, job, listed, operator, seed, set, testbed } = yield* opened
  const [first, second] = drawn
  if (first === undefined || second === undefined) return assert.fail("nobody was drawn")
  const shown = yield* vote(job, first, GOOD)
  yield* isRefused(set, { _tag: "CommitVote", by: first, job, commitment: bytes32() }, "AlreadyCommitted")
  yield* isRefused(set, { _tag: "RevealVote", by: first, draw: 0, ...shown }, "NoSeed")
  const outside = listed.find((validator) => !drawn.includes(validator))
  const late = yield* toEpoch(epoch + 2)
  assert.isUndefined(late)
  yield* isRefused(set, { _tag: "CommitVote", by: second, job, commitment: bytes32() }, "WrongEpoch")
  yield* does(set, { _tag: "RevealSeed", by: operator, epoch, seed })
  const reveal = { _tag: "RevealVote", by: yield* testbed.account, draw: 0, ...shown } as const
  yield* isRefused(set, { ...reveal, verdict: BAD }, "WrongVote")
  yield* isRefused(set, { ...reveal, verdict: NOTHING }, "ZeroVerdict")
  yield* isRefused(set, { ...reveal, draw: 1 }, "WrongVote")
  yield* isRefused(set, { ...reveal, draw: set.terms.drawnCount }, "NoSuchDraw")
  const forged = yield* testbed.sign(outside ?? second, { _tag: "Verdict", job, verdict: GOOD })
  yield* isRefused(set, { ...reveal, signature: forged }, "InvalidSignature")
  yield* does(set, reveal)
  yield* isRefused(set, reveal, "WrongVote")
  yield* toEpoch(epoch + 4)
  yield* isRefused(set, { ...reveal, draw: 1 }, "WrongEpoch")
})

const agrees = Effect.gen(function* () {
  const { drawn, job, operator: by, set, votes } = yield* voted((at, quorum) => (at < quorum ? GOOD : BAD))
  const { drawnCount, quorum } = set.terms
  const share = REWARD / BigInt(drawnCount)
  const before = yield* Effect.forEach(drawn, (validator) => set.validator(validator))
  for (const [draw, shown] of votes.entries()) {
    const verdict = (yield* set.job(job)).verdict
    assert.strictEqual(verdict, draw < quorum ? undefined : GOOD, `after ${draw} votes`)
    yield* does(set, { _tag: "RevealVote", by, draw, ...shown })
  }
  for (const [at, validator] of drawn.entries()) {
    const earned = (yield* set.validator(validator)).credit - (before[at]?.credit ?? 0n)
    assert.strictEqual(earned, at < quorum ? share : 0n)
  }
})

const forgives = Effect.gen(function* () {
  const { drawn, epoch, job, operator: by, set, votes } = yield* voted((at, quorum) => (at < quorum ? GOOD : BAD))
  const silent = drawn.at(-1) ?? assert.fail("nobody was drawn")
  const before = yield* set.validator(silent)
  const pool = (yield* set.totals).rewardPool
  yield* Effect.forEach(votes.slice(0, -1), (shown, draw) => does(set, { _tag: "RevealVote", by, draw, ...shown }))
  yield* isRefused(set, { _tag: "CloseJob", by, job }, "WrongEpoch")
  yield* toEpoch(epoch + 4)
  yield* does(set, { _tag: "CloseJob", by, job })
  yield* isRefused(set, { _tag: "CloseJob", by, job }, "JobIsClosed")
  assert.deepStrictEqual(yield* set.validator(silent), before)
  const { drawnCount, quorum } = set.terms
  const share = REWARD / BigInt(drawnCount)
  assert.strictEqual((yield* set.totals).rewardPool - pool, BigInt(drawnCount - quorum) * share)
})

const contradiction = Effect.fnUntraced(function* (validator: Address, job: Bytes32) {
  const { sign } = yield* ChainTestbed
  return {
    validator,
    job,
    verdictA: GOOD,
    signatureA: yield* sign(validator, { _tag: "Verdict", job, verdict: GOOD }),
    verdictB: BAD,
    signatureB: yield* sign(validator, { _tag: "Verdict", job, verdict: BAD }),
  }
})

const cuts = Effect.gen(function* () {
  const set = yield* ValidatorSet
  const testbed = yield* ChainTestbed
  const { minBond, reporterBps, slashBps, token } = set.terms
  const by = yield* testbed.account
  const validator = yield* registered
  yield* does(set, { _tag: "RequestExit", by: validator })
  const job = bytes32()
  const shown = yield* contradiction(validator, job)
  const { signatureA, signatureB } = shown
  const same = { ...shown, verdictB: GOOD, signatureB: signatureA }
  yield* isRefused(set, { _tag: "Report", by, ...same }, "NoContradiction")
  yield* isRefused(set, { _tag: "Report", by, ...shown, job: bytes32() }, "InvalidSignature")
  yield* isRefused(set, { _tag: "Report", by, ...shown, signatureA: signatureB }, "InvalidSignature")
  const before = yield* set.totals
  yield* does(set, { _tag: "Report", by, ...shown })
  const slashed = (minBond * BigInt(slashBps) + 9_999n) / 10_000n
  const share = (slashed * BigInt(reporterBps)) / 10_000n
  assert.strictEqual((yield* set.validator(validator)).bonded, minBond - slashed)
  assert.strictEqual((yield* set.validator(by)).credit, share)
  assert.strictEqual((yield* set.totals).insurance - before.insurance, slashed - share)
  yield* isRefused(set, { _tag: "Report", by, ...shown }, "AlreadyReported")
  yield* does(set, { _tag: "ClaimCredit", by })
  assert.strictEqual(yield* testbed.balance(by, token), share)
  const pooled = yield* testbed.balance(testbed.contracts.InsurancePool, token)
  yield* does(set, { _tag: "SendToInsurance", by })
  const sent = (yield* testbed.balance(testbed.contracts.InsurancePool, token)) - pooled
  assert.strictEqual(sent, before.insurance + slashed - share)
  const own = yield* registered
  yield* does(set, { _tag: "Report", by: own, ...(yield* contradiction(own, job)) })
  assert.strictEqual((yield* set.validator(own)).credit, 0n, "it had a share of its own cut")
  assert.strictEqual((yield* set.totals).insurance, slashed)
})

const keepsBonds = Effect.gen(function* () {
  const {
    drawn,
    epoch,
    job,
    operator: by,
    set,
    votes,
  } = yield* voted((at) => (at === 0 ? GOOD : Hex.word(BigInt(at + 1))))
  const bonds = Effect.forEach(drawn, (validator) => Effect.map(set.validator(validator), ({ bonded }) => bonded))
  const before = yield* bonds
  yield* Effect.forEach(votes, (shown, draw) => does(set, { _tag: "RevealVote", by, draw, ...shown }))
  assert.isUndefined((yield* set.job(job)).verdict)
  yield* toEpoch(epoch + 4)
  yield* does(set, { _tag: "CloseJob", by, job })
  const validator = drawn[0] ?? assert.fail("nobody was drawn")
  const shown = yield* contradiction(validator, job)
  const forged = { ...shown, signatureB: yield* (yield* ChainTestbed).sign(by, { _tag: "Verdict", job, verdict: BAD }) }
  yield* isRefused(set, { _tag: "Report", by, ...forged }, "InvalidSignature")
  assert.deepStrictEqual(yield* bonds, before)
})

const addsUp = Effect.gen(function* () {
  const { job, operator: by, set, testbed } = yield* opened
  const { minBond, token } = set.terms
  const spared = spare("ValidatorRegistry", token, set.totals)
  const before = yield* spared
  const totals = yield* set.totals
  const poor = yield* testbed.account
  yield* isRefused(set, { _tag: "Register", by: poor, amount: minBond }, "ERC20InsufficientBalance")
  yield* isRefused(set, { _tag: "FundRewards", by: poor, amount: 0n }, "ZeroAmount")
  yield* isRefused(set, { _tag: "OpenJob", by, job, reward: 0n }, "JobExists")
  yield* isRefused(set, { _tag: "OpenJob", by, job: bytes32(), reward: totals.rewardPool + 1n }, "NotEnoughRewards")
  yield* isRefused(set, { _tag: "ClaimCredit", by: poor }, "NothingToClaim")
  assert.deepStrictEqual(yield* set.totals, totals, "it was refused, and something moved")
  const validator = yield* registered
  yield* does(set, { _tag: "TopUp", by: validator, amount: 7n })
  yield* does(set, { _tag: "Report", by: poor, ...(yield* contradiction(validator, bytes32())) })
  yield* does(set, { _tag: "ClaimCredit", by: poor })
  assert.strictEqual(yield* spared, before)
})

const pauses = Effect.gen(function* () {
  const { drawn, job, operator, set, testbed } = yield* opened
  const pauser = yield* holder("pauser")
  const leaving = yield* registered
  const poor = yield* funded(set.terms.token, set.terms.minBond)
  yield* does(set, { _tag: "Pause", by: pauser })
  yield* isRefused(set, { _tag: "Register", by: poor, amount: set.terms.minBond }, "IsPaused")
  yield* isRefused(set, { _tag: "OpenJob", by: operator, job: bytes32(), reward: 0n }, "IsPaused")
  yield* isRefused(set, { _tag: "ShareFinding", by: operator, job, amount: 1n }, "IsPaused")
  yield* vote(job, drawn[0] ?? assert.fail("nobody was drawn"), GOOD)
  yield* does(set, { _tag: "RequestExit", by: leaving })
  yield* does(set, { _tag: "Unpause", by: pauser })
  yield* testbed.advance(set.terms.cooldownS + MARGIN_S)
  yield* does(set, { _tag: "Withdraw", by: leaving })
})

/**
 * What the port guarantees, in the order of its documentation.
 *
 * @category constants
 * @since 0.1.0
 */
export const guarantees: ReadonlyArray<Conformance.Guarantee<Conformance.Proof<ValidatorSet | ChainTestbed>>> = [
  {
    number: 1,
    test: "The same act under the same key is done once and answered alike; another act under the key is a `Conflict`.",
    proof: actsOnce,
  },
  {
    number: 2,
    test: "Who registers with the least bond or more is on the list from the next epoch on; who leaves is off it from the next one on, and has the bond back after the cooldown.",
    proof: lists,
  },
  {
    number: 3,
    test: "Who judges a job is drawn from the list of its epoch, without repetition, by a seed that was committed before the job was opened and is revealed when no vote can be committed any more.",
    proof: draws,
  },
  {
    number: 4,
    test: "A vote is committed in the job's epoch or the next one, and revealed from the seed on up to the end of the third after it; one that was not committed, was not drawn, or comes late, is refused.",
    proof: commits,
  },
  {
    number: 5,
    test: "A verdict is reached when enough of the drawn say the same; each of them has its part of the reward.",
    proof: agrees,
  },
  {
    number: 6,
    test: "Who did not reveal, or said something else, earns nothing and loses nothing; what was promised to it is free again when the job is closed.",
    proof: forgives,
  },
  {
    number: 7,
    test: "Two signed verdicts of one validator on one job that differ cost it a part of its bond, once for each job, also while it leaves: the reporter is credited its share, unless it is the validator itself, and the insurance has the rest.",
    proof: cuts,
  },
  { number: 8, test: "Nothing else lowers a validator's bond.", proof: keepsBonds },
  {
    number: 9,
    test: "What was refused moved nothing, and the totals sum to what went in less what went out.",
    proof: addsUp,
  },
  {
    number: 10,
    test: "While paused nothing comes in, no job is opened and no finding shared; votes, exits and credits go on.",
    proof: pauses,
  },
]

const port: Conformance.Port<ValidatorSet | ChainTestbed> = { name: "ValidatorSet", guarantees, clock: "virtual" }

/** Proves a layer of the port. @category suites @since 0.1.0 */
export const suite: Conformance.Suite<ValidatorSet | ChainTestbed> = Conformance.suite(port)

/** Proves that the suite bites: on this layer the guarantee with this number must fail. @category suites @since 0.1.0 */
export const breaks: Conformance.Breaks<ValidatorSet | ChainTestbed> = Conformance.breaks(port)
