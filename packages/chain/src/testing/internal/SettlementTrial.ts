/** What the proofs of settlements begin with: a token that is funded, the terms, and epochs that end. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Division from "@guildhall/core/rules/Division"
import type { Address } from "../../Address.ts"
import { Settlement, type Terms } from "../../Settlement.ts"
import { ChainTestbed } from "../ChainTestbed.ts"
import { does, funded, holder, MARGIN_S, until } from "./Trial.ts"

/** A token of its own with so much funded and in the boost pool, and who acts on it. */
export const prepared = Effect.fnUntraced(function* (amount: bigint, boost = 0n) {
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

export const termsOf = Effect.fnUntraced(function* (epoch: number) {
  const settlement = yield* Settlement
  return (yield* settlement.termsAt(epoch)) ?? assert.fail("there are no terms")
})

export const divisionOf = ({ providerBps, shares }: Terms): Division.Terms => ({
  providerBps,
  partiesBps: shares.map(({ bps }) => bps),
})

/** What a contract holds beyond what it owes, with that of the roots' contract. */
export const spareOf = Effect.fnUntraced(function* (token: Address) {
  const settlement = yield* Settlement
  const testbed = yield* ChainTestbed
  const contracts = new Set([testbed.contracts.Settlement, settlement.domain.contract])
  const held = yield* Effect.forEach(contracts, (contract) => testbed.balance(contract, token))
  const { boostPool, funded: free, owed, pending, rootPool } = yield* settlement.totals(token)
  return held.reduce((sum, amount) => sum + amount, 0n) - free - boostPool - owed - pending - rootPool
})

/** Goes on to the next epoch, and answers the one that is over. */
export const nextEpoch = Effect.gen(function* () {
  const settlement = yield* Settlement
  const testbed = yield* ChainTestbed
  const epoch = Math.floor((yield* testbed.nowS) / settlement.terms.epochLengthS)
  yield* until((epoch + 1) * settlement.terms.epochLengthS + 1)
  return epoch
})

export const afterChallenge = Effect.gen(function* () {
  const { challengeDelayS } = (yield* Settlement).terms
  yield* (yield* ChainTestbed).advance(challengeDelayS + MARGIN_S)
})
