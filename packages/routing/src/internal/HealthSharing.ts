import type { InstanceId } from "@guildhall/core/Instance"
import * as Breaker from "@guildhall/core/rules/Breaker"
import type * as HealthRules from "@guildhall/core/rules/Health"
import * as HealthWindow from "@guildhall/core/rules/HealthWindow"
import type { LeftAlone, Outcomes, Sightings } from "@guildhall/core/SharedHealth"
import type { Kept } from "./Kept.ts"

/** Who is left alone for less than this is asked again before it is worth telling, and each gateway may find out by itself. */
const LONG_MS = 60_000
/** A deadline that came back from where it was told may be so much later. */
const LATER_MS = 1_000

interface Telling {
  readonly outcomes: Array<Outcomes>
  readonly sightings: Array<Sightings>
  readonly leftAlone: Array<LeftAlone>
}

/** Moves what nobody has been told of one instance to what is known to all. */
export const tell = (instanceId: InstanceId, one: Kept, nowMs: number, telling: Telling): void => {
  const { left } = one.breaker
  if (left !== undefined && left.untilMs > one.toldUntilMs && left.untilMs - nowMs >= LONG_MS) {
    one.toldUntilMs = left.untilMs
    telling.leftAlone.push({ instanceId, why: left.why, forMs: left.untilMs - nowMs, ejections: one.ejections })
  }
  if (one.window !== HealthWindow.empty) {
    for (const day of HealthWindow.daysOf(one.window)) telling.outcomes.push({ instanceId, ...day })
    one.shared = HealthWindow.join(one.shared, one.window)
    one.window = HealthWindow.empty
  }
  if (one.seen !== undefined) {
    const { fromMs, toMs, window } = one.seen
    for (const day of HealthWindow.daysOf(window)) telling.sightings.push({ instanceId, ...day, fromMs, toMs })
    one.shared = HealthWindow.join(one.shared, window)
    one.seen = undefined
  }
}

/** Takes in the days that changed, which hold all that this gateway has told of. */
export const learn = (
  window: HealthWindow.Settings,
  one: Kept,
  days: ReadonlyArray<HealthWindow.Day>,
  today: number,
): void => {
  one.shared = HealthWindow.until(window, HealthWindow.replace(one.shared, days), today)
  one.isChanged = true
}

/** Takes in that somebody left it alone for long. Where the market has no such rule any more, nothing follows. */
export const leave = (settings: HealthRules.Settings, one: Kept, told: LeftAlone, nowMs: number): void => {
  const { ejections, forMs, why } = told
  if ((why === "parked" ? settings.breaker : settings.ejection) === undefined) return
  if (why === "ejected") one.ejections = Math.max(one.ejections, ejections)
  const untilMs = nowMs + forMs
  one.toldUntilMs = Math.max(one.toldUntilMs, untilMs)
  if (untilMs > (one.breaker.left?.untilMs ?? nowMs) + LATER_MS) {
    one.breaker = Breaker.leave(one.breaker, why, nowMs, untilMs)
  }
}
