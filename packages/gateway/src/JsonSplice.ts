/**
 * Changes a few members of a JSON object as text, so that everything else stays as it was written: big integers,
 * unknown members, nulls, spaces and the order of keys.
 *
 * @since 0.1.0
 */

/**
 * A member of an object: where its key starts, and where its value starts and ends in the text.
 *
 * @category models
 * @since 0.1.0
 */
export interface Member {
  readonly key: string
  readonly keyStart: number
  readonly valueStart: number
  readonly valueEnd: number
}

/**
 * A change: the text from `start` to `end` is replaced.
 *
 * @category models
 * @since 0.1.0
 */
export interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

const QUOTE = 34
const BACKSLASH = 92
const COMMA = 44
const OPEN_BRACE = 123
const CLOSE_BRACE = 125
const OPEN_BRACKET = 91
const CLOSE_BRACKET = 93

const skipSpace = (text: string, at: number): number => {
  let next = at
  for (;;) {
    const code = text.charCodeAt(next)
    if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return next
    next += 1
  }
}

/** The position after the string that starts at `at`. A quote ends it when an even number of backslashes is before it. */
const stringEnd = (text: string, at: number): number => {
  let quote = at
  for (;;) {
    quote = text.indexOf('"', quote + 1)
    if (quote === -1) return text.length
    let backslashes = 0
    while (text.charCodeAt(quote - 1 - backslashes) === BACKSLASH) backslashes += 1
    if (backslashes % 2 === 0) return quote + 1
  }
}

/** The position after the value that starts at `at`. */
const valueEnd = (text: string, at: number): number => {
  const first = text.charCodeAt(at)
  if (first === QUOTE) return stringEnd(text, at)
  let next = at
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) {
    for (;;) {
      const code = text.charCodeAt(next)
      if (code === COMMA || code === CLOSE_BRACE || code === CLOSE_BRACKET || code <= 32 || Number.isNaN(code))
        return next
      next += 1
    }
  }
  let depth = 0
  while (next < text.length) {
    const code = text.charCodeAt(next)
    if (code === QUOTE) {
      next = stringEnd(text, next)
      continue
    }
    if (code === OPEN_BRACE || code === OPEN_BRACKET) depth += 1
    if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      depth -= 1
      if (depth === 0) return next + 1
    }
    next += 1
  }
  return next
}

/**
 * Finds the members of the object that starts at `from` (or after spaces there). The text must be valid JSON: parse
 * it first. A key that stands twice is answered twice.
 *
 * **Example** (Two members)
 *
 * ```ts
 * import { JsonSplice } from "@guildhall/gateway"
 *
 * JsonSplice.members('{"a":1,"b":[2]}').map((member) => member.key) // => ["a", "b"]
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const members = (text: string, from = 0): ReadonlyArray<Member> => {
  const found: Array<Member> = []
  let at = skipSpace(text, from)
  if (text.charCodeAt(at) !== OPEN_BRACE) return found
  at = skipSpace(text, at + 1)
  while (text.charCodeAt(at) === QUOTE) {
    const keyStart = at
    const keyEnd = stringEnd(text, keyStart)
    const raw = text.slice(keyStart + 1, keyEnd - 1)
    // A key may be written with escapes; JSON.parse of a valid key cannot fail.
    const key = raw.includes("\\") ? String(JSON.parse(`"${raw}"`)) : raw
    const valueStart = skipSpace(text, skipSpace(text, keyEnd) + 1)
    const end = valueEnd(text, valueStart)
    found.push({ key, keyStart, valueStart, valueEnd: end })
    at = skipSpace(text, end)
    if (text.charCodeAt(at) !== COMMA) break
    at = skipSpace(text, at + 1)
  }
  return found
}

/**
 * The edit that gives an object a member: its value is replaced, or the member is added at the front.
 *
 * @category editing
 * @since 0.1.0
 */
export const set = (text: string, object: ReadonlyArray<Member>, key: string, value: string, from = 0): Edit => {
  const member = object.findLast((member) => member.key === key)
  if (member !== undefined) return { start: member.valueStart, end: member.valueEnd, text: value }
  const inside = text.indexOf("{", from) + 1
  return { start: inside, end: inside, text: `${JSON.stringify(key)}:${value}${object.length === 0 ? "" : ","}` }
}

