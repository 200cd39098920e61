/** Log probabilities: Chat and Responses write them alike. */
import { get, list, text } from "../../internal/Json.ts"
import type { Logprob } from "../Conversation.ts"

const readOne = (entry: unknown): Omit<Logprob, "top_logprobs"> => {
  const bytes = get(entry, "bytes")
  const logprob = get(entry, "logprob")
  return {
    token: text(entry, "token") ?? "",
    bytes: Array.isArray(bytes) && bytes.every((byte) => typeof byte === "number") ? bytes : null,
    logprob: typeof logprob === "number" ? logprob : 0,
  }
}

/** Reads the entries; `undefined` where there are none. */
export const read = (entries: unknown): ReadonlyArray<Logprob> | undefined =>
  Array.isArray(entries) && entries.length > 0
    ? entries.map((entry) => ({ ...readOne(entry), top_logprobs: list(entry, "top_logprobs").map(readOne) }))
    : undefined
