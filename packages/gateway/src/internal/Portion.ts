import type { LimitName, LimitScope } from "@guildhall/core/Allowance"
import type { Ask, Grant, Span } from "../LimitRule.ts"

/** A lease is asked for anew, or given back, after so much of its life. */
const RENEW_PART = 0.5
/** A lease counts for so much of its life; the store gives it the rest, so that the two never disagree about its end. */
const TRUSTED_PART = 0.8
/** A portion is meant to last so long. */
const HORIZON_MS = 500
/** Who was used within so long gets some in advance. */
const WARM_MS = 2_000
/** The part of a limit that is asked for where nothing is known yet. */
const FIRST_PART = 0.01
/** What was spent and what is free again is told after so long, and money whenever all is looked at: a killed process takes what it did not tell. */
const REPORT_MS = { minute: 250, now: 250, day: 50, month: 50 }
/** After the store said that there is nothing left, it is asked again after so long. Places come back the soonest. */
const CLOSED_MS = { minute: 250, now: 50, day: 250, month: 250 }

/** So small a part of a limit is not worth telling, or waiting for, by itself. */
const SLACK = 0.01
/** What was short within so long is still. */
const SHORT_MS = 1_000

/** What stands in the way: all is spent or held, or another process has leased what is left. */
export type Shortage = "Spent" | "Lent"

/** What a request waits for in a portion. */
export interface Waiting {
  readonly least: number
  readonly sum: number
}

/** What is known of a limit, as the buyer is told. */
interface Standing {
  readonly remaining: number
  readonly resetMs: number
}

/**
 * What this process has of one counter: its lease, what its requests hold of it, and what it has spent since it told the
 * store. Times are this process's own, in milliseconds that only grow.
 */
export class Portion {
  readonly counter: string
  readonly scope: LimitScope
  readonly name: LimitName
  readonly span: Span
  #limit: number
  /** How many keys use it. */
  users = 0
  /** A request took some since the store was asked, and little is left. */
  isLow = false
  /** Others are short of it. */
  isTight = false
  /** The store is to forget this process, and has not said that it did. */
  isForgetting = false
  #forgotten = 0
  #busy = 0
  #spent = 0
  /** What had been spent when the lease was counted. */
  #counted = 0
  /** What the store is known to have taken down. */
  #told = 0
  #lease = 0
  #trustedUntilMs = Number.NEGATIVE_INFINITY
  #lowWater = 0
  #taken = 0
  /** The most that was busy at a time since the store was asked. */
  #peak = 0
  #perMs = 0
  #askedAtMs: number
  #usedAtMs = Number.NEGATIVE_INFINITY
  #closedUntilMs = Number.NEGATIVE_INFINITY
  #closedFor = 0
  #closedAs: Shortage = "Spent"
  /** The store gave less than was needed when it was last asked. */
  #isShort = false
  /** What nobody had when the store was last asked. */
  #left = 0
  #shortSinceMs = Number.NEGATIVE_INFINITY
  #shortAtMs = Number.NEGATIVE_INFINITY
  #grant: Grant | undefined
  #grantedAtMs = 0
  /** What counted as used of the limit, of this process, when the grant was made. */
  #mineThen = 0
  #busyThen = 0

  constructor(about: {
    readonly counter: string
    readonly scope: LimitScope
    readonly name: LimitName
    readonly span: Span
    readonly limit: number
    readonly nowMs: number
  }) {
    this.counter = about.counter
    this.scope = about.scope
    this.name = about.name
    this.span = about.span
    this.#limit = about.limit
    this.#askedAtMs = about.nowMs
  }

  get grant(): Grant | undefined {
    return this.#grant
  }

  get limit(): number {
    return this.#limit
  }

