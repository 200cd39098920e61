/**
 * Reads a `multipart/form-data` body as bytes: where each part lies, not what a file holds. It is strict, so that no
 * two readers of one body disagree: what it does not know for certain it refuses.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import type { Flaw } from "./openai/Touched.ts"

/**
 * A part: its value is the bytes from `start` to `end` of the body.
 *
 * @category models
 * @since 0.1.0
 */
export interface Part {
  readonly name: string
  readonly filename: string | undefined
  readonly contentType: string | undefined
  readonly start: number
  readonly end: number
}

/**
 * A form, with the body that it was read from. A name may stand more than once.
 *
 * @category models
 * @since 0.1.0
 */
export interface MultipartForm {
  readonly bytes: Uint8Array
  readonly boundary: string
  readonly parts: ReadonlyArray<Part>
}

/** More fields than any request of OpenAI's has, repeated ones included. */
const PARTS_MAX = 128
/** The headers of one part, in bytes. */
const HEADERS_MAX = 4096
/** The longest value that is read as text, in bytes. */
const TEXT_MAX = 1024 * 1024

const RETURN = 13
const NEWLINE = 10
const DASH = 45

const flaw = (message: string): Result.Result<never, Flaw> =>
  Result.fail({ code: "invalid_request", param: null, message })

