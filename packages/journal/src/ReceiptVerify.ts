/**
 * Checking a signed receipt with nothing but the market's published keys: no network, no database, no trust in who
 * handed it over.
 *
 * @since 0.1.0
 */
import { createHash, timingSafeEqual } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Signature } from "effect/crypto/Signature"
import { type KeyRingError, PublishedKey, verifyPublished } from "@guildhall/core/KeyRing"
import * as Merkle from "@guildhall/core/Merkle"
import { cost } from "@guildhall/core/PriceSheet"
import * as Receipt from "@guildhall/core/Receipt"
import * as Commitment from "./Commitment.ts"

/**
 * One check: what was looked at, whether it holds, and why.
 *
 * - `shape`: the text is a signed receipt, and holds nothing that the signature does not cover.
 * - `inclusion`: receipt and path lead to the batch's root.
 * - `key`: the key that signed is published, for receipts, and was valid when it signed.
 * - `signature`: the root was signed with that key.
 * - `split`: the parts of the charge are not negative and sum to it.
 * - `charge`: it is at most the price of the usage.
 * - `request`, `response`: the bodies are the ones that the receipt commits to.
 * - `commitment`, `usage`: what the device signed that it serves, and its usage log, are those that the receipt names.
 *
 * @category models
 * @since 0.1.0
 */
export const Check = Schema.Struct({
  name: Schema.Literals([
    "shape",
    "inclusion",
    "key",
    "signature",
    "split",
    "charge",
    "request",
    "response",
    "commitment",
    "usage",
  ]),
  holds: Schema.Boolean,
  detail: Schema.String,
})
/** @since 0.1.0 */
export type Check = typeof Check.Type

/**
 * All the checks of a receipt. `receipt` is null where the text is none, and then nothing else was checked.
 *
 * @category models
 * @since 0.1.0
 */
export interface Verdict {
  readonly holds: boolean
  readonly receipt: Receipt.SignedReceipt | null
  readonly checks: ReadonlyArray<Check>
}

/**
 * What is checked: the receipt's text as it was downloaded, the published keys, and the exact bytes of the request
 * and the answer where they are at hand. `further` are checks of others' statements, such as the device's.
 *
 * @category models
 * @since 0.1.0
 */
export interface Evidence {
  readonly text: string
  readonly keys: ReadonlyArray<PublishedKey>
  readonly request?: Uint8Array | undefined
  readonly response?: Uint8Array | undefined
  readonly further?: ((receipt: Receipt.Receipt) => ReadonlyArray<Check>) | undefined
}

const decodeReceipt = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.toCodecJson(Receipt.SignedReceipt)), {
  onExcessProperty: "error",
})
const PublishedKeys = Schema.Array(PublishedKey)
const decodeKeys = Schema.decodeUnknownResult(
  Schema.fromJsonString(Schema.Union([PublishedKeys, Schema.Struct({ keys: PublishedKeys })])),
)
const isList = Schema.is(PublishedKeys)

/**
 * Reads a list of keys as it is published at `/.well-known/guildhall-keys.json`: `{ "keys": [...] }`, or the array alone.
 *
 * @category parsing
 * @since 0.1.0
 */
export const readKeys = (text: string): Result.Result<ReadonlyArray<PublishedKey>, string> =>
  decodeKeys(text).pipe(
    Result.map((decoded) => (isList(decoded) ? decoded : decoded.keys)),
    Result.mapError((error) => error.message.replace(/\s+/g, " ").slice(0, 300)),
  )

const sha256 = (bytes: Uint8Array): Uint8Array => createHash("sha256").update(bytes).digest()
const check = (name: Check["name"], holds: boolean, detail: string): Check => ({ name, holds, detail })

