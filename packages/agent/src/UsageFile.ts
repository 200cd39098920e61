/**
 * The file of the usage log: lines of JSON, each one a start of the chain, a served ticket, or an acknowledgement.
 *
 * @since 0.1.0
 */
import * as Crypto from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { lineBytes, UsageLine } from "@guildhall/protocol/provider/UsageLog"
import { type Base, START } from "./serving/UsageLog.ts"

/**
 * The name of the file in the agent's home.
 *
 * @category constants
 * @since 0.1.0
 */
export const NAME = "usage.log"

const Row = Schema.fromJsonString(
  Schema.Union([
    Schema.Struct({ base: Schema.Struct({ number: Schema.Int, hash: Schema.String }) }),
    Schema.Struct({ line: UsageLine }),
    Schema.Struct({ acknowledged: Schema.Int }),
  ]),
)

/**
 * The bytes of a fresh file: where the chain stands, then the lines that are kept.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (base: Base, lines: ReadonlyArray<typeof UsageLine.Encoded>): Uint8Array =>
  new TextEncoder().encode(
    [{ base }, ...lines.map((line) => ({ line }))].map((row) => `${JSON.stringify(row)}\n`).join(""),
  )

interface Replay {
  head: Base
  lines: Array<UsageLine>
  dead: number
  /** How many bytes of the file are good. */
  good: number
}

const isNext = (head: Base, line: UsageLine): boolean =>
  line.number === head.number + 1 &&
  line.previous === head.hash &&
  line.hash === Crypto.createHash("sha256").update(lineBytes(line)).digest("hex")

/** Applies one row; false where it does not continue the chain. */
const apply = (replay: Replay, row: typeof Row.Type): boolean => {
  if ("base" in row) {
    replay.head = row.base
    return replay.lines.length === 0
  }
  if ("acknowledged" in row) {
    const before = replay.lines.length
    replay.lines = replay.lines.filter((line) => line.number > row.acknowledged)
    replay.dead += before - replay.lines.length
    return true
  }
  if (!isNext(replay.head, row.line)) return false
  replay.head = { number: row.line.number, hash: row.line.hash }
  replay.lines.push(row.line)
  return true
}

const replayAll = (bytes: Uint8Array): Replay => {
  const replay: Replay = { head: START, lines: [], dead: 0, good: 0 }
  const decoder = new TextDecoder()
  while (replay.good < bytes.length) {
    const end = bytes.indexOf(0x0a, replay.good)
    if (end < 0) break
    const row = Schema.decodeUnknownOption(Row)(decoder.decode(bytes.subarray(replay.good, end)))
    if (Option.isNone(row) || !apply(replay, row.value)) break
    replay.good = end + 1
  }
  return replay
}

/**
 * Reads a file and makes it good again: what follows the last good row is cut off. Where that was more than one torn
 * row the whole file is copied aside first, and a warning says so.
 *
 * @category constructors
 * @since 0.1.0
 */
export const open = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const bytes = (yield* fs.exists(file)) ? yield* fs.readFile(file) : new Uint8Array(0)
  const replay = replayAll(bytes)
  if (replay.good < bytes.length) {
    const isTorn = !bytes.subarray(replay.good).includes(0x0a)
    if (!isTorn) {
      const aside = `${file}.damaged-${yield* Clock.currentTimeMillis}`
      yield* fs.copyFile(file, aside)
      yield* Effect.logWarning(
        `The usage log is damaged after line ${replay.head.number}. It goes on from there; the damaged file is kept as ${aside}.`,
      )
    }
    yield* fs.truncate(file, replay.good)
  }
  return { head: replay.head, lines: replay.lines, dead: replay.dead }
})
