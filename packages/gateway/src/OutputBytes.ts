/**
 * How much of a model's own output a parsed message or delta carries.
 *
 * @since 0.1.0
 */

const TEXT_KEYS = ["content", "reasoning_content", "reasoning", "refusal"] as const

const byteLength = (value: unknown): number => (typeof value === "string" ? Buffer.byteLength(value) : 0)

const get = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined

/**
 * Counts the UTF-8 bytes of text, reasoning, refusal, and of the names and arguments of tool calls. Members that no
 * model writes count nothing, so a provider gains nothing by padding them.
 *
 * **Example** (Text and nothing else)
 *
 * ```ts
 * import { OutputBytes } from "@guildhall/gateway"
 *
 * OutputBytes.count({ role: "assistant", content: "é!" }) // => 3
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const count = (output: unknown): number => {
  let bytes = 0
  for (const key of TEXT_KEYS) bytes += byteLength(get(output, key))
  bytes += byteLength(get(get(output, "audio"), "transcript"))
  const call = get(output, "function_call")
  if (call !== undefined) bytes += byteLength(get(call, "name")) + byteLength(get(call, "arguments"))
  return bytes + toolBytes(get(output, "tool_calls"))
}

const toolBytes = (calls: unknown): number => {
  if (!Array.isArray(calls)) return 0
  let bytes = 0
  for (const call of calls) {
    const named = get(call, "function")
    bytes += byteLength(get(named, "name")) + byteLength(get(named, "arguments"))
    bytes += byteLength(get(get(call, "custom"), "input"))
  }
  return bytes
}

/**
 * How many tool calls a message or delta begins or goes on with.
 *
 * @category rules
 * @since 0.1.0
 */
export const toolCalls = (output: unknown): number => {
  const calls = get(output, "tool_calls")
  return Array.isArray(calls) ? calls.length : 0
}
