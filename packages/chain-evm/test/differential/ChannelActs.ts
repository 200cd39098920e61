/** Acts of payers and payees of channels. */
import * as HashMap from "effect/HashMap"
import { ZERO } from "@guildhall/chain/Address"
import type { Bytes32 } from "@guildhall/chain/Hex"
import type { Channel } from "@guildhall/chain/PaymentChannel"
import { amount, anyone, member, mostly, name, one, type Scene, signing, token, weighted } from "./Scene.ts"
import { type Draft, UNSIGNED } from "./Step.ts"

type Act = Extract<Draft, { readonly contract: "Channel" }>["act"]

const open = (scene: Scene): Draft => ({
  contract: "Channel",
  act: {
    _tag: "Open",
    by: member(scene),
    payee: scene.chance.percent(95) ? member(scene) : ZERO,
    token: token(scene),
    deposit: amount(scene),
    salt: name(0x5a, scene.chance.below(3)),
    authorizedSigner: scene.chance.percent(60) ? ZERO : anyone(scene),
  },
})

const paying = (scene: Scene, channelId: Bytes32, channel: Channel): Draft => {
  const { chance, cast } = scene
  const { authorizedSigner, deposit, payee, payer, settled } = channel
  const cumulativeAmount = chance.percent(30) ? amount(scene, deposit) : settled + amount(scene, deposit - settled)
  const message = { _tag: "ChannelVoucher", channelId, cumulativeAmount } as const
  return {
    contract: "Channel",
    act: {
      _tag: chance.percent(75) ? "Settle" : "Close",
      by: mostly(scene, payee),
      channelId,
      cumulativeAmount,
      signature: UNSIGNED,
    },
    signings: {
      signature: signing(
        scene,
        authorizedSigner === ZERO ? payer : authorizedSigner,
        message,
        { ...message, cumulativeAmount: cumulativeAmount + 1n },
        { chainId: cast.chainId, contract: cast.contracts.Channel },
      ),
    },
  }
}

/** An act. */
export const draft = (scene: Scene): Draft => {
  const known = one(scene, [...HashMap.entries(scene.world.channels.channels)])
  if (known === undefined || scene.chance.percent(15)) return open(scene)
  const [key, channel] = known
  // Every key of the channels is an id; now and then one that nobody opened.
  const channelId = scene.chance.percent(97) ? (key as Bytes32) : name(0xc4, 0)
  const by = mostly(scene, channel.payer)
  const only = (act: Act) => (): Draft => ({ contract: "Channel", act })
  return weighted<() => Draft>(scene, [
    [40, () => paying(scene, channelId, channel)],
    [15, only({ _tag: "TopUp", by, channelId, amount: amount(scene, channel.deposit) })],
    [12, only({ _tag: "RequestClose", by, channelId })],
    [channel.closeRequestedAtS === 0 ? 3 : 15, only({ _tag: "Withdraw", by, channelId })],
  ])()
}
