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

/**
 * One request as it reached the provider, and what the provider can do with it. `data` answers false when the
 * provider's side is full; `onDrain` tells when there is room again, `onClosed` that the gateway closed the exchange.
 * `close` breaks the connection off.
 *
 * @category models
 * @since 0.1.0
 */
export interface Exchange {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  readonly start: (status: number, headers: Readonly<Record<string, string>>) => void
  readonly data: (chunk: Uint8Array) => boolean
  readonly end: () => void
  readonly close: () => void
  readonly onDrain: (listener: () => void) => void
  readonly onClosed: (listener: () => void) => void
}

/**
 * What a provider does with each request.
 *
 * @category models
 * @since 0.1.0
 */
export type Script = (exchange: Exchange) => void

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
