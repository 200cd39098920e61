/** What `jsonb` refuses although it is JSON: the character zero and halves of surrogate pairs, as they are escaped. */
const UNSTORABLE = /\\u(?:0000|d[89a-f])/

const storable = (text: string): string => text.toWellFormed().replaceAll("\u0000", "\ufffd")

/**
 * Writes JSON that PostgreSQL takes. A text from outside, such as the model that a refused request named, may hold
 * what `jsonb` cannot; it is replaced, so that one odd text cannot stop everything that is appended with it.
 */
export const stringify = (value: unknown): string => {
  const json = JSON.stringify(value)
  if (!UNSTORABLE.test(json)) return json
  return JSON.stringify(value, (_, member: unknown) => (typeof member === "string" ? storable(member) : member))
}

/** The value as it will be kept, which is the value itself where nothing in it must be replaced. */
export const of = (value: unknown): unknown => {
  const json = JSON.stringify(value)
  return UNSTORABLE.test(json) ? JSON.parse(stringify(value)) : value
}
