import { Effect } from "effect"
import { PaymentChannel } from "@guildhall/chain"
import { ChainTestbed, PaymentChannelTest } from "../src/testing/index.ts"
import { broken, forgetful } from "./Broken.ts"

const Port = PaymentChannel.PaymentChannel

PaymentChannelTest.suite("memory", ChainTestbed.layerMemory())

PaymentChannelTest.breaks(
  "it forgets its keys",
  broken(Port, ({ act }) => ({ act: forgetful(act) })),
  1,
)
PaymentChannelTest.breaks(
  "its ids are of another chain",
  broken(Port, ({ domain }) => ({ domain: { ...domain, chainId: 1 } })),
  2,
)
PaymentChannelTest.breaks(
  "it settles nothing",
  broken(Port, ({ act }) => ({
    act: (asked) => (asked._tag === "Settle" ? act({ ...asked, cumulativeAmount: 0n }) : act(asked)),
  })),
  3,
)
PaymentChannelTest.breaks(
  "it takes any signature",
  broken(Port, ({ act }, { sign }) => ({
    act: (asked) =>
      asked._tag === "Settle"
        ? Effect.flatMap(sign(asked.by, { ...asked, _tag: "ChannelVoucher" }), (signature) =>
            act({ ...asked, signature }),
          )
        : act(asked),
  })),
  4,
)
PaymentChannelTest.breaks(
  "a close pays nothing",
  broken(Port, ({ act }) => ({
    act: (asked) => (asked._tag === "Close" ? act({ ...asked, cumulativeAmount: 0n }) : act(asked)),
  })),
  5,
)
PaymentChannelTest.breaks(
  "there is no time of grace",
  broken(Port, () => ({}), { channels: { graceS: 0 } }),
  6,
)
PaymentChannelTest.breaks(
  "anyone tops up",
  broken(Port, ({ act, channel }) => ({
    act: (asked) =>
      asked._tag === "TopUp"
        ? Effect.flatMap(channel(asked.channelId), (known) => act({ ...asked, by: known?.payer ?? asked.by }))
        : act(asked),
  })),
  7,
)
PaymentChannelTest.breaks(
  "it counts a unit less",
  broken(Port, ({ totals }) => ({
    totals: (token) => Effect.map(totals(token), ({ escrowed }) => ({ escrowed: escrowed - 1n })),
  })),
  8,
)
