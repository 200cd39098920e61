import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Schema } from "effect"
import { SecureRandom, Signature } from "effect/crypto"
import { USD } from "@guildhall/core/Asset"
import * as Canonical from "@guildhall/core/Canonical"
import * as KeyRing from "@guildhall/core/KeyRing"
import { MemberId } from "@guildhall/core/Member"
import { ModelId } from "@guildhall/core/Model"
import { SignedReceipt } from "@guildhall/core/Receipt"
import { Journal, JournalSql } from "@guildhall/journal"
import { type JournalEntry, JournalEntryJson } from "@guildhall/journal/JournalEntry"
import * as ReceiptVerify from "@guildhall/journal/ReceiptVerify"
import * as SampleEntry from "@guildhall/journal/testing/SampleEntry"
import { Account, Ledger, LedgerStoreSql, type Posting } from "@guildhall/ledger"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import * as Outbox from "../src/Outbox.ts"
import * as OutboxSql from "../src/OutboxSql.ts"
import * as Sealing from "../src/Sealing.ts"

const crypto = Signature.layerWebCrypto.pipe(Layer.provideMerge(SecureRandom.layerWebCrypto))
const surroundings = Layer.mergeAll(
  Ledger.layer.pipe(Layer.provide(LedgerStoreSql.layer({ renewMs: 10_000 }))),
  JournalSql.layer,
  KeyRing.layerMemory,
).pipe(Layer.provideMerge(Layer.merge(TestDatabase.layer, crypto)), Layer.provideMerge(Logger.layer([])))

const [external, buyer] = [Account.ids.external("test"), Account.ids.buyer(MemberId.make("mem_buyer"))]
const encode = Schema.encodeSync(JournalEntryJson)
const text = Schema.encodeSync(Schema.fromJsonString(Schema.toCodecJson(SignedReceipt)))

/** As the lane writes it: the receipt in its canonical form. */
const ended = (entry: JournalEntry, kind = "request.ended"): Posting.Attachment => {
  const json = encode(entry)
  return { kind, body: JSON.parse(Canonical.stringify(json as Canonical.Json)) }
}

let keys = 0
const attach = Effect.fnUntraced(function* (attachments: ReadonlyArray<Posting.Attachment>) {
  const ledger = yield* Ledger.Ledger
  yield* ledger.open({ id: external, kind: "external", asset: USD, floor: null })
  yield* ledger.open({ id: buyer, kind: "buyer", asset: USD, floor: 0n })
  for (const attachment of attachments) {
    yield* ledger.post({
      idempotencyKey: `k${keys++}`,
      kind: "topUp",
      legs: [
        { account: external, amount: -1n },
        { account: buyer, amount: 1n },
      ],
      attachments: [attachment],
    })
  }
})

