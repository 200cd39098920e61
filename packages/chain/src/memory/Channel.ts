/**
 * The contract Channel in memory: the same rules, as pure transitions.
 *
 * @since 0.1.0
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { type Address, ZERO } from "../Address.ts"
import type { Bytes32 } from "../Hex.ts"
import type { Signature } from "../Message.ts"
import type { Channel, ChannelAct, ChannelTerms } from "../PaymentChannel.ts"
import * as PaymentChannel from "../PaymentChannel.ts"
import * as Step from "./Step.ts"

/** The contract's state. @category models @since 0.1.0 */
export interface State {
  readonly terms: ChannelTerms
  readonly channels: HashMap.HashMap<string, Channel>
  readonly escrowed: HashMap.HashMap<string, bigint>
}

/** The largest deposit. @category constants @since 0.1.0 */
export const DEPOSIT_MAX: bigint = (1n << 96n) - 1n

/** A contract that was just deployed. @category constructors @since 0.1.0 */
export const make = (terms: ChannelTerms): State => ({
  terms,
  channels: HashMap.empty(),
  escrowed: HashMap.empty(),
})

/** A channel; undefined where there is none. @category destructors @since 0.1.0 */
export const channelOf = (state: State, channelId: Bytes32): Channel | undefined =>
  Option.getOrUndefined(HashMap.get(state.channels, channelId))

const withChannel = (state: State, channelId: Bytes32, channel: Channel, change: bigint): State => ({
  ...state,
  channels: HashMap.set(state.channels, channelId, channel),
  escrowed: Step.add(state.escrowed, channel.token, change),
})

const opened = (state: State, channelId: Bytes32): Result.Result<Channel, Step.Refusal> => {
  const channel = channelOf(state, channelId)
  if (channel === undefined) return Step.refuse("ChannelNotFound", { channelId })
  return channel.finalized ? Step.refuse("ChannelFinalized", { channelId }) : Result.succeed(channel)
}

const deposited = (before: bigint, amount: bigint): Result.Result<bigint, Step.Refusal> => {
  if (amount === 0n) return Step.refuse("ZeroDeposit")
  const deposit = before + amount
  return deposit > DEPOSIT_MAX ? Step.refuse("DepositOverflow", { deposit }) : Result.succeed(deposit)
}

const open = (
  state: State,
  act: Extract<ChannelAct, { readonly _tag: "Open" }>,
  scene: Step.Scene,
): Step.Step<State> => {
  const { authorizedSigner, by: payer, payee, salt, token } = act
  if (payee === ZERO) return Step.refuse("ZeroPayee")
  const channelId = PaymentChannel.idOf(scene, { payer, payee, token, salt, authorizedSigner })
  if (HashMap.has(state.channels, channelId)) return Step.refuse("ChannelAlreadyExists", { channelId })
  return Result.flatMap(deposited(0n, act.deposit), (deposit) =>
    Step.done(
      withChannel(
        state,
        channelId,
        { payer, payee, token, authorizedSigner, deposit, settled: 0n, closeRequestedAtS: 0, finalized: false },
        deposit,
      ),
      [{ _tag: "Channel.ChannelOpened", channelId, payer, payee, token, authorizedSigner, salt, deposit }],
      [{ token, from: payer, to: scene.contract, amount: deposit }],
    ),
  )
}

const topUp = (state: State, channelId: Bytes32, amount: bigint, by: Address, scene: Step.Scene): Step.Step<State> =>
  Result.flatMap(opened(state, channelId), (channel) =>
    Result.flatMap(deposited(channel.deposit, amount), (deposit) => {
      if (by !== channel.payer) return Step.refuse("NotPayer", { caller: by })
      const isRequested = channel.closeRequestedAtS !== 0
      return Step.done(
        withChannel(state, channelId, { ...channel, deposit, closeRequestedAtS: 0 }, amount),
        [
          ...(isRequested ? [{ _tag: "Channel.CloseRequestCancelled", channelId } as const] : []),
          { _tag: "Channel.ChannelToppedUp", channelId, from: by, amount, deposit },
        ],
        [{ token: channel.token, from: by, to: scene.contract, amount }],
      )
    }),
  )

interface Shown {
  readonly channelId: Bytes32
  readonly cumulativeAmount: bigint
  readonly signature: Signature
}

