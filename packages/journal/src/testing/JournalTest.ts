/**
 * The suite of the port `Journal`: one test for each of its numbered guarantees, with the same words.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Signature from "effect/crypto/Signature"
import * as Conformance from "@guildhall/core/testing/Conformance"
import { InstanceId } from "@guildhall/core/Instance"
import * as KeyRing from "@guildhall/core/KeyRing"
import { type Receipt, SignedReceipt } from "@guildhall/core/Receipt"
import { ModelId } from "@guildhall/core/Model"
import type { ReasonCode } from "@guildhall/core/Reason"
import type { RequestId } from "@guildhall/core/Request"
import { type DirectorySegment, Journal, PAGE_MAX, SERVED_MAX, type UnsealedReceipt } from "../Journal.ts"
import type { JournalEntry } from "../JournalEntry.ts"
import * as ReceiptSeal from "../ReceiptSeal.ts"
import * as ReceiptVerify from "../ReceiptVerify.ts"
import * as ServedDay from "../ServedDay.ts"
import * as SampleEntry from "./SampleEntry.ts"

const Crypto = Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto))
const SignedJson = Schema.fromJsonString(Schema.toCodecJson(SignedReceipt))

/** What waits for a batch, of these requests alone: other tests may have left receipts behind. */
const waiting = (ids: ReadonlyArray<RequestId>) =>
  Effect.gen(function* () {
    const journal = yield* Journal
    const unsealed = yield* journal.receipts.unsealed(PAGE_MAX)
    return unsealed.filter(({ entryId }) => ids.some((id) => entryId.startsWith(`${id}:`)))
  })

const durable = Effect.gen(function* () {
  const journal = yield* Journal
  const first = SampleEntry.ended({ charge: 20_000_000n })
  const act = SampleEntry.acted(SampleEntry.member())
  yield* journal.append([first, act, first])
  yield* journal.append([{ ...first, receipt: { ...first.receipt, charge: 1n } }])
  yield* journal.append([first])
  assert.deepStrictEqual(yield* journal.requests({ id: first.receipt.id }), [first])
  assert.lengthOf(yield* waiting([first.receipt.id]), 1)
  const many = SampleEntry.requestIds(1203).map((requestId) => SampleEntry.refused({ requestId, buyer: act.actor }))
  yield* journal.append(many)
  const page = yield* journal.requests({ member: act.actor, limit: PAGE_MAX })
  assert.deepStrictEqual(page, many.toReversed().slice(0, PAGE_MAX))
})

const position = Effect.gen(function* () {
  const journal = yield* Journal
  const start = yield* journal.position
  const entry = SampleEntry.ended()
  yield* journal.append([entry], start + 10n)
  assert.strictEqual(yield* journal.position, start + 10n)
  yield* journal.append([SampleEntry.ended()])
  assert.strictEqual(yield* journal.position, start + 10n)
  yield* journal.append([entry], start + 4n)
  assert.strictEqual(yield* journal.position, start + 10n)
  yield* journal.append([], start + 2n ** 60n)
  assert.strictEqual(yield* journal.position, start + 2n ** 60n)
})

