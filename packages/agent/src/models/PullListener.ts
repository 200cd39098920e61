/**
 * Who hears a pull: a person at a terminal, a log, or a program.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import * as Prompt from "effect/cli/Prompt"
import { TerminalCapabilities } from "effect/cli/TerminalCapabilities"
import { printable } from "@guildhall/core/CommandFailure"
import * as HumanText from "./HumanText.ts"
import type { License } from "./License.ts"
import * as ProgressLine from "./ProgressLine.ts"
import type { Listener, PullEvent } from "./PullEvent.ts"

const terms = (license: License): string => {
  const link = license.link === undefined ? "" : ` (${license.link})`
  const commerce = license.forbidsCommerce ? ", which says that it is not for commercial use" : ""
  return license.id === undefined ? license.title : `licence ${license.title}${link}${commerce}`
}

const MOST_ALSO = 8

/**
 * An event as a line for a person, or `undefined` where it is none: progress has a line of its own.
 *
 * @category formatting
 * @since 0.1.0
 */
export const words = (event: PullEvent): string | undefined => {
  switch (event._tag) {
    case "Chosen": {
      const parts = event.files.length === 1 ? "" : ` in ${event.files.length} files`
      return `${event.id}: ${event.label} of ${event.repo}, ${HumanText.bytes(event.bytes)}${parts}, ${terms(event.license)}.`
    }
    case "Also": {
      const shown = event.among.slice(0, MOST_ALSO)
      const names = shown.map(({ bytes, label, repo }) => `${repo}:${label} (${HumanText.bytes(bytes)})`).join(", ")
      return `Also there: ${names}${event.among.length > shown.length ? ", …" : ""}`
    }
    case "Cached":
      return `${event.id} (${event.label}) is here: ${event.path}`
    case "Waiting":
      return event.seconds === 0 ? undefined : `Waiting ${HumanText.seconds(event.seconds)}: ${event.why}.`
    case "Busy":
      return `Process ${event.pid} downloads ${event.file}; waiting for it.`
    case "Checking":
      return `Reading ${event.file} (${HumanText.bytes(event.bytes)}) for its digest.`
    case "Resumed":
      return `Going on with ${event.file} at ${HumanText.bytes(event.bytes)} of ${HumanText.bytes(event.total)}.`
    case "Restarted":
      return `Beginning ${event.file} anew: ${event.why}.`
    case "Verified":
      return `${event.file} is right: SHA-256 ${event.sha256}.`
    case "Progress":
      return undefined
  }
}

const asJson = (event: PullEvent): string => {
  const { _tag, ...rest } = event
  return JSON.stringify({ event: _tag.toLowerCase(), ...rest })
}

const PLAIN_EVERY_MS = 15_000
const JSON_EVERY_MS = 1_000

/** Lets progress through now and then, and once when all is there. */
const sparsely = (everyMs: number) => {
  let toldAtMs = Number.NEGATIVE_INFINITY
  let told = -1
  let speed: ProgressLine.Speed | undefined
  return (event: PullEvent & { readonly _tag: "Progress" }, nowMs: number): ProgressLine.Seen | undefined => {
    speed = ProgressLine.measure(speed, event.bytes, nowMs)
    if (event.bytes === told || (nowMs - toldAtMs < everyMs && event.bytes < event.total)) return undefined
    toldAtMs = nowMs
    told = event.bytes
    return { ...event, bytesPerSecond: speed.bytesPerSecond }
  }
}

const nobody: Listener["accept"] = () => Effect.undefined

/**
 * Writes events as lines of a log. Nobody is asked.
 *
 * @category constructors
 * @since 0.1.0
 */
export const logged = (write: (line: string) => Effect.Effect<void>): Listener => {
  const due = sparsely(PLAIN_EVERY_MS)
  return {
    accept: nobody,
    tell: (event) =>
      Effect.gen(function* () {
        const seen = event._tag === "Progress" ? due(event, yield* Clock.currentTimeMillis) : undefined
        const line = event._tag === "Progress" ? seen && ProgressLine.plain(seen) : words(event)
        if (line !== undefined) yield* write(printable(line))
      }),
  }
}

/**
 * Writes each event as one JSON object on a line of standard output. Nobody is asked.
 *
 * @category constructors
 * @since 0.1.0
 */
export const json = (): Listener => {
  const due = sparsely(JSON_EVERY_MS)
  return {
    accept: nobody,
    tell: (event) =>
      Effect.gen(function* () {
        if (event._tag === "Progress" && due(event, yield* Clock.currentTimeMillis) === undefined) return
        yield* Console.log(asJson(event))
      }),
  }
}

const CLEAR = "\r\u001b[K"

/**
 * Shows progress as one line of a terminal, and asks there. Where standard error is no terminal, it writes lines instead; where nobody
 * can answer, nobody is asked. The line is left as it stands when the scope closes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const terminal = Effect.gen(function* () {
  const stdio = yield* Stdio.Stdio
  const screen = yield* Terminal.Terminal
  const { canPrompt } = yield* TerminalCapabilities
  const environment = yield* Effect.context<Prompt.Environment>()
  const write = (text: string) => Effect.ignore(Stream.run(Stream.make(text), stdio.stderr({ endOnDone: false })))
  const accept: Listener["accept"] = (license, id) => {
    if (!canPrompt) return Effect.undefined
    const message = printable(`${id} has ${terms(license)}. May you serve it, and shall it be downloaded?`)
    return Prompt.run(Prompt.Confirm({ message, initial: false })).pipe(
      Effect.catchTag("QuitError", () => Effect.succeed(false)),
      Effect.provide(environment),
    )
  }
  if (!(yield* stdio.stderrIsTerminal)) return { ...logged((line) => write(`${line}\n`)), accept }
  const due = sparsely(0)
  let isOpen = false
  const close = Effect.suspend(() => {
    if (!isOpen) return Effect.void
    isOpen = false
    return write("\n")
  })
  yield* Effect.addFinalizer(() => close)
  const tell = Effect.fnUntraced(function* (event: PullEvent) {
    if (event._tag !== "Progress") {
      const line = words(event)
      if (line === undefined) return
      // What is told stands above the moving line, which comes again with the next bytes.
      yield* write(`${isOpen ? CLEAR : ""}${printable(line)}\n`)
      isOpen = false
      return
    }
    const seen = due(event, yield* Clock.currentTimeMillis)
    if (seen === undefined) return
    isOpen = true
    yield* write(`${CLEAR}${ProgressLine.bar(seen, yield* screen.columns)}`)
    if (event.bytes === event.total) yield* close
  })
  const listener: Listener = { accept, tell }
  return listener
})
