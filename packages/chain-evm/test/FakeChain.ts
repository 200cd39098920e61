/**
 * A chain in memory that forks when it is told to, behind an endpoint that does wrong when it is told to. Its headers, hashes and
 * filters are real ones.
 */
import { type Bytes32, Hex } from "@guildhall/chain/Hex"
import * as Keccak from "@guildhall/chain/Keccak"
import { Effect } from "effect"
import * as Chain from "../src/Chain.ts"
import * as Bloom from "../src/internal/Bloom.ts"
import type { Rpc } from "../src/Rpc.ts"
import { NodeRefused, RpcError, Unreachable } from "../src/RpcError.ts"

export interface Event {
  readonly address: string
  readonly topics: ReadonlyArray<string>
  readonly data: string
  readonly transaction: Bytes32
}

interface Block {
  readonly number: number
  readonly hash: Bytes32
  readonly parentHash: Bytes32
  readonly atS: number
  readonly events: ReadonlyArray<Event>
}

/** What the endpoint does with a question: `undefined` to answer it as it should be. */
export type Fault = (
  method: string,
  params: ReadonlyArray<unknown>,
  answer: unknown,
) => Effect.Effect<unknown, RpcError>

const hashOf = (text: string): Bytes32 => Keccak.ofHex(Hex.make(`0x${Buffer.from(text).toString("hex")}`))

const hex = (value: number): string => `0x${value.toString(16)}`

export const refusal = (method: string, detail: string): RpcError =>
  new RpcError({ reason: new NodeRefused({ endpoint: "fake", method, code: -32_005, detail, data: null }) })

export const cut = (method: string): RpcError =>
  new RpcError({
    reason: new Unreachable({
      method,
      faults: [{ endpoint: "fake", fault: "cut", detail: "it ended after 10 bytes." }],
    }),
  })

const bloomOf = ({ events }: Block): string => {
  const digits = Array.from({ length: 512 }, () => 0)
  for (const { address, topics } of events) {
    for (const item of [address, ...topics]) {
      for (const [digit, bit] of Bloom.bitsOf(item)) digits[digit] = (digits[digit] ?? 0) | bit
    }
  }
  return `0x${digits.map((digit) => digit.toString(16)).join("")}`
}

export class FakeChain {
  blocks: ReadonlyArray<Block> = [
    { number: 0, hash: hashOf("genesis"), parentHash: hashOf(""), atS: 1_000, events: [] },
  ]
  fault: Fault = (_method, _params, answer) => Effect.succeed(answer)
  requests = 0
  #made = 0

  get head(): number {
    return this.blocks.length - 1
  }

  event(address: string, topic: string): Event {
    this.#made += 1
    return { address, topics: [topic], data: hex(this.#made).padEnd(66, "0"), transaction: hashOf(`tx ${this.#made}`) }
  }

  mine(events: ReadonlyArray<Event> = []): void {
    const before = this.blocks[this.head]
    if (before === undefined) throw new Error("there is no block")
    this.#made += 1
    const number = before.number + 1
    const hash = hashOf(`block ${number} ${this.#made}`)
    this.blocks = [...this.blocks, { number, hash, parentHash: before.hash, atS: before.atS + 2, events }]
  }

  /** Takes blocks off; answers the events that were in them. */
  fork(depth: number): ReadonlyArray<Event> {
    const gone = this.blocks.slice(this.blocks.length - depth)
    this.blocks = this.blocks.slice(0, this.blocks.length - depth)
    return gone.flatMap(({ events }) => events)
  }

  logs(from: number, to: number): ReadonlyArray<Record<string, unknown>> {
    return this.blocks.slice(from, to + 1).flatMap(({ events, hash, number }) =>
      events.map(({ address, data, topics, transaction }, at) => ({
        address,
        topics,
        data,
        blockNumber: hex(number),
        blockHash: hash,
        transactionHash: transaction,
        logIndex: hex(at),
        removed: false,
      })),
    )
  }

  #answer(method: string, params: ReadonlyArray<unknown>): unknown {
    const [first] = params
    if (method === "eth_getBlockByNumber") {
      const block = this.blocks[Number(first)]
      return block === undefined
        ? null
        : {
            number: hex(block.number),
            hash: block.hash,
            parentHash: block.parentHash,
            timestamp: hex(block.atS),
            logsBloom: bloomOf(block),
          }
    }
    // The test says what the index asks for.
    const filter = first as { fromBlock?: string; toBlock?: string; blockHash?: string; address: ReadonlyArray<string> }
    const at = this.blocks.findIndex(({ hash }) => hash === filter.blockHash)
    const [from, to] = filter.blockHash === undefined ? [Number(filter.fromBlock), Number(filter.toBlock)] : [at, at]
    return this.logs(from, to).filter(({ address }) => filter.address.includes(String(address)))
  }

  rpc(confirmations: number, finalityDepth: number): Pick<Rpc["Service"], "chain" | "request" | "head"> {
    return {
      chain: Chain.make({
        id: 4_242,
        name: "Fake",
        nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
        blockTimeMs: 1_000,
        confirmations,
        finalityDepth,
        fees: { style: "eip1559", minPriorityFeeWei: 1n, maxFeeCapWei: 100n },
      }),
      head: Effect.suspend(() => Effect.map(this.fault("head", [], this.head), (head) => BigInt(Number(head)))),
      request: (method, params) =>
        Effect.suspend(() => {
          this.requests += 1
          return this.fault(method, params, this.#answer(method, params))
        }),
    }
  }
}
