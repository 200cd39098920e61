/**
 * The suite of the port `Backend`: one test for each of its numbered guarantees, with the same words.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as Conformance from "@guildhall/core/testing/Conformance"
import { Backend, type BackendError } from "../Backend.ts"
import * as BackendProbe from "./BackendProbe.ts"

/**
 * What a backend may lack. `down` is the same backend where it is not up; a backend that cannot be down has none.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Conformance.Options {
  readonly down?: Layer.Layer<Backend, BackendError>
}

/** The next answer of a backend that did not stop would come far later, or never. */
const SOON_MS = 10_000
const QUESTION = "Tell me how a market works, in many words."

const firstModel = Effect.gen(function* () {
  const backend = yield* Backend
  const [model] = yield* backend.describe
  return model === undefined ? assert.fail("it describes no model") : model
})

const chat = Effect.fnUntraced(function* (fields: Readonly<Record<string, unknown>>) {
  const model = yield* firstModel
  return { model: model.id, messages: [{ role: "user", content: QUESTION }], seed: 1, ...fields }
})

const describes = Effect.fnUntraced(function* (options: Options) {
  const backend = yield* Backend
  const models = yield* backend.describe
  assert.isAbove(models.length, 0)
  for (const model of models) {
    assert.isAbove(model.id.length, 0)
    assert.isTrue(Number.isInteger(model.contextLength) && model.contextLength > 0)
  }
  if (options.down === undefined) return
  const attempt = Effect.flatMap(Backend, (down) => down.describe)
  const exit = yield* Effect.exit(Effect.provide(attempt, options.down))
  assert.isTrue(Exit.isFailure(exit), "a backend that is not up describes models")
})

const answers = Effect.fnUntraced(function* () {
  const whole = yield* BackendProbe.send(yield* chat({ max_tokens: 8 }))
  assert.strictEqual(whole.status, 200)
  const answer = yield* BackendProbe.completion(whole)
  const [choice] = answer.choices
  assert.lengthOf(answer.choices, 1)
  assert.strictEqual(choice?.message.role, "assistant")
  assert.isAbove(answer.usage.prompt_tokens, 0)
  assert.isAbove(answer.usage.completion_tokens, 0)
  assert.strictEqual(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)
  const streamed = yield* BackendProbe.send(
    yield* chat({ max_tokens: 8, stream: true, stream_options: { include_usage: true } }),
  )
  const chunks = yield* Conformance.answered(BackendProbe.chunks(streamed))
  assert.strictEqual(chunks.at(-1)?.usage?.prompt_tokens, answer.usage.prompt_tokens)
})

const streams = Effect.fnUntraced(function* () {
  for (const asked of [true, false]) {
    const answer = yield* BackendProbe.send(
      yield* chat({ max_tokens: 8, stream: true, ...(asked ? { stream_options: { include_usage: true } } : {}) }),
    )
    assert.strictEqual(answer.status, 200)
    assert.isTrue(answer.headers["content-type"]?.startsWith("text/event-stream"))
    const chunks = yield* Conformance.answered(BackendProbe.chunks(answer))
    assert.strictEqual(chunks[0]?.choices[0]?.delta.role, "assistant")
    const reasons = chunks.flatMap((chunk, at) => (typeof chunk.choices[0]?.finish_reason === "string" ? [at] : []))
    assert.lengthOf(reasons, 1, "there is not exactly one finish_reason")
    const after = chunks.slice((reasons[0] ?? 0) + 1)
    assert.lengthOf(after, asked ? 1 : 0, "after finish_reason comes usage where it was asked for, and nothing else")
    if (!asked) continue
    assert.deepStrictEqual(after[0]?.choices, [])
    assert.isAbove(after[0]?.usage?.completion_tokens ?? 0, 0)
  }
})

const bounds = Effect.fnUntraced(function* () {
  const answer = yield* BackendProbe.completion(yield* BackendProbe.send(yield* chat({ max_tokens: 2 })))
  assert.strictEqual(answer.choices[0]?.finish_reason, "length")
  assert.strictEqual(answer.usage.completion_tokens, 2)
})

/** Not to answer is an answer too: that the guarantee does not hold. */
const inTime = <A, E, R>(proof: Effect.Effect<A, E, R>) =>
  Effect.timeoutOrElse(proof, {
    duration: SOON_MS,
    orElse: () => Effect.sync((): A => assert.fail(`the backend did not get that far within ${SOON_MS} ms`)),
  })

const cancels = Effect.fnUntraced(function* () {
  const backend = yield* Backend
  // Greedy answers seldom end by themselves. Every place is taken, so the next request needs one that was left.
  const long = yield* chat({ stream: true, temperature: 0 })
  const cancelled = yield* Effect.all(
    Array.from({ length: backend.capabilities.concurrency }, () => BackendProbe.sendAndCancel(long)),
    { concurrency: "unbounded" },
  )
  for (const answer of cancelled) assert.strictEqual(answer.error?.reason, "Cancelled")
  const next = yield* BackendProbe.send(yield* chat({ max_tokens: 1 }))
  assert.strictEqual(next.status, 200)
  for (const answer of cancelled) assert.strictEqual(answer.late(), 0, "bytes came after the cancel was confirmed")
}, inTime)

const refuses = Effect.fnUntraced(function* () {
  const wrong = [
    "{ this is not JSON",
    JSON.stringify(yield* chat({ messages: "none" })),
    JSON.stringify(yield* chat({ model: "nobody/serves-this" })),
  ]
  for (const body of wrong) {
    const answer = yield* BackendProbe.sendText(body)
    assert.isTrue(answer.status >= 400 && answer.status < 500, `status ${answer.status} for ${body}`)
    assert.isAbove((yield* BackendProbe.refusal(answer)).error.message.length, 0)
  }
})

/**
 * What a backend guarantees, in the order of the port's documentation.
 *
 * @category constants
 * @since 0.1.0
 */
export const guarantees: ReadonlyArray<Conformance.Guarantee<(options: Options) => Conformance.Proof<Backend>>> = [
  {
    number: 1,
    test: "`describe` names the models that it serves, each with its context length, and fails where the backend is not up.",
    proof: describes,
  },
  {
    number: 2,
    test: "A chat completion is answered in OpenAI's shape, with usage; the counts of the same prompt are the same with and without streaming.",
    proof: answers,
  },
  {
    number: 3,
    test: "A stream has the role first, one `finish_reason`, then usage where it was asked for, then `[DONE]`, and nothing after.",
    proof: streams,
  },
  { number: 4, test: "`max_tokens` bounds the answer, and the finish reason then is `length`.", proof: bounds },
  {
    number: 5,
    test: "A cancelled request stops generating: the backend serves the next request without waiting for the old one's end.",
    proof: cancels,
  },
  {
    number: 6,
    test: "A request that it cannot serve is answered with an OpenAI-shaped error and a 4xx status.",
    proof: refuses,
  },
]

const port = (options: Options): Conformance.Port<Backend> => ({
  name: "Backend",
  guarantees: guarantees.map((guarantee) => ({ ...guarantee, proof: guarantee.proof(options) })),
  clock: "real",
})

/**
 * Declares the tests for a layer. A skip needs a reason, and is printed.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite = <E>(name: string, layer: Layer.Layer<Backend, E>, options: Options = {}): void =>
  Conformance.suite(port(options))(name, layer, options)

/**
 * Proves that the suite bites: on this layer the guarantee with this number must fail.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks = <E>(name: string, layer: Layer.Layer<Backend, E>, number: number, options: Options = {}): void =>
  Conformance.breaks(port(options))(name, layer, number)
