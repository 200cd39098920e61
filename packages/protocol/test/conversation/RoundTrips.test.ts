import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { Answer, AnswerEvent } from "../../src/conversation/Answer.ts"
import type {
  AssistantPart,
  Conversation,
  ReasoningPart,
  Source,
  TextPart,
  Tool,
  ToolCallPart,
  Turn,
  UserPart,
} from "../../src/conversation/Conversation.ts"
import type { Dialect } from "../../src/conversation/Dialect.ts"
import { Dialects } from "../../src/conversation/index.ts"
import * as Dice from "../Dice.ts"
import * as Frames from "./Frames.ts"

const { chat, messages, responses } = Dialects
const all = [chat, responses, messages] as const

const SEED = 20_261_121
const RUNS = 150

/** JSON without what is undefined. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

const args = (dice: Dice.Dice): string =>
  dice.pick([
    "{}",
    '{"city":"Rome"}',
    '{"id":12345678901234567890,"x":1.0}',
    `{${JSON.stringify(dice.text())}:[null,{"a":${JSON.stringify(dice.text())}}]}`,
  ])

const call = (dice: Dice.Dice, pair: ReadonlyArray<Dialect>, id: string): ToolCallPart =>
  dice.chance(20) && !pair.includes(messages)
    ? { type: "toolCall", kind: "custom", id, name: "patch", arguments: dice.text() }
    : { type: "toolCall", kind: "function", id, name: dice.pick(["look", "find_all"]), arguments: args(dice) }

const thought = (dice: Dice.Dice, pair: ReadonlyArray<Dialect>): ReasoningPart => {
  if (pair.includes(chat)) return { type: "reasoning", text: dice.text() }
  if (dice.chance(20)) return { type: "reasoning", text: "", signature: "c2VjcmV0", redacted: true }
  return dice.chance(50)
    ? { type: "reasoning", text: dice.text(), signature: "c2ln" }
    : { type: "reasoning", text: dice.text() }
}

const DATA = { _tag: "Data", mediaType: "image/png", data: "iVBORw0KGgo=" } as const
const URL = { _tag: "Url", url: "https://example.org/a.png" } as const
const PDF = { _tag: "Data", mediaType: "application/pdf", data: "JVBERi0=" } as const

const userPart = (dice: Dice.Dice, pair: ReadonlyArray<Dialect>): UserPart => {
  const text: TextPart = { type: "text", text: dice.text() }
  const detail = pair.includes(messages) || dice.chance(50) ? {} : { detail: dice.pick(["low", "high"]) }
  return dice.pick<UserPart>([
    text,
    text,
    { type: "image", source: dice.pick<Source>([DATA, URL]), ...detail },
    { type: "file", source: PDF, filename: "a.pdf" },
  ])
}

/** A conversation that both dialects can express, in the order that both keep. */
const conversation = (dice: Dice.Dice, pair: ReadonlyArray<Dialect>): Conversation => {
  const has = (dialect: Dialect) => pair.includes(dialect)
  const turns: Array<Turn> = []
  const param = ""
  if (dice.chance(60)) {
    const parts = dice.list(1, 2, (): TextPart => ({ type: "text", text: dice.text() }))
    turns.push({ role: has(messages) || dice.chance(50) ? "system" : "developer", parts, param })
  }
  const rounds = 1 + dice.below(3)
  for (let round = 0; round < rounds; round += 1) {
    turns.push({ role: "user", parts: dice.list(1, 3, () => userPart(dice, pair)), param })
    const parts: Array<AssistantPart> = []
    if (dice.chance(40)) parts.push(thought(dice, pair))
    if (dice.chance(70)) parts.push({ type: "text", text: dice.text() })
    const calls = dice.list(parts.length === 0 ? 1 : 0, 3, (index) => call(dice, pair, `call_${round}_${index}`))
    turns.push({ role: "assistant", parts: [...parts, ...calls], param })
    for (const { id, kind } of calls) {
      const said = dice.list(1, 2, () =>
        has(chat) ? ({ type: "text", text: dice.text() } as const) : userPart(dice, pair),
      )
      turns.push({ role: "tool", kind, callId: id, parts: said, param })
    }
  }
  const tools = dice.list(0, 2, (index): Tool => {
    const strict = dice.chance(50)
    if (!has(messages) && dice.chance(30)) {
      return { kind: "custom", name: `patch_${index}`, format: { type: "grammar", syntax: "lark", definition: "x" } }
    }
    return { kind: "function", name: `f_${index}`, description: dice.text(), parameters: { type: "object" }, strict }
  })
  const schema = { type: "object", properties: { a: { maximum: 3 } } }
  return Frames.request({
    turns,
    tools,
    ...(dice.chance(30) ? { toolChoice: { type: dice.pick(["auto", "none", "required"]) } } : {}),
    ...(dice.chance(20) ? { toolChoice: { type: "tool", kind: "function", name: "f_0" } } : {}),
    sampling: {
      ...(dice.chance(50) ? { temperature: dice.pick([0, 0.5, 1]) } : {}),
      ...(dice.chance(50) ? { topP: 0.25 } : {}),
      ...(dice.chance(30) && !has(responses) ? { topK: 5 } : {}),
      ...(dice.chance(30) && pair.every((one) => one === chat) ? { seed: 7, frequencyPenalty: 0.5 } : {}),
    },
    stop: has(responses) ? [] : dice.list(0, 2, () => dice.text()),
    maxTokens: 1 + dice.below(1000),
    ...(dice.chance(30) && !has(messages) ? { logprobs: dice.below(5) } : {}),
    ...(dice.chance(30) ? { format: { type: "schema", name: "answer", schema, strict: true } } : {}),
    ...(dice.chance(30) && !has(messages) ? { verbosity: "low" } : {}),
    ...(dice.chance(40) ? { reasoning: { effort: dice.pick(["none", "low", "medium", "high", "xhigh", "max"]) } } : {}),
    ...(dice.chance(40) ? { user: dice.text() } : {}),
    stream: dice.chance(50),
  })
}

