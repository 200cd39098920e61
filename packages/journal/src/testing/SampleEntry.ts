/**
 * Entries to test a journal with. Ids are fresh on every call, so a suite can run twice on one database.
 *
 * @since 0.1.0
 */
import { randomBytes } from "node:crypto"
import { AssetCode } from "@guildhall/core/Asset"
import { InstanceId } from "@guildhall/core/Instance"
import { KeyId, MemberId } from "@guildhall/core/Member"
import { ModelId } from "@guildhall/core/Model"
import { perMillionCents } from "@guildhall/core/PriceSheet"
import type { Receipt } from "@guildhall/core/Receipt"
import { RequestId } from "@guildhall/core/Request"
import type { JournalEntry, RoutingDecision } from "../JournalEntry.ts"

/** A member that no test has used. @since 0.1.0 */
export const member = (): MemberId => MemberId.make(`mem_${randomBytes(8).toString("hex")}`)

/** Request ids that no test has used, oldest first. @since 0.1.0 */
export const requestIds = (count: number): ReadonlyArray<RequestId> => {
  const start = randomBytes(12).toString("hex")
  return Array.from({ length: count }, (_, at) => RequestId.make(`req_${start}${at.toString(16).padStart(8, "0")}`))
}

/** A fresh text. @since 0.1.0 */
export const text = (): string => randomBytes(8).toString("hex")

const price = perMillionCents({ input: 100n, output: 200n })

/** A receipt of ten tokens in and five out at one and two dollars a million. @since 0.1.0 */
export const receipt = (values: Partial<Receipt> = {}): Receipt => ({
  version: 1,
  id: requestIds(1)[0] ?? RequestId.make(`req_${"0".repeat(32)}`),
  revision: 0,
  market: "local",
  definitionDigest: "0".repeat(64),
  buyer: member(),
  keyId: KeyId.make("key_1"),
  model: ModelId.make("guildhall/demo"),
  provider: MemberId.make("mem_provider"),
  instance: InstanceId.make("ins_1"),
  outcome: "completed",
  usage: { inputToken: 10, outputToken: 5 },
  usageSource: "reported",
  price,
  asset: AssetCode.make("USD"),
  charge: 20_000_000n,
  split: [
    { party: "provider", amount: 18_000_000n },
    { party: "platform", amount: 2_000_000n },
  ],
  paidFromLoss: 0n,
  attempts: 1,
  startedAtMs: 1_750_000_000_000,
  firstByteAtMs: 1_750_000_000_020,
  endedAtMs: 1_750_000_000_100,
  requestCommitment: "a".repeat(64),
  responseCommitment: "b".repeat(64),
  ...values,
})

/** A routing decision with one attempt. @since 0.1.0 */
export const decision: RoutingDecision = {
  replica: "gateway-1",
  version: 7,
  policy: "LeastLoaded@1",
  seed: 42,
  model: "guildhall/demo",
  contextTokens: 10,
  attempts: [{ instance: InstanceId.make("ins_1"), version: 7 }],
}

/** The entry of a request that ended with this receipt. @since 0.1.0 */
export const ended = (values: Partial<Receipt> = {}): Extract<JournalEntry, { _tag: "RequestEnded" }> => {
  const made = receipt(values)
  return {
    _tag: "RequestEnded",
    id: `${made.id}:${made.revision}`,
    receipt: made,
    salts: { request: "c".repeat(32), response: "d".repeat(32) },
    decision,
  }
}

/** The entry of a request that was refused. @since 0.1.0 */
export const refused = (values: {
  readonly requestId: RequestId
  readonly buyer: MemberId | null
  readonly model?: string
}): Extract<JournalEntry, { _tag: "RequestRefused" }> => ({
  _tag: "RequestRefused",
  id: `${values.requestId}:refused`,
  requestId: values.requestId,
  buyer: values.buyer,
  keyId: null,
  model: values.model ?? null,
  reason: "insufficient_funds",
  decision: null,
  atMs: 1_750_000_000_000,
})

/** The entry of an operator's act. @since 0.1.0 */
export const acted = (actor: MemberId): Extract<JournalEntry, { _tag: "OperatorActed" }> => ({
  _tag: "OperatorActed",
  id: `act:${text()}`,
  actor,
  act: "key.revoked",
  subject: "key_1",
  atMs: 1_750_000_000_000,
})
