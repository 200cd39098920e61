/** Chat's request, written. */
import type * as Result from "effect/Result"
import { Inspection } from "../../../internal/Inspection.ts"
import type { Flaw } from "../../../openai/Touched.ts"
import type { AssistantPart, Conversation, Tool, ToolChoice, Turn, UserPart } from "../../Conversation.ts"
import type { RequestOptions } from "../../Dialect.ts"
import * as Media from "../Media.ts"
import * as Members from "../Members.ts"

const writePart = (inspection: Inspection, part: UserPart, param: string): object => {
  if (part.type === "image")
    return { type: "image_url", image_url: { url: Media.url(part.source), detail: part.detail } }
  if (part.type === "audio") return { type: "input_audio", input_audio: { data: part.data, format: part.format } }
  if (part.type === "file") {
    if (part.source._tag === "Url") {
      inspection.unsupported(param, "The instance reads no files by their address. Send the file's bytes in base64.")
    }
    return { type: "file", file: { filename: part.filename, file_data: Media.url(part.source) } }
  }
  return { type: "text", text: part.text }
}

/** One text is written as a text, which every server reads; anything else as parts. */
const writeContent = (inspection: Inspection, parts: ReadonlyArray<UserPart>, param: string): unknown => {
  const [first] = parts
  if (parts.length === 1 && first?.type === "text") return first.text
  return parts.map((part) => writePart(inspection, part, param))
}

const writeCall = (part: AssistantPart & { readonly type: "toolCall" }): object =>
  part.kind === "custom"
    ? { id: part.id, type: "custom", custom: { name: part.name, input: part.arguments } }
    : { id: part.id, type: "function", function: { name: part.name, arguments: part.arguments } }

export const isCall = (part: AssistantPart): part is AssistantPart & { readonly type: "toolCall" } =>
  part.type === "toolCall"

const isReasoning = (part: AssistantPart): part is AssistantPart & { readonly type: "reasoning" } =>
  part.type === "reasoning"

/** The thoughts of an answer as one text. */
export const thoughts = (parts: ReadonlyArray<AssistantPart>): string =>
  parts
    .filter(isReasoning)
    .map(({ text }) => text)
    .filter((text) => text !== "")
    .join("\n\n")

/** Here thoughts come first, then text, then calls, whichever way the model mixed them. */
const writeAssistant = (parts: ReadonlyArray<AssistantPart>): object => {
  const said = parts.filter((part) => part.type === "text" || part.type === "refusal")
  const calls = parts.filter(isCall)
  const thought = thoughts(parts)
  const [first] = said
  const content =
    first === undefined
      ? null
      : said.length === 1 && first.type === "text"
        ? first.text
        : said.map((part) =>
            part.type === "refusal" ? { type: "refusal", refusal: part.text } : { type: "text", text: part.text },
          )
  return {
    role: "assistant",
    content: content === null && calls.length === 0 ? "" : content,
    reasoning_content: thought === "" ? undefined : thought,
    tool_calls: calls.length === 0 ? undefined : calls.map(writeCall),
  }
}

const writeTurn = (inspection: Inspection, turn: Turn): object => {
  if (turn.role === "assistant") return writeAssistant(turn.parts)
  const content = writeContent(inspection, turn.parts, turn.param)
  if (turn.role !== "tool") return { role: turn.role, content }
  if (turn.parts.some((part) => part.type !== "text")) {
    inspection.unsupported(turn.param, "The instance takes nothing but text as the result of a tool.")
  }
  return { role: "tool", tool_call_id: turn.callId, content }
}

const writeTool = (tool: Tool): object => {
  const { description, kind, name } = tool
  if (kind === "function") {
    const { parameters, strict } = tool
    return { type: "function", function: { name, description, parameters, strict } }
  }
  const { format } = tool
  if (typeof format !== "object" || format === null || Reflect.get(format, "type") !== "grammar") {
    return { type: "custom", custom: { name, description, format } }
  }
  const { type, ...grammar } = { type: "grammar", ...format }
  return { type: "custom", custom: { name, description, format: { type, grammar } } }
}

const writeNamed = ({ kind, name }: { readonly kind: "function" | "custom"; readonly name: string }): object => ({
  type: kind,
  [kind]: { name },
})

const writeToolChoice = (choice: ToolChoice | undefined): unknown => {
  if (choice === undefined) return undefined
  if (choice.type === "tool") return writeNamed(choice)
  if (choice.type !== "allowed") return choice.type
  return { type: "allowed_tools", allowed_tools: { mode: choice.mode, tools: choice.tools.map(writeNamed) } }
}

const writeFormat = ({ format }: Conversation): object | undefined => {
  if (format === undefined) return undefined
  if (format.type === "json") return { type: "json_object" }
  const { description, name, schema, strict } = format
  return { type: "json_schema", json_schema: { name: name ?? "answer", description, schema, strict } }
}

export const write = (conversation: Conversation, options: RequestOptions): Result.Result<string, Flaw> => {
  const inspection = new Inspection()
  const { logprobs, reasoning, sampling, stop, stream, tools } = conversation
  const maxTokens = options.maxTokens ?? conversation.maxTokens
  // Members that are undefined do not appear in the text.
  const body = {
    model: options.model,
    messages: conversation.turns.map((turn) => writeTurn(inspection, turn)),
    stream: stream ? true : undefined,
    stream_options: stream ? { include_usage: true } : undefined,
    max_tokens: maxTokens,
    n: conversation.choices === 1 ? undefined : conversation.choices,
    temperature: sampling.temperature,
    top_p: sampling.topP,
    top_k: sampling.topK,
    frequency_penalty: sampling.frequencyPenalty,
    presence_penalty: sampling.presencePenalty,
    seed: sampling.seed,
    logit_bias: sampling.logitBias,
    stop: stop.length === 0 ? undefined : stop,
    tools: tools.length === 0 ? undefined : tools.map(writeTool),
    tool_choice: writeToolChoice(conversation.toolChoice),
    parallel_tool_calls: tools.length === 0 ? undefined : conversation.parallelTools,
    response_format: writeFormat(conversation),
    reasoning_effort: reasoning === undefined ? undefined : Members.effortOf(reasoning, conversation.maxTokens),
    logprobs: logprobs === undefined ? undefined : true,
    top_logprobs: logprobs === 0 ? undefined : logprobs,
    verbosity: conversation.verbosity,
    user: conversation.user,
    prompt_cache_key: conversation.cacheKey,
  }
  return inspection.conclude(JSON.stringify(body))
}
