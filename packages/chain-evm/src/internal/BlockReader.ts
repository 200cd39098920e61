/** What an index asks of a chain, and what of the answers it believes. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Bytes32, Hex } from "@guildhall/chain/Hex"
import { IndexError } from "../IndexError.ts"
import type { IndexedLog } from "../IndexStore.ts"
import type { Rpc } from "../Rpc.ts"
import type { RpcError } from "../RpcError.ts"

/** What is listened to: contracts, and for each place of a topic the values that matter, or `null` for any. */
export interface Watch {
  readonly addresses: ReadonlyArray<string>
  readonly topics?: ReadonlyArray<ReadonlyArray<string> | null> | undefined
}

export interface Header {
  readonly number: number
  readonly hash: Bytes32
  readonly parentHash: Bytes32
  readonly atS: number
  readonly bloom: string
}

const Quantity = Schema.String.pipe(Schema.check(Schema.isPattern(/^0x[0-9a-f]{1,13}$/i)))
const Block = Schema.Struct({
  number: Quantity,
  hash: Bytes32,
  parentHash: Bytes32,
  timestamp: Quantity,
  logsBloom: Schema.optional(Schema.String),
})
const Log = Schema.Struct({
  blockNumber: Quantity,
  blockHash: Bytes32,
  transactionHash: Bytes32,
  logIndex: Quantity,
  address: Hex,
  topics: Schema.Array(Bytes32),
  data: Hex,
  removed: Schema.optional(Schema.Boolean),
})
const decodeBlock = Schema.decodeUnknownEffect(Schema.NullOr(Block))
const decodeLogs = Schema.decodeUnknownEffect(Schema.Array(Log))

/** A log before its block's time is known. */
export type RawLog = Omit<IndexedLog, "atS">

export const inconsistent = (detail: string, cause?: unknown): IndexError =>
  new IndexError({ reason: "inconsistent", detail, ...(cause === undefined ? {} : { cause }) })

/** What an endpoint's error is to an index. */
export const toIndexError = (cause: RpcError): IndexError => {
  const reason = cause.reason._tag
  if (reason === "WrongChain") return new IndexError({ reason: "wrongChain", detail: cause.message, cause })
  const isDisagreement = reason === "Disagreement"
  return new IndexError({ reason: isDisagreement ? "inconsistent" : "unreachable", detail: cause.message, cause })
}

const hex = (value: number): string => `0x${value.toString(16)}`

type Request = Rpc["Service"]["request"]

/** The block of a number; `null` where the endpoint has none. */
export const header = Effect.fnUntraced(function* (
  request: Request,
  number: number,
): Effect.fn.Return<Header | null, IndexError> {
  const answer = yield* Effect.mapError(request("eth_getBlockByNumber", [hex(number), false]), toIndexError)
  const block = yield* Effect.mapError(decodeBlock(answer), (cause) =>
    inconsistent(`Block ${number} is none that can be read.`, cause),
  )
  if (block === null) return null
  if (Number(block.number) !== number) {
    return yield* inconsistent(`Asked for block ${number}, it answered with block ${Number(block.number)}.`)
  }
  return {
    number,
    hash: block.hash,
    parentHash: block.parentHash,
    atS: Number(block.timestamp),
    bloom: block.logsBloom ?? "",
  }
})

/** The block of a number, which it must have. */
export const mustHeader = (request: Request, number: number): Effect.Effect<Header, IndexError> =>
  Effect.flatMap(header(request, number), (found) =>
    found === null
      ? Effect.fail(inconsistent(`It said that there is a block ${number}, and does not have it.`))
      : Effect.succeed(found),
  )

/** So many values of a topic are asked for at a time: what is listened to may be many. */
const VALUES_MAX = 500

/** A watch with at most so many values in each place of a topic. */
const portions = ({ addresses, topics = [] }: Watch): ReadonlyArray<Watch> => {
  const at = topics.findIndex((values) => values !== null && values.length > VALUES_MAX)
  const values = topics[at]
  if (values === undefined || values === null) return [{ addresses, topics }]
  const parts: Array<Watch> = []
  for (let from = 0; from < values.length; from += VALUES_MAX) {
    const part = values.slice(from, from + VALUES_MAX)
    parts.push(...portions({ addresses, topics: topics.map((each, place) => (place === at ? part : each)) }))
  }
  return parts
}

/** Which blocks: a range, or one by its hash, which an endpoint that does not have it cannot pass over. */
export type Blocks = { readonly from: number; readonly to: number } | { readonly hash: Bytes32 }

const isIn = (blocks: Blocks, log: typeof Log.Type): boolean =>
  "hash" in blocks
    ? log.blockHash === blocks.hash
    : Number(log.blockNumber) >= blocks.from && Number(log.blockNumber) <= blocks.to

const ask = Effect.fnUntraced(function* (request: Request, blocks: Blocks, { addresses, topics }: Watch) {
  const range = "hash" in blocks ? { blockHash: blocks.hash } : { fromBlock: hex(blocks.from), toBlock: hex(blocks.to) }
  const answer = yield* request("eth_getLogs", [{ ...range, address: addresses, topics: topics ?? [] }])
  const logs = yield* Effect.mapError(decodeLogs(answer), (cause) => inconsistent("Its events cannot be read.", cause))
  const listened = new Set(addresses)
  for (const log of logs) {
    if (isIn(blocks, log) && listened.has(log.address) && log.removed !== true) continue
    return yield* inconsistent(`It answered with an event of ${log.address} that was not asked for.`)
  }
  return logs.map((log): RawLog => ({
    blockNumber: Number(log.blockNumber),
    blockHash: log.blockHash,
    transaction: log.transactionHash,
    logIndex: Number(log.logIndex),
    address: log.address,
    topics: log.topics,
    data: log.data,
  }))
})

/** What a block's log is called. An endpoint may say the same twice. */
const nameOf = ({ blockHash, blockNumber, logIndex, transaction }: RawLog): string =>
  `${blockNumber} ${blockHash} ${transaction} ${logIndex}`

/** The events of blocks that are listened to, each once. */
export const logs = Effect.fnUntraced(function* (
  request: Request,
  blocks: Blocks,
  watches: ReadonlyArray<Watch>,
): Effect.fn.Return<ReadonlyArray<RawLog>, IndexError | RpcError> {
  const found = new Map<string, RawLog>()
  for (const watch of watches.flatMap(portions)) {
    for (const log of yield* ask(request, blocks, watch)) found.set(nameOf(log), log)
  }
  return [...found.values()]
})
