/**
 * Writes refused requests to the journal, in batches and off the request's path.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { Journal } from "@guildhall/journal/Journal"
import type { JournalEntry } from "@guildhall/journal/JournalEntry"

/** So many refusals wait at most; what comes on top is dropped, since a flood of them must not eat the memory. */
const WAITING_MAX = 10_000
const BATCH_MAX = 500
const PAUSE = "200 millis"

/**
 * Makes the log. What waits when the scope closes is written first.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const journal = yield* Journal
  const queue = yield* Queue.dropping<JournalEntry>(WAITING_MAX)

  const write = (entries: ReadonlyArray<JournalEntry>) =>
    journal
      .append(entries)
      .pipe(
        Effect.catch((error) =>
          Effect.logWarning(`${entries.length} refusals could not be journalled.`, error.message),
        ),
      )

  // Taking and writing are one: an interruption between them would lose a batch.
  const pass = Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(restore(Queue.takeBetween(queue, 1, BATCH_MAX)), write),
  )
  yield* Effect.addFinalizer(() =>
    Effect.flatMap(Queue.clear(queue), (rest) => (rest.length === 0 ? Effect.void : write(rest))),
  )
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(pass, Effect.sleep(PAUSE))))

  /** Puts a refusal down; never waits. */
  return (entry: Extract<JournalEntry, { readonly _tag: "RequestRefused" }>): void => {
    Queue.offerUnsafe(queue, entry)
  }
})
