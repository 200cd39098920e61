/** Floods of signed messages, and keys that are none. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as TestClock from "effect/testing/TestClock"
import { DevicePublicKey } from "@guildhall/core/Device"
import * as Devices from "../src/Devices.ts"
import * as SampleDevice from "../src/testing/SampleDevice.ts"

const codes = (results: ReadonlyArray<Result.Result<unknown, { readonly code: string }>>) => {
  const counts: Record<string, number> = {}
  for (const result of results) {
    const code = Result.isSuccess(result) ? "heard" : result.failure.code
    counts[code] = (counts[code] ?? 0) + 1
  }
  return counts
}

describe("a flood", () => {
  it.effect("of fresh keys is heard to a bound, and keeps no known device out", () =>
    Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const own = SampleDevice.make()
      yield* devices.register(own.registration())
      let sequence = 0
      const beat = Effect.suspend(() => Effect.result(devices.authenticate(own.sign({ sequence: ++sequence }))))
      assert.deepStrictEqual(codes([yield* beat]), { heard: 1 })
      const strangers = Array.from({ length: 700 }, () => SampleDevice.make().sign({ sequence: 1 }))
      const flood = yield* Effect.forEach(strangers, (message) => Effect.result(devices.authenticate(message)))
      assert.deepStrictEqual(codes(flood), { heard: 499, rate_limited: 201 })
      assert.deepStrictEqual(codes([yield* beat]), { heard: 1 })
      yield* TestClock.adjust("1 second")
      const late = SampleDevice.make().sign({ sequence: 1, issuedAtMs: 1_000 })
      assert.deepStrictEqual(codes([yield* Effect.result(devices.authenticate(late))]), { heard: 1 })
    }).pipe(Effect.provide(Devices.layerMemory({ allowPrivate: true }))),
  )

  it.effect("by one device is heard to a bound, and by another in its name not at all", () =>
    Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const own = SampleDevice.make()
      const other = SampleDevice.make()
      for (const device of [own, other]) yield* devices.register(device.registration())
      const forged = Array.from({ length: 1_000 }, (_, at) => ({
        ...other.sign({ sequence: at + 1 }),
        publicKey: own.publicKey,
      }))
      const thief = yield* Effect.forEach(forged, (message) => Effect.result(devices.authenticate(message)))
      assert.deepStrictEqual(codes(thief), { invalid_signature: 1_000 })
      const messages = Array.from({ length: 600 }, (_, at) => own.sign({ sequence: at + 1 }))
      const flood = yield* Effect.forEach(messages, (message) => Effect.result(devices.authenticate(message)))
      assert.deepStrictEqual(codes(flood), { heard: 500, rate_limited: 100 })
    }).pipe(Effect.provide(Devices.layerMemory({ allowPrivate: true }))),
  )
})

describe("a key", () => {
  /** The points of small order, and other spellings of them: under some, careless verifiers take one signature for every message. */
  const POINTS = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  ]

  it.effect("under which anything would be signed opens nothing", () =>
    Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const message = SampleDevice.make().sign({})
      for (const key of POINTS) {
        for (const r of POINTS) {
          for (const sequence of [1, 2, 3, 4]) {
            const result = yield* Effect.result(
              devices.authenticate({
                ...message,
                sequence,
                publicKey: DevicePublicKey.make(Buffer.from(key, "hex").toString("base64url")),
                signature: Buffer.from(r + "0".repeat(64), "hex").toString("base64url"),
              }),
            )
            assert.deepStrictEqual(codes([result]), { invalid_signature: 1 }, `${key} ${r}`)
          }
        }
      }
    }).pipe(Effect.provide(Devices.layerMemory({ allowPrivate: true }))),
  )
})