  /** Another limit. What was leased under a higher one is not for use: the store is asked first. */
  set limit(limit: number) {
    if (limit < this.#limit) this.#lease = Math.min(this.#lease, this.#busy + this.#spent - this.#counted)
    if (limit === this.#limit) return
    this.#closedUntilMs = Number.NEGATIVE_INFINITY
    this.#isShort = false
    this.#limit = limit
  }

  /** What can be taken without asking anyone. */
  room(nowMs: number): number {
    return nowMs < this.#trustedUntilMs ? this.#lease - this.#busy - (this.#spent - this.#counted) : 0
  }

  /** Whether so much cannot be taken now. */
  lacks(units: number, nowMs: number): boolean {
    return units > 0 && this.room(nowMs) < units
  }

  /** Takes what there is room for: requests are spent at once, the rest is held until it is known what it came to. */
  take(units: number, nowMs: number): void {
    if (this.name === "requestsPerMinute") this.#spent += units
    else this.#busy += units
    this.#taken += units
    this.#peak = Math.max(this.#peak, this.#busy)
    this.#usedAtMs = nowMs
    this.isLow = this.room(nowMs) <= this.#lowWater
  }

  /** A request waits for it, so what is leased is not given back. */
  touch(nowMs: number): void {
    this.#usedAtMs = nowMs
  }

  /** Gives back what was taken, and counts what it came to. */
  give(units: number, spent: number): void {
    if (this.name === "requestsPerMinute") return
    this.#busy -= units
    if (this.span !== "now") this.#spent += spent
  }

  /** What stands in the way of so much: the store said a moment ago that there is no more, or there never is. */
  closedAs(units: number, nowMs: number): Shortage | undefined {
    if (units > this.limit) return "Spent"
    if (nowMs >= this.#closedUntilMs || units < this.#closedFor) return undefined
    // What came back since may be enough together with what was too little by itself.
    return this.lacks(units, nowMs) && this.room(nowMs) + this.#left < units ? this.#closedAs : undefined
  }

  /**
   * Whether the store has just said that all is spent or held. What others said that they hold may be free again, which they
   * tell once they hear that somebody is short: within `hearMs`.
   */
  isUsedUp(nowMs: number, hearMs: number): boolean {
    if (!this.#isShort || this.#grant?.lent !== 0) return false
    return this.#grant.busy <= this.#busyThen || nowMs - this.#shortSinceMs >= hearMs
  }

  /** What stood in the way when the store was last asked; undefined where it gave what was needed. */
  get shortage(): Shortage | undefined {
    if (!this.#isShort || this.#grant === undefined) return undefined
    return this.#grant.lent > this.limit * SLACK ? "Lent" : "Spent"
  }

  /** Remembers that there is not so much for anyone, for as long as that is likely to be true. */
  close(units: number, shortage: Shortage, nowMs: number): void {
    this.#closedAs = shortage
    this.#closedUntilMs = nowMs + Math.min(CLOSED_MS[this.span], this.#grant?.freeInMs ?? CLOSED_MS[this.span])
    this.#closedFor = units
  }

  /** Whether the store should be asked now, though nobody waits. */
  isDue(nowMs: number, lifeMs: number): boolean {
    const sinceMs = nowMs - this.#askedAtMs
    if (this.isLow) return true
    const hasNews = this.#spent > this.#told || this.#busyThen - this.#busy > this.limit * SLACK
    if (hasNews && sinceMs >= REPORT_MS[this.span]) return true
    if (this.isTight && this.room(nowMs) > 0) return true
    return this.hasLease && (sinceMs >= lifeMs * RENEW_PART || (this.#isCold(nowMs) && this.#lease > this.#busy))
  }

  get hasLease(): boolean {
    return this.#lease > 0 || this.#busy > 0
  }

  /** Nobody uses it, nothing is held, and everything is told: its place may be given to another. */
  get isDone(): boolean {
    return this.users === 0 && this.#busy === 0 && this.#spent === this.#told
  }

  #isCold(nowMs: number): boolean {
    return nowMs - this.#usedAtMs > WARM_MS
  }

  /** How much is likely to be taken within the horizon; of places, which come back, how many more were taken at a time. */
  #forecast(nowMs: number): number {
    const peak = this.#peak
    this.#peak = this.#busy
    const elapsedMs = Math.max(1, nowMs - this.#askedAtMs)
    const latest = this.#taken / elapsedMs
    const weight = Math.min(1, elapsedMs / (2 * HORIZON_MS))
    this.#perMs = Math.max(elapsedMs < 50 ? 0 : latest, this.#perMs * (1 - weight) + latest * weight)
    this.#taken = 0
    if (this.isTight || this.users === 0 || this.#isCold(nowMs)) return 0
    const likely = this.span === "now" ? Math.max(peak - this.#busy, this.#busy / 2) : this.#perMs * HORIZON_MS
    return Math.min(this.limit, Math.ceil(Math.max(likely, this.limit * FIRST_PART)))
  }

  /**
   * What the store is told and asked. Until it answers, and where it never does, this process goes by what it keeps, which
   * is less than it had in any case.
   */
  ask(nowMs: number, waiting: Waiting | undefined): Ask {
    const busy = Math.max(0, this.#busy)
    const forecast = this.#forecast(nowMs)
    const mine = nowMs < this.#trustedUntilMs ? this.#lease - (this.#spent - this.#counted) : 0
    const keep = Math.max(busy, Math.min(mine, busy + forecast))
    const least = Math.max(keep, busy + (waiting?.least ?? 0))
    const need = Math.max(least, busy + (waiting?.sum ?? 0))
    this.#lease = keep
    this.#counted = this.#spent
    this.#askedAtMs = nowMs
    this.isLow = false
    const { counter, limit, span } = this
    return { counter, span, limit, spent: this.#spent, busy, keep, least, need, want: need + forecast }
  }

  /**
   * What forgets this process at the store, once everything is told. Until that is answered nothing else is asked: nobody
   * could say whether the store still knows what was told before.
   */
  forget(): Ask {
    const { counter, limit, span } = this
    this.isForgetting = true
    this.#lease = 0
    this.#counted = this.#spent
    this.#told = this.#spent
    this.#forgotten = this.#spent
    return { counter, span, limit, spent: 0, busy: 0, keep: 0, least: 0, need: 0, want: 0 }
  }

  /** The store has forgotten this process, which begins anew with what came in between. */
  forgot(): void {
    this.isForgetting = false
    this.#spent -= this.#forgotten
    this.#counted -= this.#forgotten
    this.#told = 0
    this.#forgotten = 0
  }

  /** The store's answer to an ask, which left at this time. */
  granted(ask: Ask, grant: Grant, sentAtMs: number, lifeMs: number): void {
    this.#lease = grant.lease
    this.#trustedUntilMs = sentAtMs + lifeMs * TRUSTED_PART
    this.#told = ask.spent
    this.#lowWater = Math.floor((grant.lease - ask.busy) / 2)
    this.isTight = grant.isTight
    this.#grant = grant
    this.#grantedAtMs = sentAtMs
    this.#mineThen = ask.busy + ask.spent
    this.#busyThen = ask.busy
    this.#left = ask.limit - grant.used - grant.busy - grant.lent - (grant.lease - ask.busy)
    this.#isShort = grant.lease < ask.need
    if (this.#isShort) {
      if (sentAtMs - this.#shortAtMs > SHORT_MS) this.#shortSinceMs = sentAtMs
      this.#shortAtMs = sentAtMs
    } else this.#closedUntilMs = Number.NEGATIVE_INFINITY
  }

  /** What the store does not know yet. */
  get untold(): { readonly busy: number; readonly spent: number } {
    return { busy: this.#busy - (this.#grant === undefined ? 0 : this.#busyThen), spent: this.#spent - this.#told }
  }

  /** What is left of the limit, and when all of it will be, as far as this process knows. */
  standing(nowMs: number): Standing {
    const grant = this.#grant
    if (grant === undefined) return { remaining: this.limit, resetMs: 0 }
    const mine = Math.max(0, this.#busy) + this.#spent
    const remaining = this.limit - grant.used - grant.busy - (mine - this.#mineThen)
    const resetMs = mine > this.#mineThen && this.span === "minute" ? 60_000 : (grant.resetInMs ?? 0)
    return {
      remaining: Math.max(0, Math.min(this.limit, remaining)),
      resetMs: Math.max(0, resetMs - (nowMs - this.#grantedAtMs)),
    }
  }

  /** When so much may be free; undefined where requests under way may leave it at any time, or only they. */
  freeInMs(units: number, nowMs: number): number | undefined {
    const grant = this.#grant
    if (grant === undefined || grant.freeInMs === null) return undefined
    const busy = grant.busy + this.#busy - this.#busyThen
    if (busy >= units - this.standing(nowMs).remaining) return undefined
    return Math.max(0, grant.freeInMs - (nowMs - this.#grantedAtMs))
  }
}