/** What two dialects say alike: not the names of members, nor what the format is called. */
const said = (asked: Conversation): unknown =>
  plain({
    ...asked,
    dialect: undefined,
    includeUsage: undefined,
    format: asked.format === undefined ? undefined : { ...asked.format, name: undefined },
    turns: asked.turns.map((turn) => ({ ...turn, param: undefined })),
  })

const passOn = (dialect: Dialect, { maxTokens, model, ...rest }: Conversation): Conversation => {
  const text = Result.getOrThrow(dialect.writeRequest({ ...rest, maxTokens, model }, { model, maxTokens }))
  return Result.getOrThrow(dialect.readRequest(text))
}

describe("a conversation", () => {
  for (const [index, from] of all.entries()) {
    for (const to of all.slice(index)) {
      it(`comes back from ${from.name} and ${to.name} as it was`, () => {
        const dice = Dice.make(SEED)
        for (let run = 0; run < RUNS; run += 1) {
          const asked = conversation(dice, [from, to])
          const there = passOn(to, passOn(from, asked))
          assert.deepStrictEqual(said(there), said(asked), `run ${run}`)
          assert.deepStrictEqual(said(passOn(from, there)), said(asked), `run ${run}, and back`)
        }
      })
    }
  }
})

const LOGPROB = { token: "a", bytes: [97], logprob: -0.5, top_logprobs: [] }

const FINISHES = ["stop", "length", "contentFilter", "stopSequence", "contextLength"] as const

const answer = (dice: Dice.Dice, pair: ReadonlyArray<Dialect>): Answer => {
  const parts = dice.list(1, 5, (index): AssistantPart => {
    const kind = dice.below(10)
    if (kind < 4) {
      const logprobs = dice.chance(20) && !pair.includes(messages) ? { logprobs: [LOGPROB] } : {}
      return { type: "text", text: dice.text(), ...logprobs }
    }
    if (kind < 6) return thought(dice, pair)
    if (kind < 7) return { type: "refusal", text: dice.text() }
    return call(dice, pair, `call_${index}`)
  })
  const cached = dice.below(10)
  const cacheWrite = dice.below(10)
  const reasoning = dice.below(10)
  const usage = {
    input: cached + cacheWrite + dice.below(50),
    cached,
    cacheWrite,
    output: reasoning + dice.below(50),
    reasoning,
  }
  const hasCalls = parts.some(({ type }) => type === "toolCall")
  const finish = hasCalls && dice.chance(80) ? "toolCalls" : dice.pick(FINISHES)
  return { parts, finish, ...(finish === "stopSequence" ? { stopSequence: "\n\n" } : {}), usage }
}

