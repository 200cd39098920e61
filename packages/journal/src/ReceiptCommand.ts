/**
 * The command line's `receipt`: checks a receipt offline.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Signature from "effect/crypto/Signature"
import { USD } from "@guildhall/core/Asset"
import * as Money from "@guildhall/core/Money"
import type { Receipt } from "@guildhall/core/Receipt"
import * as ReceiptVerify from "./ReceiptVerify.ts"

/** The name of the file of published keys, as the market's home and the well-known address have it. @since 0.1.0 */
export const KEYS_FILE = "guildhall-keys.json"

/**
 * Why the command ended with an exit code other than 0: the receipt is `Invalid`, or a file `Unreadable`. The command
 * has printed it already, so `runMain` does not log it again.
 *
 * @category errors
 * @since 0.1.0
 */
export class ReceiptCommandError extends Schema.TaggedError<ReceiptCommandError>()("ReceiptCommandError", {
  reason: Schema.Literals(["Invalid", "Unreadable"]),
  detail: Schema.String,
}) {
  get isRetryable(): boolean {
    return false
  }
  override get message(): string {
    return this.detail
  }
  override get [Runtime.errorReported](): boolean {
    return false
  }
}

const unreadable = (detail: string) => new ReceiptCommandError({ reason: "Unreadable", detail })

/** Larger files are no receipts and no lists of keys, and are not read. */
const DOCUMENT_MAX_BYTES = 4 * 1024 * 1024
const LOG_MAX_BYTES = 64 * 1024 * 1024
const BODY_MAX_BYTES = 256 * 1024 * 1024

const readBytes = Effect.fnUntraced(function* (file: string, maxBytes: number) {
  const fs = yield* FileSystem.FileSystem
  if (/^https?:\/\//.test(file)) {
    return yield* unreadable(`"${file}" is an address. This works offline: download it, then give the file's name.`)
  }
  yield* fs.stat(file).pipe(Effect.mapError(() => unreadable(`"${file}" is not there, or not for you to read.`)))
  // What is no file on a disk has no size, and may have no end.
  const bytes = yield* fs.stream(file, { bytesToRead: maxBytes + 1 }).pipe(
    Stream.runCollect,
    Effect.map((chunks) => new Uint8Array(Buffer.concat(chunks))),
    Effect.mapError(() => unreadable(`"${file}" cannot be read.`)),
  )
  if (bytes.byteLength > maxBytes)
    return yield* unreadable(`"${file}" is larger than ${maxBytes} bytes. Is it the right file?`)
  return bytes
})

const readText = (file: string, maxBytes = DOCUMENT_MAX_BYTES) =>
  Effect.map(readBytes(file, maxBytes), (bytes) => new TextDecoder().decode(bytes))

/**
 * The list of keys: the file that was named, or the one in the market's home, or the one beside the receipt. That one comes last:
 * whoever sends a receipt could send the keys along.
 */
const findKeys = Effect.fnUntraced(function* (named: Option.Option<string>, receipt: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const home = yield* Config.String("GUILDHALL_HOME").pipe(
    Config.withDefault(".guildhall"),
    Effect.mapError((error) => unreadable(`GUILDHALL_HOME cannot be read: ${error.message}`)),
  )
  const places = Option.match(named, {
    onSome: (file) => [file],
    onNone: () => [path.join(home, KEYS_FILE), path.join(path.dirname(receipt), KEYS_FILE)],
  })
  for (const file of places) {
    const present = yield* Effect.orElseSucceed(fs.exists(file), () => false)
    if (!present && Option.isNone(named)) continue
    const keys = ReceiptVerify.readKeys(yield* readText(file))
    if (Result.isSuccess(keys)) return { file, keys: keys.success }
    return yield* unreadable(`"${file}" is not a list of a market's keys: ${keys.failure}`)
  }
  return yield* unreadable(
    `There is no list of keys at ${places.join(" or ")}. Download it from the market's /.well-known/${KEYS_FILE} and name it with --keys.`,
  )
})

const money = (receipt: Receipt): string =>
  receipt.asset === USD.code
    ? `${Money.format(receipt.charge, USD)} USD`
    : `${receipt.charge} units of ${receipt.asset}`

const describe = (receipt: Receipt): string => {
  const usage = Object.entries(receipt.usage).map(([unit, count]) => `${count} ${unit}`)
  return [receipt.outcome, receipt.model, ...usage, money(receipt)].join(" · ")
}

/** A receipt comes from anywhere: what it names must not move a terminal's cursor or its colours. */
const printable = (line: string): string => line.replace(/\p{Cc}|\p{Cf}/gu, "\ufffd")

