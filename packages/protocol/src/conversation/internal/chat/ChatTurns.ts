/** The messages of Chat, read. */
import type { Inspection } from "../../../internal/Inspection.ts"
import { get, isAbsent } from "../../../internal/Json.ts"
import * as Touching from "../../../internal/Touching.ts"
import type { AssistantPart, TextPart, Turn, UserPart } from "../../Conversation.ts"
import * as Media from "../Media.ts"
import * as Members from "../Members.ts"

const readTexts = (inspection: Inspection, content: unknown, at: string): ReadonlyArray<TextPart> => {
  if (typeof content === "string") return [{ type: "text", text: content }]
  if (!Array.isArray(content)) {
    inspection.invalid(at, "`content` must be a text or a list of parts.")
    return []
  }
  return content.map((part, index): TextPart => {
    if (get(part, "type") !== "text") inspection.invalid(`${at}[${index}].type`, "Here a part must be a text.")
    return { type: "text", text: Members.requiredText(inspection, part, "text", `${at}[${index}]`) }
  })
}

const readUserPart = (inspection: Inspection, part: unknown, at: string): UserPart => {
  const type = get(part, "type")
  if (type === "image_url") {
    const image = get(part, "image_url")
    const url = typeof image === "string" ? image : Members.requiredText(inspection, image, "url", `${at}.image_url`)
    const detail = Members.text(inspection, image, "detail", `${at}.image_url`)
    return { type: "image", source: Media.read(inspection, url, `${at}.image_url.url`), detail }
  }
  if (type === "input_audio") {
    const audio = get(part, "input_audio")
    const data = Members.requiredText(inspection, audio, "data", `${at}.input_audio`)
    return { type: "audio", data, format: Members.requiredText(inspection, audio, "format", `${at}.input_audio`) }
  }
  if (type === "file") {
    const file = get(part, "file")
    if (!isAbsent(get(file, "file_id"))) {
      inspection.unsupported(`${at}.file.file_id`, "`file_id` names a file that no instance has. Send `file_data`.")
    }
    const data = Members.requiredText(inspection, file, "file_data", `${at}.file`)
    const filename = Members.text(inspection, file, "filename", `${at}.file`)
    return { type: "file", source: Media.read(inspection, data, `${at}.file.file_data`), filename }
  }
  if (type !== "text") inspection.unsupported(`${at}.type`, "This kind of part has no counterpart in another dialect.")
  return { type: "text", text: Members.requiredText(inspection, part, "text", at) }
}

const readUser = (inspection: Inspection, content: unknown, at: string): ReadonlyArray<UserPart> =>
  Array.isArray(content)
    ? content.map((part, index) => readUserPart(inspection, part, `${at}[${index}]`))
    : readTexts(inspection, content, at)

const readToolCall = (inspection: Inspection, call: unknown, at: string): AssistantPart => {
  const kind = get(call, "type") === "custom" ? "custom" : "function"
  const inner = get(call, kind)
  return {
    type: "toolCall",
    kind,
    id: Members.requiredText(inspection, call, "id", at),
    name: Members.requiredText(inspection, inner, "name", `${at}.${kind}`),
    arguments: Members.requiredText(inspection, inner, kind === "custom" ? "input" : "arguments", `${at}.${kind}`),
  }
}

const readAssistant = (inspection: Inspection, message: unknown, at: string): ReadonlyArray<AssistantPart> => {
  const parts: Array<AssistantPart> = []
  const thought =
    Members.text(inspection, message, "reasoning_content", at) ?? Members.text(inspection, message, "reasoning", at)
  if (thought !== undefined && thought !== "") parts.push({ type: "reasoning", text: thought })
  const content = get(message, "content")
  if (Array.isArray(content)) {
    for (const [index, part] of content.entries()) {
      const where = `${at}.content[${index}]`
      const type = get(part, "type")
      if (type === "refusal") {
        parts.push({ type, text: Members.requiredText(inspection, part, "refusal", where) })
      } else if (type === "text") {
        parts.push({ type, text: Members.requiredText(inspection, part, "text", where) })
      } else inspection.unsupported(`${where}.type`, "This kind of part has no counterpart in another dialect.")
    }
  } else if (typeof content === "string") {
    if (content !== "") parts.push({ type: "text", text: content })
  } else if (!isAbsent(content)) inspection.invalid(`${at}.content`, "`content` must be a text or a list of parts.")
  const refusal = Members.text(inspection, message, "refusal", at)
  if (refusal !== undefined && refusal !== "") parts.push({ type: "refusal", text: refusal })
  for (const [index, call] of Members.list(inspection, message, "tool_calls", at).entries()) {
    parts.push(readToolCall(inspection, call, `${at}.tool_calls[${index}]`))
  }
  for (const param of ["audio", "function_call"] as const) {
    if (isAbsent(get(message, param))) continue
    inspection.unsupported(`${at}.${param}`, `\`${param}\` of an earlier answer has no counterpart in another dialect.`)
  }
  return parts
}

/** A tool's name repeats what its call says; who speaks otherwise, only Chat can say. */
const refuseName = (inspection: Inspection, message: unknown, param: string): void => {
  if (isAbsent(get(message, "name")) || get(message, "role") === "tool") return
  inspection.unsupported(`${param}.name`, "No other dialect says who speaks. Write the name into the content.")
}

export const readTurns = (inspection: Inspection, body: unknown): ReadonlyArray<Turn> => {
  const customCalls = new Set<string>()
  return Touching.objects(inspection, body, "messages", "message").map((message, index): Turn => {
    const param = `messages[${index}]`
    const role = get(message, "role")
    const content = get(message, "content")
    const at = `${param}.content`
    refuseName(inspection, message, param)
    if (role === "system" || role === "developer") return { role, parts: readTexts(inspection, content, at), param }
    if (role === "assistant") {
      const parts = readAssistant(inspection, message, param)
      for (const part of parts) if (part.type === "toolCall" && part.kind === "custom") customCalls.add(part.id)
      return { role, parts, param }
    }
    if (role === "tool") {
      const callId = Members.requiredText(inspection, message, "tool_call_id", param)
      const kind = customCalls.has(callId) ? "custom" : "function"
      return { role, kind, callId, parts: readUser(inspection, content, at), param }
    }
    if (role !== "user") {
      inspection.invalid(`${param}.role`, "`role` must be system, developer, user, assistant or tool.")
    }
    return { role: "user", parts: readUser(inspection, content, at), param }
  })
}
