import { assert, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import { Effect, Layer, Schema } from "effect"
import { SecureRandom, Signature } from "effect/crypto"
import { TestClock } from "effect/testing"
import * as KeyRing from "@guildhall/core/KeyRing"
import * as Merkle from "@guildhall/core/Merkle"
import * as Receipt from "@guildhall/core/Receipt"
import * as Commitment from "../src/Commitment.ts"
import * as Journal from "../src/Journal.ts"
import * as ReceiptSeal from "../src/ReceiptSeal.ts"
import * as ReceiptVerify from "../src/ReceiptVerify.ts"
import * as SampleEntry from "../src/testing/SampleEntry.ts"

const Crypto = Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto))
const Ring = Layer.provideMerge(KeyRing.layerMemory, Crypto)
const Live = Layer.merge(Ring, Journal.layerMemory)

const request = new TextEncoder().encode('{"model":"guildhall/demo","messages":[]}')
const response = new TextEncoder().encode('{"choices":[]}')

const ended = (count: number) => {
  const make = () => {
    const entry = SampleEntry.ended()
    const { receipt, salts } = entry
    const requestCommitment = Commitment.commit(salts.request, request)
    const responseCommitment = Commitment.commit(salts.response, response)
    return { ...entry, receipt: { ...receipt, requestCommitment, responseCommitment } }
  }
  return Array.from({ length: count }, make)
}

/** These entries sealed, each as its owner holds it. */
const sealed = Effect.fnUntraced(function* (
  entries: ReturnType<typeof ended>,
  given: Parameters<typeof ReceiptSeal.seal>[1],
) {
  const waiting = entries.map(({ id, receipt }) => ({ entryId: id, leaf: ReceiptSeal.leafOf(receipt) }))
  const { batch, receipts } = yield* ReceiptSeal.seal(waiting, given)
  const leaves = receipts.map(({ leaf }) => leaf)
  return { batch, signed: entries.map((entry, index) => ReceiptSeal.signed(entry, { batch, leaves, index })) }
})

const options = { market: "local", batchId: "bat_1", nowMs: 1_750_000_001_000 }
const text = Schema.encodeSync(Schema.fromJsonString(Schema.toCodecJson(Receipt.SignedReceipt)))
const keys = KeyRing.KeyRing.use((ring) => ring.list)

/** A sealed receipt as its owner holds it, with the list of keys. */
const held = Effect.gen(function* () {
  const signed = (yield* sealed(ended(5), options)).signed[3]
  return signed === undefined ? assert.fail("the receipt is gone") : { signed, keys: yield* keys }
})

const failing = (verdict: ReceiptVerify.Verdict) =>
  verdict.checks.filter((check) => !check.holds).map(({ name }) => name)

describe("ReceiptSeal", () => {
  it.effect("root and paths are those of the Merkle tree, for batches of every size", () =>
    Effect.gen(function* () {
      const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest()
      const all = ended(33)
      for (let size = 0; size <= all.length; size++) {
        const { batch, signed } = yield* sealed(all.slice(0, size), options)
        const leaves = all.slice(0, size).map(({ receipt }) => Receipt.bytes(receipt))
        assert.strictEqual(batch.root, Buffer.from(Merkle.root(sha256, leaves)).toString("hex"))
        for (const [at, { index, path: found }] of signed.entries()) {
          const path = Merkle.path(sha256, leaves, at).map((node) => Buffer.from(node).toString("hex"))
          assert.deepStrictEqual(found, path)
          assert.strictEqual(index, at)
        }
      }
    }).pipe(Effect.provide(Live)),
  )

  it.effect("every sealed receipt verifies, out of the journal and with its bodies", () =>
    Effect.gen(function* () {
      const journal = yield* Journal.Journal
      const entries = ended(7)
      yield* journal.append(entries)
      const { batch, receipts } = yield* ReceiptSeal.seal(yield* journal.receipts.unsealed(100), options)
      yield* journal.receipts.seal(batch, receipts)
      for (const { receipt } of entries) {
        const signed = yield* journal.receipts.signed(receipt.id)
        if (signed === undefined) return assert.fail("not signed")
        const verdict = yield* ReceiptVerify.verify({ text: text(signed), keys: yield* keys, request, response })
        assert.deepStrictEqual(failing(verdict), [])
        assert.isTrue(verdict.holds)
        assert.lengthOf(verdict.checks, 8)
      }
    }).pipe(Effect.provide(Live)),
  )

  it.effect("a signature lies within its key's validity, also right after a rotation and from a late clock", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(5_000)
      const ring = yield* KeyRing.KeyRing
      yield* ring.rotate("receipt")
      const [one] = (yield* sealed(ended(1), { ...options, nowMs: 10 })).signed
      const verdict = yield* ReceiptVerify.verify({ text: text(one ?? assert.fail()), keys: yield* keys })
      assert.deepStrictEqual(failing(verdict), [])
    }).pipe(Effect.provide(Live)),
  )
})

