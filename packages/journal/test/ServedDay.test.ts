import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer, Schema } from "effect"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Signature from "effect/crypto/Signature"
import { SqlClient } from "effect/sql"
import { InstanceId } from "@guildhall/core/Instance"
import * as KeyRing from "@guildhall/core/KeyRing"
import type { Receipt } from "@guildhall/core/Receipt"
import { Journal, SERVED_MAX } from "../src/Journal.ts"
import * as EndedCopy from "../src/EndedCopy.ts"
import { type JournalEntry, JournalEntryJson } from "../src/JournalEntry.ts"
import * as JournalSql from "../src/JournalSql.ts"
import * as JournalTables from "../src/internal/JournalTables.ts"
import * as ReceiptSeal from "../src/ReceiptSeal.ts"
import * as ServedDay from "../src/ServedDay.ts"
import * as SampleEntry from "../src/testing/SampleEntry.ts"

const DAY_MS = 86_400_000
const Milliseconds = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 60_000 })))

describe("ServedDay", () => {
  it.prop(
    "a quantile of times lies within a fifth of the true one",
    [Schema.Array(Milliseconds).pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(60)))],
    ([times]) => {
      const counts = Array.from({ length: ServedDay.CLASSES }, () => 0)
      for (const ms of times) counts[ServedDay.classOf(ms)] = (counts[ServedDay.classOf(ms)] ?? 0) + 1
      const sorted = times.toSorted((a, b) => a - b)
      for (const share of [0.1, 0.5, 0.9, 1]) {
        const exact = Math.max(1, sorted[Math.ceil(share * sorted.length) - 1] ?? 0)
        const answered = ServedDay.quantileMs(counts, share) ?? 0
        assert.isAtLeast(answered, Math.floor(exact / 1.2))
        assert.isAtMost(answered, Math.ceil(exact * 1.2))
      }
    },
    { arbitrary: { seed: "quantiles", runs: 300 } },
  )

  it("says nothing of no requests, nor of one that nobody served", () => {
    assert.isUndefined(ServedDay.quantileMs([], 0.5))
    assert.isUndefined(ServedDay.of(SampleEntry.receipt({ outcome: "failed" })))
    const { provider: _provider, ...nobody } = SampleEntry.receipt()
    assert.isUndefined(ServedDay.of(nobody))
  })

  it("takes no time to the first byte of a request that went elsewhere first", () => {
    const sum = (attempts: number) =>
      ServedDay.of(SampleEntry.receipt({ attempts }))?.firstBytes.reduce((all, count) => all + count, 0)
    assert.deepStrictEqual([sum(1), sum(2)], [1, 0])
  })
})

/** Receipts of some requests, with revisions, of two instances and three days, each appended once or twice. */
const Step = Schema.Struct({
  request: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 11 }))),
  revision: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 3 }))),
  alone: Schema.Boolean,
})

const newestOf = (receipts: ReadonlyArray<Receipt>): ReadonlyArray<Receipt> =>
  [...Map.groupBy(receipts, ({ id }) => id).values()].flatMap(
    (some) => some.toSorted((a, b) => b.revision - a.revision)[0] ?? [],
  )

const Crypto = Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto))
const Live = Layer.merge(JournalSql.layer, KeyRing.layerMemory.pipe(Layer.provide(Crypto), Layer.orDie)).pipe(
  Layer.provideMerge(TestDatabase.layer),
)

/** Appends entries, and seals what then waits. */
const appended = Effect.fnUntraced(function* (entries: ReadonlyArray<JournalEntry>) {
  const journal = yield* Journal
  yield* journal.append(entries)
  yield* sealAll
})

const sealAll = Effect.gen(function* () {
  const journal = yield* Journal
  const unsealed = yield* journal.receipts.unsealed(1_000)
  if (unsealed.length === 0) return
  const made = yield* ReceiptSeal.seal(unsealed, { market: "local", batchId: `bat_${SampleEntry.text()}`, nowMs: 1 })
  yield* journal.receipts.seal(made.batch, made.receipts)
})

