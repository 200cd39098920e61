/**
 * PORT. Which gateway holds the tunnels of which devices: each tells its own about twice a second and hears the others', so that
 * a request for a device whose tunnel ends elsewhere can be passed on.
 *
 * Guarantees, each proved by `TunnelHoldersTest.suite`:
 *
 * 1. A gateway hears what every other one told last, with the addresses that it told, and nothing of its own.
 * 2. What a gateway tells takes the place of what it told before.
 * 3. What a gateway told counts for its life and no longer, so one that died is soon forgotten.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { DeviceId } from "@guildhall/core/Device"
import type { RegistryError } from "./RegistryError.ts"

/**
 * A gateway that holds tunnels. `gateway` is a name that is new at every start; `peerUrl` is where other gateways reach it,
 * `publicUrl` where agents do, each without a path, where there is one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Holder {
  readonly gateway: string
  readonly peerUrl?: string | undefined
  readonly publicUrl?: string | undefined
  readonly devices: ReadonlyArray<DeviceId>
}

/**
 * `lifeMs` is how long what a gateway told counts, 3,000 unless told.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly lifeMs?: number | undefined
}

/** @category constants @since 0.1.0 */
export const LIFE_MS = 3_000

/**
 * The port.
 *
 * @category services
 * @since 0.1.0
 */
export class TunnelHolders extends Context.Service<
  TunnelHolders,
  { readonly exchange: (own: Holder) => Effect.Effect<ReadonlyArray<Holder>, RegistryError> }
>()("@guildhall/registry/TunnelHolders") {}

/**
 * Holders in this process's memory: for tests, and gateways of one process.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (options: Options = {}): Layer.Layer<TunnelHolders> =>
  Layer.sync(TunnelHolders, () => {
    const lifeMs = options.lifeMs ?? LIFE_MS
    const told = new Map<string, { readonly holder: Holder; readonly atMs: number }>()
    return TunnelHolders.of({
      exchange: (own) =>
        Effect.map(Clock.currentTimeMillis, (nowMs) => {
          for (const [name, { atMs }] of told) if (nowMs - atMs >= lifeMs) told.delete(name)
          told.set(own.gateway, { holder: own, atMs: nowMs })
          return [...told.values()].flatMap(({ holder }) => (holder.gateway === own.gateway ? [] : [holder]))
        }),
    })
  })
