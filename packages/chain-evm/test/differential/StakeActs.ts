/** Acts of who stakes. */
import type { Address } from "@guildhall/chain/Address"
import * as Staking from "@guildhall/chain/memory/Staking"
import * as HashMap from "effect/HashMap"
import { amount, anyone, holder, member, type Scene, about, one, weighted } from "./Scene.ts"
import type { Draft } from "./Step.ts"

type Act = Extract<Draft, { readonly contract: "Staking" }>["act"]

const tables = [
  [{ minStake: 0n, multiplierBps: 10_000, priority: 0 }],
  [
    { minStake: 0n, multiplierBps: 9_000, priority: 0 },
    { minStake: 7n, multiplierBps: 4_294_967_295, priority: 2 },
  ],
  [],
  [
    { minStake: 0n, multiplierBps: 1, priority: 0 },
    { minStake: 0n, multiplierBps: 2, priority: 1 },
  ],
  [{ minStake: 1n, multiplierBps: 1, priority: 0 }],
  Array.from({ length: 17 }, (_, at) => ({ minStake: BigInt(at), multiplierBps: 10_000, priority: 1 })),
  Array.from({ length: 16 }, (_, at) => ({ minStake: BigInt(at), multiplierBps: 10_000, priority: 3 })),
]

/** An act. */
export const draft = (scene: Scene): Draft => {
  const { cast, nowS, world } = scene
  // Who waits for a withdrawal can take it, and can think again.
  const waiting = [...HashMap.entries(world.staking.accounts)].flatMap(([key, one]) =>
    one.unbonding > 0n ? [key] : [],
  )
  const waits = scene.chance.percent(35) ? one(scene, waiting) : undefined
  // Every key of the accounts is one's address.
  const by = (waits as Address | undefined) ?? member(scene)
  const { active, unbonding } = Staking.standing(world.staking, by, nowS)
  const act = weighted<() => Act>(scene, [
    [26, () => ({ _tag: "Stake", by, amount: amount(scene, active) })],
    [20, () => ({ _tag: "RequestUnstake", by, amount: amount(scene, active) })],
    [unbonding > 0n ? 20 : 2, () => ({ _tag: "CancelUnstake", by })],
    [unbonding > 0n ? 16 : 3, () => ({ _tag: "Withdraw", by })],
    [14, () => ({ _tag: "ClaimRewards", by })],
    [8, () => ({ _tag: "FundRewards", by: anyone(scene), amount: amount(scene) })],
    [
      4,
      () => ({
        _tag: "AppendTiers",
        by: holder(scene, "curator"),
        tiers: one(scene, tables) ?? [],
        activatesAtS: about(
          scene,
          scene.chance.percent(70)
            ? nowS + cast.settings.staking.tierDelayS
            : (world.staking.tables.at(-1)?.activatesAtS ?? 0) + 31_536_001,
        ),
      }),
    ],
    [1, () => ({ _tag: "Pause", by: holder(scene, "pauser") })],
    [1, () => ({ _tag: "Unpause", by: holder(scene, "pauser") })],
  ])()
  return { contract: "Staking", act }
}