const requests = Effect.gen(function* () {
  const journal = yield* Journal
  const buyer = SampleEntry.member()
  const series = SampleEntry.requestIds(7)
  const ids = series.slice(0, 5)
  const [, second, , , , next, last] = series
  if (second === undefined || next === undefined || last === undefined) return assert.fail("the ids are too few")
  const other = SampleEntry.ended({ id: next })
  const entries = ids.map((id, at) =>
    at === 2
      ? SampleEntry.refused({ requestId: id, buyer, model: "a\u0000\ud800b" })
      : SampleEntry.ended({ id, buyer, revision: 0 }),
  )
  yield* journal.append([...entries.toReversed(), other])
  const revised = SampleEntry.ended({ id: second, buyer, revision: 1, charge: 10n })
  yield* journal.append([revised])

  assert.deepStrictEqual(yield* journal.requests({ id: second }), [revised])
  assert.deepStrictEqual(yield* journal.requests({ id: SampleEntry.receipt().id }), [])
  const first = yield* journal.requests({ member: buyer, limit: 3 })
  assert.deepStrictEqual(
    first.map((entry) => (entry._tag === "RequestEnded" ? entry.receipt.id : entry.requestId)),
    ids.toReversed().slice(0, 3),
  )
  const rest = yield* journal.requests({ member: buyer, before: ids[2], limit: 3 })
  assert.deepStrictEqual<ReadonlyArray<unknown>>(rest, [revised, entries[0]])
  assert.deepStrictEqual(yield* journal.requests({ member: SampleEntry.member(), limit: 3 }), [])
  const everyone = yield* journal.requests({ member: null, before: last, limit: 6 })
  assert.deepStrictEqual(
    everyone.map((entry) => entry.id),
    [other, entries[4], entries[3], entries[2], revised, entries[0]].map((entry) => entry?.id),
  )
})

const sealed = Effect.gen(function* () {
  const journal = yield* Journal
  const ring = yield* KeyRing.KeyRing
  const entries = [SampleEntry.ended(), SampleEntry.ended(), SampleEntry.ended()]
  const ids = entries.map((entry) => entry.receipt.id)
  const [first] = entries
  if (first === undefined) return assert.fail("there is no entry")
  const { id } = first.receipt
  yield* journal.append(entries)
  assert.isUndefined(yield* journal.receipts.signed(id))
  assert.deepStrictEqual(
    yield* waiting(ids),
    entries.map((entry) => ({ entryId: entry.id, leaf: ReceiptSeal.leafOf(entry.receipt) })),
  )

  const seal = (receipts: ReadonlyArray<UnsealedReceipt>) =>
    Effect.flatMap(Clock.currentTimeMillis, (nowMs) =>
      ReceiptSeal.seal(receipts, { market: "local", batchId: `bat_${SampleEntry.text()}`, nowMs }),
    )
  const unsealed = yield* waiting(ids)
  const batch = yield* seal(unsealed)
  yield* journal.receipts.seal(batch.batch, batch.receipts)
  const leaves = batch.receipts.map(({ leaf }) => leaf)
  for (const [index, entry] of entries.entries()) {
    const signed = ReceiptSeal.signed(entry, { batch: batch.batch, leaves, index })
    assert.deepStrictEqual(yield* journal.receipts.signed(entry.receipt.id), signed)
  }
  const kept = yield* journal.receipts.signed(id)
  const text = yield* Schema.encodeUnknownEffect(SignedJson)(kept ?? null)
  const verdict = yield* ReceiptVerify.verify({ text, keys: yield* ring.list })
  assert.isTrue(verdict.holds, JSON.stringify(verdict.checks))
  assert.lengthOf(yield* waiting(ids), 0)

  const again = yield* seal(unsealed)
  yield* journal.receipts.seal(again.batch, again.receipts)
  yield* journal.receipts.seal(batch.batch, [])
  yield* journal.append(entries)
  assert.lengthOf(yield* waiting(ids), 0)
  assert.deepStrictEqual(yield* journal.receipts.signed(id), kept)

  const revised = SampleEntry.ended({ ...first.receipt, revision: 1, charge: 0n, split: [] })
  yield* journal.append([revised])
  assert.deepStrictEqual(yield* journal.receipts.signed(id), kept)
  const second = yield* seal(yield* waiting([id]))
  yield* journal.receipts.seal(second.batch, second.receipts)
  const last = ReceiptSeal.signed(revised, {
    batch: second.batch,
    leaves: second.receipts.map(({ leaf }) => leaf),
    index: 0,
  })
  assert.deepStrictEqual(yield* journal.receipts.signed(id), last)
}).pipe(Effect.provide(KeyRing.layerMemory.pipe(Layer.provideMerge(Crypto))))

