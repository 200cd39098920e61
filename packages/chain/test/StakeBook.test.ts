import { Effect } from "effect"
import { StakeBook } from "@guildhall/chain"
import { ChainTestbed, StakeBookTest } from "../src/testing/index.ts"
import { broken, forgetful } from "./Broken.ts"

const Port = StakeBook.StakeBook

StakeBookTest.suite("memory", ChainTestbed.layerMemory())

StakeBookTest.breaks(
  "it forgets its keys",
  broken(Port, ({ act }) => ({ act: forgetful(act) })),
  1,
)
StakeBookTest.breaks(
  "it has no cooldown",
  broken(Port, () => ({}), { staking: { cooldownS: 0, minActiveS: 0 } }),
  3,
)
StakeBookTest.breaks(
  "what is new counts for a tier",
  broken(Port, ({ standing }) => ({
    standing: (account) => Effect.map(standing(account), (known) => ({ ...known, aged: known.active })),
  })),
  5,
)
StakeBookTest.breaks(
  "it forgets the past",
  broken(Port, ({ standing }) => ({
    stakeAt: (account) => Effect.map(standing(account), ({ active }) => active),
  })),
  6,
)
StakeBookTest.breaks(
  "a table counts at once",
  broken(Port, ({ act }) => ({
    act: (asked) => act(asked._tag === "AppendTiers" ? { ...asked, activatesAtS: asked.activatesAtS + 10_000 } : asked),
  })),
  7,
)
StakeBookTest.breaks(
  "it mints rewards",
  broken(Port, ({ standing }, { nowS }) => ({
    standing: (account) =>
      Effect.zipWith(standing(account), nowS, (known, atS) => ({ ...known, rewards: known.rewards + BigInt(atS) })),
  })),
  8,
)
StakeBookTest.breaks(
  "it loses what is unbonding",
  broken(Port, ({ totals }) => ({ totals: Effect.map(totals, (known) => ({ ...known, unbonding: 0n })) })),
  10,
)
