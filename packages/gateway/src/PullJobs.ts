/**
 * The requests that wait for workers which pull, and those that such workers have. A worker is there while it asks, for a
 * while after it asked, and while it has a job under a lease.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type { DeviceId } from "@guildhall/core/Device"
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import type { Dispatch, ProviderRequest, ProviderSink, TransportError } from "@guildhall/protocol/ProviderTransport"
import { type Past, PullLease } from "./internal/PullLease.ts"
import * as Ticks from "./internal/Ticks.ts"

/**
 * - `leaseMs` (10,000): how long a job stays a worker's without a word; `lostMs` (5,000) after its upload broke off.
 * - `idleMs` (10,000): how long a worker that asked counts as there.
 * - `waitingMax` (256): how many requests wait for one device; `total` (20,000) how many jobs there may be at all.
 * - `pollsMax` (4): how many times at once a device may ask; the oldest is sent home with nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly leaseMs?: number | undefined
  readonly lostMs?: number | undefined
  readonly idleMs?: number | undefined
  readonly waitingMax?: number | undefined
  readonly total?: number | undefined
  readonly pollsMax?: number | undefined
}

const LEASE_MS = 10_000
const LOST_MS = 5_000
const IDLE_MS = 10_000
const WAITING_MAX = 256
const TOTAL = 20_000
const POLLS_MAX = 4
/** Ended jobs that are remembered, so that who asks again hears how they ended. */
const PAST_MAX = 10_000
/** Workers whose last question is remembered. */
const SEEN_MAX = 100_000
/** Bodies that go out in one answer, beyond the first. */
const TAKE_BYTES_MAX = 8 * 1024 * 1024
const SWEEP_MS = 30_000

/**
 * What a worker asks for: at most `count` jobs of these instances of its device; `leaseMs` where it cannot renew.
 *
 * @category models
 * @since 0.1.0
 */
export interface Wish {
  readonly device: DeviceId
  readonly instances: ReadonlySet<InstanceId>
  readonly count: number
  readonly waitMs: number
  readonly leaseMs?: number | undefined
}

/**
 * A job as whoever serves it sees it.
 *
 * @category models
 * @since 0.1.0
 */
export type Job = PullLease

/**
 * The service.
 *
 * @category services
 * @since 0.1.0
 */
export class PullJobs extends Context.Service<
  PullJobs,
  {
    /** Offers a request to the workers of its instance, as a transport does. */
    readonly dispatch: (request: ProviderRequest, sink: ProviderSink) => Dispatch
    /** Takes jobs, and waits for the first. Interrupted, it takes none. */
    readonly take: (wish: Wish) => Effect.Effect<ReadonlyArray<Job>>
    /** A job under way, or how it ended. */
    readonly find: (id: string) => Job | Past | undefined
    /** Whether a worker of this instance is there. */
    readonly isThere: (instance: Pick<Instance, "id" | "deviceId">) => boolean
    /** The devices whose workers are there. */
    readonly devices: () => ReadonlySet<DeviceId>
    /** How many jobs wait or are under way. */
    readonly size: () => number
  }
>()("@guildhall/gateway/PullJobs") {}

interface Poll {
  readonly wish: Wish
  readonly give: (jobs: ReadonlyArray<Job>) => void
  readonly timer: Ticks.Timer
}

const jobsGauge = Metric.gauge("guildhall_pull_jobs", { description: "Requests that wait for workers, or are theirs." })

const unreachable = (detail: string): TransportError => ({ reason: "Unreachable", detail })

const keyOf = ({ deviceId, id }: Pick<Instance, "id" | "deviceId">): string => `${deviceId}/${id}`

/** The device of a key: it was one when the key was made. */
const deviceOf = (key: string): DeviceId => key.slice(0, key.indexOf("/")) as DeviceId

