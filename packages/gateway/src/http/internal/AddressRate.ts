/** How often a network may ask what needs no key. Each gateway counts by itself: it is a bound on work, not on guessing. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import { Problem } from "@guildhall/protocol/api/Problem"
import { networkOf } from "@guildhall/registry/Pairing"
import * as ClientAddress from "../../ClientAddress.ts"

const MINUTE_MS = 60_000
/** More networks than this in a minute are a flood: then all of them together may ask as often as these. */
const NETWORKS_MAX = 10_000

/** Makes the function that answers where a request comes from, or refuses it. */
export const make = Effect.fnUntraced(function* (perMinute: number) {
  const addressOf = ClientAddress.make(yield* ClientAddress.TrustedProxies)
  const asked = new Map<string, number>()
  let minute = 0
  return Effect.gen(function* () {
    const { headers, remoteAddress } = yield* HttpServerRequest.HttpServerRequest
    const address = addressOf(Option.getOrUndefined(remoteAddress), headers["x-forwarded-for"])
    const network = networkOf(address)
    const now = Math.floor((yield* Clock.currentTimeMillis) / MINUTE_MS)
    if (now !== minute) {
      minute = now
      asked.clear()
    }
    const before = asked.get(network) ?? (asked.size < NETWORKS_MAX ? 0 : perMinute)
    if (before >= perMinute) {
      const detail = `Your network asked ${perMinute} times in this minute. Ask again in the next one.`
      return yield* Problem.of("rate_limited", detail)
    }
    asked.set(network, before + 1)
    return address
  })
})
