import { timingSafeEqual } from "node:crypto"
import type { DeviceId } from "@guildhall/core/Device"
import type { InstanceId } from "@guildhall/core/Instance"
import { chargeAssetOf, type MarketDefinition } from "@guildhall/core/MarketDefinition"
import type { MemberId } from "@guildhall/core/Member"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import * as Split from "@guildhall/core/rules/Split"
import type { Usage } from "@guildhall/core/Usage"
import * as ErrorBody from "@guildhall/protocol/openai/ErrorBody"
import type { Popped, Submit } from "@guildhall/protocol/provider/HordeWorker"
import * as HordeImages from "../HordeImages.ts"
import * as HordeText from "../HordeText.ts"
import type { Kind } from "../Horde.ts"
import * as Ids from "./Ids.ts"
import * as Json from "./Json.ts"
import type { PullLease } from "./PullLease.ts"

export interface Limits {
  readonly holdMs: number
  readonly ttlMs: number
  readonly pictureBytesMax: number
  readonly keptBytesMax: number
}

/** A worker at its pop. `most` is the longest text in tokens, or the largest picture in pixels, that it makes. */
export interface Worker {
  readonly member: MemberId
  readonly device: DeviceId
  readonly instances: ReadonlySet<InstanceId>
  readonly most: number
  readonly contextLength: number
  readonly origin: string
}

/** A refusal in Horde's words. */
export interface Refused {
  readonly status: 400 | 403 | 404 | 413 | 503
  readonly rc: string
  readonly message: string
}

type Work =
  | { readonly kind: "text"; readonly work: HordeText.TextWork }
  | { readonly kind: "image"; readonly work: HordeImages.ImageWork }

/** A request, and what was generated for it so far. */
interface Task {
  readonly job: PullLease
  readonly member: MemberId
  readonly doing: Work
  readonly done: Map<number, HordeText.Generated | Uint8Array>
}

interface Generation {
  readonly id: string
  readonly secret: string
  readonly task: Task
  readonly index: number
  isGiven: boolean
  picture: Uint8Array | undefined
}

/** How a generation ended: nothing of what was asked or answered is kept. */
interface Past {
  readonly member: MemberId
  readonly kind: Kind
  readonly isDone: boolean
}

/** Generations whose end is remembered, so that who submits again hears of it. */
const PAST_MAX = 10_000
const TEXT_BYTES_MAX = 1024 * 1024
/** Kudos to a unit of the charge asset: 10 to the power of this. */
const KUDOS_SCALE = 4

const NONE: Popped = { id: null, ids: [], skipped: {} }
const GONE = (id: string): Refused => ({
  status: 404,
  rc: "InvalidJobID",
  message: `Processing Job with ID ${id.slice(0, 64)} does not exist.`,
})

