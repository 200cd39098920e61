import { Effect } from "effect"
import { BondVault } from "@guildhall/chain"
import { BondVaultTest, ChainTestbed } from "../src/testing/index.ts"
import { broken, forgetful } from "./Broken.ts"

const Port = BondVault.BondVault

BondVaultTest.suite("memory", ChainTestbed.layerMemory())

BondVaultTest.breaks(
  "it forgets its keys",
  broken(Port, ({ act }) => ({ act: forgetful(act) })),
  1,
)
BondVaultTest.breaks(
  "it activates without a word",
  broken(Port, ({ bond }) => ({
    bond: (device) =>
      Effect.map(bond(device), (known) => ({
        ...known,
        state: known.state === "Pending" ? ("Active" as const) : known.state,
      })),
  })),
  2,
)
BondVaultTest.breaks(
  "a little less is enough",
  broken(Port, ({ act }) => ({ act: (asked) => act(asked._tag === "Bond" ? { ...asked, amount: 1_000n } : asked) })),
  3,
)
BondVaultTest.breaks(
  "it has no cap",
  broken(Port, ({ terms }) => ({ terms: { ...terms, capBps: 1_000 } })),
  4,
)
BondVaultTest.breaks(
  "it slashes what is over",
  broken(Port, ({ act }, { nowS }) => ({
    act: (asked) =>
      asked._tag === "ProposeSlash"
        ? Effect.flatMap(nowS, (offenceTimeS) => act({ ...asked, offenceTimeS }))
        : act(asked),
  })),
  5,
)
BondVaultTest.breaks(
  "the second slash of an offence is another",
  broken(Port, ({ act }) => {
    let count = 0
    return {
      act: (asked) =>
        act(asked._tag === "ProposeSlash" && count++ > 0 ? { ...asked, offenceId: asked.evidenceHash } : asked),
    }
  }),
  6,
)
BondVaultTest.breaks(
  "leaving halves a slash",
  broken(Port, ({ act }) => ({
    act: (asked) => act(asked._tag === "ProposeSlash" ? { ...asked, rateBps: Math.floor(asked.rateBps / 2) } : asked),
  })),
  7,
)
BondVaultTest.breaks(
  "the arbiter upholds all",
  broken(Port, ({ act }) => ({
    act: (asked) => act(asked._tag === "Overturn" ? { ...asked, _tag: "Uphold" } : asked),
  })),
  8,
)
BondVaultTest.breaks(
  "the finder has all",
  broken(Port, ({ terms }) => ({ terms: { ...terms, finderBps: 10_000 } })),
  9,
)
BondVaultTest.breaks(
  "it has no cooldown",
  broken(Port, () => ({}), { bonds: { cooldownS: 0 } }),
  10,
)
BondVaultTest.breaks(
  "it loses what is in escrow",
  broken(Port, ({ totals }) => ({ totals: Effect.map(totals, (known) => ({ ...known, escrowed: 0n })) })),
  12,
)
