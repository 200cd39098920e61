/**
 * Requests for images in the words of AI Horde's workers, and what they generate as answers of OpenAI's. Pure.
 *
 * @since 0.1.0
 */
import type { ImagePayload } from "@guildhall/protocol/provider/HordeWorker"
import * as Json from "./internal/Json.ts"

/**
 * A request that a worker can do, and how many pictures it takes.
 *
 * @category models
 * @since 0.1.0
 */
export interface ImageWork {
  readonly payload: ImagePayload
  readonly choices: number
}

const CHOICES_MAX = 4
const SIDE_USUAL = 512
const SIDE_MIN = 64
const SIDE_MAX = 3072
/** Sides are multiples of this. */
const SIDE_STEP = 64
const STEPS_USUAL = 30
const STEPS_MAX = 500
const SIZE = /^(\d{2,4})x(\d{2,4})$/

const whole = (body: unknown, name: string): number | undefined => {
  const value = Json.get(body, name)
  return typeof value === "number" && Number.isInteger(value) ? value : undefined
}

const isSide = (side: number): boolean => side >= SIDE_MIN && side <= SIDE_MAX && side % SIDE_STEP === 0

/** Width and height. */
const sizeOf = (body: unknown): readonly [number, number] | string => {
  const size = Json.get(body, "size")
  if (size === undefined || size === null || size === "auto") return [SIDE_USUAL, SIDE_USUAL]
  const found = typeof size === "string" ? SIZE.exec(size) : null
  const [width, height] = [Number(found?.[1]), Number(found?.[2])]
  return isSide(width) && isSide(height)
    ? [width, height]
    : `size: width and height are multiples of ${SIDE_STEP} from ${SIDE_MIN} to ${SIDE_MAX}, such as 512x768.`
}

/**
 * Reads a request of `images/generations`; or says why the worker cannot do it. `seed` is taken where the buyer gives none, and
 * raised by one for each further picture.
 *
 * @category rules
 * @since 0.1.0
 */
export const read = (body: unknown, maxPixels: number, seed: number): ImageWork | string => {
  const prompt = Json.get(body, "prompt")
  if (typeof prompt !== "string" || prompt === "") return "prompt: say what is to be seen."
  const size = sizeOf(body)
  if (typeof size === "string") return size
  const [width, height] = size
  if (width * height > maxPixels) return `size: this provider makes pictures of at most ${maxPixels} pixels.`
  const choices = whole(body, "n") ?? 1
  if (choices < 1 || choices > CHOICES_MAX) return `n: this provider makes 1 to ${CHOICES_MAX} pictures for a request.`
  if (Json.get(body, "response_format") === "url") return "response_format: this provider answers with b64_json."
  const steps = Math.min(STEPS_MAX, Math.max(1, whole(body, "steps") ?? STEPS_USUAL))
  return {
    choices,
    payload: {
      prompt,
      width,
      height,
      ddim_steps: steps,
      sampler_name: "k_euler_a",
      cfg_scale: 7.5,
      seed: String(whole(body, "seed") ?? seed),
      n_iter: 1,
      batch_size: 1,
      karras: true,
      tiling: false,
      hires_fix: false,
      clip_skip: 1,
    },
  }
}

/**
 * The payload of one of a request's pictures.
 *
 * @category rules
 * @since 0.1.0
 */
export const payloadOf = ({ payload }: ImageWork, index: number): ImagePayload => ({
  ...payload,
  seed: String(Number(payload.seed) + index),
})

/**
 * Whether bytes begin as a WebP, PNG or JPEG does.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isPicture = (bytes: Uint8Array): boolean => {
  const head = Buffer.from(bytes.subarray(0, 12)).toString("latin1")
  return (
    (head.startsWith("RIFF") && head.slice(8) === "WEBP") ||
    head.startsWith("\u0089PNG\r\n\u001a\n") ||
    head.startsWith("\u00ff\u00d8\u00ff")
  )
}

/**
 * The answer made of the pictures.
 *
 * @category rules
 * @since 0.1.0
 */
export const answer = (pictures: ReadonlyArray<Uint8Array>, createdS: number): string =>
  JSON.stringify({
    created: createdS,
    data: pictures.map((bytes) => ({ b64_json: Buffer.from(bytes).toString("base64") })),
  })
