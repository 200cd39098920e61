/** Errors that come in the place of an answer, with the status of one. */
import { get, isAbsent, isObject, text } from "../../internal/Json.ts"

/** The sentence of an error, as all dialects write it. */
export const message = (error: unknown): string => {
  const said = typeof error === "string" ? error : text(error, "message")
  return said === undefined || said === "" ? "The provider answered with an error." : said.slice(0, 2000)
}

/** What is wrong with a body that should be an answer; `undefined` where it may be one. */
export const of = (body: unknown): string | undefined => {
  if (!isObject(body)) return "The answer is not a JSON object."
  const error = get(body, "error")
  return isAbsent(error) ? undefined : message(error)
}
