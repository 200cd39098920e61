/**
 * `POST /v1/images/generations`: a text becomes images.
 *
 * @since 0.1.0
 */
import type { Usage } from "@guildhall/core/Usage"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Inspection } from "../internal/Inspection.ts"
import { count, get } from "../internal/Json.ts"
import * as Touching from "../internal/Touching.ts"
import type { Flaw, Touched } from "./Touched.ts"

const Rest = [Schema.Record(Schema.String, Schema.Unknown)] as const

/**
 * A request for `n` images.
 *
 * @category models
 * @since 0.1.0
 */
export const ImageRequest = Schema.StructWithRest(
  Schema.Struct({
    model: Schema.NonEmptyString,
    prompt: Schema.String,
    n: Schema.optionalKey(Schema.NullOr(Schema.Int)),
    stream: Schema.optionalKey(Schema.NullOr(Schema.Boolean)),
  }),
  Rest,
)
/** @since 0.1.0 */
export type ImageRequest = typeof ImageRequest.Type

/**
 * Tokens that an image model counts, where it counts any.
 *
 * @category models
 * @since 0.1.0
 */
export const ImageUsage = Schema.StructWithRest(
  Schema.Struct({ input_tokens: Schema.Int, output_tokens: Schema.Int }),
  Rest,
)
/** @since 0.1.0 */
export type ImageUsage = typeof ImageUsage.Type

/**
 * A whole answer. An image is an address or base64.
 *
 * @category models
 * @since 0.1.0
 */
export const ImageList = Schema.StructWithRest(
  Schema.Struct({
    created: Schema.Int,
    data: Schema.Array(
      Schema.StructWithRest(
        Schema.Struct({ url: Schema.optionalKey(Schema.String), b64_json: Schema.optionalKey(Schema.String) }),
        Rest,
      ),
    ),
    usage: Schema.optionalKey(Schema.NullOr(ImageUsage)),
  }),
  Rest,
)
/** @since 0.1.0 */
export type ImageList = typeof ImageList.Type

/**
 * One event of a streamed answer: an image that is not finished, or one that is.
 *
 * @category models
 * @since 0.1.0
 */
export const ImageEvent = Schema.StructWithRest(
  Schema.Struct({
    type: Schema.Literals(["image_generation.partial_image", "image_generation.completed"]),
    b64_json: Schema.String,
    usage: Schema.optionalKey(Schema.NullOr(ImageUsage)),
  }),
  Rest,
)
/** @since 0.1.0 */
export type ImageEvent = typeof ImageEvent.Type

/** As many images as OpenAI makes in one request. */
const IMAGES_MAX = 10

/**
 * Reads the members that the market touches from parsed JSON.
 *
 * @category decoding
 * @since 0.1.0
 */
export const touch = (body: unknown): Result.Result<Touched, Flaw> => {
  const inspection = new Inspection()
  const model = Touching.model(inspection, body, "`model` and `prompt`")
  const prompt = Touching.text(inspection, body, "prompt")
  return inspection.conclude({
    model,
    messages: [prompt],
    stream: Touching.flag(inspection, body, "stream"),
    includeUsage: true,
    maxTokens: undefined,
    choices: 0,
    media: Touching.noMedia,
    images: Touching.copies(inspection, body, "n", IMAGES_MAX),
    audioBytes: 0,
  })
}

/**
 * Reads the usage of a parsed answer, or of one event after what came `before` it: the images that are there, and the
 * tokens that the model says it used.
 *
 * **Example** (Two images)
 *
 * ```ts
 * import { ImageGeneration } from "@guildhall/protocol/openai"
 *
 * ImageGeneration.readUsage({ data: [{ url: "a" }, { url: "b" }] }) // => { image: 2 }
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const readUsage = (json: unknown, before?: Usage): Usage | undefined => {
  const data = get(json, "data")
  const isFinished = get(json, "type") === "image_generation.completed"
  if (!Array.isArray(data) && !isFinished) return before
  const usage = get(json, "usage")
  const input = count(usage, "input_tokens")
  const output = count(usage, "output_tokens")
  return {
    ...before,
    image: (before?.image ?? 0) + (Array.isArray(data) ? data.length : 1),
    ...(input === undefined ? {} : { inputToken: (before?.inputToken ?? 0) + input }),
    ...(output === undefined ? {} : { outputToken: (before?.outputToken ?? 0) + output }),
  }
}
