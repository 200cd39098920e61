/**
 * The port `ValidatorSet` over the contract ValidatorRegistry.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Address, ZERO } from "@guildhall/chain/Address"
import type { ChainError } from "@guildhall/chain/ChainError"
import { Bytes32, word } from "@guildhall/chain/Hex"
import { type Job, type Validator, type ValidatorAct, ValidatorSet } from "@guildhall/chain/ValidatorSet"
import { encodeFunctionData } from "viem/utils"
import { abi } from "./abi/ValidatorRegistry.ts"
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

const states = ["None", "Active", "Exiting"] as const
const NOTHING = word(0n)

/** How many places of a list are asked for at once. */
const CONCURRENCY = 16

type JobAct = Extract<
  ValidatorAct,
  { readonly _tag: "OpenJob" | "CommitVote" | "RevealVote" | "CloseJob" | "ShareFinding" | "Report" }
>

const ofJob = (act: JobAct): Order => {
  const job = bytes(act.job)
  switch (act._tag) {
    case "OpenJob":
      return { data: encodeFunctionData({ abi, functionName: "openJob", args: [job, act.reward] }) }
    case "CommitVote":
      return { data: encodeFunctionData({ abi, functionName: "commitVote", args: [job, bytes(act.commitment)] }) }
    case "RevealVote": {
      const { draw, salt, signature, verdict } = act
      const args = [job, BigInt(draw), bytes(verdict), bytes(salt), bytes(signature)] as const
      return { data: encodeFunctionData({ abi, functionName: "revealVote", args }) }
    }
    case "CloseJob":
      return { data: encodeFunctionData({ abi, functionName: "closeJob", args: [job] }) }
    case "ShareFinding":
      return { data: encodeFunctionData({ abi, functionName: "shareFinding", args: [job, act.amount] }) }
    case "Report": {
      const { signatureA, signatureB, validator, verdictA, verdictB } = act
      const first = [bytes(validator), job, bytes(verdictA), bytes(signatureA)] as const
      const args = [...first, bytes(verdictB), bytes(signatureB)] as const
      return { data: encodeFunctionData({ abi, functionName: "report", args }) }
    }
  }
}

const taking = (token: Address, amount: bigint, functionName: "register" | "topUp" | "fundRewards"): Order => ({
  data: encodeFunctionData({ abi, functionName, args: [amount] }),
  takes: { token, amount },
})

const orderOf =
  (token: Address) =>
  (act: ValidatorAct): Order => {
    switch (act._tag) {
      case "Register":
        return taking(token, act.amount, "register")
      case "TopUp":
        return taking(token, act.amount, "topUp")
      case "FundRewards":
        return taking(token, act.amount, "fundRewards")
      case "RequestExit":
        return { data: encodeFunctionData({ abi, functionName: "requestExit" }) }
      case "Withdraw":
        return { data: encodeFunctionData({ abi, functionName: "withdraw" }) }
      case "CollectFinderShares":
        return { data: encodeFunctionData({ abi, functionName: "collectFinderShares" }) }
      case "CommitSeed": {
        const args = [act.epoch, bytes(act.commitment)] as const
        return { data: encodeFunctionData({ abi, functionName: "commitSeed", args }) }
      }
      case "RevealSeed":
        return { data: encodeFunctionData({ abi, functionName: "revealSeed", args: [act.epoch, bytes(act.seed)] }) }
      case "ClaimCredit":
        return { data: encodeFunctionData({ abi, functionName: "claimCredit" }) }
      case "SendToInsurance":
        return { data: encodeFunctionData({ abi, functionName: "sendToInsurance" }) }
      case "Pause":
        return { data: encodeFunctionData({ abi, functionName: "pause" }) }
      case "Unpause":
        return { data: encodeFunctionData({ abi, functionName: "unpause" }) }
      default:
        return ofJob(act)
    }
  }

/**
 * The port over the contract at an address, which is looked at first. Reads of one answer are of one block.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* ({ address }: Options) {
  const { acting, chainId, now } = yield* Ground.make("ValidatorRegistry", address, abi)
  const read = yield* now
  const token = Address.make(yield* read("token", []))
  const insurance = yield* read("insurance", [])
  const bond = yield* read("bond", [])
  const terms: ValidatorSet["Service"]["terms"] = {
    token,
    minBond: yield* read("minBond", []),
    epochLengthS: yield* read("epochLength", []),
    cooldownS: yield* read("cooldown", []),
    drawnCount: yield* read("drawn", []),
    quorum: yield* read("quorum", []),
    slashBps: yield* read("slashBps", []),
    reporterBps: yield* read("reporterBps", []),
  }
  const act = acting(
    { contract: "InsurancePool", address: insurance },
    ...(bond === bytes(ZERO) ? [] : [{ contract: "ProviderBond", address: bond } as const]),
  )
  const order = orderOf(token)
  return ValidatorSet.of({
    capabilities: { atomicGrant: false },
    terms,
    domain: { chainId, contract: address },
    act: Effect.fn("ValidatorSet.act")((asked: ValidatorAct) => act(asked, () => order(asked))),
    validator: Effect.fn("ValidatorSet.validator")(function* (account: Address) {
      const read = yield* now
      const [{ bonded, cooldownEnd, state }, credit] = yield* Effect.all([
        read("validatorOf", [bytes(account)]),
        read("creditOf", [bytes(account)]),
      ])
      const validator: Validator = { state: states[state] ?? "None", bonded, cooldownEndS: cooldownEnd, credit }
      return validator
    }),
    job: Effect.fn("ValidatorSet.job")(function* (job: Bytes32) {
      const read = yield* now
      const { closed, entropy, epoch, reserved, share, verdict } = yield* read("jobOf", [bytes(job)])
      const seed = epoch === 0 ? bytes(NOTHING) : yield* read("seedOf", [epoch])
      // Until a later block knows the hash of the one that opened the job, nobody is drawn.
      const isKnown = seed !== bytes(NOTHING) && entropy !== bytes(NOTHING)
      const drawn = isKnown ? yield* read("drawnOf", [bytes(job), seed]) : []
      const found: Job = {
        epoch,
        reserved,
        share,
        closed,
        entropy: Bytes32.make(entropy),
        drawn: drawn.map((validator) => Address.make(validator)),
        verdict: verdict === bytes(NOTHING) ? undefined : Bytes32.make(verdict),
      }
      return found
    }),
    listed: Effect.fn("ValidatorSet.listed")(function* (epoch: number) {
      const read = yield* now
      const count = Number(yield* read("listedAt", [epoch]))
      return yield* Effect.forEach(
        Array.from({ length: count }, (_, place) => BigInt(place)),
        (place) => Effect.map(read("validatorAt", [epoch, place]), (validator) => Address.make(validator)),
        { concurrency: CONCURRENCY },
      )
    }),
    totals: Effect.flatMap(now, (read) => read("totals", [])),
  })
})

/** {@link make} as a layer. @category layers @since 0.1.0 */
export const layer = (options: Options): Layer.Layer<ValidatorSet, ChainError, Rpc | Sender | Signer> =>
  Layer.effect(ValidatorSet, make(options))
