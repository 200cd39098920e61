import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import * as Memory from "../src/backends/Memory.ts"
import * as OpenAICompatible from "../src/backends/OpenAICompatible.ts"
import * as ScriptedServer from "./ScriptedServer.ts"
import * as Serving from "./Serving.ts"
import * as TestTicket from "./TestTicket.ts"
import { until } from "./Waiting.ts"

let made = 0
const endless = function* () {
  for (;;) {
    made += 1
    yield "word ".repeat(100)
  }
}
const memory = Memory.layer({
  models: [{ id: Serving.MODEL, contextLength: 1_000_000 }],
  answer: (request) => (request.messages[0]?.text === "endless" ? endless() : ["a ", "b ", "c "]),
})

const text = ({ response }: Serving.Answer) => Effect.promise(() => response.text())
/** The body of a stream up to its first chunk. */
const firstChunk = ({ response }: Serving.Answer) => Effect.promise(async () => response.body?.getReader().read())

describe("AgentServer", () => {
  it.live("serves a ticket once and logs what was used", () =>
    Effect.gen(function* () {
      const { ask, ticket, lines } = yield* Serving.make(memory)
      const header = yield* ticket()
      const answer = yield* ask("hello there", {}, header)
      assert.strictEqual(answer.response.status, 200)
      assert.strictEqual(answer.response.headers.get("x-guildhall-load"), "1")
      assert.include(yield* text(answer), '"content":"a b c "')
      const again = yield* ask("hello there", {}, header)
      assert.strictEqual(again.response.status, 401)
      assert.strictEqual(again.response.headers.get("x-guildhall-load"), "0")
      assert.strictEqual(JSON.parse(yield* text(again)).error.code, "invalid_ticket")
      const [line, ...others] = yield* lines
      assert.lengthOf(others, 0)
      assert.deepStrictEqual(line?.usage, { inputToken: 2, outputToken: 3 })
      assert.deepStrictEqual(line?.price, TestTicket.PRICE)
      assert.strictEqual(line?.outcome, "completed")
    }).pipe(Effect.scoped),
  )

  it.live("refuses without a ticket, and knows two addresses only", () =>
    Effect.gen(function* () {
      const { url, lines } = yield* Serving.make(memory)
      const get = (path: string, method = "GET") => Effect.promise(() => fetch(`${url}${path}`, { method }))
      const bare = yield* get("/v1/chat/completions", "POST")
      assert.strictEqual(bare.status, 401)
      assert.include(yield* Effect.promise(() => bare.text()), "gateway")
      const health = yield* get("/healthz")
      assert.deepStrictEqual(yield* Effect.promise(() => health.json()), {
        status: "ok",
        models: [Serving.MODEL],
        in_flight: 0,
      })
      for (const [path, method] of [
        ["/v1/models", "GET"],
        ["/healthz", "POST"],
        ["/v1/chat/completions", "GET"],
      ] as const) {
        assert.strictEqual((yield* get(path, method)).status, 404)
      }
      assert.deepStrictEqual(yield* lines, [])
    }).pipe(Effect.scoped),
  )

  it.live("takes no more requests at a time than it declared", () =>
    Effect.gen(function* () {
      const { ask, server } = yield* Serving.make(memory)
      const running = yield* Effect.all([ask("endless", { stream: true }), ask("endless", { stream: true })])
      assert.strictEqual(server.inFlight(TestTicket.INSTANCE), 2)
      const third = yield* ask("hello")
      assert.strictEqual(third.response.status, 429)
      assert.strictEqual(third.response.headers.get("retry-after"), "1")
      for (const answer of running) answer.controller.abort()
      yield* until(() => server.inFlight(TestTicket.INSTANCE) === 0)
      assert.strictEqual((yield* ask("hello")).response.status, 200)
    }).pipe(Effect.scoped),
  )

  it.live("stops the backend when the gateway goes away, and logs what was made", () =>
    Effect.gen(function* () {
      const { ask, server, lines } = yield* Serving.make(memory)
      const answer = yield* ask("endless", { stream: true })
      yield* firstChunk(answer)
      answer.controller.abort()
      yield* until(() => server.inFlight(TestTicket.INSTANCE) === 0)
      const stopped = made
      yield* Effect.sleep(30)
      assert.strictEqual(made, stopped)
      const [line] = yield* lines
      assert.strictEqual(line?.outcome, "aborted")
      assert.strictEqual(line?.usage.inputToken, 1)
      assert.isAbove(line?.usage.outputToken ?? 0, 0)
    }).pipe(Effect.scoped),
  )

  it.live("makes the backend wait for a slow reader", () =>
    Effect.gen(function* () {
      const { ask } = yield* Serving.make(memory)
      const answer = yield* ask("endless", { stream: true })
      let before = -1
      for (let tries = 0; tries < 200 && before !== made; tries++) {
        before = made
        yield* Effect.sleep(50)
      }
      assert.strictEqual(made, before, "the backend never paused")
      const reader = answer.response.body?.getReader()
      yield* Effect.promise(async () => {
        while (made === before) await reader?.read()
      })
      assert.isAbove(made, before)
      answer.controller.abort()
    }).pipe(Effect.scoped),
  )

  it.live("drains: refuses what is new, finishes what it has, and ends what takes too long", () =>
    Effect.gen(function* () {
      const { ask, server, lines } = yield* Serving.make(memory)
      const long = yield* ask("endless", { stream: true })
      const drained = yield* Effect.forkChild(server.drain(150))
      yield* Effect.sleep(30)
      const refused = yield* ask("hello")
      assert.strictEqual(refused.response.status, 503)
      assert.strictEqual(JSON.parse(yield* text(refused)).error.code, "shutting_down")
      const ended = yield* Effect.promise(() =>
        long.response.text().then(
          () => "complete",
          () => "cut off",
        ),
      )
      assert.strictEqual(ended, "cut off")
      yield* Fiber.join(drained)
      const [line] = yield* lines
      assert.strictEqual(line?.outcome, "aborted")
      assert.isAbove(line?.usage.outputToken ?? 0, 0)
    }).pipe(Effect.scoped),
  )

  it.live("refuses a body that is too large before it has come", () =>
    Effect.gen(function* () {
      const { ask, server } = yield* Serving.make(memory)
      const answer = yield* ask("x".repeat(65 * 1024 * 1024)).pipe(
        Effect.map(({ response }) => response.status),
        // The connection may be closed while the body is still being written.
        Effect.catchDefect(() => Effect.succeed(413)),
      )
      assert.strictEqual(answer, 413)
      yield* until(() => server.inFlight(TestTicket.INSTANCE) === 0)
    }).pipe(Effect.scoped),
  )

  it.live("passes a server's bytes on, reads their usage, and says when the server fails", () =>
    Effect.gen(function* () {
      const upstream = yield* ScriptedServer.make()
      const backend = OpenAICompatible.layer({ url: `${upstream.url}/v1/` }).pipe(
        Layer.provide(NodeHttpClient.layerNodeHttp),
      )
      const { ask, server, lines } = yield* Serving.make(backend)
      const whole = yield* ask("one two three", {
        max_tokens: 4,
        stream: true,
        stream_options: { include_usage: true },
      })
      assert.isTrue((yield* text(whole)).endsWith("data: [DONE]\n\n"))
      const unknown = yield* ask("hello", { model: "nobody/knows" })
      assert.strictEqual(unknown.response.status, 404)
      assert.strictEqual(JSON.parse(yield* text(unknown)).error.code, "model_not_found")
      const aborted = yield* ask("endless", { stream: true })
      yield* firstChunk(aborted)
      aborted.controller.abort()
      yield* until(() => upstream.open.size === 0 && server.inFlight(TestTicket.INSTANCE) === 0)
      const broken = yield* ask("endless", { stream: true })
      yield* firstChunk(broken)
      upstream.destroyAll()
      yield* until(() => server.inFlight(TestTicket.INSTANCE) === 0)
      const seen = yield* lines
      assert.deepStrictEqual(
        seen.map((line) => line.outcome),
        ["completed", "failed", "aborted", "failed"],
      )
      assert.deepStrictEqual(seen[0]?.usage, { inputToken: 3, outputToken: 4 })
      assert.deepStrictEqual(seen[1]?.usage, {})
      assert.isAbove(seen[2]?.usage.outputToken ?? 0, 0)
    }).pipe(Effect.scoped),
  )

  it.live("fails its health check while the backend is down", () =>
    Effect.gen(function* () {
      const backend = OpenAICompatible.layer({ url: "http://127.0.0.1:1" }).pipe(
        Layer.provide(NodeHttpClient.layerNodeHttp),
      )
      const { url } = yield* Serving.make(backend)
      const health = yield* Effect.promise(() => fetch(`${url}/healthz`))
      assert.strictEqual(health.status, 503)
      assert.strictEqual((yield* Effect.promise(() => health.json())).status, "backend_down")
    }).pipe(Effect.scoped),
  )

  it.live("answers 502 where the server is not there", () =>
    Effect.gen(function* () {
      const backend = OpenAICompatible.layer({ url: "http://127.0.0.1:1" }).pipe(
        Layer.provide(NodeHttpClient.layerNodeHttp),
      )
      const { ask, lines } = yield* Serving.make(backend)
      const answer = yield* ask("hello")
      assert.strictEqual(answer.response.status, 502)
      assert.strictEqual(JSON.parse(yield* text(answer)).error.code, "provider_error")
      assert.deepStrictEqual(
        (yield* lines).map((line) => [line.outcome, line.usage]),
        [["failed", {}]],
      )
    }).pipe(Effect.scoped),
  )
})
