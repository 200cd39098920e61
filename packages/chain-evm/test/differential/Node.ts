/**
 * A chain of a test's own. It makes one block for each transaction, and the block's second is the one that was set. It does nothing
 * by itself, so what was read of it is not asked again until it was changed.
 */
import * as Effect from "effect/Effect"
import type * as Chain from "../../src/Chain.ts"
import { anvil as anvilChain } from "../../src/chains/anvil.ts"
import * as Rpc from "../../src/Rpc.ts"
import { NodeRefused, RpcError } from "../../src/RpcError.ts"
import * as Anvil from "@guildhall/tools/Anvil"
import * as Ipc from "./Ipc.ts"

/** Credited after two blocks, final after six: a reorganisation of five takes back what was credited. */
const chain: Chain.Chain = { ...anvilChain, confirmations: 2, finalityDepth: 6 }

const bytesOf = (data: unknown): string | null => (typeof data === "string" && data.startsWith("0x") ? data : null)

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
  const socket = Ipc.socketPath()
  const { account } = yield* Anvil.make({ timestampS: genesisS, args: ["--ipc", socket, "--no-mining", ...history] })
  const ask = yield* Ipc.connect(socket)
  const answered = (method: string, answer: Promise<Ipc.Answer>): Effect.Effect<unknown, RpcError> =>
    Effect.flatMap(
      Effect.promise(() => answer),
      ({ error, result }) => {
        if (error === undefined) return Effect.succeed(result)
        const { code, data, message: detail } = error
        return Effect.fail(
          new RpcError({ reason: new NodeRefused({ endpoint: "anvil", method, code, detail, data: bytesOf(data) }) }),
        )
      },
    )
  /** What was read since the last change; and headers, which only a reorganisation changes. */
  const [reads, headers] = [new Map<string, Promise<Ipc.Answer>>(), new Map<string, Promise<Ipc.Answer>>()]
  const read = (method: string, params: ReadonlyArray<unknown>): Effect.Effect<unknown, RpcError> =>
    Effect.suspend(() => {
      const isHeader = method === "eth_getBlockByNumber" && params[1] === false && String(params[0]).startsWith("0x")
      const [known, key] = [isHeader ? headers : reads, JSON.stringify([method, params])]
      const answer = known.get(key) ?? ask(method, params)
      known.set(key, answer)
      // A block that is not there yet may be there later.
      if (isHeader) void answer.then(({ result }) => (result === null ? known.delete(key) : true))
      return answered(method, answer)
    })
  const change = (method: string, params: ReadonlyArray<unknown> = []): Effect.Effect<unknown, RpcError> =>
    Effect.suspend(() => answered(method, ask(method, params))).pipe(Effect.ensuring(Effect.sync(() => reads.clear())))
  const must = (method: string, params?: ReadonlyArray<unknown>) => Effect.orDie(change(method, params))
  const forgetting = <A>(changed: Effect.Effect<A>) =>
    Effect.ensuring(
      changed,
      Effect.sync(() => headers.clear()),
    )
  yield* must("anvil_setBlockTimestampInterval", [0])
  const rpc = Rpc.Rpc.of({
    chain,
    request: read,
    head: Effect.map(read("eth_blockNumber", []), (head) => BigInt(String(head))),
    broadcast: (raw) => Effect.andThen(change("eth_sendRawTransaction", [raw]), change("evm_mine")),
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