describe("copying inside the database", () => {
  it.effect("keeps what the long way keeps: every entry and the position, what cannot be read passed over", () =>
    Effect.gen(function* () {
      const journal = yield* Journal.Journal
      const [first, second, claimed] = [SampleEntry.ended(), SampleEntry.ended(), SampleEntry.ended({ revision: 1 })]
      const odd = SampleEntry.ended({ market: "a\u0000\ud800b" })
      yield* attach([
        ended(first),
        { kind: "request.ended", body: { _tag: "RequestEnded", id: 7 } },
        { kind: "request.ended", body: null },
        { kind: "hold.expired", body: null },
        { kind: "embedder.dedupe", body: { anything: true } },
        ended(claimed, "request.claimed"),
        ended(odd),
        ended(first),
        ended(second),
      ])
      assert.strictEqual(yield* OutboxSql.copy(), 9)
      assert.strictEqual(yield* OutboxSql.copy(), 0)
      assert.strictEqual(yield* journal.position, 9n)
      for (const entry of [first, second, claimed]) {
        assert.deepStrictEqual(yield* journal.requests({ id: entry.receipt.id }), [entry])
      }
      const { model } = first.receipt
      // The claim is a revision of a request, and the odd one went the long way: each request is counted once.
      assert.deepStrictEqual(yield* journal.demand(0), [{ model, requests: 3, refused: 0 }])
      const [kept] = yield* journal.requests({ id: odd.receipt.id })
      assert.strictEqual(kept?._tag === "RequestEnded" ? kept.receipt.market : undefined, "a\ufffd\ufffdb")
      assert.lengthOf(yield* journal.receipts.unsealed(100), 4)
    }).pipe(Effect.provide(surroundings)),
  )

  it.effect("V11 · counts what is asked for, and what nobody had room for among it", () =>
    Effect.gen(function* () {
      const journal = yield* Journal.Journal
      const model = ModelId.make("acme/large")
      const full = { outcome: "failed", reason: "no_capacity" } as const
      const entries = [
        SampleEntry.ended({ model }),
        SampleEntry.ended({ model, ...full }),
        SampleEntry.ended({ model, outcome: "failed", reason: "provider_error" }),
        SampleEntry.ended({ model, ...full, endedAtMs: SampleEntry.receipt().endedAtMs - 1_200_000 }),
      ]
      yield* attach([...entries, ...entries].map((entry) => ended(entry)))
      yield* OutboxSql.copy()
      yield* OutboxSql.copy()
      assert.deepStrictEqual(yield* journal.demand(0), [{ model, requests: 4, refused: 2 }])
      const recent = yield* journal.demand(SampleEntry.receipt().endedAtMs - 600_000)
      assert.deepStrictEqual(recent, [{ model, requests: 3, refused: 1 }])
      // A day later the old ones are forgotten.
      yield* attach([ended(SampleEntry.ended({ model, endedAtMs: SampleEntry.receipt().endedAtMs + 90_000_000 }))])
      yield* OutboxSql.copy()
      yield* attach([ended(SampleEntry.ended({ model, endedAtMs: SampleEntry.receipt().endedAtMs + 90_000_001 }))])
      yield* OutboxSql.copy()
      assert.deepStrictEqual(yield* journal.demand(0), [{ model, requests: 2, refused: 0 }])
    }).pipe(Effect.provide(surroundings)),
  )

  it.effect("a step that was made but for the position is made again, and changes nothing", () =>
    Effect.gen(function* () {
      const journal = yield* Journal.Journal
      const entries = Array.from({ length: 5 }, () => SampleEntry.ended())
      yield* attach(entries.map((entry) => ended(entry)))
      const dying = Journal.Journal.of({ ...journal, append: () => Effect.die("kill -9") })
      yield* Effect.exit(Effect.provideService(OutboxSql.copy(), Journal.Journal, dying))
      assert.strictEqual(yield* journal.position, 0n)
      assert.strictEqual(yield* OutboxSql.copy(), 5)
      assert.lengthOf(yield* journal.receipts.unsealed(100), 5)
      assert.strictEqual(yield* Outbox.copy, 0)
    }).pipe(Effect.provide(surroundings)),
  )

  it.effect("receipts that were copied are sealed, and verify offline", () =>
    Effect.gen(function* () {
      const journal = yield* Journal.Journal
      const entries = Array.from({ length: 7 }, () => SampleEntry.ended({ market: "local" }))
      yield* attach(entries.map((entry) => ended(entry)))
      yield* OutboxSql.copy()
      const seal = yield* Sealing.make({ market: "local", batchSize: 5 })
      assert.deepStrictEqual([yield* seal, yield* seal, yield* seal], [5, 2, 0])
      const published = yield* Effect.flatMap(KeyRing.KeyRing, (ring) => ring.list)
      for (const { receipt } of entries) {
        const signed = yield* journal.receipts.signed(receipt.id)
        if (signed === undefined) return assert.fail("it is not signed")
        const verdict = yield* ReceiptVerify.verify({ text: text(signed), keys: published })
        assert.isTrue(verdict.holds, JSON.stringify(verdict.checks))
      }
    }).pipe(Effect.provide(surroundings)),
  )
})
