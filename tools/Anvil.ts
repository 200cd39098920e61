/**
 * A real chain for a test: anvil on a free port, killed with the layer's scope. One layer per test file is enough; what
 * tests must not share they take back with `snapshot` and `revert`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { privateKeyToAddress } from "viem/accounts"
import { keccak256, stringToHex } from "viem/utils"
import { program } from "./Foundry.ts"

export interface Account {
  readonly address: `0x${string}`
  readonly privateKey: Redacted.Redacted<`0x${string}`>
}

export interface Options {
  /** 31337 if nothing is said. */
  readonly chainId?: number | undefined
  /** Of the first block, in seconds of the chain's clock; the machine's time if nothing is said. */
  readonly timestampS?: number | undefined
  /** Anything else that anvil understands. */
  readonly args?: ReadonlyArray<string> | undefined
}

export class Anvil extends Context.Service<
  Anvil,
  {
    readonly url: string
    readonly chainId: number
    /** The account of a name: the same name has the same key on every chain. It is given 10,000 of the chain's coin once. */
    readonly account: (name: string) => Effect.Effect<Account>
    /** Any method, anvil's own among them; an answer that is an error is a defect. */
    readonly request: (method: string, params?: ReadonlyArray<unknown>) => Effect.Effect<unknown>
    /** The chain's clock: the time of the newest block. */
    readonly nowS: Effect.Effect<number>
    /** Moves the chain's clock ahead, and makes a block at that time. */
    readonly advance: (seconds: number) => Effect.Effect<void>
    readonly mine: (blocks: number) => Effect.Effect<void>
    readonly blockNumber: Effect.Effect<number>
    readonly snapshot: Effect.Effect<string>
    readonly revert: (snapshot: string) => Effect.Effect<void>
    /** Takes this many blocks off the chain and makes as many empty ones instead. */
    readonly reorg: (depth: number) => Effect.Effect<void>
    readonly process: ChildProcess
  }
>()("@guildhall/tools/Anvil") {}

const listening = (child: ChildProcess): Promise<string> =>
  new Promise((resolve, reject) => {
    let output = ""
    const hear = (chunk: Buffer): void => {
      output += chunk.toString()
      const port = /Listening on 127\.0\.0\.1:(\d+)/.exec(output)?.[1]
      if (port === undefined) return
      // A line comes for every request from now on: nobody reads it, and nobody keeps it.
      for (const stream of [child.stdout, child.stderr]) stream?.off("data", hear).resume()
      resolve(`http://127.0.0.1:${port}`)
    }
    child.stdout?.on("data", hear)
    child.stderr?.on("data", hear)
    child.once("error", reject)
    child.once("exit", () => reject(new Error(`anvil ended before it listened:\n${output}`)))
  })

const asker = (url: string) => {
  let id = 0
  return (method: string, params: ReadonlyArray<unknown> = []): Effect.Effect<unknown> =>
    Effect.promise(async () => {
      const body = JSON.stringify({ jsonrpc: "2.0", id: ++id, method, params })
      const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body })
      const answer: unknown = await response.json()
      if (typeof answer !== "object" || answer === null || !("result" in answer)) {
        throw new Error(`${method}: ${JSON.stringify(answer)}`)
      }
      return answer.result
    })
}

const hex = (value: number | bigint): `0x${string}` => `0x${value.toString(16)}`

const keyOf = (name: string): Account => {
  const privateKey = keccak256(stringToHex(`guildhall test account ${name}`))
  return { address: privateKeyToAddress(privateKey), privateKey: Redacted.make(privateKey) }
}

/** Starts a chain in the scope. */
export const make = (options: Options = {}): Effect.Effect<Anvil["Service"], never, Scope.Scope> =>
  Effect.gen(function* () {
    const chainId = options.chainId ?? 31_337
    const args = ["--host", "127.0.0.1", "--port", "0", "--accounts", "0", "--chain-id", `${chainId}`]
    if (options.timestampS !== undefined) args.push("--timestamp", `${options.timestampS}`)
    args.push(...(options.args ?? []))
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(program("anvil"), args, { stdio: ["ignore", "pipe", "pipe"] })),
      (child) => Effect.sync(() => child.kill("SIGKILL")),
    )
    const url = yield* Effect.promise(() => listening(child))
    const request = asker(url)
    yield* request("anvil_setLoggingEnabled", [false])
    const funded = new Set<string>()
    const account = Effect.fnUntraced(function* (name: string) {
      const made = keyOf(name)
      if (!funded.has(name)) {
        yield* request("anvil_setBalance", [made.address, hex(10_000n * 10n ** 18n)])
        funded.add(name)
      }
      return made
    })
    const mine = (blocks: number) => Effect.asVoid(request("anvil_mine", [hex(blocks)]))
    return Anvil.of({
      url,
      chainId,
      account,
      request,
      nowS: Effect.map(request("eth_getBlockByNumber", ["latest", false]), (block) =>
        Number((block as { readonly timestamp: string }).timestamp),
      ),
      advance: (seconds) => Effect.andThen(request("evm_increaseTime", [seconds]), mine(1)),
      mine,
      blockNumber: Effect.map(request("eth_blockNumber"), Number),
      snapshot: Effect.map(request("evm_snapshot"), String),
      revert: (snapshot) => Effect.asVoid(request("evm_revert", [snapshot])),
      reorg: (depth) => Effect.asVoid(request("anvil_reorg", [depth, []])),
      process: child,
    })
  })

/** A chain of the layer's own. */
export const layer = (options: Options = {}): Layer.Layer<Anvil> => Layer.effect(Anvil, make(options))
