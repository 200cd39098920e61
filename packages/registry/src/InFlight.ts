/**
 * PORT. What the gateways of a market have in flight, and for what requests wait there: each tells its own several times a second
 * and hears the others', so that all of them see an instance about as full as it is, and none keeps it from the others.
 *
 * Guarantees, each proved by `InFlightTest.suite`:
 *
 * 1. A gateway hears what each of the others told last, and nothing of its own.
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
import type { ModelId } from "@guildhall/core/Model"
import type { RegistryError } from "./RegistryError.ts"

/**
 * Requests in flight by instance; what is left out is 0.
 *
 * @category models
 * @since 0.1.0
 */
export type Counts = ReadonlyMap<InstanceId, number>

/**
 * What a gateway tells: its requests in flight, and how many wait for each model that has too little room.
 *
 * @category models
 * @since 0.1.0
 */
export interface Told {
  readonly inFlight: Counts
  readonly waiting: ReadonlyMap<ModelId, number>
}

/**
 * What it hears: what each of the other gateways told, and when that was, in milliseconds since 1970 by a clock that is the same
 * for all of them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Heard {
  readonly atMs: number
  readonly others: ReadonlyArray<Told & { readonly gateway: string }>
}

/**
 * Of more instances a gateway tells nothing: those with the fewest requests are left out.
 *
 * @category constants
 * @since 0.1.0
 */
export const INSTANCES_MAX = 10_000

/**
 * Of more models a gateway does not tell that requests wait for them: those for which the fewest do are left out.
 *
 * @category constants
 * @since 0.1.0
 */
export const MODELS_MAX = 1_000

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
  { readonly exchange: (gateway: string, own: Told) => Effect.Effect<Heard, RegistryError> }
>()("@guildhall/registry/InFlight") {}

const highest = <Key>(counts: ReadonlyMap<Key, number>, most: number): ReadonlyMap<Key, number> => {
  const some = [...counts].filter(([, count]) => count > 0)
  if (some.length <= most) return new Map(some)
  return new Map(some.sort(([, a], [, b]) => b - a).slice(0, most))
}

/**
 * What is told: counts above 0, and of too many the highest.
 *
 * @category rules
 * @since 0.1.0
 */
export const told = ({ inFlight, waiting }: Told): Told => ({
  inFlight: highest(inFlight, INSTANCES_MAX),
  waiting: highest(waiting, MODELS_MAX),
})

/**
 * What the others have in flight together.
 *
 * @category rules
 * @since 0.1.0
 */
export const sum = ({ others }: Heard): Counts => {
  const all = new Map<InstanceId, number>()
  for (const { inFlight } of others) {
    for (const [id, count] of inFlight) all.set(id, (all.get(id) ?? 0) + count)
  }
  return all
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
 *   const waiting = new Map()
 *   yield* inFlight.exchange("one", { inFlight: new Map([[InstanceId.make("ins_a"), 3]]), waiting })
 *   return [...InFlight.sum(yield* inFlight.exchange("two", { inFlight: new Map(), waiting }))]
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
    const gateways = new Map<string, { readonly told: Told; readonly atMs: number }>()
    return InFlight.of({
      exchange: (gateway, own) =>
        Effect.map(Clock.currentTimeMillis, (nowMs) => {
          for (const [name, { atMs }] of gateways) if (nowMs - atMs >= lifeMs) gateways.delete(name)
          gateways.set(gateway, { told: told(own), atMs: nowMs })
          const others = [...gateways].flatMap(([name, { told }]) =>
            name === gateway ? [] : [{ gateway: name, ...told }],
          )
          return { atMs: nowMs, others }
        }),
    })
  })
