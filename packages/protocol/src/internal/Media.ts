/** Counts the media of a prompt. Bytes are UTF-16 units: never more than bytes, so too little is taken off, never too much. */
import { get } from "./Json.ts"

/** What is counted as the parts go by. */
export class MediaCount {
  pieces = 0
  bytes = 0

  /** One piece, and whatever of these is a text. */
  add(...texts: ReadonlyArray<unknown>): void {
    this.pieces += 1
    for (const text of texts) if (typeof text === "string") this.bytes += text.length
  }
}

const CHAT_KEYS = ["image_url", "input_audio", "audio_url", "file", "video_url", "input_image"] as const

/** The parts of a chat message. */
export const ofChat = (media: MediaCount, content: unknown): void => {
  if (!Array.isArray(content)) return
  for (const part of content) {
    for (const key of CHAT_KEYS) {
      const value = get(part, key)
      if (value !== undefined) media.add(value, get(value, "url"), get(value, "data"), get(value, "file_data"))
    }
  }
}

/** The parts of an item of Responses: of a message, or of a tool's output. */
export const ofResponses = (media: MediaCount, content: unknown): void => {
  if (!Array.isArray(content)) return
  for (const part of content) {
    const type = get(part, "type")
    if (type === "input_image") media.add(get(part, "image_url"))
    else if (type === "input_file") media.add(get(part, "file_data"), get(part, "file_url"))
    else if (type === "input_audio") media.add(get(get(part, "input_audio"), "data"))
    else if (type === "input_video") media.add(get(part, "video_url"))
  }
}

/** Results of tools hold blocks, and so do documents; what is nested deeper is no media that anybody reads. */
const NESTED_MAX = 2

/** The blocks of a message of Messages. The text of a document in plain text reaches the model as it is: it stays counted. */
export const ofMessages = (media: MediaCount, content: unknown, nested = 0): void => {
  if (!Array.isArray(content) || nested > NESTED_MAX) return
  for (const block of content) {
    const type = get(block, "type")
    if (type === "tool_result") ofMessages(media, get(block, "content"), nested + 1)
    if (type !== "image" && type !== "document") continue
    const source = get(block, "source")
    const kind = get(source, "type")
    if (kind === "base64") media.add(get(source, "data"))
    else if (kind === "url") media.add(get(source, "url"))
    else if (kind === "content") ofMessages(media, get(source, "content"), nested + 1)
    else if (kind !== "text") media.add()
  }
}
