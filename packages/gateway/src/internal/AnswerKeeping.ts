import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type { RequestId } from "@guildhall/core/Request"
import { AnswerStore } from "@guildhall/journal/AnswerStore"
import type { JournalError } from "@guildhall/journal/JournalError"
import { AnswerSeal } from "../AnswerSeal.ts"
import { Refusal } from "../Refusal.ts"
import { AnswerBuffer, type AnswerMemory } from "./AnswerBuffer.ts"
import * as KeptAnswer from "./KeptAnswer.ts"

/** A request that has its slot. */
export interface Claimant {
  readonly slot: string
  readonly id: RequestId
  readonly secret: Redacted.Redacted
}

/** What is known of an answer must be written down within this time, or its claim lapses. */
const WRITE_MS = 5_000

/** What a buyer is told where the store does not answer. */
export const unavailable = (error: JournalError): Refusal =>
  new Refusal({
    code: error.isRetryable ? "service_unavailable" : "internal_error",
    detail: "Whether this idempotency key was used before cannot be found out now. Send the request again.",
  })

/** Makes what keeps answers and reads them back. */
export const make = Effect.fnUntraced(function* (options: { readonly keepMs: number; readonly memory: AnswerMemory }) {
  const store = yield* AnswerStore
  const seal = yield* AnswerSeal
  const { keepMs, memory } = options

  /** Writes down what became of a claim. One that cannot be is no harm: it lapses, and its hold tells the rest. */
  const write = <A>(what: Effect.Effect<A, JournalError>): Effect.Effect<void> =>
    what.pipe(
      Effect.retry({
        while: (error) => error.isRetryable,
        schedule: Schedule.spaced("200 millis").pipe(Schedule.upTo({ duration: WRITE_MS })),
      }),
      Effect.timeout(WRITE_MS * 2),
      Effect.catch((error) => Effect.logWarning("What became of an idempotency key could not be kept.", error.message)),
      Effect.asVoid,
    )

  return {
    release: ({ id, slot }: Claimant) => write(store.release({ slot, request: id })),

    /** Keeps an answer, or, where it may not or cannot be kept, only that there was one. */
    keep: Effect.fnUntraced(function* ({ id, secret, slot }: Claimant, buffer: AnswerBuffer, mayKeep: boolean) {
      const { head, trailers } = buffer
      const chunks = buffer.whole()
      const claim = { slot, request: id }
      if (!mayKeep || head === undefined || chunks === undefined) return yield* write(store.keep(claim, null, keepMs))
      const sealed = yield* seal.seal({ ...claim, key: secret }, KeptAnswer.encode({ ...head, trailers, chunks }))
      yield* write(store.keep(claim, sealed, keepMs))
    }),

    /** Reads an answer of so many bytes; undefined where it cannot be had. */
    recall: Effect.fnUntraced(function* ({ secret, slot }: Omit<Claimant, "id">, bytes: number) {
      if (!memory.fits(bytes)) {
        return yield* new Refusal({
          code: "service_unavailable",
          detail: "Too many answers are being replayed. Send the request again.",
        })
      }
      const sealed = yield* Effect.mapError(store.find(slot), unavailable)
      if (sealed === undefined) return undefined
      const opened = yield* seal.open({ slot, request: sealed.request, key: secret }, sealed)
      const answer = opened === undefined ? undefined : KeptAnswer.decode(opened)
      if (answer === undefined) return undefined
      const buffer = new AnswerBuffer({ memory, max: Number.MAX_SAFE_INTEGER })
      buffer.begin(answer)
      for (const chunk of answer.chunks) buffer.add(chunk)
      buffer.trailers = answer.trailers
      buffer.finish("completed")
      return buffer
    }),
  }
})
