/**
 * Why a provider was not routed to over a period, from the journal: a sample of the period's requests, with the log that they
 * need, so that a question costs the same however busy the market is.
 *
 * @since 0.1.0
 */
import type * as Digest from "effect/crypto/Digest"
import * as Effect from "effect/Effect"
import {
  type DirectorySegment,
  Journal,
  type JournalError,
  PAGE_MAX,
  type RequestRecord,
} from "@guildhall/journal/Journal"
import type { RoutingDecision } from "@guildhall/journal/JournalEntry"
import * as LogReplay from "./LogReplay.ts"
import * as RoutingExport from "./RoutingExport.ts"
import type { RoutingPolicy } from "./RoutingPolicy.ts"
import * as WhyNot from "./WhyNot.ts"

/**
 * What is asked: whose instances, over which period, with how many requests at most (see {@link SAMPLE_MAX}), how far apart in
 * the log those of an eighth of the period may lie, and by which policy decisions of a name such as `LeastLoaded@1` are made again.
 *
 * @category models
 * @since 0.1.0
 */
export interface Query {
  readonly target: WhyNot.Target
  readonly fromMs: number
  readonly toMs: number
  readonly sample: number
  readonly versionsMax?: number | undefined
  readonly policyOf: (name: string) => RoutingPolicy | undefined
}

/**
 * The answer: what {@link WhyNot.Report} says of the requests that were `looked` at, of all models; `isSample` where there were
 * more in the period. `notSeen` of them could not be made again: the log does not reach, or it was another policy.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer extends WhyNot.Report {
  readonly looked: number
  readonly isSample: boolean
  readonly notSeen: number
}

/**
 * The most requests that one question looks at.
 *
 * @category constants
 * @since 0.1.0
 */
export const SAMPLE_MAX = 10_000

/** The period is cut into so many parts, and the newest requests of each are looked at; busy ones get what quiet ones leave. */
const PARTS = 8
/** Requests of one part that lie further apart in the log than this are not made again, unless told otherwise. */
const VERSIONS_MAX = 200_000

interface Part {
  readonly decisions: ReadonlyArray<RoutingDecision>
  readonly looked: number
  readonly isWhole: boolean
  readonly startMs: number
  readonly endMs: number
}

const idOf = (record: RequestRecord) => (record._tag === "RequestEnded" ? record.receipt.id : record.requestId)

/** The newest requests of a part of the period. */
const newest = Effect.fnUntraced(function* (fromMs: number, toMs: number, most: number) {
  const journal = yield* Journal
  const first = RoutingExport.firstId(fromMs)
  let before = RoutingExport.firstId(toMs)
  const records: Array<RequestRecord> = []
  for (;;) {
    const limit = Math.min(PAGE_MAX, most + 1 - records.length)
    const page: ReadonlyArray<RequestRecord> = yield* journal.requests({ member: null, before, limit })
    const inside = page.filter((record) => idOf(record) >= first)
    records.push(...inside)
    const last = inside.at(-1)
    if (last === undefined || inside.length < limit || records.length > most) break
    before = idOf(last)
  }
  const looked = records.slice(0, most)
  const decisions = looked.flatMap(({ decision }) => decision ?? [])
  return { decisions, looked: looked.length, isWhole: records.length <= most }
})

/** The parts of the period, newest first. */
const parts = Effect.fnUntraced(function* ({ fromMs, sample, toMs }: Query) {
  const all = Math.max(PARTS, Math.min(sample, SAMPLE_MAX))
  const most = Math.floor(all / PARTS)
  const lengthMs = Math.max(0, toMs - fromMs)
  const found: Array<Part> = []
  for (let at = PARTS - 1; at >= 0; at--) {
    const startMs = fromMs + Math.floor((lengthMs * at) / PARTS)
    const endMs = fromMs + Math.floor((lengthMs * (at + 1)) / PARTS)
    found.push({ ...(yield* newest(startMs, endMs, most)), startMs, endMs })
  }
  let left = all - found.reduce((sum, { looked }) => sum + looked, 0)
  for (const [at, { endMs, isWhole, looked, startMs }] of found.entries()) {
    if (isWhole || left <= 0) continue
    const more = yield* newest(startMs, endMs, looked + left)
    left -= more.looked - looked
    found[at] = { ...more, startMs, endMs }
  }
  return found
})

const byReplica = (decisions: ReadonlyArray<RoutingDecision>): ReadonlyMap<string, ReadonlyArray<RoutingDecision>> => {
  const found = new Map<string, Array<RoutingDecision>>()
  for (const decision of decisions) {
    const others = found.get(decision.replica)
    if (others === undefined) found.set(decision.replica, [decision])
    else others.push(decision)
  }
  return found
}

const versionOf = ({ attempts, version }: RoutingDecision): number => attempts[0]?.version ?? version

/**
 * Answers the question.
 *
 * @category rules
 * @since 0.1.0
 */
export const run = Effect.fn("WhyNotQuery.run")(function* (
  query: Query,
): Effect.fn.Return<Answer, JournalError, Journal | Digest.Digest> {
  const { policyOf, target, versionsMax = VERSIONS_MAX } = query
  const count = WhyNot.make(target)
  const totals = { looked: 0, isSample: false, notSeen: 0 }

  const replay = Effect.fnUntraced(function* (replica: string, decisions: ReadonlyArray<RoutingDecision>) {
    const to = Math.max(...decisions.map(versionOf))
    const near = decisions.filter((decision) => to - versionOf(decision) <= versionsMax)
    totals.notSeen += decisions.length - near.length
    const segments: Array<DirectorySegment> = []
    const from = Math.min(...near.map(versionOf))
    yield* RoutingExport.readLog({ replica, from, to }, (more) => Effect.sync(() => void segments.push(...more)))
    const visits = near.map((decision): LogReplay.Visit => {
      const policy = policyOf(decision.policy)
      const version = versionOf(decision)
      const see: LogReplay.Visit["see"] = (directory) => {
        if (directory === undefined || policy === undefined) totals.notSeen++
        else count.add(policy, directory, decision)
      }
      return { version, see }
    })
    yield* LogReplay.walk(segments, { visits })
  })

  for (const { decisions, isWhole, looked } of yield* parts(query)) {
    totals.looked += looked
    totals.isSample ||= !isWhole
    for (const [replica, made] of byReplica(decisions)) yield* replay(replica, made)
  }
  return { ...totals, ...count.report() }
})
