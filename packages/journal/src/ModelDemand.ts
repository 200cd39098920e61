/**
 * How much each model is asked for: so many requests in each ten minutes, and for how many of them nobody had room.
 *
 * @since 0.1.0
 */
import { ModelId } from "@guildhall/core/Model"
import type { ReasonCode } from "@guildhall/core/Reason"
import * as Schema from "effect/Schema"
import { columns, type JournalEntry } from "./JournalEntry.ts"

/**
 * How long the stretches are that requests are counted in.
 *
 * @category constants
 * @since 0.1.0
 */
export const SLOT_MS = 600_000

/**
 * How long they are kept: a day and one stretch.
 *
 * @category constants
 * @since 0.1.0
 */
export const KEEP_SLOTS = 145

/**
 * The most models that one read answers.
 *
 * @category constants
 * @since 0.1.0
 */
export const MODELS_MAX = 1_000

/**
 * The requests of a model: `requests` came, and of them `refused` were not served since every instance was offline, busy or left alone.
 *
 * @category models
 * @since 0.1.0
 */
export const ModelDemand = Schema.Struct({ model: ModelId, requests: Schema.Int, refused: Schema.Int })
/** @since 0.1.0 */
export type ModelDemand = typeof ModelDemand.Type

/** {@link ModelDemand} within one stretch of ten minutes, numbered since 1970. @category models @since 0.1.0 */
export interface SlotDemand extends ModelDemand {
  readonly slot: number
}

/**
 * The reasons that say that there were instances, and not enough.
 *
 * @category constants
 * @since 0.1.0
 */
export const NO_CAPACITY: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  "no_capacity",
  "queue_full",
  "queue_timeout",
  "offline",
  "draining",
  "concurrency_full",
  "parked",
  "probing",
  "ejected",
  "not_verified",
  "provider_busy",
])

const isModel = Schema.is(ModelId)

/** What one entry adds, if anything. A receipt counts once, by its first revision; a model that nobody ever offered does not. */
const added = (entry: JournalEntry): Omit<SlotDemand, "slot"> | undefined => {
  if (entry._tag === "RequestEnded") {
    const { model, outcome, reason, revision } = entry.receipt
    const isRefused = outcome === "failed" && reason !== undefined && NO_CAPACITY.has(reason)
    return revision === 0 ? { model, requests: 1, refused: isRefused ? 1 : 0 } : undefined
  }
  if (entry._tag !== "RequestRefused" || !NO_CAPACITY.has(entry.reason) || !isModel(entry.model)) return undefined
  return { model: entry.model, requests: 1, refused: 1 }
}

/**
 * The stretch that a time is in.
 *
 * @category getters
 * @since 0.1.0
 */
export const slotOf = (atMs: number): number => Math.floor(atMs / SLOT_MS)

/**
 * What entries come to, by stretch and model, in this order. Each entry is told once.
 *
 * @category rules
 * @since 0.1.0
 */
export const count = (entries: Iterable<JournalEntry>): ReadonlyArray<SlotDemand> => {
  const sums = new Map<string, SlotDemand>()
  for (const entry of entries) {
    const one = added(entry)
    if (one === undefined) continue
    const slot = slotOf(columns(entry).atMs)
    const key = `${slot}\n${one.model}`
    const { refused = 0, requests = 0 } = sums.get(key) ?? {}
    sums.set(key, { slot, model: one.model, requests: requests + one.requests, refused: refused + one.refused })
  }
  return [...sums.values()].sort((a, b) => a.slot - b.slot || (a.model < b.model ? -1 : 1))
}

/**
 * The demand since a time, most requests first: whole stretches, from the one after that time on.
 *
 * @category rules
 * @since 0.1.0
 */
export const since = (slots: ReadonlyArray<SlotDemand>, sinceMs: number): ReadonlyArray<ModelDemand> => {
  const sums = new Map<ModelId, ModelDemand>()
  for (const { model, refused, requests, slot } of slots) {
    if (slot <= slotOf(sinceMs)) continue
    const before = sums.get(model)
    sums.set(model, {
      model,
      requests: requests + (before?.requests ?? 0),
      refused: refused + (before?.refused ?? 0),
    })
  }
  return [...sums.values()].sort((a, b) => b.requests - a.requests || (a.model < b.model ? -1 : 1)).slice(0, MODELS_MAX)
}
