/**
 * PORT. Says that the registry has changed, so that a gateway which follows it need not look again and again. It may say so
 * once too often, and while it is cut off it says nothing: whoever waits for it looks from time to time all the same.
 *
 * Guarantees, each proved by `ChangesTest.suite`:
 *
 * 1. A change of an instance ends the wait of everybody who waits.
 * 2. A change that comes while nobody waits ends the next wait at once, however many there were.
 * 3. Without a change, nobody's wait ends.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/**
 * The port. `changed` waits for the next change; each service is for one waiter.
 *
 * @category services
 * @since 0.1.0
 */
export class Changes extends Context.Service<Changes, { readonly changed: Effect.Effect<void> }>()(
  "@guildhall/registry/Changes",
) {}

/**
 * Never says anything, so that whoever follows looks at intervals only: for tests, and stores that cannot tell.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerNone: Layer.Layer<Changes> = Layer.succeed(Changes, { changed: Effect.never })
