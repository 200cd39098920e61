/**
 * One request to a hub: redirects that are safe to follow, refusals as letters, and waiting where the hub asks for it.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import { printable } from "@guildhall/core/CommandFailure"
import type { HubSettings } from "./HubSettings.ts"
import { ModelError } from "./ModelError.ts"
import { tell } from "./PullEvent.ts"

/**
 * What may go better later: `afterMs` is how long the hub asks to wait, `error` what is told where nobody waits.
 *
 * @category errors
 * @since 0.1.0
 */
export class Later extends Data.TaggedError("Later")<{
  readonly afterMs: number | undefined
  readonly error: ModelError
}> {}

/**
 * How patient requests are, in milliseconds: until headers come, until the next byte of a file comes, and before the second try; and
 * how many bytes one request asks for at most.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pace {
  readonly headersMs: number
  readonly idleMs: number
  readonly retryMs: number
  readonly mostBytes: number
}

/** The hub's delivery network answers no request for more than 50 GB; larger files come in parts. */
const MOST_BYTES = 40_000_000_000

/**
 * The pace of requests.
 *
 * @category references
 * @since 0.1.0
 */
export const CurrentPace: Context.Reference<Pace> = Context.Reference("@guildhall/agent/models/HubRequest/Pace", {
  defaultValue: (): Pace => ({ headersMs: 30_000, idleMs: 60_000, retryMs: 1_000, mostBytes: MOST_BYTES }),
})

const MOST_HOPS = 5
const USER_AGENT = "guildhall-agent"
const REDIRECTS = new Set([301, 302, 303, 307, 308])
const TRANSIENT = new Set([408, 425, 500, 502, 503, 504])
/** A hub counts over five minutes; what asks for more is no wait but a refusal. */
const MOST_WAIT_MS = 330_000

/**
 * How often something is tried in a row without getting further.
 *
 * @category constants
 * @since 0.1.0
 */
export const TRIES = 5

/** Names and addresses that no delivery network has. A certificate guards the others. */
const isLocal = (host: string): boolean =>
  /^(?:\[.*\]|[\d.]+)$/.test(host) || /(?:^|\.)(?:localhost|local|internal|localdomain)\.?$/.test(host)

const isLoopback = (host: string): boolean => host === "localhost" || host === "[::1]" || /^127(?:\.\d+){3}$/.test(host)

/**
 * Why a redirect is not followed, or `undefined` where it is: over https to any named host, or, from an endpoint of one's own, to
 * that endpoint's host.
 *
 * **Example** (An address inside the network, and another scheme)
 *
 * ```ts
 * import { HubRequest } from "@guildhall/agent/models"
 *
 * const endpoint = new URL("https://huggingface.co")
 * HubRequest.whyUnsafe(new URL("https://cdn.example.com/x"), endpoint) // => undefined
 * HubRequest.whyUnsafe(new URL("https://169.254.169.254/"), endpoint) // => "it is an address inside a network"
 * HubRequest.whyUnsafe(new URL("http://cdn.example.com/x"), endpoint) // => "it is not encrypted"
 * ```
 *
 * @category predicates
 * @since 0.1.0
 */
export const whyUnsafe = (target: URL, endpoint: URL): string | undefined => {
  if (target.username !== "" || target.password !== "") return "it carries a name and a password"
  const isOwn = target.hostname === endpoint.hostname
  if (target.protocol === "http:") return isOwn && endpoint.protocol === "http:" ? undefined : "it is not encrypted"
  if (target.protocol !== "https:") return "it is no address of the web"
  return isLocal(target.hostname) && !isOwn ? "it is an address inside a network" : undefined
}

/** Whether nobody on the way can read what is sent there. */
const isPrivate = ({ hostname, protocol }: URL): boolean => protocol === "https:" || isLoopback(hostname)

/** A token goes to the hub alone, and over a line that nobody else can read. */
const authorization = (target: URL, endpoint: URL, { token }: HubSettings): Readonly<Record<string, string>> =>
  token !== undefined && target.origin === endpoint.origin && isPrivate(target)
    ? { authorization: `Bearer ${Redacted.value(token)}` }
    : {}

/** An address for a letter: signed ones carry secrets behind the question mark. */
const shown = (url: URL): string => printable(`${url.origin}${url.pathname}`).slice(0, 300)

const unreachable = (url: URL, why: string) =>
  new ModelError({
    reason: "Unreachable",
    detail: `${url.origin} ${why}. Check the connection and HF_ENDPOINT, and run the command again; what was downloaded is kept.`,
  })

/**
 * How long an answer asks to wait, in milliseconds: `Retry-After` as seconds or as a date, or the hub's own `RateLimit`.
 *
 * @category getters
 * @since 0.1.0
 */