const settled = (
  state: State,
  channel: Channel,
  { channelId, cumulativeAmount, signature }: Shown,
  scene: Step.Scene,
): Step.Step<State> => {
  const { authorizedSigner, deposit, payee, payer, token } = channel
  if (cumulativeAmount > deposit) return Step.refuse("AmountExceedsDeposit", { cumulativeAmount, deposit })
  const signer = authorizedSigner === ZERO ? payer : authorizedSigner
  if (!scene.isSigned(signer, { _tag: "ChannelVoucher", channelId, cumulativeAmount }, signature)) {
    return Step.refuse("InvalidSignature")
  }
  const amount = cumulativeAmount - channel.settled
  return Step.done(
    withChannel(state, channelId, { ...channel, settled: cumulativeAmount }, -amount),
    [{ _tag: "Channel.ChannelSettled", channelId, amount, settled: cumulativeAmount }],
    [{ token, from: scene.contract, to: payee, amount }],
  )
}

const finalized = (state: State, channelId: Bytes32, channel: Channel, scene: Step.Scene): Step.Done<State> => {
  const refunded = channel.deposit - channel.settled
  return {
    state: withChannel(state, channelId, { ...channel, finalized: true }, -refunded),
    events: [{ _tag: "Channel.ChannelClosed", channelId, settled: channel.settled, refunded }],
    transfers:
      refunded === 0n ? [] : [{ token: channel.token, from: scene.contract, to: channel.payer, amount: refunded }],
  }
}

const settle = (state: State, act: Shown & { readonly by: Address }, scene: Step.Scene): Step.Step<State> =>
  Result.flatMap(opened(state, act.channelId), (channel) => {
    if (act.by !== channel.payee) return Step.refuse("NotPayee", { caller: act.by })
    if (act.cumulativeAmount <= channel.settled) {
      return Step.refuse("AmountNotIncreasing", { cumulativeAmount: act.cumulativeAmount, settled: channel.settled })
    }
    return settled(state, channel, act, scene)
  })

const close = (state: State, act: Shown & { readonly by: Address }, scene: Step.Scene): Step.Step<State> =>
  Result.flatMap(opened(state, act.channelId), (channel) => {
    if (act.by !== channel.payee) return Step.refuse("NotPayee", { caller: act.by })
    const isMore = act.cumulativeAmount > channel.settled
    const paid = isMore ? settled(state, channel, act, scene) : Step.done(state)
    return Result.map(paid, (step) => {
      const settledTo = isMore ? act.cumulativeAmount : channel.settled
      const last = finalized(step.state, act.channelId, { ...channel, settled: settledTo }, scene)
      return {
        state: last.state,
        events: [...step.events, ...last.events],
        transfers: [...step.transfers, ...last.transfers],
      }
    })
  })

const requestClose = (state: State, channelId: Bytes32, by: Address, { nowS }: Step.Scene): Step.Step<State> =>
  Result.flatMap(opened(state, channelId), (channel) => {
    if (by !== channel.payer) return Step.refuse("NotPayer", { caller: by })
    if (channel.closeRequestedAtS !== 0) return Step.done(state)
    return Step.done(withChannel(state, channelId, { ...channel, closeRequestedAtS: nowS }, 0n), [
      { _tag: "Channel.CloseRequested", channelId, withdrawableAt: nowS + state.terms.graceS },
    ])
  })

const withdraw = (state: State, channelId: Bytes32, by: Address, scene: Step.Scene): Step.Step<State> =>
  Result.flatMap(opened(state, channelId), (channel) => {
    if (by !== channel.payer) return Step.refuse("NotPayer", { caller: by })
    const { closeRequestedAtS } = channel
    const readyAtS = closeRequestedAtS === 0 ? 0 : closeRequestedAtS + state.terms.graceS
    if (closeRequestedAtS === 0 || scene.nowS < readyAtS)
      return Step.refuse("CloseNotReady", { withdrawableAt: readyAtS })
    return Result.succeed(finalized(state, channelId, channel, scene))
  })

/** Does an act, or says which rule forbids it. @category transitions @since 0.1.0 */
export const step = (state: State, act: ChannelAct, scene: Step.Scene): Step.Step<State> => {
  switch (act._tag) {
    case "Open":
      return open(state, act, scene)
    case "TopUp":
      return topUp(state, act.channelId, act.amount, act.by, scene)
    case "Settle":
      return settle(state, act, scene)
    case "Close":
      return close(state, act, scene)
    case "RequestClose":
      return requestClose(state, act.channelId, act.by, scene)
    case "Withdraw":
      return withdraw(state, act.channelId, act.by, scene)
  }
}
