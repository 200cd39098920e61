/**
 * The port `Settlement` over the contracts Settlement and RootVault.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Address } from "@guildhall/chain/Address"
import { ChainError, ForeignContract } from "@guildhall/chain/ChainError"
import * as Entries from "@guildhall/chain/Entries"
import { Bytes32 } from "@guildhall/chain/Hex"
import { Settlement, type SettlementAct, type Terms, type TokenState } from "@guildhall/chain/Settlement"
import { encodeFunctionData } from "viem/utils"
import { abi as vaultAbi } from "./abi/RootVault.ts"
import { abi } from "./abi/Settlement.ts"
import type { Order } from "./internal/Acting.ts"
import * as Ground from "./internal/Ground.ts"
import { bytes } from "./internal/Viem.ts"
import type { Rpc } from "./Rpc.ts"
import type { Sender } from "./Sender.ts"
import type { Signer } from "./Signer.ts"

/** Where the contract stands. Its vault is found by it. @category models @since 0.1.0 */
export interface Options {
  readonly address: Address
}

const kinds = ["None", "Root", "Batch"] as const

type Of<Tag extends SettlementAct["_tag"]> = Extract<SettlementAct, { readonly _tag: Tag }>

const funding = (act: Of<"Fund" | "FundBoost">): Order => {
  const functionName = act._tag === "Fund" ? "fund" : "fundBoost"
  const { amount, token } = act
  return { data: encodeFunctionData({ abi, functionName, args: [bytes(token), amount] }), takes: { token, amount } }
}

const unfunding = (act: Of<"RequestUnfund" | "CancelUnfund" | "Unfund">): Order => {
  const token = bytes(act.token)
  switch (act._tag) {
    case "RequestUnfund":
      return { data: encodeFunctionData({ abi, functionName: "requestUnfund", args: [token, act.funded, act.boost] }) }
    case "CancelUnfund":
      return { data: encodeFunctionData({ abi, functionName: "cancelUnfund", args: [token] }) }
    case "Unfund":
      return { data: encodeFunctionData({ abi, functionName: "unfund", args: [token] }) }
  }
}

const appending = ({ terms }: Of<"AppendTerms">): Order => {
  const { fromEpoch, providerBps, shares, treasury, voucherSigner } = terms
  const given = {
    fromEpoch,
    providerBps,
    treasury: bytes(treasury),
    voucherSigner: bytes(voucherSigner),
    shares: shares.map(({ bps, party }) => ({ party: bytes(party), bps })),
  }
  return { data: encodeFunctionData({ abi, functionName: "appendTerms", args: [given] }) }
}

const settling = (act: Of<"Settle" | "SettleFrom">): Order => {
  const args = [bytes(act.provider), bytes(act.token), act.amount, bytes(act.requestId)] as const
  return act._tag === "Settle"
    ? { data: encodeFunctionData({ abi, functionName: "settle", args }) }
    : { data: encodeFunctionData({ abi, functionName: "settleFrom", args: [bytes(act.payer), ...args] }) }
}

const redeeming = ({ signature, voucher }: Of<"Redeem">): Order => {
  const { cumulative, epoch, provider, token } = voucher
  const given = { provider: bytes(provider), token: bytes(token), epoch, cumulative }
  return { data: encodeFunctionData({ abi, functionName: "redeem", args: [given, bytes(signature)] }) }
}

const ofEpoch = (act: Of<"ProposeEpoch" | "CancelEpoch" | "ApplyRoot" | "ApplyBatch">): Order => {
  const token = bytes(act.token)
  switch (act._tag) {
    case "ProposeEpoch": {
      const { boost, commitment, epoch, gross, kind } = act
      const args = [token, epoch, kinds.indexOf(kind), bytes(commitment), gross, boost] as const
      return { data: encodeFunctionData({ abi, functionName: "proposeEpoch", args }) }
    }
    case "CancelEpoch":
      return { data: encodeFunctionData({ abi, functionName: "cancelEpoch", args: [token, act.epoch] }) }
    case "ApplyRoot":
      return { data: encodeFunctionData({ abi, functionName: "applyRoot", args: [token, act.epoch] }) }
    case "ApplyBatch": {
      const args = [token, act.epoch, bytes(Entries.pack(act.entries))] as const
      return { data: encodeFunctionData({ abi, functionName: "applyBatch", args }) }
    }
  }
}

const claimOfRoot = ({ account, cumulative, proof, token }: Of<"ClaimRoot">, vault: Address): Order => {
  const args = [bytes(token), bytes(account), cumulative, proof.map(bytes)] as const
  return {
    data: encodeFunctionData({ abi: vaultAbi, functionName: "claim", args }),
    to: { contract: "RootVault", address: vault },
  }
}

