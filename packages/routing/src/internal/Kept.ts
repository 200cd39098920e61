import type { Rating } from "@guildhall/core/Rating"
import * as Breaker from "@guildhall/core/rules/Breaker"
import * as HealthWindow from "@guildhall/core/rules/HealthWindow"
import type * as InFlightCap from "@guildhall/core/rules/InFlightCap"
import { OfferWindow } from "./OfferWindow.ts"
import { Pace } from "./Pace.ts"
import { Waits } from "./Waits.ts"

/** What one gateway keeps of one instance. */
export class Kept {
  breaker: Breaker.State = Breaker.closed
  window: HealthWindow.State = HealthWindow.empty
  cap: InFlightCap.State | undefined
  readonly pace = new Pace()
  readonly waits = new Waits()
  readonly offers = new OfferWindow()
  /** What it did lately, for the comparison with others. */
  succeeded = 0
  failed = 0
  ejections = 0
  sampledAtMs: number | undefined
  /** What was said of it. */
  said: Rating = {}
  isChanged = false
  healthSaidAtMs = -Infinity
  /** When it last told of requests of others, where it had any. */
  foreignAtMs: number | undefined
}
