/**
 * The market whose transactions are counted: a settlement and its token on anvil, with every address, amount and time fixed, so
 * that what is written into blocks is the same on every machine.
 */
import * as RootVault from "@guildhall/chain-evm/abi/RootVault"
import * as Settlement from "@guildhall/chain-evm/abi/Settlement"
import * as Usd from "@guildhall/chain-evm/abi/Usd"
import * as SettlementCode from "@guildhall/chain-evm/bytecode/Settlement"
import * as UsdCode from "@guildhall/chain-evm/bytecode/Usd"
import * as Signer from "@guildhall/chain-evm/Signer"
import * as TypedMessage from "@guildhall/chain-evm/TypedMessage"
import * as Address from "@guildhall/chain/Address"
import type * as CumulativeTree from "@guildhall/chain/CumulativeTree"
import * as Hex from "@guildhall/chain/Hex"
import * as Keccak from "@guildhall/chain/Keccak"
import type * as Message from "@guildhall/chain/Message"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { type Abi, encodeDeployData, encodeFunctionData, isHex, toHex } from "viem"
import * as Anvil from "../Anvil.ts"

/** How long an epoch is. */
export const EPOCH_S = 3_600
/** How long an epoch can be challenged. */
export const CHALLENGE_S = 1_800
const EXIT_S = 48 * 3_600
const START_S = 1_800_000_000 - (1_800_000_000 % EPOCH_S)
const GAS_MAX = toHex(29_000_000)

/** A chain that does what it is told: transactions of any sender, one block each, at the times that are set. */
export const chain = Anvil.layer({ timestampS: START_S, args: ["--hardfork", "cancun", "--auto-impersonate"] })

const hashOf = (text: string): Uint8Array => Keccak.keccak256(new TextEncoder().encode(text))

/** An address that looks like any other: no zeros that would make calldata cheaper. */
export const addressOf = (name: string): Address.Address =>
  Address.fromBytes(hashOf(`guildhall gas ${name}`).subarray(12))

/** The id of a request, of a batch, of whatever has one. */
export const idOf = (name: string): Hex.Bytes32 => Hex.bytes32(hashOf(`guildhall gas id ${name}`))

/** What viem takes for bytes. */
const bytes = (text: unknown): `0x${string}` => {
  if (!isHex(text)) throw new TypeError(`${String(text)} is not hexadecimal.`)
  return text
}

const addressIn = (word: unknown): Address.Address => Address.fromBytes(Hex.toBytes(bytes(word)).slice(-20))

interface Receipt {
  readonly contractAddress: string | null
  readonly gasUsed: string
  readonly status: string
}

/** A contract's method and what it is given. */
type Call = readonly [method: string, ...args: ReadonlyArray<unknown>]

const dataOf = (abi: Abi, [functionName, ...args]: Call) => encodeFunctionData({ abi, functionName, args })

/** Sends a transaction; its gas is 21,000, calldata, execution and refund together. */
const send = Effect.fnUntraced(function* (from: Address.Address, to: Address.Address | undefined, data: string) {
  const anvil = yield* Anvil.Anvil
  yield* anvil.request("anvil_setBalance", [from, toHex(10n ** 24n)])
  const transaction = { from, ...(to === undefined ? {} : { to }), data, gas: GAS_MAX }
  const receipt = (yield* anvil.request("eth_sendTransactionSync", [transaction])) as Receipt
  if (receipt.status === "0x1") return receipt
  // Asked again it is refused in words, which are the defect that ends the measurement.
  yield* anvil.request("eth_call", [transaction, "latest"])
  return yield* Effect.die(new Error(`A transaction to ${to} failed.`))
})

const create = (by: Address.Address, data: string) =>
  Effect.map(send(by, undefined, data), ({ contractAddress }) => addressIn(contractAddress))

/** The contracts, and what is done with them. Each act answers its gas. */
export interface GasMarket {
  readonly operator: Address.Address
  readonly settlement: Address.Address
  /** Whose leaves the epochs' trees have. */
  readonly domain: CumulativeTree.Domain
  readonly onToken: (from: Address.Address, ...call: Call) => Effect.Effect<number, never, Anvil.Anvil>
  readonly onSettlement: (from: Address.Address, ...call: Call) => Effect.Effect<number, never, Anvil.Anvil>
  readonly onVault: (from: Address.Address, ...call: Call) => Effect.Effect<number, never, Anvil.Anvil>
  readonly epoch: Effect.Effect<number, never, Anvil.Anvil>
  /** Signs as the one whose vouchers the settlement takes. */
  readonly sign: (voucher: Message.Voucher) => Effect.Effect<string>
}

/** Deploys the market, with money to settle. */
export const make = Effect.gen(function* () {
  const anvil = yield* Anvil.Anvil
  const deployer = addressOf("deployer")
  const operator = addressOf("operator")
  const funder = addressOf("funder")
  const signer = yield* Effect.orDie(Signer.make([Redacted.make(bytes(idOf("signer")))]))
  const voucherSigner = Option.getOrThrow(Option.fromNullishOr(signer.addresses[0]))
  const holders = {
    governor: bytes(addressOf("governor")),
    pauser: bytes(addressOf("pauser")),
    curator: bytes(addressOf("curator")),
    funder: bytes(funder),
    operator: bytes(operator),
    challenger: bytes(addressOf("challenger")),
  }
  const config = { epochLength: EPOCH_S, challengeDelay: CHALLENGE_S, unfundDelay: EXIT_S, voucherEpochs: 24 }
  const terms = {
    fromEpoch: 0,
    providerBps: 9_000,
    treasury: bytes(addressOf("treasury")),
    voucherSigner: bytes(voucherSigner),
    shares: [],
  }
  const token = yield* create(deployer, UsdCode.creation)
  const args = [EXIT_S, holders, config, terms] as const
  const creation = encodeDeployData({ abi: Settlement.abi, bytecode: SettlementCode.creation, args })
  const settlement = yield* create(deployer, creation)
  const ask = (method: string) =>
    anvil.request("eth_call", [{ to: settlement, data: dataOf(Settlement.abi, [method]) }, "latest"])
  const vault = addressIn(yield* ask("rootVault"))
  const on = (abi: Abi, to: Address.Address): GasMarket["onToken"] => {
    return (from, ...call) => Effect.map(send(from, to, dataOf(abi, call)), ({ gasUsed }) => Number(gasUsed))
  }
  const market: GasMarket = {
    operator,
    settlement,
    domain: { chainId: anvil.chainId, contract: vault, token },
    onToken: on(Usd.abi, token),
    onSettlement: on(Settlement.abi, settlement),
    onVault: on(RootVault.abi, vault),
    epoch: Effect.map(ask("currentEpoch"), Number),
    sign: (voucher) =>
      signer
        .signTypedData(voucherSigner, TypedMessage.make(voucher, { chainId: anvil.chainId, contract: settlement }))
        .pipe(Effect.orDie),
  }
  yield* market.onToken(deployer, "mint", funder, 10n ** 15n)
  yield* market.onToken(funder, "approve", settlement, 10n ** 15n)
  yield* market.onSettlement(funder, "fund", token, 10n ** 14n)
  return market
})
