/**
 * A chain in memory: all six ports over pure transitions, with the rules, the rounding and the refusals of the contracts. Use it in
 * tests, in simulations, and where a market has no chain. Its time is Effect's clock, in whole seconds.
 *
 * Its signatures prove nothing to anybody: {@link sign} makes one for every account. Do not let strangers bring any.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Act from "./Act.ts"
import type * as Address from "./Address.ts"
import { BondVault } from "./BondVault.ts"
import * as ChainError from "./ChainError.ts"
import type { ChainEvent } from "./ChainEvent.ts"
import * as Hex from "./Hex.ts"
import { InsuranceVault } from "./InsuranceVault.ts"
import * as Balances from "./memory/Balances.ts"
import * as Genesis from "./memory/Genesis.ts"
import * as MemoryPorts from "./memory/Ports.ts"
import * as Signatures from "./memory/Signatures.ts"
import * as World from "./memory/World.ts"
import type { Message, Signature } from "./Message.ts"
import { PaymentChannel } from "./PaymentChannel.ts"
import { Settlement } from "./Settlement.ts"
import { StakeBook } from "./StakeBook.ts"
import { ValidatorSet } from "./ValidatorSet.ts"

/**
 * Under which terms its contracts stand. What is left out is as in the reference market of stakes and bonds.
 *
 * - `genesisS` is added to the clock, so that a clock that begins at 0 has epochs behind it.
 * - `roles` says who holds which role; the others are held by addresses made from their names ({@link addressOf}).
 * - `addresses` says where contracts stand; the others stand at addresses made from their names. With those of another chain, its
 *   roots, its claims and the ids of its channels are good here.
 * - `entropy` is what the draw of a job that is opened now is mixed with; it follows from the chain's own blocks if nothing is
 *   said. With that of another chain, the same validators are drawn here.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = Genesis.Options

/**
 * The address that stands for a name in memory: its last twenty bytes of a hash, which nobody has a key for.
 *
 * @category constructors
 * @since 0.1.0
 */
export const addressOf: (name: string) => Address.Address = Genesis.addressOf

/** The names of all roles. @category constants @since 0.1.0 */
export const ROLES = Genesis.ROLES

/**
 * What can be done with a chain in memory beside its ports.
 *
 * - `mint` gives an account tokens; `balance` is what it holds. `allow` lets the settlement take from a payer. `block` has a token
 *   refuse an account.
 * - `sign` signs as any account, for the contract that the message is for.
 * - `events` lists what was emitted after so many events, in order, at most `limit`.
 * - `snapshot` keeps a moment and `restore` goes back to it, as a reorganisation does.
 *
 * @category services
 * @since 0.1.0
 */
export class MemoryChain extends Context.Service<
  MemoryChain,
  {
    readonly chainId: number
    readonly token: Address.Address
    readonly addresses: World.Setting["addresses"]
    readonly roles: World.Setting["roles"]
    readonly nowS: Effect.Effect<number>
    readonly mint: (token: Address.Address, account: Address.Address, amount: bigint) => Effect.Effect<void>
    readonly balance: (token: Address.Address, account: Address.Address) => Effect.Effect<bigint>
    readonly allow: (token: Address.Address, owner: Address.Address, amount: bigint) => Effect.Effect<void>
    readonly block: (token: Address.Address, account: Address.Address) => Effect.Effect<void>
    readonly sign: (by: Address.Address, message: Message) => Signature
    readonly events: (after: number, limit: number) => Effect.Effect<ReadonlyArray<ChainEvent>>
    readonly snapshot: Effect.Effect<World.World>
    readonly restore: (world: World.World) => Effect.Effect<void>
  }
>()("@guildhall/chain/MemoryChain") {}

