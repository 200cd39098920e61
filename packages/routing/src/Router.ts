/**
 * The live directory and the policy over it. Synchronous, in memory: a choice costs microseconds.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Digest from "effect/crypto/Digest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import * as Semaphore from "effect/Semaphore"
import type { DirectoryEvent } from "@guildhall/core/DirectoryEvent"
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import type { ModelId } from "@guildhall/core/Model"
import type { PriceSheet } from "@guildhall/core/PriceSheet"
import type * as HealthRules from "@guildhall/core/rules/Health"
import type { Heard, Told } from "@guildhall/core/SharedHealth"
import { Journal, type JournalError } from "@guildhall/journal/Journal"
import type { RoutingDecision } from "@guildhall/journal/JournalEntry"
import { type Choice, make as makeChooser } from "./Choice.ts"
import { Directory } from "./Directory.ts"
import * as DirectoryLog from "./DirectoryLog.ts"
import * as Explain from "./Explain.ts"
import * as Guaranteed from "./Guaranteed.ts"
import type { Charged, Outcome, Waiting } from "./Health.ts"
import * as PolicyGuard from "./internal/PolicyGuard.ts"
import * as Watch from "./internal/Watch.ts"
import type { Readable, RoutingPolicy, RoutingRequest } from "./RoutingPolicy.ts"

export type { Choice, NoneLeft } from "./Choice.ts"
export type { Explanation } from "./Explain.ts"
export { ExplainError } from "./Explain.ts"

/**
 * The service.
 *
 * @category services
 * @since 0.1.0
 */
export class Router extends Context.Service<
  Router,
  {
    /** This gateway's name in the directory's log; each start has its own. */
    readonly replica: string
    /** The name and version of the policy, such as `LeastLoaded@1`. */
    readonly policy: string
    /** What decides anything here of what must be worked out: what the policy reads, and what an instance has terms about. */
    readonly reads: ReadonlySet<Readable>
    /** Takes in one change. Every change is one entry of the log. */
    readonly apply: (event: DirectoryEvent) => void
    /** Where the log stands now; see `RoutingProof`. */
    readonly head: () => DirectoryLog.Head
    /** Chooses an instance for a request. Does not count it as dispatched: `apply(DispatchStarted)` does. */
    readonly choose: (request: RoutingRequest, seed: number) => Choice
    /** What instances of guaranteed tiers are owed of the requests; undefined where the policy promises them nothing. */
    readonly guaranteed: Guaranteed.Guaranteed | undefined
    /** Takes in how many requests an instance says that it has, its own and everybody's. */
    readonly said: (instance: InstanceId, requests: number) => void
    /** Whether {@link choose} would choose anybody; costs less than to hear why not. */
    readonly hasRoom: (request: RoutingRequest, seed: number) => boolean
    /** Calls the listener after each change by which an instance of the model may have room. */
    readonly onRoom: (listener: (model: ModelId) => void) => void
    /** One more request waits until the model has room, or one less. */
    readonly queued: (model: ModelId, by: 1 | -1) => void
    /** How many requests wait for each model that has too little room. */
    readonly waitingFor: () => ReadonlyMap<ModelId, number>
    /** How many requests each of a model's instances takes at a time by now. */
    readonly capacities: (model: ModelId) => ReadonlyMap<InstanceId, number>
    /** For each unit the highest price among a model's instances that are online; undefined where none is. */
    readonly ceiling: (model: ModelId) => PriceSheet | undefined
    /** Takes in how an attempt ended, before its `DispatchEnded`. What follows from it becomes changes of the directory. */
    readonly observe: (outcome: Outcome) => void
    /**
     * A request was sent and waits for its first token. Tell of that by `answered`, give the wait to `observe` with the
     * outcome, and end it by `over` whatever happens. Undefined where the instance is not listed.
     */
    readonly waiting: (instance: InstanceId, atMs: number) => Waiting | undefined
    /** The first token came. */
    readonly answered: (instance: InstanceId, waiting: Waiting, atMs: number) => void
    /** Takes in what a request was charged for. */
    readonly charged: (charged: Charged) => void
    /**
     * What this gateway found out of the health of instances that nobody has been told of. It counts as told from now on, so
     * give it to whoever keeps it until that has it.
     */
    readonly shareHealth: (nowMs: number) => Told
    /** Takes in what the gateways of the market know of it together; what was told by this one is part of it. */
    readonly learnHealth: (heard: Heard, nowMs: number) => void
    /** Lets time pass: who was left alone is tried again, and what is known grows old. Called by a loop, some times a second. */
    readonly tick: (nowMs: number) => void
    /** The instances of one model, or of all, whatever their state. */
    readonly instances: (model?: ModelId) => ReadonlyArray<Instance>
    /** This gateway's requests in flight, for each instance that has any. */
    readonly inFlight: () => ReadonlyMap<InstanceId, number>
    /** Computes a decision again from the log in the journal, attempt by attempt. */
    readonly explain: (
      decision: RoutingDecision,
    ) => Effect.Effect<Explain.Explanation, JournalError | Explain.ExplainError>
    /** The policy of a name such as `LeastLoaded@1` that decisions were made under here, as it ranks; see `WhyNotQuery`. */
    readonly policyOf: (name: string) => RoutingPolicy | undefined
    /** Writes what the log has gained to the journal; called by a loop, and once at the end. */
    readonly flush: Effect.Effect<void, JournalError>
  }
