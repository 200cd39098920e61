/**
 * An engine that serves a model: it computes one prompt at a time, then gives tokens to all its requests together, slower
 * the more they are (continuous batching). What does not fit into the batch waits, first come, first served.
 *
 * @since 0.1.0
 */
import type { Agenda } from "./Agenda.ts"
import { PrefixCache } from "./PrefixCache.ts"

/**
 * How fast an engine is. A request that is alone gets a token each `tokenMs`; each further request in the batch adds
 * `tokenMsPerPeer` to everyone's. Beyond `batchMax` requests wait, and beyond `queueMax` waiting ones are refused as too
 * many. `cacheTokens` is what it remembers of prompts.
 *
 * @category models
 * @since 0.1.0
 */
export interface EngineSpec {
  readonly prefillTokensPerSecond: number
  readonly tokenMs: number
  readonly tokenMsPerPeer: number
  readonly batchMax: number
  readonly queueMax: number
  readonly cacheTokens: number
}

/**
 * What a request asks of an engine. Of its `inputTokens` the first `sharedTokens` may be in the cache under `key`;
 * afterwards `leavesTokens` are.
 *
 * @category models
 * @since 0.1.0
 */
export interface Work {
  readonly inputTokens: number
  readonly outputTokens: number
  readonly key?: string | undefined
  readonly sharedTokens: number
  readonly leavesTokens: number
}

/**
 * A request on an engine, and who hears of it. `failed` says that it ends without an answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Job {
  readonly work: Work
  readonly firstToken: (cachedTokens: number) => void
  readonly ended: () => void
  readonly failed: () => void
}

/**
 * How an engine misbehaves.
 *
 * - `well`: it does not.
 * - `down`: it refuses connections, and what it had is lost.
 * - `silent`: it takes requests and does nothing, while its heartbeats go on.
 * - `failing`: it takes requests and answers each with an error.
 *
 * @category models
 * @since 0.1.0
 */
export type Health = "well" | "down" | "silent" | "failing"

/** A request that is being served: its answer ends when the batch has given so many tokens to each. */
interface Decoding {
  readonly job: Job
  readonly endsAt: number
}

/** Less than this of a token or a millisecond is rounding. */
const EPSILON = 1e-7

/**
 * The milliseconds for each token when so many requests are in the batch.
 *
 * **Example** (A batch of five)
 *
 * ```ts
 * import { Engine } from "@guildhall/simulator"
 *
 * Engine.paceMs({ tokenMs: 10, tokenMsPerPeer: 2 }, 5) // => 18
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const paceMs = (
  { tokenMs, tokenMsPerPeer }: Pick<EngineSpec, "tokenMs" | "tokenMsPerPeer">,
  batch: number,
): number => tokenMs + tokenMsPerPeer * (batch - 1)

/**
 * The engine. `busyMs` adds up the time in which it had something to do.
 *
 * @category models
 * @since 0.1.0
 */
export class Engine {
  readonly spec: EngineSpec
  readonly cache: PrefixCache
  readonly #agenda: Agenda
  readonly #queue: Array<Job> = []
  #decoding: Array<Decoding> = []
  #prefilling: { readonly job: Job; readonly cached: number; leftMs: number } | undefined
  /** Tokens that the batch has given to each of its requests so far. */
  #given = 0
  #lastMs = 0
  #plan = 0
  #speed = 1
  #health: Health = "well"
  #busyMs = 0

  constructor(spec: EngineSpec, agenda: Agenda) {
    this.spec = spec
    this.#agenda = agenda
    this.cache = new PrefixCache(spec.cacheTokens)
  }

  get running(): number {
    return this.#decoding.length + (this.#prefilling === undefined ? 0 : 1)
  }

  get queued(): number {
    return this.#queue.length
  }

  get health(): Health {
    return this.#health
  }

  get busyMs(): number {
    return this.#busyMs
  }

  /** Changes how well it does; `speed` 0.25 is four times as slow. */
  turn(health: Health, speed = 1): void {
    this.#advance()
    this.#health = health
    this.#speed = health === "silent" ? 0 : speed
    if (health === "down" || health === "failing") this.#drop()
    this.#replan()
  }

