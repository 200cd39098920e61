/** How the journal's requests are shown, and to whom. */
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import type { RequestRecord } from "@guildhall/journal/Journal"
import type { Caller } from "@guildhall/protocol/api/Access"
import type { RequestPage, RequestView } from "@guildhall/protocol/api/RequestsApi"
import * as AccountViews from "./AccountViews.ts"

/** Whether the caller bought the request, served it, or is an operator. */
export const isFor = (caller: Caller["Service"], record: RequestRecord): boolean => {
  if (caller.role === "operator") return true
  return record._tag === "RequestEnded"
    ? caller.memberId === record.receipt.buyer || caller.memberId === record.receipt.provider
    : caller.memberId === record.buyer
}

/** Whether the caller may see what the request's buyer said of it: the buyer itself, or an operator. */
export const isBuyers = (caller: Caller["Service"], record: RequestRecord): boolean =>
  caller.role === "operator" ||
  caller.memberId === (record._tag === "RequestEnded" ? record.receipt.buyer : record.buyer)

/** Makes the function that shows requests. */
export const request = (definition: MarketDefinition) => {
  const show = AccountViews.money(definition)
  const nothing = show(0n, definition.chargeAsset)
  return (record: RequestRecord): RequestView => {
    if (record._tag === "RequestRefused") {
      return {
        id: record.requestId,
        outcome: "refused",
        reason: record.reason,
        model: record.model,
        buyer: record.buyer,
        keyId: record.keyId,
        provider: null,
        device: null,
        instance: null,
        usage: {},
        usageSource: "none",
        price: [],
        charge: nothing,
        split: [],
        paidFromLoss: nothing,
        attempts: record.decision?.attempts.length ?? 0,
        revision: 0,
        startedAtMs: record.atMs,
        firstByteAtMs: null,
        endedAtMs: record.atMs,
      }
    }
    const { receipt } = record
    const { asset } = receipt
    return {
      id: receipt.id,
      outcome: receipt.outcome,
      reason: receipt.reason ?? null,
      model: receipt.model,
      buyer: receipt.buyer,
      keyId: receipt.keyId,
      provider: receipt.provider ?? null,
      device: receipt.device ?? null,
      instance: receipt.instance ?? null,
      usage: receipt.usage,
      usageSource: receipt.usageSource,
      price: receipt.price,
      charge: show(receipt.charge, asset),
      split: receipt.split.map(({ amount, party }) => ({ party, amount: show(amount, asset) })),
      paidFromLoss: show(receipt.paidFromLoss, asset),
      attempts: receipt.attempts,
      revision: receipt.revision,
      startedAtMs: receipt.startedAtMs,
      firstByteAtMs: receipt.firstByteAtMs ?? null,
      endedAtMs: receipt.endedAtMs,
    }
  }
}

/** A page of the records that were read, one of which may be more than was asked for. */
export const page = (
  view: (record: RequestRecord) => RequestView,
  records: ReadonlyArray<RequestRecord>,
  limit: number,
): RequestPage => {
  const data = records.slice(0, limit).map(view)
  return { data, nextBefore: records.length > limit ? (data.at(-1)?.id ?? null) : null }
}
