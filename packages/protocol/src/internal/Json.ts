/** A parsed JSON object, as opposed to a list, a scalar and null. */
export const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** An own member of an object, `undefined` for everything else. */
export const get = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined

/** JSON's `null` says the same as nothing. */
export const isAbsent = (value: unknown): value is null | undefined => value === undefined || value === null

/** A member that is a string. */
export const text = (value: unknown, key: string): string | undefined => {
  const member = get(value, key)
  return typeof member === "string" ? member : undefined
}

/** A member that is a list; nothing counts as an empty one. */
export const list = (value: unknown, key: string): ReadonlyArray<unknown> => {
  const member = get(value, key)
  return Array.isArray(member) ? member : []
}

/** A count of tokens and the like: a whole number that is not negative and not absurd. */
export const count = (value: unknown, key: string): number | undefined => {
  const member = get(value, key)
  return typeof member === "number" && Number.isSafeInteger(member) && member >= 0 && member <= 1_000_000_000
    ? member
    : undefined
}

/** Parses JSON; `undefined`, which no JSON text gives, says that it is not JSON. */
export const parse = (json: string): unknown => {
  // A thrown error is how JSON.parse says that a text is not JSON, and the only way to ask.
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

/** What the standard gives a reviver, and `JSON.rawJSON`: the library of ES2024 has no types for them. */
interface ExactJson {
  readonly parse: (
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ) => unknown
  readonly rawJSON: (text: string) => object
  readonly isRawJSON: (value: unknown) => boolean
}

const hasExact = (json: unknown): json is ExactJson => typeof get(json, "rawJSON") === "function"
const exact: unknown = JSON

/** Numbers that may read back with other digits: long ones, those with an exponent, a zero at the end, or minus zero. */
const INEXACT = /\d{16}|\.\d*0(?!\d)|\d[eE]|-0/

/** Nobody nests deeper on purpose, and who walks over what was parsed should not run out of stack. */
export const DEPTH_MAX = 256

/** Whether a JSON text nests deeper than is read here. */
export const isDeep = (json: string): boolean => {
  let depth = 0
  for (let at = 0; at < json.length; at += 1) {
    const code = json.charCodeAt(at)
    if (code === 34) {
      at = json.indexOf('"', at + 1)
      while (at !== -1 && isEscaped(json, at)) at = json.indexOf('"', at + 1)
      if (at === -1) return false
    } else if (code === 123 || code === 91) {
      depth += 1
      if (depth > DEPTH_MAX) return true
    } else if (code === 125 || code === 93) depth -= 1
  }
  return false
}

/** Whether an odd number of backslashes stands before a quote. */
const isEscaped = (json: string, quote: number): boolean => {
  let at = quote
  while (json.charCodeAt(at - 1) === 92) at -= 1
  return (quote - at) % 2 === 1
}

/** Whether a parsed value nests deeper than is written here. */
export const isNested = (value: unknown, depth = 0): boolean => {
  if (typeof value !== "object" || value === null) return false
  return depth > DEPTH_MAX || Object.values(value).some((member) => isNested(member, depth + 1))
}

/**
 * Parses JSON so that it can be written again with the same digits: a number that JavaScript holds differently becomes
 * a `JSON.rawJSON` object. The plain parser is ten times as fast and does where no number looks like one. A text that
 * nests too deep counts as no JSON.
 */
export const parseExact = (json: string): unknown => {
  if (isDeep(json)) return undefined
  if (!INEXACT.test(json) || !hasExact(exact)) return parse(json)
  const { rawJSON } = exact
  try {
    return exact.parse(json, (_, value, { source }) =>
      typeof value === "number" && source !== undefined && source !== String(value) ? rawJSON(source) : value,
    )
  } catch {
    return undefined
  }
}

/** The number that a JSON value stands for, exact or not; `undefined` where it is none. */
export const numeric = (value: unknown): number | undefined => {
  if (typeof value === "number") return value
  return hasExact(exact) && exact.isRawJSON(value) ? Number(text(value, "rawJSON")) : undefined
}
