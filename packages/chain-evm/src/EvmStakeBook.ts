/**
 * The port `StakeBook` over the contract Staking.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Address } from "@guildhall/chain/Address"
import type { ChainError } from "@guildhall/chain/ChainError"
import { type StakeAct, StakeBook } from "@guildhall/chain/StakeBook"
import { encodeFunctionData } from "viem/utils"
import { abi } from "./abi/Staking.ts"
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

const orderOf =
  (token: Address) =>
  (act: StakeAct): Order => {
    switch (act._tag) {
      case "Stake":
        return {
          data: encodeFunctionData({ abi, functionName: "stake", args: [act.amount] }),
          takes: { token, amount: act.amount },
        }
      case "RequestUnstake":
        return { data: encodeFunctionData({ abi, functionName: "requestUnstake", args: [act.amount] }) }
      case "CancelUnstake":
        return { data: encodeFunctionData({ abi, functionName: "cancelUnstake" }) }
      case "Withdraw":
        return { data: encodeFunctionData({ abi, functionName: "withdraw" }) }
      case "ClaimRewards":
        return { data: encodeFunctionData({ abi, functionName: "claimRewards" }) }
      case "FundRewards":
        return {
          data: encodeFunctionData({ abi, functionName: "fundRewards", args: [act.amount] }),
          takes: { token, amount: act.amount },
        }
      case "AppendTiers":
        return { data: encodeFunctionData({ abi, functionName: "appendTiers", args: [act.tiers, act.activatesAtS] }) }
      case "Pause":
        return { data: encodeFunctionData({ abi, functionName: "pause" }) }
      case "Unpause":
        return { data: encodeFunctionData({ abi, functionName: "unpause" }) }
    }
  }

/**
 * The port over the contract at an address, which is looked at first. Reads of one answer are of one block.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* ({ address }: Options) {
  const { acting, now } = yield* Ground.make("Staking", address, abi)
  const read = yield* now
  const token = Address.make(yield* read("token", []))
  const terms: StakeBook["Service"]["terms"] = {
    token,
    cooldownS: yield* read("cooldown", []),
    minActiveS: yield* read("minActive", []),
    apyBps: yield* read("apyBps", []),
    tierDelayS: yield* read("tierDelay", []),
  }
  const act = acting()
  const order = orderOf(token)
  return StakeBook.of({
    capabilities: { atomicGrant: false },
    terms,
    act: Effect.fn("StakeBook.act")((asked: StakeAct) => act(asked, () => order(asked))),
    standing: Effect.fn("StakeBook.standing")(function* (account: Address) {
      const read = yield* now
      const [{ active, aged, readyAt, rewards, unbonding }, [, , tier]] = yield* Effect.all([
        read("standingOf", [bytes(account)]),
        read("tierOf", [bytes(account)]),
      ])
      return { active, aged, unbonding, readyAtS: readyAt, tier, rewards }
    }),
    stakeAt: Effect.fn("StakeBook.stakeAt")(function* (account: Address, timeS: number) {
      return yield* (yield* now)("getPastStake", [bytes(account), timeS])
    }),
    tiers: Effect.fn("StakeBook.tiers")(function* (atS: number) {
      const read = yield* now
      const [index, tiers] = yield* read("tiersAt", [atS])
      const [activatesAtS] = yield* read("tableAt", [index])
      // Before the first table the contract answers with the first.
      return activatesAtS > atS ? undefined : { index: Number(index), activatesAtS, tiers }
    }),
    totals: Effect.flatMap(now, (read) => read("totals", [])),
  })
})

/** {@link make} as a layer. @category layers @since 0.1.0 */
export const layer = (options: Options): Layer.Layer<StakeBook, ChainError, Rpc | Sender | Signer> =>
  Layer.effect(StakeBook, make(options))
