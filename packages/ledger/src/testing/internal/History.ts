/**
 * A store's whole history, read page by page.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Posted } from "../../Entry.ts"
import { type History, LedgerStore, type Range, type View } from "../../LedgerStore.ts"

/** The number by which each history is read in pages. */
const cursors: { readonly [Kind in keyof History]: (item: History[Kind]) => bigint } = {
  entries: ({ sequence }) => sequence,
  attachments: ({ sequence }) => sequence,
  batches: ({ number }) => number,
  nodes: ({ number }) => number,
  payouts: ({ toSequence }) => toSequence,
}

/** All that a view has of a history, or a part of it, in pages of this size. @since 0.1.0 */
export const all = Effect.fnUntraced(function* <Kind extends keyof History>(
  view: View,
  kind: Kind,
  limit: number,
  part: Omit<Range, "after" | "limit"> = {},
) {
  const items: Array<History[Kind]> = []
  for (let after = 0n; ;) {
    const page = yield* view.history(kind, { ...part, after, limit })
    assert.isAtMost(page.length, limit)
    if (page.length === 0) return items
    for (const item of page) {
      const at = cursors[kind](item)
      assert.isTrue(at > after, `${kind}: a page must go on behind its cursor`)
      after = at
      items.push(item)
    }
  }
})

/** So many are read at once where nothing is said of pages. */
const PAGE = 500

/** Every entry. @since 0.1.0 */
export const entries = LedgerStore.use((store) => all(store, "entries", PAGE))
/** Every posting. @since 0.1.0 */
export const postings = Effect.map(entries, (entries) =>
  entries.flatMap((entry): ReadonlyArray<Posted> => (entry._tag === "Posted" ? [entry] : [])),
)
/** Every attachment. @since 0.1.0 */
export const attachments = LedgerStore.use((store) => all(store, "attachments", PAGE))
/** Every batch. @since 0.1.0 */
export const batches = LedgerStore.use((store) => all(store, "batches", PAGE))
/** Every node that is kept. @since 0.1.0 */
export const nodes = LedgerStore.use((store) => all(store, "nodes", PAGE))
/** Every payout. @since 0.1.0 */
export const payouts = LedgerStore.use((store) => all(store, "payouts", PAGE))
