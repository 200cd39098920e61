/** A range of blocks as it is read: its events, and the headers that they were checked against. */
import * as Effect from "effect/Effect"
import type { Bytes32 } from "@guildhall/chain/Hex"
import type { IndexError } from "../IndexError.ts"
import { type BlockId, compare, type IndexedLog } from "../IndexStore.ts"
import type { Rpc } from "../Rpc.ts"
import type { RpcError } from "../RpcError.ts"
import * as BlockReader from "./BlockReader.ts"
import * as Bloom from "./Bloom.ts"

export interface Range {
  /** The block that is read already: the first one must follow it. */
  readonly after: BlockId
  readonly from: number
  readonly to: number
  /** Whether none of these blocks can change any more. */
  readonly isSettled: boolean
  readonly eventsMax: number
}

export interface Found {
  readonly last: Bytes32
  readonly blocks: ReadonlyArray<BlockId>
  readonly logs: ReadonlyArray<IndexedLog>
}

type Request = Rpc["Service"]["request"]

/** So many headers are asked for at once. */
const AT_ONCE = 16

/** An endpoint that says that it was asked for too much, or did not manage; of one block, it is another matter. */
const isTooMuch = ({ reason }: RpcError): boolean =>
  reason._tag === "NodeRefused" ||
  (reason._tag === "Unreachable" &&
    reason.faults.some(({ fault }) => fault === "too_large" || fault === "timeout" || fault === "limited"))

/** The events of the range; undefined where that is too much at once. */
const readLogs = (request: Request, range: Range, watches: ReadonlyArray<BlockReader.Watch>) => {
  const isOne = range.from === range.to
  return BlockReader.logs(request, { from: range.from, to: range.to }, watches).pipe(
    Effect.map((logs) => (logs.length > range.eventsMax && !isOne ? undefined : logs)),
    Effect.catchIf(
      (error) => error._tag === "RpcError" && isTooMuch(error) && !isOne,
      () => Effect.succeed(undefined),
    ),
    Effect.mapError((error) => (error._tag === "RpcError" ? BlockReader.toIndexError(error) : error)),
  )
}

/** The headers by which the events are checked: all where blocks may change; else those at the ends and those with events. */
const readHeaders = Effect.fnUntraced(function* (
  request: Request,
  { from, isSettled, to }: Range,
  logs: ReadonlyArray<BlockReader.RawLog>,
) {
  const numbers = isSettled
    ? [...new Set([from, to, ...logs.map(({ blockNumber }) => blockNumber)])].toSorted((one, other) => one - other)
    : Array.from({ length: to - from + 1 }, (_, at) => from + at)
  const headers = yield* Effect.forEach(numbers, (number) => BlockReader.mustHeader(request, number), {
    concurrency: AT_ONCE,
  })
  return new Map(headers.map((header) => [header.number, header]))
})

/** Each header must follow from the one before, where both are known. */
const checkLinks = (headers: ReadonlyMap<number, BlockReader.Header>, after: BlockId): IndexError | undefined => {
  for (const { number, parentHash } of headers.values()) {
    const before = number === after.number + 1 ? after : headers.get(number - 1)
    if (before !== undefined && before.hash !== parentHash) {
      return BlockReader.inconsistent(`Block ${number} does not follow from the block before it: the chain changes.`)
    }
  }
  return undefined
}

/** What sets bits in the filter of a block with an event that is listened to: one of each of these. */
const bitsOf = ({ addresses, topics }: BlockReader.Watch): ReadonlyArray<ReadonlyArray<Bloom.Bits>> => {
  const values = (topics ?? []).filter((each) => each !== null)
  return [addresses, ...values].map((each) => each.map(Bloom.bitsOf))
}

/**
 * An endpoint that does not have a block yet answers a range as if it had no events. Where a header says that there may be some
 * and none came, its block is asked by its hash, which an endpoint without it must refuse.
 */
const missing = Effect.fnUntraced(function* (
  request: Request,
  headers: ReadonlyMap<number, BlockReader.Header>,
  logs: ReadonlyArray<BlockReader.RawLog>,
  watches: ReadonlyArray<BlockReader.Watch>,
) {
  const had = new Set(logs.map(({ blockNumber }) => blockNumber))
  const bits = watches.map(bitsOf)
  const doubtful = [...headers.values()].filter(
    ({ bloom, number }) =>
      bloom.length === 514 &&
      !had.has(number) &&
      bits.some((places) => places.every((place) => place.some((each) => Bloom.mayHave(bloom, each)))),
  )
  const found = yield* Effect.forEach(
    doubtful,
    ({ hash }) =>
      Effect.mapError(BlockReader.logs(request, { hash }, watches), (error) =>
        error._tag === "RpcError" ? BlockReader.toIndexError(error) : error,
      ),
    { concurrency: AT_ONCE },
  )
  return found.flat()
})

/** Reads a range, and believes it only where everything that was said of it agrees; `tooMuch` where it must be shorter. */
export const read = Effect.fnUntraced(function* (
  request: Request,
  range: Range,
  watches: ReadonlyArray<BlockReader.Watch>,
): Effect.fn.Return<Found | "tooMuch", IndexError> {
  const listed = yield* readLogs(request, range, watches)
  if (listed === undefined) return "tooMuch"
  const headers = yield* readHeaders(request, range, listed)
  const broken = checkLinks(headers, range.after)
  if (broken !== undefined) return yield* broken
  const all = [...listed, ...(yield* missing(request, headers, listed, watches))]
  const logs: Array<IndexedLog> = []
  for (const log of all) {
    const header = headers.get(log.blockNumber)
    if (header?.hash !== log.blockHash) {
      return yield* BlockReader.inconsistent(`An event is of a block ${log.blockNumber} that is not the chain's.`)
    }
    logs.push({ ...log, atS: header.atS })
  }
  const last = headers.get(range.to)
  if (last === undefined) return yield* BlockReader.inconsistent(`Block ${range.to} was not read.`)
  const kept = range.isSettled ? [last] : [...headers.values()]
  return {
    last: last.hash,
    blocks: kept.map(({ hash, number }) => ({ number, hash })),
    logs: logs.toSorted(compare),
  }
})
