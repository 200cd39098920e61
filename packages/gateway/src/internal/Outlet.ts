import type { Hash } from "node:crypto"
import type { ReasonCode } from "@guildhall/core/Reason"
import * as Dialects from "@guildhall/protocol/conversation/Dialects"
import type { HoldGate } from "../HoldGate.ts"
import type { AnswerTap } from "../Idempotency.ts"
import * as Refusal from "../Refusal.ts"
import type { Buyer } from "./Buyer.ts"
import type { InferenceEndpoint } from "../InferenceEndpoint.ts"
import * as Ticks from "./Ticks.ts"

/** What an attempt hears from the buyer's side. */
export interface Attached {
  /** The buyer left. */
  readonly onGone: () => void
  /** The buyer can take more. */
  readonly onDrain: () => void
  /** The hold was decided, grew, or was lost. */
  readonly onGate: () => void
  /** Another attempt shows its answer. */
  readonly onLost: () => void
  /** The gateway gives the request up. */
  readonly stop: (reason: ReasonCode) => void
}

/** Who else hears what goes to the buyer, and may want it although the buyer has left. */
type Tap = AnswerTap

export interface OutletOptions {
  readonly buyer: Buyer
  readonly gate: HoldGate
  readonly errors: InferenceEndpoint["errors"]
  /** Commits to what the buyer is sent. */
  readonly hash: Hash
  readonly headers: Readonly<Record<string, string>>
  /** After how long without a byte a stream gets a comment; undefined for never. */
  readonly pingMs: number | undefined
  readonly now: () => number
  /** Hears what was thrown where nothing can be. */
  readonly onDefect: (defect: unknown) => void
  readonly taps: ReadonlyArray<Tap>
}

const EVENT_STREAM = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
  "x-accel-buffering": "no",
}
const TRAILED_STREAM = { ...EVENT_STREAM, trailer: "x-guildhall-cost" }

/** Only one newline: some clients take an empty line for the end of an event, and then find it empty. */
const PING = Buffer.from(": ping\n")

/**
 * The buyer's side of one answer. Several attempts may write to it, one after the other or side by side; the first
 * that has content to show keeps it. Comments may go before that, and then errors are told in the stream.
 */
export class Outlet {
  readonly buyer: Buyer
  readonly gate: HoldGate
  /** When the first content went out, in milliseconds since 1970. */
  firstByteAtMs: number | undefined
  readonly #options: OutletOptions
  readonly #attached: Array<Attached> = []
  #holder: Attached | undefined
  #headed = false
  #wroteAt = Ticks.now()
  #timer: Ticks.Timer | undefined