const directory = Effect.gen(function* () {
  const journal = yield* Journal
  const replica = `gateway-${SampleEntry.text()}`
  const segment = (kind: DirectorySegment["kind"], version: number, toVersion: number): DirectorySegment => ({
    replica,
    kind,
    version,
    toVersion,
    body: `{"${kind}":[${version},${toVersion}]}`,
    hash: `${version}-${toVersion}`,
  })
  const log = [
    segment("changes", 0, 4),
    segment("changes", 4, 10),
    segment("snapshot", 10, 10),
    segment("changes", 10, 15),
    segment("changes", 15, 20),
    segment("snapshot", 20, 20),
  ]
  yield* journal.directory.append(log.slice(0, 3))
  yield* journal.directory.append(log.slice(2))
  yield* journal.directory.append(log.slice(0, 1).map((first) => ({ ...first, body: "{}" })))
  yield* journal.directory.append([{ ...segment("snapshot", 12, 12), replica: `${replica}-other` }])
  assert.deepStrictEqual(yield* journal.directory.upTo(replica, 3), log.slice(0, 1))
  assert.deepStrictEqual(yield* journal.directory.upTo(replica, 9), log.slice(0, 2))
  assert.deepStrictEqual(yield* journal.directory.upTo(replica, 10), log.slice(2, 3))
  assert.deepStrictEqual(yield* journal.directory.upTo(replica, 12), log.slice(2, 4))
  assert.deepStrictEqual(yield* journal.directory.upTo(replica, 19), log.slice(2, 5))
  assert.deepStrictEqual(yield* journal.directory.upTo(replica, 20), log.slice(5))
  assert.deepStrictEqual(yield* journal.directory.upTo(`${replica}-none`, 20), [])
  assert.deepStrictEqual(yield* journal.directory.upTo(replica, 20, 9), log)
  assert.deepStrictEqual(yield* journal.directory.upTo(replica, 19, 11), log.slice(2, 5))
  assert.deepStrictEqual(yield* journal.directory.upTo(replica, 8, 19), log.slice(0, 2))
})

const noBodies = Effect.gen(function* () {
  const journal = yield* Journal
  const canary = `canary-${SampleEntry.text()}`
  const entry = SampleEntry.ended()
  const receipt = Object.assign({}, entry.receipt, { body: canary, messages: [{ role: "user", content: canary }] })
  yield* journal.append([Object.assign({}, entry, { receipt, body: canary })])
  const kept = yield* journal.requests({ id: entry.receipt.id })
  assert.deepStrictEqual(kept, [entry])
  const unsealed = yield* waiting([entry.receipt.id])
  const amounts = (_: string, value: unknown) => (typeof value === "bigint" ? value.toString() : value)
  assert.notInclude(JSON.stringify([kept, unsealed], amounts), canary)
})

const DAY_MS = 86_400_000

