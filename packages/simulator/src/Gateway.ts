/**
 * A gateway of a simulated market: it has a directory of its own, asks the policy, sends requests over a network that takes
 * time, tries again elsewhere before the first token, and feeds the directory with what it sees.
 *
 * @since 0.1.0
 */
import type { InstanceId } from "@guildhall/core/Instance"
import type { Rating } from "@guildhall/core/Rating"
import type * as HealthRules from "@guildhall/core/rules/Health"
import { Directory } from "@guildhall/routing/Directory"
import { Health, type Outcome, type Waiting as Wait } from "@guildhall/routing/Health"
import { Performance } from "@guildhall/routing/Performance"
import * as Load from "@guildhall/routing/Load"
import type { RoutingPolicy, RoutingRequest } from "@guildhall/routing/RoutingPolicy"
import type { Agenda } from "./Agenda.ts"
import type { Engine, Job } from "./Engine.ts"
import { type Provider, model } from "./Provider.ts"
import type { Ended, Request } from "./Request.ts"

/**
 * How gateways are set. What ends in `Ms` is milliseconds.
 *
 * - `networkMs`: one way between gateway and engine.
 * - `exchangeMs`: how often gateways tell each other what they have in flight, and time passes for what they found out.
 * - `firstTokenTimeoutMs`: after so long without a token a request is tried elsewhere.
 * - `waitMaxMs`, `waitingMax`: how long a request waits for room in the gateway, and how many do.
 * - `health`: what the market does about instances that fail.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settings {
  readonly networkMs: number
  readonly exchangeMs: number
  readonly firstTokenTimeoutMs: number
  readonly attemptsMax: number
  readonly waitMaxMs: number
  readonly waitingMax: number
  readonly health: HealthRules.Settings
}

/**
 * The usual settings.
 *
 * @category constants
 * @since 0.1.0
 */
export const settings: Settings = {
  networkMs: 5,
  exchangeMs: 200,
  firstTokenTimeoutMs: 10_000,
  attemptsMax: 3,
  waitMaxMs: 5_000,
  waitingMax: 1_000,
  health: {
    breaker: { failures: 3, withinMs: 60_000, parkMs: 15_000 },
    window: { days: 14, sampleMs: 60_000 },
    ejection: { percentMax: 10, requestsMin: 20, worseBps: 3_000, forMs: 30_000 },
    cap: { intervalMs: 5_000, dropPercent: 30, risePercent: 10 },
  },
}

/**
 * Who chooses: a policy under test, or one that sees everything. It answers an instance, or undefined where none can serve.
 *
 * @category models
 * @since 0.1.0
 */
export type Chooser = (request: Request, routing: RoutingRequest, seed: number) => InstanceId | undefined

interface Attempt {
  readonly request: Request
  readonly number: number
  readonly provider: number
  readonly tried: ReadonlyArray<InstanceId>
  readonly startedAtMs: number
  readonly wait: Wait
  firstTokenAtMs: number | undefined
  cachedTokens: number
  isOver: boolean
  job: Job | undefined
}

interface Waiting {
  readonly request: Request
  readonly number: number
  readonly tried: ReadonlyArray<InstanceId>
  readonly untilMs: number
}

/**
 * What a gateway is made of.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly agenda: Agenda
  readonly providers: ReadonlyArray<Provider>
  readonly engines: ReadonlyArray<Engine>
  readonly settings: Settings
  /** The first seed; each choice takes the next one. */
  readonly seed: number
  readonly chooser: (directory: Directory) => Chooser
  /** How long a request is on its way to an engine. */
  readonly outMs: number
  /** Whether a request for which there is no room waits for it; if not, it is refused at once. */
  readonly mayWait: boolean
  readonly sent: (provider: number) => void
  readonly concluded: (ended: Ended) => void
}

/**
 * A choice by a policy: by its fast form where it has one.
 *
 * @category constructors
 * @since 0.1.0
 */
export const byPolicy =
  (policy: RoutingPolicy) =>
  (directory: Directory): Chooser => {
    const fast = policy.prepare?.(directory)
    return (_, routing, seed) =>
      fast === undefined
        ? policy.rank(routing, directory.candidates(model), seed).ranked[0]?.instance
        : fast.choose(routing, seed)
  }

/**
 * The gateway. `accept` takes in a request, and `concluded` of its options hears of each once.
 *
 * @category models
 * @since 0.1.0
 */
export class Gateway {
  readonly directory = new Directory()
  readonly #options: Options
  readonly #choose: Chooser
  readonly #health: Health
  readonly #byId: ReadonlyMap<InstanceId, number>
  readonly #inFlight: Array<number>
  readonly #peers: Array<number>
  readonly #pending: ReadonlyArray<Set<Attempt>>
  readonly #performance = new Performance()
  #waiting: Array<Waiting> = []
  #seed: number

