import type { InstanceId } from "@guildhall/core/Instance"
import type { Rating } from "@guildhall/core/Rating"
import * as Breaker from "@guildhall/core/rules/Breaker"
import * as HealthWindow from "@guildhall/core/rules/HealthWindow"
import type * as InFlightCap from "@guildhall/core/rules/InFlightCap"
import { Faults } from "./Faults.ts"
import { OfferWindow } from "./OfferWindow.ts"
import { Pace } from "./Pace.ts"
import { Waits } from "./Waits.ts"

/** How an instance was found to be online or not, of which nobody has been told yet, and when first and last. */
interface Seen {
  readonly window: HealthWindow.State
  readonly fromMs: number
  readonly toMs: number
}

const HASH_START = 2_166_136_261
const HASH_FACTOR = 16_777_619

/** A number that is the same in every process, so that all look at an instance at the same times, and at few of them at once. */
const hashOf = (id: InstanceId): number => {
  let hash = HASH_START
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), HASH_FACTOR)
  return hash >>> 0
}

/** What one gateway keeps of one instance. */
export class Kept {
  readonly hash: number
  breaker: Breaker.State = Breaker.closed
  readonly faults = new Faults()
  /** What is known to all gateways, and what this one has told of. */
  shared: HealthWindow.State = HealthWindow.empty
  /** What nobody has been told of yet; without anybody to tell, all there is. */
  window: HealthWindow.State = HealthWindow.empty
  seen: Seen | undefined
  /** The number of the time at which it was looked at last. */
  look: number | undefined
  /** A deadline up to here need not be told. */
  toldUntilMs = -Infinity
  cap: InFlightCap.State | undefined
  readonly pace = new Pace()
  readonly waits = new Waits()
  readonly offers = new OfferWindow()
  /** What it did lately, for the comparison with others. */
  succeeded = 0
  failed = 0
  ejections = 0
  /** What was said of it. */
  said: Rating = {}
  isChanged = false
  healthSaidAtMs = -Infinity
  /** When it last told of requests of others, where it had any. */
  foreignAtMs: number | undefined

  constructor(id: InstanceId) {
    this.hash = hashOf(id)
  }

  /** Looks at it, once for each look that is due. What passed between two looks is not held against anybody. */
  sighted(window: HealthWindow.Settings, kind: HealthWindow.Kind, nowMs: number): void {
    const look = Math.floor((nowMs - (this.hash % window.sampleMs)) / window.sampleMs)
    const isDue = this.look !== undefined && look > this.look
    const isSame = this.look === look
    this.look = look
    if (isSame || !isDue) return
    const atMs = look * window.sampleMs
    const { fromMs = atMs, window: before = HealthWindow.empty } = this.seen ?? {}
    this.seen = { fromMs, toMs: Math.max(fromMs, atMs), window: HealthWindow.add(window, before, kind, atMs) }
    this.isChanged = true
  }

  /** What it did lately counts half from now on. */
  halve(): void {
    this.succeeded = Math.floor(this.succeeded / 2)
    this.failed = Math.floor(this.failed / 2)
    if (this.failed === 0 && this.breaker.left === undefined) this.ejections = Math.max(0, this.ejections - 1)
  }

  /** All that is known of its last days. */
  counts(window: HealthWindow.Settings, nowMs: number): HealthWindow.Counts {
    const own = HealthWindow.plus(
      HealthWindow.counts(window, this.shared, nowMs),
      HealthWindow.counts(window, this.window, nowMs),
    )
    return this.seen === undefined ? own : HealthWindow.plus(own, HealthWindow.counts(window, this.seen.window, nowMs))
  }
}
