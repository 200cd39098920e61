/** How the touch functions read the members that many requests share. Each says in one sentence what is wrong. */
import type { Inspection } from "./Inspection.ts"
import { DEPTH_MAX, get, isAbsent, isDeep, isObject, parseExact } from "./Json.ts"

/** The most that a limit of tokens may be. */
const TOKENS_MAX = 1_000_000_000

/** No media. */
export const noMedia = { pieces: 0, bytes: 0 }

/** A count of at least 1. */
export const isCount = (value: unknown, maximum: number): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 1 && value <= maximum

/** A body to be written in another dialect. The gateway has parsed it already, so all that can be wrong is how deep it is. */
export const exact = (inspection: Inspection, text: string): unknown => {
  const body = parseExact(text)
  if (body === undefined && isDeep(text)) {
    const letter = `The body nests deeper than ${DEPTH_MAX} levels, which is not translated to another dialect.`
    inspection.unsupported(null, `${letter} Flatten it, or ask for an instance that speaks this endpoint.`)
  }
  return body
}

/** The name of the model, or the first of `models`; `members` are what the body must have, for the letter. */
export const model = (inspection: Inspection, body: unknown, members: string): string => {
  if (!isObject(body)) inspection.invalid(null, `The body must be a JSON object with ${members}.`)
  const stated = get(body, "model")
  const models = get(body, "models")
  const name: unknown = isAbsent(stated) && Array.isArray(models) ? models[0] : stated
  if (typeof name === "string" && name !== "") return name
  inspection.invalid("model", "`model` must be the name of a model.")
  return ""
}

/** Whether something is wanted; nothing and null say no. */
export const flag = (inspection: Inspection, body: unknown, param: string): boolean => {
  const value = get(body, param)
  if (!isAbsent(value) && typeof value !== "boolean") inspection.invalid(param, `\`${param}\` must be true or false.`)
  return value === true
}

/** Whether `stream_options` asks for usage. */
export const includeUsage = (inspection: Inspection, body: unknown): boolean => {
  const options = get(body, "stream_options")
  if (isAbsent(options)) return false
  if (!isObject(options)) inspection.invalid("stream_options", "`stream_options` must be an object.")
  const value = get(options, "include_usage")
  if (!isAbsent(value) && typeof value !== "boolean") {
    inspection.invalid("stream_options.include_usage", "`include_usage` must be true or false.")
  }
  return value === true
}

/** The smallest of the limits that are set. */
export const maxTokens = (inspection: Inspection, body: unknown, params: ReadonlyArray<string>): number | undefined => {
  let smallest: number | undefined
  for (const param of params) {
    const limit = get(body, param)
    if (isAbsent(limit)) continue
    if (isCount(limit, TOKENS_MAX)) smallest = smallest === undefined ? limit : Math.min(smallest, limit)
    else inspection.invalid(param, `\`${param}\` must be a whole number of at least 1.`)
  }
  return smallest
}

/** A count that is 1 where it is absent. */
export const copies = (inspection: Inspection, body: unknown, param: string, maximum: number): number => {
  const n = get(body, param)
  if (isAbsent(n)) return 1
  if (isCount(n, maximum)) return n
  inspection.invalid(param, `\`${param}\` must be a whole number from 1 to ${maximum}.`)
  return 1
}

/** A list with at least one entry. */
export const entries = (inspection: Inspection, body: unknown, param: string, each: string): ReadonlyArray<unknown> => {
  const value = get(body, param)
  if (Array.isArray(value) && value.length > 0) return value
  inspection.invalid(param, `\`${param}\` must be a list with at least one ${each}.`)
  return []
}

/** A list of objects with at least one entry. */
export const objects = (inspection: Inspection, body: unknown, param: string, each: string): ReadonlyArray<unknown> => {
  const list = entries(inspection, body, param, each)
  if (!list.every(isObject)) inspection.invalid(param, `Each of \`${param}\` must be an object.`)
  return list
}

/** A text that must not be absent. */
export const text = (inspection: Inspection, body: unknown, param: string): string => {
  const value = get(body, param)
  if (typeof value === "string") return value
  inspection.invalid(param, `\`${param}\` must be a text.`)
  return ""
}
