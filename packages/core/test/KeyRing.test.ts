import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SecureRandom, Signature } from "effect/crypto"
import { Base64Url } from "effect/encoding"
import { TestClock } from "effect/testing"
import * as KeyRing from "../src/KeyRing.ts"
import * as KeyRingTest from "../src/testing/KeyRingTest.ts"

const crypto = Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto))
const memory = KeyRing.layerMemory.pipe(Layer.provide(crypto))

KeyRingTest.suite("memory", memory)

type Service = KeyRing.KeyRing["Service"]
const broken = (change: (ring: Service) => Partial<Service>) =>
  Layer.effect(
    KeyRing.KeyRing,
    Effect.map(KeyRing.KeyRing, (ring) => KeyRing.KeyRing.of({ ...ring, ...change(ring) })),
  ).pipe(Layer.provide(memory))

KeyRingTest.breaks(
  "signatures name another key",
  broken((ring) => ({
    sign: (purpose, payload) =>
      Effect.map(ring.sign(purpose, payload), (signature) => ({ ...signature, keyId: `${signature.keyId}x` })),
  })),
  1,
)
KeyRingTest.breaks(
  "the id in a signature is not looked at",
  broken((ring) => ({
    verify: (purpose, payload, signature) =>
      Effect.gen(function* () {
        for (const key of yield* ring.list) {
          if (yield* ring.verify(purpose, payload, { ...signature, keyId: key.id })) return true
        }
        return false
      }),
  })),
  2,
)
KeyRingTest.breaks(
  "everything verifies",
  broken(() => ({ verify: () => Effect.succeed(true) })),
  2,
)
KeyRingTest.breaks(
  "the purpose is not looked at",
  broken((ring) => ({
    verify: (_, payload, signature) =>
      Effect.gen(function* () {
        const answers = yield* Effect.forEach(KeyRing.KeyPurpose.literals, (purpose) =>
          ring.verify(purpose, payload, signature),
        )
        return answers.includes(true)
      }),
  })),
  3,
)
KeyRingTest.breaks(
  "the list forgets a purpose",
  broken((ring) => ({ list: Effect.map(ring.list, (keys) => keys.filter((key) => key.purpose !== "ticket")) })),
  4,
)
KeyRingTest.breaks(
  "the list tells the seed",
  broken((ring) => ({ list: Effect.map(ring.list, (keys) => keys.map((key) => ({ ...key, seed: "secret" }))) })),
  4,
)
KeyRingTest.breaks(
  "a rotation forgets the former key",
  broken((ring) => {
    const forgotten = new Set<string>()
    return {
      rotate: (purpose) =>
        Effect.gen(function* () {
          for (const key of yield* ring.list) if (key.purpose === purpose) forgotten.add(key.id)
          return yield* ring.rotate(purpose)
        }),
      verify: (purpose, payload, signature) =>
        forgotten.has(signature.keyId) ? Effect.succeed(false) : ring.verify(purpose, payload, signature),
    }
  }),
  5,
)
KeyRingTest.breaks(
  "the published keys are not those that sign",
  broken((ring) => ({
    list: Effect.map(ring.list, (keys) =>
      keys.map((key) => ({ ...key, publicKey: Base64Url.encode(new Uint8Array(32).fill(1)) })),
    ),
  })),
  6,
)

describe("KeyRing", () => {
  const payload = new TextEncoder().encode("payload")

  it.effect("two rings over one store know each other's keys", () =>
    Effect.gen(function* () {
      const keys: Array<KeyRing.StoredKey> = []
      const store: KeyRing.KeyStore = {
        load: Effect.sync(() => [...keys]),
        add: (key) => Effect.sync(() => void keys.push(key)),
      }
      const first = yield* KeyRing.make(store)
      const second = yield* KeyRing.make(store)
      assert.lengthOf(keys, KeyRing.KeyPurpose.literals.length)
      yield* second.rotate("ticket")
      const signature = yield* second.sign("ticket", payload)
      assert.isFalse(yield* first.verify("ticket", payload, signature))
      yield* TestClock.adjust("1 second")
      assert.isTrue(yield* first.verify("ticket", payload, signature))
      assert.strictEqual((yield* first.sign("ticket", payload)).keyId, signature.keyId)
    }).pipe(Effect.provide(crypto)),
  )

  it.effect("unknown key ids cannot make it read its store more than once a second", () =>
    Effect.gen(function* () {
      let loads = 0
      const keys: Array<KeyRing.StoredKey> = []
      const ring = yield* KeyRing.make({
        load: Effect.sync(() => (loads++, [...keys])),
        add: (key) => Effect.sync(() => void keys.push(key)),
      })
      const before = loads
      yield* TestClock.adjust("1 second")
      for (let at = 0; at < 100; at++) {
        assert.isFalse(yield* ring.verify("ticket", payload, { keyId: `ticket_${at}`, value: "A".repeat(86) }))
      }
      assert.strictEqual(loads, before + 1)
    }).pipe(Effect.provide(crypto)),
  )

  it.effect("a rotation within the same millisecond still has a newest key", () =>
    Effect.gen(function* () {
      const ring = yield* KeyRing.KeyRing
      const made = yield* Effect.forEach([1, 2, 3], () => ring.rotate("checkpoint"))
      assert.strictEqual((yield* ring.sign("checkpoint", payload)).keyId, made[2]?.id)
      const times = made.map((key) => key.validFromMs)
      assert.strictEqual(new Set(times).size, 3)
    }).pipe(Effect.provide(memory)),
  )

  it.effect("the payload is signed behind its purpose", () =>
    Effect.gen(function* () {
      const ring = yield* KeyRing.KeyRing
      const signature = yield* ring.sign("ticket", payload)
      const [key] = (yield* ring.list).filter(({ id }) => id === signature.keyId)
      const bytes = (text: string) => Effect.fromResult(Base64Url.decode(text))
      const publicKey = yield* Signature.publicKey(Signature.ed25519, yield* bytes(key?.publicKey ?? ""))
      const service = yield* Signature.Signature
      const message = new TextEncoder().encode("guildhall-ticket-v1\npayload")
      assert.isTrue(yield* service.verify(publicKey, yield* bytes(signature.value), message))
    }).pipe(Effect.provide(Layer.merge(memory, crypto))),
  )
})
