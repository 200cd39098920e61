/** Inputs that may be one text, a list of texts, or either of them as tokens: prompts, and what is embedded. */
import * as Schema from "effect/Schema"
import type { Inspection } from "./Inspection.ts"
import { get } from "./Json.ts"

const Tokens = Schema.Array(Schema.Int)

/** What may stand there. */
export const Prompt = Schema.Union([Schema.String, Schema.Array(Schema.String), Tokens, Schema.Array(Tokens)])

/** As many inputs as OpenAI takes in one request. */
const INPUTS_MAX = 2048

const isToken = (value: unknown): boolean => typeof value === "number" && Number.isSafeInteger(value) && value >= 0
const isText = (value: unknown): boolean => typeof value === "string"
const isTokens = (value: unknown): boolean => Array.isArray(value) && value.every(isToken)

/** The inputs one by one. */
export const read = (inspection: Inspection, body: unknown, param: string): ReadonlyArray<unknown> => {
  const value = get(body, param)
  if (isText(value)) return [value]
  if (Array.isArray(value) && value.length > 0) {
    if (value.every(isToken)) return [value]
    if (value.length > INPUTS_MAX) inspection.invalid(param, `\`${param}\` must have at most ${INPUTS_MAX} entries.`)
    if (value.every(isText) || value.every(isTokens)) return value
  }
  inspection.invalid(param, `\`${param}\` must be a text, a list of texts, or a list of tokens.`)
  return []
}
