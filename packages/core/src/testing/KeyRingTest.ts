/**
 * The suite of the port `KeyRing`: one test for each of its numbered guarantees, with the same words.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Signature from "effect/crypto/Signature"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as KeyRing from "../KeyRing.ts"
import * as Conformance from "./Conformance.ts"

const Crypto = Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto))
const purposes = KeyRing.KeyPurpose.literals
const payload = (text: string): Uint8Array => new TextEncoder().encode(`{"suite":"KeyRing","text":"${text}"}`)

const bytesOf = (text: string): Uint8Array => Result.getOrElse(Base64Url.decode(text), () => new Uint8Array())

const flipped = (bytes: Uint8Array, bit: number): Uint8Array => {
  const changed = Uint8Array.from(bytes)
  changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
  return changed
}

const verifies = Effect.gen(function* () {
  const ring = yield* KeyRing.KeyRing
  for (const purpose of purposes) {
    for (const message of [new Uint8Array(), payload(purpose), new Uint8Array(100_000).fill(7)]) {
      const signature = yield* ring.sign(purpose, message)
      assert.isTrue(yield* ring.verify(purpose, message, signature), purpose)
      const named = (yield* ring.list).find((key) => key.id === signature.keyId)
      assert.strictEqual(named?.purpose, purpose)
    }
  }
})

const refusesChanges = Effect.gen(function* () {
  const ring = yield* KeyRing.KeyRing
  const message = payload("change me")
  const signature = yield* ring.sign("ticket", message)
  const value = bytesOf(signature.value)
  for (const bit of [0, 7, 100, message.length * 8 - 1]) {
    assert.isFalse(yield* ring.verify("ticket", flipped(message, bit), signature), `payload, bit ${bit}`)
  }
  for (const bit of [0, 255, 256, 511]) {
    const changed = { ...signature, value: Base64Url.encode(flipped(value, bit)) }
    assert.isFalse(yield* ring.verify("ticket", message, changed), `signature, bit ${bit}`)
  }
  const id = new TextEncoder().encode(signature.keyId)
  for (const bit of [0, id.length * 4, id.length * 8 - 8]) {
    const changed = { ...signature, keyId: new TextDecoder().decode(flipped(id, bit)) }
    assert.isFalse(yield* ring.verify("ticket", message, changed), `key id, bit ${bit}`)
  }
  for (const wrong of ["", "A", signature.value.slice(0, -2), `${signature.value}AA`, "not base64url!"]) {
    assert.isFalse(yield* ring.verify("ticket", message, { ...signature, value: wrong }), `"${wrong}"`)
  }
})

const partsPurposes = Effect.gen(function* () {
  const ring = yield* KeyRing.KeyRing
  const message = payload("one purpose")
  for (const purpose of purposes) {
    const signature = yield* ring.sign(purpose, message)
    for (const other of purposes) {
      assert.strictEqual(yield* ring.verify(other, message, signature), other === purpose, `${purpose} as ${other}`)
    }
    // Nor may a ring sign the bare payload: a message could then be made that is one purpose's and reads as another's.
    const key = (yield* ring.list).find(({ id }) => id === signature.keyId)
    const service = yield* Signature.Signature
    const publicKey = yield* Signature.publicKey(Signature.ed25519, bytesOf(key?.publicKey ?? ""))
    assert.isFalse(yield* service.verify(publicKey, bytesOf(signature.value), message), "the purpose is not signed")
  }
}).pipe(Effect.provide(Crypto))

const Strict = Schema.decodeUnknownEffect(Schema.Array(KeyRing.PublishedKey), { onExcessProperty: "error" })

const listsPublic = Effect.gen(function* () {
  const ring = yield* KeyRing.KeyRing
  const signers = new Set<string>()
  for (const purpose of purposes) signers.add((yield* ring.sign(purpose, payload("list"))).keyId)
  const keys = yield* Strict(yield* ring.list)
  const ids = keys.map((key) => key.id)
  assert.strictEqual(new Set(ids).size, ids.length, "an id stands twice")
  for (const id of signers) assert.include(ids, id)
  for (const key of keys) {
    assert.lengthOf(bytesOf(key.publicKey), 32)
    if (key.validUntilMs !== undefined) assert.isAtLeast(key.validUntilMs, key.validFromMs)
  }
  const ages = keys.map((key) => key.validFromMs)
  assert.deepStrictEqual(
    ages,
    [...ages].sort((a, b) => a - b),
    "the list is not oldest first",
  )
  for (const purpose of purposes) {
    const open = keys.filter((key) => key.purpose === purpose && key.validUntilMs === undefined)
    assert.lengthOf(open, 1, `one key of "${purpose}" signs`)
    assert.isTrue(signers.has(open[0]?.id ?? ""), "the key without an end is the one that signs")
  }
}).pipe(Effect.catchTag("SchemaError", (error) => Effect.sync(() => assert.fail(error.message))))

const rotates = Effect.gen(function* () {
  const ring = yield* KeyRing.KeyRing
  const message = payload("rotation")
  const before = yield* ring.sign("receipt", message)
  const untouched = yield* ring.sign("ticket", message)
  const made = yield* ring.rotate("receipt")
  assert.strictEqual(made.purpose, "receipt")
  assert.isUndefined(made.validUntilMs)
  const after = yield* ring.sign("receipt", message)
  assert.strictEqual(after.keyId, made.id)
  assert.notStrictEqual(after.keyId, before.keyId)
  assert.isTrue(yield* ring.verify("receipt", message, before), "the old signature")
  assert.isTrue(yield* ring.verify("receipt", message, after), "the new signature")
  assert.strictEqual((yield* ring.sign("ticket", message)).keyId, untouched.keyId)
  const listed = yield* ring.list
  const former = listed.find((key) => key.id === before.keyId)
  assert.strictEqual(former?.validUntilMs, made.validFromMs)
  assert.deepStrictEqual(
    listed.find((key) => key.id === made.id),
    made,
  )
})

const offline = Effect.gen(function* () {
  const ring = yield* KeyRing.KeyRing
  const message = payload("offline")
  const signatures = yield* Effect.forEach(purposes, (purpose) => ring.sign(purpose, message))
  const listed: unknown = JSON.parse(JSON.stringify(yield* ring.list))
  const keys = yield* Schema.decodeUnknownEffect(Schema.Array(KeyRing.PublishedKey))(listed)
  for (const [at, purpose] of purposes.entries()) {
    const signature = signatures[at]
    if (signature === undefined) return assert.fail("a signature is missing")
    assert.isTrue(yield* KeyRing.verifyPublished(keys, purpose, message, signature), purpose)
    assert.isFalse(yield* KeyRing.verifyPublished(keys, purpose, payload("other"), signature))
    assert.isFalse(yield* KeyRing.verifyPublished([], purpose, message, signature))
  }
}).pipe(Effect.provide(Crypto))

/**
 * What a key ring guarantees, in the order of the port's documentation.
 *
 * @category constants
 * @since 0.1.0
 */
