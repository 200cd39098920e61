/**
 * What crosses a tunnel: binary messages of frames over one WebSocket. It runs in a browser as in a gateway, and refuses
 * what is not exactly right.
 *
 * A frame is a byte for its type, three for the length of its payload, four for its stream, then the payload. A message
 * holds whole frames: either one that is about the connection ({@link CONTROL}), or any number about streams
 * ({@link STREAM}). Only messages of the second kind are counted, acknowledged and sent again after a loss.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"

/**
 * Frames about a stream. `Open`: a request's method, path and headers; `Data`: bytes of a body or of an answer; `End`: there
 * are no more of them; `Start`: an answer's status and headers; `Reset`: the stream is broken off, and why; `Window`: so
 * many bytes more may be sent.
 *
 * @category constants
 * @since 0.1.0
 */
export const STREAM = { open: 1, data: 2, end: 3, start: 4, reset: 5, window: 6 } as const

/**
 * Frames about the connection. `Hello` and `Welcome` begin it; `Ack` says how many counted messages have come; `Ping` is
 * answered with `Pong`.
 *
 * @category constants
 * @since 0.1.0
 */
export const CONTROL = { hello: 16, welcome: 17, ack: 18, ping: 19, pong: 20 } as const

/** @category constants @since 0.1.0 */
export const HEADER_BYTES = 8

/**
 * The most bytes of one frame's payload: what a long answer can put before another's next token.
 *
 * @category constants
 * @since 0.1.0
 */
export const PAYLOAD_BYTES_MAX = 16 * 1024

/**
 * A message is closed once it holds so many bytes: one stream's turn more, with a head and data, is the most it has.
 *
 * @category constants
 * @since 0.1.0
 */
export const MESSAGE_BYTES = 32 * 1024

/**
 * The most bytes of one message; a longer one is refused before it is read into memory.
 *
 * @category constants
 * @since 0.1.0
 */
export const MESSAGE_BYTES_MAX = MESSAGE_BYTES + 2 * (PAYLOAD_BYTES_MAX + HEADER_BYTES) + 64

/**
 * How a WebSocket of a tunnel is closed. After `left`, any other code, or none, the session is kept: the agent may come
 * back and go on.
 *
 * - `over`: this side is done, such as a gateway or an agent that stops.
 * - `left`: this connection is given up, because it gave no sign of life or another took its place.
 * - `wrong`: the other side broke the protocol; the reason says how.
 * - `refused`: the device is not let in, or no longer; the reason begins with a code.
 *
 * @category constants
 * @since 0.1.0
 */
export const CLOSE = { over: 4000, left: 4001, wrong: 4002, refused: 4003 } as const

/**
 * One frame.
 *
 * @category models
 * @since 0.1.0
 */
export interface Frame {
  readonly type: number
  readonly stream: number
  readonly payload: Uint8Array
}

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true })
const NOTHING = new Uint8Array()

/**
 * The bytes of one message.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (frames: ReadonlyArray<Frame>): Uint8Array => {
  let size = 0
  for (const { payload } of frames) size += HEADER_BYTES + payload.length
  const message = new Uint8Array(size)
  let at = 0
  for (const { payload, stream, type } of frames) {
    const { length } = payload
    message[at] = type
    message[at + 1] = length >>> 16
    message[at + 2] = length >>> 8
    message[at + 3] = length
    message[at + 4] = stream >>> 24
    message[at + 5] = stream >>> 16
    message[at + 6] = stream >>> 8
    message[at + 7] = stream
    message.set(payload, at + HEADER_BYTES)
    at += HEADER_BYTES + length
  }
  return message
}

const isStream = (type: number): boolean => type >= STREAM.open && type <= STREAM.window
const isControl = (type: number): boolean => type >= CONTROL.hello && type <= CONTROL.pong

/**
 * Whether a message that {@link decode} took is of the counted kind.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isCounted = (message: Uint8Array): boolean => isStream(message[0] ?? 0)

/** Four bytes as a number. */
const uint32 = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) * 0x1_00_00_00 + (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0))

/**
 * Reads a message, frame by frame. Payloads are views of the message. Answers what is wrong, or what `visit` says is; what
 * comes after that is not read.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (message: Uint8Array, visit: (frame: Frame) => string | undefined): string | undefined => {
  const { length } = message
  if (length === 0) return "A message is empty."
  if (length > MESSAGE_BYTES_MAX) return `A message has ${length} bytes; at most ${MESSAGE_BYTES_MAX} are allowed.`
  let at = 0
  while (at < length) {
    if (at + HEADER_BYTES > length) return "A message ends inside a frame."
    const type = message[at] ?? 0
    const size = uint32(message, at) & 0xff_ff_ff
    const stream = uint32(message, at + 4)
    const begin = at + HEADER_BYTES
    at = begin + size
    if (size > PAYLOAD_BYTES_MAX) return `A frame has ${size} bytes; at most ${PAYLOAD_BYTES_MAX} are allowed.`
    if (at > length) return "A message ends inside a frame."
    if (isControl(type)) {
      if (stream !== 0 || size + HEADER_BYTES !== length)
        return "A frame about the connection must be a message of its own."
    } else if (!isStream(type)) {
      return `Frames of type ${type} do not exist.`
    } else if (stream === 0) {
      return "A frame about a stream names none."
    }
    const flaw = visit({ type, stream, payload: message.subarray(begin, at) })
    if (flaw !== undefined) return flaw
  }
  return undefined
}

/** A message of one frame about the connection. @category encoding @since 0.1.0 */
export const control = (type: number, payload: Uint8Array = NOTHING): Uint8Array =>
  encode([{ type, stream: 0, payload }])

