/**
 * Hears of the registry's changes from PostgreSQL (`LISTEN`), on a connection of its own.
 *
 * @since 0.1.0
 */
import { PgClient } from "@effect/sql-pg/PgClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import { CHANNEL } from "../DevicesSql.ts"
import { Changes } from "../Changes.ts"

/** After so long a lost connection is made anew. */
const RETRY_MS = 1_000

/**
 * Listens for as long as the scope is open. When the connection is lost, the next wait ends at once after it is back, since
 * nobody knows what was missed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const client = yield* PgClient
  const news = yield* Queue.sliding<void>(1)
  const listen = Effect.gen(function* () {
    const heard = yield* client.listen(CHANNEL)
    yield* Queue.offer(news, undefined)
    yield* Effect.forever(Effect.andThen(Queue.takeAll(heard), Queue.offer(news, undefined)))
  }).pipe(Effect.scoped)
  yield* listen.pipe(
    Effect.catchCause((cause) => Effect.logDebug("The registry's changes are not heard of for a while.", cause)),
    Effect.andThen(Effect.sleep(RETRY_MS)),
    Effect.forever,
    Effect.forkScoped,
  )
  return Changes.of({ changed: Queue.take(news) })
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Changes, never, PgClient> = Layer.effect(Changes, make)