const joined = (parts: ReadonlyArray<AssistantPart>, type: "text" | "refusal" | "reasoning", by: string): string =>
  parts
    .flatMap((part) => (part.type === type && (part.text !== "" || type !== "reasoning") ? [part.text] : []))
    .join(by)

/** What a dialect can say of an answer. */
const restrict = (dialect: Dialect, { finish, parts, stopSequence, usage }: Answer): Answer => {
  const hasCalls = parts.some(({ type }) => type === "toolCall")
  const isRefused = dialect === messages && finish === "stop" && parts.some(({ type }) => type === "refusal")
  const finishes = {
    "chat/completions": { contextLength: "length", stopSequence: "stop", pause: "stop" },
    responses: { contextLength: "length", stopSequence: "stop", pause: "stop" },
    messages: {},
  } as const
  const mapped: Partial<Record<string, Answer["finish"]>> = finishes[dialect.name]
  const plainFinish = isRefused ? "contentFilter" : (mapped[finish] ?? finish)
  const ends = plainFinish === "stop" && hasCalls ? "toolCalls" : plainFinish
  // Responses has no word for calls: an answer that has some and ended well was made for them.
  const isCalls = dialect === responses && ends === "toolCalls" && !hasCalls
  const rest = { finish: isCalls ? ("stop" as const) : ends, ...(usage === undefined ? {} : { usage }) }
  if (dialect === responses) return { parts, ...rest }
  if (dialect === messages) {
    return {
      parts: parts.map((part) => (part.type === "refusal" ? { type: "text", text: part.text } : part)),
      ...rest,
      ...(stopSequence === undefined ? {} : { stopSequence }),
    }
  }
  const thoughts = joined(parts, "reasoning", "\n\n")
  const logprobs = parts.flatMap((part) => (part.type === "text" ? (part.logprobs ?? []) : []))
  const text = joined(parts, "text", "")
  const refusal = joined(parts, "refusal", "")
  const ordered: ReadonlyArray<AssistantPart> = [
    ...(thoughts === "" ? [] : [{ type: "reasoning", text: thoughts } as const]),
    ...(text === "" ? [] : [{ type: "text", text, ...(logprobs.length === 0 ? {} : { logprobs }) } as const]),
    ...(refusal === "" ? [] : [{ type: "refusal", text: refusal } as const]),
    ...parts.filter(({ type }) => type === "toolCall"),
  ]
  return { parts: ordered, ...rest }
}

/** Arguments are JSON that may be written in several ways: Messages has them as values when the answer is whole. */
const whole = (dialect: Dialect, one: Answer): Answer =>
  Result.getOrThrow(dialect.readAnswer(dialect.writeAnswer(one, Frames.options)))

