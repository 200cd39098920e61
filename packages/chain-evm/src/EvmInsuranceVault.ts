/**
 * The port `InsuranceVault` over the contract InsurancePool.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Address } from "@guildhall/chain/Address"
import type { ChainError } from "@guildhall/chain/ChainError"
import { Bytes32 } from "@guildhall/chain/Hex"
import { type Claims, type InsuranceAct, InsuranceVault } from "@guildhall/chain/InsuranceVault"
import { encodeFunctionData } from "viem/utils"
import { abi } from "./abi/InsurancePool.ts"
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

const claim = (act: Extract<InsuranceAct, { readonly _tag: "Claim" }>): Order => {
  const { account, amount, epoch, incident, proof } = act
  const args = [BigInt(epoch), bytes(incident), bytes(account), amount, proof.map(bytes)] as const
  return { data: encodeFunctionData({ abi, functionName: "claim", args }) }
}

const orderOf =
  (token: Address) =>
  (act: InsuranceAct): Order => {
    switch (act._tag) {
      case "Deposit":
        return {
          data: encodeFunctionData({ abi, functionName: "deposit", args: [act.amount] }),
          takes: { token, amount: act.amount },
        }
      case "ProposeClaims": {
        const args = [BigInt(act.epoch), bytes(act.incident), bytes(act.root), act.total] as const
        return { data: encodeFunctionData({ abi, functionName: "proposeClaims", args }) }
      }
      case "CancelClaims": {
        const args = [BigInt(act.epoch), bytes(act.incident)] as const
        return { data: encodeFunctionData({ abi, functionName: "cancelClaims", args }) }
      }
      case "ExpireClaims": {
        const args = [BigInt(act.epoch), bytes(act.incident)] as const
        return { data: encodeFunctionData({ abi, functionName: "expireClaims", args }) }
      }
      case "Claim":
        return claim(act)
      case "Pause":
        return { data: encodeFunctionData({ abi, functionName: "pause" }) }
      case "Unpause":
        return { data: encodeFunctionData({ abi, functionName: "unpause" }) }
    }
  }

/**
 * The port over the contract at an address, which is looked at first.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* ({ address }: Options) {
  const { acting, chainId, now } = yield* Ground.make("InsurancePool", address, abi)
  const read = yield* now
  const token = Address.make(yield* read("token", []))
  const terms: InsuranceVault["Service"]["terms"] = {
    token,
    epochLengthS: yield* read("epochLength", []),
    challengeDelayS: yield* read("challengeDelay", []),
    claimWindowS: yield* read("claimWindow", []),
    epochCapBps: yield* read("epochCapBps", []),
    incidentCap: yield* read("incidentCap", []),
  }
  const act = acting()
  const order = orderOf(token)
  return InsuranceVault.of({
    capabilities: { atomicGrant: false },
    terms,
    domain: { chainId, contract: address },
    act: Effect.fn("InsuranceVault.act")((asked: InsuranceAct) => act(asked, () => order(asked))),
    claims: Effect.fn("InsuranceVault.claims")(function* (epoch: number, incident: Bytes32) {
      const found = yield* (yield* now)("claimsOf", [BigInt(epoch), bytes(incident)])
      const { expiresAt, payableAt, remaining, root, total } = found
      const claims: Claims = {
        root: Bytes32.make(root),
        total,
        remaining,
        payableAtS: payableAt,
        expiresAtS: expiresAt,
      }
      return claims
    }),
    hasClaimed: Effect.fn("InsuranceVault.hasClaimed")(function* (epoch: number, incident: Bytes32, account: Address) {
      return yield* (yield* now)("hasClaimed", [BigInt(epoch), bytes(incident), bytes(account)])
    }),
    totals: Effect.flatMap(now, (read) => read("totals", [])),
  })
})

/** {@link make} as a layer. @category layers @since 0.1.0 */
export const layer = (options: Options): Layer.Layer<InsuranceVault, ChainError, Rpc | Sender | Signer> =>
  Layer.effect(InsuranceVault, make(options))
