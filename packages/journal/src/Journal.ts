/**
 * PORT. What happened on the market: requests with their receipts, refusals, routing decisions, operators' acts, and
 * the routing directory's change log.
 *
 * Guarantees, each proved by `JournalTest.suite`:
 *
 * 1. An entry that `append` acknowledged is durable; appending the same id again changes nothing.
 * 2. `position` is the highest ledger sequence that was appended with its entries, so a copier can go on where it stopped.
 * 3. A request is found by its id, with the newest revision of its receipt; a member's requests come newest first, page by page.
 * 4. A receipt is unsigned until a batch with it is sealed; once sealed its signed form verifies offline and never changes.
 * 5. The directory log is returned as it was appended, from the newest snapshot at or before a version up to it.
 * 6. No entry holds a body of a request or of an answer.
 * 7. What instances served is summed by day from the newest sealed revision of each receipt, in whatever order they were sealed
 *    and however often, newest day first, page by page.
 * 8. The demand for a model counts each request once, however often it is appended, and those that nobody had room for among
 *    them, from the ten minutes after a time on.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { AssetCode } from "@guildhall/core/Asset"
import type { DeviceId } from "@guildhall/core/Device"
import type { InstanceId } from "@guildhall/core/Instance"
import type { MemberId } from "@guildhall/core/Member"
import type { ModelId } from "@guildhall/core/Model"
import type { Receipt, ReceiptBatch, SignedReceipt } from "@guildhall/core/Receipt"
import type { RequestId } from "@guildhall/core/Request"
import { columns, type Columns, type JournalEntry, JournalEntryJson } from "./JournalEntry.ts"
import { JournalError } from "./JournalError.ts"
import * as ModelDemand from "./ModelDemand.ts"
import * as ReceiptSeal from "./ReceiptSeal.ts"
import * as ServedDay from "./ServedDay.ts"

export { JournalError }

/**
 * A request as the journal knows it.
 *
 * @category models
 * @since 0.1.0
 */
export type RequestRecord = Extract<JournalEntry, { readonly _tag: "RequestEnded" | "RequestRefused" }>

/**
 * A stretch of a replica's directory log: a full snapshot at `version`, or the changes after `version`, as text that
 * only the routing package reads. `hash` chains each segment to the one before it.
 *
 * @category models
 * @since 0.1.0
 */
export const DirectorySegment = Schema.Struct({
  replica: Schema.String,
  kind: Schema.Literals(["snapshot", "changes"]),
  version: Schema.Int,
  toVersion: Schema.Int,
  body: Schema.String,
  hash: Schema.String,
})
/** @since 0.1.0 */
export type DirectorySegment = typeof DirectorySegment.Type

/**
 * A receipt that waits for its batch: its entry, and the hash of the receipt's canonical bytes, which is its leaf in the
 * batch's tree (`ReceiptSeal.leafOf`).
 *
 * @category models
 * @since 0.1.0
 */
export interface UnsealedReceipt {
  readonly entryId: string
  readonly leaf: Uint8Array
}

/**
 * Which days are meant: of one provider or, where it is null, of all; from a day to another, both included; of one instance,
 * device or model, or of all. `after` is the last row of the page before.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServedQuery {
  readonly provider: MemberId | null
  readonly fromDay: number
  readonly toDay: number
  readonly instance?: InstanceId | undefined
  readonly device?: DeviceId | undefined
  readonly model?: ModelId | undefined
  readonly after?: { readonly day: number; readonly instance: InstanceId; readonly asset: AssetCode } | undefined
  readonly limit: number
}

/**
 * The port.
 *
 * @category services
 * @since 0.1.0
 */
