/**
 * What an index keeps: how far it has read a chain, some of the blocks on the way, every event that it saw, and how far its
 * readers have come.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Bytes32, Hex } from "@guildhall/chain/Hex"
import { IndexError } from "./IndexError.ts"

/**
 * A block by its number and hash.
 *
 * @category models
 * @since 0.1.0
 */
export interface BlockId {
  readonly number: number
  readonly hash: Bytes32
}

/**
 * How far an index has come: everything up to this block is read, everything up to `finalNumber` is credited, and nothing up to
 * `settledNumber` can be taken back any more. `forks` counts how often the chain took blocks back.
 *
 * @category models
 * @since 0.1.0
 */
export interface Cursor extends BlockId {
  readonly finalNumber: number
  readonly settledNumber: number
  readonly forks: number
}

/**
 * An event as the chain has it: by which contract, where, and its bytes. `atS` is the time of its block in whole seconds.
 * `address` is in lower case.
 *
 * @category models
 * @since 0.1.0
 */
export interface IndexedLog {
  readonly blockNumber: number
  readonly blockHash: Bytes32
  readonly transaction: Bytes32
  readonly logIndex: number
  readonly atS: number
  readonly address: Hex
  readonly topics: ReadonlyArray<Bytes32>
  readonly data: Hex
}

/**
 * Where an event stands in the chain's order.
 *
 * @category models
 * @since 0.1.0
 */
export type Place = Pick<IndexedLog, "blockNumber" | "logIndex">

/**
 * A step of an index, made as a whole or not at all: from where it stood, everything after the block `keptUpTo` is forgotten,
 * the logs and blocks are added, and it stands at `to`. What is forgotten and was final is kept aside, and readers that came
 * further stand after `keptUpTo` again. Blocks before the last one that is settled are of no use any more.
 *
 * @category models
 * @since 0.1.0
 */
export interface Move {
  readonly from: Cursor | null
  readonly to: Cursor
  readonly keptUpTo: number
  readonly blocks: ReadonlyArray<BlockId>
  readonly logs: ReadonlyArray<IndexedLog>
}

/**
 * How far a reader has come: the last event that it has dealt with, and the number of the last one that it has taken back.
 *
 * @category models
 * @since 0.1.0
 */
export interface Mark {
  readonly place: Place
  readonly undone: number
}

/**
 * An event that was final and is gone, and the number of its taking back.
 *
 * @category models
 * @since 0.1.0
 */
export interface Undone {
  readonly number: number
  readonly log: IndexedLog
}

/** Before the first event. @category constants @since 0.1.0 */
export const BEGINNING: Mark = { place: { blockNumber: -1, logIndex: -1 }, undone: 0 }

/** After every event of a block. @category constructors @since 0.1.0 */
export const endOf = (blockNumber: number): Place => ({ blockNumber, logIndex: 2 ** 31 - 1 })

/**
 * The store of one index.
 *
 * 1. A move is made as a whole, and only from where the index stands; else it fails with `overtaken`.
 * 2. No event is kept twice, neither by its transaction and number nor by its place.
 * 3. Events are read in the order of the chain, and a place goes on where the last page ended.
 * 4. A final event that is taken back is found among those undone, once.
 * 5. A mark goes back only where blocks are taken back, and is not set by who read before that.
 *
 * @category models
 * @since 0.1.0
 */
export interface IndexStore {
  /** Where it stands; `null` before the first move. Fails with `otherSubject` where it was made of something else. */
  readonly cursor: Effect.Effect<Cursor | null, IndexError>
  readonly move: (move: Move) => Effect.Effect<void, IndexError>
  /** The blocks that it remembers, the newest first: those that may still change, and the last one that stays. */
  readonly blocks: Effect.Effect<ReadonlyArray<BlockId>, IndexError>
  /** Events after a place, at most so many; with `isFinal` only those that are credited. */
  readonly logs: (query: {
    readonly after: Place
    readonly isFinal: boolean
    readonly limit: number
  }) => Effect.Effect<ReadonlyArray<IndexedLog>, IndexError>
  /** What was taken back after a number, in that order, at most so many. */
  readonly undone: (after: number, limit: number) => Effect.Effect<ReadonlyArray<Undone>, IndexError>
  /** How far a reader has come. */
  readonly mark: (reader: string) => Effect.Effect<Mark, IndexError>
  /** Says how far, as read when the chain had taken back blocks `forks` times; else it fails with `overtaken`. */
  readonly setMark: (reader: string, mark: Mark, forks: number) => Effect.Effect<void, IndexError>
}