describe("ReceiptVerify", () => {
  it.effect("whatever is changed in a receipt is found", () =>
    Effect.gen(function* () {
      const { signed, keys } = yield* held
      const { receipt, batch } = signed
      const zeros = "0".repeat(64)
      const changes: ReadonlyArray<readonly [Receipt.SignedReceipt, ReadonlyArray<string>]> = [
        [{ ...signed, receipt: { ...receipt, charge: receipt.charge - 1n } }, ["inclusion", "split"]],
        [{ ...signed, receipt: { ...receipt, usage: { inputToken: 1 } } }, ["inclusion", "charge"]],
        [{ ...signed, receipt: { ...receipt, market: "other" } }, ["inclusion"]],
        [{ ...signed, receipt: { ...receipt, requestCommitment: zeros } }, ["inclusion", "request"]],
        [{ ...signed, salts: { ...signed.salts, response: "00" } }, ["response"]],
        [{ ...signed, index: 2 }, ["inclusion"]],
        [{ ...signed, index: 7 }, ["inclusion"]],
        [{ ...signed, path: signed.path.slice(1) }, ["inclusion"]],
        [{ ...signed, path: [...signed.path, zeros] }, ["inclusion"]],
        [{ ...signed, path: ["zz", ...signed.path.slice(1)] }, ["inclusion"]],
        [{ ...signed, batch: { ...batch, root: zeros } }, ["inclusion", "signature"]],
        [{ ...signed, batch: { ...batch, size: 6 } }, ["signature"]],
        [{ ...signed, batch: { ...batch, batchId: "bat_2" } }, ["signature"]],
        [{ ...signed, batch: { ...batch, signedAtMs: batch.signedAtMs + 1 } }, ["signature"]],
        [{ ...signed, batch: { ...batch, keyId: "receipt_none" } }, ["key", "signature"]],
        [{ ...signed, batch: { ...batch, signature: `${batch.signature.slice(1)}A` } }, ["signature"]],
      ]
      for (const [changed, expected] of changes) {
        const verdict = yield* ReceiptVerify.verify({ text: text(changed), keys, request, response })
        assert.deepStrictEqual(failing(verdict), expected)
      }
    }).pipe(Effect.provide(Live)),
  )

  it.effect("a key of another purpose, or not valid when it signed, is no key for a receipt", () =>
    Effect.gen(function* () {
      const { signed, keys } = yield* held
      const withKey = (change: Partial<KeyRing.PublishedKey>) =>
        Effect.map(
          ReceiptVerify.verify({
            text: text(signed),
            keys: keys.map((key) => (key.id === signed.batch.keyId ? { ...key, ...change } : key)),
          }),
          failing,
        )
      const { signedAtMs } = signed.batch
      assert.deepStrictEqual(yield* withKey({ purpose: "ticket" }), ["key", "signature"])
      assert.deepStrictEqual(yield* withKey({ validFromMs: signedAtMs + 1 }), ["key"])
      assert.deepStrictEqual(yield* withKey({ validUntilMs: signedAtMs - 1 }), ["key"])
      assert.deepStrictEqual(yield* withKey({ validUntilMs: signedAtMs }), [])
    }).pipe(Effect.provide(Live)),
  )

  it.effect("what is no receipt, and what the signature does not cover, is said plainly", () =>
    Effect.gen(function* () {
      const { signed, keys } = yield* held
      const noted = { ...JSON.parse(text(signed)), note: "paid in full" }
      for (const wrong of ["", "{", "[]", '{"receipt":{}}', JSON.stringify(noted)]) {
        const verdict = yield* ReceiptVerify.verify({ text: wrong, keys })
        assert.deepStrictEqual(failing(verdict), ["shape"])
        assert.isNull(verdict.receipt)
      }
      const nothing = { ...signed, receipt: { ...signed.receipt, charge: -1n, split: [] } }
      const negative = yield* ReceiptVerify.verify({ text: text(nothing), keys })
      assert.deepStrictEqual(failing(negative), ["inclusion", "split", "charge"])
    }).pipe(Effect.provide(Live)),
  )
})
