/**
 * A lane whose providers fail by plan, and a buyer who writes down when each byte came.
 */
import { Effect, Exit, Schema, Scope } from "effect"
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request as httpRequest } from "node:http"
import { Model, type Instance, type MarketDefinition } from "@guildhall/core"
import { JournalEntry } from "@guildhall/journal"
import * as FaultUpstream from "../src/testing/FaultUpstream.ts"
import * as Speech from "../src/testing/Speech.ts"
import * as TestLane from "./TestLane.ts"

/** Nothing runs out by itself, neither time nor retries: a test sets the limit that it is about. */
export const patient = {
  connectMs: 20_000,
  headersMs: 20_000,
  firstTokenMs: 20_000,
  betweenTokensMs: 20_000,
  totalMs: 25_000,
}

export const definition: Partial<MarketDefinition.MarketDefinition> = {
  timeouts: patient,
  relay: { ...TestLane.definition.relay, retries: { percent: 100, perSecond: 10_000 } },
  limits: { ...TestLane.definition.limits, requestBodyMs: 20_000, key: {}, outputTokens: 20_000 },
  hold: { lifeMs: 60_000, renewMs: 5_000 },
  attempts: 2,
}

interface Piece {
  readonly atMs: number
  readonly text: string
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly trailers: NodeJS.Dict<string>
  readonly text: string
  readonly pieces: ReadonlyArray<Piece>
  /** The connection broke before the answer was complete. */
  readonly broken: boolean
}

const agent = new Agent({ keepAlive: true })

/** A visit of a buyer: the answer so far, the whole of it later, and a way to leave. */
export const visit = (
  port: number,
  dialect: Speech.Dialect | string,
  body: object | string,
  headers: Readonly<Record<string, string>> = {},
  onPiece?: (text: string, response: IncomingMessage) => void,
) => {
  const text = typeof body === "string" ? body : JSON.stringify(body)
  const pieces: Array<Piece> = []
  const state = { text: "", status: 0, headers: {} as IncomingHttpHeaders }
  let left = false
  const request = httpRequest({
    agent,
    port,
    host: "127.0.0.1",
    method: "POST",
    path: `/v1/${dialect}`,
    headers: {
      authorization: `Bearer ${TestLane.KEY}`,
      "content-type": "application/json",
      "content-length": String(Buffer.byteLength(text)),
      ...headers,
    },
  })
  const answer = new Promise<Answer>((resolve) => {
    const chunks: Array<Buffer> = []
    const over = (broken: boolean, trailers: NodeJS.Dict<string> = {}) =>
      resolve({ ...state, trailers, text: Buffer.concat(chunks).toString(), pieces, broken })
    request.on("error", () => over(true))
    request.on("response", (response) => {
      state.status = response.statusCode ?? 0
      state.headers = response.headers
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk)
        pieces.push({ atMs: performance.now(), text: chunk.toString() })
        state.text += chunk.toString()
        onPiece?.(state.text, response)
      })
      // What is parsed already may still end after the buyer left.
      response.on("end", () => over(left, response.trailers))
      response.on("error", () => over(true))
    })
  })
  request.end(text)
  return {
    answer,
    state,
    leave: () => {
      const atMs = performance.now()
      left = true
      request.destroy()
      return atMs
    },
  }
}

const modelOf = (name: string) => Model.ModelId.make(`test/${name}`)

/** Starts a lane; its providers are added as they are needed, each group with a model of its own. */
export const start = async (options: TestLane.Options = {}) => {
  const lane = await TestLane.start({ ...options, definition: { ...definition, ...options.definition } })
  const scope = Effect.runSync(Scope.make())
  let groups = 0

  /** So many instances that all reach one server. */
  const provide = async (
    answers: FaultUpstream.Answers,
    given: {
      readonly dialect?: Speech.Dialect
      readonly instances?: number
      readonly instance?: Partial<Instance.Instance>
    } = {},
  ) => {
    const { dialect = "chat/completions", instances = 1 } = given
    const upstream = await Effect.runPromise(Scope.provide(FaultUpstream.make(answers), scope))
    const group = groups++
    const model = modelOf(`g${group}`)
    for (let at = 0; at < instances; at++) {
      const name = `g${group}x${at}`
      lane.list(TestLane.instance(name, upstream.url, { model, endpoints: [dialect], ...given.instance }))
    }
    const ask = (more: object = {}, headers?: Readonly<Record<string, string>>) =>
      visit(lane.port, dialect, { ...Speech.request(dialect, { model }), ...more }, headers)
    return { upstream, model, ask }
  }

  return {
    ...lane,
    provide,
    /** What the journal got of each request that took a hold, oldest first. */
    ended: async () => {
      const entries = (await lane.entries()).map(({ body }) =>
        Schema.decodeUnknownSync(JournalEntry.JournalEntryJson)(body),
      )
      return entries.filter((entry) => entry._tag === "RequestEnded")
    },
    close: async () => {
      await Effect.runPromise(Scope.close(scope, Exit.void))
      await lane.close()
    },
  }
}

export type FaultLane = Awaited<ReturnType<typeof start>>

/** Runs tasks, so many at a time; each answer can be waited for alone. */
export const abreast = (width: number) => {
  let free = width
  const waiting: Array<() => void> = []
  return async <A>(task: () => Promise<A>): Promise<A> => {
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => void waiting.push(resolve))
    try {
      return await task()
    } finally {
      const next = waiting.shift()
      if (next === undefined) free += 1
      else next()
    }
  }
}

/** The code of an error, in whichever dialect it is told, also as the last event of a stream. */
export const codeOf = (text: string): unknown => {
  const last =
    text
      .trimEnd()
      .split(/\r?\n\r?\n/)
      .at(-1) ?? ""
  const line = last.split(/\r?\n/).find((one) => one.startsWith("data:"))
  const json: unknown = JSON.parse(line === undefined ? text : line.slice(5))
  const get = (value: unknown, key: string): unknown =>
    typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined
  const inner = get(json, "error") ?? get(get(json, "response"), "error") ?? json
  return get(inner, "code") ?? get(inner, "type")
}
