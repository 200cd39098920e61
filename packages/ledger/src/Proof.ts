/**
 * Proves to somebody who has nothing but a checkpoint that an entry is in a book's history: a small file that is checked
 * without the ledger, without a connection and without trust in whoever made it.
 *
 * A posting's file shows its header and at most four of its legs. What it shows of an account is its balance right after
 * that posting; it does not say that no later posting moved it.
 *
 * The file of a request's charge in a history of ten million entries has less than 2,000 bytes, half of them its path. What
 * grows it are long names: with a key of 200 characters, a hold of 320, four links of 100 and four accounts of 263 it stays
 * below 6,000.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Signature from "effect/crypto/Signature"
import type { KeyRing, KeyRingError, PublishedKey } from "@guildhall/core/KeyRing"
import * as Merkle from "@guildhall/core/Merkle"
import type { AccountId } from "./Account.ts"
import * as Chain from "./Chain.ts"
import * as Checkpoints from "./Checkpoint.ts"
import type { Entry } from "./Entry.ts"
import type { LedgerError } from "./LedgerError.ts"
import { LedgerStore, type View } from "./LedgerStore.ts"
import * as HistoryTree from "./internal/HistoryTree.ts"

const HASH_BYTES = 32

/** Hashes one after the other, in base64url. */
const Hashes = Schema.Uint8ArrayFromBase64Url.pipe(
  Schema.check(
    Schema.makeFilter((bytes) => (bytes.length % HASH_BYTES === 0 ? undefined : "these are no whole hashes.")),
    Schema.makeFilter((bytes) => (bytes.length <= 64 * HASH_BYTES ? undefined : "no path is longer than 64 hashes.")),
  ),
)

/**
 * A group of up to four legs of a posting, as {@link Chain.legText} writes them, and its path among the posting's groups.
 *
 * @category models
 * @since 0.1.0
 */
export const Legs = Schema.Struct({ text: Schema.String, group: Schema.Int, groups: Schema.Int, path: Hashes })
/** @since 0.1.0 */
export type Legs = typeof Legs.Type

const Sequence = Schema.String.pipe(Schema.check(Schema.isPattern(/^[1-9]\d{0,18}$/)))

/** Unix milliseconds that a calendar has. */
const Time = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: -8.64e15, maximum: 8.64e15 })))

/**
 * An entry's header, whose JSON is the leaf: what {@link Chain.header} writes.
 *
 * @category models
 * @since 0.1.0
 */
export const Header = Schema.Union([
  Schema.Tuple([
    Schema.Literal("post1"),
    Sequence,
    Time,
    Time,
    Schema.String,
    Schema.String,
    Schema.NullOr(Schema.String),
    Schema.NullOr(Schema.String),
    Schema.String,
  ]),
  Schema.Tuple([Schema.Literal("act1"), Sequence, Time, Schema.String, Schema.String]),
])
/** @since 0.1.0 */
export type Header = typeof Header.Type

/**
 * The file: an entry's header, some of its legs, the path from it to the checkpoint's root, and the checkpoint.
 *
 * @category models
 * @since 0.1.0
 */
export const Proof = Schema.Struct({
  version: Schema.Literal("guildhall-proof-1"),
  header: Header,
  legs: Schema.NullOr(Legs),
  path: Hashes,
  checkpoint: Checkpoints.Checkpoint,
})
/** @since 0.1.0 */
export type Proof = typeof Proof.Type

/**
 * The file's JSON.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Json = Schema.fromJsonString(Proof)

/**
 * What is to be proved: an entry by its sequence or its idempotency key, or the last posting of an account.
 *
 * @category models
 * @since 0.1.0
 */
export type Subject = { readonly sequence: bigint } | { readonly key: string } | { readonly account: AccountId }

/**
 * There is no such entry.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { subject: Schema.String }) {
  readonly isRetryable = false
  override get message(): string {
    return `There is no entry for ${this.subject}. Give an account that money moved on, an entry's number, or its idempotency key.`
  }
}

const decodeHeader = Schema.decodeUnknownEffect(Schema.fromJsonString(Header))

const join = (hashes: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(hashes))

const split = (bytes: Uint8Array): ReadonlyArray<Uint8Array> =>
  Array.from({ length: bytes.length / HASH_BYTES }, (_, at) => bytes.slice(at * HASH_BYTES, (at + 1) * HASH_BYTES))

/** The sequence of an account's last posting, without reading all of them: its balance has been the same since. */
const lastOf = Effect.fnUntraced(function* (view: View, account: AccountId, size: bigint) {
  const after = (sequence: bigint) =>
    Effect.map(view.history("entries", { after: sequence, limit: 1, account }), ([entry]) => entry)
  let found = yield* after(0n)
  let low = found?.sequence ?? 0n
  let high = size
  while (found !== undefined && low < high) {
    const middle = (low + high) / 2n
    const next = yield* after(middle)
    if (next === undefined) high = middle
    else [found, low] = [next, next.sequence]
  }
  return found
})

