/**
 * Tells routing what instances' stake and bonds are worth, from what the chain's index has read: each as an event of the directory,
 * never by a question on the path of a request.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Address } from "@guildhall/chain/Address"
import type { Bytes32 } from "@guildhall/chain/Hex"
import * as Standing from "@guildhall/chain-evm/Standing"
import type { Device, DeviceId } from "@guildhall/core/Device"
import type { Instance } from "@guildhall/core/Instance"
import * as MarketChain from "@guildhall/core/MarketChain"
import type { News } from "@guildhall/core/Rating"
import { Devices } from "@guildhall/registry/Devices"
import { DeviceWallets } from "@guildhall/registry/DeviceWallets"
import { Router } from "@guildhall/routing/Router"

/**
 * What decides: the market's terms, the standing that is kept, and how long stake must have been active.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly chain: Pick<MarketChain.MarketChain, "bonds" | "settlement" | "stake">
  readonly standing: Standing.Standing
  readonly minActiveS: number
}

type Told = Required<Pick<News, "tier">> & Pick<News, "bonded">

/** Devices do not change what matters here: since when they are there. */
const KNOWN_MAX = 100_000

/** A device's bond is under the hash of its first key, of which its id has the first sixteen bytes. */
const bondOf = (state: Standing.State) => {
  const devices = new Map([...state.bonds.keys()].map((device) => [device.slice(2, 34), device]))
  return (id: DeviceId): Bytes32 | undefined => devices.get(id.slice("dev_".length))
}

/**
 * Makes the round that reads what is new and tells what changed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* ({ chain, minActiveS, standing }: Options) {
  const devices = yield* Devices
  const wallets = yield* DeviceWallets
  const router = yield* Router
  const { bonds, settlement, stake } = chain
  let known = new Map<DeviceId, Device>()
  // By the listing that was told of: an instance that comes back is listed anew, and then nothing is known of it.
  let told: ReadonlyMap<Instance, Told> = new Map()

  const learn = Effect.fnUntraced(function* (ids: ReadonlySet<DeviceId>) {
    if (known.size > KNOWN_MAX) known = new Map()
    const unknown = [...ids].filter((id) => !known.has(id))
    if (unknown.length === 0) return
    for (const [id, device] of yield* devices.findAll(unknown)) known.set(id, device)
  })

  const rate = (
    state: Standing.State,
    { deviceId, id, listedAtMs }: Instance,
    wallet: Address | undefined,
    device: Bytes32 | undefined,
    nowMs: number,
  ): Told => {
    const epoch = MarketChain.epochAt(settlement, nowMs)
    const served = { instanceId: id, wallet, device }
    const found = Standing.ratingOf(state, served, { nowS: Math.floor(nowMs / 1_000), minActiveS })
    // Since its device was paired or, where it never was, since the instance is listed.
    const sinceMs = Math.min(known.get(deviceId)?.facts.pairedAtMs ?? nowMs, listedAtMs ?? nowMs)
    const since = MarketChain.epochAt(settlement, sinceMs)
    const bonded =
      bonds === undefined
        ? found.bonded
        : MarketChain.isEligible(bonds, { epoch, since, isBonded: found.bonded === true })
    const hasTiers = stake !== undefined && epoch >= stake.tiersFromEpoch
    return {
      ...(bonded === undefined ? {} : { bonded }),
      tier: hasTiers && found.tier !== undefined ? found.tier : null,
    }
  }

  const isSame = (one: Told, other: Told | undefined): boolean =>
    other !== undefined &&
    one.bonded === other.bonded &&
    one.tier?.priority === other.tier?.priority &&
    one.tier?.weightBps === other.tier?.weightBps

  return Effect.gen(function* () {
    const state = yield* standing.refresh
    const nowMs = yield* Clock.currentTimeMillis
    const instances = router.instances()
    const ids = new Set(instances.map(({ deviceId }) => deviceId))
    yield* learn(ids)
    const bound = yield* wallets.of([...ids])
    const deviceOf = bondOf(state)
    const now = new Map<Instance, Told>()
    for (const instance of instances) {
      const { deviceId, id } = instance
      // The registry spells a wallet as `Address` does (EIP-55); only its brand is another one.
      const wallet = bound.get(deviceId)?.address
      const rating = rate(state, instance, wallet as Address | undefined, deviceOf(deviceId), nowMs)
      now.set(instance, rating)
      if (!isSame(rating, told.get(instance))) router.apply({ _tag: "InstanceRated", instanceId: id, rating })
    }
    told = now
  }).pipe(Effect.withSpan("StandingLoop.round"))
})
