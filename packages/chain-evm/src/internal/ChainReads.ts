/** What is asked of a chain, decoded. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Rpc from "../Rpc.ts"
import { type NodeRefused, RpcError, Unreachable } from "../RpcError.ts"
import type { Bytes } from "./Viem.ts"

const Hex = Schema.TemplateLiteral(["0x", Schema.String])
const Quantity = Schema.String.pipe(Schema.check(Schema.isPattern(/^0x[0-9a-fA-F]{1,64}$/)))

const Block = Schema.Struct({
  number: Quantity,
  hash: Hex,
  timestamp: Quantity,
  baseFeePerGas: Schema.optional(Schema.NullOr(Quantity)),
  gasLimit: Schema.optional(Quantity),
})

const Transactions = Schema.Struct({
  transactions: Schema.Array(Schema.Struct({ hash: Hex, from: Schema.String, nonce: Quantity })),
})

const Log = Schema.Struct({
  address: Hex,
  topics: Schema.Array(Hex),
  data: Hex,
  blockNumber: Quantity,
  blockHash: Hex,
  transactionHash: Hex,
  logIndex: Quantity,
})

const Receipt = Schema.Struct({
  transactionHash: Hex,
  blockNumber: Quantity,
  blockHash: Hex,
  status: Quantity,
  contractAddress: Schema.optional(Schema.NullOr(Hex)),
  gasUsed: Quantity,
  logs: Schema.Array(Log),
})

/** An event as the node has it. */
export type RawLog = typeof Log.Type

export interface ReadBlock {
  readonly number: bigint
  readonly hash: string
  readonly atS: number
  readonly baseFeeWei: bigint | null
  readonly gasLimit: bigint | null
}

export interface ReadReceipt {
  readonly hash: Bytes
  readonly blockNumber: bigint
  readonly blockHash: string
  readonly isDone: boolean
  readonly contractAddress: string | null
  readonly gasUsed: bigint
  readonly logs: ReadonlyArray<RawLog>
}

export interface Call {
  readonly from?: string | undefined
  readonly to: string | null
  readonly data: string
  readonly valueWei?: bigint | undefined
}

/** A number as nodes want it. */
export const quantity = (value: bigint | number): Bytes => `0x${value.toString(16)}`

const callOf = ({ data, from, to, valueWei = 0n }: Call) => ({
  ...(from === undefined ? {} : { from }),
  ...(to === null ? {} : { to }),
  data,
  ...(valueWei === 0n ? {} : { value: quantity(valueWei) }),
})

const read =
  <S extends Schema.ConstraintDecoder<unknown>>(schema: S) =>
  (method: string) =>
  (answer: unknown): Effect.Effect<S["Type"], RpcError> =>
    Effect.mapError(Schema.decodeUnknownEffect(schema)(answer), () => {
      const fault = { endpoint: "the endpoint", fault: "malformed" as const, detail: "it has another shape." }
      return new RpcError({ reason: new Unreachable({ method, faults: [fault] }) })
    })

const toBlock = (block: typeof Block.Type): ReadBlock => ({
  number: BigInt(block.number),
  hash: block.hash,
  atS: Number(block.timestamp),
  baseFeeWei: block.baseFeePerGas === undefined || block.baseFeePerGas === null ? null : BigInt(block.baseFeePerGas),
  gasLimit: block.gasLimit === undefined ? null : BigInt(block.gasLimit),
})

const toReceipt = (receipt: typeof Receipt.Type): ReadReceipt => ({
  hash: receipt.transactionHash,
  blockNumber: BigInt(receipt.blockNumber),
  blockHash: receipt.blockHash,
  isDone: BigInt(receipt.status) === 1n,
  contractAddress: receipt.contractAddress ?? null,
  gasUsed: BigInt(receipt.gasUsed),
  logs: receipt.logs,
})

const readQuantity = read(Quantity)

/** The reads of a chain. */
export const make = (rpc: Rpc.Rpc["Service"]) => {
  const number = (method: string, params: ReadonlyArray<unknown>) =>
    rpc.request(method, params).pipe(Effect.flatMap(readQuantity(method)), Effect.map(BigInt))
  const blockBy = (method: string, params: ReadonlyArray<unknown>) =>
    rpc.request(method, params).pipe(
      Effect.flatMap(read(Schema.NullOr(Block))(method)),
      Effect.map((block) => (block === null ? undefined : toBlock(block))),
    )
  return {
    head: rpc.head,
    block: (at: bigint) => blockBy("eth_getBlockByNumber", [quantity(at), false]),
    /** Who sent what in a block; none where it is not there. */
    transactionsAt: (at: bigint) =>
      rpc.request("eth_getBlockByNumber", [quantity(at), true]).pipe(
        Effect.flatMap(read(Schema.NullOr(Transactions))("eth_getBlockByNumber")),
        Effect.map((block) =>
          (block?.transactions ?? []).map(({ from, hash, nonce }) => ({ from, hash, nonce: Number(nonce) })),
        ),
      ),
    receipt: (hash: string) =>
      rpc.request("eth_getTransactionReceipt", [hash]).pipe(
        Effect.flatMap(read(Schema.NullOr(Receipt))("eth_getTransactionReceipt")),
        Effect.map((receipt) => (receipt === null ? undefined : toReceipt(receipt))),
      ),
    /** How many transactions of an account are in the chain up to a block. */
    nonceAt: (address: string, at: bigint) =>
      Effect.map(number("eth_getTransactionCount", [address, quantity(at)]), Number),
    balance: (address: string) => number("eth_getBalance", [address, "latest"]),
    gasPrice: number("eth_gasPrice", []),
    /** What is usually given to whoever makes a block. Not every node says it. */
    tip: Effect.option(number("eth_maxPriorityFeePerGas", [])),
    estimate: (call: Call) => number("eth_estimateGas", [callOf(call)]),
    code: (address: string, at: bigint) =>
      rpc.request("eth_getCode", [address, quantity(at)]).pipe(Effect.flatMap(read(Hex)("eth_getCode"))),
    call: (call: Call, at?: bigint) =>
      rpc
        .request("eth_call", [callOf(call), at === undefined ? "latest" : quantity(at)])
        .pipe(Effect.flatMap(read(Hex)("eth_call"))),
  }
}

/** All of them. */
export type ChainReads = ReturnType<typeof make>

/** What the node said, where it was the contract that refused. */
export const revertOf = (error: RpcError): Option.Option<NodeRefused> =>
  error.reason._tag === "NodeRefused" &&
  (error.reason.data !== null || error.reason.code === 3 || /revert/i.test(error.reason.detail))
    ? Option.some(error.reason)
    : Option.none()
