/** How readers take optional members: nothing and null are the same, another type is a flaw that names the member. */
import type { Inspection } from "../../internal/Inspection.ts"
import { get, isAbsent, isObject, numeric } from "../../internal/Json.ts"
import type { Json, Reasoning } from "../Conversation.ts"

const path = (at: string, key: string): string => (at === "" ? key : `${at}.${key}`)

export const text = (inspection: Inspection, value: unknown, key: string, at = ""): string | undefined => {
  const member = get(value, key)
  if (typeof member === "string") return member
  if (!isAbsent(member)) inspection.invalid(path(at, key), `\`${key}\` must be a text.`)
  return undefined
}

export const requiredText = (inspection: Inspection, value: unknown, key: string, at: string): string => {
  const member = get(value, key)
  if (typeof member === "string") return member
  inspection.invalid(path(at, key), `\`${key}\` must be a text.`)
  return ""
}

export const flag = (inspection: Inspection, value: unknown, key: string, at = ""): boolean | undefined => {
  const member = get(value, key)
  if (typeof member === "boolean") return member
  if (!isAbsent(member)) inspection.invalid(path(at, key), `\`${key}\` must be true or false.`)
  return undefined
}

/** A number as it was written. `neutral` is the value that says the same as none. */
export const number = (inspection: Inspection, value: unknown, key: string, neutral?: number): Json => {
  const member = get(value, key)
  if (isAbsent(member)) return undefined
  const parsed = numeric(member)
  if (parsed === undefined) inspection.invalid(key, `\`${key}\` must be a number.`)
  return parsed === neutral ? undefined : member
}

export const object = (inspection: Inspection, value: unknown, key: string, at = ""): object | undefined => {
  const member = get(value, key)
  if (isObject(member)) return member
  if (!isAbsent(member)) inspection.invalid(path(at, key), `\`${key}\` must be an object.`)
  return undefined
}

export const list = (inspection: Inspection, value: unknown, key: string, at = ""): ReadonlyArray<unknown> => {
  const member = get(value, key)
  if (Array.isArray(member)) return member
  if (!isAbsent(member)) inspection.invalid(path(at, key), `\`${key}\` must be a list.`)
  return []
}

/** One of some words. */
export const word = <const Words extends ReadonlyArray<string>>(
  inspection: Inspection,
  value: unknown,
  key: string,
  words: Words,
  at = "",
): Words[number] | undefined => {
  const member = text(inspection, value, key, at)
  if (member === undefined) return undefined
  const known = words.find((one) => one === member)
  if (known === undefined) inspection.invalid(path(at, key), `\`${key}\` must be one of ${words.join(", ")}.`)
  return known
}

/** The members of a body that nobody knows here. `provider`, `models` and `usage` are for the market. */
export const unknownIn = (body: unknown, known: ReadonlySet<string>): ReadonlyArray<string> => {
  if (!isObject(body)) return []
  return Object.keys(body).filter((key) => !known.has(key) && !MARKET.has(key) && !isAbsent(get(body, key)))
}

const MARKET = new Set(["provider", "models", "usage"])

export const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"] as const

/**
 * The level that fits a budget of thinking best, by its share of all the tokens that may be generated. Where the
 * limit is not known, by its size.
 */
export const effortOf = ({ effort, budgetTokens }: Reasoning, maxTokens: number | undefined): Reasoning["effort"] => {
  if (effort !== undefined || budgetTokens === undefined) return effort
  const share = budgetTokens / Math.max(maxTokens ?? 32_000, 1)
  if (share <= 0.3) return "low"
  return share <= 0.65 ? "medium" : "high"
}
