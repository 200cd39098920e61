/**
 * Step 8. What a request leaves behind: the receipt, and its entry for the journal. The entry travels as an attachment
 * of the settlement, so charge and receipt become durable together or not at all.
 *
 * @since 0.1.0
 */
import { createHash, hash, type Hash } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import { type Instance, isAttested } from "@guildhall/core/Instance"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import type { ReasonCode } from "@guildhall/core/Reason"
import type { Outcome, Receipt, RoutingProof, UsageSource } from "@guildhall/core/Receipt"
import type { RequestId } from "@guildhall/core/Request"
import type { Party } from "@guildhall/core/rules/Split"
import type { Usage } from "@guildhall/core/Usage"
import { decisionJson, type JournalEntry, type RoutingDecision } from "@guildhall/journal/JournalEntry"
import { Router } from "@guildhall/routing/Router"
import * as Proof from "@guildhall/routing/RoutingProof"
import type { Admitted } from "./Admit.ts"
import { Attestation } from "./Attestation.ts"
import type { Conclusion } from "./Conclusion.ts"
import { randomHex } from "./internal/Ids.ts"
import { Market } from "./Market.ts"
import type { Metered } from "./Meter.ts"
import type { Routed } from "./Route.ts"
import type { Charge } from "./Settle.ts"

/**
 * The salts of a request's two commitments: 16 random bytes each, in hexadecimal.
 *
 * @category models
 * @since 0.1.0
 */
export interface Salts {
  readonly request: string
  readonly response: string
}

/**
 * What the receipt keeps of a request from its beginning.
 *
 * @category models
 * @since 0.1.0
 */
export interface Opening {
  readonly salts: Salts
  readonly requestCommitment: string
}

/**
 * Begins a commitment: what is added to the hash afterwards is what is committed to.
 *
 * @category constructors
 * @since 0.1.0
 */
export const commit = (salt: string): Hash => createHash("sha256").update(Buffer.from(salt, "hex"))

/**
 * Draws the salts and commits to the request's bytes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const open = (body: Uint8Array): Opening => {
  const salts = { request: randomHex(16), response: randomHex(16) }
  const salted = Buffer.concat([Buffer.from(salts.request, "hex"), body])
  return { salts, requestCommitment: hash("sha256", salted, "hex") }
}

/**
 * How a request ended, as far as the receipt is concerned. `responseCommitment` is absent where nothing was delivered.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ending {
  readonly outcome: Outcome
  readonly reason: ReasonCode | undefined
  readonly instance: Instance | undefined
  readonly usage: Usage
  readonly usageSource: UsageSource
  readonly charge: bigint
  readonly split: ReadonlyArray<{ readonly party: Party; readonly amount: bigint }>
  readonly attempts: number
  readonly firstByteAtMs: number | undefined
  readonly endedAtMs: number
  readonly responseCommitment: string | undefined
  readonly routing: RoutingProof | undefined
  /** What the device that served has signed, as the market holds it. */
  readonly attested?: Pick<Receipt, "commitment" | "usageHead"> | undefined
}

/**
 * Writes the receipt of a request, in its first revision.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  market: { readonly definition: MarketDefinition; readonly digest: string },
  admitted: Admitted,
  opening: Opening,
  ending: Ending,
): Receipt => {
  const { instance, reason, firstByteAtMs, responseCommitment } = ending
  const receipt: { -readonly [Key in keyof Receipt]: Receipt[Key] } = {
    version: 1,
    id: admitted.id,
    revision: 0,
    market: market.definition.name,
    definitionDigest: market.digest,
    buyer: admitted.payer.memberId,
    keyId: admitted.payer.keyId,
    model: instance?.model ?? admitted.model,
    outcome: ending.outcome,
    usage: ending.usage,
    usageSource: ending.usageSource,
    price: instance?.price ?? [],
    asset: market.definition.chargeAsset,
    charge: ending.charge,
    split: ending.split,
    paidFromLoss: 0n,
    attempts: ending.attempts,
    startedAtMs: admitted.startedAtMs,
    endedAtMs: ending.endedAtMs,
    requestCommitment: opening.requestCommitment,
  }
  if (instance !== undefined) {
    receipt.provider = instance.memberId
    receipt.device = instance.deviceId
    receipt.instance = instance.id
    if (!isAttested(instance)) receipt.unattested = true
  }
  if (reason !== undefined) receipt.reason = reason
  if (firstByteAtMs !== undefined) receipt.firstByteAtMs = firstByteAtMs
  if (responseCommitment !== undefined) receipt.responseCommitment = responseCommitment
  if (ending.routing !== undefined) receipt.routing = ending.routing
  if (ending.attested?.commitment !== undefined) receipt.commitment = ending.attested.commitment
  if (ending.attested?.usageHead !== undefined) receipt.usageHead = ending.attested.usageHead
  return receipt
}

/**
 * The id of a receipt's entry in the journal. Each revision has one of its own.
 *
 * @category constructors
 * @since 0.1.0
 */
export const entryId = (id: RequestId, revision: number): string => `${id}:${revision}`

/**
 * The journal's entry about a request that took a hold.
 *
 * @category constructors
 * @since 0.1.0
 */
export const entry = (
  receipt: Receipt,
  salts: Salts,
  decision: RoutingDecision | null,
): Extract<JournalEntry, { readonly _tag: "RequestEnded" }> => ({
  _tag: "RequestEnded",
  id: entryId(receipt.id, receipt.revision),
  receipt,
  salts,
  decision,
})

