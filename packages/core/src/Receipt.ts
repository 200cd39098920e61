/**
 * What a request leaves behind: who asked, who served, what was counted and what was paid. Its canonical bytes are
 * a leaf of a batch's Merkle tree, and the gateway signs the root, so anyone with the published keys can check it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Canonical from "./Canonical.ts"
import { AssetCode } from "./Asset.ts"
import { DeviceId } from "./Device.ts"
import { InstanceId } from "./Instance.ts"
import { KeyId, MemberId } from "./Member.ts"
import { ModelId } from "./Model.ts"
import { Amount } from "./Money.ts"
import { PriceSheet } from "./PriceSheet.ts"
import { ReasonCode } from "./Reason.ts"
import { RequestId } from "./Request.ts"
import { Party } from "./rules/Split.ts"
import { Usage } from "./Usage.ts"

/**
 * How a request ended.
 *
 * - `completed`: the whole answer was delivered.
 * - `aborted`: the buyer left; what was delivered is charged.
 * - `truncated`: the provider broke off; what was delivered is charged.
 * - `failed`: nothing was delivered and nothing is charged.
 * - `recovered`: the gateway died in the middle; the buyer pays nothing, and the provider's claim is paid by the platform.
 *
 * @category models
 * @since 0.1.0
 */
export const Outcome = Schema.Literals(["completed", "aborted", "truncated", "failed", "recovered"])
/** @since 0.1.0 */
export type Outcome = typeof Outcome.Type

/**
 * Where the billed counts come from: the provider's report, the gateway's own bound where the report exceeded it or
 * was missing, the gateway's exact count afterwards where it was lower, or the agent's signed usage line in a claim.
 *
 * @category models
 * @since 0.1.0
 */
export const UsageSource = Schema.Literals(["reported", "bounded", "counted", "claimed", "none"])
/** @since 0.1.0 */
export type UsageSource = typeof UsageSource.Type

/**
 * What ties a receipt to the log by which its request was routed. At most 300 bytes of JSON where the names of gateway
 * and policy have up to 50 characters together.
 *
 * - `replica`: whose log, one start of one gateway. `policy` and `seed`: how it was chosen.
 * - `log`: SHA-256, in hexadecimal, over the hash of the segment that ends at version `sealed`, which was the newest that
 *   was kept for good, and over all changes after it up to `version`. Nothing that the decision saw can be changed later.
 * - `decision`: a commitment to the whole decision (model, context, endpoint, preferences, features, each attempt), to whose it
 *   is (request, market, definition, reason) and to `sealed`, `version` and `log`, with a salt that is made of that of the
 *   request's commitment.
 *
 * @category models
 * @since 0.1.0
 */
export const RoutingProof = Schema.Struct({
  replica: Schema.String,
  sealed: Schema.Int,
  version: Schema.Int,
  log: Schema.String,
  policy: Schema.String,
  seed: Schema.Int,
  decision: Schema.String,
})
/** @since 0.1.0 */
export type RoutingProof = typeof RoutingProof.Type

/**
 * A receipt. Times are milliseconds since 1970; amounts are in the smallest unit of `asset`. The commitments are
 * SHA-256 over a 16-byte salt and the exact bytes, in hexadecimal: they show nothing without the salt. A later
 * revision of a receipt only ever lowers the charge or adds what a claim paid. `routing` is absent where nothing is known
 * of how the request was routed, as after a crash. `unattested` stands where no device key is behind the instance that served.
 *
 * - `commitment` is the digest of what the device last signed that it serves, as the market held it then.
 * - `usageHead` is where the device's usage log last stood, as it had signed it by then: of a charge that is the last head before
 *   the market heard of the request's line; of a claim it is the head that came with the line.
 *
 * @category models
 * @since 0.1.0
 */
export const Receipt = Schema.Struct({
  version: Schema.Literal(1),
  id: RequestId,
  revision: Schema.Int,
  market: Schema.String,
  definitionDigest: Schema.String,
  buyer: MemberId,
  keyId: KeyId,
  model: ModelId,
  provider: Schema.optionalKey(MemberId),
  device: Schema.optionalKey(DeviceId),
  instance: Schema.optionalKey(InstanceId),
  unattested: Schema.optionalKey(Schema.Literal(true)),
  outcome: Outcome,
  reason: Schema.optionalKey(ReasonCode),
  usage: Usage,
  usageSource: UsageSource,
  price: PriceSheet,
  asset: AssetCode,
  charge: Amount,
  split: Schema.Array(Schema.Struct({ party: Party, amount: Amount })),
  paidFromLoss: Amount,
  attempts: Schema.Int,
  startedAtMs: Schema.Int,
  firstByteAtMs: Schema.optionalKey(Schema.Int),
  endedAtMs: Schema.Int,
  requestCommitment: Schema.String,
  responseCommitment: Schema.optionalKey(Schema.String),
  routing: Schema.optionalKey(RoutingProof),
  commitment: Schema.optionalKey(Schema.String),
  usageHead: Schema.optionalKey(Schema.Struct({ number: Schema.Int, hash: Schema.String })),
})
/** @since 0.1.0 */
export type Receipt = typeof Receipt.Type

/** The receipt as JSON: amounts as strings. @since 0.1.0 */
export const ReceiptJson = Schema.toCodecJson(Receipt)

/**
 * The canonical bytes of a receipt: the leaf that is hashed into its batch.
 *
 * @category encoding
 * @since 0.1.0
 */
export const bytes = (receipt: Receipt): Uint8Array =>
  // The codec's output is JSON by construction; its type says `unknown` members where a schema is a record.
  Canonical.bytes(encodeJson(receipt) as Canonical.Json)

const encodeJson = Schema.encodeSync(ReceiptJson)

/**
 * A batch's signed root. `root` is hexadecimal; what is signed are the canonical bytes of
 * `{ batchId, market, root, size, signedAtMs }`.
 *
 * @category models
 * @since 0.1.0
 */
export const ReceiptBatch = Schema.Struct({
  batchId: Schema.String,
  market: Schema.String,
  root: Schema.String,
  size: Schema.Int,
  signedAtMs: Schema.Int,
  keyId: Schema.String,
  signature: Schema.String,
})
/** @since 0.1.0 */
export type ReceiptBatch = typeof ReceiptBatch.Type

/**
 * A receipt with everything needed to check it offline: the path from its leaf to the batch's root, the signed
 * root, and the salts of its commitments.
 *
 * @category models
 * @since 0.1.0
 */
export const SignedReceipt = Schema.Struct({
  receipt: Receipt,
  salts: Schema.Struct({ request: Schema.String, response: Schema.String }),
  index: Schema.Int,
  path: Schema.Array(Schema.String),
  batch: ReceiptBatch,
})
/** @since 0.1.0 */
export type SignedReceipt = typeof SignedReceipt.Type

/**
 * The bytes of a batch that its signature covers.
 *
 * @category encoding
 * @since 0.1.0
 */
export const batchBytes = (batch: Omit<ReceiptBatch, "keyId" | "signature">): Uint8Array =>
  Canonical.bytes({
    batchId: batch.batchId,
    market: batch.market,
    root: batch.root,
    signedAtMs: batch.signedAtMs,
    size: batch.size,
  })
