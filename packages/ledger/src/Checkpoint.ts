/**
 * A signed statement of where a book's history stands: whoever keeps one can prove later what was in it, and that nothing
 * of it was changed since.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Signature from "effect/crypto/Signature"
import { KeyRing, type KeyRingError, KeySignature, type PublishedKey, verifyPublished } from "@guildhall/core/KeyRing"
import { Amount } from "@guildhall/core/Money"
import type { LedgerError } from "./LedgerError.ts"
import type { View } from "./LedgerStore.ts"

const Hash = Schema.Uint8ArrayFromBase64Url.pipe(
  Schema.check(Schema.makeFilter((bytes) => (bytes.length === 32 ? undefined : "a hash has 32 bytes."))),
)

/**
 * A checkpoint. `size` is how many entries the book has, `root` the Merkle root over them, `chain` the head of its chain of
 * batches, `atMs` when the last batch was committed. The signature is over {@link payload}, with a key of the purpose
 * `checkpoint`.
 *
 * @category models
 * @since 0.1.0
 */
export const Checkpoint = Schema.Struct({
  book: Schema.Int,
  size: Amount,
  root: Hash,
  chain: Hash,
  atMs: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 8.64e15 }))),
  signature: KeySignature,
})
/** @since 0.1.0 */
export type Checkpoint = typeof Checkpoint.Type

/**
 * What is signed: a JSON array of the version, the book, the size, root and chain in hexadecimal, and the time.
 *
 * @category encoding
 * @since 0.1.0
 */
export const payload = ({ atMs, book, chain, root, size }: Omit<Checkpoint, "signature">): Uint8Array =>
  new TextEncoder().encode(
    JSON.stringify([
      "checkpoint1",
      book,
      size.toString(),
      Buffer.from(root).toString("hex"),
      Buffer.from(chain).toString("hex"),
      atMs,
    ]),
  )

/**
 * The book has no history yet that could be stated.
 *
 * @category errors
 * @since 0.1.0
 */
export class NothingYet extends Schema.TaggedError<NothingYet>()("NothingYet", {}) {
  readonly isRetryable = false
  override get message(): string {
    return "The book has no entries yet, so there is nothing to state. Open an account first."
  }
}

/** The last batch: found by doubling, then by halving, since batches are numbered without gaps. */
const lastBatch = Effect.fnUntraced(function* (view: View) {
  const at = (number: bigint) =>
    Effect.map(view.history("batches", { after: number - 1n, limit: 1 }), ([batch]) => batch)
  let [low, high] = [0n, 1n]
  while ((yield* at(high)) !== undefined) [low, high] = [high, high * 2n]
  while (high - low > 1n) {
    const middle = (low + high) / 2n
    if ((yield* at(middle)) === undefined) high = middle
    else low = middle
  }
  return low === 0n ? undefined : yield* at(low)
})

/**
 * Takes a checkpoint of a book as it stands, signed by the key ring in context.
 *
 * @category constructors
 * @since 0.1.0
 */
export const take = Effect.fn("Checkpoint.take")(function* (
  view: View,
  book: number,
): Effect.fn.Return<Checkpoint, NothingYet | LedgerError | KeyRingError, KeyRing> {
  const keyRing = yield* KeyRing
  const batch = yield* lastBatch(view)
  if (batch === undefined) return yield* new NothingYet()
  const { chain, committedAtMs: atMs, lastSequence: size, root } = batch
  const stands = { book, size, root, chain, atMs }
  return { ...stands, signature: yield* keyRing.sign("checkpoint", payload(stands)) }
})

/**
 * Whether one of these keys signed a checkpoint. Needs no ledger, and no connection.
 *
 * @category rules
 * @since 0.1.0
 */
export const isSigned = (
  checkpoint: Checkpoint,
  keys: ReadonlyArray<PublishedKey>,
): Effect.Effect<boolean, KeyRingError, Signature.Signature> =>
  verifyPublished(keys, "checkpoint", payload(checkpoint), checkpoint.signature)