it.layer(Live, { timeout: 60_000 })("ServedDay in PostgreSQL", (it) => {
  it.effect.prop(
    "A4 · the sums are those of the newest receipts, whatever was appended in which order, and can be made again",
    [Schema.Array(Step).pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(30)))],
    ([steps]) =>
      Effect.gen(function* () {
        const journal = yield* Journal
        const provider = SampleEntry.member()
        const instances = [SampleEntry.text(), SampleEntry.text()].map((text) => InstanceId.make(`ins_${text}`))
        const ids = SampleEntry.requestIds(12)
        const entries = steps.map(({ request, revision }) => {
          const endedAtMs = (20_000 + (request % 3)) * DAY_MS + request
          const instance = instances[request % 2]
          const id = ids[request]
          return SampleEntry.ended({
            provider,
            revision,
            endedAtMs,
            startedAtMs: endedAtMs - 100 * (request + 1),
            firstByteAtMs: endedAtMs - 50,
            charge: BigInt(1_000 * request + revision),
            split: [{ party: "provider", amount: BigInt(900 * request + revision) }],
            ...(instance === undefined ? {} : { instance }),
            ...(id === undefined ? {} : { id }),
          })
        })
        const together = entries.filter((_, at) => steps[at]?.alone !== true)
        yield* appended(together)
        for (const [at, entry] of entries.entries()) if (steps[at]?.alone === true) yield* appended([entry, entry])
        const sums = new ServedDay.Sums()
        for (const receipt of newestOf(entries.map(({ receipt }) => receipt))) sums.count(receipt, 1)
        const days = yield* journal.served({ provider, fromDay: 0, toDay: 30_000, limit: SERVED_MAX })
        assert.sameDeepMembers([...days], [...sums.all()])
      }),
    { arbitrary: { seed: "served", runs: 40 } },
  )

  it.effect("what was written before there were sums is summed by the migration", () =>
    Effect.gen(function* () {
      const journal = yield* Journal
      const sql = yield* SqlClient.SqlClient
      const query = { provider: null, fromDay: 0, toDay: 30_000, limit: SERVED_MAX }
      const before = yield* journal.served(query)
      assert.isAbove(before.length, 3)
      yield* sql`DROP TABLE journal_served`
      yield* JournalTables.migrations["0003_sum_days"]
      assert.deepStrictEqual(yield* journal.served(query), before)
    }),
  )

  it.effect("what the outbox copies without reading it is summed like anything else", () =>
    Effect.gen(function* () {
      const journal = yield* Journal
      const sql = yield* SqlClient.SqlClient
      const provider = SampleEntry.member()
      const entries = Array.from({ length: 30 }, (_, at) =>
        SampleEntry.ended({ provider, endedAtMs: 1_750_000_000_000 + at * DAY_MS, charge: BigInt(at) }),
      )
      const rows = entries.map((entry, at) => ({ sequence: at + 1, body: Schema.encodeSync(JournalEntryJson)(entry) }))
      const page = sql`SELECT p.sequence::bigint AS sequence, 'request.ended' AS kind, p.body, 0::bigint AS at_ms
        FROM json_to_recordset(${JSON.stringify(rows)}::text::json) AS p(sequence int, body json)`
      assert.strictEqual((yield* EndedCopy.copy(page)).copied, 30)
      yield* sealAll
      const sums = new ServedDay.Sums()
      for (const { receipt } of entries) sums.count(receipt, 1)
      const days = yield* journal.served({ provider, fromDay: 0, toDay: 30_000, limit: SERVED_MAX })
      assert.sameDeepMembers([...days], [...sums.all()])
    }),
  )

  it.effect("a provider's days are found by an index, however many the others have", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      // A market of 200,000 rows: 1,000 providers with an instance each, over 200 days.
      yield* sql`INSERT INTO journal_served
        SELECT 10000 + d, 'ins_' || p, 'USD', 'mem_' || p, 'dev_' || p, 'guildhall/demo', 1000, 1000000, 1000000, 1e12, 9e11, 0,
          3600000, array_fill(10, ARRAY[64])
        FROM generate_series(1, 200) d, generate_series(1, 1000) p`
      yield* sql`ANALYZE journal_served`
      const [plan] = yield* sql<{ readonly "QUERY PLAN": ReadonlyArray<{ readonly Plan: unknown }> }>`
        EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM journal_served
        WHERE day BETWEEN 10100 AND 10130 AND requests > 0 AND provider = 'mem_77'
        ORDER BY day DESC, instance, asset LIMIT 10000`
      const text = JSON.stringify(plan)
      assert.include(text, "journal_served_provider")
      assert.notInclude(text, "Seq Scan")
      const [market] = yield* sql`EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM journal_served
        WHERE day BETWEEN 10186 AND 10199 AND requests > 0
          AND (day < 10195 OR (day = 10195 AND (instance, asset) > ('ins_5', 'USD')))
        ORDER BY day DESC, instance, asset LIMIT 10000`
      assert.include(JSON.stringify(market), "journal_served_pkey")
    }),
  )
})