  constructor(options: OutletOptions) {
    this.#options = options
    this.buyer = options.buyer
    this.gate = options.gate
    const { buyer, gate } = options
    // Not assigned right where they are written: V8 would make such functions in the old part of the heap, where they
    // would keep the whole request until the collector comes to that part.
    const onGone = () => this.guard(() => this.#left())
    const onDrain = () => this.guard(() => this.#tell((one) => one.onDrain()))
    const onGate = () => this.guard(() => this.#tell((one) => one.onGate()))
    buyer.onGone = onGone
    buyer.onDrain = onDrain
    gate.onChange = onGate
    if (options.pingMs !== undefined) this.#arm(options.pingMs)
    if (buyer.gone) this.#left()
  }

  /** Nobody is there to hear an answer. */
  get gone(): boolean {
    return this.buyer.gone && !this.#wanted
  }

  /**
   * Does what a socket, a timer or the hold called for. What is thrown there would otherwise come out in the middle of
   * somebody else's work, or end the process; so it ends this buyer's connection, and with it the request.
   */
  guard(act: () => void): void {
    try {
      act()
    } catch (defect) {
      this.#options.onDefect(defect)
      this.buyer.response.destroy()
    }
  }

  attach(one: Attached): void {
    this.#attached.push(one)
  }

  detach(one: Attached): void {
    const at = this.#attached.indexOf(one)
    if (at !== -1) this.#attached.splice(at, 1)
  }

  stop(reason: ReasonCode): void {
    this.#tell((one) => one.stop(reason))
  }

  /** Whether this attempt may show content: it does already, or nobody does and the hold is durable. */
  hold(one: Attached): boolean {
    if (this.#holder !== undefined) return this.#holder === one
    if (this.gate.state !== "open") return false
    this.#holder = one
    this.firstByteAtMs = this.#options.now()
    if (this.#attached.length > 1) this.#tell((other) => other !== one && other.onLost())
    return true
  }

  /** Whether content of this attempt, or of any, has been shown. */
  shows(one?: Attached): boolean {
    return one === undefined ? this.#holder !== undefined : this.#holder === one
  }

  /** The head of a stream. The attempt's own headers are left out where a comment went before. */
  headStream(headers: Readonly<Record<string, string>>): void {
    if (this.#headed) return
    const form = this.buyer.takesTrailers ? TRAILED_STREAM : EVENT_STREAM
    this.#head(200, { ...this.#options.headers, ...headers, ...form })
  }

  headWhole(headers: Readonly<Record<string, string>>): void {
    this.#head(200, { ...this.#options.headers, ...headers })
  }

  write(bytes: Buffer): boolean {
    this.#options.hash.update(bytes)
    this.#wroteAt = Ticks.now()
    for (const tap of this.#options.taps) tap.onBytes(bytes)
    // Who has left reads nothing, and holds nobody up.
    return this.buyer.gone || this.buyer.response.write(bytes)
  }

  /** Ends a complete answer. */
  end(bytes: Buffer | undefined, trailers?: Readonly<Record<string, string>>): void {
    this.#end("completed", bytes, trailers)
  }

  /** Ends a stream with an error that the client cannot take for the end of the answer; `frame` is how that is written. */
  breakOff(reason: ReasonCode, detail: string | undefined, frame?: string): void {
    this.#end("truncated", Buffer.from(frame ?? this.#options.errors.errorFrame(reason, { message: detail })))
  }

  #end(outcome: "completed" | "truncated", bytes: Buffer | undefined, trailers?: Readonly<Record<string, string>>) {
    const { gone, response } = this.buyer
    if (bytes !== undefined) this.#options.hash.update(bytes)
    for (const tap of this.#options.taps) {
      if (bytes !== undefined) tap.onBytes(bytes)
      if (trailers !== undefined) tap.onTrailers(trailers)
      tap.onEnd(outcome)
    }
    if (!gone) {
      if (trailers !== undefined) response.addTrailers(trailers)
      response.end(bytes)
    }
    this.close()
  }

  /** Tells why there is no answer: as a response of its own, or in the stream where a comment has gone. */
  refuse(refusal: Refusal.Refusal, request: { readonly id: string; readonly attempts: number }): void {
    const { buyer } = this
    const { errors } = this.#options
    for (const tap of this.#options.taps) tap.onRefused(refusal)
    this.close()
    if (buyer.gone || buyer.response.writableEnded) return
    if (this.#headed) this.breakOff(refusal.code, refusal.detail)
    else respond(buyer, refusal, errors, request)
  }

  /** No more comments. */
  close(): void {
    Ticks.stop(this.#timer)
    this.#timer = undefined
    this.buyer.onGone = undefined
    this.buyer.onDrain = undefined
    this.gate.onChange = undefined
    for (const tap of this.#options.taps) tap.onUnwanted = undefined
  }

  #head(status: number, headers: Readonly<Record<string, string>>): void {
    if (!this.buyer.gone) this.buyer.response.writeHead(status, headers)
    this.#headed = true
    for (const tap of this.#options.taps) tap.onHead(status, headers)
  }

  get #wanted(): boolean {
    return this.#options.taps.some((tap) => tap.wanted)
  }

  /** The buyer left. Where others still listen, the answer goes on for them, at the provider's pace. */
  #left(): void {
    if (!this.#wanted) return this.#tell((one) => one.onGone())
    for (const tap of this.#options.taps) {
      tap.onUnwanted = () => {
        if (this.gone) this.#tell((one) => one.onGone())
      }
    }
    this.#tell((one) => one.onDrain())
  }

  #tell(act: (one: Attached) => void): void {
    // One that ends while it hears this takes itself out.
    for (const one of [...this.#attached]) act(one)
  }

  #arm(pingMs: number): void {
    const waitMs = Math.max(1, Math.ceil(this.#wroteAt + pingMs - Ticks.now()))
    this.#timer = Ticks.after(waitMs, () => {
      if (this.buyer.gone) return
      if (Ticks.now() - this.#wroteAt >= pingMs - 1) this.guard(() => this.#ping())
      this.#arm(pingMs)
    })
  }

  /** Bytes go to the buyer in whole events only, so wherever the stream stands, it stands between two. */
  #ping(): void {
    const { response } = this.buyer
    // Nothing goes out before the hold is durable; a buyer who does not read needs no comment to stay.
    if (this.gate.state !== "open" || response.writableNeedDrain || response.destroyed) return
    this.headStream({})
    this.write(PING)
  }
}

/** The headers that give a request's id. Anthropic's client looks for it under a name of its own. */
export const idHeaders = (id: string, errors: InferenceEndpoint["errors"]): Readonly<Record<string, string>> =>
  errors === Dialects.messages ? { "x-request-id": id, "request-id": id } : { "x-request-id": id }

/** Answers a request that has had no byte of an answer. */
export const respond = (
  buyer: Buyer,
  refusal: Refusal.Refusal,
  errors: InferenceEndpoint["errors"],
  request: { readonly id: string; readonly attempts: number },
): void => {
  const { response, request: incoming } = buyer
  if (buyer.gone || response.writableEnded) return
  if (response.headersSent) {
    response.destroy()
    return
  }
  const { raw } = refusal
  const body = Buffer.from(
    raw?.body ?? errors.errorBody(refusal.code, { message: refusal.detail, param: refusal.param }),
  )
  const headers: Record<string, string | ReadonlyArray<string>> = {
    ...Refusal.headers(refusal),
    "content-length": String(body.length),
    ...idHeaders(request.id, errors),
    "x-guildhall-attempts": String(request.attempts),
  }
  // What is left of the body would have to be read before the connection could serve another request.
  if (!incoming.complete) headers["connection"] = "close"
  for (const name in headers) {
    const value = headers[name]
    if (value !== undefined) response.setHeader(name, typeof value === "string" ? value : [...value])
  }
  response.statusCode = Refusal.status(refusal)
  if (incoming.complete) response.end(body)
  else part(buyer, body)
}

/** For how long, and how much, a client may go on sending what nobody reads. */
const PARTING_MS = 1_000
const PARTING_BYTES = 1024 * 1024

/**
 * Answers a client that still sends. Its connection would be reset if it were closed with bytes unread, and the answer
 * lost with it; so some of the rest is taken and forgotten, and the connection stays open for a second unless the client
 * ends it.
 */
const part = ({ request, response }: Buyer, body: Buffer): void => {
  response.write(body)
  const timer = Ticks.after(PARTING_MS, () => response.end())
  request.once("close", () => {
    Ticks.stop(timer)
    response.end()
  })
  let taken = 0
  request.on("data", (bytes: Buffer) => {
    taken += bytes.length
    if (taken > PARTING_BYTES) request.pause()
  })
  request.resume()
}
