/** In which block contracts came to be, found by asking for their code in earlier blocks. */
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import type { Address } from "@guildhall/chain/Address"
import * as Rpc from "../Rpc.ts"
import { toChainError } from "../RpcError.ts"
import * as ChainReads from "./ChainReads.ts"

/** Whether a contract stands at a block; undefined where the endpoints cannot say, for few keep the state of so long ago. */
const standsAt = Effect.fnUntraced(function* (address: Address, block: bigint) {
  const reads = ChainReads.make(yield* Rpc.Rpc)
  return yield* Effect.orElseSucceed(
    Effect.map(reads.code(address, block), (code): boolean | undefined => code !== "0x"),
    () => undefined,
  )
})

/** The first block at which it stands, which is `there` at the latest; undefined where nobody remembers the one before. */
const bornAt = Effect.fnUntraced(function* (address: Address, there: bigint) {
  let missing = -1n
  let standing = there
  let isProven = true
  while (standing - missing > 1n) {
    const middle = (standing + missing) / 2n
    const stands = yield* standsAt(address, middle)
    if (stands === true) standing = middle
    else {
      missing = middle
      isProven = stands === false
    }
  }
  return isProven ? standing : undefined
})

/** That old state is gone is what most endpoints will say, each time, and no fault of theirs. */
const withoutLog = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, References.MinimumLogLevel, "None")

/**
 * The first block at which one of them stands; undefined where the endpoints no longer know. An index that begins later misses what
 * happened, so what is not proven is not answered.
 */
export const find = Effect.fnUntraced(
  function* (addresses: ReadonlyArray<Address>) {
    let first = yield* (yield* Rpc.Rpc).head
    for (const address of addresses) {
      // Most were created after the first one, and are done with at once.
      if (first > 0n && (yield* standsAt(address, first - 1n)) === false) continue
      const born = yield* bornAt(address, first)
      if (born === undefined) return undefined
      first = born
    }
    return Number(first)
  },
  Effect.mapError(toChainError),
  withoutLog,
)
