/** What was served, read whole: the journal answers page by page. */
import * as Effect from "effect/Effect"
import { Journal, type ServedQuery, SERVED_MAX } from "@guildhall/journal/Journal"
import type { ServedDay } from "@guildhall/journal/ServedDay"
import { Problem } from "@guildhall/protocol/api/Problem"

/** More rows are not added up for one question. */
const ROWS_MAX = 100_000

/**
 * Makes the reader. `take` makes of each row what is kept of it: a market has many. A question that is about more than can be
 * added up is refused.
 */
export const make = Effect.map(Journal, (journal) =>
  Effect.fnUntraced(function* <A>(query: Omit<ServedQuery, "after" | "limit">, take: (day: ServedDay) => A) {
    const all: Array<A> = []
    let after: ServedQuery["after"]
    for (;;) {
      const page = yield* journal.served({ ...query, after, limit: SERVED_MAX })
      for (const day of page) all.push(take(day))
      after = page.at(-1)
      if (page.length < SERVED_MAX) return all
      if (all.length >= ROWS_MAX) {
        const detail = `This is more than ${ROWS_MAX} rows of days and instances. Ask for fewer days, for a device, or for an instance.`
        return yield* Problem.of("invalid_request", detail)
      }
    }
  }),
)
