/**
 * Writes the decisions of a period, and the log that they were made on, out of the journal.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { RequestId } from "@guildhall/core/Request"
import { type DirectorySegment, Journal, PAGE_MAX, type RequestRecord } from "@guildhall/journal/Journal"
import * as AuditFile from "./AuditFile.ts"

/**
 * The first id that a request which began at this moment may have: ids sort by time.
 *
 * @category rules
 * @since 0.1.0
 */
export const firstId = AuditFile.firstId

/**
 * A stretch of a replica's log: what decisions need that were made in it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stretch {
  readonly replica: string
  readonly from: number
  readonly to: number
}

/**
 * The stretches of the log that decisions need to be made again, and their proofs to be checked: one for each replica.
 *
 * @category rules
 * @since 0.1.0
 */
export const stretches = (
  decisions: Iterable<Pick<AuditFile.Decided, "decision" | "proof">>,
): ReadonlyArray<Stretch> => {
  const found = new Map<string, Stretch>()
  for (const { decision, proof } of decisions) {
    const { replica } = decision
    const versions = [decision.version, ...decision.attempts.map(({ version }) => version)]
    // A proof begins with the segment that ends at `sealed`, which may be a snapshot's neighbour at the same version.
    const proved = proof === null ? [] : [Math.max(0, proof.sealed - 1), proof.version]
    const known = found.get(replica)
    const from = Math.min(...versions, ...proved, known?.from ?? Infinity)
    const to = Math.max(...versions, ...proved, known?.to ?? 0)
    found.set(replica, { replica, from, to })
  }
  return [...found.values()]
}

/** So many versions are read from the journal at a time. */
const VERSIONS_MAX = 200_000

/** The newest part of a running gateway's log is written within a second. */
const AGAIN = Schedule.max([Schedule.spaced("250 millis"), Schedule.recurs(12)])

const idOf = (record: RequestRecord): RequestId =>
  record._tag === "RequestEnded" ? record.receipt.id : record.requestId

const keyOf = ({ kind, toVersion, version }: DirectorySegment): string => `${kind} ${version} ${toVersion}`

/**
 * Reads a stretch of the log, part by part, each segment once; `take` gets them.
 *
 * @category rules
 * @since 0.1.0
 */
export const readLog = Effect.fnUntraced(function* <E, R>(
  { from, replica, to }: Stretch,
  take: (segments: ReadonlyArray<DirectorySegment>) => Effect.Effect<void, E, R>,
) {
  const journal = yield* Journal
  let before = new Set<string>()
  let cursor = from
  do {
    const end = Math.min(to, cursor + VERSIONS_MAX)
    const segments = yield* journal.directory.upTo(replica, end, cursor)
    yield* take(segments.filter((segment) => !before.has(keyOf(segment))))
    before = new Set([...before, ...segments.map(keyOf)])
    cursor = end
  } while (cursor < to)
})

/** Waits a little for the end of a log whose gateway is still writing it. What never comes is a gap. */
const settled = Effect.fnUntraced(function* ({ replica, to }: Stretch) {
  const journal = yield* Journal
  const reached = Effect.map(journal.directory.upTo(replica, to), (segments) =>
    segments.some(({ toVersion }) => toVersion >= to),
  )
  yield* Effect.repeat(reached, { until: (isThere) => isThere, schedule: AGAIN })
})

/**
 * What is exported: the requests that began in the period, with the head of the file.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = Omit<AuditFile.Head, "_tag" | "format">

/**
 * Exports a period; `write` gets the lines in their order, many at a time. Answers how many segments and decisions there are.
 *
 * @category rules
 * @since 0.1.0
 */
export const run = Effect.fn("RoutingExport.run")(function* <E, R>(
  options: Options,
  write: (lines: ReadonlyArray<string>) => Effect.Effect<void, E, R>,
) {
  const journal = yield* Journal
  const counts = { segments: 0, decisions: 0 }
  const digest = AuditFile.startDigest()
  const put = (lines: ReadonlyArray<AuditFile.AuditLine>) => {
    const texts = lines.map(AuditFile.encode)
    for (const text of texts) digest.update(`${text}\n`)
    return write(texts)
  }
  yield* put([{ _tag: "Head", format: AuditFile.FORMAT, ...options }])

  const first = firstId(options.fromMs)
  let before: RequestId | undefined = firstId(options.toMs)
  const needed = new Map<string, Stretch>()
  while (before !== undefined) {
    const page: ReadonlyArray<RequestRecord> = yield* journal.requests({ member: null, before, limit: PAGE_MAX })
    const decided = page.filter((record) => idOf(record) >= first).flatMap((record) => AuditFile.decided(record) ?? [])
    for (const { from, replica, to } of stretches(decided)) {
      const known = needed.get(replica)
      needed.set(replica, { replica, from: Math.min(from, known?.from ?? from), to: Math.max(to, known?.to ?? to) })
    }
    counts.decisions += decided.length
    yield* put(decided)
    const last = page.at(-1)
    before = page.length < PAGE_MAX || last === undefined || idOf(last) < first ? undefined : idOf(last)
  }

  for (const stretch of needed.values()) {
    yield* settled(stretch)
    yield* readLog(stretch, (segments) => {
      counts.segments += segments.length
      return put(segments.map((segment) => ({ _tag: "Segment", ...segment })))
    })
  }
  yield* write([AuditFile.encode({ _tag: "End", ...counts, digest: digest.digest("hex") })])
  return counts
})
