/** The input of a tool: an object in Messages, the text of one everywhere else. */
import { isObject, parseExact } from "../../../internal/Json.ts"

/** The text of an input. A text in its place is one that was no JSON when it was written here. */
export const inputText = (input: unknown): string => {
  if (typeof input === "string") return input
  return input === undefined ? "{}" : JSON.stringify(input)
}

/** The input that a text stands for, with its digits; `undefined` where the text is no JSON object. */
export const parseInput = (text: string): object | undefined => {
  if (text.trim() === "") return {}
  const input = parseExact(text)
  return isObject(input) ? input : undefined
}
