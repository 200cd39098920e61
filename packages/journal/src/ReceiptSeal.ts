/**
 * Sealing: the receipts of a batch become the leaves of a Merkle tree, and one signature over its root covers them all.
 *
 * @since 0.1.0
 */
import { hash } from "node:crypto"
import * as Effect from "effect/Effect"
import { KeyRing, KeyRingError, type PublishedKey } from "@guildhall/core/KeyRing"
import * as Merkle from "@guildhall/core/Merkle"
import * as Receipt from "@guildhall/core/Receipt"
import type { UnsealedReceipt } from "./Journal.ts"

/**
 * A sealed batch, as `Journal.receipts.seal` takes it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sealed {
  readonly batch: Receipt.ReceiptBatch
  readonly receipts: ReadonlyArray<UnsealedReceipt>
}

const sha256 = (bytes: Uint8Array): Uint8Array => hash("sha256", bytes, "buffer")
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/**
 * The leaf of a receipt in its batch's tree: SHA-256 of a zero byte and its canonical bytes.
 *
 * @category encoding
 * @since 0.1.0
 */
export const leafOf = (receipt: Receipt.Receipt): Uint8Array => Merkle.leafHash(sha256, Receipt.bytes(receipt))

/**
 * A receipt as its owner holds it, out of a batch that was sealed: with the path from its leaf to the batch's root.
 *
 * @category constructors
 * @since 0.1.0
 */
export const signed = (
  { receipt, salts }: Pick<Receipt.SignedReceipt, "receipt" | "salts">,
  sealed: {
    readonly batch: Receipt.ReceiptBatch
    readonly leaves: ReadonlyArray<Uint8Array>
    readonly index: number
  },
): Receipt.SignedReceipt => {
  const { batch, index, leaves } = sealed
  const path = Merkle.pathLeaves(index, leaves.length).map(({ from, to }) =>
    hex(Merkle.rootOf(sha256, leaves.slice(from, to))),
  )
  return { receipt, salts, index, path, batch }
}

const signingKey = (keys: ReadonlyArray<PublishedKey>) =>
  keys.findLast((key) => key.purpose === "receipt" && key.validUntilMs === undefined)

/**
 * Seals a batch of receipts: builds the tree and signs its root with the key ring's key for receipts.
 * `nowMs` becomes the time of the signature, unless the key begins later. The batch is kept by nothing yet: give it
 * to `Journal.receipts.seal`. Fails where the ring cannot sign.
 *
 * @category constructors
 * @since 0.1.0
 */
export const seal = Effect.fn("ReceiptSeal.seal")(function* (
  receipts: ReadonlyArray<UnsealedReceipt>,
  options: { readonly market: string; readonly batchId: string; readonly nowMs: number },
): Effect.fn.Return<Sealed, KeyRingError, KeyRing> {
  const ring = yield* KeyRing
  const root = Merkle.rootOf(
    sha256,
    receipts.map(({ leaf }) => leaf),
  )
  const content = {
    batchId: options.batchId,
    market: options.market,
    root: hex(root),
    size: receipts.length,
  }

  // The signature must lie within its key's validity. Listing makes the ring notice another process's rotation; one
  // that comes between listing and signing is noticed by the id, and the root is signed again.
  const sign = Effect.gen(function* () {
    const key = signingKey(yield* ring.list)
    const signedAtMs = Math.max(options.nowMs, key?.validFromMs ?? 0)
    const signature = yield* ring.sign("receipt", Receipt.batchBytes({ ...content, signedAtMs }))
    return { signedAtMs, signature, current: signature.keyId === key?.id }
  })
  const { signedAtMs, signature, current } = yield* Effect.repeat(sign, { until: (made) => made.current, times: 3 })
  if (!current) return yield* new KeyRingError({ reason: "Unavailable", detail: "Its keys change at every signature." })

  const batch: Receipt.ReceiptBatch = { ...content, signedAtMs, keyId: signature.keyId, signature: signature.value }
  return { batch, receipts }
})
