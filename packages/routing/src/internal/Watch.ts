import * as Schema from "effect/Schema"
import { DirectoryEvent } from "@guildhall/core/DirectoryEvent"
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import type { News } from "@guildhall/core/Rating"
import type { ModelId } from "@guildhall/core/Model"
import { RoutingFeatures } from "@guildhall/core/RoutingFeatures"
import type * as HealthRules from "@guildhall/core/rules/Health"
import type { Heard, Told } from "@guildhall/core/SharedHealth"
import type { Directory } from "../Directory.ts"
import { type Charged, Health, type Outcome, type Waiting } from "../Health.ts"
import * as Load from "../Load.ts"
import { Performance } from "../Performance.ts"
import { type Readable, readableRating, type RoutingPolicy } from "../RoutingPolicy.ts"

const isFeature = (name: string): name is keyof RoutingFeatures => Object.hasOwn(RoutingFeatures.fields, name)
const everything: ReadonlyArray<Readable> = [
  ...Object.keys(RoutingFeatures.fields).filter(isFeature),
  ...readableRating,
]

/** The features about which an instance has terms. */
const termsOf = ({ inputs, parameters, rails }: Instance): ReadonlyArray<keyof RoutingFeatures> => [
  ...(rails === undefined ? [] : (["buyer"] as const)),
  ...(parameters === undefined ? [] : (["parameters"] as const)),
  ...(inputs === undefined ? [] : (["inputs"] as const)),
]

/** What cannot be written to the log must not be in the directory: no later decision could be explained. */
const isEvent = Schema.is(DirectoryEvent)
/** How often what was measured is looked at for its age. */
const EXPIRE_MS = 10_000

/** What a router watches: who comes and goes, how requests end, and how time passes. `take` is given each change that follows. */
interface Options {
  readonly directory: Directory
  readonly take: (event: DirectoryEvent) => void
  readonly health: HealthRules.Settings
  readonly reads: RoutingPolicy["reads"]
  readonly onRefused: () => void
}

/** Makes of what is seen changes of the directory. */
export const make = ({ directory, health: settings, onRefused, reads: read, take }: Options) => {
  const performance = new Performance()
  const reads = new Set(read ?? everything)
  const health = new Health(settings, reads)
  const queues = new Map<ModelId, number>()
  /** What instances said of their load. */
  const loads = new Map<InstanceId, number>()
  let expiredAtMs = -Infinity

  const rate = (instanceId: InstanceId, rating: News | undefined): void => {
    if (rating !== undefined) take({ _tag: "InstanceRated", instanceId, rating })
  }
  const rated = (instanceId: InstanceId, rating: News): void => {
    const known = directory.candidate(instanceId)?.rating
    if (directory.candidate(instanceId) !== undefined) health.rated(instanceId, rating)
    const { foreign = 0, peersInFlight: before = 0 } = known ?? {}
    const more = (rating.peersInFlight ?? before) - before
    // What an instance said of its load before the other gateways told of theirs had theirs in it.
    if (more <= 0 || foreign === 0 || rating.foreign !== undefined) return rate(instanceId, rating)
    rate(instanceId, { ...rating, foreign: Math.max(0, foreign - more) })
  }
  const apply = (event: DirectoryEvent): void => {
    if (event._tag === "DispatchStarted" || event._tag === "DispatchEnded") return take(event)
    if (!isEvent(event)) return onRefused()
    switch (event._tag) {
      case "InstanceListed":
        for (const feature of termsOf(event.instance)) reads.add(feature)
        take(event)
        return rate(event.instance.id, health.listed(event.instance))
      case "InstanceUnlisted":
        performance.forget(event.instanceId)
        health.unlisted(event.instanceId)
        loads.delete(event.instanceId)
        return take(event)
      case "InstanceRated":
        return rated(event.instanceId, event.rating)
      default:
        return take(event)
    }
  }
  const said = (id: InstanceId, requests: number): void => {
    const candidate = directory.candidate(id)
    if (candidate === undefined || !(requests >= 0)) return
    loads.set(id, requests)
    const foreign = Math.floor(Load.foreign(candidate, requests))
    if (foreign !== (candidate.rating?.foreign ?? 0))
      apply({ _tag: "InstanceRated", instanceId: id, rating: { foreign } })
  }
  const observe = (outcome: Outcome): void => {
    const candidate = directory.candidate(outcome.instanceId)
    if (candidate === undefined) return
    const { atMs, firstTokenMs = Number.NaN, instanceId, tokensPerSecond = Number.NaN } = outcome
    rate(instanceId, health.observe({ ...outcome, said: loads.get(instanceId) }, candidate))
    if (!Number.isFinite(atMs) || !(firstTokenMs >= 0) || !(tokensPerSecond >= 0)) return
    const measured = performance.observe(instanceId, { firstTokenMs, tokensPerSecond }, atMs)
    if (measured !== undefined) take({ _tag: "InstanceMeasured", instanceId, measured })
  }
  const tick = (nowMs: number): void => {
    const listed = [...directory.places].filter((place) => place.isListed)
    for (const { instanceId, rating } of health.tick(nowMs, listed)) rate(instanceId, rating)
    if (nowMs - expiredAtMs < EXPIRE_MS && nowMs >= expiredAtMs) return
    expiredAtMs = nowMs
    for (const instanceId of performance.expire(nowMs)) take({ _tag: "InstanceMeasured", instanceId, measured: null })
  }
  const waiting = (id: InstanceId, atMs: number): Waiting | undefined =>
    directory.candidate(id) === undefined ? undefined : health.waiting(id, atMs)
  const answered = (id: InstanceId, waiting: Waiting, atMs: number): void => {
    if (directory.candidate(id) !== undefined) rate(id, health.answered(id, waiting, atMs))
  }
  const charged = (charged: Charged): void => health.charged(charged)

  const leftAloneMs = (id: InstanceId): number | undefined => health.leftAloneMs(id)

  const queued = (model: ModelId, by: 1 | -1): void => {
    const count = (queues.get(model) ?? 0) + by
    if (count > 0) queues.set(model, count)
    else queues.delete(model)
  }
  const waitingFor = (): ReadonlyMap<ModelId, number> => queues
  const capacities = (model: ModelId): ReadonlyMap<InstanceId, number> =>
    new Map(directory.candidates(model).map((one) => [one.instance.id, Load.capacity(one)]))

  const shareHealth = (nowMs: number): Told => health.share(nowMs)
  const learnHealth = (heard: Heard, nowMs: number): void => health.learn(heard, nowMs)

  return {
    reads,
    apply,
    said,
    observe,
    waiting,
    answered,
    charged,
    tick,
    leftAloneMs,
    queued,
    waitingFor,
    capacities,
    shareHealth,
    learnHealth,
  } as const
}
