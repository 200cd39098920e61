/** Takes blocks off the node's chain, and puts others in their place. */
import { Effect } from "effect"
import type { Bytes32 } from "@guildhall/chain/Hex"
import * as Chance from "@guildhall/tools/Chance"
import type * as Node from "./Node.ts"
import * as Reorg from "./Reorg.ts"
import type { SentBook } from "./SentBook.ts"

/** A transaction that is in the chain, and whether its contract did what it asked. `key` is undefined where nobody here asked. */
export interface Included {
  readonly key: string | undefined
  readonly isDone: boolean
}

export interface Block {
  readonly number: number
  readonly hash: Bytes32
  readonly atS: number
  readonly transactions: ReadonlyArray<Included>
}

/** What is asked for: so many blocks, what comes instead, and the second at which the chain stands then as before. */
export interface Asked {
  readonly depth: number
  readonly kind: Reorg.Kind
  readonly seed: number
  readonly atS: number
}

/** What became of the transactions: how many have another place among them, and the keys of those that lost their nonce. */
export interface Became {
  readonly moved: number
  readonly lost: ReadonlyArray<string>
}

/** Blocks as anvil tells them, with their transactions. */
interface RawBlock {
  readonly hash: Bytes32
  readonly timestamp: string
  readonly transactions: ReadonlyArray<{ readonly hash: string; readonly from: string; readonly nonce: string }>
}

const quantity = (value: number): string => `0x${value.toString(16)}`

/** `isAct` tells the keys of acts from those of grants and of what fills gaps. */
export const make = (node: Node.Node, book: SentBook, isAct: (key: string) => boolean) => {
  const raw = Effect.fnUntraced(function* (number: number) {
    // What anvil answers has this form.
    return (yield* Effect.orDie(node.rpc.request("eth_getBlockByNumber", [quantity(number), true]))) as RawBlock
  })

  const block = Effect.fnUntraced(function* (number: number) {
    const { hash: blockHash, timestamp, transactions } = yield* raw(number)
    const included = yield* Effect.forEach(transactions, ({ hash }) =>
      Effect.map(Effect.orDie(node.rpc.request("eth_getTransactionReceipt", [hash])), (receipt): Included => {
        // As above.
        const { status } = receipt as { readonly status: string }
        return { key: book.signed(hash)?.key, isDone: BigInt(status) === 1n }
      }),
    )
    return { number, hash: blockHash, atS: Number(timestamp), transactions: included } satisfies Block
  })

  /** All after a block. */
  const after = Effect.fnUntraced(function* (number: number) {
    const head = Number(yield* Effect.orDie(node.rpc.head))
    return yield* Effect.forEach(
      Array.from({ length: head - number }, (_, at) => number + 1 + at),
      block,
    )
  })

  /** Another program uses a nonce of an account's, for nothing. */
  const take = ({ by, nonce }: Reorg.Taken) =>
    node.request("eth_sendTransaction", [{ from: by, to: by, value: "0x0", gas: "0x5208", nonce: quantity(nonce) }])

  const takenAfter = Effect.fnUntraced(function* (fork: number, head: number) {
    const blocks = yield* Effect.forEach(
      Array.from({ length: head - fork }, (_, at) => fork + 1 + at),
      raw,
    )
    return blocks.flatMap(({ transactions }) =>
      transactions.map(({ from, hash, nonce }): Reorg.Taken => {
        const key = book.signed(hash)?.key
        return { hash, by: from, nonce: Number(nonce), key, isAct: key !== undefined && isAct(key) }
      }),
    )
  })

  /** The sender has to find out by itself. Who sent other things sends them again too. */
  const emptied = Effect.fnUntraced(function* ({ atS, depth }: Asked, taken: ReadonlyArray<Reorg.Taken>) {
    yield* node.reorg(depth)
    yield* node.mineAt(atS)
    for (const one of taken.filter(({ key }) => key === undefined)) {
      yield* take(one)
      yield* node.mineAt(atS)
    }
    return { moved: 0, lost: [] } satisfies Became
  })

  const replaced = Effect.fnUntraced(function* (
    { atS, depth, kind, seed }: Asked,
    taken: ReadonlyArray<Reorg.Taken>,
    fork: number,
  ) {
    const chance = Chance.make(seed)
    const slots = Reorg.plan(chance, kind, taken)
    const forkS = Number((yield* raw(fork)).timestamp)
    const times = Reorg.seconds(chance, slots.length, forkS, atS)
    yield* node.request("anvil_rollback", [depth])
    for (const [at, { isLost, taken: one }] of slots.entries()) {
      const signed = book.signed(one.hash)
      yield* isLost || signed === undefined ? take(one) : node.request("eth_sendRawTransaction", [signed.raw])
      yield* node.mineAt(times[at] ?? atS)
    }
    // A branch that others follow is longer.
    for (let blocks = slots.length; blocks < depth; blocks++) yield* node.mineAt(atS)
    yield* node.mineAt(atS)
    return {
      moved: slots.filter((slot, at) => slot.taken !== taken[at]).length,
      lost: slots.flatMap(({ isLost, taken: { key } }) => (isLost && key !== undefined ? [key] : [])),
    } satisfies Became
  })

  return {
    after,
    reorg: Effect.fnUntraced(function* (asked: Asked) {
      const head = Number(yield* Effect.orDie(node.rpc.head))
      const fork = head - asked.depth
      const taken = yield* takenAfter(fork, head)
      return yield* asked.kind === "Again" ? emptied(asked, taken) : replaced(asked, taken, fork)
    }),
  }
}
