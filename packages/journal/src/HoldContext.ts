/**
 * What a hold keeps of its request for the case that the gateway dies: enough for the receipt that says so, and no more,
 * since it is written for every request and read for almost none.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Receipt } from "@guildhall/core/Receipt"
import { type JournalEntry, JournalEntryJson } from "./JournalEntry.ts"

/**
 * The facts that a hold's context has.
 *
 * @category models
 * @since 0.1.0
 */
export interface HoldContext extends Pick<
  Receipt,
  "id" | "market" | "definitionDigest" | "buyer" | "keyId" | "model" | "asset" | "startedAtMs" | "requestCommitment"
> {
  readonly salts: { readonly request: string; readonly response: string }
}

/**
 * Writes a context: a list without names.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (context: HoldContext): Schema.Json => [
  context.id,
  context.market,
  context.definitionDigest,
  context.buyer,
  context.keyId,
  context.model,
  context.asset,
  context.startedAtMs,
  context.requestCommitment,
  context.salts.request,
  context.salts.response,
]

const decodeList = Schema.decodeUnknownResult(
  Schema.Tuple([
    Schema.String,
    Schema.String,
    Schema.String,
    Schema.String,
    Schema.String,
    Schema.String,
    Schema.String,
    Schema.Int,
    Schema.String,
    Schema.String,
    Schema.String,
  ]),
)
const decodeEntry = Schema.decodeUnknownResult(JournalEntryJson)

/**
 * The entry of a request whose hold expired, from the context of the hold: nothing is known to have been served, and nothing is
 * charged. A context that is a whole entry, as an embedder may write it, is taken as it is.
 *
 * @category decoding
 * @since 0.1.0
 */
export const entryOf = (context: unknown): Result.Result<JournalEntry, Schema.SchemaError> => {
  if (!Array.isArray(context)) return decodeEntry(context)
  return Result.flatMap(decodeList(context), (list) => {
    const [
      id,
      market,
      definitionDigest,
      buyer,
      keyId,
      model,
      asset,
      startedAtMs,
      requestCommitment,
      request,
      response,
    ] = list
    const receipt = {
      version: 1,
      id,
      revision: 0,
      market,
      definitionDigest,
      buyer,
      keyId,
      model,
      outcome: "recovered",
      reason: "hold_expired",
      usage: {},
      usageSource: "none",
      price: [],
      asset,
      charge: "0",
      split: [],
      paidFromLoss: "0",
      attempts: 0,
      startedAtMs,
      endedAtMs: startedAtMs,
      requestCommitment,
    }
    return decodeEntry({ _tag: "RequestEnded", id: `${id}:0`, receipt, salts: { request, response }, decision: null })
  })
}
