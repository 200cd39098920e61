/** Responses' request, written. */
import type * as Result from "effect/Result"
import { Inspection } from "../../../internal/Inspection.ts"
import type { Flaw } from "../../../openai/Touched.ts"
import type { AssistantPart, Conversation, Turn, UserPart } from "../../Conversation.ts"
import type { RequestOptions } from "../../Dialect.ts"
import * as Media from "../Media.ts"
import * as Members from "../Members.ts"
import * as Params from "../Params.ts"
import * as Settings from "./Settings.ts"
import { writeThought } from "./Thought.ts"

const writePart = (inspection: Inspection, part: UserPart, param: string): object => {
  if (part.type === "image") {
    return { type: "input_image", image_url: Media.url(part.source), detail: part.detail ?? "auto" }
  }
  if (part.type === "file") {
    const { filename, source } = part
    return source._tag === "Url"
      ? { type: "input_file", file_url: source.url, filename }
      : { type: "input_file", file_data: Media.url(source), filename }
  }
  if (part.type === "audio") {
    inspection.unsupported(param, "The instance takes no sound in a message.")
    return {}
  }
  return { type: "input_text", text: part.text }
}

/** One text is written as a text, anything else as parts. */
const writeContent = (inspection: Inspection, parts: ReadonlyArray<UserPart>, param: string): unknown => {
  const [first] = parts
  if (parts.length === 1 && first?.type === "text") return first.text
  return parts.map((part) => writePart(inspection, part, param))
}

const writeSaid = (said: ReadonlyArray<AssistantPart>, id: string): object => {
  const [first] = said
  if (said.length === 1 && first?.type === "text") return { type: "message", role: "assistant", content: first.text }
  const content = said.map((part) =>
    part.type === "refusal"
      ? { type: "refusal", refusal: part.text }
      : { type: "output_text", text: part.type === "text" ? part.text : "", annotations: [] },
  )
  return { type: "message", id, role: "assistant", status: "completed", content }
}

/** What the model said in one turn, as items in the order in which it said it. */
const writeAssistant = (parts: ReadonlyArray<AssistantPart>, turn: number): ReadonlyArray<object> => {
  const items: Array<object> = []
  let said: Array<AssistantPart> = []
  const flush = () => {
    if (said.length > 0) items.push(writeSaid(said, `msg_${turn}_${items.length}`))
    said = []
  }
  for (const part of parts) {
    if (part.type === "text" || part.type === "refusal") {
      said.push(part)
      continue
    }
    flush()
    if (part.type === "reasoning") items.push(writeThought(part, `rs_${turn}_${items.length}`))
    else if (part.kind === "custom") {
      items.push({ type: "custom_tool_call", call_id: part.id, name: part.name, input: part.arguments })
    } else items.push({ type: "function_call", call_id: part.id, name: part.name, arguments: part.arguments })
  }
  flush()
  return items
}

const writeTurn = (inspection: Inspection, turn: Turn, index: number): ReadonlyArray<object> => {
  if (turn.role === "assistant") return writeAssistant(turn.parts, index)
  const content = writeContent(inspection, turn.parts, turn.param)
  if (turn.role !== "tool") return [{ type: "message", role: turn.role, content }]
  const type = turn.kind === "custom" ? "custom_tool_call_output" : "function_call_output"
  return [{ type, call_id: turn.callId, output: content }]
}

/** What Responses has no member for. */
const refuse = (inspection: Inspection, conversation: Conversation): void => {
  const { choices, sampling, stop } = conversation
  const missing = [
    ["choices", choices > 1],
    ["stop", stop.length > 0],
    ["topK", sampling.topK !== undefined],
    ["frequencyPenalty", sampling.frequencyPenalty !== undefined],
    ["presencePenalty", sampling.presencePenalty !== undefined],
    ["seed", sampling.seed !== undefined],
    ["logitBias", sampling.logitBias !== undefined],
  ] as const
  for (const [setting, isSet] of missing) {
    if (!isSet) continue
    const param = Params.of(conversation, setting)
    inspection.unsupported(param, `The instance speaks Responses, which has no word for \`${param}\`.`)
  }
}

export const write = (conversation: Conversation, options: RequestOptions): Result.Result<string, Flaw> => {
  const inspection = new Inspection()
  refuse(inspection, conversation)
  const { logprobs, reasoning, sampling, stream, tools } = conversation
  const effort = reasoning === undefined ? undefined : Members.effortOf(reasoning, conversation.maxTokens)
  // Members that are undefined do not appear in the text.
  const body = {
    model: options.model,
    input: conversation.turns.flatMap((turn, index) => writeTurn(inspection, turn, index)),
    store: false,
    stream: stream ? true : undefined,
    max_output_tokens: options.maxTokens ?? conversation.maxTokens,
    temperature: sampling.temperature,
    top_p: sampling.topP,
    tools: tools.length === 0 ? undefined : tools.map(Settings.tool),
    tool_choice: Settings.toolChoice(conversation.toolChoice),
    parallel_tool_calls: tools.length === 0 ? undefined : conversation.parallelTools,
    text: Settings.text(conversation),
    reasoning: effort === undefined ? undefined : { effort },
    include: logprobs === undefined ? undefined : ["message.output_text.logprobs"],
    top_logprobs: logprobs === 0 ? undefined : logprobs,
    user: conversation.user,
    prompt_cache_key: conversation.cacheKey,
  }
  return inspection.conclude(JSON.stringify(body))
}
