/**
 * Cuts a stream of server-sent events into whole events, as bytes: whatever pieces the network delivers, each event
 * comes out once, unchanged, and only when it is complete.
 *
 * @since 0.1.0
 */

import * as Bytes from "./internal/Bytes.ts"

const NEWLINE = 10
const RETURN = 13
const ENDING = Buffer.from("\n\n")

/**
 * A splitter of one stream. `push` answers the events that a chunk completed, each with the blank line that ends it;
 * it answers `undefined` once an event is longer than allowed. `rest` is how much has not been completed yet; `last` completes
 * it as the end of a stream does, and empties the splitter.
 *
 * @category models
 * @since 0.1.0
 */
export interface EventSplitter {
  readonly push: (chunk: Buffer) => ReadonlyArray<Buffer> | undefined
  readonly rest: () => number
  readonly last: () => Buffer
}

/**
 * Makes a splitter. Lines may end in LF or CRLF, also mixed, and a chunk may end anywhere, within a character too.
 * Nothing is scanned twice, so one byte at a time costs no more than the event is long. A stream whose lines end in
 * a lone CR, which the format allows and no server sends, never completes an event; see `hasLoneReturn`.
 *
 * **Example** (An event in two pieces)
 *
 * ```ts
 * import { EventSplitter } from "@guildhall/gateway"
 *
 * const splitter = EventSplitter.make({ maxEventBytes: 1_000 })
 * splitter.push(Buffer.from("data: 1\n")) // => []
 * splitter.push(Buffer.from("\ndata: 2\n\n"))?.map(String) // => ["data: 1\n\n", "data: 2\n\n"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: { readonly maxEventBytes: number }): EventSplitter => {
  let parts: Array<Buffer> = []
  let held = 0
  /** Bytes of the current line, a carriage return at its end not counted. */
  let lineBytes = 0
  let endsInReturn = false
  const none: ReadonlyArray<Buffer> = []

  return {
    rest: () => held,
    last: () => {
      const tail = Bytes.join(parts)
      parts = []
      held = 0
      return Buffer.concat([tail, tail.at(-1) === NEWLINE ? ENDING.subarray(1) : ENDING])
    },
    push: (chunk) => {
      let events: Array<Buffer> | undefined
      let start = 0
      let at = 0
      for (;;) {
        const newline = chunk.indexOf(NEWLINE, at)
        const end = newline === -1 ? chunk.length : newline
        if (end > at) {
          // A return that was held back belongs to the line after all when more of the line follows.
          if (endsInReturn) lineBytes += 1
          endsInReturn = chunk[end - 1] === RETURN
          lineBytes += end - at - (endsInReturn ? 1 : 0)
        }
        if (newline === -1) break
        at = newline + 1
        const blank = lineBytes === 0
        lineBytes = 0
        endsInReturn = false
        if (!blank) continue
        const tail = chunk.subarray(start, at)
        events ??= []
        if (parts.length === 0) events.push(tail)
        else {
          parts.push(tail)
          events.push(Bytes.join(parts))
          parts = []
          held = 0
        }
        start = at
      }
      if (start < chunk.length) {
        parts.push(start === 0 ? chunk : chunk.subarray(start))
        held += chunk.length - start
        if (held > options.maxEventBytes) return undefined
      }
      return events ?? none
    },
  }
}

/**
 * Whether an event has a carriage return that no newline follows. Clients take it for the end of a line, and may read
 * other events than `data` does.
 *
 * **Example** (Two events to a client, and one here)
 *
 * ```ts
 * import { EventSplitter } from "@guildhall/gateway"
 *
 * EventSplitter.hasLoneReturn(Buffer.from(": x\rdata: 1\r\r\n\n")) // => true
 * EventSplitter.hasLoneReturn(Buffer.from("data: 1\r\n\r\n")) // => false
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const hasLoneReturn = (event: Buffer): boolean => {
  for (let at = event.indexOf(RETURN); at !== -1; at = event.indexOf(RETURN, at + 1)) {
    if (event[at + 1] !== NEWLINE) return true
  }
  return false
}

const DATA = Buffer.from("data:")
const SPACE = 32

/**
 * What an event carries: the text of its `data` lines, joined by newlines, or `undefined` where it has none (a
 * comment, a lone `event` line).
 *
 * **Example** (A comment carries nothing)
 *
 * ```ts
 * import { EventSplitter } from "@guildhall/gateway"
 *
 * EventSplitter.data(Buffer.from("data: [DONE]\r\n\r\n")) // => "[DONE]"
 * EventSplitter.data(Buffer.from(": ping\n\n")) // => undefined
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const data = (event: Buffer): string | undefined => {
  let text: string | undefined
  let at = 0
  while (at < event.length) {
    const newline = event.indexOf(NEWLINE, at)
    const next = newline === -1 ? event.length : newline
    let end = next
    if (end > at && event[end - 1] === RETURN) end -= 1
    // A line may be the name alone; it adds an empty line to the text.
    if (end - at === 4 && event.compare(DATA, 0, 4, at, end) === 0) text = text === undefined ? "" : `${text}\n`
    else if (end - at >= DATA.length && event[at] === 100 && event.compare(DATA, 0, 5, at, at + 5) === 0) {
      const from = event[at + 5] === SPACE ? at + 6 : at + 5
      const line = event.toString("utf8", from, end)
      text = text === undefined ? line : `${text}\n${line}`
    }
    at = next + 1
  }
  return text
}
