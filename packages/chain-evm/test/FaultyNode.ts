/** An endpoint between a test and a real chain that can be told to lie, lag, stall, and cut. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { createServer } from "node:http"

/** What it answers instead: a result, raw text, or nothing more at all. `undefined` passes the node's answer on. */
export type Instead =
  | { readonly result: unknown }
  | { readonly error: { readonly code: number; readonly message: string; readonly data?: unknown } }
  | { readonly text: string; readonly status?: number }
  | "cut"
  | "stall"
  | undefined

export type Mangle = (method: string, params: ReadonlyArray<unknown>, result: unknown) => Instead

export interface FaultyNode {
  readonly url: Redacted.Redacted<string>
  readonly name: string
  /** How it answers from now on. */
  readonly now: (mangle: Mangle) => void
  /** How often a method was asked, or all of them together. */
  readonly asked: (method?: string) => number
}

interface Asked {
  readonly id: unknown
  readonly method: string
  readonly params: ReadonlyArray<unknown>
}

/** Starts one in front of a node, in the scope. Its address has a secret in it, as addresses of endpoints have. */
export const start = (upstream: string) =>
  Effect.gen(function* () {
    let mangle: Mangle = () => undefined
    const counts = new Map<string, number>()
    const server = createServer((request, response) => {
      let body = ""
      request.on("data", (chunk: Buffer) => void (body += chunk.toString()))
      request.on("end", () => {
        void (async () => {
          const asked = JSON.parse(body) as Asked
          counts.set(asked.method, (counts.get(asked.method) ?? 0) + 1)
          const passed = await fetch(upstream, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body,
          })
          const answer = (await passed.json()) as { readonly result?: unknown }
          const instead = mangle(asked.method, asked.params, answer.result)
          if (instead === "stall") return
          if (instead === "cut") {
            response.writeHead(200, { "content-length": "100000" })
            response.write('{"jsonrpc":"2.0","id":1,"result":"0x', () => response.destroy())
            return
          }
          if (instead !== undefined && "text" in instead) {
            response.writeHead(instead.status ?? 200)
            response.end(instead.text)
            return
          }
          response.writeHead(200, { "content-type": "application/json" })
          response.end(JSON.stringify(instead === undefined ? answer : { jsonrpc: "2.0", id: asked.id, ...instead }))
          // The node behind it ends with its test, and may leave the last question unanswered.
        })().catch(() => response.destroy())
      })
    })
    const port = yield* Effect.acquireRelease(
      Effect.promise(
        () =>
          new Promise<number>((resolve) => {
            server.listen(0, "127.0.0.1", () => {
              const address = server.address()
              resolve(typeof address === "object" && address !== null ? address.port : 0)
            })
          }),
      ),
      () =>
        Effect.sync(() => {
          server.closeAllConnections()
          server.close()
        }),
    )
    return {
      url: Redacted.make(`http://127.0.0.1:${port}/v2/sEcReT-kEy`),
      name: `127.0.0.1:${port}`,
      now: (next) => void (mangle = next),
      asked: (method) =>
        method === undefined ? [...counts.values()].reduce((sum, count) => sum + count, 0) : (counts.get(method) ?? 0),
    } satisfies FaultyNode
  })
