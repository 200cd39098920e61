/** What a buyer is told who met a limit. */
import type { LimitName, LimitScope } from "@guildhall/core/Allowance"
import type { ReasonCode } from "@guildhall/core/Reason"
import { Refusal } from "../Refusal.ts"
import type { Lack } from "./LimitQueue.ts"
import type { Portion } from "./Portion.ts"

const CODES: Readonly<Record<LimitName, ReasonCode>> = {
  requestsPerMinute: "rate_limited",
  tokensPerMinute: "token_rate_limited",
  concurrentRequests: "too_many_concurrent",
  centsPerDay: "budget_exceeded",
  centsPerMonth: "budget_exceeded",
}

const WHOSE: Readonly<Record<LimitScope, string>> = {
  key: "The key",
  member: "The member, with all its keys,",
  market: "The market as a whole",
}

const many = (count: string, thing: string): string => `${count} ${thing}${count === "1" ? "" : "s"}`

const WHAT: Readonly<Record<LimitName, (limit: string) => string>> = {
  requestsPerMinute: (limit) => `may start ${many(limit, "request")} in a minute`,
  tokensPerMinute: (limit) => `may use ${many(limit, "token")} in a minute`,
  concurrentRequests: (limit) => `may have ${many(limit, "request")} under way at a time`,
  centsPerDay: (limit) => `may spend ${many(limit, "cent")} in a day of UTC`,
  centsPerMonth: (limit) => `may spend ${many(limit, "cent")} in a month of UTC`,
}

/** Budgets are counted in billionths of the asset; a cent has so many. */
export const NANOS_A_CENT = 10_000_000

/** What a process that was killed had leased is free again after 10 s, and half of that has passed on average. */
const LENT_RETRY_S = 5

/** A count in the unit that the limit is written in. */
export const inUnits = (name: LimitName, count: number): number =>
  name === "centsPerDay" || name === "centsPerMonth" ? count / NANOS_A_CENT : count

const written = (portion: Portion, count: number): string =>
  String(Math.round(inUnits(portion.name, count) * 1e6) / 1e6)

/** OpenAI's notation of a time: `12ms`, `7.5s`, `6m0s`. */
const duration = (ms: number): string => {
  if (ms < 1_000) return `${Math.ceil(ms)}ms`
  const seconds = Math.ceil(ms / 100) / 10
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${Math.ceil(seconds % 60)}s`
}

/** The header fields of OpenAI's API about one kind of limit: the one of which the smallest part is left. */
const fields = (portions: ReadonlyArray<Portion>, kind: "requests" | "tokens", nowMs: number) => {
  let scarcest: { readonly limit: number; readonly remaining: number; readonly resetMs: number } | undefined
  for (const portion of portions) {
    const { remaining, resetMs } = portion.standing(nowMs)
    if (scarcest !== undefined && remaining * scarcest.limit >= scarcest.remaining * portion.limit) continue
    scarcest = { limit: portion.limit, remaining, resetMs }
  }
  if (scarcest === undefined) return {}
  return {
    [`x-ratelimit-limit-${kind}`]: String(scarcest.limit),
    [`x-ratelimit-remaining-${kind}`]: String(scarcest.remaining),
    [`x-ratelimit-reset-${kind}`]: duration(scarcest.resetMs),
  }
}

/** What an answer says of the limits by the minute. */
export const headers = (
  requests: ReadonlyArray<Portion>,
  tokens: ReadonlyArray<Portion>,
  nowMs: number,
): Record<string, string> => ({ ...fields(requests, "requests", nowMs), ...fields(tokens, "tokens", nowMs) })

/** The refusal for what lacks. */
export const of = (lack: Lack, nowMs: number): Refusal => {
  if (lack._tag === "Away") {
    return new Refusal({
      code: "service_unavailable",
      detail: "How much this key has used cannot be looked up at the moment. Try again in a moment.",
    })
  }
  const { portion, units } = lack
  const { limit, name, scope } = portion
  const rule = `${WHOSE[scope]} ${WHAT[name](written(portion, limit))}`
  const about = { "x-guildhall-limit": `scope=${scope}, name=${name}, limit=${written(portion, limit)}` }
  if (units > limit) {
    return new Refusal({
      code: CODES[name],
      detail: `${rule}, and this request alone may take ${written(portion, units)}. Lower \`max_tokens\`, or send less.`,
      headers: { ...about, "x-should-retry": "false" },
    })
  }
  if (lack._tag === "Lent") {
    return new Refusal({
      code: "service_unavailable",
      detail: `${rule}. Some of that is left, and set aside by another process of the market. Try again in ${LENT_RETRY_S} s.`,
      headers: { ...about, "retry-after": String(LENT_RETRY_S) },
    })
  }
  // In how many seconds the same request may be let in. Where requests under way stand in the way, in one.
  const freeInMs = portion.freeInMs(units, nowMs)
  const seconds = Math.max(1, Math.ceil((freeInMs ?? 0) / 1_000))
  const { remaining } = portion.standing(nowMs)
  const left =
    name === "requestsPerMinute" || name === "concurrentRequests"
      ? "and has"
      : `and of that ${written(portion, remaining)} is left for a request that may take ${written(portion, units)}`
  const kind = name === "requestsPerMinute" ? "requests" : name === "tokensPerMinute" ? "tokens" : undefined
  return new Refusal({
    code: CODES[name],
    detail: `${rule}, ${left}. Try again in ${seconds} s.`,
    headers: {
      ...about,
      "retry-after": String(seconds),
      // Requests under way may leave some of the budget at any time.
      ...(freeInMs === undefined ? { "x-should-retry": "true" } : {}),
      ...(kind === undefined ? {} : fields([portion], kind, nowMs)),
    },
  })
}
