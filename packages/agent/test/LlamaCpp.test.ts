import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as AgentHome from "../src/AgentHome.ts"
import { Backend } from "../src/Backend.ts"
import * as LlamaCpp from "../src/backends/LlamaCpp.ts"
import * as DemoModel from "../src/demo/DemoModel.ts"
import * as BackendProbe from "../src/testing/BackendProbe.ts"
import * as AgentProcess from "./AgentProcess.ts"

const demo = (template: "auto" | "plain") =>
  Layer.unwrap(
    Effect.gen(function* () {
      const directory = yield* AgentProcess.temporaryHome
      const { path } = yield* DemoModel.ensure.pipe(Effect.provide(AgentHome.layer({ directory })))
      return LlamaCpp.layer({
        path,
        model: { id: DemoModel.ID, contextLength: 10_000, notice: DemoModel.NOTICE },
        contextLength: 512,
        concurrency: 2,
        template,
        gpu: false,
        threads: 1,
      })
    }),
  ).pipe(Layer.provide(NodeServices.layer))

const ask = (fields: Readonly<Record<string, unknown>>) =>
  BackendProbe.send({
    model: DemoModel.ID,
    messages: [{ role: "user", content: "What is a market?" }],
    max_tokens: 40,
    ...fields,
  })

const textOf = Effect.fnUntraced(function* (fields: Readonly<Record<string, unknown>>) {
  const { choices, usage } = yield* BackendProbe.completion(yield* ask(fields))
  return { text: choices[0]?.message.content ?? "", reason: choices[0]?.finish_reason, usage }
})

describe("LlamaCpp", () => {
  layer(demo("plain"), { excludeTestServices: true })("with the demo model", (it) => {
    it.effect("describes the context that it really has, and the notice", () =>
      Effect.gen(function* () {
        const [model] = yield* Effect.flatMap(Backend, (backend) => backend.describe)
        assert.deepStrictEqual(model, { id: DemoModel.ID, contextLength: 512, notice: DemoModel.NOTICE })
      }),
    )

    it.effect("gives the same answer to the same seed, streamed or not, and another to another", () =>
      Effect.gen(function* () {
        const first = yield* textOf({ seed: 5 })
        assert.deepStrictEqual(yield* textOf({ seed: 5 }), first)
        assert.notStrictEqual((yield* textOf({ seed: 6 })).text, first.text)
        const chunks = yield* BackendProbe.chunks(yield* ask({ seed: 5, stream: true }))
        assert.strictEqual(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""), first.text)
        assert.isAbove(chunks.length, 10)
      }),
    )

    it.effect("ends by itself after a sentence, at times", () =>
      Effect.gen(function* () {
        const answers = yield* Effect.forEach([1, 2, 3, 4, 5, 6, 7, 8], (seed) => textOf({ seed, max_tokens: 400 }))
        const ended = answers.filter((answer) => answer.reason === "stop")
        assert.isAbove(ended.length, 0)
        for (const { text } of ended) assert.match(text, /^[A-Z][A-Za-z' .,]*\.$/)
      }),
    )

    it.effect("stops at a stop text and leaves it out", () =>
      Effect.gen(function* () {
        const { text } = yield* textOf({ seed: 5, max_tokens: 200 })
        const stop = text.split(" ").slice(3, 5).join(" ")
        const short = yield* textOf({ seed: 5, max_tokens: 200, stop: [stop] })
        assert.strictEqual(short.reason, "stop")
        assert.strictEqual(short.text.trim(), text.slice(0, text.indexOf(stop)).trim())
      }),
    )

    it.effect("fills its context and no more", () =>
      Effect.gen(function* () {
        const words = (count: number) => [{ role: "user", content: Array<string>(count).fill("market").join(" ") }]
        const hundred = yield* textOf({ messages: words(100), max_tokens: 1 })
        const almost = words(512 - 3 - (hundred.usage.prompt_tokens - 100))
        const { usage, reason } = yield* textOf({ messages: almost, max_tokens: undefined, seed: 1 })
        assert.strictEqual(reason, "length")
        assert.strictEqual(usage.total_tokens, 512)
        const long = yield* ask({ messages: words(600) })
        assert.strictEqual(long.status, 400)
        assert.include(long.text, "context_too_long")
        assert.include(long.text, "512")
      }),
    )

    it.effect("reads messages in parts, and of every role", () =>
      Effect.gen(function* () {
        const parts = yield* textOf({
          seed: 1,
          messages: [
            {
              role: "user",
              content: [
                { type: "text", text: "What is " },
                { type: "text", text: "a market?" },
              ],
            },
          ],
        })
        assert.deepStrictEqual(parts, yield* textOf({ seed: 1 }))
        const many = yield* textOf({
          messages: ["developer", "system", "user", "assistant", "user"].map((role) => ({ role, content: "a market" })),
        })
        assert.isAbove(many.usage.prompt_tokens, parts.usage.prompt_tokens)
      }),
    )

    it.effect("refuses what it cannot do instead of doing something else", () =>
      Effect.gen(function* () {
        for (const fields of [
          { n: 2 },
          { tools: [{ type: "function", function: { name: "f" } }] },
          { response_format: { type: "json_object" } },
          { logprobs: true },
          { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "x" } }] }] },
          { messages: [] },
          { messages: [{ role: "tool", content: "x" }] },
          { temperature: 5 },
          { max_tokens: 0 },
          { stop: 7 },
        ]) {
          const answer = yield* ask(fields)
          assert.strictEqual(answer.status, 400, JSON.stringify(fields))
          assert.include(answer.text, '"invalid_request"')
        }
      }),
    )

    it.effect("answers more requests than it has places, each in its turn", () =>
      Effect.gen(function* () {
        const answers = yield* Effect.all(
          Array.from({ length: 9 }, (_, seed) => textOf({ seed: seed % 3, max_tokens: 30 })),
          { concurrency: "unbounded" },
        )
        answers.forEach((answer, at) => assert.deepStrictEqual(answer, answers[at % 3]))
      }),
    )
  })

  layer(demo("auto"), { excludeTestServices: true })("with the engine's own chat format", (it) => {
    it.effect("answers", () =>
      Effect.gen(function* () {
        const { usage } = yield* textOf({
          messages: [
            { role: "system", content: "Be brief." },
            { role: "user", content: "Hi" },
          ],
        })
        assert.isAbove(usage.completion_tokens, 0)
        assert.isAbove(usage.prompt_tokens, 4)
      }),
    )
  })
})
