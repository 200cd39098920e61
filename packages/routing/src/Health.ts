/**
 * What one gateway finds out about instances from how their requests end. Everything here that needs a clock is told the
 * time; what comes out are parts of a `Rating`, which become changes of the directory and stand in its log. So a policy needs
 * no clock, and each decision can be computed again without one. What is worth more than this process, the days of each
 * instance and who is left alone for long, it shares with the other gateways and those that come later.
 *
 * @since 0.1.0
 */
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import type { MemberId } from "@guildhall/core/Member"
import type { Rating } from "@guildhall/core/Rating"
import * as SharedHealth from "@guildhall/core/SharedHealth"
import type { Usage } from "@guildhall/core/Usage"
import * as Breaker from "@guildhall/core/rules/Breaker"
import * as Ejection from "@guildhall/core/rules/Ejection"
import type * as HealthRules from "@guildhall/core/rules/Health"
import * as HealthWindow from "@guildhall/core/rules/HealthWindow"
import * as InFlightCap from "@guildhall/core/rules/InFlightCap"
import * as RampUp from "@guildhall/core/rules/RampUp"
import { Kept } from "./internal/Kept.ts"
import { OfferWindow } from "./internal/OfferWindow.ts"
import * as HealthSharing from "./internal/HealthSharing.ts"
import { isEverybodyOffline, OUTAGE_MEMBERS } from "./internal/Outage.ts"
import type { Wait } from "./internal/Waits.ts"
import * as Load from "./Load.ts"
import { type Candidate, type Readable, readableRating } from "./RoutingPolicy.ts"

/**
 * How one attempt on an instance ended.
 *
 * - `succeeded`, or `failed` by the instance's own fault. `limited`: it said that it has too much to do. `neutral`: it says
 *   nothing of the instance, such as what was the buyer's fault, or the market's own.
 * - `firstTokenMs` and `tokensPerSecond`: how fast a stream was.
 * - `waiting`: the wait for the first token, where it was told of as it began.
 * - `isProbe`: it was a check and no buyer's request, so it enters the health of the last days and nothing else.
 * - `said`: how many requests the instance said that it has.
 * - `asker`: whose request it was. Where it is absent, every failure counts.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outcome {
  readonly instanceId: InstanceId
  readonly kind: "succeeded" | "failed" | "limited" | "neutral"
  readonly atMs: number
  readonly firstTokenMs?: number | undefined
  readonly tokensPerSecond?: number | undefined
  readonly waiting?: Waiting | undefined
  readonly isProbe?: boolean | undefined
  readonly said?: number | undefined
  readonly asker?: Asker | undefined
}

/**
 * Whose request it was, its id, and what is known of where the fault is if it failed. A request may itself be what breaks
 * instances, and then its buyer could take one after the other off the market. So within the time in which failures are counted
 * a buyer's first one at an instance counts, and of its others these, which may be told of later, once each:
 *
 * - `instance`: it cannot be the request, since another instance served it or nothing of it was sent.
 * - `alone`: the request is over and nobody else was asked, so it is not known. It counts unless the instance served another
 *   buyer in that time: those would notice as well.
 * - `unknown`: others may be asked yet.
 *
 * @category models
 * @since 0.1.0
 */
export interface Asker {
  readonly buyer: MemberId
  readonly request: string
  readonly fault: "unknown" | "alone" | "instance"
}

/**
 * A request that waits for its first token. While it does, the time that it has waited counts as if it were the answer's:
 * an instance that has gone silent is slow long before anybody gives it up. `over` ends it, for whatever reason.
 *
 * @category models
 * @since 0.1.0
 */
export type Waiting = Pick<Wait, "atMs" | "isOver" | "over">

/**
 * What a request was charged for, at the terms of the instance as it was asked.
 *
 * @category models
 * @since 0.1.0
 */
export interface Charged {
  readonly instance: Pick<Instance, "id" | "price">
  readonly usage: Usage
  readonly atMs: number
}

