/**
 * How an agent writes to its terminal: one plain line for each event, or JSON for machines.
 *
 * @since 0.1.0
 */
import type * as FileSystem from "effect/FileSystem"
import type * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as Path from "effect/Path"
import { printable } from "@guildhall/core/CommandFailure"
import * as LogFile from "./LogFile.ts"

/** What a market says is among it, and must neither move the cursor nor begin a line of its own. */
const safe = (text: string): string => printable(text).replaceAll("\n", "\n  ")

const plain = Logger.make<unknown, string>(({ date, logLevel, message }) => {
  const text = safe((Array.isArray(message) ? message : [message]).map(String).join(" "))
  const level = logLevel === "Info" ? "" : `${logLevel.toUpperCase()} `
  return `${date.toISOString().slice(11, 19)} ${level}${text}`
})

/**
 * Replaces the loggers: by one that writes to the terminal, and one that writes into the log of a home.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: {
  readonly json: boolean
  readonly home: string
}): Layer.Layer<never, never, FileSystem.FileSystem | Path.Path> =>
  Logger.layer([
    Logger.withConsoleLog(options.json ? Logger.map(Logger.formatJson, printable) : plain),
    LogFile.make(options.home),
  ])
