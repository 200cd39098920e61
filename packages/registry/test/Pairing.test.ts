import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { assert, describe, it } from "@effect/vitest"
import { createHmac } from "node:crypto"
import { Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { DeviceId } from "@guildhall/core/Device"
import * as Devices from "../src/Devices.ts"
import * as DevicesSql from "../src/DevicesSql.ts"
import * as Pairing from "../src/Pairing.ts"
import * as PairingSql from "../src/PairingSql.ts"
import * as PairingStore from "../src/PairingStore.ts"
import * as PairingTest from "../src/testing/PairingTest.ts"
import * as PairingProofs from "../src/testing/internal/PairingProofs.ts"
import * as SampleDevice from "../src/testing/SampleDevice.ts"

const mac = (text: Redacted.Redacted) => createHmac("sha256", "of this test").update(Redacted.value(text)).digest("hex")
const options = { mac }
const inMemory = Devices.layerMemory({ allowPrivate: false })
const inSql = PairingSql.layer(options).pipe(
  Layer.provideMerge(DevicesSql.layer({ allowPrivate: false })),
  Layer.provideMerge(TestDatabase.layer),
)
PairingTest.suite("memory", Pairing.layerMemory(options).pipe(Layer.provideMerge(inMemory)))
PairingTest.suite("SQL", inSql)

type Service = Pairing.Pairing["Service"]
const broken = (change: (pairing: Service) => Partial<Service>) =>
  Layer.effect(
    Pairing.Pairing,
    Effect.map(Pairing.Pairing, (pairing) => Pairing.Pairing.of({ ...pairing, ...change(pairing) })),
  ).pipe(Layer.provide(Pairing.layerMemory(options)), Layer.provideMerge(inMemory))

/** A service whose store forgets, or tells less than it knows. */
const forgetful = (change: (store: PairingStore.PairingStore) => Partial<PairingStore.PairingStore>) =>
  Layer.effect(
    Pairing.Pairing,
    Effect.flatMap(PairingStore.makeMemory, (store) => Pairing.make({ ...store, ...change(store) }, options)),
  ).pipe(Layer.provideMerge(inMemory))

PairingTest.breaks(
  "another's fingerprint is shown",
  broken((pairing) => ({
    waiting: (memberId) =>
      Effect.map(pairing.waiting(memberId), (all) =>
        all.map((one) => ({ ...one, fingerprint: "0000 0000 0000 0000" })),
      ),
  })),
  1,
)
PairingTest.breaks(
  "any code will do",
  broken((pairing) => ({
    ask: (device, code, id) =>
      Effect.orElseSucceed(pairing.ask(device, code, id), () => ({
        state: "waiting" as const,
        deviceId: DeviceId.make(`dev_${"0".repeat(32)}`),
      })),
  })),
  2,
)
PairingTest.breaks(
  "a refusal is not kept",
  broken(() => ({ refuse: () => Effect.void })),
  3,
)
PairingTest.breaks(
  "anyone refuses a device",
  broken(() => ({ refuse: () => Effect.void })),
  4,
)
const uncounted = forgetful(() => ({ addTry: () => Effect.void }))
PairingTest.breaks("wrong codes are forgotten", uncounted, 5)
PairingTest.breaks(
  "names are not looked at",
  broken((pairing) => ({ ask: (device, code) => pairing.ask(device, code) })),
  6,
)
PairingTest.breaks("wrong codes are forgotten", uncounted, 7)
PairingTest.breaks(
  "nobody counts",
  forgetful(() => ({ count: () => Effect.succeed({ all: 0, ofMember: 0, waitingFrom: 0 }) })),
  8,
)
PairingTest.breaks(
  "nobody waits for the others",
  forgetful((store) => ({
    alone: (effect) => effect,
    byCode: (hash, nowMs) => Effect.tap(store.byCode(hash, nowMs), () => Effect.yieldNow),
    tries: (network, sinceMs) => Effect.tap(store.tries(network, sinceMs), () => Effect.yieldNow),
  })),
  9,
)
PairingTest.breaks(
  "a device waits for ever",
  forgetful((store) => ({ waiting: (memberId) => store.waiting(memberId, 0) })),
  10,
)

describe("PairingSql", () => {
  it.effect("no table tells a code, or what it can be found from without the market's secret", () =>
    Effect.gen(function* () {
      const pairing = yield* Pairing.Pairing
      const sql = yield* SqlClient.SqlClient
      const memberId = SampleDevice.member()
      const { code } = yield* pairing.makeCode(memberId, PairingProofs.network())
      const rows = JSON.stringify(yield* sql`SELECT p::text AS row FROM registry_pairings p`)
      assert.notInclude(rows.replaceAll(memberId, ""), Redacted.value(code))
      assert.include(rows, mac(code))
    }).pipe(Effect.provide(inSql)),
  )

  it.effect("an approval that fails leaves the device waiting", () =>
    Effect.gen(function* () {
      const pairing = yield* Pairing.Pairing
      const sql = yield* SqlClient.SqlClient
      const memberId = SampleDevice.member()
      const { code } = yield* pairing.makeCode(memberId, PairingProofs.network())
      const { deviceId } = yield* pairing.ask(PairingProofs.asking(PairingProofs.network()), code)
      yield* sql`ALTER TABLE registry_pairings ADD CONSTRAINT never CHECK (state <> 'approved')`
      const error = yield* Effect.flip(pairing.approve(memberId, deviceId))
      assert.strictEqual(error.code, "service_unavailable")
      assert.isUndefined(yield* Devices.Devices.use((devices) => devices.find(deviceId)))
      assert.lengthOf(yield* pairing.waiting(memberId), 1)
      yield* sql`ALTER TABLE registry_pairings DROP CONSTRAINT never`
      yield* pairing.approve(memberId, deviceId)
    }).pipe(Effect.provide(inSql)),
  )
})
