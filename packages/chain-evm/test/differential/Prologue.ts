/** What was done before every trace, so that there is something to move. */
import { Effect } from "effect"
import * as BondActs from "./BondActs.ts"
import * as Cast from "./Cast.ts"
import type { Outcome } from "./Ports.ts"
import { act, type ActStep, type Draft } from "./Step.ts"

export const steps = (cast: Cast.Cast): ReadonlyArray<ActStep> => {
  const { blk, stake, usd } = cast.tokens
  const [whale, curator] = [Cast.of(cast, "whale"), Cast.of(cast, "curator")]
  const drafts: ReadonlyArray<Draft> = [
    ...BondActs.classes.map(([classId, minimum]): Draft => ({
      contract: "ProviderBond",
      act: { _tag: "AppendClass", by: curator, classId, minimum },
    })),
    { contract: "InsurancePool", act: { _tag: "Deposit", by: whale, amount: 300_001n } },
    { contract: "Staking", act: { _tag: "FundRewards", by: whale, amount: 70_003n } },
    { contract: "Staking", act: { _tag: "Stake", by: Cast.of(cast, "ann"), amount: 1_001n } },
    { contract: "ValidatorRegistry", act: { _tag: "FundRewards", by: whale, amount: 100_003n } },
    ...["ann", "bob", "cid", "dan"].map((name, at): Draft => ({
      contract: "ValidatorRegistry",
      act: { _tag: "Register", by: Cast.of(cast, name), amount: 5_003n + BigInt(at) * 2_222n },
    })),
    ...[usd, blk, stake].flatMap((token): ReadonlyArray<Draft> => [
      { contract: "Settlement", act: { _tag: "Fund", by: whale, token, amount: 5_000_011n } },
      { contract: "Settlement", act: { _tag: "FundBoost", by: whale, token, amount: 400_009n } },
    ]),
  ]
  return drafts.map((draft, at) => act(draft, `prologue:${at}`))
}

/** It is no part of a trace, so nothing of it may be refused. */
export const mustBeDone = ({ rule, text }: Outcome): Effect.Effect<void> =>
  rule === undefined ? Effect.void : Effect.die(new Error(`The prologue was ${text}.`))
