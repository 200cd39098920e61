/**
 * What a suite needs of a chain besides its ports: accounts with money, signatures, and time that can be moved. Whoever has a chain
 * of their own proves it by giving the suites a layer of this service with those of the ports.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import type { Address } from "../Address.ts"
import type { ChainError, Contract } from "../ChainError.ts"
import * as MemoryChain from "../MemoryChain.ts"
import type { Message, Signature } from "../Message.ts"

/**
 * A chain to try.
 *
 * - `contracts`: where the contracts are, so that what they hold can be compared with what they owe.
 * - `roles`: who holds which role, with `voucherSigner` and `treasury` of the first terms. No two are one account, and all can act.
 * - `account`: one that nobody used before and that can act and sign. `token`: one like it.
 * - `fund` gives an account tokens, `allow` lets the settlement take from a payer, `refuse` has a token refuse an account.
 * - `advance` moves the chain's time by so many seconds, and may take a few more.
 *
 * @category services
 * @since 0.1.0
 */
export class ChainTestbed extends Context.Service<
  ChainTestbed,
  {
    readonly contracts: Readonly<Record<Contract, Address>>
    readonly roles: Readonly<Record<string, Address>>
    readonly account: Effect.Effect<Address, ChainError>
    readonly token: Effect.Effect<Address, ChainError>
    readonly fund: (account: Address, token: Address, amount: bigint) => Effect.Effect<void, ChainError>
    readonly allow: (owner: Address, token: Address, amount: bigint) => Effect.Effect<void, ChainError>
    readonly refuse: (token: Address, account: Address) => Effect.Effect<void, ChainError>
    readonly balance: (account: Address, token: Address) => Effect.Effect<bigint, ChainError>
    readonly sign: (by: Address, message: Message) => Effect.Effect<Signature, ChainError>
    readonly nowS: Effect.Effect<number, ChainError>
    readonly advance: (seconds: number) => Effect.Effect<void, ChainError>
  }
>()("@guildhall/chain/ChainTestbed") {}

const testbed = Effect.gen(function* () {
  const chain = yield* MemoryChain.MemoryChain
  const fresh = Effect.sync(() => MemoryChain.addressOf(globalThis.crypto.randomUUID()))
  return ChainTestbed.of({
    contracts: chain.addresses,
    roles: {
      ...chain.roles,
      voucherSigner: MemoryChain.addressOf("voucherSigner"),
      treasury: MemoryChain.addressOf("treasury"),
    },
    account: fresh,
    token: fresh,
    fund: (account, token, amount) => chain.mint(token, account, amount),
    allow: (owner, token, amount) => chain.allow(token, owner, amount),
    refuse: (token, account) => chain.block(token, account),
    balance: (account, token) => chain.balance(token, account),
    sign: (by, message) => Effect.sync(() => chain.sign(by, message)),
    nowS: chain.nowS,
    advance: (seconds) => TestClock.adjust(seconds * 1_000),
  })
})

/**
 * The chain in memory, to try. It needs the virtual clock of a test.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (options: MemoryChain.Options = {}) =>
  Layer.effect(ChainTestbed, testbed).pipe(
    Layer.provideMerge(MemoryChain.layer({ genesisS: 1_800_000_000, ...options })),
  )