/** An answer as events: texts are cut anywhere, and calls that follow each other grow side by side. */
const tell = (dice: Dice.Dice, { finish, parts, stopSequence, usage }: Answer): ReadonlyArray<AnswerEvent> => {
  const events: Array<AnswerEvent> = [{ type: "started" }]
  let growing: Array<Array<AnswerEvent>> = []
  const mix = () => {
    while (growing.length > 0) {
      const one = dice.below(growing.length)
      const next = growing[one]?.shift()
      if (next === undefined) growing = growing.filter((list) => list.length > 0)
      else events.push(next)
    }
  }
  let calls = 0
  for (const part of parts) {
    if (part.type === "toolCall") {
      const { arguments: text, id, kind, name } = part
      const index = calls++
      events.push({ type: "toolCallStarted", call: index, kind, id, name })
      const deltas = dice
        .cut(text)
        .map((piece): AnswerEvent => ({ type: "toolCallDelta", call: index, arguments: piece }))
      growing.push(dice.chance(30) ? [...deltas, { type: "toolCallFinished", call: index }] : deltas)
      continue
    }
    mix()
    const pieces = dice.cut(part.text)
    if (part.type === "text") {
      const logprobs = part.logprobs === undefined ? {} : { logprobs: part.logprobs }
      events.push(...pieces.map((text, at) => ({ type: "textDelta", text, ...(at === 0 ? logprobs : {}) }) as const))
    } else {
      const type = part.type === "refusal" ? "refusalDelta" : "reasoningDelta"
      events.push(...pieces.map((text) => ({ type, text }) as const))
      if (part.type === "reasoning" && part.signature !== undefined) {
        events.push({ type: "reasoningSigned", signature: part.signature, redacted: part.redacted === true })
      }
    }
    events.push({ type: "partFinished" })
  }
  mix()
  const end: ReadonlyArray<AnswerEvent> = [
    { type: "finished", finish, ...(stopSequence === undefined ? {} : { stopSequence }) },
    ...(usage === undefined ? [] : [{ type: "usage", usage } as const]),
  ]
  return [...events, ...(dice.chance(50) ? end : end.toReversed())]
}

/**
 * Chat has one order of parts, and the deltas of its stream may come in another. A refusal that becomes a text in Messages
 * would then be somewhere else in the text, so such answers are left out.
 */
const settled = (pair: ReadonlyArray<Dialect>, one: Answer): Answer =>
  pair.includes(chat) ? restrict(chat, joinApart(one)) : one

const isMixed = ({ parts }: Answer): boolean =>
  parts.some(({ type }) => type === "refusal") && parts.some(({ type }) => type === "text")

/** Deltas of Chat hold what separates thoughts already, so they are put together without anything between them. */
const joinApart = ({ parts, ...rest }: Answer): Answer => ({
  ...rest,
  parts: [
    { type: "reasoning", text: joined(parts, "reasoning", "") },
    ...parts.filter(({ type }) => type !== "reasoning"),
  ],
})

describe("a whole answer", () => {
  for (const [index, from] of all.entries()) {
    for (const to of all.slice(index)) {
      it(`says in ${to.name} what both can say after it was one of ${from.name}`, () => {
        const dice = Dice.make(SEED + 1)
        for (let run = 0; run < RUNS; run += 1) {
          const given = answer(dice, [from, to])
          const expected = restrict(to, restrict(from, given))
          assert.deepStrictEqual(plain(whole(to, whole(from, given))), plain(expected), `run ${run}`)
        }
      })
    }
  }
})

describe("a stream, however its deltas are cut and mixed", () => {
  for (const [index, from] of all.entries()) {
    it(`tells in ${from.name} what the whole answer says`, () => {
      const dice = Dice.make(SEED + 2)
      for (let run = 0; run < 60; run += 1) {
        const given = answer(dice, [from])
        const stream = Frames.stream(from, Frames.options, tell(dice, given))
        const read = settled([from], Frames.collect(Frames.events(from, stream)))
        assert.deepStrictEqual(plain(read), plain(whole(from, given)), `run ${run}\n${stream}`)
      }
    })
    for (const to of all.slice(index + 1)) {
      it(`says in ${to.name} what both can say after it was one of ${from.name}`, () => {
        const dice = Dice.make(SEED + 3)
        for (let run = 0; run < 60; run += 1) {
          const given = answer(dice, [from, to])
          if (from === chat && to === messages && isMixed(given)) continue
          const there = Frames.stream(from, Frames.options, tell(dice, given))
          const back = Frames.stream(to, Frames.options, Frames.events(from, there))
          const read = settled([from, to], Frames.collect(Frames.events(to, back)))
          const expected = restrict(to, restrict(from, given))
          assert.deepStrictEqual(plain(read), plain(settled([from, to], expected)), `run ${run}\n${there}\n${back}`)
        }
      })
    }
  }
})