const sheets = new WeakMap<PriceSheet.PriceSheet, Schema.Json>()

const sheetJson = (sheet: PriceSheet.PriceSheet): Schema.Json => {
  const known = sheets.get(sheet)
  if (known !== undefined) return known
  const json = PriceSheet.json(sheet).map(({ amount, per, unit }) => ({ amount, per, unit }))
  sheets.set(sheet, json)
  return json
}

const usageJson = (usage: Usage): Schema.Json => {
  const json: Record<string, number> = {}
  if (usage.audioSecond !== undefined) json["audioSecond"] = usage.audioSecond
  if (usage.cachedInputToken !== undefined) json["cachedInputToken"] = usage.cachedInputToken
  if (usage.deviceHour !== undefined) json["deviceHour"] = usage.deviceHour
  if (usage.image !== undefined) json["image"] = usage.image
  if (usage.inputToken !== undefined) json["inputToken"] = usage.inputToken
  if (usage.outputToken !== undefined) json["outputToken"] = usage.outputToken
  if (usage.request !== undefined) json["request"] = usage.request
  return json
}

/** The receipt's members in the order of the alphabet: what is written of this is the receipt's canonical form. */
const receiptJson = (receipt: Receipt): Schema.Json => {
  const json: Record<string, Schema.Json> = {
    asset: receipt.asset,
    attempts: receipt.attempts,
    buyer: receipt.buyer,
    charge: receipt.charge.toString(),
  }
  if (receipt.commitment !== undefined) json["commitment"] = receipt.commitment
  json["definitionDigest"] = receipt.definitionDigest
  if (receipt.device !== undefined) json["device"] = receipt.device
  json["endedAtMs"] = receipt.endedAtMs
  if (receipt.firstByteAtMs !== undefined) json["firstByteAtMs"] = receipt.firstByteAtMs
  json["id"] = receipt.id
  if (receipt.instance !== undefined) json["instance"] = receipt.instance
  json["keyId"] = receipt.keyId
  json["market"] = receipt.market
  json["model"] = receipt.model
  json["outcome"] = receipt.outcome
  json["paidFromLoss"] = receipt.paidFromLoss.toString()
  json["price"] = sheetJson(receipt.price)
  if (receipt.provider !== undefined) json["provider"] = receipt.provider
  if (receipt.reason !== undefined) json["reason"] = receipt.reason
  json["requestCommitment"] = receipt.requestCommitment
  if (receipt.responseCommitment !== undefined) json["responseCommitment"] = receipt.responseCommitment
  json["revision"] = receipt.revision
  if (receipt.routing !== undefined) {
    const { decision, log, policy, replica, sealed, seed, version } = receipt.routing
    json["routing"] = { decision, log, policy, replica, sealed, seed, version }
  }
  json["split"] = receipt.split.map(({ party, amount }) => ({ amount: amount.toString(), party }))
  json["startedAtMs"] = receipt.startedAtMs
  if (receipt.unattested !== undefined) json["unattested"] = receipt.unattested
  json["usage"] = usageJson(receipt.usage)
  if (receipt.usageHead !== undefined) {
    const { hash, number } = receipt.usageHead
    json["usageHead"] = { hash, number }
  }
  json["usageSource"] = receipt.usageSource
  json["version"] = receipt.version
  return json
}

/**
 * The entry as JSON, the same that `JournalEntryJson` encodes, with the receipt in its canonical form: the journal hashes it
 * as it stands. It is written by hand because it runs for each request; a test compares the two.
 *
 * @category encoding
 * @since 0.1.0
 */
export const entryJson = (entry: Extract<JournalEntry, { readonly _tag: "RequestEnded" }>): Schema.Json => {
  const { decision, id, receipt, salts } = entry
  return {
    _tag: entry._tag,
    id,
    receipt: receiptJson(receipt),
    salts: { request: salts.request, response: salts.response },
    decision: decision === null ? null : decisionJson(decision),
  }
}

/**
 * Makes the step: the receipt of a request, once it is known what it comes to.
 *
 * @category constructors
 * @since 0.1.0
 */
export const step = Effect.gen(function* () {
  const market = yield* Market
  const clock = yield* Clock.Clock
  const router = yield* Router
  const attestation = Option.getOrUndefined(yield* Effect.serviceOption(Attestation))

  return (
    admitted: Admitted,
    opening: Opening,
    { decision, firstByteAtMs, instance }: Routed,
    hash: Hash,
    { outcome, reason, delivered }: Conclusion,
    { usage, source }: Metered,
    charge: Charge,
  ): Effect.Effect<Extract<JournalEntry, { readonly _tag: "RequestEnded" }>> =>
    Effect.sync(() => {
      const receipt = make(market, admitted, opening, {
        outcome,
        reason,
        instance,
        usage,
        usageSource: source,
        charge: charge.amount,
        split: charge.split,
        attempts: decision.attempts.length,
        firstByteAtMs,
        endedAtMs: clock.currentTimeMillisUnsafe(),
        responseCommitment: delivered ? hash.digest("hex") : undefined,
        routing: Proof.make(decision, router.head(), opening.salts.request, {
          id: admitted.id,
          market: market.definition.name,
          definition: market.digest,
          reason: reason ?? null,
        }),
        attested: instance === undefined ? undefined : attestation?.of(instance),
      })
      return entry(receipt, opening.salts, decision)
    })
})
