/**
 * PORT. What produces tokens on the provider's machine: a local server that speaks OpenAI's API, or an engine inside
 * the agent. It answers the requests of an endpoint in that endpoint's shape.
 *
 * Guarantees, each proved by `BackendTest.suite`:
 *
 * 1. `describe` names the models that it serves, each with its context length, and fails where the backend is not up.
 * 2. A chat completion is answered in OpenAI's shape, with usage; the counts of the same prompt are the same with and without streaming.
 * 3. A stream has the role first, one `finish_reason`, then usage where it was asked for, then `[DONE]`, and nothing after.
 * 4. `max_tokens` bounds the answer, and the finish reason then is `length`.
 * 5. A cancelled request stops generating: the backend serves the next request without waiting for the old one's end.
 * 6. A request that it cannot serve is answered with an OpenAI-shaped error and a 4xx status.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import type { ModelId } from "@guildhall/core/Model"
import type { Endpoint } from "@guildhall/core/Endpoint"
import type { Dispatch } from "@guildhall/protocol/ProviderTransport"
import type { EngineRequest, EngineSink } from "./serving/Exchange.ts"
import type { Facts } from "./serving/WeightsFacts.ts"

/**
 * A model that a backend serves. `contextLength` is in tokens; `digest` is SHA-256 of the weights where they are a file, and
 * `facts` are what that file says of itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServedModel {
  readonly id: ModelId
  readonly contextLength: number
  readonly digest?: string | undefined
  readonly facts?: Facts | undefined
  /** A sentence that must be shown wherever the model appears, such as that it is a demo. */
  readonly notice?: string | undefined
}

/** Why a backend could not be used. @category errors @since 0.1.0 */
export class BackendError extends Schema.TaggedError<BackendError>()("BackendError", {
  reason: Schema.Literals(["Unreachable", "NoModel", "CannotLoad"]),
  detail: Schema.String,
}) {
  get isRetryable(): boolean {
    return this.reason === "Unreachable"
  }
  override get message(): string {
    return this.detail
  }
  /** The command tells it as a letter; nobody prints its stack as well. */
  override get [Runtime.errorReported](): boolean {
    return false
  }
}

/** A request as it came. @category models @since 0.1.0 */
export type BackendRequest = EngineRequest

/** What hears the answer. @category models @since 0.1.0 */
export type BackendSink = EngineSink

/**
 * What a backend can do. `parameters` are the members of a request that it understands, where it knows them all.
 *
 * @category models
 * @since 0.1.0
 */
export interface Capabilities {
  readonly tools: boolean
  readonly concurrency: number
  readonly parameters?: ReadonlyArray<string> | undefined
}

/**
 * The port. `endpoints` finds out which ones it answers for a model; it is asked once, at the start. `dispatch` answers
 * through the same sink as a transport, so a remote backend passes bytes as they are.
 *
 * @category services
 * @since 0.1.0
 */
export class Backend extends Context.Service<
  Backend,
  {
    readonly name: string
    readonly capabilities: Capabilities
    readonly describe: Effect.Effect<ReadonlyArray<ServedModel>, BackendError>
    readonly endpoints: (model: ModelId) => Effect.Effect<ReadonlyArray<Endpoint>>
    readonly dispatch: (request: BackendRequest, sink: BackendSink) => Dispatch
  }
>()("@guildhall/agent/Backend") {}
