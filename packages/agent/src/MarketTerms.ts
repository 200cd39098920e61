/**
 * What a market says of itself to anyone, as far as a machine needs it before it joins. Nothing is sent but the question.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as DeviceClass from "@guildhall/core/rules/DeviceClass"
import { AgentError } from "./AgentError.ts"
import * as MarketAddress from "./MarketAddress.ts"
import * as BoundedText from "./serving/BoundedText.ts"
import * as PlainJson from "./serving/PlainJson.ts"

/**
 * The terms. `clockAheadMs` is by how much this machine's clock is ahead of the market's, to a second, where it tells the time;
 * `roundTripMs` how long the question took.
 *
 * @category models
 * @since 0.1.0
 */
export interface MarketTerms {
  readonly name: string
  readonly deviceClasses: DeviceClass.DeviceClasses
  /** The chain of the wallets that devices are bound to, where the market uses any. */
  readonly wallets?: { readonly chainId: number } | undefined
  readonly roundTripMs: number
  readonly clockAheadMs: number | undefined
}

const Answer = Schema.fromJsonString(
  Schema.Struct({
    name: Schema.String.pipe(Schema.check(Schema.isPattern(/^[a-z][a-z0-9-]{0,39}$/))),
    deviceClasses: DeviceClass.DeviceClasses,
    wallets: Schema.optionalKey(
      Schema.Struct({
        chainId: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }))),
      }),
    ),
  }),
)

const TIMEOUT_MS = 10_000
/** Terms are a few kilobytes; whoever answers with more is no market. */
const MAX_BYTES = 1024 * 1024

const away = (detail: string) => new AgentError({ reason: "MarketAway", detail })

const why = (error: HttpClientError.HttpClientError | { readonly _tag: "TimeoutError" }): string =>
  error._tag === "TimeoutError" ? `does not answer within ${TIMEOUT_MS / 1000} s` : "cannot be reached"

/**
 * Reads the terms of a market. Fails with `BadSetting` where the address is none, and with `MarketAway` where nobody answers or
 * who answers is no market.
 *
 * @category constructors
 * @since 0.1.0
 */
export const read = Effect.fn("MarketTerms.read")(function* (url: string) {
  const base = yield* MarketAddress.base(url)
  const http = yield* HttpClient.HttpClient
  const beganMs = yield* Clock.currentTimeMillis
  const answer = yield* http.execute(HttpClientRequest.get(`${base}/v1/market`)).pipe(
    Effect.flatMap((response) =>
      Effect.map(BoundedText.read(response, MAX_BYTES), (text = "") => ({ response, text: PlainJson.of(text) })),
    ),
    Effect.timeout(TIMEOUT_MS),
    Effect.mapError((error) =>
      away(`The market at ${base} ${why(error)}. Check the address, the network and the firewall.`),
    ),
  )
  const nowMs = yield* Clock.currentTimeMillis
  const terms = Schema.decodeUnknownOption(Answer)(answer.text)
  if (answer.response.status !== 200 || Option.isNone(terms)) {
    const status = answer.response.status
    const what = status === 200 ? "with something else than a market's terms" : `with status ${status}`
    return yield* away(`${base}/v1/market answers ${what}. Is it the right address, and is the market of this version?`)
  }
  const dateMs = Date.parse(answer.response.headers["date"] ?? "")
  const found: MarketTerms = {
    name: terms.value.name,
    deviceClasses: terms.value.deviceClasses,
    wallets: terms.value.wallets,
    roundTripMs: nowMs - beganMs,
    // The date was written at some time between question and answer, and has no parts of a second.
    clockAheadMs: Number.isNaN(dateMs) ? undefined : Math.round((beganMs + nowMs) / 2 - dateMs - 500),
  }
  return found
})
