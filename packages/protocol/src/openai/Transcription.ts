/**
 * `POST /v1/audio/transcriptions`: a recording becomes text. The request is a form.
 *
 * @since 0.1.0
 */
import type { Usage } from "@guildhall/core/Usage"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Inspection } from "../internal/Inspection.ts"
import { count, get, isObject } from "../internal/Json.ts"
import * as MultipartForm from "../MultipartForm.ts"
import type { Flaw, Touched } from "./Touched.ts"

const Rest = [Schema.Record(Schema.String, Schema.Unknown)] as const

/**
 * What a transcription took: tokens, or the length of the recording.
 *
 * @category models
 * @since 0.1.0
 */
export const TranscriptionUsage = Schema.Union([
  Schema.StructWithRest(Schema.Struct({ input_tokens: Schema.Int, output_tokens: Schema.Int }), Rest),
  Schema.StructWithRest(Schema.Struct({ type: Schema.Literal("duration"), seconds: Schema.Finite }), Rest),
])
/** @since 0.1.0 */
export type TranscriptionUsage = typeof TranscriptionUsage.Type

/**
 * A whole answer in JSON. `duration` stands in the verbose one, in seconds.
 *
 * @category models
 * @since 0.1.0
 */
export const Transcription = Schema.StructWithRest(
  Schema.Struct({
    text: Schema.String,
    duration: Schema.optionalKey(Schema.Union([Schema.Finite, Schema.String])),
    usage: Schema.optionalKey(Schema.NullOr(TranscriptionUsage)),
  }),
  Rest,
)
/** @since 0.1.0 */
export type Transcription = typeof Transcription.Type

/**
 * One event of a streamed answer.
 *
 * @category models
 * @since 0.1.0
 */
export const TranscriptionEvent = Schema.Union([
  Schema.StructWithRest(Schema.Struct({ type: Schema.Literal("transcript.text.delta"), delta: Schema.String }), Rest),
  Schema.StructWithRest(
    Schema.Struct({
      type: Schema.Literal("transcript.text.done"),
      text: Schema.String,
      usage: Schema.optionalKey(Schema.NullOr(TranscriptionUsage)),
    }),
    Rest,
  ),
  Schema.StructWithRest(Schema.Struct({ type: Schema.Literal("transcript.text.segment") }), Rest),
])
/** @since 0.1.0 */
export type TranscriptionEvent = typeof TranscriptionEvent.Type

/** The fields that the market reads: each must stand once. @category constants @since 0.1.0 */
export const once = ["model", "file", "stream", "response_format"] as const

/**
 * Reads the fields that the market touches from a form. The recording is one piece of media.
 *
 * @category decoding
 * @since 0.1.0
 */
export const touch = (form: MultipartForm.MultipartForm): Result.Result<Touched, Flaw> => {
  const inspection = new Inspection()
  for (const name of once) {
    if (form.parts.filter((part) => part.name === name).length > 1) {
      inspection.invalid(name, `\`${name}\` stands twice. Send it once.`)
    }
  }
  const model = MultipartForm.text(form, "model") ?? ""
  if (model === "") inspection.invalid("model", "`model` must be the name of a model.")
  const file = form.parts.find((part) => part.name === "file")
  if (file?.filename === undefined) inspection.invalid("file", "`file` must be a recording, with a file name.")
  const stream = MultipartForm.text(form, "stream") ?? "false"
  if (stream !== "true" && stream !== "false") inspection.invalid("stream", "`stream` must be true or false.")
  const audioBytes = file === undefined ? 0 : file.end - file.start
  return inspection.conclude({
    model,
    messages: [MultipartForm.text(form, "prompt") ?? ""],
    stream: stream === "true",
    includeUsage: true,
    maxTokens: undefined,
    choices: 1,
    media: { pieces: 1, bytes: audioBytes },
    images: 0,
    audioBytes,
  })
}

const seconds = (value: unknown): number | undefined => {
  const length = typeof value === "string" && value !== "" ? Number(value) : value
  return typeof length === "number" && length >= 0 && length <= 10_000_000 ? Math.ceil(length) : undefined
}

/**
 * Reads the usage of a parsed answer, or of a streamed one's event: tokens, or whole seconds of the recording.
 *
 * **Example** (A recording of nine and a half seconds)
 *
 * ```ts
 * import { Transcription } from "@guildhall/protocol/openai"
 *
 * Transcription.readUsage({ text: "Hi", usage: { type: "duration", seconds: 9.5 } }) // => { audioSecond: 10 }
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const readUsage = (json: unknown): Usage | undefined => {
  const usage = get(json, "usage")
  const input = count(usage, "input_tokens")
  const output = count(usage, "output_tokens")
  const audioSecond = seconds(isObject(usage) ? get(usage, "seconds") : undefined) ?? seconds(get(json, "duration"))
  if (input === undefined && output === undefined && audioSecond === undefined) return undefined
  return {
    ...(input === undefined ? {} : { inputToken: input }),
    ...(output === undefined ? {} : { outputToken: output }),
    ...(audioSecond === undefined ? {} : { audioSecond }),
  }
}