export const waitMs = (headers: Readonly<Record<string, string | undefined>>, nowMs: number): number | undefined => {
  const after = headers["retry-after"]?.trim()
  if (after !== undefined && /^\d{1,9}$/.test(after)) return Number(after) * 1000
  const date = after === undefined || after === "" ? Number.NaN : Date.parse(after)
  if (!Number.isNaN(date)) return Math.max(0, date - nowMs)
  const [, rest] = /;\s*r=0\s*;\s*t=(\d{1,9})/.exec(headers["ratelimit"] ?? "") ?? []
  return rest === undefined ? undefined : Number(rest) * 1000
}

/**
 * What a request is about, for its letters.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subject {
  readonly repo: string
  readonly what: string
}

/**
 * The letter for a model whose owners ask for an agreement first.
 *
 * @category errors
 * @since 0.1.0
 */
export const gated = (endpoint: string, repo: string, hasToken: boolean): ModelError => {
  const token = hasToken
    ? "check that HF_TOKEN belongs to that account and may read gated repositories"
    : `make a token at ${endpoint}/settings/tokens and set HF_TOKEN to it`
  return new ModelError({
    reason: "Gated",
    detail: `${repo} may only be downloaded by those whom its owners let in. Open ${endpoint}/${repo} in a browser and agree to its terms, ${token}; then run the command again.`,
  })
}

const denied = (settings: HubSettings, subject: Subject, code: string, message: string): ModelError => {
  const { repo } = subject
  const hasToken = settings.token !== undefined
  if (hasToken && !isPrivate(new URL(settings.endpoint))) {
    return new ModelError({
      reason: "Gated",
      detail: `${settings.endpoint} does not show ${repo} to everybody, and the token was not sent, since anybody on the way could read it. Set HF_ENDPOINT to an address with https.`,
    })
  }
  if (/is disabled/i.test(message)) {
    return new ModelError({
      reason: "NotFound",
      detail: `${settings.endpoint} gives ${repo} to nobody any more: "${message}" Look for another with "guildhall-agent models search ${repo.split("/")[1] ?? repo}".`,
    })
  }
  if (code !== "GatedRepo" && hasToken && /invalid (?:credentials|token|username)|expired/i.test(message)) {
    return new ModelError({
      reason: "TokenRefused",
      detail: `${settings.endpoint} does not know the token that it was given. Make a new one at ${settings.endpoint}/settings/tokens and set HF_TOKEN, or unset it for public models.`,
    })
  }
  if (code === "GatedRepo" || hasToken) return gated(settings.endpoint, repo, hasToken)
  return new ModelError({
    reason: "NotFound",
    detail: `${settings.endpoint} has no public model ${repo}. Check the spelling; for a private one set HF_TOKEN. Look for it with "guildhall-agent models search ${repo.split("/")[1] ?? repo}".`,
  })
}

/** The refusal that a status means, in the hub's own vocabulary. */
const refusal = (settings: HubSettings, subject: Subject, response: HttpClientResponse, nowMs: number) => {
  const { headers, status } = response
  const code = headers["x-error-code"] ?? ""
  const message = printable(headers["x-error-message"] ?? "").slice(0, 300)
  const { repo, what } = subject
  if (status === 429) {
    const afterMs = waitMs(headers, nowMs)
    const wait = afterMs === undefined ? "later" : `in ${Math.ceil(afterMs / 1000)} seconds`
    const detail = `${settings.endpoint} takes no more requests from here for now. Run the command again ${wait}; what was downloaded is kept.${settings.token === undefined ? " With a token in HF_TOKEN it takes more." : ""}`
    return new Later({ afterMs, error: new ModelError({ reason: "RateLimited", detail }) })
  }
  if (TRANSIENT.has(status)) {
    return new Later({
      afterMs: waitMs(headers, nowMs),
      error: unreachable(new URL(settings.endpoint), `fails at ${what} (status ${status})`),
    })
  }
  if (code === "GatedRepo" || status === 401 || status === 403) return denied(settings, subject, code, message)
  if (code === "RevisionNotFound" || code === "EntryNotFound" || status === 404 || status === 410) {
    const missing = code === "RevisionNotFound" ? "revision" : code === "EntryNotFound" ? "file" : "model"
    return new ModelError({
      reason: "NotFound",
      detail: `${settings.endpoint} has no such ${missing}: ${repo}${missing === "model" ? "" : ` (${what})`}. Check the spelling at ${settings.endpoint}/${repo}.`,
    })
  }
  return new ModelError({
    reason: "BadAnswer",
    detail: `${settings.endpoint} answered ${what} with status ${status}${message === "" ? "" : `: ${message}`}. Try again; if it stays so, check HF_ENDPOINT.`,
  })
}

