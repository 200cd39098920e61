/**
 * What a command answers: one JSON document for a program, or words for a person; and how it ends where it fails.
 *
 * @since 0.1.0
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import { TerminalCapabilities } from "effect/cli/TerminalCapabilities"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { CommandFailure, printable } from "@guildhall/core/CommandFailure"
import type { AgentError } from "./AgentError.ts"
import * as ExitCode from "./ExitCode.ts"
import * as Paint from "./Paint.ts"

/**
 * An answer: `document` is what `--json` prints beside `ok`, `text` the lines that a person reads.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer {
  readonly document: Readonly<Record<string, unknown>>
  readonly text: (paint: Paint.Paint) => ReadonlyArray<string>
}

/**
 * The document of a command that failed. `code` is the market's, where it refused.
 *
 * @category models
 * @since 0.1.0
 */
export const Failed = Schema.Struct({
  ok: Schema.Literal(false),
  reason: Schema.String,
  code: Schema.optionalKey(Schema.String),
  detail: Schema.String,
})

/**
 * Tells why a command failed, and fails with the exit code that says so.
 *
 * @category combinators
 * @since 0.1.0
 */
export const fail = Effect.fnUntraced(function* (error: AgentError, asJson: boolean) {
  const { code, message, reason } = error
  const document = { ok: false, reason, ...(code === undefined ? {} : { code }), detail: message }
  yield* asJson ? Console.log(JSON.stringify(document)) : Console.error(printable(`FAILED\n  ${message}`))
  return yield* new CommandFailure({ detail: message, exitCode: ExitCode.ofCommand(error) })
})

/**
 * Prints an answer. Colours are in it at a terminal only, and never where `NO_COLOR` is set.
 *
 * @category combinators
 * @since 0.1.0
 */
export const print = Effect.fnUntraced(function* ({ document, text }: Answer, asJson: boolean) {
  if (asJson) return yield* Console.log(JSON.stringify({ ok: true, ...document }))
  const { canColor } = yield* TerminalCapabilities
  yield* Console.log(text(Paint.make(canColor)).join("\n"))
})

/**
 * Runs a command to its answer and prints it; where it fails, tells why, and fails with the exit code that says so.
 *
 * @category combinators
 * @since 0.1.0
 */
export const run = <R>(asJson: boolean, command: Effect.Effect<Answer, AgentError, R>) =>
  command.pipe(
    Effect.flatMap((answer) => print(answer, asJson)),
    Effect.catchTag("AgentError", (error) => fail(error, asJson)),
    Effect.provide(NodeHttpClient.layerNodeHttp),
    Effect.provide(Logger.layer([])),
    Effect.scoped,
  )
