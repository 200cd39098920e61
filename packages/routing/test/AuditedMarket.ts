/** A market whose router decides, whose instances fail, and whose journal keeps it all: for tests of what looks back on it. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { InstanceId } from "@guildhall/core/Instance"
import { ModelId } from "@guildhall/core/Model"
import { RequestId } from "@guildhall/core/Request"
import { Journal } from "@guildhall/journal/Journal"
import type { JournalEntry, RoutingDecision } from "@guildhall/journal/JournalEntry"
import * as SampleEntry from "@guildhall/journal/testing/SampleEntry"
import * as AuditFile from "../src/AuditFile.ts"
import { Router } from "../src/Router.ts"
import * as RoutingExport from "../src/RoutingExport.ts"
import * as RoutingProof from "../src/RoutingProof.ts"
import * as SampleMarket from "../src/testing/SampleMarket.ts"

export const START_MS = 1_750_000_000_000

/** What a gateway asks of its router, and what it does to the directory, for a request whose first two attempts may fail. */
const decide = (router: Router["Service"], dice: SampleMarket.Dice): RoutingDecision => {
  const model = SampleMarket.models[dice.below(SampleMarket.models.length)] ?? ModelId.make("org/small")
  const contextTokens = 512 << dice.below(5)
  const seed = SampleMarket.seed(dice)
  const preferences = dice.below(4) === 0 ? { sort: "price" as const } : undefined
  const features = dice.below(4) === 0 ? { affinity: `conversation-${dice.below(5)}`, inputTokens: 100 } : undefined
  const known = { ...(preferences && { preferences }), ...(features && { features }) }
  const attempts: Array<RoutingDecision["attempts"][number]> = []
  let version: number | undefined
  const most = 1 + dice.below(3)
  while (attempts.length < most) {
    const tried: ReadonlyArray<InstanceId> = attempts.map(({ instance }) => instance)
    const choice = router.choose({ model, contextTokens, tried, ...known }, seed)
    version ??= choice.version
    if (choice._tag === "NoneLeft") break
    const instanceId = choice.instance.id
    router.apply({ _tag: "DispatchStarted", instanceId })
    const isLast = attempts.length === most - 1
    attempts.push({
      instance: instanceId,
      version: choice.version,
      ...(!isLast && { reason: "provider_stalled" as const }),
    })
    if (dice.below(3) > 0) router.apply({ _tag: "DispatchEnded", instanceId })
  }
  const { policy, replica } = router
  return { replica, version: version ?? 0, policy, seed, model, contextTokens, ...known, attempts }
}

const idAt = (at: number): RequestId =>
  RequestId.make(RoutingExport.firstId(START_MS + at).replace(/0{20}$/, "7".repeat(20)))

/** Serves so many requests and answers their entries, which the journal has as well. */
export const serve = Effect.fnUntraced(function* (name: string, count: number, from = 0) {
  const router = yield* Router
  const journal = yield* Journal
  const dice = SampleMarket.dice(name)
  const entries: Array<Extract<JournalEntry, { _tag: "RequestEnded" }>> = []
  while (entries.length < count) {
    for (let at = dice.below(6); at >= 0; at--) router.apply(SampleMarket.event(dice))
    const decision = decide(router, dice)
    const isServed = decision.attempts.length > 0
    const entry = SampleEntry.ended({
      id: idAt(from + entries.length),
      ...(isServed ? {} : { outcome: "failed", reason: "no_capacity" }),
    })
    const { definitionDigest: definition, id, market, reason = null } = entry.receipt
    const routing = RoutingProof.make(decision, router.head(), entry.salts.request, { id, market, definition, reason })
    const made = { ...entry, receipt: { ...entry.receipt, routing }, decision }
    entries.push(made)
    yield* journal.append([made])
    if (dice.below(20) === 0) yield* router.flush
  }
  return entries
})

/** The lines of an export of everything. */
export const exported = Effect.gen(function* () {
  const lines: Array<string> = []
  const options = {
    market: "local",
    definition: "0".repeat(64),
    policies: { "LeastLoaded@2": { use: "LeastLoaded" } },
    fromMs: START_MS,
    toMs: START_MS + 1_000_000,
  }
  yield* RoutingExport.run(options, (more) => Effect.sync(() => lines.push(...more)))
  return lines
})

/** What the lines hold, or what is wrong with them. */
export const read = (lines: ReadonlyArray<string>): Result.Result<AuditFile.Contents, string> => {
  const reader = new AuditFile.Reader()
  for (const line of lines) {
    const added = reader.add(line)
    if (Result.isFailure(added)) return Result.fail(added.failure)
  }
  return reader.finish()
}

/** The lines with an end as whoever writes a file would write it: its counts and its digest made anew. */
export const resealed = (lines: ReadonlyArray<string>): ReadonlyArray<string> => {
  const digest = AuditFile.startDigest()
  const counts = { segments: 0, decisions: 0 }
  const kept = lines.filter((line) => line.trim() !== "" && !line.startsWith('{"_tag":"End"'))
  for (const line of kept) {
    digest.update(`${line}\n`)
    if (line.startsWith('{"_tag":"Segment"')) counts.segments++
    if (line.startsWith('{"_tag":"Decision"')) counts.decisions++
  }
  return [...kept, AuditFile.encode({ _tag: "End", ...counts, digest: digest.digest("hex") })]
}
