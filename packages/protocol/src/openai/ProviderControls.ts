/**
 * The members by which a request talks to the market about providers: `provider`, `models`, and the endings `:floor` and
 * `:nitro` of a model's name. Their names and meanings are those of OpenRouter's API, but for the place of service.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { USD } from "@guildhall/core/Asset"
import { Country, Quantization, Region } from "@guildhall/core/Instance"
import * as Money from "@guildhall/core/Money"
import type { Bounds, ProviderPreferences } from "@guildhall/core/ProviderPreferences"
import type { RoutingFeatures } from "@guildhall/core/RoutingFeatures"
import * as Schema from "effect/Schema"
import * as Json from "../internal/Json.ts"
import type { Flaw } from "./Touched.ts"

/**
 * What a request asks of the market. `models` are tried in their order, the request's own first. `where` is where alone it
 * may be served: `provider.regions`, `provider.countries`, and `provider.confidential` for where the operator cannot look.
 * These three are this market's own.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProviderControls {
  readonly models: ReadonlyArray<string>
  readonly preferences: ProviderPreferences | undefined
  readonly where: Where | undefined
}

/**
 * Where alone a request may be served.
 *
 * @category models
 * @since 0.1.0
 */
export type Where = Pick<RoutingFeatures, "regions" | "countries" | "confidential">

const MODELS_MAX = 10
const LIST_MAX = 100
const NAME_MAX = 100
/** The most that a bound or a price may be. What is journalled must stay a number, and nobody means more than this. */
const BOUND_MAX = 1e9
const PRICE_MAX = BigInt(BOUND_MAX) * 10n ** BigInt(USD.scale)
/**
 * The members of `provider` that are read. Any other is refused, because it might be meant to keep a provider out.
 *
 * @category constants
 * @since 0.1.0
 */
export const MEMBERS = [
  "order",
  "only",
  "ignore",
  "allow_fallbacks",
  "require_parameters",
  "quantizations",
  "max_price",
  "sort",
  "preferred_min_throughput",
  "preferred_max_latency",
  "data_collection",
  "regions",
  "countries",
  "confidential",
] as const
/** Members that every instance understands, or that the market itself reads. */
const BASIC = new Set([
  "model",
  "models",
  "provider",
  "usage",
  "messages",
  "prompt",
  "input",
  "query",
  "documents",
  "stream",
  "stream_options",
  "max_tokens",
  "max_completion_tokens",
  "max_output_tokens",
  "temperature",
  "top_p",
  "stop",
  "n",
  "user",
  "metadata",
  "system",
  "instructions",
])

const invalid = (param: string, message: string) => Result.fail<Flaw>({ code: "invalid_request", param, message })
const unsupported = (param: string, message: string) =>
  Result.fail<Flaw>({ code: "unsupported_parameter", param, message })

type Given = ProviderPreferences & Where
type Draft = { -readonly [Key in keyof Given]?: Given[Key] }
type Read<A> = Result.Result<A, Flaw>

const names = (value: unknown, param: string): Read<ReadonlyArray<string>> => {
  const isList =
    Array.isArray(value) &&
    value.length <= LIST_MAX &&
    value.every((name) => typeof name === "string" && name.length <= NAME_MAX)
  return isList ? Result.succeed(value) : invalid(param, `\`${param}\` must be a list of at most ${LIST_MAX} names.`)
}

const bounds = (value: unknown, param: string, scale: number): Read<Bounds> => {
  const isBound = (bound: unknown): bound is number => typeof bound === "number" && bound >= 0 && bound <= BOUND_MAX
  if (isBound(value)) return Result.succeed({ p50: value * scale })
  if (Json.isObject(value)) {
    const entries = Object.entries(value)
    const isKnown = entries.every(([key, bound]) => /^p(?:50|75|90|99)$/.test(key) && isBound(bound))
    if (isKnown && entries.length > 0) {
      return Result.succeed(Object.fromEntries(entries.map(([key, bound]) => [key, Number(bound) * scale])))
    }
  }
  return invalid(
    param,
    `\`${param}\` must be a number from 0 to ${BOUND_MAX}, or an object with such a number for p50, p75, p90 or p99.`,
  )
}

const PRICES = { prompt: "inputTokens", completion: "outputTokens", request: "request", image: "image" } as const

/** Dollars: for a million tokens, for a request, for an image. */
const maxPrice = (value: unknown): Read<NonNullable<ProviderPreferences["maxPrice"]>> => {
  const wrong = (param: string) =>
    invalid(
      param,
      `\`${param}\` must be an amount in dollars, such as 0.5 or "0.5", of at most ${BOUND_MAX}: prompt, completion, request or image.`,
    )
  if (!Json.isObject(value)) return wrong("provider.max_price")
  const most: { -readonly [Key in keyof NonNullable<ProviderPreferences["maxPrice"]>]?: bigint } = {}
  for (const [key, price] of Object.entries(value)) {
    const param = `provider.max_price.${key}`
    const name =
      key === "prompt" || key === "completion" || key === "request" || key === "image" ? PRICES[key] : undefined
    const isText = typeof price === "string" || (typeof price === "number" && price >= 0 && price <= BOUND_MAX)
    if (name === undefined || !isText) return wrong(param)
    // A number is written as JavaScript writes it; small ones come with an exponent.
    const text = typeof price === "number" ? price.toFixed(USD.scale).replace(/\.?0+$/, "") : price
    const amount = Money.parse(text, USD)
    if (Result.isFailure(amount) || amount.success < 0n || amount.success > PRICE_MAX) return wrong(param)
    most[name] = amount.success
  }
  return Result.succeed(most)
}

