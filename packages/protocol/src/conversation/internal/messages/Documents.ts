/** Images and documents, as Messages writes them. */
import type { Inspection } from "../../../internal/Inspection.ts"
import { get, isAbsent, isObject } from "../../../internal/Json.ts"
import type { FilePart, Source } from "../../Conversation.ts"
import * as Members from "../Members.ts"

export const imageSource = (inspection: Inspection, source: unknown, at: string): Source => {
  const type = get(source, "type")
  if (type === "url") return { _tag: "Url", url: Members.requiredText(inspection, source, "url", at) }
  if (type !== "base64") inspection.unsupported(`${at}.type`, "Send the bytes in base64, or an address.")
  return {
    _tag: "Data",
    mediaType: Members.requiredText(inspection, source, "media_type", at),
    data: Members.requiredText(inspection, source, "data", at),
  }
}

/** Text as base64 of its UTF-8, and back. */
const encode = (text: string): string => {
  let binary = ""
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte)
  return btoa(binary)
}

const decode = (data: string): string | undefined => {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(data) || data.length % 4 === 1) return undefined
  return new TextDecoder().decode(Uint8Array.from(atob(data), (character) => character.charCodeAt(0)))
}

export const read = (inspection: Inspection, block: unknown, at: string): FilePart => {
  const source = get(block, "source")
  const citations = get(block, "citations")
  if (get(citations, "enabled") === true) {
    inspection.unsupported(`${at}.citations`, "Citations have no counterpart in another dialect.")
  }
  if (!isAbsent(get(block, "context"))) {
    inspection.unsupported(`${at}.context`, "`context` has no counterpart in another dialect. Say it in a text.")
  }
  const filename = Members.text(inspection, block, "title", at)
  if (isObject(source) && get(source, "type") === "text") {
    const data = encode(Members.requiredText(inspection, source, "data", `${at}.source`))
    return { type: "file", source: { _tag: "Data", mediaType: "text/plain", data }, filename }
  }
  return { type: "file", source: imageSource(inspection, source, `${at}.source`), filename }
}

export const write = (inspection: Inspection, part: FilePart, param: string): object => {
  const { filename: title, source } = part
  if (source._tag === "Url") return { type: "document", source: { type: "url", url: source.url }, title }
  const { data, mediaType } = source
  if (/^text\/plain\b/i.test(mediaType)) {
    const text = decode(data)
    if (text === undefined) inspection.invalid(param, "The file is not in base64.")
    return { type: "document", source: { type: "text", media_type: "text/plain", data: text ?? "" }, title }
  }
  if (!/^application\/pdf$/i.test(mediaType)) {
    inspection.unsupported(param, "The instance reads PDF and plain text, and no other files.")
  }
  return { type: "document", source: { type: "base64", media_type: mediaType, data }, title }
}
