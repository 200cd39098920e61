/**
 * One side of a tunnel: many streams over one connection, and over the loss of it. It is a state machine of plain
 * callbacks without clock or socket, the same for the side that asks (a gateway) and the one that answers (an agent).
 *
 * - Streams take turns, one frame of data each, and no more is handed to the connection than it takes: what a stream
 *   sends delays another's next frame by little.
 * - Each stream has a window of its own ({@link TunnelStream}), so a slow reader stops its own stream only.
 * - What was sent is kept until it is acknowledged, which the other side does when it has come, not when it was read. After
 *   a loss both sides say how many messages have come, and each sends again what the other has not. That is one count
 *   for each direction, and not one for each stream: a finished answer, a cancel and a window all survive by the same rule,
 *   and what is kept has one limit for the whole tunnel.
 *
 * @since 0.1.0
 */
import { TunnelBacklog } from "../internal/TunnelBacklog.ts"
import { TunnelPulse } from "../internal/TunnelPulse.ts"
import * as TunnelFrame from "./TunnelFrame.ts"
import { SILENT, type StreamListener, TunnelStream } from "./TunnelStream.ts"

/**
 * A connection as a session uses it. `buffered` is how many bytes it has taken and not yet passed on; whoever owns it calls
 * `drained` when they have become fewer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Wire {
  readonly send: (message: Uint8Array) => void
  readonly buffered: () => number
  readonly close: (code: number, reason: string) => void
}

/**
 * What a session is told. `onOpen` is for the side that answers: it is called with each request and gives who hears its
 * body. `onLost` tells that the connection gave no sign of life and was closed, `onOver` that the session has ended.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly side: "asks" | "answers"
  readonly resumeMs: number
  readonly streamsMax: number
  readonly onOpen?: (stream: TunnelStream, head: TunnelFrame.OpenHead) => StreamListener
  readonly onLost?: () => void
  readonly onOver: (detail: string) => void
}

/** What waits in the connection's own buffer, at most: it stands before the next token of every stream. */
const BUFFERED_MAX = 64 * 1024
/** What is kept for the other side to acknowledge, at most. */
const KEPT_MAX = 1024 * 1024
/** An acknowledgement is sent after so many bytes, or at the next tick. */
const ACK_BYTES = 64 * 1024
const STREAM_ID_MAX = 0xff_ff_ff_ff
const MISCOUNTED = "An acknowledgement counts what was not sent."

/**
 * The session. Call `tick` about twice a second.
 *
 * @category models
 * @since 0.1.0
 */
export class TunnelSession {
  readonly #options: Options
  readonly #streams = new Map<number, TunnelStream>()
  /** Those that have something to send, in turn. One that was opened is here until its head has left. */
  #ready: Array<TunnelStream> = []
  #wire: Wire | undefined
  #isOver = false
  #isPumping = false
  #lastId = 0
  #unsent = 0
  readonly #backlog = new TunnelBacklog()
  readonly #pulse: TunnelPulse
  #received = 0
  #owedBytes = 0
  #lostAtMs: number

  constructor(options: Options, nowMs: number) {
    this.#options = options
    this.#pulse = new TunnelPulse(nowMs)
    this.#lostAtMs = nowMs
  }

  /** How many counted messages have come. */
  get received(): number {
    return this.#received
  }
  /** Whether it has a connection. */
  get isAttached(): boolean {
    return this.#wire !== undefined
  }
  get isOver(): boolean {
    return this.#isOver
  }
  /** The streams that are not over, and those that wait for a connection. */
  get size(): number {
    return this.#streams.size + this.#unsent
  }
  /** What is kept to be sent again, in bytes. */
  get keptBytes(): number {
    return this.#backlog.bytes
  }