const SORTS = ["price", "throughput", "latency"] as const

const sort = (value: unknown, hasModels: boolean): Read<ProviderPreferences["sort"]> => {
  const by = Json.isObject(value) ? Json.get(value, "by") : value
  const partition = Json.isObject(value) ? Json.get(value, "partition") : undefined
  const known = SORTS.find((name) => name === by)
  if (known === undefined) return invalid("provider.sort", "`provider.sort` must be price, throughput or latency.")
  if (Json.isAbsent(partition) || partition === "model") return Result.succeed(known)
  if (partition !== "none")
    return invalid("provider.sort.partition", "`provider.sort.partition` must be model or none.")
  return hasModels
    ? unsupported(
        "provider.sort.partition",
        "Models are tried in the order of `models`; across them nothing is sorted here.",
      )
    : Result.succeed(known)
}

/** The members whose meaning an instance must have declared to understand. */
const requiredOf = (body: object): ReadonlyArray<string> =>
  Object.entries(body).flatMap(([key, value]) => (BASIC.has(key) || Json.isAbsent(value) ? [] : [key]))

type Readers = Readonly<Record<(typeof MEMBERS)[number], (value: unknown, draft: Draft, body: object) => Read<void>>>

const set = <A>(read: Read<A>, put: (value: A) => void): Read<void> => Result.map(read, put)

const flag = (value: unknown, param: string): Read<boolean> =>
  typeof value === "boolean" ? Result.succeed(value) : invalid(param, `\`${param}\` must be true or false.`)

const readers: Readers = {
  order: (value, draft) => set(names(value, "provider.order"), (order) => void (draft.order = order)),
  only: (value, draft) => set(names(value, "provider.only"), (only) => void (draft.only = only)),
  ignore: (value, draft) => set(names(value, "provider.ignore"), (ignore) => void (draft.ignore = ignore)),
  allow_fallbacks: (value, draft) =>
    set(flag(value, "provider.allow_fallbacks"), (allowed) => void (allowed || (draft.fallbacks = false))),
  require_parameters: (value, draft, body) =>
    Result.flatMap(flag(value, "provider.require_parameters"), (required): Read<void> => {
      const needed = required ? requiredOf(body) : []
      if (needed.length > LIST_MAX || needed.some((name) => name.length > NAME_MAX)) {
        const detail = `With \`provider.require_parameters\` a request may have ${LIST_MAX} parameters, and names of ${NAME_MAX} characters.`
        return invalid("provider.require_parameters", detail)
      }
      if (needed.length > 0) draft.parameters = needed
      return Result.void
    }),
  quantizations: (value, draft) =>
    Result.flatMap(names(value, "provider.quantizations"), (given): Read<void> => {
      const known = Quantization.literals.filter((one) => given.includes(one))
      // `unknown` accepts nothing here: a precision that nobody declared cannot be checked.
      const strange = given.find((name) => name !== "unknown" && !known.some((one) => one === name))
      if (strange !== undefined) {
        const detail = `\`${strange.slice(0, 40)}\` is no precision of weights. Known are ${Quantization.literals.join(", ")}.`
        return invalid("provider.quantizations", detail)
      }
      draft.quantizations = known
      return Result.void
    }),
  max_price: (value, draft) => set(maxPrice(value), (most) => void (draft.maxPrice = most)),
  sort: (value, draft, body) =>
    set(sort(value, !Json.isAbsent(Json.get(body, "models"))), (by) => void (by === undefined || (draft.sort = by))),
  preferred_min_throughput: (value, draft) =>
    set(bounds(value, "provider.preferred_min_throughput", 1), (least) => void (draft.throughputMin = least)),
  // In seconds there, in milliseconds here.
  preferred_max_latency: (value, draft) =>
    set(bounds(value, "provider.preferred_max_latency", 1_000), (most) => void (draft.latencyMaxMs = most)),
  regions: (value, draft) =>
    Result.flatMap(names(value, "provider.regions"), (regions): Read<void> => {
      if (!regions.every(isRegion)) {
        return invalid("provider.regions", "`provider.regions` must be names such as eu-west: a-z, 0-9 and -.")
      }
      draft.regions = regions
      return Result.void
    }),
  countries: (value, draft) =>
    Result.flatMap(names(value, "provider.countries"), (countries): Read<void> => {
      if (!countries.every(isCountry)) {
        return invalid("provider.countries", "`provider.countries` must be two capital letters each, such as DE.")
      }
      draft.countries = countries
      return Result.void
    }),
  confidential: (value, draft) =>
    set(flag(value, "provider.confidential"), (wanted) => void (wanted && (draft.confidential = true))),
  data_collection: (value, draft) => {
    if (value === "deny") draft.denyRetention = true
    return value === "deny" || value === "allow"
      ? Result.void
      : invalid("provider.data_collection", "`provider.data_collection` must be allow or deny.")
  },
}

