import { assert, describe, it } from "@effect/vitest"
import * as KeyRing from "@guildhall/core/KeyRing"
import { Effect, Exit, Layer, Schema } from "effect"
import { SecureRandom, Signature } from "effect/crypto"
import { TestClock } from "effect/testing"
import { AccountId } from "../src/Account.ts"
import * as Checkpoint from "../src/Checkpoint.ts"
import { type History, LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import * as Trial from "../src/testing/internal/Trial.ts"

const Crypto = Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto))
const Keys = KeyRing.layerMemory.pipe(Layer.provide(Crypto))
const Books = LedgerStoreMemory.layer.pipe(Layer.provideMerge(Keys), Layer.provideMerge(Crypto))

const take = (book = 1) => LedgerStore.use((store) => store.snapshot((view) => Checkpoint.take(view, book)))
const list = Effect.flatMap(KeyRing.KeyRing, (ring) => ring.list)
const Json = Schema.fromJsonString(Checkpoint.Checkpoint)

const open = (at: number) => Sample.open(AccountId.make(`buyer:b${at}`))

describe("Checkpoint", () => {
  it.effect("states the last batch, however many there are, and reads few of them", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(take()))._tag, "NothingYet")
      const store = yield* LedgerStore
      for (let batches = 1; batches <= 70; batches++) {
        yield* TestClock.adjust(3)
        yield* Trial.commit(batches % 3 === 0 ? [open(batches), open(1_000 + batches)] : [open(batches)])
        let reads = 0
        const taken = yield* store.snapshot((view) =>
          Checkpoint.take({ ...view, history: (kind, range) => ((reads += 1), view.history(kind, range)) }, 4),
        )
        const all: ReadonlyArray<History["batches"]> = yield* store.snapshot((view) =>
          view.history("batches", { after: 0n, limit: 1_000 }),
        )
        const last = all.at(-1)
        assert.lengthOf(all, batches)
        if (last === undefined) return assert.fail("there is no batch")
        const { chain, lastSequence: size, root } = last
        assert.deepInclude(taken, { book: 4, size, root, chain, atMs: batches * 3 })
        assert.isAtMost(reads, 3 + 2 * Math.ceil(Math.log2(batches + 1)))
      }
    }).pipe(Effect.provide(Books)),
  )

  it("signs these bytes", () => {
    const stands = { book: 2, size: 10n ** 18n, root: new Uint8Array(32).fill(171), chain: new Uint8Array(32), atMs: 5 }
    assert.strictEqual(
      new TextDecoder().decode(Checkpoint.payload(stands)),
      `["checkpoint1",2,"1000000000000000000","${"ab".repeat(32)}","${"00".repeat(32)}",5]`,
    )
  })

  it.effect("is read back as it was written, and holds after its key was rotated", () =>
    Effect.gen(function* () {
      yield* Trial.commit([open(1)])
      const ring = yield* KeyRing.KeyRing
      const taken = yield* take()
      const text = yield* Schema.encodeEffect(Json)(taken)
      const read = yield* Schema.decodeEffect(Json)(text)
      assert.deepStrictEqual(read, taken)
      assert.isTrue(yield* Checkpoint.isSigned(read, yield* ring.list))
      yield* ring.rotate("checkpoint")
      assert.isTrue(yield* Checkpoint.isSigned(read, yield* ring.list))
      const later = yield* take()
      assert.notStrictEqual(later.signature.keyId, taken.signature.keyId)
      assert.isTrue(yield* Checkpoint.isSigned(later, yield* ring.list))
    }).pipe(Effect.provide(Books)),
  )

  it.effect("is signed as a whole: no field of it can be another", () =>
    Effect.gen(function* () {
      yield* Trial.commit([open(1)])
      const taken = yield* take()
      const keys = yield* list
      const other = new Uint8Array(32).fill(1)
      const changes: ReadonlyArray<Partial<Checkpoint.Checkpoint>> = [
        { book: 2 },
        { size: taken.size + 1n },
        { root: other },
        { chain: other },
        { root: taken.chain, chain: taken.root },
        { atMs: taken.atMs + 1 },
        { signature: { ...taken.signature, keyId: "checkpoint_other" } },
        { signature: { ...taken.signature, value: `${taken.signature.value.slice(0, -4)}AAAA` } },
        { signature: { ...taken.signature, value: "" } },
      ]
      for (const change of changes) {
        assert.isFalse(yield* Checkpoint.isSigned({ ...taken, ...change }, keys), Object.keys(change).join())
      }
      assert.isFalse(yield* Checkpoint.isSigned(taken, []))
      const strangers = yield* Effect.provide(list, Layer.fresh(KeyRing.layerMemory))
      assert.isFalse(yield* Checkpoint.isSigned(taken, strangers))
    }).pipe(Effect.provide(Books)),
  )

  it.effect("is not read from what is none", () =>
    Effect.gen(function* () {
      yield* Trial.commit([open(1)])
      const text = yield* Schema.encodeEffect(Json)(yield* take())
      const plain: Readonly<Record<string, unknown>> = JSON.parse(text)
      const wrong: ReadonlyArray<Readonly<Record<string, unknown>>> = [
        { root: "AAAA" },
        { root: "not base64url!" },
        { chain: "" },
        { size: 1 },
        { size: "1.5" },
        { book: "1" },
        { book: 1.5 },
        { atMs: -1 },
        { atMs: 1e300 },
        { signature: null },
        { signature: { keyId: "k" } },
      ]
      for (const change of wrong) {
        const exit = yield* Effect.exit(Schema.decodeEffect(Json)(JSON.stringify({ ...plain, ...change })))
        assert.isTrue(Exit.isFailure(exit), JSON.stringify(change))
      }
    }).pipe(Effect.provide(Books)),
  )
})