export class Journal extends Context.Service<
  Journal,
  {
    /**
     * Appends entries; `position` is the ledger sequence they were copied up to, where they came from the ledger.
     * Both are written together or not at all. No entries and a position only move the position.
     */
    readonly append: (entries: ReadonlyArray<JournalEntry>, position?: bigint) => Effect.Effect<void, JournalError>
    readonly position: Effect.Effect<bigint, JournalError>
    /**
     * Requests, newest first: one by id, or a member's (all members' where it is null) before an id. A page holds
     * at most {@link PAGE_MAX} of them.
     */
    readonly requests: (
      query:
        | { readonly id: RequestId }
        | { readonly member: MemberId | null; readonly before?: RequestId | undefined; readonly limit: number },
    ) => Effect.Effect<ReadonlyArray<RequestRecord>, JournalError>
    /**
     * How many requests of each model came since a time, most first: at most `ModelDemand.MODELS_MAX` models. No more than the last
     * day is kept.
     */
    readonly demand: (sinceMs: number) => Effect.Effect<ReadonlyArray<ModelDemand.ModelDemand>, JournalError>
    /**
     * The receipts: those that wait for a batch, oldest first and at most {@link PAGE_MAX}, or the signed one of a
     * request (its newest sealed revision).
     */
    readonly receipts: {
      readonly unsealed: (limit: number) => Effect.Effect<ReadonlyArray<UnsealedReceipt>, JournalError>
      /** Keeps a batch with its leaves, in their order; each receipt is found by `signed` from then on. */
      readonly seal: (
        batch: ReceiptBatch,
        receipts: ReadonlyArray<UnsealedReceipt>,
      ) => Effect.Effect<void, JournalError>
      readonly signed: (id: RequestId) => Effect.Effect<SignedReceipt | undefined, JournalError>
    }
    /** What instances served by sealed receipts, day by day: at most {@link SERVED_MAX} rows, the newest day first, then by instance. */
    readonly served: (query: ServedQuery) => Effect.Effect<ReadonlyArray<ServedDay.ServedDay>, JournalError>
    /**
     * The routing directory's log. `upTo` starts with the newest snapshot at or before the version, or at the
     * beginning where there is none, and ends with the first segment that reaches the version. With `from`, an earlier
     * version, it starts with the newest snapshot at or before that one, and has every segment since in its order.
     */
    readonly directory: {
      readonly append: (segments: ReadonlyArray<DirectorySegment>) => Effect.Effect<void, JournalError>
      readonly upTo: (
        replica: string,
        version: number,
        from?: number,
      ) => Effect.Effect<ReadonlyArray<DirectorySegment>, JournalError>
    }
  }
>()("@guildhall/journal/Journal") {}

/**
 * The most requests or receipts that one read answers.
 *
 * @category constants
 * @since 0.1.0
 */
export const PAGE_MAX = 1000

/**
 * The most rows of served days that one read answers.
 *
 * @category constants
 * @since 0.1.0
 */
export const SERVED_MAX = 10_000

/** An entry is kept as JSON, as in a database: what its schema does not name is not kept. */
interface Row extends Columns {
  readonly json: typeof JournalEntryJson.Encoded
}

interface SealedRow {
  readonly entry: Row
  readonly index: number
  readonly leaves: ReadonlyArray<Uint8Array>
  readonly batch: ReceiptBatch
}

const encode = Schema.encodeEffect(JournalEntryJson)
const decode = Schema.decodeEffect(JournalEntryJson)
const corrupt = (cause: unknown) => new JournalError({ reason: "Corrupt", cause })

const isRequest = (entry: JournalEntry): entry is RequestRecord =>
  entry._tag === "RequestEnded" || entry._tag === "RequestRefused"
const revisionOf = (row: Row): number => row.revision ?? -1

type Place = NonNullable<ServedQuery["after"]>
const byDay = (a: Place, b: Place): number =>
  b.day - a.day ||
  (a.instance === b.instance ? 0 : a.instance < b.instance ? -1 : 1) ||
  (a.asset === b.asset ? 0 : a.asset < b.asset ? -1 : 1)

class State {
  readonly entries = new Map<string, Row>()
  readonly byRequest = new Map<RequestId, Row>()
  readonly unsealed = new Map<string, Uint8Array>()
  readonly sealed = new Map<RequestId, SealedRow>()
  readonly batches = new Set<string>()
  readonly segments = new Map<string, DirectorySegment>()
  position = 0n

  add(entry: JournalEntry, row: Row): void {
    if (this.entries.has(entry.id)) return
    this.entries.set(entry.id, row)
    if (entry._tag === "RequestEnded") this.unsealed.set(entry.id, ReceiptSeal.leafOf(entry.receipt))
    if (row.requestId === null) return
    const known = this.byRequest.get(row.requestId)
    if (known === undefined || revisionOf(known) < revisionOf(row)) this.byRequest.set(row.requestId, row)
  }

  served(receipts: Iterable<Receipt>, query: ServedQuery): ReadonlyArray<ServedDay.ServedDay> {
    const sums = new ServedDay.Sums()
    for (const receipt of receipts) sums.count(receipt, 1)
    const { after, device, fromDay, instance, model, provider, toDay } = query
    return sums
      .all()
      .filter(
        (one) =>
          (provider === null || one.provider === provider) &&
          one.day >= fromDay &&
          one.day <= toDay &&
          (instance === undefined || one.instance === instance) &&
          (device === undefined || one.device === device) &&
          (model === undefined || one.model === model) &&
          (after === undefined || byDay(after, one) < 0),
      )
      .sort(byDay)
      .slice(0, Math.max(0, Math.min(query.limit, SERVED_MAX)))
  }

