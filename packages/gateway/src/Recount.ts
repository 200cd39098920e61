/**
 * Exact counts off the path: a sample of the requests, and every one whose count is suspicious, is counted again with
 * the model's own tokenizer after it was settled. A charge that was too high is lowered by a linked posting; one that
 * was too low stays, at the platform's cost.
 *
 * What is counted is kept in memory until then, within limits, and is never written anywhere.
 *
 * @since 0.1.0
 */
import { createHash, randomBytes } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type { Endpoint } from "@guildhall/core/Endpoint"
import type { InstanceId } from "@guildhall/core/Instance"
import type { ModelId } from "@guildhall/core/Model"
import type { RequestId } from "@guildhall/core/Request"
import type { JournalEntry } from "@guildhall/journal/JournalEntry"
import type { Ledger } from "@guildhall/ledger/Ledger"
import type * as Adjustment from "./Adjustment.ts"
import * as RecountShelf from "./internal/RecountShelf.ts"
import * as Standings from "./internal/Standings.ts"
import * as Suspicion from "./internal/Suspicion.ts"
import * as Lowering from "./Lowering.ts"
import { Market } from "./Market.ts"
import * as RecountMetrics from "./RecountMetrics.ts"
import { TokenCatalogue } from "./TokenCatalogue.ts"
import { type CountRequest, TokenCount, type TokenCountError } from "./TokenCount.ts"
import { COUNTED } from "./tokens/Counting.ts"
import { Recording } from "./tokens/Recording.ts"
import * as Verdict from "./tokens/Verdict.ts"

/**
 * A request that was settled: its entry for the journal, what its charge was made of, and the bytes that the meter saw.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settled {
  readonly entry: Extract<JournalEntry, { readonly _tag: "RequestEnded" }>
  readonly charged: Omit<Adjustment.Charged, "receipt">
  readonly outputBytes: number
  readonly promptBytes: number
}

/**
 * What the lane tells of one request. All of it is cheap, never waits and never fails. `onStart` at each attempt, with
 * the bytes that are sent to the instance; `onBytes` with every chunk of its answer, as it came; `onEnd` once, after
 * the settlement, or with `undefined` where nothing was charged.
 *
 * @category models
 * @since 0.1.0
 */
export interface Observer {
  readonly onStart: (sent: { readonly endpoint: Endpoint; readonly body: Uint8Array }) => void
  readonly onBytes: (chunk: Uint8Array) => void
  readonly onEnd: (settled: Settled | undefined) => void
}

/**
 * How an instance's reports have stood up to exact counts in the life of this process.
 *
 * @category models
 * @since 0.1.0
 */
export interface Standing {
  readonly counted: number
  readonly lowered: number
  readonly higher: number
}

/**
 * The service.
 *
 * @category services
 * @since 0.1.0
 */
export class Recount extends Context.Service<
  Recount,
  {
    /** Begins to watch a request; undefined where its model has no tokenizer in the catalogue, which costs nothing. */
    readonly observe: (asked: { readonly id: RequestId; readonly model: ModelId }) => Observer | undefined
    /** How the reports of an instance have stood up; undefined where none was counted. */
    readonly standing: (instance: InstanceId) => Standing | undefined
    /** Waits until everything that was chosen so far is counted. */
    readonly drain: Effect.Effect<void>
  }
>()("@guildhall/gateway/Recount") {}

/**
 * Settings. `queueMax` is how many requests wait at most, 256 where it is not given; the oldest is dropped for a new one.
 * `bytesMax` is how much memory all recordings take, 32 MiB. `cpuPercent` is how much of one core counting takes at most
 * over time, 10; what does not fit is dropped. `seed` decides, with a request's id, whether it is in the
 * sample; a secret one is drawn where none is given, so that nobody can tell beforehand.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly queueMax?: number
  readonly bytesMax?: number
  readonly cpuPercent?: number
  readonly seed?: string
}

const QUEUE_MAX = 256
const BYTES_MAX = 32 * 1024 * 1024
const CPU_PERCENT = 10
/** A pause after a long count is never longer, in milliseconds. */
const REST_MAX_MS = 30_000

/**
 * Whether a request is in the sample. Pure: the same seed and id give the same answer.
 *
 * @category rules
 * @since 0.1.0
 */
export const sampled = (seed: string, id: RequestId, percent: number): boolean =>
  createHash("sha256").update(seed).update(id).digest().readUInt32BE(0) < (percent / 100) * 2 ** 32

interface Job {
  readonly settled: Settled
  readonly recording: Recording
  readonly tokenizerDigest: string
  readonly templateDigest: string | undefined
}

