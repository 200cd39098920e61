/**
 * What a deployment will do, before anything is sent: which contracts are created and where, what it costs, and whether the contracts
 * take the settings. Each constructor is run on a copy of the chain's state, those that ask another contract as well, so that nobody
 * pays for four contracts and hears then that the fifth cannot be.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Address } from "@guildhall/chain/Address"
import * as ChainError from "@guildhall/chain/ChainError"
import * as Bytecode from "./bytecode/index.ts"
import * as Deploy from "./Deploy.ts"
import type { DeploySettings } from "./DeploySettings.ts"
import * as ChainReads from "./internal/ChainReads.ts"
import * as Creations from "./internal/Creations.ts"
import * as GasPrice from "./internal/GasPrice.ts"
import * as TokenFacts from "./internal/TokenFacts.ts"
import { type Bytes, bytes } from "./internal/Viem.ts"
import * as Rpc from "./Rpc.ts"
import { type RpcError, toChainError } from "./RpcError.ts"
import type { Found } from "./Token.ts"

/**
 * One contract. `gas` is what its creation will use, zero where it stands already; `isTried` is false where the endpoints cannot try it
 * before the others stand, and then `gas` is reckoned from its size. An explorer that is shown the source asks for
 * `constructorArguments`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Planned {
  readonly contract: Creations.Name
  readonly address: Address
  readonly isThere: boolean
  readonly isTried: boolean
  readonly gas: bigint
  readonly constructorArguments: Bytes
}

/**
 * The whole. Prices are of a unit of gas: what it costs now, and what is bid at most. `needsWei` is what the account must have for the
 * sender to begin: the bid for all, with the sender's margin for the dearest. A rollup's fee for data comes on top of `costWei`.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeployPlan {
  readonly by: Address
  readonly contracts: ReadonlyArray<Planned>
  readonly tokens: { readonly stake: Found; readonly bond: Found }
  readonly gas: bigint
  readonly priceWei: bigint
  readonly mostWei: bigint
  readonly costWei: bigint
  readonly needsWei: bigint
  readonly hasWei: bigint
}

type Overrides = Readonly<Record<string, { readonly code: Bytes }>>

/** More than any of them: a unit for each byte of calldata and of code, and what constructors write. */
const reckoned = (code: Bytes): bigint => 216n * BigInt(code.length / 2) + 1_000_000n

/** Runs a constructor as if the contracts before it stood. Answers its code, and what creating it uses. */
const tryOut = Effect.fnUntraced(function* (by: Address, creation: Creations.Creation, before: Overrides) {
  const rpc = yield* Rpc.Rpc
  const { code, name, salt } = creation
  const isAlone = Object.keys(before).length === 0
  const further = isAlone ? [] : [before]
  const made = yield* Effect.result(rpc.request("eth_call", [{ from: by, data: code }, "latest", ...further]))
  if (made._tag === "Failure") {
    const isRevert = Option.isSome(ChainReads.revertOf(made.failure))
    if (isRevert || isAlone || made.failure.reason._tag !== "NodeRefused") {
      return yield* Deploy.unsuitable(name, made.failure)
    }
    return undefined
  }
  const call = { from: by, to: Creations.FACTORY, data: `${salt}${code.slice(2)}` }
  const gas = yield* Effect.option(rpc.request("eth_estimateGas", [call, "latest", ...further]))
  if (Option.isNone(gas) || !/^0x[0-9a-f]{1,16}$/i.test(String(gas.value))) return undefined
  return { code: bytes(String(made.success)), gas: BigInt(String(gas.value)) }
})

const creationCodes: Readonly<Record<Creations.Name, Bytes>> = {
  Staking: Bytecode.Staking.creation,
  InsurancePool: Bytecode.InsurancePool.creation,
  Settlement: Bytecode.Settlement.creation,
  Channel: Bytecode.Channel.creation,
  ProviderBond: Bytecode.ProviderBond.creation,
  ValidatorRegistry: Bytecode.ValidatorRegistry.creation,
}

const contractsOf = Effect.fnUntraced(function* (by: Address, settings: DeploySettings) {
  const reads = ChainReads.make(yield* Rpc.Rpc)
  const six = Creations.of(settings)
  const planned: Array<Planned> = []
  let before: Overrides = {}
  for (const contract of Creations.ORDER) {
    const { address, code } = six[contract]
    const constructorArguments = bytes(`0x${code.slice(creationCodes[contract].length)}`)
    const known = { contract, address, constructorArguments }
    const head = yield* Effect.mapError(reads.head, toChainError)
    const isThere = (yield* Effect.mapError(reads.code(address, head), toChainError)) !== "0x"
    if (isThere) {
      planned.push({ ...known, isThere, isTried: true, gas: 0n })
      continue
    }
    const asks = contract === "ProviderBond" || contract === "ValidatorRegistry"
    const tried = yield* tryOut(by, six[contract], asks ? before : {})
    if (tried !== undefined) before = { ...before, [address]: { code: tried.code } }
    planned.push({ ...known, isThere, isTried: tried !== undefined, gas: tried?.gas ?? reckoned(code) })
  }
  return planned
})

const pricesOf = Effect.fnUntraced(function* () {
  const rpc = yield* Rpc.Rpc
  const reads = ChainReads.make(rpc)
  const { fees, name } = rpc.chain
  const block = yield* Effect.flatMap(reads.head, reads.block)
  if (block === undefined) {
    const detail = `${name}'s newest block is not there.`
    return yield* new ChainError.ChainError({ reason: new ChainError.Unavailable({ detail }) })
  }
  const price = yield* GasPrice.suggest(reads, fees, fees.maxFeeCapWei, block)
  const mostWei = GasPrice.highest(price)
  const now = price.style === "legacy" ? price.priceWei : (block.baseFeeWei ?? 0n) + price.tipWei
  return { mostWei, priceWei: now < mostWei ? now : mostWei }
})

const ofRpc = <A, R>(effect: Effect.Effect<A, RpcError | ChainError.ChainError, R>) =>
  Effect.mapError(effect, (error) => (error._tag === "RpcError" ? toChainError(error) : error))

/** What the sender adds to an estimate: half of it, and five slots. */
const margin = (gas: bigint): bigint => gas / 2n + 110_500n

/**
 * Asks the chain, and sends nothing; `by` needs no key for it. Fails with `InvalidInput` where the contracts do not take the
 * settings, where a token is none, and where the chain cannot create contracts at addresses known before.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fn("DeployPlan.make")(function* (by: Address, settings: DeploySettings) {
  const reads = ChainReads.make(yield* Rpc.Rpc)
  yield* Deploy.checkFactory
  const tokens = {
    stake: yield* TokenFacts.find(settings.staking.token),
    bond: yield* TokenFacts.find(settings.insurance.token),
  }
  const contracts = yield* contractsOf(by, settings)
  const { mostWei, priceWei } = yield* ofRpc(pricesOf())
  const gas = contracts.reduce((sum, one) => sum + one.gas, 0n)
  const dearest = contracts.reduce((most, one) => (one.gas > most ? one.gas : most), 0n)
  const plan: DeployPlan = {
    by,
    contracts,
    tokens,
    gas,
    priceWei,
    mostWei,
    costWei: gas * priceWei,
    needsWei: gas === 0n ? 0n : (gas + margin(dearest)) * mostWei,
    hasWei: yield* ofRpc(reads.balance(by)),
  }
  return plan
})
