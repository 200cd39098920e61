import { Effect } from "effect"
import { InsuranceVault } from "@guildhall/chain"
import { ChainTestbed, InsuranceVaultTest } from "../src/testing/index.ts"
import { broken, forgetful } from "./Broken.ts"

const Port = InsuranceVault.InsuranceVault

InsuranceVaultTest.suite("memory", ChainTestbed.layerMemory())

InsuranceVaultTest.breaks(
  "it forgets its keys",
  broken(Port, ({ act }) => ({ act: forgetful(act) })),
  1,
)
InsuranceVaultTest.breaks(
  "anyone proposes",
  broken(Port, ({ act }, { roles }) => ({
    act: (asked) => act(asked._tag === "ProposeClaims" ? { ...asked, by: roles["adjuster"] ?? asked.by } : asked),
  })),
  2,
)
InsuranceVaultTest.breaks(
  "it has no cap",
  broken(Port, () => ({}), { insurance: { incidentCap: 1n } }),
  3,
)
InsuranceVaultTest.breaks(
  "claims count at once",
  broken(Port, () => ({}), { insurance: { challengeDelayS: 0 } }),
  4,
)
InsuranceVaultTest.breaks(
  "it takes any proof",
  broken(Port, ({ act }) => ({
    act: (asked) => (asked._tag === "Claim" ? act({ ...asked, _tag: "Deposit", amount: 0n }) : act(asked)),
  })),
  5,
)
InsuranceVaultTest.breaks(
  "a total is doubled",
  broken(Port, ({ act }) => ({
    act: (asked) => act(asked._tag === "ProposeClaims" ? { ...asked, total: 2n * asked.total } : asked),
  })),
  6,
)
InsuranceVaultTest.breaks(
  "it loses what is reserved",
  broken(Port, ({ totals }) => ({ totals: Effect.map(totals, (known) => ({ ...known, reserved: 0n })) })),
  7,
)
