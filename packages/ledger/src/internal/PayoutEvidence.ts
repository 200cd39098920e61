import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type Movement, RailError } from "../Movement.ts"
import type { Payout, PayoutRail } from "../PayoutRail.ts"

/**
 * What the rail's answers prove of an attempt. `Undecided` proves nothing: the money may have left, or may still leave.
 * Of these, `Disputed` is one that no waiting will end.
 */
export const Evidence = Schema.TaggedUnion({
  Succeeded: { externalId: Schema.String },
  Failed: { detail: Schema.String },
  Undecided: {
    reason: Schema.Literals(["Pending", "Unknown", "Silent", "Refused", "Disputed"]),
    detail: Schema.String,
  },
})
export type Evidence = typeof Evidence.Type
type Undecided = Extract<Evidence, { readonly _tag: "Undecided" }>

const DETAIL_MAX = 300

/** What a rail said, as a text that every store and every page can keep. */
export const plain = (detail: string): string =>
  detail
    .replaceAll(/\p{Cc}/gu, " ")
    .slice(0, DETAIL_MAX)
    .toWellFormed()
    .trim()

const undecided = (reason: Undecided["reason"], detail: string): Evidence => ({
  _tag: "Undecided",
  reason,
  detail: plain(detail),
})

/** An attempt to look into: `isHeld` says whether its money is still set aside. */
export interface Attempt {
  readonly rail: PayoutRail | undefined
  readonly payout: Payout
  readonly answerMs: number
  readonly isHeld: Effect.Effect<boolean, { readonly message: string }>
}

/** Asks a rail. One that does not answer in time, or breaks down, has not said what happened. */
const ask = (answer: Effect.Effect<Movement, RailError>, answerMs: number) =>
  answer.pipe(
    Effect.timeoutOrElse({
      duration: answerMs,
      orElse: () => Effect.fail(new RailError({ reason: "Unavailable", detail: `${answerMs} ms passed.` })),
    }),
    Effect.catchDefect((defect) =>
      Effect.andThen(
        Effect.logError("A payout rail failed in a way that it should not.", defect),
        Effect.fail(new RailError({ reason: "Unavailable", detail: "Its adapter failed." })),
      ),
    ),
    Effect.result,
  )

const ofMovement = ({ asset, amount, idempotencyKey }: Payout, movement: Movement): Evidence => {
  if (movement.asset !== asset || movement.amount !== amount || movement.idempotencyKey !== idempotencyKey) {
    return undecided("Disputed", `It has a movement of ${movement.amount} ${movement.asset} under this key.`)
  }
  const { state } = movement
  switch (state._tag) {
    case "Succeeded":
      return { _tag: "Succeeded", externalId: plain(movement.externalId) }
    case "Failed":
      return { _tag: "Failed", detail: plain(state.detail) }
    case "Pending":
      return undecided("Pending", state.next ?? "")
    case "Unknown":
      return undecided("Unknown", state.detail)
  }
}

/** After a send: only a movement is evidence. */
const ofError = ({ reason, detail }: RailError): Evidence => {
  switch (reason) {
    case "Refused":
      return undecided("Refused", detail)
    case "Conflict":
      return undecided("Disputed", detail)
    case "Unavailable":
    case "NotFound":
      return undecided("Silent", detail)
  }
}

/** The rail knows nothing of the attempt: whether it is too late to send it, and whether that proves that it failed. */
const ofAbsence = ({ capabilities: { absenceMs } }: PayoutRail, notAfterMs: number, askedAtMs: number): Evidence => {
  if (absenceMs === null) {
    return undecided("Disputed", "It does not know the payout, and does not say when that would be proof.")
  }
  return askedAtMs > notAfterMs + absenceMs
    ? { _tag: "Failed", detail: "It never arrived, and it is too late for it to." }
    : undecided("Unknown", "It does not know the payout, which may still be under way.")
}

/**
 * Asks the rail for the attempt's movement, and sends it where the rail knows of none: under the same key each time, and
 * never after its time.
 */
export const look = Effect.fnUntraced(function* ({ rail, payout, answerMs, isHeld }: Attempt) {
  if (rail === undefined) return undecided("Silent", "The market has no such rail at present.")
  const askedAtMs = yield* Clock.currentTimeMillis
  const found = yield* ask(rail.find(payout.idempotencyKey), answerMs)
  if (Result.isSuccess(found)) return ofMovement(payout, found.success)
  if (found.failure.reason !== "NotFound") return undecided("Silent", found.failure.detail)
  const { notAfterMs } = payout
  // From the moment of asking on, not from the answer's: what is sent in between would be absent as well.
  if (notAfterMs !== undefined && askedAtMs > notAfterMs) return ofAbsence(rail, notAfterMs, askedAtMs)
  const held = yield* Effect.result(isHeld)
  if (Result.isFailure(held)) return undecided("Silent", held.failure.message)
  if (!held.success) return undecided("Disputed", "Its money is no longer set aside, so it must not be sent.")
  const sent = yield* ask(rail.send(payout), answerMs)
  return Result.isSuccess(sent) ? ofMovement(payout, sent.success) : ofError(sent.failure)
})
