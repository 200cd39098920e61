import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Schema } from "effect"
import { SecureRandom, Signature } from "effect/crypto"
import { TestClock } from "effect/testing"
import { USD } from "@guildhall/core/Asset"
import * as KeyRing from "@guildhall/core/KeyRing"
import { MemberId } from "@guildhall/core/Member"
import * as Money from "@guildhall/core/Money"
import { type Receipt, SignedReceipt } from "@guildhall/core/Receipt"
import { Journal } from "@guildhall/journal"
import { type JournalEntry, JournalEntryJson } from "@guildhall/journal/JournalEntry"
import * as ReceiptVerify from "@guildhall/journal/ReceiptVerify"
import * as SampleEntry from "@guildhall/journal/testing/SampleEntry"
import { Account, Hold, Ledger, type Posting } from "@guildhall/ledger"
import * as LedgerStoreMemory from "@guildhall/ledger/LedgerStoreMemory"
import * as Outbox from "../src/Outbox.ts"
import * as Sealing from "../src/Sealing.ts"

const crypto = Signature.layerWebCrypto.pipe(Layer.provideMerge(SecureRandom.layerWebCrypto))
const surroundings = Layer.mergeAll(
  Ledger.layer.pipe(Layer.provide(LedgerStoreMemory.layer)),
  Journal.layerMemory,
  KeyRing.layerMemory,
).pipe(Layer.provideMerge(crypto), Layer.provideMerge(Logger.layer([])))

const [external, buyer] = [Account.ids.external("test"), Account.ids.buyer(MemberId.make("mem_buyer"))]
const SignedReceiptJson = Schema.toCodecJson(SignedReceipt)
const toJson = Schema.encodeSync(JournalEntryJson)

let keys = 0
/** Commits attachments with a posting. */
const attach = Effect.fnUntraced(function* (attachments: ReadonlyArray<Posting.Attachment>) {
  const ledger = yield* Ledger.Ledger
  yield* ledger.open({ id: external, kind: "external", asset: USD, floor: null })
  yield* ledger.open({ id: buyer, kind: "buyer", asset: USD, floor: 0n })
  yield* ledger.post({
    idempotencyKey: `k${keys++}`,
    kind: "topUp",
    legs: [
      { account: external, amount: -1n },
      { account: buyer, amount: 1n },
    ],
    attachments,
  })
})

const ended = (entry: JournalEntry, kind = "request.ended"): Posting.Attachment => ({ kind, body: toJson(entry) })

const idsIn = Effect.gen(function* () {
  const journal = yield* Journal.Journal
  const records = yield* journal.requests({ member: null, limit: 1000 })
  return records.map((record) => (record._tag === "RequestEnded" ? record.receipt.id : record.requestId)).sort()
})

