import { assert, describe, it } from "@effect/vitest"
import * as KeyRing from "@guildhall/core/KeyRing"
import { Effect, Layer } from "effect"
import { SecureRandom, Signature } from "effect/crypto"

const crypto = Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto))

describe("KeyRing.layerMemory", () => {
  it.effect("signs and verifies", () =>
    Effect.gen(function* () {
      const ring = yield* KeyRing.KeyRing
      const payload = new TextEncoder().encode("a ticket")
      const signature = yield* ring.sign("ticket", payload)
      assert.isTrue(yield* ring.verify("ticket", payload, signature))
      assert.isFalse(yield* ring.verify("receipt", payload, signature))
      yield* ring.rotate("ticket")
      assert.isTrue(yield* ring.verify("ticket", payload, signature))
      assert.notStrictEqual((yield* ring.sign("ticket", payload)).keyId, signature.keyId)
      assert.lengthOf(yield* ring.list, 4)
    }).pipe(Effect.provide(KeyRing.layerMemory), Effect.provide(crypto)),
  )
})
