/** Addresses and base64, as the dialects write them. */
import type { Inspection } from "../../internal/Inspection.ts"
import type { Source } from "../Conversation.ts"

/** A data URL's head is never longer. */
const HEAD_MAX = 256
const HEAD = /^data:([^,]{0,200});base64,/i

/** Reads an address, which may be a data URL. */
export const read = (inspection: Inspection, url: string, param: string): Source => {
  if (!/^data:/i.test(url.slice(0, 5))) return { _tag: "Url", url }
  const head = url.slice(0, HEAD_MAX).match(HEAD)
  if (head === null) inspection.invalid(param, "A data URL must be in base64: `data:<media type>;base64,<data>`.")
  return { _tag: "Data", mediaType: head?.[1] ?? "", data: url.slice(head?.[0].length ?? url.length) }
}

/** Writes an address, as a data URL where the bytes are here. */
export const url = (source: Source): string =>
  source._tag === "Url" ? source.url : `data:${source.mediaType};base64,${source.data}`
