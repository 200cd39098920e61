/**
 * A market on a real chain and a real database, for rails under a suite that knows of neither: what they do runs in a runtime of
 * its own, with the real clock.
 */
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import type { Address } from "@guildhall/chain/Address"
import { AssetCode } from "@guildhall/core/Asset"
import { Effect, Layer, ManagedRuntime } from "effect"
import * as Development from "../src/Development.ts"
import type { RailAsset } from "../src/RailAsset.ts"
import * as SenderStore from "../src/SenderStore.ts"
import * as Anvil from "@guildhall/tools/Anvil"
import * as DeployTrial from "./DeployTrial.ts"
import * as SenderTrial from "./SenderTrial.ts"

/** Looked at less often where nothing waits. */
const rpc = SenderTrial.rpc({ ...SenderTrial.chain, blockTimeMs: 250 })

/** Anvil, a database, a sender with the keys of all roles. */
export const live = SenderTrial.sender({ patienceMs: 10_000 }).pipe(
  Layer.provideMerge(
    Layer.mergeAll(rpc, SenderTrial.signer("deployer", "treasury", ...DeployTrial.names), SenderStore.layerMemory),
  ),
  Layer.provideMerge(Layer.mergeAll(Anvil.layer(), TestDatabase.layer)),
)

export type Live = Layer.Success<typeof live>

/** The deployed market, with tokens funded. */
export const market = Effect.gen(function* () {
  const options = yield* DeployTrial.options
  const deployer = yield* SenderTrial.address("deployer")
  const deployed = yield* Development.deploy(deployer, options)
  return { ...deployed, roles: options.roles, deployer }
})

/** Dollars of twelve places in the books, of six on the chain. */
export const usd = (token: Address): RailAsset => ({
  asset: { code: AssetCode.make("USD"), scale: 12 },
  token,
  decimals: 6,
})

/** A runtime for a test file, and effects that run in it. It is started by the first of them. */
export const start = () => {
  const runtime = ManagedRuntime.make(live)
  const inside = <A, E>(effect: Effect.Effect<A, E, Live>): Effect.Effect<A, E> =>
    Effect.flatMap(
      Effect.promise(() => runtime.runPromiseExit(effect)),
      (exit) => exit,
    )
  return { runtime, inside }
}
