/**
 * PORT. What the gateways of a market have in flight: each tells its own counts several times a second and hears the sum of
 * the others', so that all of them see an instance about as full as it is.
 *
 * Guarantees, each proved by `InFlightTest.suite`:
 *
 * 1. A gateway hears the sum of what the others told last, and nothing of its own.
 * 2. What a gateway tells takes the place of what it told before; an instance that it leaves out counts nothing.
 * 3. What a gateway told counts for its life and no longer, so one that died is soon forgotten.
 * 4. Gateways that tell at the same time all count.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { InstanceId } from "@guildhall/core/Instance"
import type { RegistryError } from "./RegistryError.ts"

/**
 * Requests in flight by instance; what is left out is 0.
 *
 * @category models
 * @since 0.1.0
 */
export type Counts = ReadonlyMap<InstanceId, number>

/**
 * Of more instances a gateway tells nothing: those with the fewest requests are left out.
 *
 * @category constants
 * @since 0.1.0
 */
export const INSTANCES_MAX = 10_000

/**
 * `lifeMs` is how long what a gateway told counts, 2,000 unless told: several times as long as the pause between two
 * exchanges, or a late one makes a gateway look idle.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly lifeMs?: number | undefined
}

/** @category constants @since 0.1.0 */
export const LIFE_MS = 2_000

/**
 * The port. `gateway` is a name that is new at every start.
 *
 * @category services
 * @since 0.1.0
 */
export class InFlight extends Context.Service<
  InFlight,
  { readonly exchange: (gateway: string, own: Counts) => Effect.Effect<Counts, RegistryError> }
>()("@guildhall/registry/InFlight") {}

/**
 * The counts that are told: those above 0, and of too many the highest.
 *
 * @category rules
 * @since 0.1.0
 */
export const told = (own: Counts): Counts => {
  const counts = [...own].filter(([, count]) => count > 0)
  if (counts.length <= INSTANCES_MAX) return new Map(counts)
  return new Map(counts.sort(([, a], [, b]) => b - a).slice(0, INSTANCES_MAX))
}

/**
 * Counts in this process's memory: for tests, simulations and a market of one process.
 *
 * **Example** (Two gateways)
 *
 * ```ts
 * import { InstanceId } from "@guildhall/core/Instance"
 * import { InFlight } from "@guildhall/registry"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const inFlight = yield* InFlight.InFlight
 *   yield* inFlight.exchange("one", new Map([[InstanceId.make("ins_a"), 3]]))
 *   return [...(yield* inFlight.exchange("two", new Map()))]
 * })
 * await Effect.runPromise(Effect.provide(program, InFlight.layerMemory())) // => [["ins_a", 3]]
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (options: Options = {}): Layer.Layer<InFlight> =>
  Layer.sync(InFlight, () => {
    const lifeMs = options.lifeMs ?? LIFE_MS
    const gateways = new Map<string, { readonly counts: Counts; readonly atMs: number }>()
    return InFlight.of({
      exchange: (gateway, own) =>
        Effect.map(Clock.currentTimeMillis, (nowMs) => {
          for (const [name, { atMs }] of gateways) if (nowMs - atMs >= lifeMs) gateways.delete(name)
          gateways.set(gateway, { counts: told(own), atMs: nowMs })
          const sum = new Map<InstanceId, number>()
          for (const [name, { counts }] of gateways) {
            if (name === gateway) continue
            for (const [id, count] of counts) sum.set(id, (sum.get(id) ?? 0) + count)
          }
          return sum
        }),
    })
  })