const BOUNDARY = /^multipart\/form-data\s*;\s*boundary=(?:"([\w'()+,./:=?-]{1,70})"|([\w'()+./:=?-]{1,70}))\s*$/i
const HEADER = /^([\w-]+):(.*)$/
/** A quote within a name is written `%22` by browsers and undici, and `\"` by some others, for file names only. */
const DISPOSITION = /^form-data; ?name="([^"\\]+)"(?:; ?filename="((?:[^"\\]|\\.)*)")?(?:; ?filename\*=[^;\s]+)?$/i

const encoder = new TextEncoder()
const decode = (bytes: Uint8Array): string | undefined => {
  // A decoder that is told to be fatal throws at what is not UTF-8; there is no other way to ask.
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

const startsWith = (bytes: Uint8Array, at: number, expected: Uint8Array): boolean => {
  if (at + expected.length > bytes.length) return false
  for (let index = 0; index < expected.length; index += 1) if (bytes[at + index] !== expected[index]) return false
  return true
}

/** Where `expected`, which starts with a carriage return, begins at or after `from`; -1 where it does not. */
const find = (bytes: Uint8Array, expected: Uint8Array, from: number): number => {
  let at = bytes.indexOf(RETURN, from)
  while (at !== -1 && !startsWith(bytes, at, expected)) at = bytes.indexOf(RETURN, at + 1)
  return at
}

const BLANK_LINE = new Uint8Array([RETURN, NEWLINE, RETURN, NEWLINE])

/** Reads the headers of a part; a text says what is wrong with them. */
const readHeaders = (text: string): Omit<Part, "start" | "end"> | string => {
  let disposition: RegExpMatchArray | null = null
  let contentType: string | undefined
  for (const line of text.split("\r\n")) {
    const [, name, written] = line.match(HEADER) ?? []
    if (name === undefined || written === undefined) return "A header of a part cannot be read."
    const value = written.trim()
    const header = name.toLowerCase()
    if (header === "content-disposition") {
      if (disposition !== null) return "A part has two `content-disposition` headers."
      disposition = value.match(DISPOSITION)
      if (disposition === null) return "A part's `content-disposition` is not `form-data` with a plain name."
    } else if (header === "content-type") {
      contentType = value
    } else if (header === "content-transfer-encoding" && !/^(?:binary|7bit|8bit)$/i.test(value)) {
      return "A part is encoded by `content-transfer-encoding`, which is not read here. Send its bytes as they are."
    }
  }
  const [, name, filename] = disposition ?? []
  if (name === undefined) return "A part has no `content-disposition` header."
  return { name, filename, contentType }
}

/**
 * Finds the parts of a body. `contentType` is the request's header, which names the boundary.
 *
 * **Example** (One field)
 *
 * ```ts
 * import { MultipartForm } from "@guildhall/protocol"
 * import { Result } from "effect"
 *
 * const body = '--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper\r\n--x--\r\n'
 * const form = MultipartForm.parse(new TextEncoder().encode(body), "multipart/form-data; boundary=x")
 * MultipartForm.text(Result.getOrThrow(form), "model") // => "whisper"
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (bytes: Uint8Array, contentType: string): Result.Result<MultipartForm, Flaw> => {
  const [, quoted, plain] = contentType.match(BOUNDARY) ?? []
  const boundary = quoted ?? plain
  if (boundary === undefined) {
    return flaw("The form has no boundary. Send `content-type: multipart/form-data; boundary=…`.")
  }
  const delimiter = encoder.encode(`\r\n--${boundary}`)
  if (!startsWith(bytes, 0, delimiter.subarray(2))) return flaw("The form does not begin with its boundary.")
  const parts: Array<Part> = []
  let at = delimiter.length - 2
  for (;;) {
    if (bytes[at] === DASH && bytes[at + 1] === DASH) {
      const rest = bytes.subarray(at + 2)
      const isOver = rest.length === 0 || (rest.length === 2 && rest[0] === RETURN && rest[1] === NEWLINE)
      return isOver ? Result.succeed({ bytes, boundary, parts }) : flaw("Something follows the end of the form.")
    }
    if (bytes[at] !== RETURN || bytes[at + 1] !== NEWLINE) return flaw("A boundary of the form does not end its line.")
    if (parts.length === PARTS_MAX) return flaw(`The form has more than ${PARTS_MAX} parts.`)
    const headersStart = at + 2
    const head = bytes.subarray(headersStart, headersStart + HEADERS_MAX + BLANK_LINE.length)
    const headersLength = find(head, BLANK_LINE, 0)
    if (headersLength === -1) return flaw("The headers of a part are too long, or do not end.")
    const text = decode(head.subarray(0, headersLength))
    if (text === undefined) return flaw("The headers of a part are not UTF-8.")
    const headers = readHeaders(text)
    if (typeof headers === "string") return flaw(headers)
    const start = headersStart + headersLength + BLANK_LINE.length
    const end = find(bytes, delimiter, start)
    if (end === -1) return flaw("The form is cut off: its last boundary is missing.")
    parts.push({ ...headers, start, end })
    at = end + delimiter.length
  }
}

/**
 * The value of the first field of this name as text; `undefined` where there is none, or it is not UTF-8.
 *
 * @category getters
 * @since 0.1.0
 */
export const text = (form: MultipartForm, name: string): string | undefined => {
  const part = form.parts.find((part) => part.name === name)
  if (part === undefined || part.end - part.start > TEXT_MAX) return undefined
  return decode(form.bytes.subarray(part.start, part.end))
}

/**
 * The body with another value in the first field of this name; everything else stays as it was sent. Where there is no
 * such field it is added at the end. The value must not hold the form's boundary.
 *
 * **Example** (Another model)
 *
 * ```ts
 * import { MultipartForm } from "@guildhall/protocol"
 * import { Result } from "effect"
 *
 * const body = '--x\r\nContent-Disposition: form-data; name="model"\r\n\r\na\r\n--x--\r\n'
 * const form = MultipartForm.parse(new TextEncoder().encode(body), "multipart/form-data; boundary=x")
 * new TextDecoder().decode(MultipartForm.replace(Result.getOrThrow(form), "model", "b")) === body.replace("a\r", "b\r") // => true
 * ```
 *
 * @category editing
 * @since 0.1.0
 */
export const replace = (form: MultipartForm, name: string, value: string): Uint8Array => {
  const { boundary, bytes, parts } = form
  const part = parts.find((part) => part.name === name)
  if (part !== undefined) return splice(bytes, part.start, part.end, encoder.encode(value))
  const last = parts.at(-1)
  const at = last?.end ?? 0
  const line = last === undefined ? "" : "\r\n"
  const added = `${line}--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}`
  return splice(bytes, at, at, encoder.encode(last === undefined ? `${added}\r\n` : added))
}

const splice = (bytes: Uint8Array, start: number, end: number, value: Uint8Array): Uint8Array => {
  const joined = new Uint8Array(bytes.length - (end - start) + value.length)
  joined.set(bytes.subarray(0, start))
  joined.set(value, start)
  joined.set(bytes.subarray(end), start + value.length)
  return joined
}
