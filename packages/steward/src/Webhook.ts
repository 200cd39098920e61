/**
 * Calls a URL that a provider gave, with a signed body: public addresses only, at the moment of connecting, over TLS, and no
 * redirect is followed. What it answers is not read.
 *
 * @since 0.1.0
 */
import { request as requestPlain } from "node:http"
import { request as requestTls } from "node:https"
import type { LookupFunction } from "node:net"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { KeyRing, type KeyRingError } from "@guildhall/core/KeyRing"
import * as PublicLookup from "@guildhall/verification/PublicLookup"

/**
 * The headers of a call. What is signed, by a key of the purpose `warning`, is `<id>.<timestamp>.<body>`. The id is the same for
 * every try: who has seen it has seen the call. An old timestamp is somebody else's copy.
 *
 * @category constants
 * @since 0.1.0
 */
export const HEADERS = {
  id: "guildhall-webhook-id",
  timestamp: "guildhall-webhook-timestamp",
  signature: "guildhall-webhook-signature",
} as const

/**
 * Why a call was not answered with 2xx.
 *
 * @category errors
 * @since 0.1.0
 */
export class WebhookError extends Schema.TaggedError<WebhookError>()("WebhookError", {
  reason: Schema.Literals(["NotPublic", "Unreachable", "Refused"]),
  detail: Schema.String,
}) {
  get isRetryable(): boolean {
    return this.reason !== "NotPublic"
  }
  override get message(): string {
    return `The webhook was not delivered. ${this.detail}`
  }
}

/**
 * `allowPrivate` lets URLs lead to private addresses, and go without TLS; `limitMs` (10,000) is how long a call may take; `lookup`
 * resolves names, the system's unless told.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly allowPrivate: boolean
  readonly limitMs?: number | undefined
  readonly lookup?: LookupFunction | undefined
}

/**
 * The bytes that a call's signature covers.
 *
 * @category encoding
 * @since 0.1.0
 */
export const signedBytes = (id: string, timestampMs: number, body: string): Uint8Array =>
  new TextEncoder().encode(`${id}.${timestampMs}.${body}`)

const LIMIT_MS = 10_000

const fail = (reason: WebhookError["reason"], detail: string) => new WebhookError({ reason, detail })

/** The URL, if it may be called. */
const allowed = (text: string, { allowPrivate }: Options): Effect.Effect<URL, WebhookError> => {
  const url = URL.parse(text)
  const isSecure = url?.protocol === "https:" || (allowPrivate && url?.protocol === "http:")
  if (url === null || !isSecure)
    return Effect.fail(fail("NotPublic", "Its URL has no encryption. Give one with https."))
  return allowPrivate || !PublicLookup.isPrivateLiteral(url.hostname)
    ? Effect.succeed(url)
    : Effect.fail(fail("NotPublic", new PublicLookup.PrivateHost(url.hostname).message))
}

/** One call, without reading what is answered. Interrupting it ends the connection. */
const call = (url: URL, headers: Readonly<Record<string, string>>, body: string, lookup: LookupFunction | undefined) =>
  Effect.callback<number, WebhookError>((resume) => {
    const open = url.protocol === "https:" ? requestTls : requestPlain
    const options = { method: "POST", headers, agent: false, ...(lookup === undefined ? {} : { lookup }) }
    const sent = open(url, options, (response) => {
      response.destroy()
      resume(Effect.succeed(response.statusCode ?? 0))
    })
    sent.on("error", (error) => {
      const isPrivate = error instanceof PublicLookup.PrivateHost
      resume(Effect.fail(fail(isPrivate ? "NotPublic" : "Unreachable", error.message)))
    })
    sent.end(body)
    return Effect.sync(() => sent.destroy())
  })

/**
 * Makes the call: it succeeds where the answer is 2xx.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const ring = yield* KeyRing
  const limitMs = options.limitMs ?? LIMIT_MS
  const lookup = options.lookup ?? PublicLookup.lookup

  return Effect.fn("Webhook.post")(function* (
    address: string,
    id: string,
    body: string,
  ): Effect.fn.Return<void, WebhookError | KeyRingError> {
    const url = yield* allowed(address, options)
    const timestampMs = yield* Clock.currentTimeMillis
    const { keyId, value } = yield* ring.sign("warning", signedBytes(id, timestampMs, body))
    const headers = {
      "content-type": "application/json",
      "content-length": `${new TextEncoder().encode(body).byteLength}`,
      "user-agent": "guildhall",
      [HEADERS.id]: id,
      [HEADERS.timestamp]: `${timestampMs}`,
      [HEADERS.signature]: `${keyId}.${value}`,
    }
    const late = Effect.fail(fail("Unreachable", `It did not answer within ${limitMs} ms.`))
    const status = yield* call(url, headers, body, options.allowPrivate ? undefined : lookup).pipe(
      Effect.timeoutOrElse({ duration: limitMs, orElse: () => late }),
    )
    if (status < 200 || status > 299) {
      return yield* fail("Refused", `It answered ${status}. A warning counts as delivered once it answers 2xx.`)
    }
  })
})
