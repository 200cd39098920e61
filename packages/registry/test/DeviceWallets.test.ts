import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as EvmKey from "@guildhall/protocol/evm/EvmKey"
import * as WalletBinding from "@guildhall/protocol/provider/WalletBinding"
import { Devices, DevicesSql, DeviceWallets, DeviceWalletsSql } from "../src/index.ts"
import * as SampleDevice from "../src/testing/SampleDevice.ts"

// Small: a database client has timers that a large step would run through one by one.
const NOW = 4_000_000
const wallets = [1, 2].map((at) => Uint8Array.from({ length: 32 }, () => at))

/** A registered device, and a binding of it as a test says. */
const make = Effect.gen(function* () {
  yield* TestClock.setTime(NOW)
  const devices = yield* Devices.Devices
  const service = yield* DeviceWallets.DeviceWallets
  const device = SampleDevice.make()
  const { id } = (yield* devices.register(device.registration())).device
  const bind = (issuedAtMs: number, wallet = wallets[0] ?? assert.fail("there are two"), market = "space") => {
    const statement = {
      market,
      chain_id: 800_000,
      device: device.publicKey,
      wallet: EvmKey.addressOf(wallet),
      issued_at_ms: issuedAtMs,
      nonce: `0x${"5".repeat(64)}`,
    }
    const digest = WalletBinding.digest(statement) ?? assert.fail("it has a digest")
    const binding = {
      ...statement,
      wallet_signature: EvmKey.sign(wallet, digest),
      device_signature: device.signBytes(WalletBinding.deviceBytes(statement, digest)),
    }
    return service.bind(id, binding, { market: "space", chainId: 800_000, device: device.publicKey })
  }
  return { service, id, bind }
})

const suite = (name: string, layer: Layer.Layer<Devices.Devices | DeviceWallets.DeviceWallets, unknown>) =>
  describe(`wallets in ${name}`, () => {
    it.effect("a binding that does not hold is refused, says why, and changes nothing", () =>
      Effect.gen(function* () {
        const { bind, id, service } = yield* make
        const error = yield* Effect.flip(bind(NOW, undefined, "grid"))
        assert.strictEqual(error.code, "invalid_wallet_binding")
        assert.include(error.message, "other_market")
        assert.include((yield* Effect.flip(bind(NOW - 3_600_001))).message, "expired")
        assert.strictEqual((yield* service.of([id])).size, 0)
      }).pipe(Effect.provide(layer)),
    )

    it.effect("a binding takes the place of one that was issued earlier, and of no other", () =>
      Effect.gen(function* () {
        const { bind, id, service } = yield* make
        const first = yield* bind(NOW)
        assert.deepStrictEqual(yield* service.of([id]), new Map([[id, first]]))
        assert.include((yield* Effect.flip(bind(NOW))).message, "replayed")
        assert.include((yield* Effect.flip(bind(NOW - 1, wallets[1]))).message, "replayed")
        const second = yield* bind(NOW + 1, wallets[1])
        assert.notStrictEqual(second.address, first.address)
        assert.deepStrictEqual(yield* service.of([id]), new Map([[id, second]]))
        assert.include((yield* Effect.flip(bind(NOW))).message, "replayed")
      }).pipe(Effect.provide(layer)),
    )

    it.effect("the same binding many times at once binds once", () =>
      Effect.gen(function* () {
        const { bind } = yield* make
        const bound = yield* Effect.forEach([1, 2, 3, 4], () => Effect.result(bind(NOW)), { concurrency: "unbounded" })
        assert.lengthOf(
          bound.filter(({ _tag }) => _tag === "Success"),
          1,
        )
      }).pipe(Effect.provide(layer)),
    )
  })

suite("memory", Layer.merge(DeviceWallets.layerMemory, Devices.layerMemory({ allowPrivate: false })))
// One after the other: two that make the tables at once would wait for each other by the test's clock.
suite(
  "SQL",
  DeviceWalletsSql.layer.pipe(
    Layer.provideMerge(DevicesSql.layer({ allowPrivate: false })),
    Layer.provide(TestDatabase.layer),
  ),
)
