import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { Signature } from "effect/crypto"
import * as NodeSignature from "../src/NodeSignature.ts"

const surroundings = Layer.merge(NodeCrypto.layer, NodeSignature.layer.pipe(Layer.provide(NodeCrypto.layer)))
const data = new TextEncoder().encode("a ticket")

describe("NodeSignature", () => {
  it.effect("signs as WebCrypto does: Ed25519 has one signature for a key and a message", () =>
    Effect.gen(function* () {
      const other = yield* Signature.Signature
      const pair = yield* other.generateKeyPair(Signature.ed25519)
      const own = yield* Effect.provide(Signature.Signature, NodeSignature.layer)
      const expected = yield* other.sign(pair.privateKey, data)
      // The first signature makes the key, the second finds it.
      assert.deepStrictEqual(yield* own.sign(pair.privateKey, data), expected)
      assert.deepStrictEqual(yield* own.sign(pair.privateKey, data), expected)
      assert.isTrue(yield* own.verify(pair.publicKey, expected, data))
    }).pipe(Effect.provide(NodeCrypto.layer)),
  )

  it.effect("leaves other algorithms to the service below it", () =>
    Effect.gen(function* () {
      const own = yield* Signature.Signature
      const pair = yield* own.generateKeyPair(Signature.ecdsaP256)
      const signature = yield* own.sign(pair.privateKey, data)
      assert.isTrue(yield* own.verify(pair.publicKey, signature, data))
    }).pipe(Effect.provide(surroundings)),
  )
})
