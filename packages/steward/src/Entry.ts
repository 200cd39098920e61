/**
 * Admits instances: makes the checks that the market asks for when one joins, when its endpoint, model or terms change, and again
 * at random. Each step is kept as soon as it is known, so a gateway that dies in the middle leaves the rest to whoever comes
 * next, and no step is paid for twice.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import type { Outcome, Settings } from "@guildhall/core/EntryVerification"
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import { Devices } from "@guildhall/registry/Devices"
import { type Entry, EntryRecord } from "@guildhall/registry/EntryRecord"
import * as EntrySubject from "@guildhall/registry/EntrySubject"
import { Router } from "@guildhall/routing/Router"
import { notChecked } from "@guildhall/verification/endpoint/Check"
import * as Checks from "@guildhall/verification/endpoint/Checks"
import * as Conclusion from "@guildhall/verification/endpoint/Conclusion"
import { EndpointProbe } from "@guildhall/verification/endpoint/EndpointProbe"
import * as EntrySchedule from "./EntrySchedule.ts"
import * as Warn from "./internal/Warn.ts"
import * as Loop from "./Loop.ts"

/**
 * `settings` are the market's. `owner` names this process among those that may run checks, and is another after each start; `seed`
 * decides when passed instances are checked again, and is nobody else's to know. `point` is where this gateway stands, by the
 * settings. `everyMs` (500) is how often it looks for what is due, `leaseMs` (15,000) how long after the death of its process a
 * run is taken on, `concurrent` (4) how many instances are checked at a time, `gapMs` (1,000) how long after a conclusion an
 * instance that changed is checked anew at the earliest.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly settings: Settings
  readonly owner: string
  readonly seed: string
  readonly point?: string | undefined
  readonly everyMs?: number | undefined
  readonly leaseMs?: number | undefined
  readonly concurrent?: number | undefined
  readonly gapMs?: number | undefined
}

const runs = Metric.counter("guildhall_entry_runs", {
  description: "Runs of entry verification, by how they ended.",
})

const LEASE_MS = 15_000
const CONCURRENT = 4
const GAP_MS = 1_000
/** So often it looks whether somebody new waits, which costs no query. */
const GLANCE_MS = 50

/** Once nobody answers, the other questions would each wait for nothing. */
const isAway = (steps: ReadonlyArray<Outcome>): boolean =>
  steps.some(({ check, state }) => check === "reach" && state === "failed")

/** These say something although nobody answers. */
const WITHOUT_ANSWER: ReadonlyArray<Outcome["check"]> = ["resolve", "reach", "tls"]

const unasked = (check: Outcome["check"], atMs: number): Outcome => ({
  check,
  atMs,
  ...notChecked("Nobody answers at the endpoint as it should.", "Mend `reach` first."),
})

/** What a member is told of checks that its instance did not pass: the first that failed, and where the others stand. */
const warningOf = (name: string, { check, code, detail, fix }: Outcome, others: number, isOut: boolean) => ({
  topic: "entry_failed" as const,
  code: code ?? ("not_verified" as const),
  detail: `${name} did not pass the check \`${check}\`${others === 0 ? "" : ` and ${others} more`}, and ${isOut ? "gets no requests" : "gets none once it fails again"}. ${detail} ${fix ?? ""} GET /v1/providers/{instance}/entry shows all of them.`,
})

/** Makes the steps of a run that are still to be made, and keeps each. Answers undefined where the run is no longer this owner's. */
const makeSteps = Effect.fnUntraced(function* (options: Options) {
  const record = yield* EntryRecord
  const probe = yield* EndpointProbe
  const { owner, point, settings } = options
  const leaseMs = options.leaseMs ?? LEASE_MS

  return Effect.fnUntraced(function* (entry: Entry, instance: Instance) {
    const held = { instanceId: entry.instanceId, subject: entry.subject, owner }
    let steps = entry.steps
    const keep = Effect.suspend(() => record.note({ ...held, steps, leaseMs }))
    /** Ends once the run is somebody else's. */
    const lost = keep.pipe(
      Effect.delay(leaseMs / 3),
      Effect.catch(() => Effect.succeed(true)),
      Effect.repeat({ while: (isOurs) => isOurs }),
    )
    const all = Effect.gen(function* () {
      for (const check of Checks.inOrder(settings.checks)) {
        if (steps.some((step) => step.check === check)) continue
        const last = steps.at(-1)?.atMs ?? 0
        const step =
          isAway(steps) && !WITHOUT_ANSWER.includes(check)
            ? unasked(check, last)
            : yield* Checks.run(check, { instance, settings, point }).pipe(Effect.provideService(EndpointProbe, probe))
        steps = [...steps, step]
        if (!(yield* keep)) return undefined
      }
      return steps
    })
    return yield* Effect.raceFirst(all, Effect.as(lost, undefined))
  })
})