export const guarantees: ReadonlyArray<Conformance.Guarantee<Conformance.Proof<KeyRing.KeyRing>>> = [
  {
    number: 1,
    test: "What was signed for a purpose verifies for that purpose, by the key that the signature names.",
    proof: verifies,
  },
  {
    number: 2,
    test: "One changed bit of the payload, of the signature, or of the key's id makes verification answer false.",
    proof: refusesChanges,
  },
  { number: 3, test: "A signature for one purpose does not verify for another.", proof: partsPurposes },
  {
    number: 4,
    test: "The list holds the public key and validity of every key that ever signed, and no secret.",
    proof: listsPublic,
  },
  {
    number: 5,
    test: "After a rotation, new signatures name the new key and old signatures still verify.",
    proof: rotates,
  },
  { number: 6, test: "A signature verifies offline, with nothing but the published list.", proof: offline },
]

const port: Conformance.Port<KeyRing.KeyRing> = { name: "KeyRing", guarantees, clock: "virtual" }

/**
 * Proves a key ring. A guarantee that a layer cannot keep is skipped with its reason, which is printed.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite: Conformance.Suite<KeyRing.KeyRing> = Conformance.suite(port)

/**
 * Proves that the suite bites: on this layer the guarantee with this number must fail.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks: Conformance.Breaks<KeyRing.KeyRing> = Conformance.breaks(port)
