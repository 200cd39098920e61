/**
 * One request in a tunnel, on either side: what waits to be sent, what was received and not yet taken, and how much of
 * each is allowed. `TunnelSession` makes streams; nobody else does.
 *
 * @since 0.1.0
 */
import { encodeDetail, encodeWindow, type Frame, PAYLOAD_BYTES_MAX, STREAM, type StartHead } from "./TunnelFrame.ts"

/**
 * The most bytes of an answer, and of a request's body, that may be under way before the other side has taken them: what
 * a slow buyer costs a gateway, and a slow backend its agent. Over 100 ms of distance that is 640 KB and 2.5 MB a second.
 *
 * @category constants
 * @since 0.1.0
 */
export const WINDOW = { answer: 64 * 1024, body: 256 * 1024 } as const

/** Above so much that waits to be sent, whoever writes is asked to pause; below the second, to go on. */
const QUEUE_HIGH = 32 * 1024
const QUEUE_LOW = 8 * 1024

/**
 * Who hears what comes. `onData` answers false for a pause, until `resume`. Of an answer `onEnd` or `onReset` is the last
 * that is heard; a request may be broken off after its end as well, until it is answered. `onSent` and `onDrain`: the head
 * has left, and there is room again.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamListener {
  readonly onSent?: () => void
  readonly onStart?: (head: StartHead) => void
  readonly onData: (chunk: Uint8Array) => boolean
  readonly onEnd: () => void
  readonly onReset: (detail: string) => void
  readonly onDrain?: () => void
}

/**
 * Hears nothing: until whoever answers has said who does, and for a stream that is refused at once.
 *
 * @category constants
 * @since 0.1.0
 */
export const SILENT: StreamListener = { onData: () => true, onEnd: () => undefined, onReset: () => undefined }

/** What a stream asks of its session. */
interface Host {
  /** The stream has something to send. */
  readonly ready: (stream: TunnelStream) => void
  /** Its last word was said: the answering side forgets it, the other waits for that. */
  readonly spent: (stream: TunnelStream) => void
}

const NOTHING = new Uint8Array()

/**
 * The stream. `write` answers false when enough waits; `finish` ends this side's bytes; `reset` breaks off, and the other
 * side is told why.
 *
 * @category models
 * @since 0.1.0
 */
export class TunnelStream {
  /** The number under which it is known; 0 until its head has left. */
  id = 0
  /** Whether the session has it in its queue. */
  isQueued = false
  listener: StreamListener
  /** Since when the other side owes the end of what this side broke off. */
  resetAtMs: number | undefined
  readonly #host: Host
  readonly #opens: boolean
  #head: Uint8Array | undefined
  #chunks: Array<Uint8Array> = []
  #waiting = 0
  #isFull = false
  #isFinishing = false
  #hasFinished = false
  #reset: string | undefined
  /** Nothing more is sent. */
  #isSpent = false
  #allowance: number
  readonly #window: number
  /** What the other side may still send, what was taken of it, and what came during a pause. */
  #left: number
  #taken = 0
  #kept: Array<Uint8Array> = []
  #isPaused = false
  #hasStarted = false
  #hasEnded = false
  #isDeaf = false

  constructor(host: Host, opens: boolean, listener: StreamListener) {
    this.#host = host
    this.#opens = opens
    this.listener = listener
    this.#window = opens ? WINDOW.answer : WINDOW.body
    this.#left = this.#window
    this.#allowance = opens ? WINDOW.body : WINDOW.answer
  }

  /** Whether this side's head has left. */
  get wasSent(): boolean {
    return this.id !== 0
  }
  /** Whether this side broke it off. */
  get isReset(): boolean {
    return this.#reset !== undefined
  }

  begin(head: Uint8Array): void {
    this.#head = head
    this.#host.ready(this)
  }