  constructor(options: Options) {
    const { providers } = options
    this.#options = options
    this.#seed = options.seed
    this.#health = new Health(options.settings.health)
    this.#peers = providers.map(() => 0)
    this.#byId = new Map(providers.map(({ instance }, at) => [instance.id, at]))
    this.#inFlight = providers.map(() => 0)
    this.#pending = providers.map(() => new Set())
    for (const { instance } of providers) {
      this.directory.apply({ _tag: "InstanceListed", instance })
      this.#rate(instance.id, this.#health.listed(instance))
    }
    this.#choose = options.chooser(this.directory)
  }

  /** How many of its requests each provider has now. */
  get inFlight(): ReadonlyArray<number> {
    return this.#inFlight
  }

  /** A buyer asks. */
  accept(request: Request): void {
    if (this.#waiting.length > 0 || !this.#send(request, 1, [])) this.#wait(request, 1, [])
  }

  /** Several times a second: what the others have in flight, and what was found out since. */
  tick(peers: ReadonlyArray<number>): void {
    const { agenda, providers } = this.#options
    for (const [at, { instance }] of providers.entries()) {
      const peersInFlight = peers[at] ?? 0
      if (this.#peers[at] === peersInFlight) continue
      this.#peers[at] = peersInFlight
      this.#rate(instance.id, { peersInFlight })
    }
    for (const { instanceId, rating } of this.#health.tick(agenda.nowMs, this.directory.candidates(model))) {
      this.#rate(instanceId, rating)
    }
    this.#serveWaiting()
  }

  /** A probe of the market's came back. */
  probed(provider: number, firstTokenMs: number): void {
    this.#observe(provider, { kind: "succeeded", firstTokenMs, tokensPerSecond: 1_000 / firstTokenMs, isProbe: true })
  }

  /** Nothing came from an instance for so long that its answers are given up. */
  stalled(provider: number, sinceMs: number): void {
    for (const attempt of this.#pending[provider] ?? []) {
      if (attempt.startedAtMs <= sinceMs) this.#failed(attempt, false)
    }
  }

  #send(request: Request, number: number, tried: ReadonlyArray<InstanceId>): boolean {
    const { agenda, engines, outMs, providers, settings } = this.#options
    const { inputTokens, key } = request.work
    const routing: RoutingRequest = {
      model,
      contextTokens: inputTokens + request.outputGuess,
      tried,
      features: { inputTokens, outputTokens: request.outputGuess, ...(key === undefined ? {} : { affinity: key }) },
    }
    const id = this.#choose(request, routing, this.#seed++)
    const at = id === undefined ? undefined : this.#byId.get(id)
    const provider = at === undefined ? undefined : providers[at]
    const engine = provider === undefined ? undefined : engines[provider.engine]
    if (id === undefined || at === undefined || engine === undefined) return false
    const attempt: Attempt = {
      request,
      number,
      provider: at,
      tried: [...tried, id],
      startedAtMs: agenda.nowMs,
      wait: this.#health.waiting(id, agenda.nowMs),
      firstTokenAtMs: undefined,
      cachedTokens: 0,
      isOver: false,
      job: undefined,
    }
    this.#options.sent(at)
    this.#count(attempt, 1)
    agenda.in(outMs, () => this.#arrive(attempt, engine))
    agenda.in(settings.firstTokenTimeoutMs, () => {
      if (attempt.firstTokenAtMs === undefined) this.#failed(attempt, false)
    })
    return true
  }

  #arrive(attempt: Attempt, engine: Engine): void {
    const { agenda, settings } = this.#options
    if (attempt.isOver) return
    const back = (act: () => void): void => agenda.in(settings.networkMs, act)
    const job: Job = {
      work: attempt.request.work,
      firstToken: (cachedTokens) => back(() => this.#firstToken(attempt, cachedTokens, engine)),
      ended: () => back(() => this.#served(attempt, engine)),
      failed: () => back(() => this.#failed(attempt, false)),
    }
    attempt.job = job
    const answer = engine.submit(job)
    if (answer !== "accepted") back(() => this.#failed(attempt, answer === "refused"))
  }

  #firstToken(attempt: Attempt, cachedTokens: number, engine: Engine): void {
    if (attempt.isOver) return
    const { nowMs } = this.#options.agenda
    attempt.firstTokenAtMs = nowMs
    attempt.cachedTokens = cachedTokens
    const id = this.#options.providers[attempt.provider]?.instance.id
    if (id !== undefined) this.#rate(id, this.#health.answered(id, attempt.wait, nowMs))
    this.#heard(attempt.provider, engine)
  }

  #served(attempt: Attempt, engine: Engine): void {
    if (attempt.isOver || attempt.firstTokenAtMs === undefined) return
    const { agenda, providers } = this.#options
    const { nowMs } = agenda
    const { cachedTokens, provider, request } = attempt
    const { inputTokens, outputTokens } = request.work
    const firstTokenMs = attempt.firstTokenAtMs - attempt.startedAtMs
    const tokenMs = (nowMs - attempt.firstTokenAtMs) / Math.max(1, outputTokens - 1)
    const tokensPerSecond = 1_000 / Math.max(0.1, tokenMs)
    this.#observe(provider, { kind: "succeeded", firstTokenMs, tokensPerSecond, waiting: attempt.wait })
    this.#count(attempt, -1)
    const instance = providers[provider]?.instance
    if (instance !== undefined) {
      const usage = {
        inputToken: inputTokens - cachedTokens,
        cachedInputToken: cachedTokens,
        outputToken: outputTokens,
      }
      this.#health.charged({ instance, usage, atMs: nowMs })
      const measured = this.#performance.observe(instance.id, { firstTokenMs, tokensPerSecond }, nowMs)
      if (measured !== undefined) this.directory.apply({ _tag: "InstanceMeasured", instanceId: instance.id, measured })
    }
    this.#heard(provider, engine)
    this.#conclude(attempt, "served", attempt.firstTokenAtMs - request.atMs, tokenMs)
    this.#serveWaiting()
  }

  #failed(attempt: Attempt, isRefusal: boolean): void {
    if (attempt.isOver) return
    const { agenda, engines, providers, settings } = this.#options
    this.#observe(attempt.provider, { kind: isRefusal ? "limited" : "failed", waiting: attempt.wait })
    this.#count(attempt, -1)
    const { job } = attempt
    const engine = engines[providers[attempt.provider]?.engine ?? -1]
    if (job !== undefined && engine !== undefined) agenda.in(settings.networkMs, () => engine.cancel(job))
    const { number, request, tried } = attempt
    // What has begun cannot be taken back.
    const isFinal = attempt.firstTokenAtMs !== undefined || number >= settings.attemptsMax
    if (isFinal) this.#conclude(attempt, "failed", Number.NaN, Number.NaN)
    else if (!this.#send(request, number + 1, tried)) this.#wait(request, number + 1, tried)
  }

  #count(attempt: Attempt, by: 1 | -1): void {
    const at = attempt.provider
    const instanceId = this.#options.providers[at]?.instance.id
    if (instanceId === undefined) return
    this.#inFlight[at] = (this.#inFlight[at] ?? 0) + by
    attempt.isOver = by === -1
    if (by === 1) this.#pending[at]?.add(attempt)
    else this.#pending[at]?.delete(attempt)
    this.directory.apply({ _tag: by === 1 ? "DispatchStarted" : "DispatchEnded", instanceId })
  }

  /** The load rides on every answer. */
  #heard(provider: number, engine: Engine): void {
    const { instance, says } = this.#options.providers[provider] ?? {}
    if (instance === undefined) return
    const candidate = this.directory.candidate(instance.id)
    if (candidate === undefined) return
    const said = says ?? { running: engine.running, queued: engine.queued }
    const rating = { foreign: Load.foreign(candidate, said.running + said.queued) }
    if (rating.foreign === (candidate.rating?.foreign ?? 0)) return
    this.#health.rated(instance.id, rating)
    this.#rate(instance.id, rating)
  }

  #rate(instanceId: InstanceId, rating: Rating | undefined): void {
    if (rating !== undefined) this.directory.apply({ _tag: "InstanceRated", instanceId, rating })
  }