/**
 * What is new about an instance.
 *
 * @category models
 * @since 0.1.0
 */
export interface News {
  readonly instanceId: InstanceId
  readonly rating: Rating
}

/** The most that a cap may be: none. */
const UNCAPPED = 100_000
/** Health and ramp-up are said again when they moved by so much. */
const HEALTH_STEP_BPS = 10
const RAMP_STEP_BPS = 100
/** How often each is looked at. */
const HEALTH_MS = 1_000
const OFFER_MS = 10_000
const EJECTION_MS = 5_000
/** What an instance said of its load is worth nothing after so long. */
const FOREIGN_MS = 1_000
/** Failures are attributed over so long where nobody is left alone for them. */
const ATTRIBUTED_MS = 60_000
/** What instances did lately counts half after so long. */
const HALVING_MS = 60_000
/** So many that left the market are remembered, so that nobody gets rid of their past by coming back. */
const GONE_MAX = 10_000
/** What is told at once; the rest waits for the next time. */
const TOLD_MAX = 20_000

/** Whether so much time is over, or the clock went back. */
const isDue = (fromMs: number, everyMs: number, nowMs: number): boolean => nowMs - fromMs >= everyMs || nowMs < fromMs

/**
 * The health of instances, as one gateway sees it. Memory is bounded by the number of instances, and an outcome costs the
 * same however many there are.
 *
 * @category models
 * @since 0.1.0
 */
export class Health {
  readonly #settings: HealthRules.Settings
  readonly #hasPace: boolean
  readonly #hasOffer: boolean
  readonly #kept = new Map<InstanceId, Kept>()
  readonly #gone = new Map<InstanceId, Kept>()
  /** The members whose instances failed since the last success of any: an outage of the market's own shows in them. */
  #failing: ReadonlyArray<MemberId> = []
  #nowMs: number | undefined
  #offersAtMs = -OFFER_MS
  #ejectionAtMs = -EJECTION_MS
  #halvedAtMs = -HALVING_MS

  /** Of health, pace and offer, only what is read is worked out. */
  constructor(settings: HealthRules.Settings, reads: ReadonlySet<Readable> = new Set(readableRating)) {
    const { window, ...others } = settings
    this.#settings = window !== undefined && reads.has("healthBps") ? settings : others
    this.#hasPace = reads.has("pace")
    this.#hasOffer = reads.has("offer")
  }

  /** An instance came onto the market, or has new terms. Answers what is to be said of it at once. */
  listed(instance: Instance): Rating | undefined {
    const isNew = !this.#kept.has(instance.id)
    const one = this.#of(instance.id)
    // The directory has forgotten what was said before it left.
    if (isNew) {
      one.said = {}
      one.isChanged = true
      one.pace.unsaid()
    }
    return this.#nowMs === undefined ? undefined : this.#told(one, this.#due(one, instance, this.#nowMs))
  }

  /** Somebody else found out something about it. */
  rated(id: InstanceId, { foreign }: Pick<Rating, "foreign">): void {
    if (foreign !== undefined) this.#of(id).foreignAtMs = foreign > 0 ? this.#nowMs : undefined
  }

  /** An instance left the market. */
  unlisted(id: InstanceId): void {
    const one = this.#kept.get(id)
    if (one === undefined) return
    this.#kept.delete(id)
    this.#remember(id, one)
  }