  write(chunk: Uint8Array): boolean {
    if (this.#isSpent || this.#reset !== undefined || this.#isFinishing) return false
    if (chunk.length > 0) {
      this.#chunks.push(chunk)
      this.#waiting += chunk.length
      if (this.#allowance > 0) this.#host.ready(this)
    }
    if (this.#waiting >= QUEUE_HIGH) this.#isFull = true
    return !this.#isFull
  }

  finish(): void {
    if (this.#isSpent || this.#isFinishing) return
    this.#isFinishing = true
    this.#host.ready(this)
  }

  /** Nothing more is heard, and what waits is not sent. */
  reset(detail: string): void {
    this.#deafen()
    if (this.#isSpent || this.#reset !== undefined) return
    this.#reset = detail
    this.#drop()
    this.#host.ready(this)
  }

  resume(): void {
    if (!this.#isPaused || this.#isDeaf) return
    this.#isPaused = false
    while (!this.#isPaused && !this.#isDeaf) {
      const chunk = this.#kept.shift()
      if (chunk === undefined) break
      this.#take(chunk)
    }
    if (this.#isPaused || this.#isDeaf) return
    if (this.#hasEnded) return this.#end()
    if (this.#grants()) this.#host.ready(this)
  }

  /** The next frames of this stream, of which at most one carries data. Answers whether it has more to send. */
  emit(frames: Array<Frame>): boolean {
    if (this.#isSpent) return false
    if (this.#reset !== undefined) {
      frames.push({ type: STREAM.reset, stream: this.id, payload: encodeDetail(this.#reset) })
      this.#spend()
      return false
    }
    if (this.#head !== undefined) {
      frames.push({ type: this.#opens ? STREAM.open : STREAM.start, stream: this.id, payload: this.#head })
      this.#head = undefined
    }
    if (this.#grants()) {
      frames.push({ type: STREAM.window, stream: this.id, payload: encodeWindow(this.#taken) })
      this.#left += this.#taken
      this.#taken = 0
    }
    const chunk = this.#chunks[0]
    if (chunk !== undefined && this.#allowance > 0) this.#emitData(frames, chunk)
    if (this.#isFinishing && !this.#hasFinished && this.#chunks.length === 0) {
      this.#hasFinished = true
      frames.push({ type: STREAM.end, stream: this.id, payload: NOTHING })
      // After its request the side that asks may still give room, or break off.
      if (!this.#opens) this.#spend()
      return false
    }
    return this.#chunks.length > 0 && this.#allowance > 0
  }

  #emitData(frames: Array<Frame>, chunk: Uint8Array): void {
    const size = Math.min(chunk.length, this.#allowance, PAYLOAD_BYTES_MAX)
    frames.push({
      type: STREAM.data,
      stream: this.id,
      payload: size === chunk.length ? chunk : chunk.subarray(0, size),
    })
    if (size === chunk.length) this.#chunks.shift()
    else this.#chunks[0] = chunk.subarray(size)
    this.#allowance -= size
    this.#waiting -= size
    if (!this.#isFull || this.#waiting > QUEUE_LOW) return
    this.#isFull = false
    const { listener } = this
    // Whoever is told writes at once, and this stream is in the middle of its turn.
    if (listener.onDrain !== undefined) queueMicrotask(() => this.#isSpent || this.#isFull || listener.onDrain?.())
  }

  /** Takes what came. Answers what is wrong with it. */
  receive(type: number, payload: Uint8Array, start: StartHead | undefined): string | undefined {
    if (type === STREAM.start) {
      if (start === undefined) return "The head of an answer cannot be read."
      if (this.#hasStarted) return "An answer began twice."
      this.#hasStarted = true
      if (!this.#isDeaf) this.listener.onStart?.(start)
      return undefined
    }
    if (this.#hasEnded) return "Bytes came after the end."
    if (this.#opens && !this.#hasStarted) return "Bytes came before the head of their answer."
    if (type === STREAM.end) {
      this.#hasEnded = true
      if (!this.#isPaused) this.#end()
      return undefined
    }
    const { length } = payload
    if (length === 0) return "A frame of data holds none."
    if (length > this.#left) return "More data came than the window allows."
    this.#left -= length
    if (this.#isDeaf) return undefined
    // Kept bytes are copied: their message may share memory with much that nobody needs any more.
    if (this.#isPaused) this.#kept.push(payload.slice())
    else {
      this.#take(payload)
      if (this.#grants()) this.#host.ready(this)
    }
    return undefined
  }

  /** The other side takes so much more. Answers what is wrong with that. */
  grant(bytes: number): string | undefined {
    this.#allowance += bytes
    if (this.#allowance > (this.#opens ? WINDOW.body : WINDOW.answer)) return "A window grew beyond its size."
    if (this.#chunks.length > 0) this.#host.ready(this)
    return undefined
  }

  /** Nothing more comes: the other side broke off, or the session is over. What came before an end is still heard. */
  break(detail: string): void {
    this.close()
    // An answer that has ended is whole; a request that has ended is still to be answered.
    if (this.#isDeaf || (this.#opens && this.#hasEnded)) return
    this.#deafen()
    this.listener.onReset(detail)
  }

  /** Nothing more is sent; what came is still heard. */
  close(): void {
    this.#isSpent = true
    this.#drop()
  }

  #take(chunk: Uint8Array): void {
    this.#taken += chunk.length
    if (!this.listener.onData(chunk)) this.#isPaused = true
  }

  /** Room is given back in halves of the window: a frame for each piece would cost more than the piece. */
  #grants(): boolean {
    return !this.#isPaused && !this.#isDeaf && !this.#hasEnded && this.#taken * 2 >= this.#window
  }

  #end(): void {
    if (this.#isDeaf) return
    if (this.#opens) this.#deafen()
    this.listener.onEnd()
  }

  #deafen(): void {
    this.#isDeaf = true
    this.#kept = []
  }

  #drop(): void {
    this.#chunks = []
    this.#waiting = 0
    this.#head = undefined
  }

  #spend(): void {
    this.#isSpent = true
    this.#host.spent(this)
  }
}
