/**
 * Puts a market's contracts on a chain. Where each stands follows from its code and settings, so it is known before, the same
 * whoever deploys, and nothing is done twice: what already stands there is looked at and left.
 *
 * They are created one after the other, always in the same order. So a process that dies leaves one transaction in a pool at most, and
 * the next one, even without a memory of it, signs the same creation for the same nonce: whichever of the two is included, it is the
 * one that was wanted, and nothing is paid for twice.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { decodeFunctionResult, encodeFunctionData, keccak256, parseAbi } from "viem/utils"
import * as Address from "@guildhall/chain/Address"
import * as ChainError from "@guildhall/chain/ChainError"
import * as ContractCheck from "./ContractCheck.ts"
import * as ContractError from "./ContractError.ts"
import type { DeploySettings } from "./DeploySettings.ts"
import * as ChainReads from "./internal/ChainReads.ts"
import * as Creations from "./internal/Creations.ts"
import { bytes } from "./internal/Viem.ts"
import * as Rpc from "./Rpc.ts"
import { type RpcError, toChainError as ofRpc } from "./RpcError.ts"
import * as Sender from "./Sender.ts"
import { toChainError as ofSender } from "./SenderError.ts"

/**
 * Where a market's contracts stand. An indexer begins at `fromBlock`, before which none of them was there.
 *
 * @category models
 * @since 0.1.0
 */
export interface Deployed {
  readonly chainId: number
  readonly fromBlock: number
  readonly staking: Address.Address
  readonly insurance: Address.Address
  readonly bond: Address.Address
  readonly settlement: Address.Address
  readonly rootVault: Address.Address
  readonly validators: Address.Address
  readonly channel: Address.Address
}

/** What a constructor refuses: the settings cannot be. @category errors @since 0.1.0 */
export const unsuitable = (name: string, error: RpcError): ChainError.ChainError =>
  Option.match(ChainReads.revertOf(error), {
    onNone: () => ofRpc(error),
    onSome: ({ data, detail }) => {
      const { figures, rule } = data === null ? { rule: detail, figures: {} } : ContractError.decode(data)
      const named = Object.entries(figures).map(([figure, value]) => `${figure} ${String(value)}`)
      const why = `${rule}${named.length === 0 ? "" : ` (${named.join(", ")})`}`
      return ChainError.invalid(`${name} cannot be made with these settings: ${why}. Change them, and deploy again.`)
    },
  })

/** A chain for development may be begun anew under the same number: what was sent to the one before is not sent to it. */
const keyOf = Effect.fnUntraced(function* ({ code, name, salt }: Creations.Creation) {
  const first = yield* Effect.mapError(ChainReads.make(yield* Rpc.Rpc).block(0n), ofRpc)
  const parts = [first?.hash ?? "", keccak256(code), salt].map((hash) => hash.slice(2, 14))
  return `deploy:${name}:${parts.join(":")}`
})

/** The first block in which one of these was created, as far as the sender knows; zero where it does not. */
const begunAt = Effect.fnUntraced(function* (creations: ReadonlyArray<Creations.Creation>) {
  const sender = yield* Sender.Sender
  const sent = yield* Effect.forEach(creations, (one) =>
    Effect.flatMap(keyOf(one), (key) => Effect.mapError(sender.find(key), ofSender)),
  )
  const blocks = sent.map((one) => Number(one?.place?.blockNumber ?? 0n))
  return Math.min(...blocks)
})

/** How often it is looked whether a contract stands that another process has sent: in blocks. */
const LOOK_BLOCKS = 5
/** For how long a creation is waited for that somebody else has sent. */
const PATIENCE = "2 minutes"

const codeNow = (address: Address.Address) =>
  Effect.flatMap(Rpc.Rpc, (rpc) => {
    const reads = ChainReads.make(rpc)
    return Effect.mapError(
      Effect.flatMap(reads.head, (at) => reads.code(address, at)),
      ofRpc,
    )
  })

/** Waits until something stands there. That the chain cannot be asked for a while ends nothing. */
const untilStanding = Effect.fnUntraced(function* (address: Address.Address) {
  const { chain } = yield* Rpc.Rpc
  for (;;) {
    yield* Effect.sleep(LOOK_BLOCKS * chain.blockTimeMs)
    const code = yield* Effect.orElseSucceed(codeNow(address), () => "0x")
    if (code !== "0x") return
  }
})

/**
 * Creates what is not there yet. The account `by` pays for it, and has no say in it afterwards.
 *
 * @category combinators
 * @since 0.1.0
 */