  /** Takes a request, or says why not. */
  submit(job: Job): "accepted" | "refused" | "down" | "failing" {
    if (this.#health === "down" || this.#health === "failing") return this.#health
    this.#advance()
    if (this.running >= this.spec.batchMax && this.#queue.length >= this.spec.queueMax) return "refused"
    this.#queue.push(job)
    this.#admit()
    this.#replan()
    return "accepted"
  }

  /** The asker has gone: what it asked for is not computed any further. */
  cancel(job: Job): void {
    this.#advance()
    const waiting = this.#queue.indexOf(job)
    if (waiting >= 0) this.#queue.splice(waiting, 1)
    if (this.#prefilling?.job === job) this.#prefilling = undefined
    this.#decoding = this.#decoding.filter((each) => each.job !== job)
    this.#admit()
    this.#replan()
  }

  /**
   * When the first token of some work would come if it were asked for now and nothing else came: what a clairvoyant knows.
   * Infinity where it never would.
   */
  firstTokenInMs(work: Work): number {
    if (this.#health !== "well" || this.#speed === 0) return Number.POSITIVE_INFINITY
    this.#advance()
    if (this.running >= this.spec.batchMax && this.#queue.length >= this.spec.queueMax) return Number.POSITIVE_INFINITY
    const pace = paceMs(this.spec, Math.max(1, Math.min(this.spec.batchMax, this.running + this.#queue.length)))
    // When each place in the batch is free again; those that are free are so now.
    const free = this.#decoding.map(({ endsAt }) => (endsAt - this.#given) * pace).sort((a, b) => a - b)
    let spare = this.spec.batchMax - this.running
    let at = this.#prefilling?.leftMs ?? 0
    if (this.#prefilling !== undefined) insert(free, at + (this.#prefilling.job.work.outputTokens - 1) * pace)
    for (const { work: ahead } of this.#queue) {
      if (spare > 0) spare--
      else at = Math.max(at, free.shift() ?? 0)
      at += this.#prefillMs(ahead, this.cache.held(ahead.key, ahead.sharedTokens))
      insert(free, at + (ahead.outputTokens - 1) * pace)
    }
    if (spare === 0) at = Math.max(at, free.shift() ?? 0)
    return (at + this.#prefillMs(work, this.cache.held(work.key, work.sharedTokens))) / this.#speed
  }

  /** The milliseconds for each token that one more request would find. */
  nextPaceMs(): number {
    return paceMs(this.spec, Math.min(this.spec.batchMax, this.running + this.#queue.length + 1)) / this.#speed
  }

  /** How long the prompt of some work takes now, with what the cache holds of it. */
  prefillMs(work: Work): number {
    return this.#prefillMs(work, this.cache.held(work.key, work.sharedTokens)) / this.#speed
  }

  #prefillMs(work: Work, cached: number): number {
    return ((work.inputTokens - cached) * 1_000) / this.spec.prefillTokensPerSecond
  }

  /** Brings everything up to the hour. */
  #advance(): void {
    const { nowMs } = this.#agenda
    const passedMs = (nowMs - this.#lastMs) * this.#speed
    this.#lastMs = nowMs
    const batch = this.running
    if (passedMs <= 0 || batch === 0) return
    this.#busyMs += passedMs
    this.#given += passedMs / paceMs(this.spec, batch)
    if (this.#prefilling !== undefined) this.#prefilling.leftMs -= passedMs
  }

  #admit(): void {
    if (this.#prefilling !== undefined || this.running >= this.spec.batchMax) return
    const job = this.#queue.shift()
    if (job === undefined) return
    const cached = this.cache.held(job.work.key, job.work.sharedTokens)
    this.#prefilling = { job, cached, leftMs: this.#prefillMs(job.work, cached) }
  }

  /** Enters the next moment at which something is done; what was entered before no longer counts. */
  #replan(): void {
    const plan = ++this.#plan
    const batch = this.running
    if (batch === 0 || this.#speed === 0) return
    let soonestMs = this.#prefilling?.leftMs ?? Number.POSITIVE_INFINITY
    if (this.#decoding.length > 0) {
      let first = Number.POSITIVE_INFINITY
      for (const { endsAt } of this.#decoding) if (endsAt < first) first = endsAt
      soonestMs = Math.min(soonestMs, (first - this.#given) * paceMs(this.spec, batch))
    }
    this.#agenda.in(Math.max(0, soonestMs) / this.#speed, () => {
      if (plan === this.#plan) this.#step()
    })
  }

  #step(): void {
    this.#advance()
    const ended = this.#decoding.filter(({ endsAt }) => endsAt <= this.#given + EPSILON)
    if (ended.length > 0) this.#decoding = this.#decoding.filter(({ endsAt }) => endsAt > this.#given + EPSILON)
    const prefilled = this.#prefilling
    let answered: Job | undefined
    if (prefilled !== undefined && prefilled.leftMs <= EPSILON) {
      const { job } = prefilled
      this.#prefilling = undefined
      answered = job
      this.cache.put(job.work.key, job.work.leavesTokens)
      // The prompt's computation gives the first token.
      if (job.work.outputTokens > 1) this.#decoding.push({ job, endsAt: this.#given + job.work.outputTokens - 1 })
    }
    this.#admit()
    this.#replan()
    // Who hears of it may come back with the next request, so all is in order before.
    for (const { job } of ended) job.ended()
    if (answered === undefined || prefilled === undefined) return
    answered.firstToken(prefilled.cached)
    if (answered.work.outputTokens <= 1) answered.ended()
  }

  #drop(): void {
    const lost = [...this.#decoding.map(({ job }) => job), ...this.#queue]
    if (this.#prefilling !== undefined) lost.push(this.#prefilling.job)
    this.#decoding = []
    this.#queue.length = 0
    this.#prefilling = undefined
    this.cache.clear()
    for (const job of lost) job.failed()
  }
}

const insert = (sorted: Array<number>, value: number): void => {
  const at = sorted.findIndex((each) => each > value)
  sorted.splice(at === -1 ? sorted.length : at, 0, value)
}
