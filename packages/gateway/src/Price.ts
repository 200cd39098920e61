/**
 * Step 2. The most a request can cost, before anyone is asked to serve it.
 *
 * Output is bounded by what the request may generate. The prompt is bounded by its bytes: every tokenizer in use
 * (byte-pair encodings over bytes, SentencePiece with byte fallback) spends at least one byte of text on each token,
 * so the tokens of a text never outnumber its bytes; and JSON never writes a text in fewer bytes than the text has.
 * What a chat template adds is bounded by a constant for the request and one for each message; tool definitions may be
 * laid out with indentation, so they count several times; an image or a sound, whatever its size, by a constant.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import type { Usage } from "@guildhall/core/Usage"
import { Router } from "@guildhall/routing/Router"
import type { Admitted } from "./Admit.ts"
import * as NoneLeft from "./internal/NoneLeft.ts"
import { Market } from "./Market.ts"
import * as Meter from "./Meter.ts"
import { Refusal } from "./Refusal.ts"

/**
 * What a request may come to. `promptBound` is the most tokens that its prompt can be, `promptBytes` what it has in bytes
 * without media; `promptLaid` the same with tools laid out, and `promptMarks` the tokens of media and of the marks around
 * messages, which stand for no bytes of it. `contextTokens` is what the router compares with an instance's context: an estimate of
 * the prompt, and the answer's limit where the buyer set one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Priced {
  readonly promptBound: number
  readonly promptBytes: number
  readonly promptLaid: number
  readonly promptMarks: number
  readonly outputBound: number
  readonly contextTokens: number
  readonly cost: (outputTokens: number) => bigint
  readonly maximum: bigint
}

/** Tokens that a template puts around the whole conversation, a default system prompt included. */
const TEMPLATE_TOKENS = 512
/** Tokens that a template puts around one message. */
const MESSAGE_TOKENS = 32
/** The most tokens that an encoder makes of one image, sound or file. */
const MEDIA_TOKENS = 16_384
/** How much longer a tool's definition may become when a template lays it out. */
const TOOL_LAYOUT = 4
/** Bytes of text for a token, on the low side of what is seen, for the estimate that the router compares. */
const BYTES_A_TOKEN = 4

/**
 * Bounds the prompt of a request, in tokens; `bytes` is what remains of the body without embedded media, `laid` that with
 * tools laid out, and `marks` are the tokens of media and messages.
 *
 * @category rules
 * @since 0.1.0
 */
export const prompt = (
  admitted: Admitted,
): { readonly bound: number; readonly bytes: number; readonly laid: number; readonly marks: number } => {
  const { content, touched } = admitted
  const { media, messages } = touched
  const bytes = admitted.body.length - media.bytes - touched.audioBytes
  const tools = content._tag === "Json" ? content.members.find((member) => member.key === "tools") : undefined
  const layout = tools === undefined ? 0 : (tools.valueEnd - tools.valueStart) * (TOOL_LAYOUT - 1)
  const laid = bytes + layout
  const marks = messages.length * MESSAGE_TOKENS + media.pieces * MEDIA_TOKENS
  return { bound: laid + marks + TEMPLATE_TOKENS, bytes, laid, marks }
}

/**
 * How many tokens some usage has.
 *
 * @category rules
 * @since 0.1.0
 */
export const tokensOf = ({ cachedInputToken = 0, inputToken = 0, outputToken = 0 }: Usage): number =>
  inputToken + cachedInputToken + outputToken

/**
 * What a request may take of the limits: at most, and likely in tokens.
 *
 * @category rules
 * @since 0.1.0
 */
export const taking = ({ maximum, outputBound, promptBound, promptBytes }: Priced) => ({
  tokens: promptBound + outputBound,
  likelyTokens: Math.ceil(promptBytes / BYTES_A_TOKEN) + outputBound,
  cost: maximum,
})

const notOffered = (admitted: Admitted) => ({
  detail: `The model \`${admitted.touched.model.slice(0, 200)}\` is not offered here. GET /v1/models lists what is.`,
  param: "model",
})

/**
 * Makes the step.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const { definition } = yield* Market
  const router = yield* Router

  return (admitted: Admitted): Effect.Effect<Priced, Refusal> => {
    const sheets = admitted.models.map((model) => router.ceiling(model)).filter((sheet) => sheet !== undefined)
    if (sheets.length === 0) {
      const { endpoint, model } = admitted
      const asked = { model, contextTokens: 1, tried: [], endpoint: endpoint.name }
      const choice = router.choose(asked, 0)
      const code = choice._tag === "NoneLeft" ? choice.reason : "no_capacity"
      if (code === "model_not_found") return Effect.fail(new Refusal({ code, ...notOffered(admitted) }))
      return Effect.fail(new Refusal({ code, detail: NoneLeft.words(code, asked, router.instances(model)) }))
    }
    const { audioBytes, choices, images, maxTokens, media } = admitted.touched
    const answer = Math.min(maxTokens ?? definition.limits.outputTokens, definition.limits.outputTokens)
    const { bound, bytes, laid, marks } = prompt(admitted)
    const outputBound = answer * choices
    const fixed = {
      inputToken: bound,
      image: images,
      audioSecond: Math.ceil(audioBytes / Meter.BYTES_A_SECOND),
      request: 1,
    }
    const [sheet = [], ...others] = sheets
    const cost = (outputToken: number): bigint => {
      let most = PriceSheet.cost(sheet, { ...fixed, outputToken })
      for (const other of others) {
        const more = PriceSheet.cost(other, { ...fixed, outputToken })
        if (more > most) most = more
      }
      return most
    }
    return Effect.succeed({
      promptBound: bound,
      promptBytes: bytes,
      promptLaid: laid,
      promptMarks: marks,
      outputBound,
      contextTokens: Math.ceil(bytes / BYTES_A_TOKEN) + media.pieces + (maxTokens === undefined ? 1 : answer),
      cost,
      maximum: cost(outputBound),
    })
  }
})
