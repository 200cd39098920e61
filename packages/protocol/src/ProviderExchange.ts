/**
 * A provider's side of what a `ProviderTransport` carries: the request as it arrived, and the ways to answer it. A
 * transport within one process hands it to its providers, and the suite of transports to its scripts.
 *
 * @since 0.1.0
 */

/**
 * One request as it reached the provider, and what the provider can do with it. `data` answers false when the
 * provider's side is full: what is given nevertheless is kept, and `onDrain` tells when there is room again. `onClosed`
 * tells that the gateway closed the exchange; `close` breaks the connection off.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProviderExchange {
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
