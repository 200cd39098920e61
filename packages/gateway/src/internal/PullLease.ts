import { timingSafeEqual } from "node:crypto"
import type { Dispatch, ProviderRequest, ProviderSink, TransportError } from "@guildhall/protocol/ProviderTransport"
import { decodeHead, HEAD_BYTES_MAX } from "@guildhall/protocol/provider/PullJob"
import * as Ids from "./Ids.ts"
import * as Ticks from "./Ticks.ts"

/** How a job ended: as a whole, or why not. */
export interface Past {
  readonly secret: string
  readonly received: number
  readonly isDone: boolean
  readonly detail: string
}

/** Who brings a job's answer, and hears when there is room again, and that nobody wants it any more. */
export interface Bringer {
  readonly onResume: () => void
  readonly onOver: (detail: string) => void
}

/** What a job is leased under. `onOver` hears once that it has ended. */
export interface Terms {
  readonly leaseMs: number
  readonly lostMs: number
  readonly onTouch: () => void
  readonly onOver: (lease: PullLease) => void
}

const NEWLINE = 10
const NOTHING = Buffer.alloc(0)

const uuid = (): string => {
  const digits = Ids.randomHex(16)
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-a${digits.slice(17, 20)}-${digits.slice(20)}`
}

const sameText = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))

/** Whether somebody knows a job's secret. */
export const opens = ({ secret }: { readonly secret: string }, said: string): boolean => sameText(secret, said)

/** One request that a worker takes, or does not: the port's sink on one side, whoever brings the answer on the other. */
export class PullLease implements Dispatch {
  readonly id = uuid()
  readonly secret = Ids.randomHex(16)
  readonly request: ProviderRequest
  readonly #sink: ProviderSink
  readonly #terms: Terms
  #bringer: Bringer | undefined
  #phase: Ticks.Timer | undefined
  #watch: Ticks.Timer | undefined
  #leaseEndsAt = 0
  #leaseMs: number
  #isTaken = false
  #isStarted = false
  #isPaused = false
  #isEnding = false
  #kept: Array<Uint8Array> = []
  #line: Buffer = NOTHING
  #past: Past | undefined
  received = 0

  constructor(request: ProviderRequest, sink: ProviderSink, terms: Terms) {
    this.request = request
    this.#sink = sink
    this.#terms = terms
    this.#leaseMs = terms.leaseMs
  }

  get past(): Past | undefined {
    return this.#past
  }
  get isOver(): boolean {
    return this.#past !== undefined
  }
  get isTaken(): boolean {
    return this.#isTaken
  }
  get leaseMs(): number {
    return this.#leaseMs
  }

  /** Waits for a worker. */
  wait(): void {
    const { connectMs } = this.request
    const error: TransportError = { reason: "ConnectTimeout", detail: `No worker took it within ${connectMs} ms.` }
    this.#phase = Ticks.after(connectMs, () => this.fail(error))
  }

  /** A worker has it. It may say for how long, where its protocol knows no renewal. */
  take(leaseMs = this.#leaseMs): void {
    if (this.isOver || this.#isTaken) return
    this.#isTaken = true
    this.#leaseMs = leaseMs
    Ticks.stop(this.#phase)
    const { headersMs } = this.request
    const error: TransportError = { reason: "HeadersTimeout", detail: `No answer within ${headersMs} ms.` }
    this.#phase = Ticks.after(headersMs, () => this.fail(error))
    this.renew()
    this.#sink.onSent?.()
  }

  renew(): void {
    if (this.isOver) return
    this.#leaseEndsAt = Ticks.now() + this.#leaseMs
    this.#watch ??= Ticks.after(this.#leaseMs, () => this.#look())
    this.#terms.onTouch()
  }

  /** From now on this one brings the answer. Who did so before is told that it is over for it. */
  attach(bringer: Bringer): void {
    this.#bringer?.onOver("The answer goes on in another request.")
    this.#bringer = bringer
    this.renew()
  }

  /** Whoever brought the answer is done with its part, or `isLost`: then the lease ends soon unless somebody goes on. */
  detach(bringer: Bringer, isLost: boolean): void {
    if (this.#bringer !== bringer) return
    this.#bringer = undefined
    if (!isLost || this.isOver) return
    this.#leaseEndsAt = Math.min(this.#leaseEndsAt, Ticks.now() + this.#terms.lostMs)
    Ticks.stop(this.#watch)
    this.#watch = Ticks.after(this.#leaseEndsAt - Ticks.now(), () => this.#look())
  }

  /** Bytes of the answer from `offset` on; what is known already is passed over. Answers false where it is to pause. */
  accept(offset: number, chunk: Uint8Array): boolean {
    if (this.isOver) return true
    const fresh = offset === this.received ? chunk : chunk.subarray(Math.max(0, this.received - offset))
    if (fresh.byteLength === 0) return !this.#isPaused
    this.received += fresh.byteLength
    this.#leaseEndsAt = Math.max(this.#leaseEndsAt, Ticks.now() + this.#leaseMs)
    if (this.#isStarted) return this.data(fresh)
    const body = this.#readHead(fresh)
    return body === undefined || body.byteLength === 0 ? !this.#isPaused : this.data(body)
  }

  start(status: number, headers: Readonly<Record<string, string>>): void {
    if (this.isOver || this.#isStarted) return
    this.#isStarted = true
    Ticks.stop(this.#phase)
    this.#sink.onStart(status, headers)
  }

  data(chunk: Uint8Array): boolean {
    if (this.isOver) return true
    if (this.#isPaused) this.#kept.push(chunk)
    else this.#isPaused = !this.#sink.onData(chunk)
    return !this.#isPaused
  }

  /** The answer is complete. */
  end(): void {
    if (this.isOver) return
    if (!this.#isStarted) return this.fail({ reason: "ClosedEarly", detail: "The answer ended before its head did." })
    this.#isEnding = true
    this.#flush()
  }

  resume(): void {
    if (this.isOver || !this.#isPaused) return
    this.#isPaused = false
    this.#flush()
    if (!this.#isPaused && !this.isOver) this.#bringer?.onResume()
  }

  cancel(detail: string): void {
    this.fail({ reason: "Cancelled", detail })
  }

  fail(error: TransportError): void {
    if (this.isOver) return
    this.#over(false, error.detail)
    this.#sink.onError(error)
  }

  #flush(): void {
    while (!this.#isPaused && !this.isOver) {
      const chunk = this.#kept.shift()
      if (chunk === undefined) break
      this.#isPaused = !this.#sink.onData(chunk)
    }
    if (this.#isPaused || this.isOver || !this.#isEnding) return
    this.#over(true, "It is done.")
    this.#sink.onEnd()
  }

  #readHead(chunk: Uint8Array): Uint8Array | undefined {
    this.#line = Buffer.concat([this.#line, chunk])
    const end = this.#line.indexOf(NEWLINE)
    const line = end === -1 ? undefined : this.#line.subarray(0, end)
    if (line === undefined && this.#line.length <= HEAD_BYTES_MAX) return undefined
    const head = line === undefined || line.length > HEAD_BYTES_MAX ? undefined : decodeHead(line)
    const body = this.#line.subarray(end + 1)
    this.#line = NOTHING
    if (head === undefined) {
      this.fail({ reason: "ClosedEarly", detail: "The answer does not begin with a head." })
      return undefined
    }
    this.start(head.status, head.headers)
    return body
  }

  #look(): void {
    this.#watch = undefined
    if (this.isOver) return
    const leftMs = this.#leaseEndsAt - Ticks.now()
    if (leftMs > 0) this.#watch = Ticks.after(leftMs, () => this.#look())
    else this.fail({ reason: "ClosedEarly", detail: "The worker did not renew its lease." })
  }

  #over(isDone: boolean, detail: string): void {
    this.#past = { secret: this.secret, received: this.received, isDone, detail }
    Ticks.stop(this.#phase)
    Ticks.stop(this.#watch)
    this.#kept = []
    this.#terms.onOver(this)
    // Whoever has delivered it all is answered by itself.
    if (!isDone) this.#bringer?.onOver(detail)
    this.#bringer = undefined
  }
}
