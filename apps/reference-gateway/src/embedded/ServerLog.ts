/**
 * The log of the embedded PostgreSQL, `postgres.log` beside its data: where its programs write, and where the words of a
 * refusal come from.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { closeSync, openSync, readFileSync, statSync } from "node:fs"
import path from "node:path"
import { LaunchError, reasonOf } from "../LaunchError.ts"
import type { Place } from "./Place.ts"

/**
 * An open log.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerLog {
  /** For a child to write to. */
  readonly fd: number
  readonly file: string
  /** What has been written since it was opened. */
  readonly words: () => string
}

/** Beyond this a start begins a new file. The server writes little: its own troubles, not those of statements. */
const limitBytes = 4 * 1024 * 1024

/**
 * Opens the log of a place in the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const open = (place: Place): Effect.Effect<ServerLog, LaunchError, Scope.Scope> => {
  const file = path.join(place.root, "postgres.log")
  const acquire = Effect.try({
    try: () => {
      const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0
      const fd = openSync(file, size > limitBytes ? "w" : "a", 0o600)
      const offset = size > limitBytes ? 0 : size
      return { fd, file, words: () => readFileSync(file).subarray(offset).toString() }
    },
    catch: (cause) =>
      new LaunchError({
        what: `The database's log ${file} could not be opened.`,
        why: reasonOf(cause),
        todo: "Free some space, or give the home to the user who runs Guildhall.",
      }),
  })
  return Effect.acquireRelease(acquire, (log) => Effect.sync(() => closeSync(log.fd)))
}

/**
 * Turns the last words of one of PostgreSQL's programs into a letter.
 *
 * @category errors
 * @since 0.1.0
 */
export const explain = (place: Place, log: ServerLog): LaunchError => {
  const words = log.words()
  const loud = words.split("\n").filter((line) => /FATAL|PANIC|HINT|error|could not/.test(line))
  const why = (loud.length > 0 ? loud : words.trim().split("\n")).slice(-3).join("\n  ")
  if (/No space left on device|Disk quota exceeded/.test(words)) {
    return new LaunchError({
      what: `The disk of ${place.root} is full, so the database cannot start.`,
      why,
      todo: "Free some space (150 MB is enough to go on), then start again; nothing is lost.",
    })
  }
  if (/database files are incompatible/.test(words)) {
    return new LaunchError({
      what: `The data in ${place.root} was made by another version of PostgreSQL than ${place.binaries.version}.`,
      why,
      todo: "Go back to the version of Guildhall that made it, or choose another home with GUILDHALL_HOME.",
    })
  }
  if (/could not look up effective user ID/.test(words)) {
    return new LaunchError({
      what: "PostgreSQL makes a database only for a user with a name, and this one has a number alone.",
      why,
      todo: "Add the user to /etc/passwd (containers often lack the line), or name another server with DATABASE_URL.",
    })
  }
  return new LaunchError({
    what: `The embedded PostgreSQL could not start in ${place.root}.`,
    why: why === "" ? "It said nothing." : why,
    todo: `The whole story is in ${log.file}. Another server can be used with DATABASE_URL.`,
  })
}
