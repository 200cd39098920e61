/**
 * How fast this machine hears the market: an explicit measurement, bounded in time and in bytes. Nothing is sent.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as Hardware from "@guildhall/core/Hardware"
import type { Reading } from "./Finding.ts"

const MAX_MS = 5_000
const MAX_BYTES = 32 * 1024 * 1024
const CONNECTIONS = 4
/** A document that every market has, of some hundred kilobytes. */
const DOCUMENT = "/openapi.json"

/**
 * Downloads a public document of the market at `url` again and again, over four connections, for five seconds or 32 MiB,
 * whichever comes first. What is measured is a lower bound of the way down. The way up is not measured: a market takes in
 * nothing from strangers.
 *
 * @category getters
 * @since 0.1.0
 */
export const measure = Effect.fn("Speed.measure")(function* (url: string) {
  const http = yield* HttpClient.HttpClient
  const request = HttpClientRequest.get(`${url.replace(/\/+$/, "")}${DOCUMENT}`)
  let bytes = 0
  const once = http.execute(request).pipe(
    Effect.flatMap((response) =>
      response.status === 200
        ? response.stream.pipe(
            Stream.takeWhile((chunk) => (bytes += chunk.byteLength) < MAX_BYTES),
            Stream.runDrain,
            Effect.as(bytes < MAX_BYTES),
          )
        : Effect.succeed(false),
    ),
    Effect.orElseSucceed(() => false),
  )
  const detail = `The market at ${url} gave nothing to measure by within ${MAX_MS / 1000} s.`
  const none: Reading<Hardware.Bandwidth | undefined> = {
    value: undefined,
    findings: [{ source: "speed", reason: "Failed", detail }],
  }
  // The first one connects, and does not count.
  const first = yield* Effect.timeoutOption(once, MAX_MS)
  if (!Option.contains(first, true)) return none
  bytes = 0
  const beganMs = yield* Clock.currentTimeMillis
  const again = Effect.repeat(once, { while: (goOn) => goOn })
  const connections = Array.from({ length: CONNECTIONS }, () => again)
  yield* Effect.timeoutOption(Effect.all(connections, { concurrency: CONNECTIONS }), MAX_MS)
  const tookMs = Math.max(1, (yield* Clock.currentTimeMillis) - beganMs)
  const downKbps = Math.min(1_000_000_000, Math.floor((bytes * 8) / tookMs))
  const reading: Reading<Hardware.Bandwidth | undefined> = downKbps > 0 ? { value: { downKbps }, findings: [] } : none
  return reading
})