/**
 * Makes the `round` that looks once, and `news`, which ends when there is somebody to look for. A round asks for checks of those that have not passed, forgets those that left, and begins what is
 * due. What it began goes on in the scope. Where the router has not heard of an instance yet, that waits.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const devices = yield* Devices
  const record = yield* EntryRecord
  const router = yield* Router
  const takeSteps = yield* makeSteps(options)
  const warn = yield* Warn.make
  const fibers = yield* FiberMap.make<InstanceId>()
  const { owner, seed, settings } = options
  const leaseMs = options.leaseMs ?? LEASE_MS
  const concurrent = options.concurrent ?? CONCURRENT
  const gapMs = options.gapMs ?? GAP_MS
  /** What was asked for, and not heard to have passed: asking is a write. */
  let asked = new Map<InstanceId, string>()
  let known: ReadonlySet<InstanceId> = new Set()
  /** Whether more may be due than there was room for. */
  let isCrowded = false

  const conclude = Effect.fnUntraced(function* (entry: Entry, instance: Instance, steps: ReadonlyArray<Outcome>) {
    const { attempt, instanceId, run, subject } = entry
    const conclusion = Conclusion.of(settings.checks, steps)
    const wasPassed = entry.state === "passed"
    const { nextMs, state } = EntrySchedule.next(
      { instanceId, run, attempt, wasPassed, conclusion },
      { seed, recheckMs: settings.recheckMs },
    )
    const hasFailed = conclusion.state !== "passed"
    // The instance first: where this process dies in between, the run is concluded once more from its steps.
    yield* devices.setEntry(instanceId, state, subject)
    yield* record.conclude({ instanceId, subject, owner, state, hasFailed, steps, nextMs })
    yield* Metric.update(Metric.withAttributes(runs, { outcome: hasFailed ? "failed" : "passed" }), 1)
    const codes = conclusion.failures.map(({ check, code }) => `${check} (${code ?? ""})`).join(", ")
    const name = `${instanceId} (${instance.model})`
    yield* hasFailed
      ? Effect.logWarning(`${name} did not pass: ${codes}. Next try in ${Math.ceil(nextMs / 1000)} s.`)
      : Effect.logInfo(`${name} passed ${steps.length} checks.`)
    const [first, ...others] = conclusion.failures
    if (first !== undefined)
      yield* warn(instance, `${subject}:${first.check}`, warningOf(name, first, others.length, state !== "passed"))
  })

  const runOne = Effect.fn("Entry.run")(function* (entry: Entry) {
    const instance = router.instances().find(({ id }) => id === entry.instanceId)
    if (instance === undefined) return
    const subject = EntrySubject.digest(instance)
    if (subject !== entry.subject) return yield* record.ask([{ instanceId: instance.id, subject }], gapMs)
    const steps = yield* takeSteps(entry, instance)
    if (steps !== undefined) yield* conclude(entry, instance, steps)
  })

  /** A run that breaks down is taken on when its lease is over: another one is not begun before. */
  const begin = (entry: Entry) =>
    runOne(entry).pipe(
      Effect.exit,
      Effect.tap((exit) =>
        Exit.isFailure(exit)
          ? Effect.logWarning(`The checks of ${entry.instanceId} broke off and go on later.`, exit.cause)
          : Effect.void,
      ),
    )

  const askFor = Effect.fnUntraced(function* (instances: ReadonlyArray<Instance>) {
    // An account in a cloud has no device that could be asked; its service was asked before it was taken.
    const waiting = instances.filter(({ reach, state }) => state === "not_verified" && reach._tag !== "Cloud")
    const wanted = new Map(waiting.map((instance) => [instance.id, EntrySubject.digest(instance)]))
    const news = [...wanted].flatMap(([instanceId, subject]) =>
      asked.get(instanceId) === subject ? [] : [{ instanceId, subject }],
    )
    yield* record.ask(news, gapMs)
    asked = wanted
  })

  const forgetGone = Effect.fnUntraced(function* (instances: ReadonlyArray<Instance>) {
    const now = new Set(instances.map(({ id }) => id))
    yield* record.forget([...known].filter((id) => !now.has(id)))
    known = now
  })

  /** Ends once somebody waits of whom nothing was asked yet, or of whom much was asked and there is room now. */
  const news = Effect.map(
    FiberMap.size(fibers),
    (running) =>
      (isCrowded && running < concurrent) ||
      router.instances().some(({ id, state }) => state === "not_verified" && !asked.has(id)),
  ).pipe(Effect.repeat({ until: (isNew) => isNew, schedule: Schedule.spaced(GLANCE_MS) }), Effect.asVoid)

  const round = Effect.gen(function* () {
    const instances = router.instances()
    yield* forgetGone(instances)
    yield* askFor(instances)
    const most = concurrent - (yield* FiberMap.size(fibers))
    isCrowded ||= most <= 0
    if (most <= 0) return
    const due = yield* record.take({ owner, leaseMs, most })
    isCrowded = due.length === most
    for (const entry of due) yield* FiberMap.run(fibers, entry.instanceId, begin(entry))
  }).pipe(Effect.withSpan("Entry.round"))
  return { round, news }
})

/**
 * Looks again and again, for as long as the layer lives.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const { news, round } = yield* make(options)
      yield* Loop.run("Entry", options.everyMs ?? 500, round, news)
    }),
  )
