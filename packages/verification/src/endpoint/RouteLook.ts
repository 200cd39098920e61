/**
 * Looks where the URL of an endpoint leads: its addresses, and the certificate at the first of them. It connects to the address
 * that it has looked at, so a name that changes in between changes nothing.
 *
 * @since 0.1.0
 */
import { lookup as resolve, type LookupAddress } from "node:dns"
import { isIP, type LookupFunction } from "node:net"
import { checkServerIdentity, connect, type PeerCertificate, type TLSSocket } from "node:tls"
import * as Effect from "effect/Effect"
import type { Instance } from "@guildhall/core/Instance"
import * as PublicAddress from "@guildhall/core/PublicAddress"
import type { Certificate, Route } from "./EndpointProbe.ts"

/**
 * `allowPrivate` lets it connect to addresses that are not public. `resolver` finds addresses, the system's where none is
 * given; `authorities` are trusted in place of the system's, as PEM; `limitMs` (5,000) is for the resolution, and for the handshake.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly allowPrivate: boolean
  readonly resolver?: LookupFunction | undefined
  readonly authorities?: ReadonlyArray<string> | undefined
  readonly limitMs?: number | undefined
}

const LIMIT_MS = 5_000
/** A name with more addresses than this is no endpoint. */
const ADDRESSES_MAX = 32
const TEXT_MAX = 200

type Tls = Extract<Route, { readonly _tag: "Found" }>["tls"]

const short = (text: string): string => (text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text)

const addressesOf = (host: string, { limitMs = LIMIT_MS, resolver = resolve }: Options) =>
  Effect.callback<ReadonlyArray<string>, string>((resume) => {
    if (isIP(host) !== 0) return resume(Effect.succeed([host]))
    resolver(host, { all: true }, (error, found) => {
      const list: ReadonlyArray<LookupAddress> = typeof found === "string" ? [{ address: found, family: 4 }] : found
      if (error !== null) resume(Effect.fail(error.message))
      else resume(Effect.succeed(list.slice(0, ADDRESSES_MAX).map(({ address }) => address)))
    })
  }).pipe(
    Effect.timeoutOrElse({
      duration: limitMs,
      orElse: () => Effect.fail(`no answer within ${limitMs} ms`),
    }),
  )

const timeOf = (text: string): number => {
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? 0 : ms
}

const read = (socket: TLSSocket, host: string, peer: PeerCertificate): Certificate => {
  const reason: unknown = socket.authorizationError
  const trust = socket.authorized || reason === null || reason === undefined ? undefined : codeOf(reason)
  return {
    validFromMs: timeOf(peer.valid_from),
    validToMs: timeOf(peer.valid_to),
    isSelfSigned: JSON.stringify(peer.subject) === JSON.stringify(peer.issuer),
    subject: short(single(peer.subject?.CN)),
    names: short(peer.subjectaltname ?? ""),
    // The host is judged apart: a certificate can be both untrusted and for another host.
    trust: trust === "ERR_TLS_CERT_ALTNAME_INVALID" ? undefined : trust,
    identity: checkServerIdentity(host, peer)?.message,
  }
}

const single = (value: string | ReadonlyArray<string> | undefined): string =>
  typeof value === "string" ? value : (value?.join(", ") ?? "")

const codeOf = (reason: unknown): string =>
  reason instanceof Error && "code" in reason && typeof reason.code === "string" ? reason.code : short(String(reason))

const handshake = (address: string, port: number, host: string, options: Options) => {
  const { limitMs = LIMIT_MS } = options
  return Effect.callback<Tls>((resume) => {
    const socket = connect({
      host: address,
      port,
      // What it presents is looked at here, and nothing is sent over this connection.
      rejectUnauthorized: false,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(options.authorities === undefined ? {} : { ca: [...options.authorities] }),
    })
    const fail = (detail: string) => resume(Effect.succeed({ _tag: "Failed", detail: short(detail) }))
    socket.once("secureConnect", () => {
      const peer = socket.getPeerCertificate()
      if (Object.keys(peer).length === 0) fail("It presents no certificate.")
      else resume(Effect.succeed({ _tag: "Presented", certificate: read(socket, host, peer) }))
      socket.destroy()
    })
    socket.on("error", (error) => fail(error.message))
    socket.once("close", () => fail("It closed the connection."))
    return Effect.sync(() => socket.destroy())
  }).pipe(
    Effect.timeoutOrElse({
      duration: limitMs,
      orElse: () => Effect.succeed<Tls>({ _tag: "Failed", detail: `It was not done within ${limitMs} ms.` }),
    }),
  )
}

/**
 * Looks at a URL.
 *
 * @category constructors
 * @since 0.1.0
 */
export const url = Effect.fn("RouteLook.url")(function* (text: string, options: Options) {
  const parsed = URL.parse(text)
  if (parsed === null) return { _tag: "Unknown", host: short(text), detail: "it is not a URL" } satisfies Route
  const host = parsed.hostname.replace(/^\[|\]$/g, "")
  const found = yield* Effect.result(addressesOf(host, options))
  if (found._tag === "Failure") return { _tag: "Unknown", host, detail: short(found.failure) } satisfies Route
  const addresses = found.success
  const [first] = addresses
  if (first === undefined) return { _tag: "Unknown", host, detail: "it has no address" } satisfies Route
  const mayConnect = options.allowPrivate || addresses.every(PublicAddress.isPublic)
  const isEncrypted = parsed.protocol === "https:"
  const port = parsed.port === "" ? 443 : Number(parsed.port)
  const tls: Tls = !isEncrypted
    ? undefined
    : mayConnect
      ? yield* handshake(first, port, host, options)
      : { _tag: "NotAsked" }
  return { _tag: "Found", host, addresses, isPrivateAllowed: options.allowPrivate, tls } satisfies Route
})

const WAYS: Readonly<Record<Exclude<Instance["reach"]["_tag"], "Endpoint">, string>> = {
  Tunnel: "It is asked over the tunnel that its agent holds open.",
  Pull: "It asks for requests itself.",
  Cloud: "It is a service of somebody else, called with the provider's account.",
  Memory: "It runs within this process.",
}

/**
 * Looks at the way to an instance.
 *
 * @category constructors
 * @since 0.1.0
 */
export const instance = ({ reach }: Instance, options: Options): Effect.Effect<Route> =>
  reach._tag === "Endpoint" ? url(reach.url, options) : Effect.succeed({ _tag: "None", why: WAYS[reach._tag] })