const make = Effect.fnUntraced(function* (options: Options) {
  const setting = Genesis.settingOf(options)
  const nowS = Effect.map(
    Clock.currentTimeMillis,
    (nowMs) => (options.genesisS ?? 0) + Math.floor(Number(nowMs) / 1_000),
  )
  const contracts = Genesis.contractsOf(options, setting.addresses.RootVault, yield* nowS)
  let world: World.World = {
    ...contracts,
    balances: Balances.empty,
    blockNumber: 0,
    blockHash: Hex.word(0n),
    known: HashMap.empty(),
    events: HashMap.empty(),
  }
  const act = Effect.fnUntraced(function* (move: World.Move) {
    const problem = Act.problemOf(move.act)
    if (problem !== undefined) return yield* ChainError.invalid(problem)
    const digest = Act.digestOf(move.contract, move.act)
    const known = World.knownOf(world, move.act.idempotencyKey)
    if (known !== undefined) {
      if (known.digest !== digest) return yield* ChainError.conflict(move.act.idempotencyKey)
      return known.act
    }
    const done = World.apply(world, move, digest, setting, yield* nowS)
    if (Result.isFailure(done)) {
      const contract = move.act._tag === "ClaimRoot" ? "RootVault" : move.contract
      return yield* ChainError.refused(contract, done.failure.rule, done.failure.figures)
    }
    world = done.success.world
    return done.success.act
  })
  const changed = (change: (balances: Balances.Balances) => Balances.Balances) =>
    Effect.sync(() => {
      world = { ...world, balances: change(world.balances) }
    })
  const chain = MemoryChain.of({
    chainId: setting.chainId,
    token: contracts.staking.terms.token,
    addresses: setting.addresses,
    roles: setting.roles,
    nowS,
    mint: (token, account, amount) => changed((balances) => Balances.mint(balances, token, account, amount)),
    balance: (token, account) => Effect.sync(() => Balances.held(world.balances, token, account)),
    allow: (token, owner, amount) =>
      changed((balances) => Balances.allow(balances, { token, owner, spender: setting.addresses.Settlement, amount })),
    block: (token, account) => changed((balances) => Balances.block(balances, token, account)),
    sign: (by, message) =>
      Signatures.sign(
        { chainId: setting.chainId, contract: setting.addresses[Signatures.contractOf(message)] },
        by,
        message,
      ),
    events: (after, limit) =>
      Effect.sync(() => {
        const count = Math.max(0, Math.min(limit, HashMap.size(world.events) - after))
        return Array.from({ length: count }, (_, at) => HashMap.getUnsafe(world.events, after + at))
      }),
    snapshot: Effect.sync(() => world),
    restore: (before) =>
      Effect.sync(() => {
        world = before
      }),
  })
  return { chain, act, setting, nowS, world: () => world }
})

/**
 * A chain in memory with all six ports.
 *
 * **Example** (A stake in, and its standing)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { MemoryChain, StakeBook } from "@guildhall/chain"
 *
 * const program = Effect.gen(function* () {
 *   const chain = yield* MemoryChain.MemoryChain
 *   const stakes = yield* StakeBook.StakeBook
 *   const ann = MemoryChain.addressOf("ann")
 *   yield* chain.mint(chain.token, ann, 100n)
 *   yield* stakes.act({ _tag: "Stake", by: ann, idempotencyKey: "stake-1", amount: 100n })
 *   const { active, aged } = yield* stakes.standing(ann)
 *   return [active, aged]
 * })
 * Effect.runSync(Effect.provide(program, MemoryChain.layer())) // => [100n, 0n]
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {},
): Layer.Layer<MemoryChain | StakeBook | BondVault | Settlement | InsuranceVault | ValidatorSet | PaymentChannel> =>
  Layer.effectContext(
    Effect.map(make(options), (memory) =>
      Context.make(MemoryChain, memory.chain).pipe(
        Context.add(StakeBook, MemoryPorts.stakeBook(memory)),
        Context.add(BondVault, MemoryPorts.bondVault(memory)),
        Context.add(Settlement, MemoryPorts.settlement(memory)),
        Context.add(InsuranceVault, MemoryPorts.insuranceVault(memory)),
        Context.add(ValidatorSet, MemoryPorts.validatorSet(memory)),
        Context.add(PaymentChannel, MemoryPorts.paymentChannel(memory)),
      ),
    ),
  )