const demand = Effect.gen(function* () {
  const journal = yield* Journal
  const [model, other] = [
    ModelId.make(`guildhall/${SampleEntry.text()}`),
    ModelId.make(`guildhall/${SampleEntry.text()}`),
  ]
  // Later than whatever other tests count, since what is a day older than the newest is forgotten.
  const atMs = 4_000_000_000_000
  const ended = (values: Partial<Receipt> = {}) => SampleEntry.ended({ model, endedAtMs: atMs, ...values })
  const refusedFor = (reason: ReasonCode, values: { readonly model?: ModelId; readonly atMs?: number } = {}) => ({
    ...SampleEntry.refused({ requestId: SampleEntry.receipt().id, buyer: SampleEntry.member() }),
    model,
    atMs,
    reason,
    ...values,
  })
  const of = (name: ModelId, sinceMs: number) =>
    Effect.map(journal.demand(sinceMs), (all) => all.find((one) => one.model === name))
  const first = ended()
  const full = refusedFor("no_capacity")
  yield* journal.append([first, first, full])
  yield* journal.append([first, full, ended({ outcome: "failed", reason: "queue_timeout" })])
  yield* journal.append([
    // A later revision is no other request, and one that was refused for its money says nothing of capacity.
    { ...first, id: `${first.id}#1`, receipt: { ...first.receipt, revision: 1 } },
    refusedFor("insufficient_funds"),
    ended({ outcome: "failed", reason: "provider_error" }),
    refusedFor("queue_full", { model: other }),
    refusedFor("queue_full", { model: other, atMs: atMs - 1_800_000 }),
  ])
  assert.deepStrictEqual(yield* of(model, atMs - 86_400_000), { model, requests: 4, refused: 2 })
  assert.deepStrictEqual(yield* of(other, atMs - 86_400_000), { model: other, requests: 2, refused: 2 })
  assert.deepStrictEqual(yield* of(other, atMs - 600_000), { model: other, requests: 1, refused: 1 })
  assert.isUndefined(yield* of(model, atMs))
  const all = yield* journal.demand(0)
  assert.deepStrictEqual(
    all.map(({ requests }) => requests),
    all.map(({ requests }) => requests).sort((a, b) => b - a),
  )
})

const served = Effect.gen(function* () {
  const journal = yield* Journal
  const provider = SampleEntry.member()
  const [one, other] = [SampleEntry.text(), SampleEntry.text()].map((text) => InstanceId.make(`ins_${text}`))
  if (one === undefined || other === undefined) return assert.fail("there is no instance")
  const [a, b, c, d] = SampleEntry.requestIds(4)
  const endedAtMs = 20_000 * DAY_MS + 5_000
  const at = { provider, endedAtMs, startedAtMs: endedAtMs - 1_000, firstByteAtMs: endedAtMs - 900 }
  const first = SampleEntry.ended({ ...at, ...(a === undefined ? {} : { id: a }), instance: one })
  const revised = SampleEntry.ended({
    ...first.receipt,
    revision: 1,
    charge: 10n,
    split: [{ party: "provider", amount: 9n }],
  })
  const elsewhere = SampleEntry.ended({ ...at, ...(b === undefined ? {} : { id: b }), instance: other })
  const dayAfter = SampleEntry.ended({
    ...at,
    ...(c === undefined ? {} : { id: c }),
    instance: one,
    endedAtMs: endedAtMs + DAY_MS,
  })
  const failed = SampleEntry.ended({ ...at, ...(d === undefined ? {} : { id: d }), instance: one, outcome: "failed" })
  const seal = Effect.fnUntraced(function* (receipts: ReadonlyArray<UnsealedReceipt>) {
    const nowMs = yield* Clock.currentTimeMillis
    const made = yield* ReceiptSeal.seal(receipts, { market: "local", batchId: `bat_${SampleEntry.text()}`, nowMs })
    yield* journal.receipts.seal(made.batch, made.receipts)
  })
  const appended = Effect.fnUntraced(function* (entries: ReadonlyArray<JournalEntry>) {
    yield* journal.append(entries)
    const ids = entries.flatMap((entry) => (entry._tag === "RequestEnded" ? [entry.receipt.id] : []))
    const unsealed = yield* waiting(ids)
    if (unsealed.length > 0) yield* seal(unsealed)
  })
  const days = { provider, fromDay: 0, toDay: 30_000, limit: SERVED_MAX }
  yield* journal.append([revised, elsewhere, elsewhere])
  assert.deepStrictEqual(yield* journal.served(days), [])
  const both = yield* waiting([first.receipt.id, elsewhere.receipt.id])
  yield* seal(both)
  yield* seal(both)
  yield* appended([first, failed])
  yield* appended([dayAfter, revised, first])
  yield* appended([SampleEntry.acted(provider)])

  const newest = (receipts: ReadonlyArray<Receipt>) => receipts.flatMap((receipt) => ServedDay.of(receipt) ?? [])
  const expected = newest([
    dayAfter.receipt,
    ...[revised.receipt, elsewhere.receipt].sort((x, y) => ((x.instance ?? "") < (y.instance ?? "") ? -1 : 1)),
  ])
  assert.deepStrictEqual(yield* journal.served(days), expected)
  const [top, ...rest] = expected
  assert.deepStrictEqual(yield* journal.served({ ...days, limit: 1 }), top === undefined ? [] : [top])
  assert.deepStrictEqual(yield* journal.served({ ...days, after: top }), rest)
  assert.deepStrictEqual(
    yield* journal.served({ ...days, instance: other }),
    rest.filter(({ instance }) => instance === other),
  )
  assert.deepStrictEqual(yield* journal.served({ ...days, toDay: 20_000 }), rest)
  assert.deepStrictEqual(yield* journal.served({ ...days, fromDay: 20_002 }), [])
  const everyone = yield* journal.served({ ...days, provider: null, model: first.receipt.model })
  assert.includeDeepMembers([...everyone], [...expected])
  assert.deepStrictEqual(yield* journal.served({ ...days, provider: SampleEntry.member() }), [])

  const many = Array.from({ length: 40 }, () => SampleEntry.ended({ ...at, provider, instance: one }))
  yield* Effect.forEach([0, 1, 2, 3], (part) => appended(many.slice(part * 10, part * 10 + 20)), {
    concurrency: "unbounded",
    discard: true,
  })
  const [sum] = yield* journal.served({ ...days, instance: one, toDay: 20_000 })
  assert.deepInclude(sum, { requests: 41, shared: 9n + 40n * 18_000_000n })
  assert.strictEqual(
    sum?.firstBytes.reduce((all, count) => all + count, 0),
    41,
  )
}).pipe(Effect.provide(KeyRing.layerMemory.pipe(Layer.provideMerge(Crypto))))

