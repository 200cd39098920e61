import type { Admitted } from "../Admit.ts"
import * as JsonSplice from "../JsonSplice.ts"

/**
 * The body for a provider, as splices of the buyer's own text:
 *
 * - `model` becomes the canonical id;
 * - on a stream, `stream_options.include_usage` becomes true;
 * - a limit on the answer's tokens above the market's is lowered to it. Where there is none, the market's is added if
 *   prompt and answer are sure to fit the instance's context; where they might not, an engine would refuse the sum, and
 *   the context limits the answer anyhow.
 */
export const make = (
  admitted: Admitted,
  limits: { readonly outputTokens: number; readonly promptBound: number },
): ((contextLength: number) => Buffer) => {
  const { text, members, touched, model } = admitted
  const edits: Array<JsonSplice.Edit> = []
  if (touched.model !== model) edits.push(JsonSplice.set(text, members, "model", JSON.stringify(model)))
  if (touched.stream && !touched.includeUsage) edits.push(usageEdit(text, members))
  if (touched.maxTokens !== undefined) {
    for (const key of ["max_tokens", "max_completion_tokens"]) {
      const member = members.find((member) => member.key === key)
      if (member === undefined) continue
      const value = Number(text.slice(member.valueStart, member.valueEnd))
      if (value > limits.outputTokens) edits.push(JsonSplice.set(text, members, key, String(limits.outputTokens)))
    }
  }
  const render = (all: ReadonlyArray<JsonSplice.Edit>): Buffer =>
    all.length === 0 ? admitted.body : Buffer.from(JsonSplice.apply(text, all))
  let asItIs: Buffer | undefined
  let limited: Buffer | undefined
  return (contextLength) => {
    const addLimit = touched.maxTokens === undefined && limits.promptBound + limits.outputTokens <= contextLength
    if (!addLimit) return (asItIs ??= render(edits))
    const limit = JsonSplice.set(text, members, "max_tokens", String(limits.outputTokens))
    return (limited ??= render([...edits, limit]))
  }
}

const usageEdit = (text: string, members: ReadonlyArray<JsonSplice.Member>): JsonSplice.Edit => {
  const options = members.find((member) => member.key === "stream_options")
  if (options === undefined || text.charAt(options.valueStart) !== "{") {
    return JsonSplice.set(text, members, "stream_options", '{"include_usage":true}')
  }
  const inner = JsonSplice.members(text, options.valueStart)
  return JsonSplice.set(text, inner, "include_usage", "true", options.valueStart)
}