const sameHex = (a: string, b: string): boolean => {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

const inclusion = ({ receipt, index, path, batch }: Receipt.SignedReceipt): Check => {
  const siblings = path.map((node) => Buffer.from(node, "hex"))
  const root = siblings.every((node) => node.length === 32)
    ? Merkle.rootFromPath(sha256, Receipt.bytes(receipt), index, batch.size, siblings)
    : undefined
  if (batch.market !== receipt.market) {
    return check(
      "inclusion",
      false,
      `The batch is of the market "${batch.market}", the receipt of "${receipt.market}".`,
    )
  }
  return root !== undefined && sameHex(Buffer.from(root).toString("hex"), batch.root)
    ? check("inclusion", true, `It is number ${index + 1} of ${batch.size} in the batch ${batch.batchId}.`)
    : check("inclusion", false, "Receipt and path do not lead to the batch's root. The receipt was changed.")
}

const keyOf = ({ batch }: Receipt.SignedReceipt, keys: ReadonlyArray<PublishedKey>): Check => {
  const key = keys.find((one) => one.id === batch.keyId)
  if (key === undefined) {
    return check("key", false, `The key ${batch.keyId} is not in the list. Download the market's newest list of keys.`)
  }
  if (key.purpose !== "receipt") return check("key", false, `The key ${key.id} is for a ${key.purpose}, not a receipt.`)
  const valid = key.validFromMs <= batch.signedAtMs && batch.signedAtMs <= (key.validUntilMs ?? Infinity)
  return valid
    ? check("key", true, `The key ${key.id} was valid when it signed.`)
    : check("key", false, `The key ${key.id} was not valid at ${batch.signedAtMs}, when it is said to have signed.`)
}

const signatureOf = (signed: Receipt.SignedReceipt, keys: ReadonlyArray<PublishedKey>) => {
  const { keyId, signature: value, ...content } = signed.batch
  return Effect.map(verifyPublished(keys, "receipt", Receipt.batchBytes(content), { keyId, value }), (holds) =>
    check(
      "signature",
      holds,
      holds
        ? `The market "${content.market}" signed the batch's root.`
        : "The signature does not fit the batch and the key. Nobody vouches for this receipt.",
    ),
  )
}

const amounts = ({ receipt }: Receipt.SignedReceipt): ReadonlyArray<Check> => {
  const sum = receipt.split.reduce((total, part) => total + part.amount, 0n)
  const split = receipt.split.every((part) => part.amount >= 0n) && sum === receipt.charge
  const most = cost(receipt.price, receipt.usage)
  const paid = receipt.charge + receipt.paidFromLoss
  const charge = receipt.charge >= 0n && receipt.paidFromLoss >= 0n && paid <= most
  return [
    check(
      "split",
      split,
      split ? `The parts sum to the charge.` : `The parts sum to ${sum}, the charge is ${receipt.charge}.`,
    ),
    check(
      "charge",
      charge,
      charge
        ? paid === most
          ? "The charge is the price of the usage."
          : `The charge is ${most - paid} below the price of the usage.`
        : `The charge is ${paid}, but the usage costs ${most} at this price.`,
    ),
  ]
}

const body = (
  name: "request" | "response",
  bytes: Uint8Array | undefined,
  salt: string,
  commitment: string | undefined,
): ReadonlyArray<Check> => {
  if (bytes === undefined) return []
  if (commitment === undefined) return [check(name, false, `The receipt commits to no ${name}.`)]
  const holds = sameHex(Commitment.commit(salt, bytes), commitment)
  return [
    holds
      ? check(name, true, `These ${bytes.length} bytes are the ${name}.`)
      : check(name, false, `These ${bytes.length} bytes are not the ${name}. Give the exact bytes, unformatted.`),
  ]
}

/**
 * Checks a receipt. It never fails over what is wrong with the receipt or the keys: that is in the verdict.
 *
 * @category verification
 * @since 0.1.0
 */
export const verify = Effect.fn("ReceiptVerify.verify")(function* (
  evidence: Evidence,
): Effect.fn.Return<Verdict, KeyRingError, Signature> {
  const decoded = decodeReceipt(evidence.text)
  if (Result.isFailure(decoded)) {
    const why = decoded.failure.message.replace(/\s+/g, " ").slice(0, 300)
    const detail = `It is not a signed receipt: ${why}`
    return { holds: false, receipt: null, checks: [check("shape", false, detail)] }
  }
  const signed = decoded.success
  const { receipt, salts } = signed
  const checks = [
    check("shape", true, `It is the receipt of ${receipt.id}, revision ${receipt.revision}.`),
    inclusion(signed),
    keyOf(signed, evidence.keys),
    yield* signatureOf(signed, evidence.keys),
    ...amounts(signed),
    ...body("request", evidence.request, salts.request, receipt.requestCommitment),
    ...body("response", evidence.response, salts.response, receipt.responseCommitment),
    ...(evidence.further?.(receipt) ?? []),
  ]
  return { holds: checks.every((one) => one.holds), receipt: signed, checks }
})
