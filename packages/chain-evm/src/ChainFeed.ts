/**
 * Reads the final events of an index in order, goes on where it stopped, and takes back what the chain took back.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { IndexError } from "./IndexError.ts"
import type { IndexedLog, IndexStore } from "./IndexStore.ts"

/**
 * Who reads. Its name is that of its mark. What it does with an event it may be asked to do again, after a crash or a fork, so
 * both must come to the same when done twice; and what was never credited may be taken back.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reader<E, R> {
  readonly name: string
  readonly credit: (logs: ReadonlyArray<IndexedLog>) => Effect.Effect<void, E, R>
  readonly takeBack: (logs: ReadonlyArray<IndexedLog>) => Effect.Effect<void, E, R>
}

/** So many events are handed over at a time. */
const PAGE = 500

/** Hands over one page, of what is taken back first; answers how many events that were. */
const readPage = Effect.fnUntraced(function* <E, R>(
  store: IndexStore,
  { credit, name, takeBack }: Reader<E, R>,
): Effect.fn.Return<number, IndexError | E, R> {
  // Before the mark and the events: where blocks are taken back in between, the mark that is set below is refused.
  const cursor = yield* store.cursor
  if (cursor === null) return 0
  const mark = yield* store.mark(name)
  const undone = yield* store.undone(mark.undone, PAGE)
  const last = undone.at(-1)
  if (last !== undefined) {
    yield* takeBack(undone.map(({ log }) => log))
    yield* store.setMark(name, { ...mark, undone: last.number }, cursor.forks)
    return undone.length
  }
  const logs = yield* store.logs({ after: mark.place, isFinal: true, limit: PAGE })
  const place = logs.at(-1)
  if (place === undefined) return 0
  yield* credit(logs)
  const { blockNumber, logIndex } = place
  yield* store.setMark(name, { ...mark, place: { blockNumber, logIndex } }, cursor.forks)
  return logs.length
})

/** So often in a row another process or a fork may come first before that is an error. */
const OVERTAKEN_MAX = 10

/**
 * Reads on until there is nothing new; answers how many events were handed over.
 *
 * @category commands
 * @since 0.1.0
 */
export const read = Effect.fnUntraced(function* <E, R>(
  store: IndexStore,
  reader: Reader<E, R>,
): Effect.fn.Return<number, IndexError | E, R> {
  let count = 0
  for (let overtaken = 0; ;) {
    const page: Effect.Effect<number | undefined, IndexError | E, R> = Effect.catchIf(
      readPage(store, reader),
      (error): error is IndexError & { readonly reason: "overtaken" } =>
        typeof error === "object" &&
        error !== null &&
        "_tag" in error &&
        error._tag === "IndexError" &&
        "reason" in error &&
        error.reason === "overtaken" &&
        overtaken < OVERTAKEN_MAX,
      () => Effect.succeed(undefined),
    )
    const read = yield* page
    if (read === 0) return count
    overtaken = read === undefined ? overtaken + 1 : 0
    count += read ?? 0
  }
})
