/**
 * Step 1. Who asks, may they, and for what: the payer, the limits of the key, the body, and the model by its
 * canonical name. Nothing is held and nobody is called before this succeeds.
 *
 * @since 0.1.0
 */
import { isUtf8 } from "node:buffer"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { ModelId } from "@guildhall/core/Model"
import type { RequestId } from "@guildhall/core/Request"
import type { RoutingDecision } from "@guildhall/journal/JournalEntry"
import type { Payer, PaymentScheme } from "@guildhall/ledger/PaymentScheme"
import * as ChatRequest from "@guildhall/protocol/openai/ChatRequest"
import { read } from "./internal/BodyReader.ts"
import type { Buyer } from "./internal/Buyer.ts"
import * as Json from "./internal/Json.ts"
import * as JsonSplice from "./JsonSplice.ts"
import * as KeyLimits from "./KeyLimits.ts"
import { Market } from "./Market.ts"
import { Refusal } from "./Refusal.ts"

/**
 * A request that was let in. `text` is the body as text, `members` its top-level members, `leave` gives back the
 * key's place.
 *
 * @category models
 * @since 0.1.0
 */
export interface Admitted {
  readonly id: RequestId
  readonly startedAtMs: number
  readonly payer: Payer
  readonly scheme: PaymentScheme
  readonly body: Buffer
  readonly text: string
  readonly members: ReadonlyArray<JsonSplice.Member>
  readonly touched: ChatRequest.Touched
  readonly model: ModelId
  readonly leave: () => void
}

/**
 * What is known of a request so far, for the journal's line where it is refused. The steps fill it in.
 *
 * @category models
 * @since 0.1.0
 */
export interface Visit {
  readonly id: RequestId
  readonly startedAtMs: number
  payer: Payer | undefined
  model: string | undefined
  decision: RoutingDecision | undefined
}

/** A member that the market reads or writes must stand once, or gateway and provider could read different ones. */
const ONCE = ["model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n"]

const parse = (body: Buffer) => {
  const invalid = (detail: string) => Effect.fail(new Refusal({ code: "invalid_json", detail }))
  if (body.length === 0) return invalid("The body is empty. Send a JSON object with `model` and `messages`.")
  if (!isUtf8(body)) return invalid("The body is not UTF-8. Send JSON in UTF-8.")
  const text = body.toString("utf8")
  const json = Json.parse(text)
  if (json === undefined) return invalid("The body is not valid JSON. Check it for a missing quote, comma or bracket.")
  const touched = ChatRequest.touch(json)
  if (Result.isFailure(touched)) {
    const { message, param } = touched.failure
    return Effect.fail(new Refusal({ code: "invalid_request", detail: message, param: param ?? undefined }))
  }
  const members = JsonSplice.members(text)
  const twice = ONCE.find(
    (key) => members.findIndex((m) => m.key === key) !== members.findLastIndex((m) => m.key === key),
  )
  if (twice !== undefined) {
    return Effect.fail(
      new Refusal({ code: "invalid_request", detail: `\`${twice}\` stands twice. Send it once.`, param: twice }),
    )
  }
  return Effect.succeed({ text, members, touched: touched.success })
}

const isJson = (contentType: string | undefined): boolean =>
  contentType !== undefined && /^application\/(?:[a-z.+-]+\+)?json\s*(?:;|$)/i.test(contentType)

/** Node gives some headers as lists; the schemes read each as one text. */
const flatHeaders = (buyer: Buyer): Record<string, string | undefined> => {
  const flat: Record<string, string | undefined> = {}
  for (const name in buyer.request.headers) {
    const value = buyer.request.headers[name]
    flat[name] = Array.isArray(value) ? value.join(", ") : value
  }
  return flat
}

const missingKey = Effect.fnUntraced(function* (schemes: ReadonlyArray<PaymentScheme>) {
  const challenges: Array<string> = []
  for (const scheme of schemes) {
    const challenge = yield* Effect.orElseSucceed(scheme.challenge({ maximum: null }), () => [])
    challenges.push(...challenge)
  }
  return yield* new Refusal({
    code: "missing_api_key",
    detail: "The request carries no API key. Send it as `Authorization: Bearer <key>`.",
    headers: challenges.length === 0 ? {} : { "www-authenticate": challenges },
  })
})

/**
 * Finds the payer by asking each payment scheme in turn, and refuses a key that may not buy.
 *
 * @category steps
 * @since 0.1.0
 */
export const authenticate = Effect.fnUntraced(function* (schemes: ReadonlyArray<PaymentScheme>, buyer: Buyer) {
  const headers = flatHeaders(buyer)
  for (const scheme of schemes) {
    const verified = yield* Effect.mapError(
      scheme.verify(headers),
      (error) => new Refusal({ code: error.code, detail: error.message }),
    )
    if (verified._tag === "NotMine") continue
    const { payer } = verified
    if (payer.role === "provider") {
      const detail = "This key runs devices and cannot buy. Use a buyer's key."
      return yield* new Refusal({ code: "insufficient_role", detail })
    }
    return { payer, scheme }
  }
  return yield* missingKey(schemes)
})

/**
 * Makes the step.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const { definition, payments } = yield* Market
  const { limits } = definition
  const keys = KeyLimits.make(limits.key)
  const aliases = new Map(Object.entries(definition.aliases))

  return Effect.fnUntraced(function* (buyer: Buyer, visit: Visit) {
    const { payer, scheme } = yield* authenticate(payments, buyer)
    visit.payer = payer
    const leave = keys.enter(payer.keyId, yield* Clock.currentTimeMillis)
    if (leave instanceof Refusal) return yield* leave
    const admitted = Effect.gen(function* () {
      if (!isJson(buyer.request.headers["content-type"])) {
        return yield* new Refusal({
          code: "unsupported_media_type",
          detail: "The body must be JSON. Send the header `content-type: application/json`.",
        })
      }
      if (!/^(?:identity)?$/i.test(buyer.request.headers["content-encoding"]?.trim() ?? "")) {
        return yield* new Refusal({
          code: "unsupported_media_type",
          detail: "The body is compressed, which is not read here. Send it without `content-encoding`.",
        })
      }
      const body = yield* read(buyer, limits)
      const { text, members, touched } = yield* parse(body)
      visit.model = touched.model.slice(0, 200)
      // Whether a model of this name exists is the next step's question; a name that cannot exist is not found there.
      const model = aliases.get(touched.model) ?? (touched.model as ModelId)
      return { id: visit.id, startedAtMs: visit.startedAtMs, payer, scheme, body, text, members, touched, model, leave }
    })
    return yield* Effect.onError(admitted, () => Effect.sync(leave))
  })
})
