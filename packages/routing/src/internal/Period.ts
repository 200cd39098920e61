import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Flag from "effect/cli/Flag"
import { FlagProblem } from "./CommandProblem.ts"

const form = /^\d{4}-\d{2}(?:-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2}))?)?$/

/** Reads a month, a day (both begin at midnight UTC) or a time with its zone, as Unix milliseconds. */
const parse = (text: string): Option.Option<number> =>
  form.test(text) ? Option.map(DateTime.make(text), DateTime.toEpochMillis) : Option.none()

const complaint = (text: string): string =>
  `"${text}" is not a time. Write a month, a day or a time with its zone, such as 2026-11, 2026-11-01 or 2026-11-01T12:00:00Z.`

const moment = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.filterMap(parse, complaint), Flag.optional)

/** The flags `--from` and `--to`. */
export const flags = {
  from: moment("from", "The first moment of the period; otherwise a day before its end"),
  to: moment("to", "The end of the period, which is not part of it; otherwise now"),
}

/** A moment as ISO 8601 in UTC. */
export const iso = (ms: number): string => DateTime.formatIso(DateTime.makeUnsafe(ms))

/** The period that flags name; one that ends before it begins is refused. */
export const of = Effect.fnUntraced(function* (given: {
  readonly from: Option.Option<number>
  readonly to: Option.Option<number>
}) {
  const toMs = Option.isSome(given.to) ? given.to.value : yield* Clock.currentTimeMillis
  const fromMs = Option.getOrElse(given.from, () => toMs - 86_400_000)
  if (fromMs < toMs) return { fromMs, toMs }
  return yield* new FlagProblem({
    detail: `The period would begin at ${iso(fromMs)}, which is not before its end at ${iso(toMs)}. Correct --from or --to.`,
  })
})