  /** Takes in how an attempt ended, its own part of `inFlight` included. Answers what is to be said of the instance at once. */
  observe(outcome: Outcome, candidate: Pick<Candidate, "instance" | "inFlight" | "rating">): Rating | undefined {
    const { instance } = candidate
    const inFlight = Load.inFlight(candidate)
    outcome.waiting?.over()
    const nowMs = Number.isFinite(outcome.atMs) ? outcome.atMs : this.#nowMs
    if (nowMs === undefined) return undefined
    const { breaker, cap, window } = this.#settings
    const one = this.#of(instance.id)
    const { asker, kind } = outcome
    const withinMs = breaker?.withinMs ?? ATTRIBUTED_MS
    if (kind === "failed" && asker !== undefined && !one.faults.counts(asker, withinMs, nowMs)) return undefined
    const counted = this.#counted(outcome, instance)
    if (window !== undefined) {
      one.window = HealthWindow.add(window, one.window, counted, nowMs)
      one.isChanged = true
    }
    if (outcome.isProbe === true || kind === "neutral") return undefined
    if (this.#hasOffer) one.offers.count(kind, nowMs)
    // One that refuses the only request that it has is not full.
    if (breaker !== undefined && (kind === "failed" || (kind === "limited" && inFlight <= 1))) {
      one.breaker = Breaker.failed(breaker, one.breaker, nowMs)
      // Where the fault may be this gateway's own, the others judge for themselves.
      if (counted !== "failed") one.toldUntilMs = one.breaker.left?.untilMs ?? one.toldUntilMs
    }
    if (kind === "limited") {
      // One that says that it is full is so by other gateways' requests, and takes as many as it declared.
      const isFull = (outcome.said ?? 0) >= instance.concurrency
      if (cap === undefined || isFull) return this.#told(one, this.#standing(one, nowMs))
      one.cap = InFlightCap.refused(cap, one.cap, { declared: instance.concurrency, inFlight }, nowMs)
    } else if (kind === "failed") {
      one.failed++
    } else {
      one.succeeded++
      if (asker !== undefined) one.faults.served(asker.buyer, nowMs)
      one.breaker = Breaker.succeeded(one.breaker, nowMs)
      one.cap = InFlightCap.taken(one.cap)
      // Where the wait was told of, the first token was heard of when it came.
      const { tokensPerSecond, waiting } = outcome
      if (this.#hasPace) one.pace.add(waiting === undefined ? outcome : { tokensPerSecond }, nowMs)
    }
    const pace = this.#hasPace && outcome.firstTokenMs !== undefined ? one.pace.changed(nowMs) : undefined
    return this.#told(one, this.#standing(one, nowMs, pace))
  }

  /** A request was sent to an instance and waits for its first token. */
  waiting(id: InstanceId, atMs: number): Waiting {
    return this.#of(id).waits.begin(Number.isFinite(atMs) ? atMs : (this.#nowMs ?? 0))
  }

  /** The first token came. Answers what is to be said of the instance at once. */
  answered(id: InstanceId, waiting: Waiting, nowMs: number): Rating | undefined {
    const one = this.#kept.get(id)
    if (waiting.isOver || one === undefined || !Number.isFinite(nowMs)) return undefined
    waiting.over()
    if (!this.#hasPace) return undefined
    one.pace.add({ firstTokenMs: nowMs - waiting.atMs }, nowMs)
    return this.#told(one, this.#standing(one, nowMs, one.pace.changed(nowMs)))
  }

  /** Takes in what a request was charged for. */
  charged({ atMs, instance, usage }: Charged): void {
    if (this.#hasOffer && Number.isFinite(atMs)) this.#kept.get(instance.id)?.offers.charge(instance, usage, atMs)
  }

  /** For how long an instance that is left alone will be, by the time of the last tick. */
  leftAloneMs(id: InstanceId): number | undefined {
    const left = this.#kept.get(id)?.breaker.left
    return left === undefined || this.#nowMs === undefined ? undefined : Math.max(0, left.untilMs - this.#nowMs)
  }

  /**
   * What this gateway found out that nobody has been told of: how work ended, and who is left alone for a minute or longer.
   * It counts as told from now on, so give it to whoever keeps it until that has it.
   */
  share(nowMs: number): SharedHealth.Told {
    const telling = { outcomes: [], sightings: [], leftAlone: [] }
    for (const known of [this.#kept, this.#gone]) {
      for (const [id, one] of known) {
        if (SharedHealth.size(telling) >= TOLD_MAX) return telling
        HealthSharing.tell(id, one, nowMs, telling)
      }
    }
    return telling
  }

  /** Takes in what all gateways know together, which holds all that this one has told of. */
  learn({ days, leftAlone, today }: SharedHealth.Heard, nowMs: number): void {
    const { window } = this.#settings
    if (window !== undefined) {
      for (const [id, changed] of Map.groupBy(days, ({ instanceId }) => instanceId)) {
        HealthSharing.learn(window, this.#known(id), changed, today)
      }
    }
    for (const left of leftAlone) HealthSharing.leave(this.#settings, this.#known(left.instanceId), left, nowMs)
  }

  /** Lets time pass over the listed instances, and answers what is new about them. */
  tick(nowMs: number, listed: ReadonlyArray<Candidate>): ReadonlyArray<News> {
    if (!Number.isFinite(nowMs)) return []
    this.#nowMs = nowMs
    const isOffering = this.#hasOffer && isDue(this.#offersAtMs, OFFER_MS, nowMs)
    if (isOffering) this.#offersAtMs = nowMs
    const isHalving = isDue(this.#halvedAtMs, HALVING_MS, nowMs)
    if (isHalving) this.#halvedAtMs = nowMs
    this.#eject(nowMs, listed)
    const isOutage = isEverybodyOffline(listed)
    const news: Array<News> = []
    for (const { instance } of listed) {
      const one = this.#of(instance.id)
      this.#sample(one, instance, nowMs, isOutage)
      if (isHalving) one.halve()
      const offer = isOffering ? this.#offer(one, instance, nowMs) : undefined
      const due = this.#due(one, instance, nowMs)
      const rating = this.#told(one, offer === undefined ? due : { ...due, offer })
      if (rating !== undefined) news.push({ instanceId: instance.id, rating })
    }
    return news
  }

  #of(id: InstanceId): Kept {
    const known = this.#kept.get(id)
    if (known !== undefined) return known
    const one = this.#gone.get(id) ?? new Kept(id)
    this.#gone.delete(id)
    this.#kept.set(id, one)
    return one
  }

  /** Of one that may not be on the market, or not yet. */
  #known(id: InstanceId): Kept {
    return this.#kept.get(id) ?? this.#gone.get(id) ?? this.#remember(id, new Kept(id))
  }

  #remember(id: InstanceId, one: Kept): Kept {
    this.#gone.set(id, one)
    for (const oldest of this.#gone.keys()) {
      if (this.#gone.size <= GONE_MAX) break
      this.#gone.delete(oldest)
    }
    return one
  }

  /** What an outcome counts as in the health of the last days. */
  #counted({ isProbe, kind }: Outcome, { memberId }: Instance): HealthWindow.Kind {
    if (kind === "limited" || kind === "neutral") return "neutral"
    if (isProbe !== true && kind === "succeeded" && this.#failing.length > 0) this.#failing = []
    if (kind === "succeeded") return kind
    if (isProbe !== true && this.#failing.length < OUTAGE_MEMBERS && !this.#failing.includes(memberId)) {
      this.#failing = [...this.#failing, memberId]
    }
    return this.#failing.length >= OUTAGE_MEMBERS ? "neutral" : "failed"
  }

  #told(one: Kept, rating: Rating | undefined): Rating | undefined {
    if (rating !== undefined) one.said = { ...one.said, ...rating }
    return rating
  }

  /** The breaker and the cap, where they changed, and the pace where it is given. */
  #standing(one: Kept, nowMs: number, pace?: Rating["pace"]): Rating | undefined {
    const breaker = Breaker.standing(one.breaker, nowMs)
    const inFlightMax = one.cap?.max ?? UNCAPPED
    const hasBreaker = breaker !== (one.said.breaker ?? "closed")
    const hasCap = inFlightMax !== (one.said.inFlightMax ?? UNCAPPED)
    if (!hasBreaker && !hasCap && pace === undefined) return undefined
    return {
      ...(hasBreaker ? { breaker } : {}),
      ...(hasCap ? { inFlightMax } : {}),
      ...(pace === undefined ? {} : { pace }),
    }
  }

  /** Everything that time alone may have changed. */
  #due(one: Kept, { concurrency, listedAtMs }: Instance, nowMs: number): Rating | undefined {
    const { cap, rampUp, window } = this.#settings
    if (cap !== undefined && one.cap !== undefined) one.cap = InFlightCap.elapsed(cap, one.cap, concurrency, nowMs)
    const sinceMs = one.waits.sinceMs
    if (sinceMs !== undefined && this.#hasPace) one.pace.wait(nowMs - sinceMs, nowMs)
    let rating = this.#standing(one, nowMs, one.pace.due(nowMs))
    if (one.foreignAtMs !== undefined && isDue(one.foreignAtMs, FOREIGN_MS, nowMs)) {
      one.foreignAtMs = undefined
      rating = { ...rating, foreign: 0 }
    }
    if (rampUp !== undefined && listedAtMs !== undefined) {
      const rampBps = RampUp.share(rampUp, nowMs - listedAtMs)
      const said = one.said.rampBps ?? 10_000
      const isDone = rampBps === 10_000 && said !== 10_000
      if (isDone || Math.abs(rampBps - said) >= RAMP_STEP_BPS) rating = { ...rating, rampBps }
    }
    if (window !== undefined && one.isChanged && isDue(one.healthSaidAtMs, HEALTH_MS, nowMs)) {
      one.isChanged = false
      const healthBps = HealthWindow.healthBps(one.counts(window, nowMs))
      // Where there was nothing to say, what is heard next is said at once.
      if (healthBps !== undefined) one.healthSaidAtMs = nowMs
      const said = one.said.healthBps ?? -HEALTH_STEP_BPS
      if (healthBps !== undefined && Math.abs(healthBps - said) >= HEALTH_STEP_BPS) rating = { ...rating, healthBps }
    }
    return rating
  }

  /** Time online enters the same window as requests. */
  #sample(one: Kept, { state }: Instance, nowMs: number, isOutage: boolean): void {
    const { window } = this.#settings
    if (window === undefined) return
    one.sighted(
      window,
      state === "online" ? "succeeded" : state === "offline" && !isOutage ? "failed" : "neutral",
      nowMs,
    )
  }

  #offer(one: Kept, instance: Instance, nowMs: number): Rating["offer"] {
    const said = one.said.offer
    const offer = one.offers.offer(instance, nowMs) ?? (said === undefined ? undefined : OfferWindow.listed(instance))
    return offer !== undefined && said !== undefined && OfferWindow.isSame(offer, said) ? undefined : offer
  }

  /** Compares the instances of each model, every few seconds. */
  #eject(nowMs: number, listed: ReadonlyArray<Candidate>): void {
    const { ejection } = this.#settings
    if (ejection === undefined || !isDue(this.#ejectionAtMs, EJECTION_MS, nowMs)) return
    this.#ejectionAtMs = nowMs
    const pools = new Map<string, Array<Ejection.Peer<InstanceId>>>()
    for (const { instance } of listed) {
      if (instance.state !== "online") continue
      const { breaker, failed, succeeded } = this.#of(instance.id)
      const standing = Breaker.standing(breaker, nowMs)
      const peer = { id: instance.id, succeeded, failed, isOut: standing === "parked" || standing === "ejected" }
      const pool = pools.get(instance.model)
      if (pool === undefined) pools.set(instance.model, [peer])
      else pool.push(peer)
    }
    for (const pool of pools.values()) {
      for (const id of Ejection.outliers(ejection, pool)) {
        const one = this.#of(id)
        one.ejections++
        one.succeeded = 0
        one.failed = 0
        const untilMs = nowMs + Ejection.lastsMs(ejection, one.ejections)
        one.breaker = Breaker.leave(one.breaker, "ejected", nowMs, untilMs)
      }
    }
  }
}
