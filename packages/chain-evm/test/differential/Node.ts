/**
 * A chain of a test's own that is asked over a local socket, some sixty times faster than over HTTP. It makes one block for each
 * transaction, and the block's second is the one that was set.
 */
import * as Effect from "effect/Effect"
import { createConnection } from "node:net"
import { tmpdir } from "node:os"
import * as path from "node:path"
import type * as Chain from "../../src/Chain.ts"
import { anvil as anvilChain } from "../../src/chains/anvil.ts"
import * as Rpc from "../../src/Rpc.ts"
import { NodeRefused, RpcError } from "../../src/RpcError.ts"
import * as Anvil from "@guildhall/tools/Anvil"

/** Credited after two blocks, final after six: a reorganisation of five takes back what was credited. */
const chain: Chain.Chain = { ...anvilChain, confirmations: 2, finalityDepth: 6 }

interface Refusal {
  readonly code: number
  readonly message: string
  readonly data?: unknown
}

interface Answer {
  readonly id: number
  readonly result?: unknown
  readonly error?: Refusal
}

const connect = (socketPath: string) =>
  Effect.acquireRelease(
    Effect.callback<(method: string, params: ReadonlyArray<unknown>) => Promise<Answer>>((resume) => {
      const socket = createConnection(socketPath)
      const waiting = new Map<number, (answer: Answer) => void>()
      let [id, rest] = [0, ""]
      socket.setEncoding("utf8")
      socket.on("data", (chunk: string) => {
        const lines = (rest + chunk).split("\n")
        rest = lines.pop() ?? ""
        for (const line of lines) {
          // What anvil answers has this form.
          const answer = JSON.parse(line) as Answer
          waiting.get(answer.id)?.(answer)
          waiting.delete(answer.id)
        }
      })
      const ask = (method: string, params: ReadonlyArray<unknown>): Promise<Answer> =>
        new Promise((resolve) => {
          waiting.set(++id, resolve)
          socket.write(JSON.stringify({ jsonrpc: "2.0", id, method, params }))
        })
      socket.once("connect", () => resume(Effect.succeed(Object.assign(ask, { close: () => socket.destroy() }))))
    }),
    (ask) => Effect.sync(() => "close" in ask && typeof ask.close === "function" && ask.close()),
  )

const bytesOf = (data: unknown): string | null => (typeof data === "string" && data.startsWith("0x") ? data : null)

/** Where the socket of a chain is: one for each process and start. */
export const socketPath = (): string =>
  path.join(tmpdir(), `anvil-${process.pid}-${globalThis.crypto.randomUUID()}.ipc`)

export interface Node {
  /** The account of a name, which has coin for gas. */
  readonly account: (name: string) => Effect.Effect<Anvil.Account>
  readonly rpc: Rpc.Rpc["Service"]
  readonly request: (method: string, params?: ReadonlyArray<unknown>) => Effect.Effect<unknown>
  /** Makes an empty block at a second, from which on all blocks are of that second. */
  readonly mineAt: (atS: number) => Effect.Effect<void>
  readonly reorg: (depth: number) => Effect.Effect<void>
}

/** Starts the chain and connects to it. `history` says how it keeps its past. */
export const make = Effect.fnUntraced(function* (genesisS: number, history: ReadonlyArray<string>) {
  const socket = socketPath()
  const { account } = yield* Anvil.make({ timestampS: genesisS, args: ["--ipc", socket, "--no-mining", ...history] })
  const ask = yield* connect(socket)
  const asked = (method: string, params: ReadonlyArray<unknown>): Effect.Effect<unknown, RpcError> =>
    Effect.flatMap(
      Effect.promise(() => ask(method, params)),
      ({ error, result }) => {
        if (error === undefined) return Effect.succeed(result)
        const { code, data, message: detail } = error
        return Effect.fail(
          new RpcError({ reason: new NodeRefused({ endpoint: "anvil", method, code, detail, data: bytesOf(data) }) }),
        )
      },
    )
  /** Blocks do not change but by a reorganisation, and are asked for again and again. */
  let blocks = new Map<unknown, unknown>()
  const forgetting = <A, E>(change: Effect.Effect<A, E>) =>
    Effect.tap(change, () => Effect.sync(() => void (blocks = new Map())))
  const request = Effect.fnUntraced(function* (method: string, params: ReadonlyArray<unknown>) {
    const isBlock = method === "eth_getBlockByNumber" && params[1] === false && String(params[0]).startsWith("0x")
    if (!isBlock) return yield* asked(method, params)
    const known = blocks.get(params[0])
    if (known !== undefined) return known
    const found = yield* asked(method, params)
    if (found !== null) blocks.set(params[0], found)
    return found
  })
  const must = (method: string, params: ReadonlyArray<unknown> = []) => Effect.orDie(asked(method, params))
  yield* must("anvil_setBlockTimestampInterval", [0])
  const rpc = Rpc.Rpc.of({
    chain,
    request,
    head: Effect.map(asked("eth_blockNumber", []), (head) => BigInt(String(head))),
    broadcast: (raw) => Effect.andThen(asked("eth_sendRawTransaction", [raw]), asked("evm_mine", [])),
    endpoints: Effect.succeed([]),
  })
  const node: Node = {
    account,
    rpc,
    request: (method, params) => forgetting(must(method, params)),
    mineAt: (atS) => Effect.asVoid(must("evm_mine", [{ timestamp: atS }])),
    reorg: (depth) => Effect.asVoid(forgetting(must("anvil_reorg", [depth, []]))),
  }
  return node
})
