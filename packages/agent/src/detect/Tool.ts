/**
 * Runs a tool of the machine within bounds: of time, of output, and without believing that it ends.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ChildProcess from "effect/process/ChildProcess"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Hardware from "@guildhall/core/Hardware"
import type { Finding } from "./Finding.ts"
import { Host } from "./Host.ts"

/**
 * Why a tool told nothing.
 *
 * @category errors
 * @since 0.1.0
 */
export class ToolError extends Schema.TaggedError<ToolError>()("ToolError", {
  tool: Schema.String,
  reason: Schema.Literals(["Missing", "NotAllowed", "TimedOut", "Failed", "TooMuch"]),
  detail: Schema.String,
}) {
  override get message(): string {
    return this.detail
  }
  get isRetryable(): boolean {
    return this.reason === "TimedOut"
  }
}

/**
 * What a tool wrote. `text` is its standard output; `complaint` the first line that it wrote beside that, or of its output
 * where it wrote nothing beside.
 *
 * @category models
 * @since 0.1.0
 */
export interface ToolOutput {
  readonly text: string
  readonly complaint: string
  readonly exitCode: number
}

const TIMEOUT_MS = 10_000
/** How long a tool that was killed may take to end. */
const END_MS = 1_000
/** A machine with sixteen partitioned GPUs and all their clocks says about two million characters. */
const MAX_BYTES = 8 * 1024 * 1024

const limited = (maxBytes: number, tool: string) => {
  let bytes = 0
  return (chunk: Uint8Array) => {
    bytes += chunk.byteLength
    return bytes <= maxBytes
      ? Effect.void
      : new ToolError({ tool, reason: "TooMuch", detail: `${tool} wrote more than ${maxBytes} bytes and was stopped.` })
  }
}

const notStarted = (tool: string) => (error: PlatformError.PlatformError) =>
  error.reason._tag === "NotFound"
    ? new ToolError({ tool, reason: "Missing", detail: `${tool} is not installed.` })
    : error.reason._tag === "PermissionDenied"
      ? new ToolError({
          tool,
          reason: "NotAllowed",
          detail: `This user may not run ${tool}, or may not look into a folder of PATH.`,
        })
      : new ToolError({ tool, reason: "Failed", detail: `${tool} could not be run.` })

const firstLine = (...texts: ReadonlyArray<string>): string => {
  for (const text of texts) {
    for (const line of text.slice(0, 10_000).split("\n")) {
      const words = Hardware.text(line)
      if (words !== undefined) return words
    }
  }
  return ""
}

const collect = Effect.fnUntraced(function* (tool: string, args: ReadonlyArray<string>, maxBytes: number) {
  const { toolPath } = yield* Host
  const handle = yield* ChildProcess.make(tool, [...args], {
    // Words in English, and numbers with a point.
    env: { PATH: toolPath, LC_ALL: "C", LANG: "C" },
    extendEnv: true,
    stdin: "ignore",
    // It only reads, and one that hangs does not listen.
    killSignal: "SIGKILL",
  })
  const read = (stream: Stream.Stream<Uint8Array, PlatformError.PlatformError>) =>
    stream.pipe(Stream.tap(limited(maxBytes, tool)), Stream.decodeText, Stream.mkString)
  const [text, complaints] = yield* Effect.all([read(handle.stdout), read(handle.stderr)], { concurrency: 2 })
  // A tool that was killed has no exit code.
  const exitCode = yield* Effect.orElseSucceed(handle.exitCode, () => -1)
  return { text, complaint: firstLine(complaints, text), exitCode }
}, Effect.scoped)

/**
 * Runs a tool and gives what it wrote, whatever its exit code. A tool that hangs is killed after `timeoutMs` (10 seconds), and
 * waited for no longer than a second: one that waits for a broken driver cannot be killed at all. Nothing is read from it after `maxBytes` (8 MiB).
 *
 * @category constructors
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function* (
  tool: string,
  args: ReadonlyArray<string>,
  limits: { readonly timeoutMs?: number; readonly maxBytes?: number } = {},
): Effect.fn.Return<ToolOutput, ToolError, ChildProcessSpawner> {
  const { maxBytes = MAX_BYTES, timeoutMs = TIMEOUT_MS } = limits
  const fiber = yield* Effect.forkDetach(collect(tool, args, maxBytes))
  const exit = yield* Fiber.await(fiber).pipe(
    Effect.timeoutOption(timeoutMs),
    // Waited for, so that it does not outlive this process; but not for ever.
    Effect.ensuring(Effect.timeoutOption(Fiber.interrupt(fiber), END_MS)),
  )
  if (exit._tag === "None") {
    const seconds = timeoutMs / 1000
    return yield* new ToolError({ tool, reason: "TimedOut", detail: `${tool} did not answer within ${seconds} s.` })
  }
  if (Exit.isSuccess(exit.value)) return exit.value.value
  return yield* Effect.failCause(exit.value.cause).pipe(
    Effect.catchTag("PlatformError", (error) => Effect.fail(notStarted(tool)(error))),
  )
})

/**
 * As {@link run}, where an exit code other than 0 is a failure, with what the tool complained of.
 *
 * @category constructors
 * @since 0.1.0
 */
export const succeed = Effect.fnUntraced(function* (
  tool: string,
  args: ReadonlyArray<string>,
  limits: { readonly timeoutMs?: number; readonly maxBytes?: number } = {},
) {
  const output = yield* run(tool, args, limits)
  if (output.exitCode === 0) return output.text
  const complaint = output.complaint === "" ? "and said nothing" : `and said: ${output.complaint}`
  const detail = `${tool} ended with exit code ${output.exitCode} ${complaint}`
  return yield* new ToolError({ tool, reason: "Failed", detail })
})

/**
 * The error as something that was found, with what to do about it.
 *
 * @category conversions
 * @since 0.1.0
 */
export const finding = ({ detail, reason, tool }: ToolError, fix?: string): Finding => ({
  source: tool,
  reason,
  detail,
  ...(fix === undefined ? {} : { fix }),
})
