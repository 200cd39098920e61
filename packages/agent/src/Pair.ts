/**
 * Pairs this machine with a member of a market: it sends the code with the device's signature, and waits until the member has
 * seen what it is.
 *
 * @since 0.1.0
 */
import { hostname } from "node:os"
import * as Effect from "effect/Effect"
import { DeviceName, type Versions } from "@guildhall/core/Device"
import { text, type Hardware } from "@guildhall/core/Hardware"
import type { PairAnswer } from "@guildhall/protocol/provider/PairRequest"
import { AgentError } from "./AgentError.ts"
import { AgentHome } from "./AgentHome.ts"
import { DeviceKey } from "./DeviceKey.ts"
import { MarketClient } from "./MarketClient.ts"
import * as PairedMarket from "./PairedMarket.ts"

/**
 * What is sent, and who hears what becomes of it: `tell` each time the market has answered, `away` where it did not.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly code: string
  readonly name: string | undefined
  readonly hardware: Hardware
  readonly versions: Versions
  readonly tell: (answer: PairAnswer) => Effect.Effect<void>
  readonly away: (error: AgentError) => Effect.Effect<void>
}

const NAME_CHARS_MAX = 60
const [LEAST_MS, MOST_MS] = [500, 30_000]

/** What to call this machine where nobody says: its host name, as far as it can be printed. */
const nameOf = (given: string | undefined): string =>
  given ?? text(hostname())?.slice(0, NAME_CHARS_MAX).trimEnd() ?? "agent"

const letters: Readonly<Record<"refused" | "over", { readonly code: string; readonly detail: string }>> = {
  refused: {
    code: "pairing_refused",
    detail: "The member refused this device. If that was a mistake, make a new code and pair again.",
  },
  over: {
    code: "pairing_over",
    detail: "Nobody approved this device within an hour. Make a new code, pair again, and approve it in the market.",
  },
}

/**
 * Pairs, and keeps the market's address in the home. Fails as the market refuses, and with the codes `pairing_refused` and
 * `pairing_over`. Once the market has answered, it is waited for while it is away.
 *
 * @category constructors
 * @since 0.1.0
 */
export const run = Effect.fn("Pair.run")(function* (options: Options) {
  const market = yield* MarketClient
  const home = yield* AgentHome
  const key = yield* DeviceKey
  const name = DeviceName.make(nameOf(options.name))
  const body = { code: options.code, name, hardware: options.hardware, versions: options.versions }
  const ask = Effect.catchIf(
    market.pair(body),
    (error) => error.code === "replayed_message",
    () => Effect.andThen(key.skipAhead, market.pair(body)),
  )
  let answer = yield* ask
  for (;;) {
    if (answer.fingerprint !== key.fingerprint) {
      // Whoever stands between shows the member another key than this one.
      return yield* new AgentError({
        reason: "MarketRefused",
        code: "invalid_signature",
        detail: `The market speaks of the key ${answer.fingerprint.slice(0, 40)}, and this device has ${key.fingerprint}. Do not approve it: somebody may stand between.`,
      })
    }
    yield* options.tell(answer)
    if (answer.state === "approved") break
    if (answer.state !== "waiting") return yield* new AgentError({ reason: "MarketRefused", ...letters[answer.state] })
    yield* Effect.sleep(Math.min(MOST_MS, Math.max(LEAST_MS, answer.ask_again_ms)))
    const next = yield* Effect.result(ask)
    if (next._tag === "Success") answer = next.success
    else if (!next.failure.isRetryable) return yield* next.failure
    else yield* options.away(next.failure)
  }
  yield* PairedMarket.write(home, market.url)
  return answer
})
