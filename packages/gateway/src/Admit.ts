/**
 * Step 1. Who asks, may they, and for what: the payer, the limits of the key, the body, and the model by its
 * canonical name. Nothing is held and nobody is called before this succeeds.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { ModelId } from "@guildhall/core/Model"
import type { ProviderPreferences } from "@guildhall/core/ProviderPreferences"
import type { RequestId } from "@guildhall/core/Request"
import type { RoutingDecision } from "@guildhall/journal/JournalEntry"
import type { Payer, PaymentScheme } from "@guildhall/ledger/PaymentScheme"
import * as ProviderControls from "@guildhall/protocol/openai/ProviderControls"
import type { Where } from "@guildhall/protocol/openai/ProviderControls"
import type { Touched } from "@guildhall/protocol/openai/Touched"
import { read } from "./internal/BodyReader.ts"
import type { Buyer } from "./internal/Buyer.ts"
import type { InferenceEndpoint } from "./InferenceEndpoint.ts"
import * as Json from "./internal/Json.ts"
import * as RequestBody from "./internal/RequestBody.ts"
import * as ClientAddress from "./ClientAddress.ts"
import * as KeyGuard from "./KeyGuard.ts"
import { Limits, type Place } from "./Limits.ts"
import { Market } from "./Market.ts"
import { Refusal } from "./Refusal.ts"

/**
 * What the buyer asked of the market beside the answer. `cost`: that the answer's usage carries its cost. `explain`: that
 * its last part carries the routing decision.
 *
 * @category models
 * @since 0.1.0
 */
export interface Wishes {
  readonly cost: boolean
  readonly explain: boolean
}

/**
 * A request that was let in. `content` is the body as it was read, `place` what it has of the limits.
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
  readonly endpoint: InferenceEndpoint
  readonly content: RequestBody.RequestBody
  /** What the provider is told that the body is. */
  readonly contentType: string
  readonly touched: Touched
  /** The model that was asked for, and those that may take its place. */
  readonly model: ModelId
  readonly models: ReadonlyArray<ModelId>
  readonly preferences: ProviderPreferences | undefined
  /** Where alone it may be served. */
  readonly where: Where | undefined
  readonly wishes: Wishes
  readonly place: Place
}

/**
 * What is known of a request so far, for the journal's line where it is refused. The steps fill it in.
 *
 * @category models
 * @since 0.1.0
 */
export interface Visit {
  readonly endpoint: InferenceEndpoint
  readonly id: RequestId
  readonly startedAtMs: number
  payer: Payer | undefined
  model: string | undefined
  decision: RoutingDecision | undefined
}

/**
 * A request of which nothing but the endpoint is known.
 *
 * @category constructors
 * @since 0.1.0
 */
export const visit = (endpoint: InferenceEndpoint, id: RequestId, startedAtMs: number): Visit => ({
  endpoint,
  id,
  startedAtMs,
  payer: undefined,
  model: undefined,
  decision: undefined,
})

/** Node gives some headers as lists; the schemes read each as one text. */
const flatHeader = (value: string | ReadonlyArray<string> | undefined): string | undefined =>
  typeof value === "string" || value === undefined ? value : value.join(", ")

const flatHeaders = (buyer: Buyer): Record<string, string | undefined> => {
  const flat: Record<string, string | undefined> = {}
  for (const name in buyer.request.headers) {
    flat[name] = flatHeader(buyer.request.headers[name])
  }
  return flat
}

const wishesOf = (
  buyer: Buyer,
  endpoint: InferenceEndpoint,
  content: RequestBody.RequestBody,
  touched: Touched,
): Wishes => {
  const usage = content._tag === "Json" ? Json.get(content.json, "usage") : undefined
  return {
    cost: Json.get(usage, "include") === true || (endpoint.shape.streamUsage && touched.stream && touched.includeUsage),
    explain: buyer.request.headers["x-guildhall-explain"] === "1",
  }
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

/** A payer who is inside, with what there is of the request. */
type Entered = Pick<Admitted, "payer" | "scheme" | "place"> & { readonly buyer: Buyer; readonly visit: Visit }

/**
 * Makes the step.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const { definition, payments } = yield* Market
  const { limits } = definition
  const door = yield* Limits
  const addressOf = ClientAddress.make(yield* ClientAddress.TrustedProxies)
  const aliases = new Map(Object.entries(definition.aliases))

  /** Reads what a payer asks for, once there is a place for it. */
  const parse = Effect.fnUntraced(function* (entered: Entered) {
    const { buyer, payer, scheme, place, visit } = entered
    const { endpoint, id, startedAtMs } = visit
    const unreadable = RequestBody.unreadable(endpoint, buyer.request.headers)
    if (unreadable !== undefined) return yield* unreadable
    const body = yield* read(buyer, limits)
    const type = buyer.request.headers["content-type"] ?? ""
    const parsed = RequestBody.parse(endpoint, body, type)
    if (Result.isFailure(parsed)) return yield* parsed.failure
    const { content, touched } = parsed.success
    visit.model = touched.model.slice(0, 200)
    const controls = ProviderControls.read(content._tag === "Json" ? content.json : undefined, touched.model)
    if (Result.isFailure(controls)) return yield* RequestBody.ofFlaw(controls.failure)
    const { models: named, preferences, where } = controls.success
    // Whether a model of this name exists is the next step's question; a name that cannot exist is not found there.
    const models = named.map((name) => aliases.get(name) ?? (name as ModelId))
    const [model = touched.model as ModelId] = models
    for (const one of models) {
      const unallowed = KeyGuard.using(payer.terms, one)
      if (unallowed !== undefined) return yield* new Refusal({ ...unallowed, param: "model" })
    }
    const wishes = wishesOf(buyer, endpoint, content, touched)
    // A form names its boundary there; of JSON there is only one kind.
    const contentType = content._tag === "Form" ? type : "application/json"
    const asked = { endpoint, content, contentType, touched, model, models, preferences, where, wishes }
    return { id, startedAtMs, payer, scheme, body, ...asked, place }
  })

  return Effect.fnUntraced(function* (buyer: Buyer, visit: Visit) {
    const { payer, scheme } = yield* authenticate(payments, buyer)
    visit.payer = payer
    const { headers, socket } = buyer.request
    const barred = KeyGuard.entering(payer.terms, {
      atMs: visit.startedAtMs,
      address: addressOf(socket.remoteAddress, flatHeader(headers["x-forwarded-for"])),
    })
    if (barred !== undefined) return yield* new Refusal(barred)
    const place = yield* door.enter(payer)
    const admitted = parse({ buyer, visit, payer, scheme, place })
    return yield* Effect.onError(admitted, () => Effect.sync(place.leave))
  })
})