const make = Effect.fnUntraced(function* (options: Options) {
  const { definition } = yield* Market
  const catalogue = yield* TokenCatalogue
  const tokens = yield* TokenCount
  const metrics = yield* RecountMetrics.make
  const lower = yield* Lowering.make
  const { bytesMax = BYTES_MAX, queueMax = QUEUE_MAX, seed = randomBytes(32).toString("hex") } = options
  const shelf = RecountShelf.make<Job>({ bytesMax, queueMax, dropped: () => metrics.count("dropped") })
  const standings = Standings.make()
  const suspicion = Suspicion.make()
  const bell = yield* Queue.dropping<void>(1)
  const idle: Array<() => void> = []
  const share = (options.cpuPercent ?? CPU_PERCENT) / 100
  let busy = false
  let restUntilMs = 0

  /** Counts when it is time to: requests are served by the same cores. */
  const count = Effect.fnUntraced(function* (request: CountRequest) {
    const began = yield* Clock.currentTimeMillis
    if (began < restUntilMs) yield* Effect.sleep(restUntilMs - began)
    const from = yield* Clock.currentTimeMillis
    const rest = Effect.map(Clock.currentTimeMillis, (to) => {
      restUntilMs = to + Math.min(REST_MAX_MS, Math.max(0, to - from) * (1 / share - 1))
    })
    return yield* Effect.ensuring(tokens.countExact(request), rest)
  })

  /** Counts one, and lowers its charge where it must be. */
  const judge = Effect.fnUntraced(function* ({ recording, settled, templateDigest, tokenizerDigest }: Job) {
    const { receipt } = settled.entry
    const { exchanged } = recording
    recording.drop()
    if (exchanged === undefined) return metrics.count("dropped")
    const { outputBytes } = settled
    const digests = { tokenizerDigest, templateDigest }
    const counted = yield* count({ ...exchanged, outputBytes, model: receipt.model, ...digests })
    suspicion.learn(settled, counted)
    const verdict = Verdict.of(receipt.usage, counted)
    standings.add(receipt.instance, verdict)
    const result = verdict._tag === "lowered" ? yield* lower(settled, verdict.usage) : verdict._tag
    metrics.count(result)
    if ("tokens" in verdict) metrics.tokens(verdict._tag, verdict.tokens)
  })

  const told = new Set<string>()
  const missed = ({ settled, tokenizerDigest }: Job, error: TokenCountError) => {
    metrics.count(({ Crashed: "crashed", Malformed: "unknown", NotAvailable: "not_available" } as const)[error.reason])
    // Said once for each tokenizer: what cannot be used now cannot be used for the next request either.
    const isTold = error.reason !== "Crashed" && told.has(tokenizerDigest)
    told.add(tokenizerDigest)
    return isTold ? Effect.void : Effect.logWarning(`${settled.entry.receipt.model}: ${error.message}`)
  }

  const work = Effect.gen(function* () {
    yield* Queue.take(bell)
    busy = true
    for (let job = shelf.next(); job !== undefined; job = shelf.next()) {
      yield* judge(job).pipe(
        Effect.catchTag("TokenCountError", (error) => missed(job, error)),
        Effect.catchDefect((defect) =>
          Effect.andThen(
            Effect.sync(() => metrics.count("failed")),
            Effect.logError("A recount failed in a way that it should not. The charge stays.", defect),
          ),
        ),
      )
    }
    busy = false
    for (const tell of idle.splice(0)) tell()
  })
  yield* work.pipe(Effect.forever, Effect.forkScoped)

  const observe: Recount["Service"]["observe"] = ({ id, model }) => {
    const entry = catalogue.find(model)
    if (entry === undefined) return undefined
    const recording = new Recording(shelf.room)
    let isCounted = false
    return {
      onStart: (sent) => {
        isCounted = COUNTED.has(sent.endpoint)
        if (isCounted) recording.start(sent)
      },
      onBytes: (chunk) => recording.add(chunk),
      onEnd: (settled) => {
        if (!isCounted || settled === undefined) return recording.drop()
        const isSuspicious = suspicion.isSuspicious(settled)
        if (!isSuspicious && !sampled(seed, id, definition.recount.percent)) return recording.drop()
        const digests = { tokenizerDigest: entry.tokenizer, templateDigest: entry.template }
        shelf.put({ settled, recording, ...digests }, isSuspicious ? "suspicious" : "sample")
        Queue.offerUnsafe(bell, undefined)
      },
    }
  }

  return Recount.of({
    observe,
    standing: standings.of,
    drain: Effect.callback<void>((resume) => {
      if (shelf.isEmpty && !busy) return resume(Effect.void)
      idle.push(() => resume(Effect.void))
    }),
  })
})

/**
 * The layer that counts.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {},
): Layer.Layer<Recount, never, Market | Ledger | TokenCatalogue | TokenCount> => Layer.effect(Recount, make(options))

/**
 * The layer that counts nothing.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerNone: Layer.Layer<Recount> = Layer.succeed(
  Recount,
  Recount.of({ observe: () => undefined, standing: () => undefined, drain: Effect.void }),
)