const find = Effect.fnUntraced(function* (view: View, subject: Subject, size: bigint) {
  if ("account" in subject) return yield* lastOf(view, subject.account, size)
  // No history is longer than that, and no store has to look for it.
  if ("sequence" in subject && subject.sequence > Number.MAX_SAFE_INTEGER) return undefined
  const range =
    "key" in subject ? { after: 0n, limit: 1, keys: [subject.key] } : { after: subject.sequence - 1n, limit: 1 }
  const [entry] = yield* view.history("entries", range)
  return "sequence" in subject && entry?.sequence !== subject.sequence ? undefined : entry
})

/** The legs that are shown: the account's group, or the first. */
const legsOf = (entry: Entry, account: AccountId | undefined): Legs | null => {
  if (entry._tag === "Acted") return null
  const { balances, posting } = entry
  const at = account === undefined ? 0 : posting.legs.findLastIndex((leg) => leg.account === account)
  const group = Math.floor(Math.max(at, 0) / Chain.LEGS_TOGETHER)
  const hashes = Chain.legHashes(posting, balances)
  const lines = Chain.legLines(posting, balances, group)
  const path = Merkle.pathLeaves(group, hashes.length).map(({ from, to }) =>
    Merkle.rootOf(Chain.sha256, hashes.slice(from, to)),
  )
  return { text: Chain.legText(lines), group, groups: hashes.length, path: join(path) }
}

/**
 * Makes the proof of an entry against a checkpoint of now, signed by the key ring in context. Reads at most some hundred
 * entries, however long the history is.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fn("Proof.make")(function* (
  subject: Subject,
  book: number,
): Effect.fn.Return<Proof, NotFound | Checkpoints.NothingYet | LedgerError | KeyRingError, KeyRing | LedgerStore> {
  const store = yield* LedgerStore
  return yield* store.snapshot(
    Effect.fnUntraced(function* (view) {
      const checkpoint = yield* Checkpoints.take(view, book)
      const entry = yield* find(view, subject, checkpoint.size)
      if (entry === undefined) return yield* new NotFound({ subject: Object.values(subject).join() })
      const leaves = Merkle.pathLeaves(Number(entry.sequence) - 1, Number(checkpoint.size))
      const path = yield* HistoryTree.hashes(view, leaves)
      return {
        version: "guildhall-proof-1" as const,
        header: yield* Effect.orDie(decodeHeader(Chain.header(entry))),
        legs: legsOf(entry, "account" in subject ? subject.account : undefined),
        path: join(path),
        checkpoint,
      }
    }),
  )
})

/**
 * What a proof proves. `detail` has a posting's links and rate, or all that an act says.
 *
 * @category models
 * @since 0.1.0
 */
export interface Proved {
  readonly sequence: bigint
  readonly kind: string
  readonly idempotencyKey: string
  readonly postedAtMs: number
  readonly effectiveAtMs: number
  readonly hold: string | null
  readonly detail: Schema.Json
  readonly legs: ReadonlyArray<Chain.LegLine>
  readonly checkpoint: Checkpoints.Checkpoint
}

/**
 * Why a proof proves nothing.
 *
 * - `Malformed`: the file, or the header in it, is not of this form.
 * - `WrongLegs`: the legs are not those of the entry.
 * - `NotIncluded`: the entry is not in the history of the checkpoint.
 * - `NotSigned`: none of the keys signed the checkpoint.
 *
 * @category errors
 * @since 0.1.0
 */
export class ProofError extends Schema.TaggedError<ProofError>()("ProofError", {
  reason: Schema.Literals(["Malformed", "WrongLegs", "NotIncluded", "NotSigned"]),
  detail: Schema.String,
}) {
  readonly isRetryable = false
  override get message(): string {
    return `The proof does not hold: ${this.detail}`
  }
}

const fail = (reason: ProofError["reason"], detail: string) => new ProofError({ reason, detail })

const decodeDetail = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Json))
const decodeAct = Schema.decodeUnknownEffect(Schema.Struct({ _tag: Schema.String }))

