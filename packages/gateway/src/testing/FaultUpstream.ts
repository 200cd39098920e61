/**
 * A provider's server on a real socket that answers by plan, faults included, and counts what it was asked. It writes
 * HTTP/1.1 by hand, because no HTTP library sends half a chunk or a wrong length.
 *
 * @since 0.1.0
 */
import { createServer, type Socket } from "node:net"
import type { AddressInfo } from "node:net"
import { gzipSync } from "node:zlib"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as RequestReader from "./internal/RequestReader.ts"
import type { FaultPlan, Framing, Step } from "./FaultPlan.ts"

/**
 * One request, and what became of its answer. `connection` counts the sockets from 0, so that two requests with the same
 * number shared one. `written` are the bytes of the answer that the socket has taken; `endedAtMs` is on the scale of
 * `performance.now`. `cancelled`: the caller closed the connection before the answer was over.
 *
 * @category models
 * @since 0.1.0
 */
export interface Asked {
  readonly number: number
  readonly connection: number
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly written: () => number
  readonly end: "answered" | "broken" | "cancelled" | undefined
  readonly endedAtMs: number | undefined
}

type End = NonNullable<Asked["end"]>

interface Asking extends Asked {
  end: End | undefined
  endedAtMs: number | undefined
}

/**
 * How many requests came, and what became of them; how many sockets were opened, and are open.
 *
 * @category models
 * @since 0.1.0
 */
export interface Counts {
  readonly asked: number
  readonly answered: number
  readonly broken: number
  readonly cancelled: number
  readonly underWay: number
  readonly sockets: number
  readonly socketsOpen: number
}

/**
 * What is answered: the same always; one plan after the other, the last one for all that follow; or what a function says.
 *
 * @category models
 * @since 0.1.0
 */
export type Answers =
  | { readonly always: FaultPlan }
  | { readonly inTurn: ReadonlyArray<FaultPlan> }
  | { readonly by: (asked: Asked) => FaultPlan }

/**
 * The server. `use` changes what is answered from the next request on.
 *
 * @category models
 * @since 0.1.0
 */
export interface FaultUpstream {
  readonly url: string
  readonly port: number
  readonly asked: ReadonlyArray<Asked>
  readonly counts: () => Counts
  readonly use: (answers: Answers) => void
}

const choose = (answers: Answers, asked: Asked): FaultPlan => {
  if ("always" in answers) return answers.always
  if ("by" in answers) return answers.by(asked)
  return answers.inTurn[Math.min(asked.number, answers.inTurn.length - 1)] ?? []
}

const headerLines = (headers: Readonly<Record<string, string>>): string =>
  Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("")

const framingLine = (framing: Framing): string => {
  if (framing === "chunked") return "transfer-encoding: chunked\r\n"
  return framing === "close" ? "connection: close\r\n" : `content-length: ${framing}\r\n`
}

/** One answer on its socket. */
class Answering {
  readonly #socket: Socket
  readonly #asked: Asking
  #framing: Framing = "close"

  constructor(socket: Socket, asked: Asking) {
    this.#socket = socket
    this.#asked = asked
  }

