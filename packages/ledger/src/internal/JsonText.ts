import type * as Schema from "effect/Schema"

/** What was written of the values of commands that wait for their batch. */
const texts = new WeakMap<object, string>()

/** Writes a value of a command that arrives, to be measured; the text is kept for its batch. */
export const write = (value: Schema.Json): string => {
  const text = JSON.stringify(value)
  if (typeof value === "object" && value !== null) texts.set(value, text)
  return text
}

/** The text of a value whose batch is written: as it was when its command arrived, whatever was changed in it since. */
export const take = (value: Schema.Json): string => {
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  const text = texts.get(value)
  texts.delete(value)
  return text ?? JSON.stringify(value)
}
