/**
 * Changes what a running agent asks, without a restart: the market is told, tickets of both prices are served while it passes
 * the news on, and each is paid as it was asked.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Semaphore from "effect/Semaphore"
import { type Prices, priceSheet, type Registration } from "@guildhall/protocol/provider/Registration"
import type { AgentError } from "./AgentError.ts"
import { AgentServer } from "./AgentServer.ts"
import type { PriceChange, PricesSet } from "./control/ControlRpcs.ts"
import type { Heart } from "./serving/Heart.ts"

/**
 * The gateways of a market hear of a change within seconds; tickets that they have given before live a little longer.
 *
 * @category constants
 * @since 0.1.0
 */
export const FORMER_MS = 120_000

/**
 * What changing prices works with: what is asked at first, the registrations at other prices, and who hears what is asked then.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly first: Prices
  readonly heart: Pick<Heart<AgentError>, "offer" | "register">
  readonly registrations: (prices: Prices) => ReadonlyArray<Registration>
  readonly tell: (prices: Prices) => Effect.Effect<void>
}

/**
 * Makes the change of prices, one at a time. Where the market refuses them, the former ones hold, and it fails with the refusal;
 * where it is away, they hold as soon as it is there again.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* ({ first, heart, registrations, tell }: Options) {
  const server = yield* AgentServer
  const current = yield* Ref.make(first)
  const alone = yield* Semaphore.make(1)
  const scope = yield* Effect.scope

  const settle = (prices: Prices) =>
    Effect.map(Clock.currentTimeMillis, (nowMs) => server.settle(priceSheet(prices), nowMs + FORMER_MS))

  const change = Effect.fn("Pricing.change")(function* (wanted: PriceChange) {
    const former = yield* Ref.get(current)
    const prices: Prices = { ...former, ...wanted }
    server.offer(priceSheet(prices))
    const told = yield* Effect.result(heart.offer(registrations(prices)))
    if (told._tag === "Failure" && !told.failure.isRetryable) {
      // Nobody was told of it, so nobody sends requests at that price.
      server.settle(priceSheet(former), yield* Clock.currentTimeMillis)
      return yield* told.failure
    }
    yield* Ref.set(current, prices)
    yield* tell(prices)
    if (told._tag === "Success") {
      yield* settle(prices)
      yield* Effect.logInfo(
        `Asking ${prices.input_price_per_million} and ${prices.output_price_per_million} cents from now on.`,
      )
      return { prices, holds: "now" } satisfies PricesSet
    }
    yield* Effect.forkIn(Effect.ignore(Effect.andThen(heart.register, settle(prices))), scope)
    return { prices, holds: "soon" } satisfies PricesSet
  })
  return (wanted: PriceChange): Effect.Effect<PricesSet, AgentError> => alone.withPermit(change(wanted))
})
