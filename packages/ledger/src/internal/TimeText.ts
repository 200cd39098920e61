import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"

const form = /^(\d{4}-\d{2}(?:-\d{2})?)(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2}))?$/

/**
 * Reads a month, a day or a time of ISO 8601 as Unix milliseconds; a month and a day begin at midnight UTC. A time without
 * a zone is none: it would mean another moment on every machine.
 */
export const parse = (text: string): Option.Option<number> => {
  const date = form.exec(text)?.[1]
  if (date === undefined) return Option.none()
  const isReal = Option.exists(DateTime.make(date), (day) => DateTime.formatIso(day).startsWith(date))
  return isReal ? Option.map(DateTime.make(text), DateTime.toEpochMillis) : Option.none()
}

/** What to tell whoever wrote something else. */
export const complaint = (text: string): string =>
  `"${text}" is not a time. Write a month, a day or a time with its zone, such as 2026-11, 2026-11-01 or 2026-11-01T12:00:00Z.`

/** A moment as ISO 8601 in UTC. */
export const iso = (ms: number): string => DateTime.formatIso(DateTime.makeUnsafe(ms))

/** The day of a moment, in UTC. */
export const day = (ms: number): string => DateTime.formatIsoDateUtc(DateTime.makeUnsafe(ms))