const orderOf =
  (vault: Address) =>
  (act: SettlementAct): Order => {
    switch (act._tag) {
      case "Fund":
      case "FundBoost":
        return funding(act)
      case "RequestUnfund":
      case "CancelUnfund":
      case "Unfund":
        return unfunding(act)
      case "AppendTerms":
        return appending(act)
      case "Settle":
      case "SettleFrom":
        return settling(act)
      case "Claim":
        return { data: encodeFunctionData({ abi, functionName: "claim", args: [bytes(act.token)] }) }
      case "ClaimFor": {
        const args = [bytes(act.account), bytes(act.token)] as const
        return { data: encodeFunctionData({ abi, functionName: "claimFor", args }) }
      }
      case "Redeem":
        return redeeming(act)
      case "ProposeEpoch":
      case "CancelEpoch":
      case "ApplyRoot":
      case "ApplyBatch":
        return ofEpoch(act)
      case "ClaimRoot":
        return claimOfRoot(act, vault)
      case "PayMany": {
        const args = [bytes(act.token), bytes(act.batchId), bytes(Entries.pack(act.entries))] as const
        return { data: encodeFunctionData({ abi, functionName: "payMany", args }) }
      }
      case "Pause":
        return { data: encodeFunctionData({ abi, functionName: "pause" }) }
      case "Unpause":
        return { data: encodeFunctionData({ abi, functionName: "unpause" }) }
    }
  }

/**
 * The port over the contract at an address, which is looked at first, and so is its vault. Reads of one answer are of one block.
 *
 * The vault keeps no sum of what it owes: `rootPool` is what it holds, which is more where somebody sent it tokens.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* ({ address }: Options) {
  const { acting, at, chainId, head, holds, now } = yield* Ground.make("Settlement", address, abi)
  const read = yield* now
  const vault = Address.make(yield* read("rootVault", []))
  const inVault = yield* Ground.make("RootVault", vault, vaultAbi)
  if (Address.make(yield* (yield* inVault.now)("settlement", [])) !== address) {
    return yield* new ChainError({ reason: new ForeignContract({ contract: "RootVault", address: vault }) })
  }
  const terms: Settlement["Service"]["terms"] = {
    epochLengthS: yield* read("epochLength", []),
    challengeDelayS: yield* read("challengeDelay", []),
    termsDelayS: yield* read("roleDelay", []),
    unfundDelayS: yield* read("unfundDelay", []),
    voucherEpochs: yield* read("voucherEpochs", []),
  }
  const maxEntries = Number(yield* read("MAX_BATCH", []))
  const act = acting({ contract: "RootVault", address: vault })
  const order = orderOf(vault)
  return Settlement.of({
    capabilities: { pulls: true, atomicGrant: false, maxEntries },
    terms,
    domain: { chainId, contract: vault },
    act: Effect.fn("Settlement.act")((asked: SettlementAct) => act(asked, () => order(asked))),
    token: Effect.fn("Settlement.token")(function* (token: Address) {
      const block = yield* head
      const read = at(block)
      const [proposal, unfund, root] = yield* Effect.all([
        read("proposalOf", [bytes(token)]),
        read("unfundRequestOf", [bytes(token)]),
        inVault.at(block)("rootOf", [bytes(token)]),
      ])
      const { appliesAt, boost, commitment, epoch, gross, kind } = proposal
      const state: TokenState = {
        proposal: {
          kind: kinds[kind] ?? "None",
          epoch,
          appliesAtS: appliesAt,
          gross,
          boost,
          commitment: Bytes32.make(commitment),
        },
        unfund: {
          funded: unfund.funded,
          boost: unfund.boost,
          readyAtS: unfund.readyAt,
          expiresAtS: unfund.expiresAt,
        },
        root: Bytes32.make(root),
      }
      return state
    }),
    credit: Effect.fn("Settlement.credit")(function* (token: Address, account: Address) {
      const block = yield* head
      const args = [bytes(account), bytes(token)] as const
      return yield* Effect.all({ owed: at(block)("owedTo", args), rootClaimed: inVault.at(block)("claimedOf", args) })
    }),
    redeemed: Effect.fn("Settlement.redeemed")(function* (token: Address, provider: Address, epoch: number) {
      return yield* (yield* now)("redeemedOf", [bytes(provider), bytes(token), epoch])
    }),
    termsAt: Effect.fn("Settlement.termsAt")(function* (epoch: number) {
      const found = yield* (yield* now)("termsAt", [epoch])
      const known: Terms = {
        fromEpoch: found.fromEpoch,
        providerBps: found.providerBps,
        treasury: Address.make(found.treasury),
        voucherSigner: Address.make(found.voucherSigner),
        shares: found.shares.map(({ bps, party }) => ({ party: Address.make(party), bps })),
      }
      return known
    }),
    totals: Effect.fn("Settlement.totals")(function* (token: Address) {
      const block = yield* head
      const [owed, rootPool] = yield* Effect.all([at(block)("totals", [bytes(token)]), holds(token, vault, block)])
      return { ...owed, rootPool }
    }),
  })
})

/** {@link make} as a layer. @category layers @since 0.1.0 */
export const layer = (options: Options): Layer.Layer<Settlement, ChainError, Rpc | Sender | Signer> =>
  Layer.effect(Settlement, make(options))
