import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Address } from "@guildhall/chain"
import type { ChainEvent } from "@guildhall/chain/ChainEvent"
import * as Hex from "@guildhall/chain/Hex"
import * as Standing from "@guildhall/chain-evm/Standing"
import { type Device, DevicePublicKey } from "@guildhall/core/Device"
import * as EvmKey from "@guildhall/protocol/evm/EvmKey"
import type { News } from "@guildhall/core/Rating"
import { Journal } from "@guildhall/journal"
import { Devices, DeviceWallets } from "@guildhall/registry"
import type { DeviceWallet } from "@guildhall/registry/DeviceWallets"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import { Directory, Router } from "@guildhall/routing"
import { leastLoaded } from "@guildhall/routing/policies/LeastLoaded"
import { createHash } from "node:crypto"
import * as StandingLoop from "../src/StandingLoop.ts"

const wallet = Address.fromBytes(new Uint8Array(20).fill(7))
const at = (atS: number) => ({ blockNumber: atS, blockHash: Hex.word(1n), transaction: Hex.word(2n), logIndex: 0, atS })
const hour = 3_600_000
const binding = {
  market: "test",
  chain_id: 1,
  device: DevicePublicKey.make("A".repeat(43)),
  wallet: EvmKey.spell(wallet),
  issued_at_ms: 0,
  nonce: Hex.word(1n),
  wallet_signature: "",
  device_signature: "",
}

/** The hash of a device's key, by which it is bonded. */
const hashOf = (publicKey: string) =>
  Hex.bytes32(Uint8Array.from(createHash("sha256").update(Buffer.from(publicKey, "base64url")).digest()))

const tiers = [
  { minStake: 0n, multiplierBps: 10_000, priority: 0 },
  { minStake: 1_000n, multiplierBps: 12_500, priority: 1 },
]
const staked: ReadonlyArray<ChainEvent> = [
  { _tag: "Staking.TiersAppended", position: at(1), table: 0, activatesAt: 1, tiers },
  { _tag: "Staking.Staked", position: at(2), account: wallet, amount: 1_000n, active: 1_000n },
  { _tag: "ProviderBond.ClassAppended", position: at(3), classId: 1, minimum: 500n },
]
const bond = (device: Hex.Bytes32): ReadonlyArray<ChainEvent> => [
  { _tag: "ProviderBond.Bonded", position: at(4), device, provider: wallet, classId: 1, amount: 500n },
  { _tag: "ProviderBond.Activated", position: at(5), device, provider: wallet, classId: 1 },
]

const chain = {
  stake: { tiersFromEpoch: 1 },
  settlement: { epochMs: hour },
  bonds: { fromEpoch: 2, allFromEpoch: 4 },
} as never

describe("StandingLoop", () => {
  it.effect("S4, S14 · tells routing of tiers and bonds as events, each change once, and of nothing else", () =>
    Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const router = yield* Router.Router
      let events: ReadonlyArray<ChainEvent> = staked
      const standing = {
        refresh: Effect.sync(() => Standing.fold(events)),
        current: () => Standing.fold(events),
      }
      const round = yield* StandingLoop.make({ chain, standing, minActiveS: 60 })

      const told: Array<readonly [string, Pick<News, "tier" | "bonded">]> = []
      const { apply } = router
      // What routing makes of it.
      const directory = new Directory.Directory()
      const asked: Array<number> = []
      const { findAll } = devices
      Object.assign(devices, {
        findAll: (ids: ReadonlyArray<Device["id"]>) => {
          asked.push(ids.length)
          return findAll(ids)
        },
      })
      const names = new Map<string, string>()
      const join = Effect.fnUntraced(function* (name: string) {
        const sample = SampleDevice.make()
        const { device, instance } = yield* devices.register(sample.registration())
        names.set(instance.id, name)
        owned.set(device.id, { deviceId: device.id, address: EvmKey.spell(wallet), boundAtMs: 0, binding })
        router.apply({ _tag: "InstanceListed", instance })
        return { device, instance, key: sample.publicKey }
      })
      Object.assign(router, {
        apply: (event: Parameters<typeof apply>[0]) => {
          directory.apply(event)
          if (event._tag === "InstanceRated") told.push([names.get(event.instanceId) ?? "", event.rating])
          apply(event)
        },
      })
      const heard = Effect.suspend(() => {
        told.length = 0
        return Effect.map(round, () => told.map(([name, { bonded, tier }]) => `${name} ${bonded} ${tier?.priority}`))
      })

      const old = yield* join("old")
      assert.deepStrictEqual(yield* heard, ["old true undefined"])
      assert.deepStrictEqual(yield* heard, [])
      yield* TestClock.adjust(hour)
      assert.deepStrictEqual(yield* heard, ["old true normal"])
      // From epoch 2 on bonds are asked of who is new.
      yield* TestClock.adjust(hour)
      const fresh = yield* join("new")
      assert.deepStrictEqual(yield* heard, ["new false normal"])
      events = [...events, ...bond(hashOf(fresh.key))]
      assert.deepStrictEqual(yield* heard, ["new true normal"])
      // From epoch 4 on of all.
      yield* TestClock.adjust(2 * hour)
      assert.deepStrictEqual(yield* heard, ["old false normal"])
      events = [...events, ...bond(hashOf(old.key))]
      assert.deepStrictEqual(yield* heard, ["old true normal"])
      // Stake that leaves takes its tier along.
      const left = { account: wallet, amount: 1_000n, unbonding: 1_000n, readyAt: 99_999 }
      events = [...events, { _tag: "Staking.UnstakeRequested", position: at(4 * 3_600), ...left }]
      assert.deepStrictEqual(yield* heard, ["old true overflow", "new true overflow"])
      // What is not known any more is not kept: a device without a wallet has no tier, and a chain without tiers has none for anybody.
      owned.delete(fresh.device.id)
      assert.deepStrictEqual(yield* heard, ["new true undefined"])
      assert.deepStrictEqual(directory.candidate(fresh.instance.id)?.rating, { bonded: true })
      const before = events
      events = events.filter(({ _tag }) => _tag !== "Staking.TiersAppended")
      assert.deepStrictEqual(yield* heard, ["old true undefined"])
      assert.deepStrictEqual(directory.candidate(old.instance.id)?.rating, { bonded: true })
      events = before
      assert.deepStrictEqual(yield* heard, ["old true overflow"])
      // One that leaves and comes back between two rounds is a new one to routing.
      router.apply({ _tag: "InstanceUnlisted", instanceId: old.instance.id })
      router.apply({ _tag: "InstanceListed", instance: { ...old.instance } })
      assert.deepStrictEqual(yield* heard, ["old true overflow"])
      assert.deepStrictEqual(asked, [1, 1])
    }).pipe(
      Effect.provide(
        Layer.mergeAll(
          Devices.layerMemory({ allowPrivate: true, rails: [] }),
          Router.layer({ replica: "test", policy: leastLoaded }).pipe(Layer.provide(Journal.layerMemory)),
          Layer.succeed(DeviceWallets.DeviceWallets, {
            bind: () => Effect.die("it is not bound here"),
            of: (ids) =>
              Effect.sync(
                () =>
                  new Map(
                    ids.flatMap((id) => {
                      const found = owned.get(id)
                      return found === undefined ? [] : [[id, found] as const]
                    }),
                  ),
              ),
          }),
        ),
      ),
    ),
  )
})

const owned = new Map<Device["id"], DeviceWallet>()
