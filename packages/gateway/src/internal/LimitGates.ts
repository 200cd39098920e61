/** The limits of each key in this process: which portions a request with it takes from. */
import type { Allowance, LimitName } from "@guildhall/core/Allowance"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import type { KeyId } from "@guildhall/core/Member"
import type { Span } from "../LimitRule.ts"
import type { Holder } from "../Limits.ts"
import { NANOS_A_CENT } from "./LimitRefusal.ts"
import { Portion } from "./Portion.ts"

/** The limits of one key. */
export interface Gate {
  readonly own: Allowance | undefined
  readonly all: ReadonlyArray<Portion>
  readonly entering: ReadonlyArray<Portion>
  readonly reserving: ReadonlyArray<Portion>
  readonly requests: ReadonlyArray<Portion>
  readonly tokens: ReadonlyArray<Portion>
  inFlight: number
  usedAtMs: number
  isDropped: boolean
}

/** So many keys are known at a time; a new one beyond it is turned away, rather than let in unlimited. */
const KEYS_MAX = 100_000
/** A key that has not been used for so long is forgotten. */
const KEY_IDLE_MS = 10_000

const SPANS: Readonly<Record<LimitName, Span>> = {
  requestsPerMinute: "minute",
  tokensPerMinute: "minute",
  concurrentRequests: "now",
  centsPerDay: "day",
  centsPerMonth: "month",
}
const NAMES = [
  "requestsPerMinute",
  "concurrentRequests",
  "tokensPerMinute",
  "centsPerDay",
  "centsPerMonth",
] as const satisfies ReadonlyArray<LimitName>

const isSame = (one: Allowance | undefined, other: Allowance | undefined): boolean =>
  one === other || NAMES.every((name) => one?.[name] === other?.[name])

/** A limit in the unit that it is counted in. */
const counted = (name: LimitName, limit: number): number =>
  name === "centsPerDay" || name === "centsPerMonth" ? limit * NANOS_A_CENT : limit

/** The limits that apply to a key: its own or the market's for a key, the member's, and everyone's. */
export const applying = (definition: MarketDefinition, { keyId, memberId, terms }: Holder) => {
  const { key, market, member } = definition.limits
  const scopes = [
    ["key", keyId, { ...key, ...terms?.limits }],
    ["member", memberId, member],
    ["market", definition.name, market],
  ] as const
  return NAMES.flatMap((name) =>
    scopes.flatMap(([scope, id, allowance]) => {
      const limit = allowance[name]
      return limit === undefined
        ? []
        : [{ counter: `${scope}:${id}:${name}`, scope, name, span: SPANS[name], limit: counted(name, limit) }]
    }),
  )
}

/** Makes the gates over the portions of this process. */
export const make = (definition: MarketDefinition, portions: Map<string, Portion>) => {
  const gates = new Map<KeyId, Gate>()

  const release = (gate: Gate): void => {
    for (const portion of gate.all) portion.users -= 1
  }

  /** Requests that are on their way still need the portions; the last of them gives them up. */
  const drop = (key: KeyId, gate: Gate): void => {
    gates.delete(key)
    gate.isDropped = true
    if (gate.inFlight === 0) release(gate)
  }

  /** Drops what has not been used for long. */
  const sweep = (nowMs: number): void => {
    for (const [key, gate] of gates) if (gate.inFlight === 0 && nowMs - gate.usedAtMs > KEY_IDLE_MS) drop(key, gate)
  }

  const open = (holder: Holder, nowMs: number): Gate => {
    const all = applying(definition, holder).map((about) => {
      const portion = portions.get(about.counter) ?? new Portion({ ...about, nowMs })
      portions.set(about.counter, portion)
      portion.limit = about.limit
      portion.users += 1
      return portion
    })
    const named = (...names: ReadonlyArray<LimitName>) => all.filter(({ name }) => names.includes(name))
    const gate: Gate = {
      own: holder.terms?.limits,
      all,
      entering: named("requestsPerMinute", "concurrentRequests"),
      reserving: named("tokensPerMinute", "centsPerDay", "centsPerMonth"),
      requests: named("requestsPerMinute"),
      tokens: named("tokensPerMinute"),
      inFlight: 0,
      usedAtMs: nowMs,
      isDropped: false,
    }
    gates.set(holder.keyId, gate)
    return gate
  }

  /** The gate of a key, by its terms of now; undefined where too many keys are known. */
  const of = (holder: Holder, nowMs: number): Gate | undefined => {
    const known = gates.get(holder.keyId)
    if (known !== undefined && isSame(known.own, holder.terms?.limits)) return known
    if (known !== undefined) drop(holder.keyId, known)
    if (gates.size >= KEYS_MAX) sweep(nowMs)
    return gates.size >= KEYS_MAX ? undefined : open(holder, nowMs)
  }

  const leave = (gate: Gate, nowMs: number): void => {
    gate.inFlight -= 1
    gate.usedAtMs = nowMs
    if (gate.isDropped && gate.inFlight === 0) release(gate)
  }

  return { of, leave, sweep, size: () => gates.size } as const
}
