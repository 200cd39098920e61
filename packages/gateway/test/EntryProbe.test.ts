/** What hostile endpoints do to a market that checks them: nothing. Real sockets, the gateway's own transport. */
import { once } from "node:events"
import { createServer as createHttp, type RequestListener } from "node:http"
import { createServer as createTcp, type AddressInfo, type Server, type Socket } from "node:net"
import { gzipSync } from "node:zlib"
import { afterEach, assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import type { CheckName, Outcome, Settings } from "@guildhall/core/EntryVerification"
import type { Instance } from "@guildhall/core/Instance"
import { Checks, EndpointProbe, TransportProbe } from "@guildhall/verification/endpoint"
import * as UndiciTransport from "../src/transports/Undici.ts"
import * as TestLane from "./TestLane.ts"

const settings: Settings = { checks: ["reach"], recheckMs: 60_000, promptTokensMax: 1_024, parallelMax: 4 }

const closers: Array<() => void> = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

const listen = async (server: Server): Promise<string> => {
  const sockets = new Set<Socket>()
  server.on("connection", (socket) => {
    sockets.add(socket)
    socket.on("error", () => undefined)
    socket.on("close", () => sockets.delete(socket))
  })
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const http = (handler: RequestListener) => listen(createHttp(handler))

const probing = <A, E>(effect: Effect.Effect<A, E, EndpointProbe.EndpointProbe>, allowPrivate = true): Promise<A> =>
  effect.pipe(
    Effect.provide(
      TransportProbe.layer({
        allowPrivate,
        headers: () => Effect.succeed({ "guildhall-ticket": "ticket", "x-request-id": "req_1" }),
      }).pipe(Layer.provide(UndiciTransport.layerWith({ allowPrivate }))),
    ),
    Effect.provide(Logger.layer([])),
    Effect.runPromise,
  )

const instanceAt = (url: string, changes: Partial<Instance> = {}): Instance => ({
  ...TestLane.instance("hostile", url),
  ...changes,
})

const check = (name: CheckName, url: string, allowPrivate = true): Promise<Outcome> =>
  probing(Checks.run(name, { instance: instanceAt(url), settings }), allowPrivate)

const ask = (url: string, limits: { readonly limitMs: number; readonly bytesMax: number }) =>
  probing(
    EndpointProbe.EndpointProbe.use((probe) =>
      probe.ask({ instance: instanceAt(url), method: "GET", path: "/healthz", ...limits }),
    ),
  )

describe("a hostile endpoint", () => {
  it("that sends without end is read to the limit, and its connection closed", async () => {
    let isClosed = false
    const url = await http((_, response) => {
      response.writeHead(200)
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(16_384, 97)));
      }
      response.on("drain", more)
      response.on("close", () => (isClosed = true))
      more()
    })
    const answer = await ask(url, { limitMs: 5_000, bytesMax: 100_000 })
    assert.deepInclude(answer, { _tag: "Broken", reason: "TooLarge" })
    const verdict = await check("reach", url)
    assert.strictEqual(verdict.code, "entry_too_large")
    assert.isTrue(isClosed)
  })

  it("that sends a byte now and then ends with the time", async () => {
    const url = await http((_, response) => {
      response.writeHead(200)
      const timer = setInterval(() => response.write("a"), 20)
      response.on("close", () => clearInterval(timer))
    })
    const beganMs = performance.now()
    const answer = await ask(url, { limitMs: 300, bytesMax: 100_000 })
    assert.deepInclude(answer, { _tag: "Broken", reason: "TooSlow" })
    assert.isBelow(performance.now() - beganMs, 2_000)
  })

  it("that sends its head a byte at a time ends with the time", async () => {
    const url = await listen(
      createTcp((socket) => {
        const text = `HTTP/1.1 200 OK\r\nx: ${"y".repeat(10_000)}`
        let at = 0
        const timer = setInterval(() => socket.write(text[at++] ?? "y"), 20)
        socket.on("close", () => clearInterval(timer))
      }),
    )
    const answer = await ask(url, { limitMs: 300, bytesMax: 100_000 })
    assert.strictEqual(answer._tag, "Broken")
    assert.isBelow(answer.tookMs, 2_000)
  })

  it("that sends a huge head is given up", async () => {
    const url = await listen(
      createTcp((socket) => {
        socket.write("HTTP/1.1 200 OK\r\n")
        for (let line = 0; line < 1_000; line += 1) socket.write(`x-${line}: ${"y".repeat(1_000)}\r\n`)
        socket.end("\r\n")
      }),
    )
    const answer = await ask(url, { limitMs: 5_000, bytesMax: 100_000 })
    assert.strictEqual(answer._tag, "Broken")
  })

  it.each(["http://169.254.169.254/latest/meta-data", "http://127.0.0.1:1/", "//other.example", "/elsewhere"])(
    "that sends the market to %s is not followed",
    async (location) => {
      const asked: Array<string> = []
      const url = await http((request, response) => {
        asked.push(request.url ?? "")
        response.writeHead(302, { location })
        response.end()
      })
      const verdict = await check("reach", url)
      assert.strictEqual(verdict.code, "entry_redirects")
      assert.include(verdict.detail, location)
      assert.deepStrictEqual(asked, ["/healthz"])
    },
  )

  it("that sends a gzip bomb has it unpacked by nobody", async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024))
    const url = await http((_, response) => {
      response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" })
      response.end(bomb)
    })
    const answer = await ask(url, { limitMs: 5_000, bytesMax: 100_000 })
    if (answer._tag === "Complete") assert.strictEqual(answer.body.byteLength, bomb.byteLength)
    const before = process.memoryUsage().arrayBuffers
    const verdict = await check("completion", url)
    assert.strictEqual(verdict.code, "entry_no_completion")
    assert.isBelow(process.memoryUsage().arrayBuffers - before, 16 * 1024 * 1024)
  })

  it.each(["127.0.0.1", "localhost", "[::1]"])(
    "at %s is not connected to where only public addresses are called",
    async (host) => {
      let asked = 0
      const url = await http((_, response) => {
        asked += 1
        response.end("{}")
      })
      for (const name of ["reach", "device_key", "completion"] as const) {
        const verdict = await check(name, url.replace("127.0.0.1", host), false)
        assert.strictEqual(verdict.state, "failed")
        assert.match(verdict.detail, /not on the public internet/)
      }
      assert.strictEqual(asked, 0)
    },
  )

  it("that answers with what is no JSON, nothing, or half of it fails, and nothing breaks", async () => {
    for (const body of [
      "",
      "null",
      "[]",
      '{"usage":',
      '{"usage":{"prompt_tokens":-1}}',
      '{"usage":{"prompt_tokens":1e999}}',
    ]) {
      const url = await http((_, response) => {
        response.writeHead(200, { "content-type": "application/json" })
        response.end(body)
      })
      for (const name of ["device_key", "completion", "context", "streaming"] as const) {
        assert.strictEqual((await check(name, url)).state, "failed", `${name} ${body}`)
      }
    }
  })

  it("hears in a probe what a buyer's request says, and nothing else", async () => {
    const heads: Array<ReadonlyArray<string>> = []
    const url = await http((request, response) => {
      heads.push(Object.keys(request.headers).sort())
      response.writeHead(500)
      response.end()
    })
    await check("streaming", url)
    assert.deepStrictEqual(heads, [
      [
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "guildhall-ticket",
        "host",
        "x-request-id",
      ],
    ])
  })
})