const isRegion = Schema.is(Region)
const isCountry = Schema.is(Country)

const preferencesOf = (body: object, provider: unknown): Read<Draft> => {
  const draft: Draft = {}
  if (Json.isAbsent(provider)) return Result.succeed(draft)
  if (!Json.isObject(provider)) return invalid("provider", "`provider` must be an object.")
  for (const [key, value] of Object.entries(provider)) {
    const known = MEMBERS.find((name) => name === key)
    if (known === undefined) {
      const param = `provider.${key.slice(0, 60)}`
      return unsupported(
        param,
        `\`${param}\` is not known here, and might keep a provider out. Known are ${MEMBERS.join(", ")}.`,
      )
    }
    if (value === null) continue
    const read = readers[known](value, draft, body)
    if (Result.isFailure(read)) return Result.fail(read.failure)
  }
  return Result.succeed(draft)
}

const NOTHING = { preferences: undefined, where: undefined }

const unlessEmpty = <A extends object>(value: A): A | undefined => (Object.keys(value).length === 0 ? undefined : value)

const ENDINGS = { ":floor": "price", ":nitro": "throughput" } as const

const endingOf = (name: string): keyof typeof ENDINGS | undefined =>
  name.endsWith(":floor") ? ":floor" : name.endsWith(":nitro") ? ":nitro" : undefined

/**
 * The name of a model without an ending that says how its instances are sorted.
 *
 * **Example** (The cheapest)
 *
 * ```ts
 * import { ProviderControls } from "@guildhall/protocol/openai"
 *
 * ProviderControls.withoutEnding("org/m:floor") // => "org/m"
 * ProviderControls.withoutEnding("org/m:free") // => "org/m:free"
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const withoutEnding = (name: string): string => name.slice(0, name.length - (endingOf(name)?.length ?? 0))

/** The models by their names; `given` is the first one as it was written, which may stand in `models` too. */
const modelsOf = (body: object, given: string, named: string): Read<ReadonlyArray<string>> => {
  const models = Json.get(body, "models")
  if (Json.isAbsent(models)) return Result.succeed([named])
  const isList =
    Array.isArray(models) &&
    models.length <= MODELS_MAX &&
    models.every((name): name is string => typeof name === "string" && name !== "")
  if (!isList) return invalid("models", `\`models\` must be a list of at most ${MODELS_MAX} names of models.`)
  const further = models.filter((name) => name !== given)
  const ended = further.find((name) => endingOf(name) !== undefined)
  if (ended !== undefined) {
    const detail = `\`${ended.slice(-60)}\` in \`models\` has an ending. Only the first model may have one, and it sorts the instances of all; or use \`provider.sort\`.`
    return invalid("models", detail)
  }
  return Result.succeed([...new Set([named, ...further])])
}

/**
 * Reads the controls of a request. A request without any costs next to nothing.
 *
 * **Example** (The cheapest, but not that one)
 *
 * ```ts
 * import { ProviderControls } from "@guildhall/protocol/openai"
 * import { Result } from "effect"
 *
 * const body = { model: "org/m:floor", provider: { ignore: ["acme"] } }
 * Result.getOrThrow(ProviderControls.read(body, body.model))
 * // => { models: ["org/m"], preferences: { sort: "price", ignore: ["acme"] }, where: undefined }
 * ```
 *
 * @category readers
 * @since 0.1.0
 */
export const read = (body: unknown, model: string): Result.Result<ProviderControls, Flaw> => {
  const ending = endingOf(model)
  const named = withoutEnding(model)
  if (!Json.isObject(body)) return Result.succeed({ models: [named], ...NOTHING })
  const provider = Json.get(body, "provider")
  if (ending === undefined && Json.isAbsent(provider) && Json.isAbsent(Json.get(body, "models"))) {
    return Result.succeed({ models: [named], ...NOTHING })
  }
  return Result.flatMap(modelsOf(body, model, named), (models) =>
    Result.map(preferencesOf(body, provider), ({ confidential, countries, regions, ...draft }) => {
      const preferences: ProviderPreferences = ending === undefined ? draft : { sort: ENDINGS[ending], ...draft }
      const where: Where = {
        ...(regions === undefined ? {} : { regions }),
        ...(countries === undefined ? {} : { countries }),
        ...(confidential === undefined ? {} : { confidential }),
      }
      return { models, preferences: unlessEmpty(preferences), where: unlessEmpty(where) }
    }),
  )
}