describe("copying", () => {
  it.effect("takes every kind of entry, in order, and gives an expired hold the time of its expiry", () =>
    Effect.gen(function* () {
      const ledger = yield* Ledger.Ledger
      const journal = yield* Journal.Journal
      const first = SampleEntry.ended()
      const second = SampleEntry.ended({ outcome: "recovered", charge: 0n, split: [], usage: {}, usageSource: "none" })
      const id = second.receipt.id
      yield* attach([ended(first), ended(SampleEntry.acted(SampleEntry.member()), "operator.acted")])
      yield* ledger.hold({
        id: Hold.HoldId.make(id),
        account: buyer,
        amount: 1n,
        owner: "dead",
        lifeMs: 1_000,
        definitionDigest: "d",
        context: toJson(second),
      })
      yield* TestClock.adjust(5_000)
      yield* ledger.expire(10)
      assert.strictEqual(yield* Outbox.copy, 3)
      assert.strictEqual(yield* Outbox.copy, 0)
      assert.strictEqual(yield* journal.position, 3n)
      const [expired] = yield* journal.requests({ id })
      assert.deepInclude(expired?._tag === "RequestEnded" ? expired.receipt : {}, { revision: 0, endedAtMs: 5_000 })

      const receipt: Receipt = { ...second.receipt, revision: 1, paidFromLoss: 18_000_000n }
      yield* attach([ended({ ...second, id: `${id}:1`, receipt }, "request.claimed")])
      yield* Outbox.copy
      const [claimed] = yield* journal.requests({ id })
      assert.deepInclude(claimed?._tag === "RequestEnded" ? claimed.receipt : {}, { revision: 1 })

      const lowered: Receipt = { ...first.receipt, revision: 1, charge: 1n, usageSource: "counted" }
      yield* attach([ended({ ...first, id: `${lowered.id}:1`, receipt: lowered }, "request.recounted")])
      yield* Outbox.copy
      const [recounted] = yield* journal.requests({ id: lowered.id })
      assert.deepStrictEqual(recounted?._tag === "RequestEnded" ? recounted.receipt : undefined, lowered)
    }).pipe(Effect.provide(surroundings)),
  )

  it.effect("tells in one line how many claims were paid, what they came to, and where they stand", () => {
    const lines: Array<string> = []
    const log = Logger.make<unknown, void>(({ message }) => void lines.push(String(message)))
    return Effect.gen(function* () {
      const ledger = yield* Ledger.Ledger
      yield* ledger.open({ id: Account.ids.platformLoss, kind: "platform", asset: USD, floor: null })
      const claim = (paidFromLoss: bigint) => {
        const entry = SampleEntry.ended({ outcome: "recovered", revision: 1, paidFromLoss })
        return ended({ ...entry, id: `${entry.receipt.id}:1` }, "request.claimed")
      }
      yield* attach([claim(1_500_000n), ended(SampleEntry.ended()), claim(250_000n)])
      yield* Outbox.copy
      assert.lengthOf(lines, 1)
      const sum = Money.format(1_750_000n, USD)
      assert.match(lines[0] ?? "", new RegExp(`^2 claims, ${sum} USD in all, were paid .*statement platform:loss`))
    }).pipe(Effect.provide(Logger.layer([log])), Effect.provide(surroundings))
  })

  it.effect("passes over what cannot be read, and what is none of its business, and goes on", () =>
    Effect.gen(function* () {
      const good = SampleEntry.ended()
      yield* attach([
        { kind: "request.ended", body: { _tag: "RequestEnded", id: 7 } },
        { kind: "hold.expired", body: null },
        { kind: "embedder.dedupe", body: { anything: true } },
        ended(good),
      ])
      assert.strictEqual(yield* Outbox.copy, 4)
      assert.deepStrictEqual(yield* idsIn, [good.receipt.id])
      const journal = yield* Journal.Journal
      assert.strictEqual(yield* journal.position, 4n)
    }).pipe(Effect.provide(surroundings)),
  )

  it.effect("is exactly once, wherever it crashes: before the journal wrote, after it wrote, between two steps", () =>
    Effect.gen(function* () {
      const journal = yield* Journal.Journal
      const ledger = yield* Ledger.Ledger
      let seed = 7
      const dice = (sides: number) => (seed = (seed * 48_271) % 2_147_483_647) % sides
      let appended = 0
      /** A process that dies at some point of its way; the stores live on. */
      const process = (crash: number) => {
        let point = 0
        const dieHere = Effect.suspend(() => (point++ === crash ? Effect.die("kill -9") : Effect.void))
        const around = <A, E>(effect: Effect.Effect<A, E>) =>
          Effect.andThen(
            dieHere,
            Effect.tap(effect, () => dieHere),
          )
        const mortal = Journal.Journal.of({
          ...journal,
          position: around(journal.position),
          append: (entries, position) =>
            around(
              Effect.tap(journal.append(entries, position), () => Effect.sync(() => (appended += entries.length))),
            ),
        })
        const read = Ledger.Ledger.of({
          ...ledger,
          attachments: (after, limit) => around(ledger.attachments(after, limit)),
        })
        return Effect.repeat(Outbox.copy, { until: (count) => count === 0 }).pipe(
          Effect.provideService(Journal.Journal, mortal),
          Effect.provideService(Ledger.Ledger, read),
          Effect.exit,
        )
      }
      const expected: Array<string> = []
      for (let run = 0; run < 60; run++) {
        for (let posting = dice(4); posting > 0; posting--) {
          const entries = Array.from({ length: 1 + dice(3) }, () => SampleEntry.ended())
          expected.push(...entries.map(({ receipt }) => receipt.id))
          yield* attach(entries.map((entry) => ended(entry)))
        }
        yield* process(run % 14)
      }
      yield* process(-1)
      assert.deepStrictEqual(yield* idsIn, expected.sort())
      // The journal's position goes with its entries: what it has written is never handed to it again.
      assert.strictEqual(appended, expected.length)
    }).pipe(Effect.provide(surroundings)),
  )
})

