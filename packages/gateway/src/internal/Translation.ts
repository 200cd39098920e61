import * as Result from "effect/Result"
import type { Answer, AnswerEvent, TokenUsage } from "@guildhall/protocol/conversation/Answer"
import type { AssistantPart } from "@guildhall/protocol/conversation/Conversation"
import type { Additions, AnswerOptions, Dialect } from "@guildhall/protocol/conversation/Dialect"
import { type AnswerFormat, SILENT } from "../AnswerFormat.ts"
import { Tally } from "../Tally.ts"
import * as Json from "./Json.ts"
import type { Bill, Rendition } from "./Rendition.ts"

interface TranslationOptions {
  readonly from: Dialect
  readonly to: Dialect
  /** How answers of the provider's dialect are read. */
  readonly format: AnswerFormat
  readonly answer: AnswerOptions
  readonly showCost: boolean
  readonly explain: (() => string) | undefined
}

/** An answer on its way to another dialect: as it is counted, and as it is shown. */
export interface Translation {
  readonly format: AnswerFormat
  readonly rendition: Rendition
}

const begin = (tally: Tally, call: number, id: string, name: string): boolean =>
  tally.begin(call, id, name) && tally.deliver(name)

/** Counts what an event tells the buyer. Answers whether it carries output or an end. */
const countEvent = (tally: Tally, event: AnswerEvent): boolean => {
  switch (event.type) {
    case "textDelta":
    case "reasoningDelta":
    case "refusalDelta":
      return tally.deliver(event.text)
    case "toolCallStarted":
      return begin(tally, event.call, event.id, event.name)
    case "toolCallDelta":
      return tally.deliver(event.arguments)
    default:
      return event.type === "finished"
  }
}

const countPart = (tally: Tally, part: AssistantPart, at: number): void => {
  if (part.type !== "toolCall") return void tally.deliver(part.text)
  begin(tally, at, part.id, part.name)
  tally.deliver(part.arguments)
}

/** What was billed, where the provider did not say what it came to. */
const billed = ({ usage: { cachedInputToken = 0, inputToken = 0, outputToken = 0 } }: Bill): TokenUsage => ({
  input: inputToken + cachedInputToken,
  cached: cachedInputToken,
  cacheWrite: 0,
  output: outputToken,
  reasoning: 0,
})

/**
 * The provider speaks another dialect: its answer is read, and written anew. What was read is what is counted, for the
 * buyer sees nothing else of it.
 */
export const make = ({ answer, explain, format, from, showCost, to }: TranslationOptions): Translation => {
  const reader = from.makeEventReader()
  const writer = to.makeEventWriter(answer)
  /** What the provider sent, whether or not the buyer is shown it. */
  const sent = new Tally()
  let events: ReadonlyArray<AnswerEvent> = []
  let whole: Answer | undefined
  let isFinished = false
  let isReported = false

  const additions = (bill: Bill): Additions => ({
    // The exact amount is in the header or the trailer; a number of JavaScript has seventeen digits of it.
    usage: showCost ? { cost: Number(bill.cost) } : undefined,
    members: explain === undefined ? undefined : { guildhall: Json.parse(explain()) },
  })
  const written = (events: ReadonlyArray<AnswerEvent>): string => events.map((event) => writer.write(event)).join("")
  const bytes = (text: string): Buffer | undefined => (text === "" ? undefined : Buffer.from(text))

  return {
    format: {
      ...format,
      event: (json, tally) => {
        const seen = format.event?.(json, sent) ?? SILENT
        events = reader.read(json)
        let delivers = false
        for (const event of events) {
          if (event.type === "failed") return { ...seen, error: seen.error ?? { message: event.message } }
          // Nothing is written after the end.
          if (!isFinished && countEvent(tally, event)) delivers = true
          if (event.type === "finished") isFinished = true
          if (event.type === "usage") isReported = true
        }
        return delivers === seen.delivers ? seen : { ...seen, delivers }
      },
      whole: (json, tally, text) => {
        if (!format.whole(json, sent, text)) return false
        whole = Result.getOrUndefined(from.readAnswer(text))
        for (const [at, part] of whole?.parts.entries() ?? []) countPart(tally, part, at)
        return whole !== undefined
      },
    },
    rendition: {
      comments: false,
      event: () => bytes(written(events)),
      end: (_event, makeBill) => {
        const bill = makeBill()
        const last = reader.done()
        const usage: ReadonlyArray<AnswerEvent> = isReported ? [] : [{ type: "usage", usage: billed(bill) }]
        return bytes(written([...last, ...usage]) + writer.end(additions(bill)))
      },
      whole: (_body, _json, makeBill) => {
        if (whole === undefined) return undefined
        const bill = makeBill()
        const told = { ...whole, usage: whole.usage ?? billed(bill) }
        return Buffer.from(to.writeAnswer(told, answer, additions(bill)))
      },
      fail: (code, message) => writer.fail(code, { message }),
    },
  }
}
