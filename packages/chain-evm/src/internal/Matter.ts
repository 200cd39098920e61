/**
 * What several endpoints are asked about and must say the same: what money moves by. Each such method has the part of the
 * answer that counts, as text, for nodes of different make add fields of their own; and whether the answer is one to what was asked.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const Hex = Schema.String.pipe(Schema.check(Schema.isPattern(/^0x[0-9a-fA-F]*$/)))

const Log = Schema.Struct({
  address: Hex,
  topics: Schema.Array(Hex),
  data: Hex,
  blockNumber: Hex,
  blockHash: Hex,
  transactionHash: Hex,
  logIndex: Hex,
})

const Block = Schema.Struct({ number: Hex, hash: Hex, parentHash: Hex, timestamp: Hex })

const Receipt = Schema.Struct({
  transactionHash: Hex,
  blockNumber: Hex,
  blockHash: Hex,
  status: Hex,
  contractAddress: Schema.optional(Schema.NullOr(Hex)),
  logs: Schema.Array(Log),
})

const Filter = Schema.Struct({
  address: Schema.optional(Schema.Union([Hex, Schema.Array(Hex)])),
  fromBlock: Schema.optional(Hex),
  toBlock: Schema.optional(Hex),
  blockHash: Schema.optional(Hex),
})

/** The part that counts, or why it is no answer. `null` is an answer: "not known here". */
type Counted = Result.Result<string | null, string>

const text = (...parts: ReadonlyArray<string>): string => parts.join(" ").toLowerCase()

const logText = (log: typeof Log.Type): string =>
  text(log.address, ...log.topics, log.data, log.blockHash, log.transactionHash, log.logIndex)

const reading =
  <S extends Schema.ConstraintDecoder<unknown>>(schema: S, count: (answer: S["Type"], asked: unknown) => Counted) =>
  (answer: unknown, params: ReadonlyArray<unknown>): Counted => {
    if (answer === null) return Result.succeed(null)
    const decoded = Schema.decodeUnknownResult(schema)(answer)
    return Result.isFailure(decoded) ? Result.fail("it has another shape.") : count(decoded.success, params[0])
  }

const same = (a: string, asked: unknown): boolean =>
  typeof asked === "string" && a.toLowerCase() === asked.toLowerCase()

const number = (value: string): bigint => BigInt(value === "0x" ? "0x0" : value)

const blockAt = reading(Block, (block, asked) =>
  typeof asked === "string" && asked.startsWith("0x") && number(asked) !== number(block.number)
    ? Result.fail(`it is block ${number(block.number)}, not ${number(asked)}.`)
    : Result.succeed(text(block.hash, block.parentHash)),
)

const blockOf = reading(Block, (block, asked) =>
  same(block.hash, asked) ? Result.succeed(text(block.hash, block.number)) : Result.fail("it is another block."),
)

const receipt = reading(Receipt, (answer, asked) =>
  same(answer.transactionHash, asked)
    ? Result.succeed(text(answer.blockHash, answer.status, answer.contractAddress ?? "", ...answer.logs.map(logText)))
    : Result.fail("it is the receipt of another transaction."),
)

const decodeFilter = Schema.decodeUnknownResult(Filter)

/** A log that nobody asked for is one that somebody wants us to have. */
const isAsked = (log: typeof Log.Type, filter: typeof Filter.Type): boolean => {
  const { address, blockHash, fromBlock, toBlock } = filter
  const at = number(log.blockNumber)
  const addresses = typeof address === "string" ? [address] : address
  return (
    (addresses === undefined || addresses.some((one) => same(log.address, one))) &&
    (blockHash === undefined || same(log.blockHash, blockHash)) &&
    (fromBlock === undefined || at >= number(fromBlock)) &&
    (toBlock === undefined || at <= number(toBlock))
  )
}

const logs = reading(Schema.Array(Log), (answer, asked) => {
  const filter = decodeFilter(asked)
  if (Result.isSuccess(filter) && answer.some((log) => !isAsked(log, filter.success))) {
    return Result.fail("it has events that were not asked for.")
  }
  return Result.succeed(answer.map(logText).join("\n"))
})

const hex = reading(Hex, (answer) => Result.succeed(text(answer)))

/** How an answer to each method that matters is counted. Other methods are answered by whoever answers first. */
const matters: Readonly<Record<string, (answer: unknown, params: ReadonlyArray<unknown>) => Counted>> = {
  eth_getBlockByNumber: blockAt,
  eth_getBlockByHash: blockOf,
  eth_getTransactionReceipt: receipt,
  eth_getLogs: logs,
  eth_getTransactionCount: hex,
  eth_getCode: hex,
}

/** Blocks that are named by words are not the same at every endpoint at one time: they cannot be compared. */
const isMoving = (params: ReadonlyArray<unknown>): boolean =>
  params.some((param) => ["latest", "pending", "safe", "finalized"].includes(String(param)))

/** The counting of a question, where it is one that matters. */
export const of = (method: string, params: ReadonlyArray<unknown>): ((answer: unknown) => Counted) | undefined => {
  const count = matters[method]
  return count === undefined || isMoving(params) ? undefined : (answer) => count(answer, params)
}