/**
 * Which of two places comes first: below zero if the first one does.
 *
 * **Example** (Two events of one block)
 *
 * ```ts
 * import { IndexStore } from "@guildhall/chain-evm"
 *
 * IndexStore.compare({ blockNumber: 7, logIndex: 1 }, { blockNumber: 7, logIndex: 3 }) // => -2
 * ```
 *
 * @category ordering
 * @since 0.1.0
 */
export const compare = (one: Place, other: Place): number =>
  one.blockNumber - other.blockNumber || one.logIndex - other.logIndex

/** Whether two cursors are the same. @category ordering @since 0.1.0 */
export const isSame = (one: Cursor | null, other: Cursor | null): boolean =>
  one?.number === other?.number &&
  one?.hash === other?.hash &&
  one?.finalNumber === other?.finalNumber &&
  one?.forks === other?.forks

const overtaken = () => new IndexError({ reason: "overtaken", detail: "" })

/** The number of the last block that stays and is remembered: those before it are of no use. */
const lastSettled = (blocks: ReadonlyArray<BlockId>, settledNumber: number): number =>
  blocks.reduce((last, { number }) => (number <= settledNumber && number > last ? number : last), -1)

const isTwice = (logs: ReadonlyArray<IndexedLog>): boolean => {
  const names = new Set<string>()
  for (const log of logs) names.add(`${log.transaction} ${log.logIndex}`).add(`${log.blockNumber} ${log.logIndex}`)
  return names.size < 2 * logs.length
}

/** Everything that a store in memory has. */
interface Shelf {
  readonly cursor: Cursor | null
  readonly blocks: ReadonlyArray<BlockId>
  readonly logs: ReadonlyArray<IndexedLog>
  readonly undone: ReadonlyArray<Undone>
  readonly marks: ReadonlyMap<string, Mark>
}

const moved = (shelf: Shelf, { blocks, from, keptUpTo, logs, to }: Move): Shelf => {
  const gone = shelf.logs.filter(({ blockNumber }) => blockNumber > keptUpTo)
  const undone = gone.filter(({ blockNumber }) => blockNumber <= (from?.finalNumber ?? -1))
  const remembered = [...shelf.blocks.filter(({ number }) => number <= keptUpTo), ...blocks]
  const first = lastSettled(remembered, to.settledNumber)
  const isBack = from !== null && keptUpTo < from.number
  return {
    cursor: to,
    blocks: remembered.filter(({ number }) => number >= first),
    logs: [...shelf.logs.filter(({ blockNumber }) => blockNumber <= keptUpTo), ...logs.toSorted(compare)],
    undone: [...shelf.undone, ...undone.map((log, at) => ({ number: shelf.undone.length + at + 1, log }))],
    marks: !isBack
      ? shelf.marks
      : new Map(
          [...shelf.marks].map(([reader, { place, undone }]) => [
            reader,
            { place: place.blockNumber > keptUpTo ? endOf(keptUpTo) : place, undone },
          ]),
        ),
  }
}

/**
 * A store in memory, gone with the process: for tests and for markets on a chain of their own.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMemory = (): IndexStore => {
  let shelf: Shelf = { cursor: null, blocks: [], logs: [], undone: [], marks: new Map() }
  return {
    cursor: Effect.sync(() => shelf.cursor),
    move: (step) =>
      Effect.suspend(() => {
        if (!isSame(shelf.cursor, step.from)) return Effect.fail(overtaken())
        const next = moved(shelf, step)
        if (isTwice(next.logs)) {
          return Effect.fail(new IndexError({ reason: "inconsistent", detail: "An event came twice." }))
        }
        shelf = next
        return Effect.void
      }),
    blocks: Effect.sync(() => shelf.blocks.toSorted((one, other) => other.number - one.number)),
    logs: ({ after, isFinal, limit }) =>
      Effect.sync(() => {
        const upTo = isFinal ? (shelf.cursor?.finalNumber ?? -1) : Number.POSITIVE_INFINITY
        return shelf.logs.filter((log) => log.blockNumber <= upTo && compare(log, after) > 0).slice(0, limit)
      }),
    undone: (after, limit) => Effect.sync(() => shelf.undone.filter(({ number }) => number > after).slice(0, limit)),
    mark: (reader) => Effect.sync(() => shelf.marks.get(reader) ?? BEGINNING),
    setMark: (reader, mark, forks) =>
      Effect.suspend(() => {
        if (forks !== (shelf.cursor?.forks ?? 0)) return Effect.fail(overtaken())
        shelf = { ...shelf, marks: new Map(shelf.marks).set(reader, mark) }
        return Effect.void
      }),
  }
}
