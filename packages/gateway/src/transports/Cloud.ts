/**
 * Reaches instances that are accounts at a service: forwards what is asked there, with the account's token. What is the
 * market's own (tickets, ids of requests) does not go there, and what a service says of the account (its organisation, its
 * limits, its token in an error) does not come back.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Reason from "@guildhall/core/Reason"
import * as MultipartForm from "@guildhall/protocol/MultipartForm"
import {
  type Dispatch,
  type ProviderRequest,
  type ProviderSink,
  ProviderTransport,
  type TransportError,
} from "@guildhall/protocol/ProviderTransport"
import { CloudAccounts } from "@guildhall/registry/CloudAccounts"
import * as CloudShelf from "../internal/CloudShelf.ts"
import * as MediaType from "../internal/MediaType.ts"
import * as ProviderFault from "../internal/ProviderFault.ts"
import { Scrubber } from "../internal/Scrubber.ts"
import * as Ticks from "../internal/Ticks.ts"
import * as Unreached from "../internal/Unreached.ts"
import * as JsonSplice from "../JsonSplice.ts"
import * as Undici from "./Undici.ts"

/**
 * The options of `Undici`, and which headers pass beside those that always do: `requestHeaders` to the service,
 * `responseHeaders` back. All in lower case.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Undici.Options {
  readonly requestHeaders?: ReadonlyArray<string> | undefined
  readonly responseHeaders?: ReadonlyArray<string> | undefined
}

const REQUEST_HEADERS = ["accept", "accept-encoding", "content-type"]
const RESPONSE_HEADERS = ["content-encoding", "content-length", "content-type", "date", "retry-after"]
/** What the market asks an instance that it only wants to hear of. */
const HEALTH = "/healthz"
const MODELS = "/v1/models"

/** After a refusal that only its member can mend, an account is tried again after so long. */
const PARKED_MS = 600_000
/** Where a service does not say when it wants to be asked again. */
const RATE_LIMITED_MS = 20_000

/** What a service's status says of the account, and for how long it is left alone. */
const parking = (status: number, headers: Readonly<Record<string, string>>) => {
  switch (status) {
    case 401:
      return { code: "cloud_token_refused", forMs: PARKED_MS } as const
    case 402:
      return { code: "cloud_payment_due", forMs: PARKED_MS } as const
    case 429: {
      const seconds = ProviderFault.retryAfter(headers)
      return { code: "cloud_rate_limited", forMs: seconds === undefined ? RATE_LIMITED_MS : seconds * 1_000 } as const
    }
    default:
      return undefined
  }
}

/** Those of the headers that may pass. */
const only = (headers: Readonly<Record<string, string>>, names: ReadonlySet<string>): Record<string, string> => {
  const passed: Record<string, string> = {}
  for (const name in headers) {
    const value = headers[name]
    if (value !== undefined && names.has(name)) passed[name] = value
  }
  return passed
}

/** The body, with the service's own name of the model. */
const renamed = ({ body, headers, instance }: ProviderRequest, name: string): Uint8Array => {
  if (name === instance.model || body.byteLength === 0) return body
  const contentType = headers["content-type"] ?? ""
  if (MediaType.of(contentType) === "multipart/form-data") {
    const form = MultipartForm.parse(body, contentType)
    return Result.isSuccess(form) ? MultipartForm.replace(form.success, "model", name) : body
  }
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8")
  const members = JsonSplice.members(text)
  if (members.length === 0) return body
  return Buffer.from(JsonSplice.apply(text, [JsonSplice.set(text, members, "model", JSON.stringify(name))]))
}

/** What hears the service, and tells what of it may be told. */
class Passing implements ProviderSink {
  readonly #sink: ProviderSink
  readonly #names: ReadonlySet<string>
  readonly #token: string
  readonly #scrubber: Scrubber
  readonly #onHead: (status: number, headers: Readonly<Record<string, string>>) => void

  constructor(
    sink: ProviderSink,
    options: { readonly names: ReadonlySet<string>; readonly token: string },
    onHead: (status: number, headers: Readonly<Record<string, string>>) => void,
  ) {
    this.#sink = sink
    this.#names = options.names
    this.#token = options.token
    this.#scrubber = new Scrubber(options.token)
    this.#onHead = onHead
  }

  onSent(): void {
    this.#sink.onSent?.()
  }