/** The legs whose text hashes to the root that the header names. */
const checkLegs = (legs: Legs, legsRoot: string): ReadonlyArray<Chain.LegLine> | undefined => {
  const leaf = new TextEncoder().encode(legs.text)
  const root = Merkle.rootFromPath(Chain.sha256, leaf, legs.group, legs.groups, split(legs.path))
  if (root === undefined || Buffer.from(root).toString("base64url") !== legsRoot) return undefined
  return Chain.linesOf(legs.text)
}

const readHeader = Effect.fnUntraced(function* (header: Header) {
  if (header[0] === "act1") {
    const [, sequence, postedAtMs, idempotencyKey, act] = header
    const detail = yield* decodeDetail(act)
    const { _tag: kind } = yield* decodeAct(detail)
    const entry = { sequence: BigInt(sequence), kind, idempotencyKey, postedAtMs, effectiveAtMs: postedAtMs }
    return { ...entry, hold: null, detail, legsRoot: undefined }
  }
  const [, sequence, postedAtMs, effectiveAtMs, kind, idempotencyKey, hold, said, legsRoot] = header
  const detail = said === null ? null : yield* decodeDetail(said)
  return { sequence: BigInt(sequence), kind, idempotencyKey, postedAtMs, effectiveAtMs, hold, detail, legsRoot }
})

/**
 * Checks a proof against the published keys of whoever keeps the books; answers what it proves. Needs neither the ledger nor
 * a connection.
 *
 * @category rules
 * @since 0.1.0
 */
export const check = Effect.fn("Proof.check")(function* (
  proof: Proof,
  keys: ReadonlyArray<PublishedKey>,
): Effect.fn.Return<Proved, ProofError | KeyRingError, Signature.Signature> {
  const { checkpoint, legs, path } = proof
  const { legsRoot, ...entry } = yield* Effect.mapError(readHeader(proof.header), () =>
    fail("Malformed", "its header is not one of an entry."),
  )
  const lines = legs === null || legsRoot === undefined ? [] : checkLegs(legs, legsRoot)
  if (lines === undefined) return yield* fail("WrongLegs", "the legs that it shows are not those of the entry.")
  if ((legs === null) !== (legsRoot === undefined)) return yield* fail("WrongLegs", "only a posting has legs.")
  const leaf = new TextEncoder().encode(JSON.stringify(proof.header))
  const root = Merkle.rootFromPath(Chain.sha256, leaf, Number(entry.sequence) - 1, Number(checkpoint.size), split(path))
  if (root === undefined || Buffer.compare(root, checkpoint.root) !== 0) {
    return yield* fail("NotIncluded", `entry ${entry.sequence} is not in the history that the checkpoint states.`)
  }
  if (!(yield* Checkpoints.isSigned(checkpoint, keys))) {
    return yield* fail(
      "NotSigned",
      `no known key signed the checkpoint; it names ${JSON.stringify(checkpoint.signature.keyId)}.`,
    )
  }
  return { ...entry, legs: lines, checkpoint }
})

/**
 * Reads a proof's file.
 *
 * @category schemas
 * @since 0.1.0
 */
export const parse = (text: string): Effect.Effect<Proof, ProofError> =>
  Effect.mapError(Schema.decodeUnknownEffect(Json)(text), () =>
    fail("Malformed", "the file is not a proof of this ledger, or was cut off."),
  )

/**
 * The hashes that show that a later checkpoint's history begins with an earlier one's. `NotFound` where the book has not as
 * many entries as the later one states.
 *
 * @category constructors
 * @since 0.1.0
 */
export const consistency = Effect.fn("Proof.consistency")(function* (
  earlier: Checkpoints.Checkpoint,
  later: Checkpoints.Checkpoint,
): Effect.fn.Return<ReadonlyArray<Uint8Array>, NotFound | LedgerError, LedgerStore> {
  const store = yield* LedgerStore
  const leaves = Merkle.consistencyLeaves(Number(earlier.size), Number(later.size))
  return yield* store.snapshot(
    Effect.fnUntraced(function* (view) {
      const last = yield* find(view, { sequence: later.size }, later.size)
      if (last === undefined) return yield* new NotFound({ subject: `${later.size}` })
      return yield* HistoryTree.hashes(view, leaves)
    }),
  )
})

/**
 * Whether such hashes show it: nothing that the earlier checkpoint states was changed or taken away since.
 *
 * @category rules
 * @since 0.1.0
 */
export const isConsistent = (
  earlier: Checkpoints.Checkpoint,
  later: Checkpoints.Checkpoint,
  hashes: ReadonlyArray<Uint8Array>,
): boolean =>
  earlier.book === later.book &&
  Merkle.isConsistent(
    Chain.sha256,
    { size: Number(earlier.size), root: earlier.root },
    { size: Number(later.size), root: later.root },
    hashes,
  )