>()("@guildhall/routing/Router") {}

/**
 * How a router is made. `replica` names the gateway; `formerPolicies` are those under which older decisions were made,
 * so that they can still be explained. `health` is what the market does about instances that fail, are new or are full; where
 * it is left out, nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly replica: string
  readonly policy: RoutingPolicy
  readonly health?: HealthRules.Settings | undefined
  readonly formerPolicies?: ReadonlyArray<RoutingPolicy> | undefined
  readonly snapshotEvery?: number | undefined
  readonly bufferChars?: number | undefined
}

const nameOf = (policy: RoutingPolicy): string => `${policy.name}@${policy.version}`

/** Versions start at 0 with each process, so each start is a replica of its own in the journal, of however many in one millisecond. */
const nameOfStart = Effect.fnUntraced(function* (replica: string) {
  const startedAtMs = yield* Clock.currentTimeMillis
  const lot = yield* Random.nextIntBetween(0, 36 ** 6)
  return `${replica}-${startedAtMs.toString(36)}${lot.toString(36).padStart(6, "0")}`
})

const faults = Metric.counter("guildhall_routing_policy_faults", {
  description: "Times that the routing policy threw, or named an instance that cannot serve, and another one chose.",
  incremental: true,
})
const refusedEvents = Metric.counter("guildhall_routing_events_refused", {
  description: "Events about instances that the router refused, since they cannot be.",
  incremental: true,
})
const promises = Metric.counter("guildhall_routing_guaranteed_requests_total", {
  description:
    "Requests that an instance of a guaranteed tier could take (matching), that went to one (offered), and that were owed to one and will not be made up for (forfeited).",
  incremental: true,
})

/** Counts what a policy does wrong, and tells of the first time. */
const makeReport = Effect.gen(function* () {
  const context = yield* Effect.context<never>()
  const fork = Effect.runForkWith(context)
  let isTold = false
  return (policy: string) =>
    (fault: PolicyGuard.Fault): void => {
      faults.updateUnsafe(1, context)
      if (isTold) return
      isTold = true
      const text = `The routing policy ${policy} failed in ${fault.where}, so another one chooses in its place. Correct it.`
      void fork(Effect.logError(text, fault._tag === "Threw" ? fault.cause : fault.problem))
    }
})

/** How many segments one append hands to the journal. */
const SEGMENTS_MAX = 16