describe("sealing", () => {
  it.effect("signs what waits in batches of the definition's size, each receipt once, and they verify offline", () =>
    Effect.gen(function* () {
      const journal = yield* Journal.Journal
      const entries = Array.from({ length: 7 }, () => SampleEntry.ended({ market: "local" }))
      yield* journal.append(entries)
      const seal = yield* Sealing.make({ market: "local", batchSize: 3 })
      const counts = [yield* seal, yield* seal, yield* seal, yield* seal]
      assert.deepStrictEqual(counts, [3, 3, 1, 0])
      const keys = yield* Effect.flatMap(KeyRing.KeyRing, (ring) => ring.list)
      for (const { receipt } of entries) {
        const signed = yield* journal.receipts.signed(receipt.id)
        assert.isDefined(signed)
        const text = JSON.stringify(Schema.encodeUnknownSync(SignedReceiptJson)(signed))
        const verdict = yield* ReceiptVerify.verify({ text, keys })
        assert.isTrue(verdict.holds, JSON.stringify(verdict.checks.filter(({ holds }) => !holds)))
      }
    }).pipe(Effect.provide(surroundings)),
  )

  it.effect("loses no receipt to a batch that the journal did not get", () =>
    Effect.gen(function* () {
      const journal = yield* Journal.Journal
      const entry = SampleEntry.ended()
      yield* journal.append([entry])
      let crashes = 1
      const mortal = Journal.Journal.of({
        ...journal,
        receipts: {
          ...journal.receipts,
          seal: (batch, receipts) => (crashes-- > 0 ? Effect.die("kill -9") : journal.receipts.seal(batch, receipts)),
        },
      })
      const seal = yield* Sealing.make({ market: "local", batchSize: 10 }).pipe(
        Effect.provideService(Journal.Journal, mortal),
      )
      yield* Effect.exit(seal)
      assert.isUndefined(yield* journal.receipts.signed(entry.receipt.id))
      assert.strictEqual(yield* seal, 1)
      assert.isDefined(yield* journal.receipts.signed(entry.receipt.id))
    }).pipe(Effect.provide(surroundings)),
  )
})

describe("the loop", () => {
  const definition = { name: "local", receipts: { batchMs: 500, batchSize: 512 } }

  it.effect("has a signed receipt within a batch's time, and seals the last ones when it ends", () =>
    Effect.gen(function* () {
      const journal = yield* Journal.Journal
      const first = SampleEntry.ended()
      const last = SampleEntry.ended()
      yield* Effect.gen(function* () {
        yield* TestClock.adjust(100)
        yield* attach([ended(first)])
        yield* TestClock.adjust(500)
        // Web crypto answers in real time.
        yield* Effect.repeat(
          Effect.andThen(TestClock.withLive(Effect.sleep(1)), journal.receipts.signed(first.receipt.id)),
          {
            until: (signed) => signed !== undefined,
          },
        )
        yield* attach([ended(last)])
      }).pipe(Effect.provide(Outbox.layer({ definition })))
      assert.isDefined(yield* journal.receipts.signed(last.receipt.id))
    }).pipe(Effect.provide(surroundings)),
  )
})
