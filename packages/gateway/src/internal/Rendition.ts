import type { ReasonCode } from "@guildhall/core/Reason"
import type { AnswerFormat, Seen } from "../AnswerFormat.ts"
import * as JsonSplice from "../JsonSplice.ts"

/** How what a provider sends becomes what the buyer gets. */
export interface Rendition {
  /** Whether comments of the provider go on. */
  readonly comments: boolean
  /** The bytes for one event, the event itself where nothing is changed; undefined where it is kept from the buyer. */
  readonly event: (event: Buffer, text: string, json: object, seen: Seen, cost: () => string) => Buffer | undefined
  /** What comes last, after the provider's last event; `event` is its own end mark, where it has one. */
  readonly end: (event: Buffer | undefined, cost: () => string) => Buffer | undefined
  /** A whole answer; undefined where it is none. */
  readonly whole: (answer: Buffer, json: unknown, cost: () => string) => Buffer | undefined
  /** An error in the middle of a stream, where it continues what was written before. */
  readonly fail?: (code: ReasonCode, message: string | undefined) => string
}

export interface VerbatimOptions {
  readonly format: AnswerFormat
  /** Whether the buyer asked for usage in the stream, or gets it anyhow. */
  readonly showUsage: boolean
  readonly showCost: boolean
  /** The routing decision as JSON, for a buyer who asked for it. */
  readonly explain: (() => string) | undefined
}

const frame = (json: string): Buffer => Buffer.from(`data: ${json}\n\n`)

/** The event with another text: its other lines, such as its name, stay. */
const withData = (event: Buffer, text: string, changed: string): Buffer => {
  const whole = event.toString("utf8")
  const at = whole.indexOf(text)
  // Data that came in several lines stands nowhere as a whole; it is written as one.
  return at === -1 ? frame(changed) : Buffer.from(whole.slice(0, at) + changed + whole.slice(at + text.length))
}

const apply = (text: string, edits: ReadonlyArray<JsonSplice.Edit | undefined>): string =>
  JsonSplice.apply(
    text,
    edits.filter((edit) => edit !== undefined),
  )

/**
 * The provider speaks the buyer's dialect: bytes go on as they came, but for the usage that was asked for on the buyer's
 * behalf, and what the buyer asked of the market: the cost and the decision.
 */
export const verbatim = (options: VerbatimOptions): Rendition => {
  const { explain, format, showCost, showUsage } = options
  const { usagePath } = format
  let explained = false

  const additions = (text: string, path: ReadonlyArray<string> | undefined, cost: () => string, last: boolean) => {
    const edits = [
      showCost && path !== undefined ? JsonSplice.within(text, path, "cost", cost()) : undefined,
      explain !== undefined && last ? JsonSplice.within(text, [], "guildhall", explain()) : undefined,
    ]
    return edits.some((edit) => edit !== undefined) ? apply(text, edits) : undefined
  }

  return {
    comments: true,
    event: (event, text, _json, seen, cost) => {
      const last = seen.last || (format.endsWithDone && seen.usage === "only")
      if (seen.usage === "none" && !(last && explain !== undefined)) return event
      const hides = format.endsWithDone && !showUsage && seen.usage !== "none"
      if (last && explain !== undefined) explained = true
      if (!hides) {
        const added = additions(text, seen.usage === "none" ? undefined : usagePath.event, cost, last)
        return added === undefined ? event : withData(event, text, added)
      }
      // The event that exists only for the usage goes; elsewhere only the member does.
      if (seen.usage === "only" && explain === undefined) return undefined
      const bare = apply(text, [JsonSplice.remove(JsonSplice.members(text), "usage")])
      return withData(event, text, additions(bare, undefined, cost, last) ?? bare)
    },
    end: (event) => {
      if (explain === undefined || explained || !format.endsWithDone) return event
      const extra = frame(`{"object":"chat.completion.chunk","choices":[],"guildhall":${explain()}}`)
      return event === undefined ? extra : Buffer.concat([extra, event])
    },
    whole: (answer, _json, cost) => {
      if (!showCost && explain === undefined) return answer
      const text = answer.toString("utf8")
      const added = additions(text, usagePath.whole, cost, true)
      return added === undefined ? answer : Buffer.from(added)
    },
  }
}
