/**
 * The command line's `routing export` and `routing audit`.
 *
 * @since 0.1.0
 */
import * as Console from "effect/Console"
import * as Digest from "effect/crypto/Digest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import type { Parts } from "@guildhall/core/Parts"
import { type Receipt, SignedReceipt } from "@guildhall/core/Receipt"
import type { Journal } from "@guildhall/journal/Journal"
import * as Audit from "./Audit.ts"
import * as AuditFile from "./AuditFile.ts"
import * as HeldReceipts from "./HeldReceipts.ts"
import * as AuditText from "./internal/AuditText.ts"
import * as NamedPolicies from "./NamedPolicies.ts"
import * as RoutingExport from "./RoutingExport.ts"
import { CommandFailure, tell } from "@guildhall/core/CommandFailure"
import { FileProblem } from "./internal/CommandProblem.ts"
import * as Period from "./internal/Period.ts"

/**
 * The market of a command: its name, the digest of its definition, and the policies that it was routed by, by name.
 *
 * @category models
 * @since 0.1.0
 */
export interface MarketFacts {
  readonly market: string
  readonly definition: string
  readonly policies: NamedPolicies.NamedPolicies
}

const json = Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON object"), Flag.withDefault(false))

const problem = (file: string, what: string) => () => new FileProblem({ detail: `"${file}" ${what}` })

/** Writes to a file of another name first: what is there under the name is whole. */
const writeExport = Effect.fnUntraced(function* (out: string, options: RoutingExport.Options) {
  const fs = yield* FileSystem.FileSystem
  const part = `${out}.part`
  const encoder = new TextEncoder()
  const written = yield* Effect.scoped(
    Effect.gen(function* () {
      const file = yield* Effect.mapError(
        fs.open(part, { flag: "w" }),
        problem(part, "cannot be written. Name another file with --out."),
      )
      return yield* RoutingExport.run(options, (lines) =>
        lines.length === 0
          ? Effect.void
          : Effect.mapError(
              file.writeAll(encoder.encode(`${lines.join("\n")}\n`)),
              problem(part, "could not be written."),
            ),
      )
    }),
  )
  yield* Effect.mapError(fs.rename(part, out), problem(out, "cannot be written. Name another file with --out."))
  return written
})

/**
 * `routing export [--from <time>] [--to <time>] [--out <file>] [--json]`, over a journal.
 *
 * @category commands
 * @since 0.1.0
 */
export const makeExport = <E extends { readonly _tag: string; readonly message: string }, R, E2, R2>(
  facts: Effect.Effect<MarketFacts, E, R>,
  journal: Layer.Layer<Journal, E2, R2>,
) =>
  Command.make(
    "export",
    {
      ...Period.flags,
      out: Flag.String("out").pipe(Flag.withDescription("The file"), Flag.withDefault("routing.jsonl")),
      json,
    },
    (given) =>
      Effect.gen(function* () {
        const period = yield* Period.of(given)
        const { decisions, segments } = yield* writeExport(given.out, { ...(yield* facts), ...period })
        if (given.json)
          return yield* Console.log(JSON.stringify({ ok: true, file: given.out, decisions, segments, ...period }))
        yield* Console.log(
          `${decisions} decisions from ${Period.iso(period.fromMs)} to ${Period.iso(period.toMs)} and ${segments} segments of the log`,
        )
        yield* Console.log(`Next: guildhall routing audit ${given.out}`)
      }).pipe(Effect.catch((error) => tell(error, given.json))),
  ).pipe(
    Command.withDescription("Write the decisions of a period, and the log that they were made on, to a file"),
    Command.withExamples([
      { command: "guildhall routing export", description: "The last day, with the market running or stopped" },
      {
        command: "guildhall routing export --from 2026-11-01 --to 2026-11-02 --out november-1.jsonl",
        description: "One day",
      },
    ]),
    Command.provide(journal),
  )

/** A line of progress for each so many lines, and for each so many attempts. */
const LINES_EVERY = 100_000
const ATTEMPTS_EVERY = 50_000

