import * as Endpoints from "@guildhall/core/Endpoint"
import type { Instance } from "@guildhall/core/Instance"
import type { ReasonCode } from "@guildhall/core/Reason"
import { kindOf, kindsOf } from "@guildhall/routing/filters/Endpoint"
import type { RoutingRequest } from "@guildhall/routing/RoutingPolicy"

type Asked = Pick<RoutingRequest, "model" | "contextTokens" | "endpoint" | "preferences" | "features">

/** The members of `provider` that say which providers may serve, as far as the request has them. */
const naming = ({ preferences }: Asked): string => {
  const { ignore, only } = preferences ?? {}
  const names = [only === undefined ? [] : "`provider.only`", ignore === undefined ? [] : "`provider.ignore`"].flat()
  return `${names.join(" and ")} ${names.length > 1 ? "are" : "is"}`
}

/** What can be asked for in place of an endpoint that nobody speaks: a conversation in any of its dialects. */
const offered = (instances: ReadonlyArray<Instance>): string => {
  const declared = instances.flatMap(({ endpoints }) => endpoints ?? Endpoints.standard)
  const spoken = declared.flatMap((endpoint) => (kindOf(endpoint) === "conversation" ? Endpoints.dialects : endpoint))
  return [...new Set(spoken)].map((endpoint) => `/v1/${endpoint}`).join(", ")
}

/** A list in a sentence is no longer than this. */
const NAMED_MAX = 20

/** What those that are online have declared, where they have: what a buyer can ask for in its place. */
const declared = (
  what: string,
  instances: ReadonlyArray<Instance>,
  of: (instance: Instance) => string | undefined,
): string => {
  const online = instances.filter(({ state }) => state === "online")
  const names = [...new Set(online.flatMap((instance) => of(instance) ?? []))].sort()
  if (names.length === 0) return `none that is online has declared ${what}`
  const named = names.slice(0, NAMED_MAX).join(", ")
  return `those online have declared ${named}${names.length > NAMED_MAX ? " and others" : ""}`
}

/** The members of `provider` that say where alone a request may be served, as far as the request has them. */
const placing = ({ features }: Asked): string => {
  const { countries, regions } = features ?? {}
  const names = [
    regions === undefined ? [] : "`provider.regions`",
    countries === undefined ? [] : "`provider.countries`",
  ]
  return `${names.flat().join(" and ")} ${names.flat().length > 1 ? "are" : "is"}`
}

const more = "GET /v1/models lists what was declared."

/**
 * What a buyer reads where a reason is that of all instances: what happened, why, and what to do. The registry's sentence may
 * be about one of them. Undefined for a reason that routing does not give.
 */
export const words = (code: ReasonCode, asked: Asked, instances: ReadonlyArray<Instance>): string | undefined => {
  const model = `\`${asked.model.slice(0, 200)}\``
  const there = (what: string, of: (instance: Instance) => string | undefined) => declared(what, instances, of)
  const left = (rule: string, todo: string) => `No instance of ${model} is left once ${rule} applied: ${todo}`
  switch (code) {
    case "no_capacity":
      return `Every instance of ${model} that may serve the request is offline, full, left alone for a while after failures, or not admitted by this market's rules. Send it again in a moment, or ask for another model.`
    case "already_tried":
      return `Every instance of ${model} that may serve the request was asked, and failed. Send it again in a moment, or ask for another model.`
    case "context_too_long": {
      const speakers = instances.filter((instance) => kindsOf(instance).includes(kindOf(asked.endpoint)))
      const longest = Math.max(0, ...speakers.map(({ contextLength }) => contextLength))
      return `The request needs a context of about ${asked.contextTokens} tokens, with the answer's limit where it sets one, and the longest of ${model} for it has ${longest}. Send less, lower the answer's limit, or ask for a model with a longer context. ${more}`
    }
    case "endpoint_not_offered":
      return `No instance of ${model} serves /v1/${asked.endpoint ?? "chat/completions"}; they serve ${offered(instances)}. Send what fits one of these there, or ask for another model. ${more}`
    case "ignored_by_request":
    case "not_in_only":
      return left(
        naming(asked),
        `${there("a provider's name", ({ provider }) => provider)}. Name other providers, or leave them out. ${more}`,
      )
    case "no_fallback_allowed":
      return left(
        "`provider.order` with `provider.allow_fallbacks: false` is",
        `${there("a provider's name", ({ provider }) => provider)}. Name others, or allow fallbacks. ${more}`,
      )
    case "parameter_not_supported":
      return left("`provider.require_parameters` is", `leave it out, or the parameters that none understands. ${more}`)
    case "quantization_not_accepted":
      return left(
        "`provider.quantizations` is",
        `${there("a precision", ({ quantization }) => quantization)}. Name other precisions, or leave it out. ${more}`,
      )
    case "data_retained":
      return left('`provider.data_collection: "deny"` is', `leave it out, or ask for another model. ${more}`)
    case "price_too_high":
      return left("`provider.max_price` is", `raise it, or ask for another model. ${more}`)
    case "rail_not_accepted":
      return `No instance of ${model} serves buyers who pay as you do. Pay in another way, or ask for another model.`
    case "region_not_accepted":
      return left(
        placing(asked),
        `${there("a region", ({ region }) => region)}. Name other regions, or ask for another model. ${more}`,
      )
    case "country_not_accepted":
      return left(
        placing(asked),
        `${there("a country", ({ country }) => country)}. Name other countries, or ask for another model. ${more}`,
      )
    case "not_confidential":
      return left(
        "`provider.confidential` is",
        "none runs where its operator cannot look. Leave it out, or ask for another model.",
      )
    case "capability_missing":
      return `No instance of ${model} has declared to understand all that the request uses, its parameters and kinds of input. Use less, or ask for another model. ${more}`
    case "own_instance":
      return `The instances of ${model} that are left are your own, and nobody earns from itself here. Ask them without the market, or ask for another model.`
    default:
      return undefined
  }
}
