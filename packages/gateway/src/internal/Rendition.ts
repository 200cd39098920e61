import type { Usage } from "@guildhall/core/Usage"
import type { ReasonCode } from "@guildhall/core/Reason"
import type { AnswerFormat, Seen } from "../AnswerFormat.ts"
import * as JsonSplice from "../JsonSplice.ts"
import * as Json from "./Json.ts"
import * as MarketWords from "./MarketWords.ts"

/** What an answer costs as it stands, as a decimal number of the market's asset, and for what. */
export interface Bill {
  readonly cost: string
  readonly usage: Usage
}

/** How what a provider sends becomes what the buyer gets. */
export interface Rendition {
  /** Whether comments of the provider go on. */
  readonly comments: boolean
  /** The bytes for one event, the event itself where nothing is changed; undefined where it is kept from the buyer. */
  readonly event: (event: Buffer, text: string, json: object, seen: Seen, bill: () => Bill) => Buffer | undefined
  /** What comes last, after the provider's last event; `event` is its own end mark, where it has one. */
  readonly end: (event: Buffer | undefined, bill: () => Bill) => Buffer | undefined
  /** A whole answer; undefined where it is none. */
  readonly whole: (answer: Buffer, json: unknown, bill: () => Bill) => Buffer | undefined
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

/** The members by which clients tell that an event is of the same answer. */
const ANSWER = ["id", "object", "created", "model"]

/** A last event of our own, like the one before. */
const extra = (like: object | undefined, members: string): Buffer => {
  const own = ANSWER.flatMap((key) => {
    const value = Json.get(like, key)
    return value === undefined ? [] : [`${JSON.stringify(key)}:${JSON.stringify(value)}`]
  })
  return frame(`{${[...own, '"choices":[]', members].join(",")}}`)
}

/**
 * The provider speaks the buyer's dialect: bytes go on as they came, but for the usage that was asked for on the buyer's
 * behalf, what only the market may say, and what the buyer asked of the market: the cost and the decision.
 */
export const verbatim = (options: VerbatimOptions): Rendition => {
  const { explain, format, showCost, showUsage } = options
  const { usagePath } = format
  let explained = false
  /** The buyer has seen a usage. */
  let told = false
  let latest: object | undefined

  const usageJson = ({ cost, usage }: Bill): string =>
    `{"cost":${cost},${JSON.stringify(format.writeUsage?.(usage) ?? {}).slice(1)}`

  /** The usage gets the cost. Where there is none it is added, in the last place where it could stand. */
  const priced = (text: string, path: ReadonlyArray<string>, bill: Bill, isLast: boolean) => {
    const edit = JsonSplice.within(text, path, "cost", bill.cost)
    if (edit !== undefined || !isLast || format.writeUsage === undefined) {
      told ||= edit !== undefined
      return edit
    }
    return JsonSplice.within(text, path.slice(0, -1), path.at(-1) ?? "usage", usageJson(bill))
  }

  const additions = (
    text: string,
    path: ReadonlyArray<string> | undefined,
    bill: () => Bill,
    { ends, last }: { readonly ends: boolean; readonly last: boolean },
  ): string => {
    const edits = [
      showCost && path !== undefined ? priced(text, path, bill(), ends) : undefined,
      explain !== undefined && last ? JsonSplice.within(text, [], "guildhall", explain()) : undefined,
    ].filter((edit) => edit !== undefined)
    return edits.length === 0 ? text : JsonSplice.apply(text, edits)
  }

  return {
    comments: true,
    event: (event, text, json, seen, bill) => {
      const last = seen.last || (format.endsWithDone && seen.usage === "only")
      const strays = MarketWords.isIn(json)
      // It is only kept where an event may have to be made like it.
      if (showCost || explain !== undefined) latest = json
      if (seen.usage === "none" && !strays && !(last && explain !== undefined)) return event
      const hides = format.endsWithDone && !showUsage && seen.usage !== "none"
      if (last && explain !== undefined) explained = true
      // The event that exists only for the usage goes; elsewhere only the member does.
      if (hides && seen.usage === "only" && explain === undefined) return undefined
      const own = strays ? MarketWords.without(text) : text
      const bare = hides ? JsonSplice.apply(own, JsonSplice.without(JsonSplice.members(own), ["usage"])) : own
      const path = hides || seen.usage === "none" ? undefined : usagePath.event
      const ends = !format.endsWithDone && seen.delivers
      const changed = additions(bare, path, bill, { ends, last })
      return changed === text ? event : withData(event, text, changed)
    },
    end: (event, bill) => {
      if (!format.endsWithDone) return event
      const members = [
        ...(showCost && showUsage && !told ? [`"usage":${usageJson(bill())}`] : []),
        ...(explain !== undefined && !explained ? [`"guildhall":${explain()}`] : []),
      ]
      if (members.length === 0) return event
      const added = extra(latest, members.join(","))
      return event === undefined ? added : Buffer.concat([added, event])
    },
    whole: (answer, json, bill) => {
      const strays = typeof json === "object" && json !== null && MarketWords.isIn(json)
      if (!showCost && explain === undefined && !strays) return answer
      const text = answer.toString("utf8")
      const own = strays ? MarketWords.without(text) : text
      const changed = additions(own, usagePath.whole, bill, { ends: true, last: true })
      return changed === text ? answer : Buffer.from(changed)
    },
  }
}