class Desk {
  readonly #options: Required<{ [Name in keyof Options]: number }>
  readonly #jobs = new Map<string, Job>()
  readonly #past = new Map<string, Past>()
  readonly #waiting = new Map<DeviceId, Array<Job>>()
  readonly #polls = new Map<DeviceId, Array<Poll>>()
  /** When a worker of an instance last asked, by device and instance: an id alone anybody could name. */
  readonly #seen = new Map<string, number>()
  readonly #held = new Map<string, number>()
  #isClosed = false

  constructor(options: Options) {
    this.#options = {
      leaseMs: options.leaseMs ?? LEASE_MS,
      lostMs: options.lostMs ?? LOST_MS,
      idleMs: options.idleMs ?? IDLE_MS,
      waitingMax: options.waitingMax ?? WAITING_MAX,
      total: options.total ?? TOTAL,
      pollsMax: options.pollsMax ?? POLLS_MAX,
    }
  }

  get size(): number {
    return this.#jobs.size
  }

  dispatch(request: ProviderRequest, sink: ProviderSink): Dispatch {
    const key = keyOf(request.instance)
    const { leaseMs, lostMs } = this.#options
    const job: Job = new PullLease(request, sink, {
      leaseMs,
      lostMs,
      onTouch: () => this.#touch(key),
      onOver: (over) => this.#forget(over, key),
    })
    // Nothing is told before this has returned.
    queueMicrotask(() => this.#offer(job))
    return job
  }

  find(id: string): Job | Past | undefined {
    return this.#jobs.get(id) ?? this.#past.get(id)
  }

  isThere(instance: Pick<Instance, "id" | "deviceId">): boolean {
    const key = keyOf(instance)
    if ((this.#held.get(key) ?? 0) > 0) return true
    const seenAt = this.#seen.get(key)
    if (seenAt !== undefined && Ticks.now() - seenAt <= this.#options.idleMs) return true
    return this.#polls.get(instance.deviceId)?.some(({ wish }) => wish.instances.has(instance.id)) ?? false
  }

  devices(): ReadonlySet<DeviceId> {
    const oldest = Ticks.now() - this.#options.idleMs
    const found = new Set<DeviceId>(this.#polls.keys())
    for (const [key, seenAt] of this.#seen) if (seenAt >= oldest) found.add(deviceOf(key))
    for (const key of this.#held.keys()) found.add(deviceOf(key))
    return found
  }

  /** Asks; answers what takes the question back. */
  ask(wish: Wish, give: (jobs: ReadonlyArray<Job>) => void): () => void {
    for (const id of wish.instances) this.#touch(`${wish.device}/${id}`)
    const ready = this.#isClosed ? [] : this.#waitingFor(wish)
    if (ready.length > 0 || wish.waitMs <= 0 || this.#isClosed) {
      give(ready)
      return () => undefined
    }
    const polls = this.#polls.get(wish.device) ?? []
    const poll: Poll = { wish, give, timer: Ticks.after(wish.waitMs, () => this.#answer(poll, [])) }
    this.#polls.set(wish.device, [...polls, poll])
    const [oldest] = polls
    if (oldest !== undefined && polls.length >= this.#options.pollsMax) this.#answer(oldest, [])
    return () => this.#drop(poll)
  }

  close(): void {
    this.#isClosed = true
    for (const polls of this.#polls.values()) for (const poll of polls) this.#answer(poll, [])
    for (const job of this.#jobs.values()) {
      job.fail(
        job.isTaken ? { reason: "ClosedEarly", detail: "The gateway stops." } : unreachable("The gateway stops."),
      )
    }
  }

  sweep(): void {
    const oldest = Ticks.now() - this.#options.idleMs
    for (const [key, seenAt] of this.#seen) if (seenAt < oldest) this.#seen.delete(key)
  }

  #offer(job: Job): void {
    if (job.isOver) return
    const { instance } = job.request
    const { deviceId } = instance
    const poll = this.#polls.get(deviceId)?.find(({ wish }) => wish.instances.has(instance.id))
    if (poll === undefined && !this.isThere(instance)) {
      return job.fail(unreachable("No worker of the instance asks for requests at the moment."))
    }
    const waiting = this.#waiting.get(deviceId) ?? []
    if (this.#isClosed || this.#jobs.size >= this.#options.total || waiting.length >= this.#options.waitingMax) {
      return job.fail(unreachable(`${waiting.length} requests wait for the instance's worker already.`))
    }
    this.#jobs.set(job.id, job)
    if (poll !== undefined) return this.#answer(poll, [this.#hand(job, poll.wish)])
    this.#waiting.set(deviceId, [...waiting, job])
    job.wait()
  }

  #hand(job: Job, { leaseMs }: Wish): Job {
    const key = keyOf(job.request.instance)
    this.#held.set(key, (this.#held.get(key) ?? 0) + 1)
    job.take(leaseMs)
    return job
  }

  #waitingFor(wish: Wish): ReadonlyArray<Job> {
    const taken: Array<Job> = []
    const left: Array<Job> = []
    let bytes = 0
    for (const job of this.#waiting.get(wish.device) ?? []) {
      const { body, instance } = job.request
      const fits = taken.length === 0 || bytes + body.byteLength <= TAKE_BYTES_MAX
      if (taken.length >= wish.count || !fits || !wish.instances.has(instance.id)) left.push(job)
      else {
        bytes += body.byteLength
        taken.push(job)
      }
    }
    if (taken.length > 0) this.#keepWaiting(wish.device, left)
    return taken.map((job) => this.#hand(job, wish))
  }

  #keepWaiting(device: DeviceId, left: Array<Job>): void {
    if (left.length === 0) this.#waiting.delete(device)
    else this.#waiting.set(device, left)
  }

  #answer(poll: Poll, jobs: ReadonlyArray<Job>): void {
    this.#drop(poll)
    poll.give(jobs)
  }

  #drop(poll: Poll): void {
    Ticks.stop(poll.timer)
    const { device } = poll.wish
    const left = this.#polls.get(device)?.filter((other) => other !== poll) ?? []
    if (left.length === 0) this.#polls.delete(device)
    else this.#polls.set(device, left)
  }

  #touch(key: string): void {
    if (this.#seen.size < SEEN_MAX || this.#seen.has(key)) this.#seen.set(key, Ticks.now())
  }

  #forget(job: Job, key: string): void {
    if (!this.#jobs.delete(job.id)) return
    const { deviceId } = job.request.instance
    if (job.isTaken) {
      const held = (this.#held.get(key) ?? 1) - 1
      if (held > 0) this.#held.set(key, held)
      else this.#held.delete(key)
    } else {
      const left = this.#waiting.get(deviceId)?.filter((other) => other !== job) ?? []
      this.#keepWaiting(deviceId, left)
    }
    if (job.past !== undefined) this.#past.set(job.id, job.past)
    const [oldest] = this.#past.size > PAST_MAX ? this.#past.keys() : []
    if (oldest !== undefined) this.#past.delete(oldest)
  }
}

/**
 * Makes the service. With the scope ends whatever waits or is under way.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const desk = new Desk(options)
  const sweep = Effect.andThen(
    Effect.sync(() => desk.sweep()),
    Effect.suspend(() => Metric.update(jobsGauge, desk.size)),
  )
  yield* Effect.addFinalizer(() => Effect.sync(() => desk.close()))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(SWEEP_MS), sweep)))
  return PullJobs.of({
    dispatch: (request, sink) => desk.dispatch(request, sink),
    take: (wish) =>
      Effect.callback<ReadonlyArray<Job>>((resume) => {
        const takeBack = desk.ask(wish, (jobs) => resume(Effect.succeed(jobs)))
        return Effect.sync(takeBack)
      }),
    find: (id) => desk.find(id),
    isThere: (instance) => desk.isThere(instance),
    devices: () => desk.devices(),
    size: () => desk.size,
  })
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<PullJobs> => Layer.effect(PullJobs, make(options))
