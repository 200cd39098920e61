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

type Refused = Extract<JournalEntry, { readonly _tag: "RequestRefused" }>

/**
 * Makes the log. What waits when the scope closes is written first.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const journal = yield* Journal
  const queue = yield* Queue.dropping<Refused>(WAITING_MAX)

  let lost = 0

  /** Tells an outage once: batches come five times a second, and its stack helps nobody. */
  const lose = (count: number, cause: unknown) =>
    Effect.suspend(() => {
      const isNews = lost === 0
      lost += count
      if (!isNews) return Effect.void
      return Effect.andThen(
        Effect.logWarning(
          "Refusals are not in the journal, whose store did not answer. Look after the database; how many were lost is said when it answers again.",
        ),
        Effect.logDebug(cause),
      )
    })
  const found = Effect.suspend(() => {
    if (lost === 0) return Effect.void
    const count = lost
    lost = 0
    return Effect.logInfo(`Refusals are in the journal again; ${count} were lost.`)
  })
  const append = (entries: ReadonlyArray<Refused>) => Effect.andThen(journal.append(entries), found)

  /** An entry that cannot be written costs only itself. */
  const writeOne = (entry: Refused) =>
    Effect.catch(append([entry]), ({ cause, isRetryable }) =>
      isRetryable
        ? lose(1, cause)
        : Effect.logWarning(
            `The refusal of ${entry.requestId} is not in the journal: it holds a value that the journal has no form for. What is in the journal is not touched by it. This is an error of the market's program; please report it.`,
            cause,
          ),
    )
  const write = (entries: ReadonlyArray<Refused>): Effect.Effect<void> =>
    Effect.catch(append(entries), ({ cause, isRetryable }) =>
      isRetryable ? lose(entries.length, cause) : Effect.forEach(entries, writeOne, { discard: true }),
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
  return (entry: Refused): void => {
    Queue.offerUnsafe(queue, entry)
  }
})