  onStart(status: number, headers: Readonly<Record<string, string>>): void {
    this.#onHead(status, headers)
    const passed = only(headers, this.#names)
    for (const name in passed) if (passed[name]?.includes(this.#token) === true) passed[name] = ""
    this.#sink.onStart(status, passed)
  }

  onData(chunk: Uint8Array): boolean {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    const passed = this.#scrubber.push(bytes)
    return passed.length === 0 || this.#sink.onData(passed)
  }

  onEnd(): void {
    const rest = this.#scrubber.rest()
    if (rest !== undefined) this.#sink.onData(rest)
    this.#sink.onEnd()
  }

  onError(error: TransportError): void {
    this.#sink.onError(error)
  }
}

/** A request whose account is still being opened. */
class Pending implements Dispatch {
  #inner: Dispatch | undefined
  #over = false
  readonly #sink: ProviderSink
  readonly #timer: Ticks.Timer

  constructor({ connectMs }: ProviderRequest, sink: ProviderSink) {
    this.#sink = sink
    const detail = `The account was not opened within ${connectMs} ms.`
    this.#timer = Ticks.after(connectMs, () => this.#end({ reason: "ConnectTimeout", detail }))
  }

  /** Goes on with the account, unless nobody waits for it any more. */
  begin(dispatch: () => Dispatch): void {
    if (this.#over) return
    Ticks.stop(this.#timer)
    this.#over = true
    this.#inner = dispatch()
  }

  resume(): void {
    this.#inner?.resume()
  }

  cancel(detail: string): void {
    if (this.#inner !== undefined) this.#inner.cancel(detail)
    else this.#end({ reason: "Cancelled", detail })
  }

  #end(error: TransportError): void {
    if (this.#over) return
    this.#over = true
    Ticks.stop(this.#timer)
    this.#sink.onError(error)
  }
}

/**
 * Makes the transport. Its sockets live as long as the scope, and an account's token is in memory for at most a second after
 * it was opened.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const accounts = yield* CloudAccounts
  const clock = yield* Clock.Clock
  const shelf = yield* CloudShelf.make
  const undici = yield* Undici.make(options)
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const requestNames = new Set([...REQUEST_HEADERS, ...(options.requestHeaders ?? [])])
  const responseNames = new Set([...RESPONSE_HEADERS, ...(options.responseHeaders ?? [])])

  /** Leaves an account alone for which the service has no answers now. */
  const park = (opened: CloudShelf.Opened, status: number, headers: Readonly<Record<string, string>>): void => {
    const found = parking(status, headers)
    if (found === undefined) return
    const sinceMs = clock.currentTimeMillisUnsafe()
    const untilMs = sinceMs + found.forMs
    if (opened.parkedUntilMs >= untilMs) return
    opened.parkedUntilMs = untilMs
    const { id } = opened.account
    const seconds = Math.round(found.forMs / 1_000)
    const said = `${Reason.describe(found.code).sentence} It answered ${status}, so ${id} is left alone for ${seconds} s.`
    fork(
      Effect.catch(
        Effect.andThen(accounts.park(id, { code: found.code, sinceMs, untilMs }, opened.account), () => {
          shelf.forget(id)
          return Effect.logWarning(said)
        }),
        (error) => Effect.logError(`${said} Other gateways do not know: ${error.message}`),
      ),
    )
  }

  const isParked = ({ parkedUntilMs }: CloudShelf.Opened): boolean => parkedUntilMs > clock.currentTimeMillisUnsafe()

  const headersOf = (headers: ProviderRequest["headers"], { authorization }: CloudShelf.Opened) => ({
    ...only(headers, requestNames),
    authorization,
  })
  const pathOf = (path: string, { strip }: CloudShelf.Opened): string =>
    strip && path.startsWith("/v1/") ? path.slice(3) : path

  /** Asks a service for its list of models. That it has none is an answer as well. */
  const check = (opened: CloudShelf.Opened, request: ProviderRequest, sink: ProviderSink): Dispatch => {
    let isTold = false
    const tell = (status: number): void => {
      if (isTold) return
      isTold = true
      park(opened, status, {})
      sink.onStart(status === 404 || status === 405 ? 200 : status, {})
      sink.onEnd()
      // What the list says is not wanted.
      queueMicrotask(() => dispatch.cancel("the health check is over"))
    }
    const headers = headersOf(request.headers, opened)
    const dispatch = undici.dispatch(
      {
        ...request,
        instance: { ...request.instance, reach: opened.reach },
        path: pathOf(MODELS, opened),
        headers,
      },
      {
        onSent: () => sink.onSent?.(),
        onStart: tell,
        onData: () => true,
        onEnd: () => undefined,
        onError: (error) => {
          if (!isTold) sink.onError(error)
          isTold = true
        },
      },
    )
    return dispatch
  }

  const send = (opened: CloudShelf.Opened | undefined, request: ProviderRequest, sink: ProviderSink): Dispatch => {
    if (opened === undefined) return Unreached.because(sink, "The account is not there, or its token does not open.")
    if (isParked(opened)) return Unreached.because(sink, "The account is left alone for the moment.")
    if (request.method === "GET" && request.path === HEALTH) return check(opened, request, sink)
    const { account, reach } = opened
    // Nobody serves from another member's account, whatever an instance says.
    if (account.memberId !== request.instance.memberId)
      return Unreached.because(sink, "The account is another member's.")
    const name = account.models.get(request.instance.model)
    if (name === undefined) return Unreached.because(sink, `The account does not have ${request.instance.model}.`)
    const token = Redacted.value(account.token)
    return undici.dispatch(
      {
        ...request,
        instance: { ...request.instance, reach },
        path: pathOf(request.path, opened),
        headers: headersOf(request.headers, opened),
        body: renamed(request, name),
      },
      new Passing(sink, { names: responseNames, token }, (status, headers) => park(opened, status, headers)),
    )
  }

  return ProviderTransport.of({
    capabilities: { reaches: ["Cloud"] },
    dispatch: (request, sink) => {
      const { reach } = request.instance
      if (reach._tag !== "Cloud")
        return Unreached.because(sink, `Instances by ${reach._tag} are no accounts in a cloud.`)
      const opened = shelf.get(reach.account)
      if (opened !== undefined) return send(opened, request, sink)
      const pending = new Pending(request, sink)
      shelf.open(reach.account, (found) => pending.begin(() => send(found, request, sink)))
      return pending
    },
  })
})

/**
 * The transport.
 *
 * **Example** (Public services only)
 *
 * ```ts
 * import { Layer } from "effect"
 * import * as CloudTransport from "@guildhall/gateway/transports/Cloud"
 *
 * Layer.isLayer(CloudTransport.layerWith({ allowPrivate: false })) // => true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: Options): Layer.Layer<ProviderTransport, never, CloudAccounts> =>
  Layer.effect(ProviderTransport, make(options))
