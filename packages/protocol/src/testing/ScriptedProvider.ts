/**
 * What the suite of `ProviderTransport` needs at the other end: a provider that does what a test tells it to. Whoever
 * writes a transport writes one of these for it, over a real socket where the transport has one.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Instance } from "@guildhall/core/Instance"
import type { ProviderExchange } from "../ProviderExchange.ts"

/**
 * What a provider does with each request.
 *
 * @category models
 * @since 0.1.0
 */
export type Script = (exchange: ProviderExchange) => void

/**
 * The service. `serve` starts a provider and answers an instance that reaches it; `unreachable` is one that nothing can
 * reach.
 *
 * @category services
 * @since 0.1.0
 */
export class ScriptedProvider extends Context.Service<
  ScriptedProvider,
  {
    readonly serve: (script: Script) => Effect.Effect<Instance, never, Scope.Scope>
    readonly unreachable: Effect.Effect<Instance>
  }
>()("@guildhall/protocol/testing/ScriptedProvider") {}
