import * as Audit from "../Audit.ts"
import type * as AuditFile from "../AuditFile.ts"
import * as HeldReceipts from "../HeldReceipts.ts"
import { printable } from "@guildhall/core/CommandFailure"
import * as Period from "./Period.ts"

/** What came of the receipts in a folder, and how many of its files are none. */
type Held = HeldReceipts.Compared & { readonly passedOver: number }

/** So many of each kind are shown; `--json` has more. */
const SHOWN_MAX = 20

const shown = <A>(items: ReadonlyArray<A>, count: number, line: (item: A) => string): ReadonlyArray<string> => [
  ...items.slice(0, SHOWN_MAX).map((item) => `          ${line(item)}`),
  ...(count > SHOWN_MAX ? [`          … and ${count - SHOWN_MAX} more`] : []),
]

const mark = (wrong: number): string => (wrong === 0 ? "  ok    " : "  FAILED")

/** What was not compared, and why. */
const aside = (held: Held | undefined): ReadonlyArray<string> =>
  held === undefined
    ? []
    : [
        ...(held.elsewhere > 0
          ? [`${held.elsewhere} receipts are of another market than the export says to be of.`]
          : []),
        ...(held.outside > 0
          ? [`${held.outside} receipts are of requests that began before or after the period.`]
          : []),
        ...(held.unproved > 0 ? [`${held.unproved} receipts have no proof of their routing.`] : []),
        ...(held.passedOver > 0 ? [`${held.passedOver} .json files in the folder are no receipts, or too many.`] : []),
      ]

const notes = (
  { counts, definitions, findings, guaranteed, otherPolicies }: Audit.Report,
  held: Held | undefined,
): ReadonlyArray<string> =>
  [
    ...guaranteed.slice(0, SHOWN_MAX).map(({ full, matching, model, offered, promised, shortfall }) => {
      const kept = shortfall === 0 ? "the promise was kept" : `${shortfall} too few`
      const without = full === 0 ? "" : `, and at ${full} all of the tier were full`
      return `${model}: of ${matching} requests that fit guaranteed tiers, ${offered} went to them and ${promised} were promised: ${kept}${without}.`
    }),
    ...findings.filter(({ kind }) => kind === "Gap").map(({ detail }) => detail),
    ...(counts.beyondLog > 0
      ? [`${counts.beyondLog} attempts lie where the log has a gap or is not written yet.`]
      : []),
    ...(counts.beyondProof > 0 ? [`${counts.beyondProof} receipts lead to a part of the log that is not here.`] : []),
    ...(counts.otherPolicy > 0
      ? [`${counts.otherPolicy} requests were routed by policies that are not known here: ${otherPolicies.join(", ")}.`]
      : []),
    ...(definitions.length > 0 && !definitions.some(({ isHead }) => isHead)
      ? [
          "No request began under the definition that the head names: the market changed it, or the head is of another one.",
        ]
      : []),
    ...aside(held),
  ].map((note) => `  note    ${note}`)

/** Whether there is something to make again, and nothing of it could be. */
const isUnseen = ({ counts }: Audit.Report): boolean => counts.attempts === 0 && counts.decisions > 0

/** Whether there are decisions, and no proof of any of them holds. */
const isUnproved = ({ counts }: Audit.Report): boolean => counts.proved === 0 && counts.decisions > 0

const next = (report: Audit.Report, held: Held | undefined, file: string): string => {
  const { counts, differences, proofs } = report
  const otherwise = held?.otherwise ?? []
  const [first] = [...differences, ...proofs, ...otherwise]
  if (Audit.isSound(report) && (held === undefined || HeldReceipts.isSound(held))) {
    return counts.decisions === 0
      ? "No request came to the router in this period. Next: guildhall routing export --from <time> --to <time> writes another one."
      : "Nothing differs. Next: GET /v1/requests/<id>/explain shows any one of them in full."
  }
  if (isUnseen(report)) {
    return "Nothing could be made again. Next: audit where the parts of these policies are, or export again, with the log."
  }
  if (first !== undefined) {
    return `Next: keep ${file} as evidence, and ask for GET /v1/requests/${first.request}/explain and GET /v1/receipts/${first.request}.`
  }
  if (isUnproved(report)) {
    return "Nothing is proved: this may be any market's file. Next: ask for an export with the proofs, and compare it with receipts (--receipts)."
  }
  if (held !== undefined && held.compared === 0) {
    return "None of your receipts could be compared. Next: ask for an export of the market and the period that they are of."
  }
  if (report.isFileAltered) return "Next: export again, or ask for the file again."
  return `Next: keep ${file}, and compare the log with a backup of the market's database.`
}

const kinds: Record<HeldReceipts.Otherwise["is"], string> = {
  absent: "it is not in the export",
  unproved: "the export has it without its proof",
  other: "the export has another proof, definition or reason",
  elsewhere: "it is of another market than the export says to be of",
}

/** What was found, as a person reads it. The last line says what to do next. */
export const lines = (
  report: Audit.Report,
  { head }: AuditFile.Contents,
  held: Held | undefined,
  file: string,
): ReadonlyArray<string> => {
  const { counts, differences, findings, proofs } = report
  return [
    `routing of the market "${head.market}", ${Period.iso(head.fromMs)} to ${Period.iso(head.toMs)}`,
    "",
    `${mark(isUnseen(report) ? 1 : counts.differing)}  decisions  ${counts.attempts} attempts of ${counts.decisions} requests were made again; ${counts.differing} differ`,
    ...shown(
      differences,
      counts.differing,
      ({ attempt, because, chosen, expected, request }) =>
        `${request} attempt ${attempt}: ${chosen ?? "none"} instead of ${expected ?? "none"}; ${because}`,
    ),
    ...(report.isFileAltered
      ? [`${mark(1)}  file       it was altered after it was written: it does not fit the digest in its last line`]
      : []),
    `${mark(isUnproved(report) ? 1 : counts.brokenProofs)}  receipts   ${counts.proved} lead to this log, ${counts.brokenProofs} do not; ${counts.unproved} requests have no proof`,
    ...shown(proofs, counts.brokenProofs, ({ of, request }) =>
      of === "decision"
        ? `${request}: its receipt is of another decision, or of another request`
        : `${request}: its receipt is of another log`,
    ),
    ...(held === undefined
      ? []
      : [
          `${mark(HeldReceipts.isSound(held) ? 0 : 1)}  held       ${held.compared} of ${held.given} receipts were compared; ${held.otherwise.length} are not what the export has`,
          ...shown(held.otherwise, held.otherwise.length, ({ is, request }) => `${request}: ${kinds[is]}`),
        ]),
    `${mark(counts.altered)}  log        ${counts.segments} segments of ${counts.replicas} ${counts.replicas === 1 ? "start" : "starts"} of a gateway; ${counts.altered} altered or missing`,
    ...shown(
      findings.filter(({ kind }) => kind !== "Gap"),
      counts.altered,
      ({ detail }) => detail,
    ),
    ...notes(report, held),
    "",
    next(report, held, file),
  ].map(printable)
}
