/**
 * The port `BondVault` over the contract ProviderBond.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Address } from "@guildhall/chain/Address"
import { type BondAct, BondVault, type Bond, type Case } from "@guildhall/chain/BondVault"
import type { ChainError } from "@guildhall/chain/ChainError"
import { Bytes32 } from "@guildhall/chain/Hex"
import type { EndpointVerified } from "@guildhall/chain/Message"
import { encodeFunctionData } from "viem/utils"
import { abi } from "./abi/ProviderBond.ts"
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

/** In the order of the contract's enumerations. */
const bondStates = ["None", "Pending", "Active", "Unbonding", "Withdrawn"] as const
const caseStates = ["None", "Proposed", "Appealed", "Finalised", "Overturned", "Lapsed"] as const

const attestation = ({ classId, device, expiryS, nonce, provider }: EndpointVerified) => ({
  device: bytes(device),
  provider: bytes(provider),
  classId,
  expiry: expiryS,
  nonce,
})

type OfDevice = "requestUnbond" | "deregister" | "withdraw"
type OfCase = "appeal" | "finalise" | "uphold" | "overturn" | "lapse"

const ofDevice = (functionName: OfDevice, device: Bytes32): Order => ({
  data: encodeFunctionData({ abi, functionName, args: [bytes(device)] }),
})

const ofCase = (functionName: OfCase, offenceId: Bytes32): Order => ({
  data: encodeFunctionData({ abi, functionName, args: [bytes(offenceId)] }),
})

const proposal = (act: Extract<BondAct, { readonly _tag: "ProposeSlash" }>): Order => {
  const { device, evidenceHash, finder, offenceId, offenceTimeS, rateBps } = act
  const args = [bytes(device), bytes(offenceId), rateBps, offenceTimeS, bytes(evidenceHash), bytes(finder)] as const
  return { data: encodeFunctionData({ abi, functionName: "proposeSlash", args }) }
}

const orderOf =
  (token: Address) =>
  (act: BondAct): Order => {
    switch (act._tag) {
      case "AppendClass":
        return { data: encodeFunctionData({ abi, functionName: "appendClass", args: [act.classId, act.minimum] }) }
      case "Bond":
        return {
          data: encodeFunctionData({ abi, functionName: "bond", args: [bytes(act.device), act.classId, act.amount] }),
          takes: { token, amount: act.amount },
        }
      case "BondVerified": {
        const args = [attestation(act.verified), act.amount, bytes(act.signature)] as const
        return {
          data: encodeFunctionData({ abi, functionName: "bondVerified", args }),
          takes: { token, amount: act.amount },
        }
      }
      case "TopUp":
        return {
          data: encodeFunctionData({ abi, functionName: "topUp", args: [bytes(act.device), act.amount] }),
          takes: { token, amount: act.amount },
        }
      case "Activate": {
        const args = [attestation(act.verified), bytes(act.signature)] as const
        return { data: encodeFunctionData({ abi, functionName: "activate", args }) }
      }
      case "RequestUnbond":
        return ofDevice("requestUnbond", act.device)
      case "Deregister":
        return ofDevice("deregister", act.device)
      case "Withdraw":
        return ofDevice("withdraw", act.device)
      case "ProposeSlash":
        return proposal(act)
      case "Appeal":
        return ofCase("appeal", act.offenceId)
      case "Finalise":
        return ofCase("finalise", act.offenceId)
      case "Uphold":
        return ofCase("uphold", act.offenceId)
      case "Overturn":
        return ofCase("overturn", act.offenceId)
      case "Lapse":
        return ofCase("lapse", act.offenceId)
      case "ClaimCredit":
        return { data: encodeFunctionData({ abi, functionName: "claimCredit" }) }
      case "SendToInsurance":
        return { data: encodeFunctionData({ abi, functionName: "sendToInsurance" }) }
      case "Pause":
        return { data: encodeFunctionData({ abi, functionName: "pause" }) }
      case "Unpause":
        return { data: encodeFunctionData({ abi, functionName: "unpause" }) }
    }
  }

/**
 * The port over the contract at an address, which is looked at first. Reads of one answer are of one block.
 *
 * The contract keeps no buffer of its own: `bufferS` is what its cooldown is longer than the two windows before it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* ({ address }: Options) {
  const { acting, now } = yield* Ground.make("ProviderBond", address, abi)
  const read = yield* now
  const token = Address.make(yield* read("token", []))
  const insurance = yield* read("insurance", [])
  const cooldownS = yield* read("cooldown", [])
  const evidenceWindowS = yield* read("evidenceWindow", [])
  const appealWindowS = yield* read("appealWindow", [])
  const terms: BondVault["Service"]["terms"] = {
    token,
    cooldownS,
    evidenceWindowS,
    appealWindowS,
    rulingWindowS: yield* read("rulingWindow", []),
    bufferS: cooldownS - evidenceWindowS - appealWindowS,
    periodS: yield* read("period", []),
    capBps: yield* read("capBps", []),
    finderBps: yield* read("finderBps", []),
  }
  const act = acting({ contract: "InsurancePool", address: insurance })
  const order = orderOf(token)
  return BondVault.of({
    capabilities: { atomicGrant: false },
    terms,
    act: Effect.fn("BondVault.act")((asked: BondAct) => act(asked, () => order(asked))),
    bond: Effect.fn("BondVault.bond")(function* (device: Bytes32) {
      const { activatedAt, cooldownEnd, provider, state, ...amounts } = yield* (yield* now)("deviceOf", [bytes(device)])
      const bond: Bond = {
        ...amounts,
        device,
        provider: Address.make(provider),
        state: bondStates[state] ?? "None",
        activatedAtS: activatedAt,
        cooldownEndS: cooldownEnd,
      }
      return bond
    }),
    case: Effect.fn("BondVault.case")(function* (offenceId: Bytes32) {
      const found = yield* (yield* now)("caseOf", [bytes(offenceId)])
      const known: Case = {
        offenceId,
        device: Bytes32.make(found.device),
        state: caseStates[found.state] ?? "None",
        rateBps: found.rateBps,
        amount: found.amount,
        offenceTimeS: found.offenceTime,
        finder: Address.make(found.finder),
        evidenceHash: Bytes32.make(found.evidenceHash),
        appealUntilS: found.appealUntil,
        ruleUntilS: found.ruleUntil,
      }
      return known
    }),
    minimum: Effect.fn("BondVault.minimum")(function* (classId: number) {
      const minimum = yield* (yield* now)("minimumOf", [classId])
      return minimum === 0n ? undefined : minimum
    }),
    credit: Effect.fn("BondVault.credit")(function* (account: Address) {
      return yield* (yield* now)("creditOf", [bytes(account)])
    }),
    totals: Effect.flatMap(now, (read) => read("totals", [])),
  })
})

/** {@link make} as a layer. @category layers @since 0.1.0 */
export const layer = (options: Options): Layer.Layer<BondVault, ChainError, Rpc | Sender | Signer> =>
  Layer.effect(BondVault, make(options))