/**
 * Makes a router with an empty directory.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const journal = yield* Journal
  const digest = yield* Digest.Digest
  const replica = yield* nameOfStart(options.replica)
  const directory = new Directory()
  const log = new DirectoryLog.DirectoryLog(directory, { ...options, replica })
  const report = yield* makeReport
  const wrong = PolicyGuard.problem(options.policy)
  if (wrong !== undefined) {
    const text = `Nobody can route by the policy ${nameOf(options.policy).slice(0, 60)}: ${wrong}. Correct it, or name another one.`
    return yield* Effect.die(new TypeError(text))
  }
  const guarded = (policy: RoutingPolicy): RoutingPolicy => PolicyGuard.guard(policy, report(nameOf(policy)))
  const policy = guarded(options.policy)
  const former = (options.formerPolicies ?? []).filter((one) => PolicyGuard.problem(one) === undefined).map(guarded)
  const policies = new Map([...former, policy].map((one) => [nameOf(one), one]))
  const lock = yield* Semaphore.make(1)
  const context = yield* Effect.context<never>()
  const listeners: Array<(model: ModelId) => void> = []
  const counters = {
    matching: Metric.withAttributes(promises, { outcome: "matching" }),
    offered: Metric.withAttributes(promises, { outcome: "offered" }),
    forfeited: Metric.withAttributes(promises, { outcome: "forfeited" }),
  }
  const guaranteed = Guaranteed.make(directory, options.policy, (counted, by) =>
    counters[counted].updateUnsafe(by, context),
  )

  const take = (event: DirectoryEvent): void => {
    log.record(event, directory.apply(event))
    if (listeners.length === 0 || event._tag === "DispatchStarted") return
    const id = event._tag === "InstanceListed" ? event.instance.id : event.instanceId
    const model = directory.candidate(id)?.instance.model
    if (model !== undefined) for (const listener of listeners) listener(model)
  }
  const watch = Watch.make({
    directory,
    take,
    health: options.health ?? {},
    reads: policy.reads,
    onRefused: () => refusedEvents.updateUnsafe(1, context),
  })

  const flush = Effect.fn("Router.flush")(function* () {
    const pending = log.pending()
    for (let at = 0; at < pending.length; at += SEGMENTS_MAX) {
      const drafts = pending.slice(at, at + SEGMENTS_MAX)
      const segments = yield* DirectoryLog.chain(replica, log.hash, drafts).pipe(
        Effect.provideService(Digest.Digest, digest),
      )
      yield* journal.directory.append(segments)
      log.acknowledge(drafts, segments.at(-1)?.hash ?? log.hash)
    }
  }, lock.withPermits(1))

  return Router.of({
    replica,
    policy: nameOf(policy),
    ...watch,
    head: () => log.head(),
    ...makeChooser(directory, policy, watch.leftAloneMs),
    guaranteed,
    onRoom: (listener) => void listeners.push(listener),
    ceiling: (model) => directory.ceiling(model),
    instances: (model) =>
      (model === undefined ? [...directory.places].filter((place) => place.isListed) : directory.candidates(model)).map(
        ({ instance }) => instance,
      ),
    inFlight: () => {
      const counts = new Map<InstanceId, number>()
      for (const { inFlight, instance } of directory.places) if (inFlight > 0) counts.set(instance.id, inFlight)
      return counts
    },
    explain: Effect.fn("Router.explain")(function* (decision) {
      const policy = policies.get(decision.policy)
      if (policy === undefined) {
        const detail = `it was made under the policy ${decision.policy}, which is not here.`
        return yield* new Explain.ExplainError({ reason: "UnknownPolicy", detail })
      }
      const versions = decision.attempts.map((attempt) => attempt.version)
      const last = Math.max(decision.version, ...versions)
      if (decision.replica === replica && last > log.acknowledged) yield* flush()
      const standing = Effect.fnUntraced(function* (version: number) {
        const segments = yield* journal.directory.upTo(decision.replica, version)
        return yield* Explain.rebuild(segments, version).pipe(Effect.provideService(Digest.Digest, digest))
      })
      const first = yield* standing(versions[0] ?? decision.version)
      const later = yield* Effect.forEach(versions.slice(1), standing)
      return Explain.recompute(policy, [first, ...later], decision)
    }),
    policyOf: (name) => policies.get(name),
    flush: flush(),
  })
})

/**
 * A router with an empty directory, to be filled by events. What its log still holds is written when the scope closes.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Router, never, Journal> =>
  Layer.effect(
    Router,
    Effect.acquireRelease(make(options), (router) =>
      router.flush.pipe(
        Effect.timeout("2 seconds"),
        Effect.catchCause((cause) => Effect.logWarning("The end of the routing log could not be written.", cause)),
      ),
    ),
  ).pipe(Layer.provide(Digest.layerWebCrypto))
