/**
 * The log of an agent in its home: lines of JSON, in a file that is turned over when it is large, so that all of it stays within
 * {@link BYTES_MAX}.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { printable } from "@guildhall/core/CommandFailure"

/** The file in the home, and the folder that it lies in. @category constants @since 0.1.0 */
export const FILE = "logs/agent.log"

/** A file is turned over at this size. */
const FILE_BYTES_MAX = 4 * 1024 * 1024
/** So many files are kept beside the one that is written to. */
const FORMER_FILES = 3
/** A line is cut at this length. */
const LINE_CHARS_MAX = 4_000

/** What all files of a log take at most. @category constants @since 0.1.0 */
export const BYTES_MAX = FILE_BYTES_MAX * (FORMER_FILES + 1)

/**
 * A line.
 *
 * @category models
 * @since 0.1.0
 */
export const LogLine = Schema.Struct({ at: Schema.String, level: Schema.String, message: Schema.String })
/** @since 0.1.0 */
export type LogLine = typeof LogLine.Type

const decodeLine = Schema.decodeUnknownOption(Schema.fromJsonString(LogLine))

const formatted = Logger.make<unknown, string>(({ date, logLevel, message }) => {
  const text = (Array.isArray(message) ? message : [message]).map(String).join(" ")
  return JSON.stringify({
    at: date.toISOString(),
    level: logLevel.toUpperCase(),
    message: printable(text.slice(0, LINE_CHARS_MAX)),
  })
})

const WINDOW_MS = 200

/**
 * Makes a logger that writes into the log of a home, and what it has left when the scope closes. A disk that is full costs
 * lines, and stops nothing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (home: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const file = path.join(home, FILE)
  const numbered = (at: number) => (at === 0 ? file : `${file}.${at}`)
  const size = Effect.orElseSucceed(
    Effect.map(fs.stat(file), (info) => Number(info.size)),
    () => 0,
  )
  const turnOver = Effect.gen(function* () {
    for (let at = FORMER_FILES; at > 0; at--) yield* Effect.ignore(fs.rename(numbered(at - 1), numbered(at)))
  })
  const flush = Effect.fnUntraced(function* (lines: ReadonlyArray<string>) {
    // Not its parent: an agent that never had a home leaves none behind.
    yield* Effect.ignore(fs.makeDirectory(path.dirname(file), { mode: 0o700 }))
    const append = (text: string) => Effect.ignore(fs.writeFileString(file, text, { flag: "a", mode: 0o600 }))
    let bytes = yield* size
    let text = ""
    for (const line of lines) {
      const lineBytes = Buffer.byteLength(line) + 1
      if (bytes + lineBytes > FILE_BYTES_MAX) {
        yield* append(text)
        yield* turnOver
        bytes = 0
        text = ""
      }
      bytes += lineBytes
      text += `${line}\n`
    }
    yield* append(text)
  })
  return yield* Logger.batched(formatted, { window: WINDOW_MS, flush })
})

/**
 * Reads lines of a log that somebody else may be writing: the last `most`, and those from `sinceMs` on, oldest first. What is no
 * line is passed over.
 *
 * @category constructors
 * @since 0.1.0
 */
export const read = Effect.fnUntraced(function* (
  home: string,
  options: { readonly most: number; readonly sinceMs: number | undefined },
) {
  const fs = yield* FileSystem.FileSystem
  const file = (yield* Path.Path).join(home, FILE)
  const names = Array.from({ length: FORMER_FILES }, (_, at) => `${file}.${FORMER_FILES - at}`)
  const texts = yield* Effect.forEach([...names, file], (name) => Effect.option(fs.readFileString(name)))
  const lines = texts.flatMap(Option.match({ onNone: () => [], onSome: parse }))
  const since = lines.filter(({ at }) => options.sinceMs === undefined || Date.parse(at) >= options.sinceMs)
  return since.slice(-options.most)
})

/**
 * The lines of a text.
 *
 * @category parsing
 * @since 0.1.0
 */
export const parse = (text: string): ReadonlyArray<LogLine> =>
  text.split("\n").flatMap((line) => Option.toArray(decodeLine(line)))

/**
 * A line as a person reads it.
 *
 * **Example** (A warning)
 *
 * ```ts
 * import { LogFile } from "@guildhall/agent"
 *
 * LogFile.words({ at: "2026-11-21T20:56:13.000Z", level: "WARN", message: "The market is away." }) // => "2026-11-21 20:56:13 WARN The market is away."
 * ```
 *
 * @category formatting
 * @since 0.1.0
 */
export const words = ({ at, level, message }: LogLine): string =>
  printable(`${at.slice(0, 10)} ${at.slice(11, 19)} ${level === "INFO" ? "" : `${level} `}${message}`).replaceAll(
    "\n",
    "\n  ",
  )
