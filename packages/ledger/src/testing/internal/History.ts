/**
 * A store's whole history, read page by page.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { LedgerStore } from "../../LedgerStore.ts"

/** All of a list that the store reads in pages, from a cursor on. */
const all = <A extends { readonly sequence: bigint }, E>(
  read: (after: bigint, limit: number) => Effect.Effect<ReadonlyArray<A>, E>,
  from = 0n,
) =>
  Effect.gen(function* () {
    const items: Array<A> = []
    for (let after = from; ;) {
      const page = yield* read(after, 7)
      assert.isAtMost(page.length, 7)
      const last = page.at(-1)
      if (last === undefined) return items
      assert.isTrue(last.sequence > after, "a page must go on behind its cursor")
      items.push(...page)
      after = last.sequence
    }
  })

/** Every posting. @since 0.1.0 */
export const postings = LedgerStore.use((store) => all(store.postings))
/** Every attachment. @since 0.1.0 */
export const attachments = LedgerStore.use((store) => all(store.attachments))