const readFile = Effect.fnUntraced(function* (name: string, asJson: boolean) {
  const fs = yield* FileSystem.FileSystem
  const pieces = fs
    .stream(name)
    .pipe(Stream.mapError(problem(name, "is not there, or not for you to read.")), Stream.decodeText)
  const progress = (lines: number) =>
    !asJson && lines > 0 && lines % LINES_EVERY === 0 ? Console.error(`  ${lines} lines read …`) : Effect.void
  return yield* Effect.mapError(AuditFile.read(pieces, progress), (error) =>
    typeof error === "string" ? new FileProblem({ detail: `"${name}" is no whole export. ${error}` }) : error,
  )
})

const decodeReceipt = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.toCodecJson(SignedReceipt)))
/** More receipts, or larger files, are not read. */
const RECEIPTS_MAX = 100_000
const RECEIPT_MAX_BYTES = 100_000

/** The receipts in a folder, and how many of its .json files are none. */
const readReceipts = Effect.fnUntraced(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const names = yield* Effect.mapError(fs.readDirectory(folder), problem(folder, "is no folder that can be read."))
  const receipts: Array<Receipt> = []
  const files = names.filter((one) => one.endsWith(".json"))
  for (const name of files.slice(0, RECEIPTS_MAX)) {
    const file = path.join(folder, name)
    const { size } = yield* Effect.mapError(fs.stat(file), problem(file, "cannot be read."))
    if (size > RECEIPT_MAX_BYTES) continue
    const text = yield* Effect.mapError(fs.readFileString(file), problem(file, "cannot be read."))
    const read = decodeReceipt(text)
    if (Option.isSome(read)) receipts.push(read.value.receipt)
  }
  if (receipts.length === 0) {
    return yield* new FileProblem({ detail: `"${folder}" holds no receipt: none of its .json files is one.` })
  }
  return { receipts, passedOver: files.length - receipts.length }
})

/**
 * `routing audit <log> [--receipts <folder>] [--json]`, with the policies that it may have to run. Fails where anything differs, so that the process
 * ends with an exit code other than 0.
 *
 * @category commands
 * @since 0.1.0
 */
export const makeAudit = (parts: Parts) =>
  Command.make(
    "audit",
    {
      file: Argument.String("log").pipe(Argument.withDescription("What `guildhall routing export` wrote")),
      receipts: Flag.String("receipts").pipe(
        Flag.withDescription("A folder of receipts that you hold (*.json), to compare with the export"),
        Flag.optional,
      ),
      json,
    },
    ({ file, json, receipts }) =>
      Effect.gen(function* () {
        const contents = yield* readFile(file, json)
        const folder = Option.isNone(receipts) ? undefined : yield* readReceipts(receipts.value)
        const held =
          folder === undefined
            ? undefined
            : { ...HeldReceipts.compare(contents, folder.receipts), passedOver: folder.passedOver }
        const policies = yield* NamedPolicies.resolve(parts, contents.head.policies)
        let told = 0
        const report = yield* Audit.run(contents, policies, (attempts) => {
          if (json || attempts - told < ATTEMPTS_EVERY) return Effect.void
          told = attempts
          return Console.error(`  ${attempts} attempts made again …`)
        })
        const isSound = Audit.isSound(report) && (held === undefined || HeldReceipts.isSound(held))
        yield* Console.log(
          json
            ? JSON.stringify({
                ok: isSound,
                market: contents.head.market,
                policies: [...policies.keys()],
                ...report,
                held: held ?? null,
              })
            : AuditText.lines(report, contents, held, file).join("\n"),
        )
        if (!isSound) return yield* new CommandFailure({ detail: "The routing does not hold." })
      }).pipe(
        Effect.provide(Digest.layerWebCrypto),
        Effect.catch((error) => tell(error, json)),
      ),
  ).pipe(
    Command.withDescription("Make every decision of an export again, and list those that differ"),
    Command.withExamples([
      { command: "guildhall routing audit routing.jsonl", description: "Check decisions, receipts and the log" },
      {
        command: "guildhall routing audit routing.jsonl --receipts mine",
        description: "Check also that it has what your own receipts say",
      },
    ]),
  )