  #observe(provider: number, seen: Omit<Outcome, "instanceId" | "atMs">): void {
    const instanceId = this.#options.providers[provider]?.instance.id
    const candidate = instanceId === undefined ? undefined : this.directory.candidate(instanceId)
    if (instanceId === undefined || candidate === undefined) return
    this.#rate(instanceId, this.#health.observe({ ...seen, instanceId, atMs: this.#options.agenda.nowMs }, candidate))
  }

  #wait(request: Request, number: number, tried: ReadonlyArray<InstanceId>): void {
    const { agenda, settings } = this.#options
    if (!this.#options.mayWait || this.#waiting.length >= settings.waitingMax) return this.#refuse(request, number)
    this.#waiting.push({ request, number, tried, untilMs: agenda.nowMs + settings.waitMaxMs })
  }

  #serveWaiting(): void {
    if (this.#waiting.length === 0) return
    const left: Array<Waiting> = []
    let isFull = false
    for (const waiting of this.#waiting) {
      if (waiting.untilMs <= this.#options.agenda.nowMs) this.#refuse(waiting.request, waiting.number)
      else if (isFull || !this.#send(waiting.request, waiting.number, waiting.tried)) {
        left.push(waiting)
        // One that was tried somewhere may find nothing where the next one does.
        isFull ||= waiting.tried.length === 0
      }
    }
    this.#waiting = left
  }

  #refuse(request: Request, number: number): void {
    const { agenda, concluded } = this.#options
    concluded({
      request,
      outcome: "refused",
      provider: -1,
      firstTokenMs: Number.NaN,
      tokenMs: Number.NaN,
      cachedTokens: 0,
      attempts: number - 1,
      endedAtMs: agenda.nowMs,
    })
  }

  #conclude(attempt: Attempt, outcome: "served" | "failed", firstTokenMs: number, tokenMs: number): void {
    const { cachedTokens, number, provider, request } = attempt
    const endedAtMs = this.#options.agenda.nowMs
    const { concluded } = this.#options
    concluded({ request, outcome, provider, firstTokenMs, tokenMs, cachedTokens, attempts: number, endedAtMs })
  }
}