  readonly run = (plan: FaultPlan): Effect.Effect<void> =>
    Effect.andThen(
      Effect.forEach(plan, (step) => Effect.suspend(() => this.#perform(step)), { discard: true }),
      Effect.suspend(() => this.#perform({ _tag: "End" })),
    )

  #perform(step: Step): Effect.Effect<void> {
    const socket = this.#socket
    if (this.#asked.end !== undefined) return Effect.void
    switch (step._tag) {
      case "Interim":
        return this.#send(Buffer.from(`HTTP/1.1 ${step.status} -\r\n${headerLines(step.headers ?? {})}\r\n`))
      case "Head": {
        this.#framing = step.framing
        const { status, headers, framing } = step
        return this.#send(Buffer.from(`HTTP/1.1 ${status} -\r\n${headerLines(headers)}${framingLine(framing)}\r\n`))
      }
      case "Write":
        return this.#pieces(step)
      case "Repeat": {
        const bytes = this.#framed(Buffer.from(step.text))
        const once = Effect.andThen(this.#send(bytes), step.everyMs === 0 ? Effect.void : Effect.sleep(step.everyMs))
        return Effect.repeat(once, { times: Math.max(0, step.times - 1) }).pipe(
          Effect.when(Effect.succeed(step.times > 0)),
          Effect.asVoid,
        )
      }
      case "Gzip":
        return this.#send(this.#framed(gzipSync(step.text)))
      case "Raw":
        return this.#send(Buffer.from(step.base64, "base64"))
      case "Delay":
        return Effect.sleep(step.ms)
      case "Stall":
        return Effect.never
      case "End":
        return this.#end(step)
      case "Cut":
        return Effect.sync(() => {
          this.#over("broken")
          socket.end()
        })
      case "Reset":
        return Effect.sync(() => {
          this.#over("broken")
          socket.resetAndDestroy()
        })
    }
  }

  #framed(bytes: Buffer): Buffer {
    if (this.#framing !== "chunked" || bytes.length === 0) return bytes
    return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")])
  }

  #pieces(step: Extract<Step, { readonly _tag: "Write" }>): Effect.Effect<void> {
    const bytes = Buffer.from(step.text)
    if (step.cuts === undefined || step.cuts.length === 0) return this.#send(this.#framed(bytes))
    const ends = [...step.cuts.filter((cut) => cut > 0 && cut < bytes.length), bytes.length]
    const apart = step.everyMs === undefined || step.everyMs === 0 ? turn : Effect.sleep(step.everyMs)
    return Effect.forEach(
      ends,
      (end, at) => Effect.andThen(this.#send(this.#framed(bytes.subarray(ends[at - 1] ?? 0, end))), apart),
      { discard: true },
    )
  }

  /** Writes, and waits where the caller does not read. */
  #send(bytes: Buffer): Effect.Effect<void> {
    const socket = this.#socket
    return Effect.callback<void>((resume) => {
      if (socket.destroyed || socket.writableEnded) return resume(Effect.never)
      if (bytes.length === 0 || socket.write(bytes)) return resume(Effect.void)
      socket.once("drain", () => resume(Effect.void))
    })
  }

  #end(step: Extract<Step, { readonly _tag: "End" }>): Effect.Effect<void> {
    const last =
      this.#framing === "chunked"
        ? this.#send(Buffer.from(`0\r\n${headerLines(step.trailers ?? {})}\r\n`))
        : Effect.void
    const closes = step.close === true || this.#framing === "close"
    return Effect.andThen(
      last,
      Effect.sync(() => this.#over("answered")),
    ).pipe(
      Effect.andThen(step.lateMs === undefined ? Effect.void : Effect.sleep(step.lateMs)),
      Effect.andThen(Effect.sync(() => (closes ? void this.#socket.end() : undefined))),
    )
  }

  #over(end: End): void {
    this.#asked.end ??= end
    this.#asked.endedAtMs ??= performance.now()
  }
}

/** What was written before is on its way as a packet of its own. */
const turn = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))

interface Shared {
  answers: Answers
  readonly asked: Array<Asked>
  readonly sockets: Set<Socket>
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
}

const serve = (shared: Shared, socket: Socket, connection: number): void => {
  const reader = RequestReader.make()
  const waiting: Array<RequestReader.Request> = []
  let current: { readonly asked: Asking; readonly fiber: Fiber.Fiber<void> } | undefined

  const next = (): void => {
    const request = waiting.shift()
    if (request === undefined || current !== undefined) return
    const before = socket.bytesWritten
    const asked: Asking = {
      ...request,
      number: shared.asked.length,
      connection,
      written: () => socket.bytesWritten - socket.writableLength - before,
      end: undefined,
      endedAtMs: undefined,
    }
    shared.asked.push(asked)
    const fiber = shared.fork(new Answering(socket, asked).run(choose(shared.answers, asked)))
    current = { asked, fiber }
    fiber.addObserver(() => {
      current = undefined
      next()
    })
  }

  socket.setNoDelay(true)
  socket.on("error", () => undefined)
  socket.on("data", (chunk: Buffer) => {
    const requests = reader(chunk)
    if (requests === undefined) return void socket.destroy()
    waiting.push(...requests)
    if (current === undefined) next()
  })
  socket.on("close", () => {
    shared.sockets.delete(socket)
    if (current === undefined) return
    current.asked.end ??= "cancelled"
    current.asked.endedAtMs ??= performance.now()
    shared.fork(Fiber.interrupt(current.fiber))
  })
}

/**
 * Starts a server on a free port of this machine; it lives as long as the scope.
 *
 * **Example** (Two refusals, then an answer)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FaultPlan, FaultUpstream } from "@guildhall/gateway/testing"
 *
 * const statuses = Effect.gen(function* () {
 *   const upstream = yield* FaultUpstream.make({
 *     inTurn: [FaultPlan.busy(1), FaultPlan.busy(1), FaultPlan.whole(200, "{}")],
 *   })
 *   const ask = Effect.promise(() => fetch(upstream.url).then((answer) => answer.status))
 *   return [yield* ask, yield* ask, yield* ask, upstream.counts().answered]
 * })
 * await Effect.runPromise(Effect.scoped(statuses)) // => [429, 429, 200, 3]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (answers: Answers): Effect.Effect<FaultUpstream, never, Scope.Scope> =>
  Effect.gen(function* () {
    const fork = Effect.runForkWith(yield* Effect.context<never>())
    const shared: Shared = { answers, asked: [], sockets: new Set(), fork }
    let sockets = 0
    const server = createServer({ allowHalfOpen: false }, (socket) => {
      shared.sockets.add(socket)
      serve(shared, socket, sockets++)
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.callback<void>((resume) => {
          for (const socket of shared.sockets) socket.destroy()
          server.close(() => resume(Effect.void))
        }),
    )
    // A server that listens on a port has an address of this kind.
    const { port } = server.address() as AddressInfo
    const ended = (end: Asked["end"]) => shared.asked.filter((one) => one.end === end).length
    return {
      url: `http://127.0.0.1:${port}`,
      port,
      asked: shared.asked,
      counts: () => ({
        asked: shared.asked.length,
        answered: ended("answered"),
        broken: ended("broken"),
        cancelled: ended("cancelled"),
        underWay: ended(undefined),
        sockets,
        socketsOpen: shared.sockets.size,
      }),
      use: (answers) => {
        shared.answers = answers
      },
    }
  })
