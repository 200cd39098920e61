import * as Audit from "../Audit.ts"
import type * as AuditFile from "../AuditFile.ts"
import type * as HeldReceipts from "../HeldReceipts.ts"
import { printable } from "@guildhall/core/CommandFailure"
import * as Period from "./Period.ts"

type Held = ReturnType<typeof HeldReceipts.compare>

/** So many of each kind are shown; `--json` has more. */
const SHOWN_MAX = 20

const shown = <A>(items: ReadonlyArray<A>, count: number, line: (item: A) => string): ReadonlyArray<string> => [
  ...items.slice(0, SHOWN_MAX).map((item) => `          ${line(item)}`),
  ...(count > SHOWN_MAX ? [`          … and ${count - SHOWN_MAX} more`] : []),
]

const mark = (wrong: number): string => (wrong === 0 ? "  ok    " : "  FAILED")

const notes = ({ counts, findings, guaranteed, otherPolicies }: Audit.Report): ReadonlyArray<string> =>
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
  ].map((note) => `  note    ${note}`)

/** Whether there is something to make again, and nothing of it could be. */
const isUnseen = ({ counts }: Audit.Report): boolean => counts.attempts === 0 && counts.decisions > 0

const next = (report: Audit.Report, held: Held | undefined, file: string): string => {
  const { differences, proofs } = report
  const otherwise = held?.otherwise ?? []
  const [first] = [...differences, ...proofs, ...otherwise]
  if (Audit.isSound(report) && otherwise.length === 0)
    return "Nothing differs. Next: GET /v1/requests/<id>/explain shows any one of them in full."
  if (isUnseen(report)) {
    return "Nothing could be made again. Next: audit where the parts of these policies are, or export again, with the log."
  }
  return first === undefined
    ? `Next: keep ${file}, and compare the log with a backup of the market's database.`
    : `Next: keep ${file} as evidence, and ask for GET /v1/requests/${first.request}/explain and GET /v1/receipts/${first.request}.`
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
    `${mark(counts.brokenProofs)}  receipts   ${counts.proved} lead to this log, ${counts.brokenProofs} do not; ${counts.unproved} requests have no proof`,
    ...shown(proofs, counts.brokenProofs, ({ of, request }) =>
      of === "decision"
        ? `${request}: its receipt is of another decision`
        : `${request}: its receipt is of another log`,
    ),
    ...(held === undefined
      ? []
      : [
          `${mark(held.otherwise.length)}  held       ${held.compared} receipts of this period; ${held.otherwise.length} are not what the export has`,
          ...shown(held.otherwise, held.otherwise.length, ({ is, request }) =>
            is === "absent" ? `${request}: it is not in the export` : `${request}: the export has another proof`,
          ),
        ]),
    `${mark(counts.altered)}  log        ${counts.segments} segments of ${counts.replicas} ${counts.replicas === 1 ? "start" : "starts"} of a gateway; ${counts.altered} altered or missing`,
    ...shown(
      findings.filter(({ kind }) => kind !== "Gap"),
      counts.altered,
      ({ detail }) => detail,
    ),
    ...notes(report),
    "",
    next(report, held, file),
  ].map(printable)
}
