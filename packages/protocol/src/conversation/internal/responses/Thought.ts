/** How Responses writes what a model thought: an item with its text, or a summary, and an opaque token to recognise it. */
import { get, list, text } from "../../../internal/Json.ts"
import type { ReasoningPart } from "../../Conversation.ts"

/** Says of a token that it is a thought whose text was taken out, which other dialects keep apart. */
const REDACTED = "redacted_thinking:"

const texts = (item: unknown, key: string): string =>
  list(item, key)
    .map((part) => text(part, "text") ?? "")
    .join("\n\n")

export const readToken = (token: string) =>
  token.startsWith(REDACTED)
    ? { signature: token.slice(REDACTED.length), redacted: true }
    : { signature: token, redacted: false }

const writeToken = (signature: string, redacted: boolean): string => (redacted ? `${REDACTED}${signature}` : signature)

export const readThought = (item: unknown): ReasoningPart => {
  const token = get(item, "encrypted_content")
  const thought = texts(item, "content") || texts(item, "summary")
  if (typeof token !== "string" || token === "") return { type: "reasoning", text: thought }
  const { redacted, signature } = readToken(token)
  return redacted
    ? { type: "reasoning", text: thought, signature, redacted }
    : { type: "reasoning", text: thought, signature }
}

/** The item, with an id of its own. */
export const writeThought = (part: ReasoningPart, id: string) => ({
  type: "reasoning" as const,
  id,
  summary: [],
  ...(part.text === "" ? {} : { content: [{ type: "reasoning_text" as const, text: part.text }] }),
  ...(part.signature === undefined ? {} : { encrypted_content: writeToken(part.signature, part.redacted === true) }),
})
