/**
 * PORT. How a request reaches an instance and its answer comes back: callbacks with backpressure and cancel, so that
 * bytes never become an Effect `Stream` on the way. The relay knows nothing else; HTTP, tunnels, browsers and
 * virtual time are layers of this.
 *
 * Guarantees, each proved by `ProviderTransportTest.suite`:
 *
 * 1. `onStart` comes at most once and before any data; `onEnd` or `onError` comes exactly once, and nothing after it.
 * 2. The bytes of the answer arrive unchanged and in order.
 * 3. After `onData` returned `false`, no more than what is already buffered arrives until `resume`.
 * 4. After `cancel`, the provider sees its connection closed within 100 ms, and the sink hears `onError` with `Cancelled`.
 * 5. A provider that cannot be reached, closes early or stays silent past a timeout ends in `onError` with that reason.
 * 6. `onSent` comes once the request may have reached the provider: an error before it is safe to send again.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type { Instance } from "@guildhall/core/Instance"

/**
 * Why an exchange ended without a complete answer.
 *
 * - `Unreachable`: no connection could be made.
 * - `ClosedEarly`: the connection ended before the answer did.
 * - `ConnectTimeout`: connecting took longer than allowed; `HeadersTimeout`: the headers did.
 * - `Cancelled`: the gateway cancelled.
 *
 * @category errors
 * @since 0.1.0
 */
export type TransportError = {
  readonly reason: "Unreachable" | "ClosedEarly" | "ConnectTimeout" | "HeadersTimeout" | "Cancelled"
  readonly detail: string
}

/**
 * One request to one instance. Header names are lower case. Timeouts are in milliseconds; those of the token phases
 * are the relay's own.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProviderRequest {
  readonly instance: Instance
  readonly method: "GET" | "POST"
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  readonly connectMs: number
  readonly headersMs: number
}

/**
 * What hears the answer. `onData` returns `false` to ask for a pause.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProviderSink {
  readonly onSent?: () => void
  readonly onStart: (status: number, headers: Readonly<Record<string, string>>) => void
  readonly onData: (chunk: Uint8Array) => boolean
  readonly onEnd: () => void
  readonly onError: (error: TransportError) => void
}

/**
 * The exchange under way.
 *
 * @category models
 * @since 0.1.0
 */
export interface Dispatch {
  readonly resume: () => void
  readonly cancel: (detail: string) => void
}

/**
 * The port. `dispatch` neither throws nor waits: whatever happens is told to the sink, never before `dispatch` has
 * returned.
 *
 * @category services
 * @since 0.1.0
 */
export class ProviderTransport extends Context.Service<
  ProviderTransport,
  {
    /** Which ways of reaching an instance this transport knows. */
    readonly capabilities: { readonly reaches: ReadonlyArray<Instance["reach"]["_tag"]> }
    readonly dispatch: (request: ProviderRequest, sink: ProviderSink) => Dispatch
  }
>()("@guildhall/protocol/ProviderTransport") {}