/** A number of at most 2^53 as eight bytes. @category encoding @since 0.1.0 */
export const encodeCount = (count: number): Uint8Array => {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, Math.floor(count / 0x1_00_00_00_00))
  view.setUint32(4, count >>> 0)
  return bytes
}

/** Reads what {@link encodeCount} wrote; undefined where it is none. @category decoding @since 0.1.0 */
export const decodeCount = (payload: Uint8Array): number | undefined => {
  if (payload.length !== 8) return undefined
  const count = uint32(payload, 0) * 0x1_00_00_00_00 + uint32(payload, 4)
  return Number.isSafeInteger(count) ? count : undefined
}

/** A window's four bytes. @category encoding @since 0.1.0 */
export const encodeWindow = (bytes: number): Uint8Array => Uint8Array.of(bytes >>> 24, bytes >>> 16, bytes >>> 8, bytes)

/** Reads what {@link encodeWindow} wrote: above 0, or undefined. @category decoding @since 0.1.0 */
export const decodeWindow = (payload: Uint8Array): number | undefined => {
  const bytes = payload.length === 4 ? uint32(payload, 0) : 0
  return bytes > 0 ? bytes : undefined
}

/** Header names in lower case. @category models @since 0.1.0 */
export type Headers = Readonly<Record<string, string>>

/** How a request begins. @category models @since 0.1.0 */
export interface OpenHead {
  readonly method: string
  readonly path: string
  readonly headers: Headers
}

/** How an answer begins. @category models @since 0.1.0 */
export interface StartHead {
  readonly status: number
  readonly headers: Headers
}

const HEADERS_MAX = 128
const NAME = /^[a-z0-9!#$%&'*+.^_`|~-]{1,256}$/
/** Visible characters of Latin-1, space and tab: what HTTP takes. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const METHOD = /^(?:GET|POST)$/
const PATH = /^\/[\x21-\x7e]*$/
const PATH_MAX = 2048

const flat = (headers: Headers): ReadonlyArray<string> => Object.entries(headers).flat()

const head = (parts: ReadonlyArray<string | number>): Uint8Array | undefined => {
  const payload = encoder.encode(JSON.stringify(parts))
  return payload.length > PAYLOAD_BYTES_MAX ? undefined : payload
}

const texts = (payload: Uint8Array): ReadonlyArray<unknown> => {
  const parsed = Result.try((): unknown => JSON.parse(decoder.decode(payload)))
  return Result.isSuccess(parsed) && Array.isArray(parsed.success) ? parsed.success : []
}

const headersOf = (parts: ReadonlyArray<unknown>, from: number): Headers | undefined => {
  const pairs: Array<readonly [string, string]> = []
  for (let at = from; at < parts.length; at += 2) {
    const name = parts[at]
    const value = parts[at + 1]
    if (typeof name !== "string" || typeof value !== "string" || !NAME.test(name) || !VALUE.test(value))
      return undefined
    pairs.push([name, value])
  }
  return pairs.length > HEADERS_MAX ? undefined : Object.fromEntries(pairs)
}

/** The payload of `Open`; undefined where it is too large for a frame. @category encoding @since 0.1.0 */
export const encodeOpen = ({ headers, method, path }: OpenHead): Uint8Array | undefined =>
  head([method, path, ...flat(headers)])

/** Reads the payload of `Open`; undefined where it is none. @category decoding @since 0.1.0 */
export const decodeOpen = (payload: Uint8Array): OpenHead | undefined => {
  const parts = texts(payload)
  const [method, path] = parts
  if (typeof method !== "string" || typeof path !== "string") return undefined
  if (!METHOD.test(method) || !PATH.test(path) || path.length > PATH_MAX) return undefined
  const headers = headersOf(parts, 2)
  return headers === undefined ? undefined : { method, path, headers }
}

/** The payload of `Start`; undefined where it is too large for a frame. @category encoding @since 0.1.0 */
export const encodeStart = ({ headers, status }: StartHead): Uint8Array | undefined => head([status, ...flat(headers)])

/** Reads the payload of `Start`; undefined where it is none. @category decoding @since 0.1.0 */
export const decodeStart = (payload: Uint8Array): StartHead | undefined => {
  const parts = texts(payload)
  const [status] = parts
  if (typeof status !== "number" || !Number.isInteger(status) || status < 200 || status > 599) return undefined
  const headers = headersOf(parts, 1)
  return headers === undefined ? undefined : { status, headers }
}

const DETAIL_MAX = 500

/** The payload of `Reset`. @category encoding @since 0.1.0 */
export const encodeDetail = (detail: string): Uint8Array => encoder.encode(detail.slice(0, DETAIL_MAX))

/** Reads the payload of `Reset`: whatever it is, as text without control characters. @category decoding @since 0.1.0 */
export const decodeDetail = (payload: Uint8Array): string =>
  new TextDecoder()
    .decode(payload.subarray(0, 4 * DETAIL_MAX))
    .replace(/\p{Cc}/gu, " ")
    .slice(0, DETAIL_MAX)
