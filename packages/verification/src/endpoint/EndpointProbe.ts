/**
 * PORT. How the checks ask an endpoint: where its name leads, and what it answers. The same checks run from a gateway, over a
 * tunnel, and on a provider's own machine, each with a layer of this.
 *
 * Guarantees, each proved by the tests of its layers:
 *
 * 1. `look` connects to no address that is not public, unless private ones are allowed; it never fails.
 * 2. `ask` never fails, and ends within `limitMs` and with at most `bytesMax` bytes of the answer kept, whatever is sent.
 * 3. No redirect is followed and no body is unpacked: what came is what is told.
 * 4. A `POST` carries what a buyer's request carries.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Instance } from "@guildhall/core/Instance"
import type { TransportError } from "@guildhall/protocol/ProviderTransport"

/**
 * What a certificate says, as far as the checks need it. Times are milliseconds since 1970. `trust` is why it is not trusted, in
 * the codes of OpenSSL; `identity` why it is not for this host.
 *
 * @category models
 * @since 0.1.0
 */
export interface Certificate {
  readonly validFromMs: number
  readonly validToMs: number
  readonly isSelfSigned: boolean
  readonly subject: string
  readonly names: string
  readonly trust: string | undefined
  readonly identity: string | undefined
}

/**
 * Where an endpoint is.
 *
 * - `None`: it has no address, since it is asked over a connection that it holds.
 * - `Unknown`: its name leads nowhere.
 * - `Found`: the addresses of its host; `tls` is absent where the URL has none, and says why where the handshake failed.
 *
 * @category models
 * @since 0.1.0
 */
export type Route =
  | { readonly _tag: "None"; readonly why: string }
  | { readonly _tag: "Unknown"; readonly host: string; readonly detail: string }
  | {
      readonly _tag: "Found"
      readonly host: string
      readonly addresses: ReadonlyArray<string>
      readonly isPrivateAllowed: boolean
      readonly tls:
        | { readonly _tag: "Presented"; readonly certificate: Certificate }
        | { readonly _tag: "Failed"; readonly detail: string }
        | { readonly _tag: "NotAsked" }
        | undefined
    }

/**
 * A question. `limitMs` is for all of it; `bytesMax` for the answer's body; `isStream` where events are asked for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Question {
  readonly instance: Instance
  readonly method: "GET" | "POST"
  readonly path: string
  readonly body?: Uint8Array | undefined
  readonly isStream?: boolean | undefined
  readonly limitMs: number
  readonly bytesMax: number
}

/**
 * A part of an answer's body as it came: when, since the question was asked, and up to which byte.
 *
 * @category models
 * @since 0.1.0
 */
export interface Piece {
  readonly atMs: number
  readonly end: number
}

/**
 * What came of a question. `Broken` says why there is no whole answer: the transport's reasons, or that it grew too large or took
 * too long.
 *
 * @category models
 * @since 0.1.0
 */
export type Answer =
  | {
      readonly _tag: "Complete"
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
      readonly body: Uint8Array
      readonly pieces: ReadonlyArray<Piece>
      readonly tookMs: number
    }
  | {
      readonly _tag: "Broken"
      readonly reason: TransportError["reason"] | "TooLarge" | "TooSlow"
      readonly detail: string
      readonly tookMs: number
    }

/**
 * The port.
 *
 * @category services
 * @since 0.1.0
 */
export class EndpointProbe extends Context.Service<
  EndpointProbe,
  {
    readonly look: (instance: Instance) => Effect.Effect<Route>
    readonly ask: (question: Question) => Effect.Effect<Answer>
  }
>()("@guildhall/verification/EndpointProbe") {}
