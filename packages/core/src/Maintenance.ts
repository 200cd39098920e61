/**
 * Planned maintenance of an instance: a window that its provider announces, in which no requests go to it and its health is left
 * as it is.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * How long a window may be, in milliseconds: 7 days.
 *
 * @category constants
 * @since 0.1.0
 */
export const LENGTH_MAX_MS = 604_800_000

/**
 * How far ahead a window may begin, in milliseconds: 90 days.
 *
 * @category constants
 * @since 0.1.0
 */
export const AHEAD_MAX_MS = 7_776_000_000

const Time = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 8.64e15 })))

/**
 * Why, in the provider's words: up to 200 printable characters.
 *
 * @category models
 * @since 0.1.0
 */
export const MaintenanceReason = Schema.String.pipe(Schema.check(Schema.isPattern(/^[^\p{Cc}\p{Cf}]{1,200}$/u)))

/**
 * A window, from `fromMs` until just before `toMs`, in milliseconds since 1970.
 *
 * @category models
 * @since 0.1.0
 */
export const Maintenance = Schema.Struct({ fromMs: Time, toMs: Time, reason: MaintenanceReason })
/** @since 0.1.0 */
export type Maintenance = typeof Maintenance.Type

/**
 * Whether a window is open at a time.
 *
 * **Example** (The hour itself, and the moment it is over)
 *
 * ```ts
 * import { Maintenance } from "@guildhall/core"
 *
 * const window = { fromMs: 0, toMs: 3_600_000, reason: "a new driver" }
 * Maintenance.isOpen(window, 1_000) // => true
 * Maintenance.isOpen(window, 3_600_000) // => false
 * ```
 *
 * @category predicates
 * @since 0.1.0
 */
export const isOpen = (window: Maintenance | undefined, nowMs: number): boolean =>
  window !== undefined && window.fromMs <= nowMs && nowMs < window.toMs

/**
 * What is wrong with a window that somebody announces at a time, or undefined where it may be.
 *
 * @category rules
 * @since 0.1.0
 */
export const problem = ({ fromMs, toMs }: Maintenance, nowMs: number): string | undefined => {
  if (toMs <= fromMs) return "A window ends after it begins. Give a later end."
  if (toMs <= nowMs) return "The window is over already. Give a later end."
  if (toMs - fromMs > LENGTH_MAX_MS) {
    return "A window is at most 7 days long. For longer, take the instance off the market and register it again after."
  }
  if (fromMs - nowMs > AHEAD_MAX_MS) return "A window begins within 90 days. Announce it later."
  return undefined
}
