/**
 * What an agent declares of a model: what its owner says, and where the owner says nothing, what the engine and its file
 * are known to be. What nobody knows stays undeclared.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Endpoint } from "@guildhall/core/Endpoint"
import type { Input, Instance, Quantization } from "@guildhall/core/Instance"
import type { Registration } from "@guildhall/protocol/provider/Registration"
import { AgentError } from "./AgentError.ts"
import type { Backend, ServedModel } from "./Backend.ts"
import * as EndpointProbe from "./backends/EndpointProbe.ts"
import * as WeightsFile from "./WeightsFile.ts"

/**
 * What the owner says. `weights` is the path of the GGUF file that a model server runs, to read precision and tokenizer
 * from; `tokenizer` a digest.
 *
 * @category models
 * @since 0.1.0
 */
export interface Wish {
  readonly provider: string | undefined
  readonly endpoints: ReadonlyArray<Endpoint> | undefined
  readonly quantization: Quantization | undefined
  readonly parameters: ReadonlyArray<string> | undefined
  readonly retainsData: boolean | undefined
  readonly tokenizer: string | undefined
  readonly region: string | undefined
  readonly country: string | undefined
  readonly inputs: ReadonlyArray<Input> | undefined
  readonly rails: ReadonlyArray<string> | undefined
  readonly weights: string | undefined
}

/** The members of a registration that say it. @category models @since 0.1.0 */
export type Declared = Pick<
  Registration,
  | "provider"
  | "quantization"
  | "supported_parameters"
  | "retains_data"
  | "tokenizer"
  | "region"
  | "country"
  | "inputs"
  | "rails"
> & { readonly endpoints: NonNullable<Instance["endpoints"]> }

const refuse = (detail: string) => new AgentError({ reason: "BadSetting", detail })

const nonEmpty = (endpoints: ReadonlyArray<Endpoint>): NonNullable<Instance["endpoints"]> | undefined => {
  const [first, ...others] = endpoints
  return first === undefined ? undefined : [first, ...others]
}

/** Every model is for something; this is for the types. */
const STANDARD: NonNullable<Instance["endpoints"]> = ["chat/completions"]

const paths = (endpoints: ReadonlyArray<Endpoint>): string => endpoints.map((endpoint) => `/v1/${endpoint}`).join(", ")

/** What a server that tells nothing is taken to answer: the first of what the model is for. */
const assumed = Effect.fnUntraced(function* (wish: Wish, name: string, likely: ReadonlyArray<Endpoint>) {
  const chosen = nonEmpty(wish.endpoints ?? likely.slice(0, 1)) ?? STANDARD
  yield* Effect.logWarning(`${name} does not tell which endpoints it answers. Declared: ${paths(chosen)}.`)
  return chosen
})

/** The endpoints: those that were asked for if all are there, else those that are there and fit the model. */
const endpointsOf = Effect.fnUntraced(function* (wish: Wish, backend: Backend["Service"], model: ServedModel) {
  const there = yield* backend.endpoints(model.id)
  const likely = EndpointProbe.likely(model.id)
  if (there.length === 0) return yield* assumed(wish, backend.name, likely)
  const missing = (wish.endpoints ?? []).filter((endpoint) => !there.includes(endpoint))
  if (missing.length > 0) {
    return yield* refuse(
      `${backend.name} does not answer ${paths(missing)}; it answers ${paths(there)}. Start it so that it does, or leave that out of --endpoints.`,
    )
  }
  const chosen = nonEmpty(wish.endpoints ?? there.filter((endpoint) => likely.includes(endpoint)))
  return (
    chosen ??
    (yield* refuse(
      `${backend.name} answers none of ${paths(likely)}, which ${model.id} is for. Say what it is for with --endpoints.`,
    ))
  )
})

/**
 * The declaration of one model. Fails with `BadSetting` where the owner promises what the engine does not do.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fn("Declaration.make")(function* (
  wish: Wish,
  backend: Backend["Service"],
  model: ServedModel,
) {
  const endpoints = yield* endpointsOf(wish, backend, model)
  const file = wish.weights === undefined ? model.facts : yield* WeightsFile.read(wish.weights)
  const quantization = wish.quantization ?? file?.quantization
  const tokenizer = wish.tokenizer ?? file?.tokenizer
  const parameters = wish.parameters ?? backend.capabilities.parameters
  const declared: Declared = {
    endpoints,
    ...(wish.provider === undefined ? {} : { provider: wish.provider }),
    ...(quantization === undefined ? {} : { quantization }),
    ...(parameters === undefined ? {} : { supported_parameters: parameters }),
    ...(wish.retainsData === undefined ? {} : { retains_data: wish.retainsData }),
    ...(tokenizer === undefined ? {} : { tokenizer }),
    ...(wish.region === undefined ? {} : { region: wish.region }),
    ...(wish.country === undefined ? {} : { country: wish.country }),
    ...(wish.inputs === undefined ? {} : { inputs: wish.inputs }),
    ...(wish.rails === undefined ? {} : { rails: wish.rails }),
  }
  return declared
})
