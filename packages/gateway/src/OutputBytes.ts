/**
 * How much of a model's own output a parsed message or delta carries.
 *
 * @since 0.1.0
 */

const TEXT_KEYS = ["content", "refusal"] as const
/** A second of sound is a kilobyte of base64 at least, and some 25 tokens. */
const SOUND_BYTES = 40

const byteLength = (value: unknown): number => (typeof value === "string" ? Buffer.byteLength(value) : 0)

const get = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined

/** Servers name a thought in two ways, and some in both at once: it was written once. */
const thoughtBytes = (one: unknown, other: unknown): number => Math.max(byteLength(one), byteLength(other))

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
  bytes += thoughtBytes(get(output, "reasoning_content"), get(output, "reasoning"))
  const audio = get(output, "audio")
  if (audio !== undefined) bytes += byteLength(get(audio, "transcript")) + ofSound(get(audio, "data"))
  const call = get(output, "function_call")
  if (call !== undefined) bytes += byteLength(get(call, "name")) + byteLength(get(call, "arguments"))
  return bytes + toolBytes(get(output, "tool_calls"))
}

const toolBytes = (calls: unknown): number => {
  if (!Array.isArray(calls)) return 0
  let bytes = 0
  for (const call of calls) {
    const custom = get(call, "custom")
    bytes += byteLength(nameOf(call)) + byteLength(get(get(call, "function"), "arguments"))
    if (custom !== undefined) bytes += byteLength(get(custom, "input"))
  }
  return bytes
}

/**
 * The name of a tool call, or of a piece of one that has it.
 *
 * @category rules
 * @since 0.1.0
 */
export const nameOf = (call: unknown): unknown => get(get(call, "function") ?? get(call, "custom"), "name")

/**
 * What sound in base64 counts: a byte for each token that it may be, far less than it takes.
 *
 * @category rules
 * @since 0.1.0
 */
export const ofSound = (base64: unknown): number =>
  typeof base64 === "string" ? Math.floor(base64.length / SOUND_BYTES) : 0