/**
 * A request as it is sent. `url` is below the endpoint; `also` are statuses beside 2xx that the caller knows what to do with.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly url: string
  readonly subject: Subject
  readonly headers?: Readonly<Record<string, string>>
  readonly also?: ReadonlySet<number>
}

/**
 * The answer after the redirects; `redirects` are the headers of those that led to it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer {
  readonly response: HttpClientResponse
  readonly url: URL
  readonly redirects: ReadonlyArray<Readonly<Record<string, string | undefined>>>
}

/**
 * Sends a request and follows its redirects. The body must be read before the scope closes, which ends the connection. Fails with
 * `Later` where another try may help.
 *
 * @category constructors
 * @since 0.1.0
 */
export const send = Effect.fnUntraced(function* (
  settings: HubSettings,
  options: Options,
): Effect.fn.Return<Answer, ModelError | Later, HttpClient.HttpClient | Scope.Scope> {
  const http = HttpClient.withScope(yield* HttpClient.HttpClient)
  const { headersMs } = yield* CurrentPace
  const endpoint = new URL(settings.endpoint)
  if (settings.isOffline) {
    return yield* new ModelError({
      reason: "Unreachable",
      detail:
        "HF_HUB_OFFLINE is set, so nothing is asked of the hub. Unset it, or name a model that is here (guildhall-agent models list).",
    })
  }
  const redirects: Array<Readonly<Record<string, string | undefined>>> = []
  let url = new URL(options.url)
  for (;;) {
    const target = url
    const away = (why: string) => new Later({ afterMs: undefined, error: unreachable(target, why) })
    const response = yield* http
      .execute(
        HttpClientRequest.get(target.href, {
          headers: {
            ...options.headers,
            "user-agent": USER_AGENT,
            "accept-encoding": "identity",
            ...authorization(target, endpoint, settings),
          },
        }),
      )
      .pipe(
        Effect.mapError(() => away("cannot be reached")),
        Effect.timeoutOrElse({ duration: headersMs, orElse: () => Effect.fail(away("does not answer")) }),
      )
    const location = response.headers["location"]
    if (!REDIRECTS.has(response.status) || location === undefined) {
      if (response.status < 300 || options.also?.has(response.status) === true) return { response, url, redirects }
      // A signed address that ran out is asked for anew at the hub.
      if (target.origin !== endpoint.origin && (response.status === 401 || response.status === 403)) {
        return yield* away(`refused the download (status ${response.status})`)
      }
      return yield* refusal(settings, options.subject, response, yield* Clock.currentTimeMillis)
    }
    redirects.push(response.headers)
    url = yield* next(location, target, endpoint, redirects.length)
  }
})

const next = (location: string, from: URL, endpoint: URL, hops: number): Effect.Effect<URL, ModelError> => {
  const target = URL.canParse(location, from.href) ? new URL(location, from.href) : undefined
  const why =
    hops > MOST_HOPS
      ? `it is the redirect number ${hops}`
      : target === undefined
        ? "it is no address"
        : whyUnsafe(target, endpoint)
  if (target !== undefined && why === undefined) return Effect.succeed(target)
  const where = target === undefined ? printable(location).slice(0, 200) : shown(target)
  return Effect.fail(
    new ModelError({
      reason: "UnsafeRedirect",
      detail: `${shown(from)} sends on to ${where}, which is not followed: ${why}. If a proxy stands between, or HF_ENDPOINT names a mirror, correct it.`,
    }),
  )
}

/**
 * Tries again where it may help, at most five times in all, and waits as long as the hub asks for, or 1, 2, 4 and 8 seconds.
 *
 * @category combinators
 * @since 0.1.0
 */
export const patiently = <A, R>(attempt: Effect.Effect<A, ModelError | Later, R>): Effect.Effect<A, ModelError, R> => {
  const go = (tries: number): Effect.Effect<A, ModelError, R> =>
    Effect.catchTag(attempt, "Later", (later) =>
      tries >= TRIES ? Effect.fail(later.error) : Effect.andThen(pause(later, tries), go(tries + 1)),
    )
  return go(1)
}

/**
 * Waits before the next try, and says so. Fails with the error where the wait would be too long.
 *
 * @category combinators
 * @since 0.1.0
 */
export const pause = Effect.fnUntraced(function* (later: Later, tries: number) {
  const { retryMs } = yield* CurrentPace
  const ms = later.afterMs ?? retryMs * 2 ** Math.min(tries - 1, 4)
  if (ms > MOST_WAIT_MS) return yield* later.error
  const why = later.error.reason === "RateLimited" ? "the hub asks to wait" : (later.error.detail.split(". ")[0] ?? "")
  yield* tell({ _tag: "Waiting", seconds: Math.ceil(ms / 1000), why })
  yield* Effect.sleep(ms)
})