export const create = Effect.fnUntraced(function* (by: Address.Address, creation: Creations.Creation) {
  const rpc = yield* Rpc.Rpc
  const sender = yield* Sender.Sender
  const reads = ChainReads.make(rpc)
  const { address, code, name, salt } = creation
  if ((yield* codeNow(address)) !== "0x") return address
  // The factory keeps a constructor's reasons to itself, so the constructor is asked before.
  yield* Effect.mapError(reads.call({ from: by, to: null, data: code }), (error) => unsuitable(name, error))
  const idempotencyKey = yield* keyOf(creation)
  const data = bytes(`${salt}${code.slice(2)}`)
  const sent = Effect.catchIf(
    sender.send({ idempotencyKey, by, to: Creations.FACTORY, data }),
    ({ reason }) => reason._tag === "Reverted",
    // The constructor takes it, and the factory refuses: another process has just created it, or its creation is in a pool.
    (error) => Effect.andThen(Effect.sleep(PATIENCE), Effect.fail(error)),
  )
  // What a process that died has sent may be included instead: then ours never is, and is not waited for.
  yield* Effect.raceFirst(Effect.asVoid(Effect.mapError(sent, ofSender)), untilStanding(address))
  if ((yield* codeNow(address)) === "0x") {
    const detail = `${name} was sent to the chain and does not stand at ${address} yet.`
    return yield* new ChainError.ChainError({ reason: new ChainError.Undecided({ idempotencyKey, detail }) })
  }
  return address
})

const vaultAbi = parseAbi(["function rootVault() view returns (address)"])

/**
 * Where the contracts of these settings stand, or will: nothing is asked. The vault of roots is created by `Settlement` itself and
 * is not among them.
 *
 * @category accessors
 * @since 0.1.0
 */
export const addresses = (settings: DeploySettings): Omit<Deployed, "chainId" | "fromBlock" | "rootVault"> => {
  const six = Creations.of(settings)
  return {
    staking: six.Staking.address,
    insurance: six.InsurancePool.address,
    bond: six.ProviderBond.address,
    settlement: six.Settlement.address,
    validators: six.ValidatorRegistry.address,
    channel: six.Channel.address,
  }
}

/**
 * Checks that a market's contracts stand at these addresses, are ours, and belong together. Answers the vault of roots.
 *
 * @category checks
 * @since 0.1.0
 */
export const check = Effect.fn("Deploy.check")(function* (
  at: Omit<Deployed, "fromBlock" | "rootVault">,
  tokens: { readonly stake: Address.Address; readonly bond: Address.Address },
) {
  const rpc = yield* Rpc.Rpc
  if (rpc.chain.id !== at.chainId) {
    const reason = new ChainError.WrongChain({ expected: at.chainId, found: rpc.chain.id })
    return yield* new ChainError.ChainError({ reason })
  }
  yield* ContractCheck.check("Staking", at.staking, { token: tokens.stake })
  yield* ContractCheck.check("InsurancePool", at.insurance, { token: tokens.bond })
  yield* ContractCheck.check("ProviderBond", at.bond, { token: tokens.bond, insurance: at.insurance })
  yield* ContractCheck.check("ValidatorRegistry", at.validators, {
    token: tokens.bond,
    insurance: at.insurance,
    bond: at.bond,
  })
  yield* ContractCheck.check("Channel", at.channel)
  yield* ContractCheck.check("Settlement", at.settlement)
  const reads = ChainReads.make(rpc)
  const call = reads.call({ to: at.settlement, data: encodeFunctionData({ abi: vaultAbi }) })
  const answer = bytes(yield* Effect.mapError(call, ofRpc))
  const rootVault = Address.Address.make(decodeFunctionResult({ abi: vaultAbi, data: answer }))
  yield* ContractCheck.check("RootVault", rootVault, { settlement: at.settlement })
  return rootVault
})

/**
 * Refuses a chain that has no factory. Every deployment needs it.
 *
 * @category checks
 * @since 0.1.0
 */
export const checkFactory = Effect.gen(function* () {
  const { chain } = yield* Rpc.Rpc
  if ((yield* codeNow(Creations.FACTORY)) !== "0x") return
  return yield* ChainError.invalid(
    `${chain.name} has no program at ${Creations.FACTORY} that creates contracts at addresses known before. Put it there first: docs/adding-a-chain.md says how.`,
  )
})

/**
 * Creates a market's contracts, those that are not there yet, and checks all of them. `by` needs the coin for the gas and a key;
 * `fromBlock` is zero where another process created one of them. `told` hears of each one that stands.
 *
 * @category constructors
 * @since 0.1.0
 */
export const deploy = Effect.fn("Deploy.deploy")(function* (
  by: Address.Address,
  settings: DeploySettings,
  told: (contract: ChainError.Contract, address: Address.Address) => Effect.Effect<void> = () => Effect.void,
) {
  const rpc = yield* Rpc.Rpc
  yield* checkFactory
  const six = Creations.of(settings)
  for (const name of Creations.ORDER) yield* told(name, yield* create(by, six[name]))
  const at = { chainId: rpc.chain.id, ...addresses(settings) }
  const tokens = { stake: settings.staking.token, bond: settings.insurance.token }
  const rootVault = yield* check(at, tokens)
  return { ...at, rootVault, fromBlock: yield* begunAt(Object.values(six)) } satisfies Deployed
})
