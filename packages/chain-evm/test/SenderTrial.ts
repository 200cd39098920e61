/** A sender on a real chain, for tests: with the accounts `alice` and `bob`, and what is in its pool. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Redacted from "effect/Redacted"
import { Address } from "@guildhall/chain/Address"
import type * as Chain from "../src/Chain.ts"
import { anvil as anvilChain } from "../src/chains/anvil.ts"
import * as Rpc from "../src/Rpc.ts"
import * as Sender from "../src/Sender.ts"
import * as SenderStore from "../src/SenderStore.ts"
import * as Signer from "../src/Signer.ts"
import * as Anvil from "@guildhall/tools/Anvil"

/** Anvil, looked at often. */
export const chain: Chain.Chain = { ...anvilChain, blockTimeMs: 40, confirmations: 2, finalityDepth: 8 }

export const nobody = Address.make("0x000000000000000000000000000000000000dEaD")

/** The Rpc of the test's chain. */
export const rpc = (over: Chain.Chain = chain) =>
  Layer.unwrap(Effect.map(Anvil.Anvil, ({ url }) => Rpc.layer({ chain: over, endpoints: [Redacted.make(url)] }))).pipe(
    Layer.provide(FetchHttpClient.layer),
  )

/** A signer with the keys of these accounts. */
export const signer = (...names: ReadonlyArray<string>) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const anvil = yield* Anvil.Anvil
      const accounts = yield* Effect.forEach(names, anvil.account)
      return Layer.orDie(Signer.layerMemory(accounts.map(({ privateKey }) => privateKey)))
    }),
  )

/** A sender over its own or a given store. */
export const sender = (options: Sender.Options = {}) => Sender.layer({ pollMs: 15, stuckMs: 60_000, ...options })

/** Rpc, signer, store in memory, and a sender over them. */
export const layer = (options: Sender.Options = {}, over: Chain.Chain = chain) =>
  sender(options).pipe(Layer.provideMerge(Layer.mergeAll(rpc(over), signer("alice", "bob"), SenderStore.layerMemory)))

/** The address of a name. */
export const address = (name: string) =>
  Effect.flatMap(Anvil.Anvil, (anvil) => Effect.map(anvil.account(name), (account) => Address.make(account.address)))

/** A transaction that pays a wei to nobody. */
export const pay = (by: Address, idempotencyKey: string, valueWei = 1n): Sender.Request => ({
  idempotencyKey,
  by,
  to: nobody,
  data: "0x",
  valueWei,
})

/** What nobody has. */
export const paid = Effect.flatMap(Anvil.Anvil, (anvil) =>
  Effect.map(anvil.request("eth_getBalance", [nobody, "latest"]), (balance) => BigInt(String(balance))),
)

/** How many transactions of an account are in the chain. */
export const nonceOf = (by: Address) =>
  Effect.flatMap(Anvil.Anvil, (anvil) => Effect.map(anvil.request("eth_getTransactionCount", [by, "latest"]), Number))

/** Waits until so many transactions wait for a block. */
export const pooled = (count: number) =>
  Effect.flatMap(Anvil.Anvil, (anvil) =>
    until(
      Effect.map(
        anvil.request("txpool_status"),
        (pool) => Number((pool as { readonly pending: string }).pending) === count,
      ),
    ),
  )

/** Makes a fork, and waits until all that these accounts sent is in the chain again. */
export const survived = Effect.fnUntraced(function* <E, R>(
  accounts: ReadonlyArray<Address>,
  fork: Effect.Effect<unknown, E, R>,
) {
  const before = yield* Effect.forEach(accounts, nonceOf)
  yield* fork
  yield* until(
    Effect.map(Effect.forEach(accounts, nonceOf), (now) => now.every((nonce, at) => nonce >= (before[at] ?? 0))),
  )
})

/** Waits, by the real clock, until something is so: minutes, for a machine may have other things to do. */
export const until = Effect.fnUntraced(function* <E, R>(isSo: Effect.Effect<boolean, E, R>) {
  for (let tries = 0; tries < 12_000; tries++) {
    if (yield* isSo) return
    yield* Effect.sleep("10 millis")
  }
  return yield* Effect.die(new Error("it did not happen"))
})
