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
import * as Stream from "effect/Stream"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import type { PartRef, Parts } from "@guildhall/core/Parts"
import type { Journal } from "@guildhall/journal/Journal"
import * as Audit from "./Audit.ts"
import * as AuditFile from "./AuditFile.ts"
import * as RoutingExport from "./RoutingExport.ts"
import { RoutingPolicy } from "./RoutingPolicy.ts"
import { CommandFailure, FileProblem, printable, tell } from "./internal/CommandFailure.ts"
import * as Period from "./internal/Period.ts"

/**
 * The market of a command: its name, the digest of its definition, and the policy that the definition names.
 *
 * @category models
 * @since 0.1.0
 */
export interface MarketFacts {
  readonly market: string
  readonly definition: string
  readonly routing: PartRef
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
  const reader = new AuditFile.Reader()
  const wrong = (detail: string) => new FileProblem({ detail: `"${name}" is no whole export. ${detail}` })
  yield* fs.stream(name).pipe(
    Stream.mapError(problem(name, "is not there, or not for you to read.")),
    Stream.decodeText,
    Stream.splitLines,
    Stream.runForEach((line) =>
      Effect.andThen(
        Effect.mapError(Effect.fromResult(reader.add(line)), wrong),
        !asJson && reader.lines % LINES_EVERY === 0 ? Console.error(`  ${reader.lines} lines read …`) : Effect.void,
      ),
    ),
  )
  return yield* Effect.mapError(Effect.fromResult(reader.finish()), wrong)
})

/** So many of each kind are shown; `--json` has more. */
const SHOWN_MAX = 20

const shown = <A>(items: ReadonlyArray<A>, count: number, line: (item: A) => string): ReadonlyArray<string> => [
  ...items.slice(0, SHOWN_MAX).map((item) => `          ${line(item)}`),
  ...(count > SHOWN_MAX ? [`          … and ${count - SHOWN_MAX} more`] : []),
]

const mark = (wrong: number): string => (wrong === 0 ? "  ok    " : "  FAILED")

const notes = ({ counts, findings, otherPolicies }: Audit.Report): ReadonlyArray<string> =>
  [
    ...findings.filter(({ kind }) => kind === "Gap").map(({ detail }) => detail),
    ...(counts.beyondLog > 0
      ? [`${counts.beyondLog} attempts lie where the log has a gap or is not written yet.`]
      : []),
    ...(counts.beyondProof > 0 ? [`${counts.beyondProof} receipts lead to a part of the log that is not here.`] : []),
    ...(counts.otherPolicy > 0
      ? [
          `${counts.otherPolicy} requests were routed by another policy than the definition's: ${otherPolicies.join(", ")}.`,
        ]
      : []),
  ].map((note) => `  note    ${note}`)

const next = (report: Audit.Report, file: string): string => {
  const { differences, proofs } = report
  const [first] = [...differences, ...proofs]
  if (Audit.isSound(report))
    return "Nothing differs. Next: GET /v1/requests/<id>/explain shows any one of them in full."
  return first === undefined
    ? `Next: keep ${file}, and compare the log with a backup of the market's database.`
    : `Next: keep ${file} as evidence, and ask for GET /v1/requests/${first.request}/explain and GET /v1/receipts/${first.request}.`
}

const lines = (
  report: Audit.Report,
  { head }: AuditFile.Contents,
  policy: string,
  file: string,
): ReadonlyArray<string> => {
  const { counts, differences, findings, proofs } = report
  return [
    `routing of the market "${head.market}" by ${policy}, ${Period.iso(head.fromMs)} to ${Period.iso(head.toMs)}`,
    "",
    `${mark(counts.differing)}  decisions  ${counts.attempts} attempts of ${counts.decisions} requests were made again; ${counts.differing} differ`,
    ...shown(
      differences,
      counts.differing,
      ({ attempt, because, chosen, expected, request }) =>
        `${request} attempt ${attempt}: ${chosen ?? "none"} instead of ${expected ?? "none"}; ${because}`,
    ),
    `${mark(counts.brokenProofs)}  receipts   ${counts.proved} lead to this log, ${counts.brokenProofs} do not; ${counts.unproved} requests have no proof`,
    ...shown(proofs, counts.brokenProofs, ({ of, request }) =>
      of === "decision"
        ? `${request}: its receipt is of another decision`
        : `${request}: its receipt is of another log`,
    ),
    `${mark(counts.altered)}  log        ${counts.segments} segments of ${counts.replicas} ${counts.replicas === 1 ? "start" : "starts"} of a gateway; ${counts.altered} altered or missing`,
    ...shown(
      findings.filter(({ kind }) => kind !== "Gap"),
      counts.altered,
      ({ detail }) => detail,
    ),
    ...notes(report),
    "",
    next(report, file),
  ].map(printable)
}

/**
 * `routing audit <log> [--json]`, with the policies that it may have to run. Fails where anything differs, so that the process
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
      json,
    },
    ({ file, json }) =>
      Effect.gen(function* () {
        const contents = yield* readFile(file, json)
        const policy = yield* parts.resolve(RoutingPolicy, contents.head.routing)
        let told = 0
        const report = yield* Audit.run(contents, policy, (attempts) => {
          if (json || attempts - told < ATTEMPTS_EVERY) return Effect.void
          told = attempts
          return Console.error(`  ${attempts} attempts made again …`)
        })
        const isSound = Audit.isSound(report)
        const name = `${policy.name}@${policy.version}`
        yield* Console.log(
          json
            ? JSON.stringify({ ok: isSound, market: contents.head.market, policy: name, ...report })
            : lines(report, contents, name, file).join("\n"),
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
    ]),
  )
