/**
 * Who used a nonce that was ours. That our own transactions are not found proves nothing, for nodes forget; only the other
 * transaction does. Without it the sending stays as it is, and a person is told.
 */
import * as Effect from "effect/Effect"
import type { Sending } from "../SenderStore.ts"
import type { ChainReads } from "./ChainReads.ts"

/** So many blocks are read at once. */
const WIDTH = 8

/** Finds the block in which another program used a sending's nonce, as far back as twice the chain's finality. */
export const make = (reads: ChainReads, finalityDepth: number) => {
  /** What was found, by key and nonce: `null` where it was looked for in vain. */
  const found = new Map<string, { readonly hash: string } | null>()

  const search = Effect.fnUntraced(function* ({ by, idempotencyKey, nonce, versions }: Sending, head: bigint) {
    const last = head - BigInt(2 * finalityDepth)
    for (let at = head; at > last && at >= 0n; at -= BigInt(WIDTH)) {
      const numbers = Array.from({ length: WIDTH }, (_, back) => at - BigInt(back)).filter((number) => number >= 0n)
      const blocks = yield* Effect.forEach(numbers, reads.transactionsAt, { concurrency: WIDTH })
      const other = blocks.flat().find((one) => one.nonce === nonce && one.from.toLowerCase() === by.toLowerCase())
      // One of ours after all: its receipt comes.
      if (other !== undefined)
        return versions.some(({ hash }) => hash === other.hash) ? undefined : { hash: other.hash }
    }
    const detail = `Nonce ${nonce} of ${by} is used, and by nothing that the endpoints know. See an explorer for what it was; "${idempotencyKey}" waits.`
    yield* Effect.logError("A transaction may or may not have been sent", detail)
    return null
  })

  return Effect.fnUntraced(function* (sending: Sending, head: bigint) {
    const key = `${sending.idempotencyKey} ${sending.nonce}`
    const before = found.get(key)
    const taker = before === undefined ? yield* search(sending, head) : before
    if (taker === undefined) return undefined
    // A market has a handful of such cases in its life; a store full of them is another problem.
    if (found.size > 1_000) found.clear()
    found.set(key, taker)
    if (taker === null) return undefined
    const receipt = yield* reads.receipt(taker.hash)
    if (receipt === undefined) found.delete(key)
    return receipt?.blockNumber
  })
}
