/**
 * What the router needs to know of a request beyond its model and length. Only what the market's policy and instances look at
 * is worked out: it is kept with each decision.
 *
 * @since 0.1.0
 */
import { createHmac, randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import type { Input } from "@guildhall/core/Instance"
import { KeyRing } from "@guildhall/core/KeyRing"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import type { BuyerClass, MemberId } from "@guildhall/core/Member"
import type { RoutingFeatures } from "@guildhall/core/RoutingFeatures"
import type { Touched } from "@guildhall/protocol/openai/Touched"
import { Router } from "@guildhall/routing/Router"
import type { Admitted } from "./Admit.ts"
import * as Json from "./internal/Json.ts"
import { Market } from "./Market.ts"
import type { Priced } from "./Price.ts"

/** Where a dialect says that an answer shall be JSON. */
const format = (body: unknown): unknown =>
  Json.get(Json.get(body, "response_format"), "type") ??
  Json.get(Json.get(Json.get(body, "text"), "format"), "type") ??
  Json.get(Json.get(Json.get(body, "output_config"), "format"), "type")

const wantsLogprobs = (body: unknown): boolean => {
  const most = Json.get(body, "top_logprobs")
  return Json.get(body, "logprobs") === true || (typeof most === "number" && most > 0)
}

/**
 * What a request asks of an instance that not every one can do, under the names by which instances declare it: `tools`,
 * `response_format`, `logprobs`.
 *
 * **Example** (Tools, and an answer in JSON)
 *
 * ```ts
 * import { Features } from "@guildhall/gateway"
 *
 * const body = { tools: [{}], response_format: { type: "json_object" } }
 * Features.parametersOf(body) // => ["tools", "response_format"]
 * Features.parametersOf({ tools: [], response_format: { type: "text" } }) // => []
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const parametersOf = (body: unknown): ReadonlyArray<string> => {
  const tools = Json.get(body, "tools")
  const type = format(body)
  return [
    ...(Array.isArray(tools) && tools.length > 0 ? ["tools"] : []),
    ...(type !== undefined && type !== "text" ? ["response_format"] : []),
    ...(wantsLogprobs(body) ? ["logprobs"] : []),
  ]
}

/** The kinds of parts that the dialects know beside text. */
const KINDS: Readonly<Record<string, typeof Input.Type>> = {
  image_url: "image",
  input_image: "image",
  image: "image",
  input_audio: "audio",
  file: "file",
  input_file: "file",
  document: "file",
}

/**
 * What a prompt holds beside text, each kind once.
 *
 * @category rules
 * @since 0.1.0
 */
export const inputsOf = (messages: ReadonlyArray<unknown>): ReadonlyArray<typeof Input.Type> => {
  const found = new Set<typeof Input.Type>()
  for (const message of messages) {
    const content = Json.get(message, "content")
    for (const part of Array.isArray(content) ? content : []) {
      const type = Json.get(part, "type")
      const kind = typeof type === "string" && Object.hasOwn(KINDS, type) ? KINDS[type] : undefined
      if (kind !== undefined) found.add(kind)
    }
  }
  return [...found]
}

/** Of what a conversation begins with, so much tells it from others. */
const BEGINNING_CHARS = 8_192

/** What tells a conversation from others: the key that the buyer gives, or what it begins with, up to the first answer. */
const beginning = ({ content, touched }: Admitted): string => {
  const body = content._tag === "Json" ? content.json : undefined
  const key = Json.get(body, "prompt_cache_key")
  if (typeof key === "string" && key !== "") return key.slice(0, BEGINNING_CHARS)
  const system = Json.get(body, "system") ?? Json.get(body, "instructions")
  const first: Array<unknown> = system === undefined ? [] : [system]
  for (const message of touched.messages) {
    first.push(message)
    if (Json.get(message, "role") === "user") break
  }
  return JSON.stringify(first).slice(0, BEGINNING_CHARS)
}

/**
 * A name for what a conversation begins with, which tells nothing of it: without the secret nobody can find out what it was
 * made of. Each buyer's are its own. All processes that share the market's keys come to the same.
 */
const makeAffinity = Effect.gen(function* () {
  const keyRing = yield* KeyRing
  const signed = keyRing.sign("ticket", Buffer.from("guildhall-affinity-1"))
  // Ed25519 signs the same bytes the same way each time. Without a key each process has its own names.
  const secret = yield* Effect.match(signed, {
    onSuccess: ({ value }) => Buffer.from(value),
    onFailure: () => randomBytes(32),
  })
  return (admitted: Admitted): string =>
    createHmac("sha256", secret)
      .update(`${admitted.payer.memberId}\n${admitted.model}\n${beginning(admitted)}`)
      .digest("base64url")
      .slice(0, 16)
})

/**
 * How each buyer stands with a market: `premium` where the definition lists it.
 *
 * @category rules
 * @since 0.1.0
 */
export const classes = ({ premiumBuyers = [] }: MarketDefinition): ((member: MemberId) => BuyerClass) => {
  const premium = new Set(premiumBuyers)
  return (member) => (premium.has(member) ? "premium" : "standard")
}

/** Most answers to a chat are shorter. The policies count so many where a request says nothing. */
const ANSWER_TOKENS = 250

/**
 * How many tokens an answer will likely have, where what is asked says so: none where none are generated, and the limit that the
 * buyer set where it is a short one. A long limit says little: many clients always send 4,096 and most answers end long before.
 * So where it is longer than an answer mostly is, nothing is told, and a policy counts what it counts for one without a limit.
 *
 * **Example** (Sixteen, and no idea)
 *
 * ```ts
 * import { Features } from "@guildhall/gateway"
 *
 * Features.outputTokensOf({ choices: 1, maxTokens: 16 }) // => 16
 * Features.outputTokensOf({ choices: 1, maxTokens: 4_096 }) // => undefined
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const outputTokensOf = ({ choices, maxTokens }: Pick<Touched, "choices" | "maxTokens">): number | undefined => {
  if (choices === 0) return 0
  return maxTokens !== undefined && maxTokens < ANSWER_TOKENS ? maxTokens : undefined
}

/** Text of so many bytes is a token, in most languages. */
const BYTES_A_TOKEN = 4

/**
 * Makes the function that works out a request's features: `undefined` where nobody looks at any. Where alone it may be served
 * is always told: nobody may overlook that.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const { definition } = yield* Market
  const { reads } = yield* Router
  const affinity = yield* makeAffinity
  const classOf = classes(definition)

  return (admitted: Admitted, { promptBytes }: Priced): RoutingFeatures | undefined => {
    const { content, payer, scheme, touched, where } = admitted
    if (reads.size === 0) return where
    const parameters = reads.has("parameters") && content._tag === "Json" ? parametersOf(content.json) : []
    const inputs = reads.has("inputs") && touched.media.pieces > 0 ? inputsOf(touched.messages) : []
    const outputTokens = reads.has("outputTokens") ? outputTokensOf(touched) : undefined
    const buyer = { member: payer.memberId, class: classOf(payer.memberId), rail: scheme.name.slice(0, 100) }
    const features: RoutingFeatures = {
      ...where,
      ...(reads.has("buyer") ? { buyer } : {}),
      ...(parameters.length > 0 ? { parameters } : {}),
      ...(inputs.length > 0 ? { inputs } : {}),
      ...(reads.has("affinity") ? { affinity: affinity(admitted) } : {}),
      ...(reads.has("inputTokens") ? { inputTokens: Math.ceil(promptBytes / BYTES_A_TOKEN) } : {}),
      ...(outputTokens === undefined ? {} : { outputTokens }),
    }
    for (const _ in features) return features
    return undefined
  }
})
