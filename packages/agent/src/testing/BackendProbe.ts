/**
 * Sends requests to a backend and hears the whole answer, for tests. It watches the rules of the sink as it does.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { TransportError } from "@guildhall/protocol/ProviderTransport"
import { Backend } from "../Backend.ts"

/**
 * An answer that has ended. `late` counts what the sink heard after that, which must be nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  readonly error: TransportError | undefined
  readonly late: () => number
}

const PATH = "/v1/chat/completions"

const exchange = (body: Uint8Array, cancelAtFirstText: boolean) =>
  Effect.flatMap(Backend, (backend) =>
    Effect.callback<Answer>((resume) => {
      const decoder = new TextDecoder()
      let status = 0
      let headers: Readonly<Record<string, string>> = {}
      let text = ""
      let ended = false
      let late = 0
      const end = (error: TransportError | undefined) => {
        if (ended) late += 1
        else resume(Effect.succeed({ status, headers, text, error, late: () => late }))
        ended = true
      }
      const dispatch = backend.dispatch(
        { path: PATH, body },
        {
          onStart: (code, told) => {
            if (ended || status !== 0) late += 1
            status = code
            headers = told
          },
          onData: (chunk) => {
            if (ended || status === 0) late += 1
            text += decoder.decode(chunk, { stream: true })
            if (cancelAtFirstText && /"content":\s?"[^"]/.test(text)) dispatch.cancel("the test went away")
            return true
          },
          onEnd: () => end(undefined),
          onError: end,
        },
      )
      return Effect.sync(() => dispatch.cancel("the test ended"))
    }),
  )

/**
 * Sends a body as it is and waits for the end of the answer.
 *
 * @category probes
 * @since 0.1.0
 */
export const sendText = (body: string) => exchange(new TextEncoder().encode(body), false)

/**
 * Sends a request and waits for the end of the answer.
 *
 * @category probes
 * @since 0.1.0
 */
export const send = (body: Readonly<Record<string, unknown>>) => sendText(JSON.stringify(body))

/**
 * Sends a request, cancels it at its first text, and waits for the end.
 *
 * @category probes
 * @since 0.1.0
 */
export const sendAndCancel = (body: Readonly<Record<string, unknown>>) =>
  exchange(new TextEncoder().encode(JSON.stringify(body)), true)

const Usage = Schema.Struct({
  prompt_tokens: Schema.Int,
  completion_tokens: Schema.Int,
  total_tokens: Schema.Int,
})

const Completion = Schema.Struct({
  object: Schema.Literal("chat.completion"),
  model: Schema.String,
  choices: Schema.Array(
    Schema.Struct({
      index: Schema.Int,
      message: Schema.Struct({ role: Schema.String, content: Schema.String }),
      finish_reason: Schema.String,
    }),
  ),
  usage: Usage,
})

const Chunk = Schema.Struct({
  object: Schema.Literal("chat.completion.chunk"),
  choices: Schema.Array(
    Schema.Struct({
      delta: Schema.Struct({
        role: Schema.optional(Schema.String),
        content: Schema.optional(Schema.NullOr(Schema.String)),
      }),
      finish_reason: Schema.optional(Schema.NullOr(Schema.String)),
    }),
  ),
  usage: Schema.optional(Schema.NullOr(Usage)),
})

const Refusal = Schema.Struct({ error: Schema.Struct({ message: Schema.String }) })

const decodeWith =
  <S extends Schema.Codec<unknown, unknown>>(schema: S) =>
  (text: string) =>
    Schema.decodeUnknownEffect(Schema.fromJsonString(schema))(text)

/**
 * The answer as a chat completion; fails where it has not that shape.
 *
 * @category getters
 * @since 0.1.0
 */
export const completion = (answer: Answer) => decodeWith(Completion)(answer.text)

/**
 * The answer as an error of OpenAI's shape.
 *
 * @category getters
 * @since 0.1.0
 */
export const refusal = (answer: Answer) => decodeWith(Refusal)(answer.text)

/**
 * The chunks of a stream; fails where it does not end with `[DONE]`, or has anything else than `data:` lines.
 *
 * @category getters
 * @since 0.1.0
 */
export const chunks = Effect.fnUntraced(function* (answer: Answer) {
  const frames = answer.text.split("\n\n")
  if (frames.at(-1) !== "" || frames.at(-2) !== "data: [DONE]" || answer.error !== undefined || answer.late() > 0) {
    return yield* Effect.fail(`The stream does not end as it should: ${frames.slice(-3).join(" | ")}`)
  }
  return yield* Effect.forEach(frames.slice(0, -2), (frame) => decodeWith(Chunk)(frame.replace(/^data: /, "")))
})