const uuid = (): string => {
  const digits = Ids.randomHex(16)
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-a${digits.slice(17, 20)}-${digits.slice(20)}`
}

const same = (a: string, b: string): boolean => a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))

const refuseBuyer = (job: PullLease, message: string): void => {
  const body = Buffer.from(JSON.stringify(ErrorBody.make("invalid_request", { message })))
  job.start(400, { "content-type": "application/json", "content-length": String(body.length) })
  job.data(body)
  job.end()
}

/** The generations that Horde's workers have, and those that wait for their next pop. */
export class HordeDesk {
  readonly #limits: Limits
  readonly #definition: MarketDefinition
  readonly #nowMs: () => number
  readonly #generations = new Map<string, Generation>()
  readonly #past = new Map<string, Past>()
  readonly #waiting = new Map<DeviceId, Array<Generation>>()
  #keptBytes = 0

  constructor(limits: Limits, definition: MarketDefinition, nowMs: () => number) {
    this.#limits = limits
    this.#definition = definition
    this.#nowMs = nowMs
  }

  none(): Popped {
    return NONE
  }

  /** The next generation of a request that the worker has begun. */
  next(worker: Worker): Popped | undefined {
    const waiting = this.#waiting.get(worker.device)?.filter(({ task }) => !task.job.isOver) ?? []
    const found = waiting.find(({ task }) => worker.instances.has(task.job.request.instance.id))
    const left = waiting.filter((other) => other !== found)
    if (left.length === 0) this.#waiting.delete(worker.device)
    else this.#waiting.set(worker.device, left)
    return found === undefined ? undefined : this.#hand(worker, found)
  }

  /** Begins a request that the worker was given; `undefined` where it is none that such a worker can do, which it then has been told. */
  begin(worker: Worker, job: PullLease): Popped | undefined {
    this.#sweep()
    const doing = this.#read(worker, job)
    if (typeof doing === "string") {
      refuseBuyer(job, doing)
      return undefined
    }
    const task: Task = { job, member: worker.member, doing, done: new Map() }
    const all = Array.from({ length: doing.work.choices }, (_, index): Generation => ({
      id: uuid(),
      secret: Ids.randomHex(16),
      task,
      index,
      isGiven: false,
      picture: undefined,
    }))
    const [first, ...others] = all
    if (first === undefined) return undefined
    for (const generation of all) this.#generations.set(generation.id, generation)
    if (others.length > 0) {
      this.#waiting.set(worker.device, [...(this.#waiting.get(worker.device) ?? []), ...others])
    }
    return this.#hand(worker, first)
  }

  /** Takes what was generated; answers what it earned. */
  submit(member: MemberId, kind: Kind, submit: Submit): Refused | number {
    const { id } = submit
    const generation = this.#generations.get(id)
    const past = this.#past.get(id)
    const owner = past?.member ?? generation?.task.member
    if (owner === undefined || (past?.kind ?? generation?.task.doing.kind) !== kind) return GONE(id)
    if (owner !== member) {
      return { status: 403, rc: "WrongCredentials", message: "Wrong credentials to submit as this worker." }
    }
    if (past?.isDone === true) {
      return { status: 400, rc: "DuplicateGen", message: `Processing Generation with ID ${id} already submitted.` }
    }
    if (submit.state === "faulted") {
      return generation === undefined ? 0 : this.#fault(generation, "The worker could not do it.")
    }
    if (generation === undefined || generation.task.job.isOver) {
      if (generation !== undefined) this.#end(generation, false)
      const message = `Processing Generation with ID ${id} took too long to process and has been aborted!`
      return { status: 400, rc: "AbortedGen", message }
    }
    return this.#take(generation, submit)
  }

  /** Keeps a picture for its submit: once, and only so many bytes. */
  put(id: string, secret: string, bytes: Uint8Array): Refused | undefined {
    const generation = this.#generations.get(id)
    if (generation === undefined || !same(generation.secret, secret) || generation.task.doing.kind !== "image") {
      return GONE(id)
    }
    if (generation.picture !== undefined || !generation.isGiven || generation.task.job.isOver) {
      return { status: 403, rc: "Forbidden", message: "This address takes one picture, and it was used." }
    }
    if (bytes.byteLength > this.#limits.pictureBytesMax) {
      return { status: 413, rc: "BadRequest", message: `A picture has at most ${this.#limits.pictureBytesMax} bytes.` }
    }
    this.#sweep()
    if (this.#keptBytes + bytes.byteLength > this.#limits.keptBytesMax) {
      return { status: 503, rc: "Maintenance", message: "Too many pictures wait to be submitted. Try again." }
    }
    generation.picture = bytes
    this.#keptBytes += bytes.byteLength
    generation.task.job.renew()
    return undefined
  }

  #read({ contextLength, most }: Worker, { request }: PullLease): Work | string {
    const { body, path } = request
    const said = Json.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8"))
    if (path === "/v1/images/generations") {
      const work = HordeImages.read(said, most, Ids.seed())
      return typeof work === "string" ? work : { kind: "image", work }
    }
    if (path !== "/v1/chat/completions" && path !== "/v1/completions") return "This provider makes texts and pictures."
    const work = HordeText.read(path, said, { maxLength: most, maxContextLength: contextLength })
    return typeof work === "string" ? work : { kind: "text", work }
  }

  #hand({ origin }: Worker, generation: Generation): Popped {
    const { id, index, secret, task } = generation
    const { doing, job } = task
    generation.isGiven = true
    job.renew()
    const ttl = Math.ceil(Math.min(this.#limits.ttlMs, job.request.headersMs) / 1_000)
    const popped = { id, ids: [id], skipped: {}, model: job.request.instance.model, ttl }
    if (doing.kind === "text") return { ...popped, payload: doing.work.payload }
    const upload = `${origin}/api/v2/generate/upload/${id}/${secret}`
    return { ...popped, payload: HordeImages.payloadOf(doing.work, index), r2_upload: upload, r2_uploads: [upload] }
  }

  #take(generation: Generation, { generation: given, state }: Submit): Refused | number {
    const { doing, job } = generation.task
    const isCensored = state === "censored" || state === "csam"
    if (doing.kind === "text") {
      if (typeof given !== "string" || given.length > TEXT_BYTES_MAX) {
        return { status: 400, rc: "BadRequest", message: "generation: the text, of at most a million characters." }
      }
      const reads = HordeText.tokensOf(doing.work.payload.prompt)
      const kudos = this.#kudos(job, { inputToken: reads, outputToken: HordeText.tokensOf(given) })
      this.#done(generation, { text: given, isCensored })
      return kudos
    }
    if (isCensored) {
      this.#end(generation, true)
      refuseBuyer(job, "The provider's filter withheld a picture.")
      return 0
    }
    const picture = given === "R2" ? generation.picture : this.#decode(given)
    if (picture === undefined || !HordeImages.isPicture(picture)) {
      this.#fault(generation, "What the worker submitted is no picture.")
      return { status: 400, rc: "BadRequest", message: "There is no WebP, PNG or JPEG in what was submitted." }
    }
    const kudos = this.#kudos(job, { image: 1 })
    this.#done(generation, picture)
    return kudos
  }

  #decode(given: string | null | undefined): Uint8Array | undefined {
    if (typeof given !== "string" || given.length > this.#limits.pictureBytesMax * 1.4) return undefined
    return Buffer.from(given, "base64")
  }

  #done(generation: Generation, result: HordeText.Generated | Uint8Array): void {
    const { task } = generation
    const { doing, done, job } = task
    this.#end(generation, true)
    done.set(generation.index, result)
    job.renew()
    if (done.size < doing.work.choices) return
    const createdS = Math.floor(this.#nowMs() / 1_000)
    const results = Array.from({ length: doing.work.choices }, (_, index) => done.get(index))
    const { body, type } =
      doing.kind === "text"
        ? HordeText.answer(
            doing.work,
            results.filter((one): one is HordeText.Generated => one !== undefined && "text" in one),
            { id: job.id, createdS },
          )
        : {
            type: "application/json",
            body: HordeImages.answer(
              results.filter((one) => one instanceof Uint8Array),
              createdS,
            ),
          }
    const bytes = Buffer.from(body)
    job.start(200, { "content-type": type, "content-length": String(bytes.length) })
    job.data(bytes)
    job.end()
  }

  /** What it earned, as far as it can be told before the market has counted. */
  #kudos({ request }: PullLease, usage: Usage): number {
    const cost = PriceSheet.cost(request.instance.price, usage)
    const share = Split.share(this.#definition.split, cost).find(({ party }) => party === "provider")?.amount ?? 0n
    const { scale } = chargeAssetOf(this.#definition)
    return Math.round(Number(share) / 10 ** (scale - KUDOS_SCALE - 2)) / 100
  }

  #fault(generation: Generation, detail: string): number {
    this.#end(generation, false)
    generation.task.job.fail({ reason: "ClosedEarly", detail })
    return 0
  }

  /** Forgets a generation but for how it ended. */
  #end({ id, picture, task }: Generation, isDone: boolean): void {
    if (!this.#generations.delete(id)) return
    this.#keptBytes -= picture?.byteLength ?? 0
    this.#past.set(id, { member: task.member, kind: task.doing.kind, isDone })
    const [oldest] = this.#past.size > PAST_MAX ? this.#past.keys() : []
    if (oldest !== undefined) this.#past.delete(oldest)
  }

  /** Ends the generations of requests that are over. */
  #sweep(): void {
    for (const generation of this.#generations.values()) {
      if (generation.task.job.isOver) this.#end(generation, false)
    }
  }
}
