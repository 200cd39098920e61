/** What the proofs of validators begin with: a job that is open, and votes on it. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Hex from "../../Hex.ts"
import type { Address } from "../../Address.ts"
import type { Bytes32 } from "../../Hex.ts"
import { commitmentOf, drawnPlaces, seedCommitmentOf, ValidatorSet } from "../../ValidatorSet.ts"
import { ChainTestbed } from "../ChainTestbed.ts"
import { bytes32, does, funded, holder, until } from "./Trial.ts"

export const REWARD = 1_003n

export const [GOOD, BAD] = [Hex.word(1n), Hex.word(2n)]

export const NOTHING = Hex.word(0n)

export const epochNow = Effect.gen(function* () {
  const { epochLengthS } = (yield* ValidatorSet).terms
  return Math.floor((yield* (yield* ChainTestbed).nowS) / epochLengthS)
})

/** Goes on to the start of an epoch, and a little into it. */
export const toEpoch = Effect.fnUntraced(function* (epoch: number) {
  const { epochLengthS } = (yield* ValidatorSet).terms
  yield* until(epoch * epochLengthS + 1)
})

export const registered = Effect.gen(function* () {
  const set = yield* ValidatorSet
  const by = yield* funded(set.terms.token, 2n * set.terms.minBond)
  yield* does(set, { _tag: "Register", by, amount: set.terms.minBond })
  return by
})

/** An epoch with enough validators on its list, a committed seed, money for rewards, and a job. */
export const opened = Effect.gen(function* () {
  const set = yield* ValidatorSet
  const testbed = yield* ChainTestbed
  const operator = yield* holder("operator")
  const already = yield* set.listed((yield* epochNow) + 1)
  yield* Effect.forEach(Array.from({ length: set.terms.drawnCount + 1 - already.length }), () => registered)
  const epoch = (yield* epochNow) + 1
  yield* toEpoch(epoch)
  const [seed, job] = [bytes32(), bytes32()]
  yield* does(set, { _tag: "CommitSeed", by: operator, epoch, commitment: seedCommitmentOf(seed) })
  yield* does(set, { _tag: "FundRewards", by: yield* funded(set.terms.token, REWARD), amount: REWARD })
  yield* does(set, { _tag: "OpenJob", by: operator, job, reward: REWARD })
  // The entropy is known from the next block on.
  yield* testbed.advance(1)
  const { entropy } = yield* set.job(job)
  const listed = yield* set.listed(epoch)
  const places = drawnPlaces({ seed, entropy, job }, set.terms.drawnCount, listed.length)
  const drawn = places.map((place) => listed[place] ?? assert.fail("a place is not on the list"))
  return { set, testbed, operator, epoch, seed, job, drawn, listed }
})

export const vote = Effect.fnUntraced(function* (job: Bytes32, validator: Address, verdict: Bytes32) {
  const set = yield* ValidatorSet
  const salt = bytes32()
  const commitment = commitmentOf(set.domain, { job, validator, verdict, salt })
  yield* does(set, { _tag: "CommitVote", by: validator, job, commitment })
  const signature = yield* (yield* ChainTestbed).sign(validator, { _tag: "Verdict", job, verdict })
  return { job, verdict, salt, signature }
})

/** A job whose drawn validators have committed to these verdicts, with the seed revealed. */
export const voted = Effect.fnUntraced(function* (verdicts: (at: number, quorum: number) => Bytes32) {
  const scene = yield* opened
  const { drawn, epoch, job, seed, set } = scene
  const votes = yield* Effect.forEach(drawn, (validator, at) => vote(job, validator, verdicts(at, set.terms.quorum)))
  yield* toEpoch(epoch + 2)
  yield* does(set, { _tag: "RevealSeed", by: scene.operator, epoch, seed })
  return { ...scene, votes }
})
