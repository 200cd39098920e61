/**
 * The port `PaymentChannel` over the contract Channel.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Address } from "@guildhall/chain/Address"
import type { ChainError } from "@guildhall/chain/ChainError"
import type { Bytes32 } from "@guildhall/chain/Hex"
import { type Channel, type ChannelAct, PaymentChannel } from "@guildhall/chain/PaymentChannel"
import { encodeFunctionData } from "viem/utils"
import { abi } from "./abi/Channel.ts"
import type { Order } from "./internal/Acting.ts"
import * as Ground from "./internal/Ground.ts"
import { bytes } from "./internal/Viem.ts"
import type { Rpc } from "./Rpc.ts"
import type { Sender } from "./Sender.ts"
import type { Signer } from "./Signer.ts"

/** Where the contract stands. @category models @since 0.1.0 */
export interface Options {
  readonly address: Address
}

const opening = (act: Extract<ChannelAct, { readonly _tag: "Open" }>): Order => {
  const { authorizedSigner, deposit, payee, salt, token } = act
  const args = [bytes(payee), bytes(token), deposit, bytes(salt), bytes(authorizedSigner)] as const
  return { data: encodeFunctionData({ abi, functionName: "open", args }), takes: { token, amount: deposit } }
}

/** Its token is known only to the contract, so a top-up's is asked for before. */
const orderOf = (act: ChannelAct, token: Address | undefined): Order => {
  switch (act._tag) {
    case "Open":
      return opening(act)
    case "TopUp":
      return {
        data: encodeFunctionData({ abi, functionName: "topUp", args: [bytes(act.channelId), act.amount] }),
        takes: token === undefined ? undefined : { token, amount: act.amount },
      }
    case "Settle":
    case "Close": {
      const functionName = act._tag === "Settle" ? "settle" : "close"
      const args = [bytes(act.channelId), act.cumulativeAmount, bytes(act.signature)] as const
      return { data: encodeFunctionData({ abi, functionName, args }) }
    }
    case "RequestClose":
      return { data: encodeFunctionData({ abi, functionName: "requestClose", args: [bytes(act.channelId)] }) }
    case "Withdraw":
      return { data: encodeFunctionData({ abi, functionName: "withdraw", args: [bytes(act.channelId)] }) }
  }
}

/**
 * The port over the contract at an address, which is looked at first. The contract keeps no sum of what it owes: `totals` is what it
 * holds, which is more where somebody sent it tokens that belong to no channel.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* ({ address }: Options) {
  const { acting, chainId, head, holds, now } = yield* Ground.make("Channel", address, abi)
  const read = yield* now
  const terms = { graceS: yield* read("CLOSE_GRACE_PERIOD", []) }
  const act = acting()
  const channelOf = Effect.fnUntraced(function* (channelId: Bytes32) {
    const found = yield* (yield* now)("getChannel", [bytes(channelId)])
    if (found.deposit === 0n) return undefined
    const { authorizedSigner, closeRequestedAt, deposit, finalized, payee, payer, settled, token } = found
    const channel: Channel = {
      payer: Address.make(payer),
      payee: Address.make(payee),
      token: Address.make(token),
      authorizedSigner: Address.make(authorizedSigner),
      deposit,
      settled,
      closeRequestedAtS: closeRequestedAt,
      finalized,
    }
    return channel
  })
  return PaymentChannel.of({
    capabilities: { atomicGrant: false },
    terms,
    domain: { chainId, contract: address },
    act: Effect.fn("PaymentChannel.act")(function* (asked: ChannelAct) {
      const known = asked._tag === "TopUp" ? yield* channelOf(asked.channelId) : undefined
      return yield* act(asked, () => orderOf(asked, known?.token))
    }),
    channel: Effect.fn("PaymentChannel.channel")(channelOf),
    totals: Effect.fn("PaymentChannel.totals")(function* (token: Address) {
      return { escrowed: yield* holds(token, address, yield* head) }
    }),
  })
})

/** {@link make} as a layer. @category layers @since 0.1.0 */
export const layer = (options: Options): Layer.Layer<PaymentChannel, ChainError, Rpc | Sender | Signer> =>
  Layer.effect(PaymentChannel, make(options))
