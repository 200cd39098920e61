import * as Effect from "effect/Effect"
import type { Entry } from "../Entry.ts"
import type { LedgerError } from "../LedgerError.ts"
import type { View } from "../LedgerStore.ts"

/**
 * The last sequence at which `isBefore` holds: it holds from the first entry up to somewhere, and then no more. It doubles
 * its steps and then halves the rest, so that a history of a billion entries takes sixty reads of one entry.
 */
const lastWhere = Effect.fnUntraced(function* (
  view: View,
  isBefore: (entry: Entry) => boolean,
): Effect.fn.Return<bigint, LedgerError> {
  const holdsAt = (sequence: bigint) =>
    Effect.map(
      view.history("entries", { after: sequence - 1n, limit: 1 }),
      ([entry]) => entry !== undefined && isBefore(entry),
    )
  let known = 0n
  let step = 1n
  while (yield* holdsAt(known + step)) {
    known += step
    step *= 2n
  }
  for (; step > 0n; step /= 2n) if (yield* holdsAt(known + step)) known += step
  return known
})

/** The sequence of the last entry; 0 where there is none. */
export const last = (view: View): Effect.Effect<bigint, LedgerError> => lastWhere(view, () => true)

/** The sequence of the last entry that was posted before a time. The store's clock never goes back, so this is one place. */
export const lastPostedBefore = (view: View, ms: number): Effect.Effect<bigint, LedgerError> =>
  lastWhere(view, ({ postedAtMs }) => postedAtMs < ms)

/**
 * From which sequence on nothing counts before a time any more, where that is known: the entry that closed the period. What
 * counts in a period stands between its first posting and this entry.
 */
export const closing = Effect.fnUntraced(function* (
  view: View,
  endMs: number,
): Effect.fn.Return<bigint | undefined, LedgerError> {
  const [closed] = yield* view.history("entries", { after: 0n, limit: 1, keys: [`ledger:close:${endMs}`] })
  return closed?.sequence
})