  page(member: MemberId | null, before: RequestId | undefined, limit: number): ReadonlyArray<Row> {
    return [...this.byRequest]
      .filter(([id, row]) => (member === null || row.member === member) && (before === undefined || id < before))
      .sort(([a], [b]) => (a < b ? 1 : -1))
      .slice(0, Math.max(0, Math.min(limit, PAGE_MAX)))
      .map(([, row]) => row)
  }

  seal(entryId: string, sealed: Omit<SealedRow, "entry">): void {
    const entry = this.entries.get(entryId)
    if (!this.unsealed.delete(entryId) || entry === undefined || entry.requestId === null) return
    const known = this.sealed.get(entry.requestId)
    if (known === undefined || revisionOf(known.entry) < revisionOf(entry)) {
      this.sealed.set(entry.requestId, { ...sealed, entry })
    }
  }

  segmentsUpTo(replica: string, version: number, from: number): ReadonlyArray<DirectorySegment> {
    const own = [...this.segments.values()].filter((segment) => segment.replica === replica)
    const start = own
      .filter((segment) => segment.kind === "snapshot" && segment.version <= from)
      .reduce((newest, snapshot) => Math.max(newest, snapshot.version), -1)
    return own
      .filter((segment) =>
        segment.kind === "snapshot"
          ? segment.version >= start && segment.version <= version
          : segment.toVersion > start && segment.version < version,
      )
      .sort((a, b) => a.version - b.version || a.toVersion - b.toVersion)
  }
}

/**
 * A journal in this process's memory, gone with it: for tests, simulations and small embeddings.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMemory: Effect.Effect<Journal["Service"]> = Effect.sync(() => {
  const state = new State()
  const read = (rows: ReadonlyArray<Row>) =>
    Effect.forEach(rows, (row) => decode(row.json)).pipe(Effect.mapError(corrupt))

  return Journal.of({
    append: Effect.fn("Journal.append")(function* (entries, position) {
      const rows = yield* Effect.forEach(entries, (entry) =>
        Effect.map(encode(entry), (json): Row => ({ ...columns(entry), json })),
      ).pipe(Effect.mapError(corrupt))
      entries.forEach((entry, at) => {
        const row = rows[at]
        if (row !== undefined) state.add(entry, row)
      })
      if (position !== undefined && position > state.position) state.position = position
    }),
    position: Effect.sync(() => state.position),
    requests: Effect.fn("Journal.requests")(function* (query) {
      if ("id" in query) {
        const row = state.byRequest.get(query.id)
        return row === undefined ? [] : (yield* read([row])).filter(isRequest)
      }
      return (yield* read(state.page(query.member, query.before, query.limit))).filter(isRequest)
    }),
    served: Effect.fn("Journal.served")(function* (query) {
      const newest = yield* read([...state.sealed.values()].map(({ entry }) => entry))
      const receipts = newest.flatMap((entry) => (entry._tag === "RequestEnded" ? [entry.receipt] : []))
      return state.served(receipts, query)
    }),
    demand: Effect.fn("Journal.demand")(function* (sinceMs) {
      const entries = yield* read([...state.entries.values()])
      return ModelDemand.since(ModelDemand.count(entries), sinceMs)
    }),
    receipts: {
      unsealed: Effect.fn("Journal.receipts.unsealed")((limit) =>
        Effect.sync(() =>
          [...state.unsealed]
            .slice(0, Math.max(0, Math.min(limit, PAGE_MAX)))
            .map(([entryId, leaf]): UnsealedReceipt => ({ entryId, leaf })),
        ),
      ),
      seal: Effect.fn("Journal.receipts.seal")((batch, receipts) =>
        Effect.sync(() => {
          if (state.batches.has(batch.batchId)) return
          state.batches.add(batch.batchId)
          const leaves = receipts.map(({ leaf }) => leaf)
          for (const [index, { entryId }] of receipts.entries()) state.seal(entryId, { index, leaves, batch })
        }),
      ),
      signed: Effect.fn("Journal.receipts.signed")(function* (id) {
        const sealed = state.sealed.get(id)
        if (sealed === undefined) return undefined
        const entry = yield* Effect.mapError(decode(sealed.entry.json), corrupt)
        return entry._tag === "RequestEnded" ? ReceiptSeal.signed(entry, sealed) : undefined
      }),
    },
    directory: {
      append: Effect.fn("Journal.directory.append")((segments) =>
        Effect.sync(() => {
          for (const segment of segments) {
            const key = JSON.stringify([segment.replica, segment.kind, segment.version, segment.toVersion])
            if (!state.segments.has(key)) state.segments.set(key, segment)
          }
        }),
      ),
      upTo: Effect.fn("Journal.directory.upTo")((replica, version, from = version) =>
        Effect.sync(() => state.segmentsUpTo(replica, version, Math.min(from, version))),
      ),
    },
  })
})

/**
 * {@link makeMemory} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<Journal> = Layer.effect(Journal, makeMemory)