/**
 * The edit that gives an object inside of another a member; undefined where a step of the path is no object.
 *
 * **Example** (The cost beside the tokens)
 *
 * ```ts
 * import { JsonSplice } from "@guildhall/gateway"
 *
 * const text = `{"id":"c1","usage":{"total_tokens":3}}`
 * const edit = JsonSplice.within(text, ["usage"], "cost", "0.5")
 * JsonSplice.apply(text, edit === undefined ? [] : [edit]) // => `{"id":"c1","usage":{"cost":0.5,"total_tokens":3}}`
 * ```
 *
 * @category editing
 * @since 0.1.0
 */
export const within = (text: string, path: ReadonlyArray<string>, key: string, value: string): Edit | undefined => {
  let from = 0
  for (const step of path) {
    const member = members(text, from).findLast((member) => member.key === step)
    if (member === undefined || text.charCodeAt(member.valueStart) !== OPEN_BRACE) return undefined
    from = member.valueStart
  }
  return set(text, members(text, from), key, value, from)
}

/**
 * The edit that takes a member out, together with the comma that joined it to its neighbour.
 *
 * @category editing
 * @since 0.1.0
 */
export const remove = (object: ReadonlyArray<Member>, key: string): Edit | undefined => {
  const index = object.findIndex((member) => member.key === key)
  const member = object[index]
  if (member === undefined) return undefined
  const before = object[index - 1]
  if (before !== undefined) return { start: before.valueEnd, end: member.valueEnd, text: "" }
  const after = object[index + 1]
  return { start: member.keyStart, end: after?.keyStart ?? member.valueEnd, text: "" }
}

/**
 * The edits that take every member of some names out, however often each stands, together with the commas around them.
 *
 * **Example** (Twice, and at the front)
 *
 * ```ts
 * import { JsonSplice } from "@guildhall/gateway"
 *
 * const text = '{"a":1,"b":2,"c":3,"a":4}'
 * JsonSplice.apply(text, JsonSplice.without(JsonSplice.members(text), ["a", "b"])) // => '{"c":3}'
 * ```
 *
 * @category editing
 * @since 0.1.0
 */
export const without = (object: ReadonlyArray<Member>, keys: ReadonlyArray<string>): ReadonlyArray<Edit> => {
  const edits: Array<Edit> = []
  let before: Member | undefined
  let first: Member | undefined
  let last: Member | undefined
  for (const member of object) {
    if (keys.includes(member.key)) {
      first ??= member
      last = member
      continue
    }
    // What stands before the first member that stays goes with the comma after it, all else with the comma before it.
    if (first !== undefined && last !== undefined) {
      edits.push(
        before === undefined
          ? { start: first.keyStart, end: member.keyStart, text: "" }
          : { start: before.valueEnd, end: last.valueEnd, text: "" },
      )
    }
    before = member
    first = undefined
    last = undefined
  }
  if (first !== undefined && last !== undefined)
    edits.push({ start: before?.valueEnd ?? first.keyStart, end: last.valueEnd, text: "" })
  return edits
}

/**
 * Makes the changes. Edits must not overlap; of several at one place the first given comes first.
 *
 * **Example** (Another model, nothing else)
 *
 * ```ts
 * import { JsonSplice } from "@guildhall/gateway"
 *
 * const text = '{"seed":12345678901234567890,"model":"a"}'
 * const edit = JsonSplice.set(text, JsonSplice.members(text), "model", '"b"')
 * JsonSplice.apply(text, [edit]) // => '{"seed":12345678901234567890,"model":"b"}'
 * ```
 *
 * @category editing
 * @since 0.1.0
 */
export const apply = (text: string, edits: ReadonlyArray<Edit>): string => {
  let result = ""
  let at = 0
  for (const edit of [...edits].sort((a, b) => a.start - b.start)) {
    result += text.slice(at, edit.start) + edit.text
    at = edit.end
  }
  return result + text.slice(at)
}
