import { Effect } from "effect"
import { Hex, Settlement } from "@guildhall/chain"
import { ChainTestbed, SettlementTest } from "../src/testing/index.ts"
import { broken, forgetful } from "./Broken.ts"

const Port = Settlement.Settlement

SettlementTest.suite("memory", ChainTestbed.layerMemory())

SettlementTest.breaks(
  "it forgets its keys",
  broken(Port, ({ act }) => ({ act: forgetful(act) })),
  1,
)
SettlementTest.breaks(
  "the provider has all",
  broken(Port, ({ termsAt }) => ({
    termsAt: (epoch) => Effect.map(termsAt(epoch), (terms) => terms && { ...terms, providerBps: 10_000 }),
  })),
  2,
)
SettlementTest.breaks(
  "it proposes less than was asked",
  broken(Port, ({ act }) => ({
    act: (asked) => act(asked._tag === "ProposeEpoch" && asked.gross > 100n ? { ...asked, gross: 100n } : asked),
  })),
  3,
)
SettlementTest.breaks(
  "an old voucher is another request",
  broken(Port, ({ act }) => ({
    act: (asked) =>
      asked._tag === "Redeem" && asked.voucher.cumulative < 105n && asked.voucher.cumulative > 3n
        ? act({ ...asked, _tag: "Claim", token: asked.voucher.token })
        : act(asked),
  })),
  4,
)
SettlementTest.breaks(
  "any voucher is a claim",
  broken(Port, ({ act }) => ({
    act: (asked) =>
      asked._tag === "Redeem" ? act({ ...asked, _tag: "Claim", token: asked.voucher.token }) : act(asked),
  })),
  5,
)
SettlementTest.breaks(
  "an epoch counts at once",
  broken(Port, () => ({}), { settlement: { challengeDelayS: 0 } }),
  6,
)
SettlementTest.breaks(
  "it takes any proof",
  broken(Port, ({ act, token }) => ({
    token,
    act: (asked) => (asked._tag === "ClaimRoot" ? act({ ...asked, _tag: "Claim" }) : act(asked)),
  })),
  7,
)
SettlementTest.breaks(
  "the treasury has nothing of a batch",
  broken(Port, ({ credit }) => ({
    credit: (token, account) =>
      Effect.map(credit(token, account), (known) => ({ ...known, owed: known.owed - (known.owed % 100n) })),
  })),
  8,
)
SettlementTest.breaks(
  "terms count from the start",
  broken(Port, ({ termsAt }) => ({ termsAt: () => termsAt(1_000_000) })),
  9,
)
SettlementTest.breaks(
  "it needs no announcement",
  broken(Port, ({ act }) => ({
    act: (asked) => (asked._tag === "Unfund" ? act({ ...asked, _tag: "CancelUnfund" }) : act(asked)),
  })),
  10,
)
SettlementTest.breaks(
  "it pays a batch again",
  broken(Port, ({ act }) => {
    let count = 0n
    return {
      act: (asked) => act(asked._tag === "PayMany" ? { ...asked, batchId: Hex.word(count++) } : asked),
    }
  }),
  11,
)
SettlementTest.breaks(
  "it loses what is pending",
  broken(Port, ({ totals }) => ({
    totals: (token) => Effect.map(totals(token), (known) => ({ ...known, pending: 0n })),
  })),
  13,
)
