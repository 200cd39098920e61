/**
 * What workers of AI Horde say and hear, as far as they are served here: they pop jobs and submit what they generated, under
 * `/api/v2/generate/text` for text and `/api/v2/generate` for images. Members that have no meaning here are read past.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const between = (minimum: number, maximum: number, usual: number) =>
  Schema.Int.pipe(
    Schema.check(Schema.isBetween({ minimum, maximum })),
    Schema.withDecodingDefaultKey(Effect.succeed(usual)),
  )

const Name = Schema.String.pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(100)))
const Models = Schema.Array(Schema.String.pipe(Schema.check(Schema.isMaxLength(255)))).pipe(
  Schema.check(Schema.isMaxLength(64)),
)
/** What the worker is, with its version and home. */
const BridgeAgent = Schema.optionalKey(Schema.String.pipe(Schema.check(Schema.isMaxLength(1000))))

/**
 * The body of `POST /api/v2/generate/text/pop`. Lengths are in tokens; `threads` is how many jobs the worker does at a time.
 *
 * @category models
 * @since 0.1.0
 */
export const TextPop = Schema.Struct({
  name: Name,
  models: Models,
  max_length: between(16, 1_048_576, 512),
  max_context_length: between(80, 100_000_000, 2048),
  threads: between(1, 50, 1),
  bridge_agent: BridgeAgent,
})
/** @since 0.1.0 */
export type TextPop = typeof TextPop.Type

/**
 * The body of `POST /api/v2/generate/pop`. `max_pixels` is the largest picture that the worker makes.
 *
 * @category models
 * @since 0.1.0
 */
export const ImagePop = Schema.Struct({
  name: Name,
  models: Models,
  max_pixels: between(4096, 67_108_864, 262_144),
  threads: between(1, 50, 1),
  bridge_agent: BridgeAgent,
})
/** @since 0.1.0 */
export type ImagePop = typeof ImagePop.Type

/**
 * The body of both submits. `generation` is the text; of a picture its base64, or `R2` once it was put where the job's `r2_upload`
 * said.
 *
 * @category models
 * @since 0.1.0
 */
export const Submit = Schema.Struct({
  id: Schema.String.pipe(Schema.check(Schema.isMaxLength(64))),
  generation: Schema.optionalKey(Schema.NullOr(Schema.String)),
  state: Schema.Literals(["ok", "censored", "faulted", "csam"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("ok" as const)),
  ),
  seed: Schema.optionalKey(Schema.Unknown),
})
/** @since 0.1.0 */
export type Submit = typeof Submit.Type

/**
 * The payload of a text job, in the words of KoboldAI. What the buyer did not say is left to the worker.
 *
 * @category models
 * @since 0.1.0
 */
export interface TextPayload {
  readonly prompt: string
  readonly n: 1
  readonly max_length: number
  readonly max_context_length: number
  readonly stop_sequence: ReadonlyArray<string>
  readonly temperature?: number
  readonly top_p?: number
  readonly top_k?: number
  readonly min_p?: number
  readonly rep_pen?: number
  readonly sampler_seed?: number
}

/**
 * The payload of an image job.
 *
 * @category models
 * @since 0.1.0
 */
export interface ImagePayload {
  readonly prompt: string
  readonly width: number
  readonly height: number
  readonly ddim_steps: number
  readonly sampler_name: string
  readonly cfg_scale: number
  readonly seed: string
  readonly n_iter: 1
  readonly batch_size: 1
  readonly karras: boolean
  readonly tiling: boolean
  readonly hires_fix: boolean
  readonly clip_skip: number
}

/**
 * The answer to a pop. Without a job `id` is null, and `skipped` says how many were passed over and why. `ttl` is in seconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Popped {
  readonly id: string | null
  readonly ids: ReadonlyArray<string>
  readonly skipped: Readonly<Record<string, number>>
  readonly payload?: TextPayload | ImagePayload
  readonly model?: string
  readonly ttl?: number
  readonly r2_upload?: string
  readonly r2_uploads?: ReadonlyArray<string>
}