/**
 * What a journal guarantees, in the order of the port's documentation.
 *
 * @category constants
 * @since 0.1.0
 */
export const guarantees: ReadonlyArray<Conformance.Guarantee<Conformance.Proof<Journal>>> = [
  {
    number: 1,
    test: "An entry that `append` acknowledged is durable; appending the same id again changes nothing.",
    proof: durable,
  },
  {
    number: 2,
    test: "`position` is the highest ledger sequence that was appended with its entries, so a copier can go on where it stopped.",
    proof: position,
  },
  {
    number: 3,
    test: "A request is found by its id, with the newest revision of its receipt; a member's requests come newest first, page by page.",
    proof: requests,
  },
  {
    number: 4,
    test: "A receipt is unsigned until a batch with it is sealed; once sealed its signed form verifies offline and never changes.",
    proof: sealed,
  },
  {
    number: 5,
    test: "The directory log is returned as it was appended, from the newest snapshot at or before a version up to it.",
    proof: directory,
  },
  { number: 6, test: "No entry holds a body of a request or of an answer.", proof: noBodies },
  {
    number: 7,
    test: "What instances served is summed by day from the newest sealed revision of each receipt, in whatever order they were sealed and however often, newest day first, page by page.",
    proof: served,
  },
  {
    number: 8,
    test: "The demand for a model counts each request once, however often it is appended, and those that nobody had room for among them, from the ten minutes after a time on.",
    proof: demand,
  },
]

const port: Conformance.Port<Journal> = { name: "Journal", guarantees, clock: "virtual" }

/**
 * Proves a journal. A guarantee that a layer cannot keep is skipped with its reason, which is printed.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite: Conformance.Suite<Journal> = Conformance.suite(port)

/**
 * Proves that the suite bites: on this layer the guarantee with this number must fail.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks: Conformance.Breaks<Journal> = Conformance.breaks(port)
