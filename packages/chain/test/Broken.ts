/** Ports in memory with something wrong with them: the suites must find out. */
import { Effect, Layer } from "effect"
import type { Context } from "effect"
import type { MemoryChain } from "@guildhall/chain"
import { ChainTestbed } from "../src/testing/index.ts"

/** The chain in memory, with one port changed. */
export const broken = <Self, Service extends object>(
  port: Context.Key<Self, Service>,
  change: (service: Service, testbed: ChainTestbed.ChainTestbed["Service"]) => Partial<Service>,
  options: MemoryChain.Options = {},
) => {
  const changed = Effect.gen(function* () {
    const service = yield* port
    return { ...service, ...change(service, yield* ChainTestbed.ChainTestbed) }
  })
  return Layer.effect(port, changed).pipe(Layer.provideMerge(ChainTestbed.layerMemory(options)))
}

/** Has every act a key of its own, whatever was asked. */
export const forgetful = <A extends { readonly idempotencyKey: string }, R>(act: (asked: A) => R) => {
  let count = 0
  return (asked: A): R => act({ ...asked, idempotencyKey: `${asked.idempotencyKey} ${count++}` })
}
