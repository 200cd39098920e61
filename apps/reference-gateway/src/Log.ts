/**
 * How a gateway writes its log for people: a line for each event with its time, and below a warning what caused it. Machines get
 * the same by OpenTelemetry.
 */
import * as Cause from "effect/Cause"
import type * as Layer from "effect/Layer"
import * as Formatter from "effect/Formatter"
import * as Logger from "effect/Logger"
import type * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"

const RESET = "\u001b[0m"
const COLOURS: Partial<Record<LogLevel.LogLevel, string>> = {
  Fatal: "\u001b[31m",
  Error: "\u001b[31m",
  Warn: "\u001b[33m",
  Debug: "\u001b[2m",
  Trace: "\u001b[2m",
}

const levelOf = (level: LogLevel.LogLevel, isColoured: boolean): string => {
  if (level === "Info") return ""
  const colour = isColoured ? COLOURS[level] : undefined
  return colour === undefined ? `${level.toUpperCase()} ` : `${colour}${level.toUpperCase()}${RESET} `
}

const said = (message: unknown): string => (typeof message === "string" ? message : Formatter.formatJson(message))

/** An error with its stack, and whatever caused it in turn. */
const told = (cause: Cause.Cause<unknown>): string => (cause.reasons.length === 0 ? "" : `\n${Cause.pretty(cause)}`)

/**
 * Writes an event as lines. Its level is there unless it is usual, and in colour where the terminal shows some.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (isColoured: boolean): Logger.Logger<unknown, string> =>
  Logger.make(({ cause, date, fiber, logLevel, message }) => {
    const parts = Array.isArray(message) ? message : [message]
    const text = parts.filter((part) => !(part instanceof Error)).map(said)
    const errors = parts.filter((part) => part instanceof Error).map((error) => told(Cause.die(error)))
    const notes = Object.entries(fiber.getRef(References.CurrentLogAnnotations))
    const beside = notes.map(([name, value]) => ` ${name}=${said(value)}`).join("")
    const level = levelOf(logLevel, isColoured)
    return `${date.toISOString().slice(11, 19)} ${level}${text.join(" ")}${beside}${errors.join("")}${told(cause)}`
  })

/**
 * The log on standard error; standard output is for the facts that scripts read.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never> = Logger.layer([
  Logger.withConsoleError(make(process.stderr.isTTY === true && (process.env["NO_COLOR"] ?? "") === "")),
])