/** The verdict as a person reads it: one line for each check. */
const lines = (verdict: ReceiptVerify.Verdict, keysFile: string): ReadonlyArray<string> => {
  const failed = verdict.checks.filter((check) => !check.holds).length
  const head =
    verdict.receipt === null
      ? []
      : [
          `receipt ${verdict.receipt.receipt.id}`,
          `  ${describe(verdict.receipt.receipt)}`,
          `  keys from ${keysFile}`,
          "",
        ]
  const checks = verdict.checks.map(
    (check) => `  ${check.holds ? "ok    " : "FAILED"}  ${check.name.padEnd(9)}  ${check.detail}`,
  )
  const end = verdict.holds
    ? "The receipt holds."
    : `The receipt does not hold: ${failed} of ${checks.length} checks failed.`
  return [...head, ...checks, "", end].map(printable)
}

const json = (verdict: ReceiptVerify.Verdict): string =>
  JSON.stringify({ receipt: verdict.receipt?.receipt.id ?? null, holds: verdict.holds, checks: verdict.checks })

const bodyFlag = (name: string, what: string) =>
  Flag.String(name).pipe(Flag.withDescription(`A file with the exact bytes of the ${what}`), Flag.optional)

const Crypto = Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto))

const report = (error: ReceiptCommandError) =>
  error.reason === "Unreadable" ? Console.error(printable(error.message)) : Effect.void

/**
 * Checks what a device has signed of a receipt, from the texts of the files that hold it. This package knows nothing of
 * devices, so whoever puts the command together gives it.
 *
 * @category models
 * @since 0.1.0
 */
export type Statements = (
  receipt: Receipt,
  texts: { readonly commitment?: string | undefined; readonly usage?: string | undefined },
) => ReadonlyArray<ReceiptVerify.Check>

const fileFlag = (name: string, what: string) => Flag.String(name).pipe(Flag.withDescription(what), Flag.optional)

const makeVerify = (statements: Statements) =>
  Command.make(
    "verify",
    {
      file: Argument.String("file").pipe(Argument.withDescription("The receipt, as GET /v1/receipts/{id} answered it")),
      keys: Flag.String("keys").pipe(
        Flag.withDescription(`The market's keys; otherwise ${KEYS_FILE} in GUILDHALL_HOME or beside the receipt`),
        Flag.optional,
      ),
      request: bodyFlag("request", "request's body"),
      response: bodyFlag("response", "answer's body"),
      commitment: fileFlag("commitment", "The device's signed commitment: commitment.json of its home"),
      usage: fileFlag("usage", "The device's usage log: usage.log of its home, or a signed report of lines"),
      json: Flag.Boolean("json").pipe(Flag.withDescription("Print the verdict as JSON"), Flag.withDefault(false)),
    },
    Effect.fnUntraced(
      function* (flags) {
        const text = yield* readText(flags.file)
        const { file, keys } = yield* findKeys(flags.keys, flags.file)
        const body = (named: Option.Option<string>) =>
          Option.isNone(named) ? Effect.undefined : readBytes(named.value, BODY_MAX_BYTES)
        const textOf = (named: Option.Option<string>) =>
          Option.isNone(named) ? Effect.undefined : readText(named.value, LOG_MAX_BYTES)
        const [commitment, usage] = [yield* textOf(flags.commitment), yield* textOf(flags.usage)]
        const evidence = {
          text,
          further: (receipt: Receipt) => statements(receipt, { commitment, usage }),
          keys,
          request: yield* body(flags.request),
          response: yield* body(flags.response),
        }
        const verdict = yield* ReceiptVerify.verify(evidence).pipe(Effect.provide(Crypto))
        yield* Console.log(flags.json ? json(verdict) : lines(verdict, file).join("\n"))
        if (!verdict.holds) {
          return yield* new ReceiptCommandError({ reason: "Invalid", detail: "The receipt does not hold." })
        }
      },
      Effect.tapErrorTag("ReceiptCommandError", report),
    ),
  ).pipe(
    Command.withDescription("Check a receipt offline, with the market's published keys"),
    Command.withExamples([
      { command: "guildhall receipt verify receipt.json", description: "Check signature, batch and amounts" },
      {
        command: "guildhall receipt verify receipt.json --keys guildhall-keys.json --request request.json",
        description: "Check also that the receipt is for this request",
      },
      {
        command: "guildhall receipt verify receipt.json --commitment commitment.json --usage usage.log",
        description: "Check also what the device has signed",
      },
    ]),
  )

/**
 * `receipt verify <file> [--keys <file>] [--request <file>] [--response <file>] [--commitment <file>] [--usage <file>] [--json]`.
 * Fails with {@link ReceiptCommandError} where anything does not hold, so that the process ends with an exit code other than 0.
 *
 * @category commands
 * @since 0.1.0
 */
export const make = (statements: Statements) =>
  Command.make("receipt").pipe(
    Command.withDescription("Receipts of requests"),
    Command.withSubcommands([makeVerify(statements)]),
  )
