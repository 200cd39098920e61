/** The text of a stream, as its frames, and what a reader makes of them. */
import type { Answer, AnswerEvent, Finish, TokenUsage } from "../../src/conversation/Answer.ts"
import type { AssistantPart, Conversation } from "../../src/conversation/Conversation.ts"
import type { AnswerOptions, Dialect } from "../../src/conversation/Dialect.ts"

interface Frame {
  readonly event: string | undefined
  readonly data: string
}

/** Cuts a stream into frames: each is an event line, perhaps, and one of data. */
export const split = (stream: string): ReadonlyArray<Frame> =>
  stream
    .split("\n\n")
    .filter((frame) => frame !== "")
    .map((frame) => {
      const lines = frame.split("\n")
      const event = lines.find((line) => line.startsWith("event: "))
      const data = lines.filter((line) => line.startsWith("data: "))
      if (data.length !== 1 || lines.length !== (event === undefined ? 1 : 2))
        throw new Error(`A frame is odd: ${frame}`)
      return { event: event?.slice("event: ".length), data: (data[0] ?? "").slice("data: ".length) }
    })

/** What the frames carry, parsed; `[DONE]` is left out. */
export const json = (stream: string): ReadonlyArray<unknown> =>
  split(stream)
    .filter(({ data }) => data !== "[DONE]")
    .map(({ data }): unknown => JSON.parse(data))

/** What a dialect's reader says of a stream of its own. */
export const events = (dialect: Dialect, stream: string): ReadonlyArray<AnswerEvent> => {
  const reader = dialect.makeEventReader()
  return split(stream).flatMap(({ data }) => (data === "[DONE]" ? reader.done() : reader.read(JSON.parse(data))))
}

/** Events as a stream. */
export const stream = (dialect: Dialect, options: AnswerOptions, all: ReadonlyArray<AnswerEvent>): string => {
  const writer = dialect.makeEventWriter(options)
  return all.map((event) => writer.write(event)).join("") + writer.end()
}

type Call = {
  -readonly [Key in keyof Extract<AssistantPart, { type: "toolCall" }>]: Extract<
    AssistantPart,
    { type: "toolCall" }
  >[Key]
}

const logprobsOf = (part: AssistantPart) => (part.type === "text" ? part.logprobs : undefined)

/** The whole answer that events tell. */
export const collect = (all: ReadonlyArray<AnswerEvent>): Answer => {
  const parts: Array<AssistantPart> = []
  const calls = new Map<number, Call>()
  let open = false
  let finish: Finish = "stop"
  let stopSequence: string | undefined
  let usage: TokenUsage | undefined
  const grow = (part: Exclude<AssistantPart, { type: "toolCall" }>) => {
    const last = parts.at(-1)
    if (!open || last === undefined || last.type === "toolCall" || last.type !== part.type) parts.push(part)
    else {
      const logprobs = [...(logprobsOf(last) ?? []), ...(logprobsOf(part) ?? [])]
      const rest = logprobs.length === 0 ? {} : { logprobs }
      parts[parts.length - 1] = { ...last, ...rest, text: last.text + part.text }
    }
    open = true
  }
  for (const event of all) {
    if (event.type === "textDelta") {
      grow({ type: "text", text: event.text, ...(event.logprobs === undefined ? {} : { logprobs: event.logprobs }) })
    } else if (event.type === "refusalDelta") grow({ type: "refusal", text: event.text })
    else if (event.type === "reasoningDelta") grow({ type: "reasoning", text: event.text })
    else if (event.type === "reasoningSigned") {
      const { redacted, signature } = event
      if (redacted) parts.push({ type: "reasoning", text: "", signature, redacted })
      else {
        grow({ type: "reasoning", text: "" })
        const last = parts.at(-1)
        if (last?.type === "reasoning") parts[parts.length - 1] = { ...last, signature }
      }
    } else if (event.type === "partFinished") open = false
    else if (event.type === "toolCallStarted") {
      const { call, id, kind, name } = event
      const part: Call = { type: "toolCall", kind, id, name, arguments: "" }
      calls.set(call, part)
      parts.push(part)
    } else if (event.type === "toolCallDelta") {
      const part = calls.get(event.call)
      if (part !== undefined) part.arguments += event.arguments
    } else if (event.type === "finished") {
      finish = event.finish
      stopSequence = event.stopSequence
    } else if (event.type === "usage") usage = event.usage
    else if (event.type === "failed") throw new Error(event.message)
  }
  return {
    parts,
    finish,
    ...(stopSequence === undefined ? {} : { stopSequence }),
    ...(usage === undefined ? {} : { usage }),
  }
}

/** A request that says nothing but what is given. */
export const request = (members: Partial<Conversation> = {}): Conversation => ({
  dialect: "chat/completions",
  model: "m",
  turns: [],
  tools: [],
  sampling: {},
  stop: [],
  choices: 1,
  stream: true,
  includeUsage: true,
  unknown: [],
  ...members,
})

export const options: AnswerOptions = { id: "req_1", model: "m", createdS: 1_800_000_000, request: request() }