  /**
   * Goes on over a connection, whose other side has `received` so many messages. A former connection is closed. Answers
   * what is wrong, and then the session is over.
   */
  attach(wire: Wire, received: number): string | undefined {
    if (this.#isOver) return "The session is over."
    this.#wire?.close(TunnelFrame.CLOSE.left, "Another connection took its place.")
    this.#wire = undefined
    if (!this.#backlog.forget(received)) {
      this.ended(MISCOUNTED)
      return MISCOUNTED
    }
    this.#wire = wire
    // The other side was just told what has come.
    this.#owedBytes = 0
    this.#pulse.begin()
    this.#backlog.again(wire.send)
    this.#pump()
    return undefined
  }

  /** Begins a stream, whose body is still to be written. Its listener hears nothing before this returns. */
  begin(head: Uint8Array, listener: StreamListener): TunnelStream {
    const stream = new TunnelStream(this.#host, true, listener)
    if (this.#isOver) queueMicrotask(() => stream.break("The tunnel is closed."))
    else {
      this.#unsent += 1
      stream.begin(head)
    }
    return stream
  }

  /** Begins a stream with all of its body. */
  open(head: Uint8Array, body: Uint8Array, listener: StreamListener): TunnelStream {
    const stream = this.begin(head, listener)
    if (this.#isOver) return stream
    stream.write(body)
    stream.finish()
    return stream
  }

  /** A message came. Where it is wrong, the connection is closed and the session is over. */
  receive(message: Uint8Array): void {
    if (this.#isOver) return
    this.#pulse.hear()
    const flaw = TunnelFrame.decode(message, this.#visit)
    if (flaw !== undefined) return this.fail(flaw)
    if (!TunnelFrame.isCounted(message)) return
    this.#received += 1
    this.#owedBytes += message.length
    if (this.#owedBytes >= ACK_BYTES) this.#acknowledge()
  }

  /** The connection has room again. */
  drained(): void {
    if (this.#ready.length > 0) this.#schedule()
  }

  /** The connection is lost; the session waits for another. */
  lost(wire: Wire): void {
    if (this.#wire !== wire) return
    this.#wire = undefined
    this.#lostAtMs = this.#pulse.nowMs
  }

  /** The other side ended the session over this connection, unless another has taken its place. */
  endedOn(wire: Wire, detail: string): void {
    if (this.#wire === wire) this.ended(detail)
  }

  /** Time passes: acknowledges, asks for signs of life, and gives up what has waited too long. */
  tick(nowMs: number): void {
    const pulse = this.#pulse
    const wire = this.#wire
    pulse.nowMs = nowMs
    if (this.#isOver) return
    if (wire === undefined) {
      if (nowMs - this.#lostAtMs >= this.#options.resumeMs) this.ended("The connection did not come back.")
      return
    }
    if (this.#owedBytes > 0) this.#acknowledge()
    for (const { resetAtMs } of this.#streams.values()) {
      if (pulse.isOwed(resetAtMs)) return this.fail("A cancel is not obeyed.")
    }
    const due = pulse.tick(this.#backlog.bytes > 0, this.size > 0 || this.#backlog.bytes > 0)
    if (due === "ask") wire.send(TunnelFrame.control(TunnelFrame.CONTROL.ping))
    if (due === "unacknowledged") this.fail("What came is not acknowledged.")
    if (due !== "lost") return
    this.lost(wire)
    wire.close(TunnelFrame.CLOSE.left, "It gave no sign of life.")
    this.#options.onLost?.()
  }

  /** Ends the session: streams under way break off. */
  end(detail: string): void {
    const wire = this.#wire
    this.ended(detail)
    wire?.close(TunnelFrame.CLOSE.over, detail)
  }

  /** Ends the session because the other side is not let in any longer. */
  refuse(reason: string): void {
    const wire = this.#wire
    this.ended(reason)
    wire?.close(TunnelFrame.CLOSE.refused, reason)
  }

  /** Ends the session because the other side broke the protocol. */
  fail(flaw: string): void {
    const wire = this.#wire
    this.ended(flaw)
    wire?.close(TunnelFrame.CLOSE.wrong, flaw)
  }

  readonly #host = {
    ready: (stream: TunnelStream): void => {
      if (stream.isReset && stream.id === 0) {
        // It never left, so there is nothing to take back.
        stream.close()
        return this.#unqueue(stream)
      }
      if (stream.isQueued) return
      stream.isQueued = true
      this.#ready.push(stream)
      this.#schedule()
    },
    spent: (stream: TunnelStream): void => {
      if (this.#options.side === "answers") this.#streams.delete(stream.id)
      else stream.resetAtMs = this.#pulse.nowMs
    },
  }

  #unqueue(stream: TunnelStream): void {
    if (!stream.isQueued) return
    stream.isQueued = false
    if (stream.id === 0) this.#unsent -= 1
    this.#ready = this.#ready.filter((one) => one !== stream)
  }

  readonly #visit = ({ payload, stream: id, type }: TunnelFrame.Frame): string | undefined => {
    if (id === 0) return this.#hearControl(type, payload)
    if (type === TunnelFrame.STREAM.open) return this.#hearOpen(id, payload)
    const stream = this.#streams.get(id)
    if (stream === undefined) {
      // The side that asks hears the last word of every stream; what it said meanwhile crosses that word.
      const crossed = this.#options.side === "answers" && id <= this.#lastId && type !== TunnelFrame.STREAM.start
      return crossed ? undefined : `There is no stream ${id}.`
    }
    if (type === TunnelFrame.STREAM.window) {
      const bytes = TunnelFrame.decodeWindow(payload)
      return bytes === undefined ? "A window cannot be read." : stream.grant(bytes)
    }
    if (type === TunnelFrame.STREAM.reset) return this.#hearReset(stream, payload)
    const asks = this.#options.side === "asks"
    if (type === TunnelFrame.STREAM.start && !asks) return "Only answers have such a head."
    const flaw = stream.receive(
      type,
      payload,
      type === TunnelFrame.STREAM.start ? TunnelFrame.decodeStart(payload) : undefined,
    )
    if (flaw === undefined && type === TunnelFrame.STREAM.end && asks) this.#close(stream)
    return flaw
  }

  #hearControl(type: number, payload: Uint8Array): string | undefined {
    if (type === TunnelFrame.CONTROL.ack) {
      const count = TunnelFrame.decodeCount(payload)
      if (count === undefined) return "An acknowledgement cannot be read."
      if (count <= this.#backlog.acknowledged) return "An acknowledgement came twice."
      if (!this.#backlog.forget(count)) return MISCOUNTED
      this.#pulse.acknowledged()
      if (this.#ready.length > 0) this.#schedule()
      return undefined
    }
    if (type === TunnelFrame.CONTROL.ping) {
      if (this.#pulse.asked()) return "It asks for signs of life too often."
      this.#wire?.send(TunnelFrame.control(TunnelFrame.CONTROL.pong))
      return undefined
    }
    return type === TunnelFrame.CONTROL.pong ? undefined : "The connection has begun already."
  }

  #hearOpen(id: number, payload: Uint8Array): string | undefined {
    const { onOpen, streamsMax } = this.#options
    if (onOpen === undefined) return "This side answers nothing."
    if (id <= this.#lastId) return `Stream ${id} was opened before.`
    const head = TunnelFrame.decodeOpen(payload)
    if (head === undefined) return "The head of a request cannot be read."
    if (this.#streams.size >= streamsMax) return `More than ${streamsMax} streams are open.`
    this.#lastId = id
    const stream = new TunnelStream(this.#host, false, SILENT)
    stream.id = id
    this.#streams.set(id, stream)
    stream.listener = onOpen(stream, head)
    return undefined
  }

  #hearReset(stream: TunnelStream, payload: Uint8Array): undefined {
    const asks = this.#options.side === "asks"
    stream.break(TunnelFrame.decodeDetail(payload))
    if (asks) this.#close(stream)
    else {
      // The last word, so that the side that asks can forget the stream.
      this.#streams.delete(stream.id)
      const word = new TunnelStream(this.#host, false, SILENT)
      word.id = stream.id
      word.reset("")
    }
    return undefined
  }

  #close(stream: TunnelStream): void {
    this.#streams.delete(stream.id)
    this.#unqueue(stream)
    stream.close()
  }

  #schedule(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    queueMicrotask(this.#pump)
  }

  /** Sends what streams have, each in its turn, until nothing is left or the connection has enough. */
  readonly #pump = (): void => {
    this.#isPumping = false
    while (this.#ready.length > 0 && !this.#isOver) {
      const wire = this.#wire
      if (wire === undefined || this.#backlog.bytes >= KEPT_MAX || wire.buffered() >= BUFFERED_MAX) return
      const frames: Array<TunnelFrame.Frame> = []
      const begun: Array<TunnelStream> = []
      let bytes = 0
      while (bytes < TunnelFrame.MESSAGE_BYTES) {
        const stream = this.#ready.shift()
        if (stream === undefined) break
        stream.isQueued = false
        if (stream.id === 0) {
          if (!this.#number(stream)) return this.ended("The numbers of streams are used up.")
          begun.push(stream)
        }
        const before = frames.length
        if (stream.emit(frames)) {
          stream.isQueued = true
          this.#ready.push(stream)
        }
        for (let one = before; one < frames.length; one += 1)
          bytes += TunnelFrame.HEADER_BYTES + (frames[one]?.payload.length ?? 0)
      }
      if (frames.length > 0) {
        const message = TunnelFrame.encode(frames)
        this.#backlog.add(message)
        wire.send(message)
      }
      for (const { listener } of begun) listener.onSent?.()
    }
  }

  #number(stream: TunnelStream): boolean {
    if (this.#lastId >= STREAM_ID_MAX) return false
    this.#lastId += 1
    this.#unsent -= 1
    stream.id = this.#lastId
    this.#streams.set(stream.id, stream)
    return true
  }

  #acknowledge(): void {
    this.#owedBytes = 0
    this.#wire?.send(TunnelFrame.control(TunnelFrame.CONTROL.ack, TunnelFrame.encodeCount(this.#received)))
  }

  /** The session has ended: the other side said so, or this one knows. */
  ended(detail: string): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#wire = undefined
    const streams = [...this.#streams.values(), ...this.#ready.filter(({ id }) => id === 0)]
    this.#streams.clear()
    this.#ready = []
    this.#unsent = 0
    this.#backlog.clear()
    for (const stream of streams) stream.break(detail)
    this.#options.onOver(detail)
  }
}
