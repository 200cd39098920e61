/**
 * How much one key may do at a time and in a minute, counted in this process.
 *
 * @since 0.1.0
 */
import type { KeyId } from "@guildhall/core/Member"
import { Refusal } from "./Refusal.ts"

/**
 * The limits of a market that concern one key.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limits {
  readonly requestsPerMinute?: number
  readonly concurrentRequests?: number
}

interface Counter {
  inFlight: number
  /** Requests that may start now; refilled steadily, up to a minute's worth. */
  tokens: number
  refilledAtMs: number
}

/** So many keys are remembered. Beyond it the ones longest unused, with nothing in flight, are forgotten. */
const KEYS_MAX = 100_000

/**
 * Makes the counters. `enter` answers what gives the place back, or the refusal; times come from the caller's clock.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (given: Limits) => {
  const limits = { requestsPerMinute: 1e9, concurrentRequests: 1e9, ...given }
  const counters = new Map<KeyId, Counter>()
  const perMs = limits.requestsPerMinute / 60_000

  const forget = () => {
    for (const [key, counter] of counters) {
      if (counters.size <= KEYS_MAX) return
      if (counter.inFlight === 0) counters.delete(key)
    }
  }

  const enter = (key: KeyId, nowMs: number): (() => void) | Refusal => {
    const found = counters.get(key)
    const counter = found ?? { inFlight: 0, tokens: limits.requestsPerMinute, refilledAtMs: nowMs }
    if (found === undefined) {
      counters.set(key, counter)
      if (counters.size > KEYS_MAX) forget()
    }
    const elapsedMs = Math.max(0, nowMs - counter.refilledAtMs)
    counter.tokens = Math.min(limits.requestsPerMinute, counter.tokens + elapsedMs * perMs)
    counter.refilledAtMs = nowMs
    if (counter.inFlight >= limits.concurrentRequests) {
      const detail = `The key has ${counter.inFlight} requests in flight, which is its limit. Wait for one to end.`
      return new Refusal({ code: "too_many_concurrent", detail })
    }
    if (counter.tokens < 1) {
      const waitS = Math.max(1, Math.ceil((1 - counter.tokens) / perMs / 1000))
      const detail = `The key may start ${limits.requestsPerMinute} requests in a minute. Try again in ${waitS} s.`
      return new Refusal({ code: "rate_limited", detail, headers: { "retry-after": String(waitS) } })
    }
    counter.tokens -= 1
    counter.inFlight += 1
    let left = false
    return () => {
      if (left) return
      left = true
      counter.inFlight -= 1
    }
  }

  return { enter, size: () => counters.size } as const
}
