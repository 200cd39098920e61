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
import * as Lowering from "./Lowering.ts"
import { Market } from "./Market.ts"
import * as RecountMetrics from "./RecountMetrics.ts"
import * as TokenBand from "./TokenBand.ts"
import { TokenCatalogue } from "./TokenCatalogue.ts"
import { TokenCount } from "./TokenCount.ts"
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
 * `bytesMax` is how much memory all recordings take, 32 MiB. `seed` decides, with a request's id, whether it is in the
 * sample; a secret one is drawn where none is given, so that nobody can tell beforehand.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly queueMax?: number
  readonly bytesMax?: number
  readonly seed?: string
}

const QUEUE_MAX = 256
const BYTES_MAX = 32 * 1024 * 1024
/** So many instances' standings are remembered; beyond it the one seen first is forgotten. */
const STANDINGS_MAX = 10_000

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

/** The requests that wait, and the memory which they share with those that are still under way. */
const makeShelf = (options: Options, dropped: () => void) => {
  const { bytesMax = BYTES_MAX, queueMax = QUEUE_MAX } = options
  const waiting: Array<Job> = []
  let bytes = 0
  const dropOldest = (): boolean => {
    const oldest = waiting.shift()
    oldest?.recording.drop()
    if (oldest !== undefined) dropped()
    return oldest !== undefined
  }
  return {
    room: {
      take: (more: number): boolean => {
        while (bytes + more > bytesMax) if (!dropOldest()) return false
        bytes += more
        return true
      },
      give: (less: number): void => {
        bytes -= less
      },
    },
    put: (job: Job): void => {
      if (waiting.length >= queueMax) dropOldest()
      waiting.push(job)
    },
    next: (): Job | undefined => waiting.shift(),
    get isEmpty(): boolean {
      return waiting.length === 0
    },
  }
}

const makeStandings = () => {
  const standings = new Map<InstanceId, Standing>()
  return {
    of: (instance: InstanceId): Standing | undefined => standings.get(instance),
    add: (instance: InstanceId | undefined, verdict: Verdict.Verdict): void => {
      if (instance === undefined || verdict._tag === "unknown") return
      const before = standings.get(instance) ?? { counted: 0, lowered: 0, higher: 0 }
      const [oldest] = standings.keys()
      if (standings.size >= STANDINGS_MAX && !standings.has(instance) && oldest !== undefined) standings.delete(oldest)
      standings.set(instance, {
        counted: before.counted + 1,
        lowered: before.lowered + (verdict._tag === "lowered" ? 1 : 0),
        higher: before.higher + (verdict._tag === "higher" ? 1 : 0),
      })
    },
  }
}

/** What is suspicious: the meter had to cut the report, or it lies outside of what exact counts have taught. */
const makeSuspicion = () => {
  const inputs = TokenBand.make()
  const outputs = TokenBand.make()
  return {
    isSuspicious: ({ entry: { receipt }, outputBytes, promptBytes }: Settled): boolean => {
      const { cachedInputToken = 0, inputToken = 0, outputToken = 0 } = receipt.usage
      return (
        receipt.usageSource === "bounded" ||
        outputToken > outputBytes / outputs.band(receipt.model).low ||
        inputToken + cachedInputToken > promptBytes / inputs.band(receipt.model).low
      )
    },
    learn: (settled: Settled, { input, output }: { input: { low: number }; output: { low: number } }): void => {
      const { model } = settled.entry.receipt
      if (input.low > 0) inputs.learn(model, { bytes: settled.promptBytes, tokens: input.low })
      if (output.low > 0) outputs.learn(model, { bytes: settled.outputBytes, tokens: output.low })
    },
  }
}

const make = Effect.fnUntraced(function* (options: Options) {
  const { definition } = yield* Market
  const catalogue = yield* TokenCatalogue
  const tokens = yield* TokenCount
  const metrics = yield* RecountMetrics.make
  const lower = yield* Lowering.make
  const { seed = randomBytes(32).toString("hex") } = options
  const shelf = makeShelf(options, () => metrics.count("dropped"))
  const standings = makeStandings()
  const suspicion = makeSuspicion()
  const bell = yield* Queue.dropping<void>(1)
  const idle: Array<() => void> = []
  let busy = false

  /** Counts one, and lowers its charge where it must be. */
  const judge = Effect.fnUntraced(function* ({ recording, settled, templateDigest, tokenizerDigest }: Job) {
    const { receipt } = settled.entry
    const { exchanged } = recording
    recording.drop()
    if (exchanged === undefined) return metrics.count("dropped")
    const counted = yield* tokens.countExact({ ...exchanged, model: receipt.model, tokenizerDigest, templateDigest })
    suspicion.learn(settled, counted)
    const verdict = Verdict.of(receipt.usage, counted)
    standings.add(receipt.instance, verdict)
    const result = verdict._tag === "lowered" ? yield* lower(settled, verdict.usage) : verdict._tag
    metrics.count(result)
    if ("tokens" in verdict) metrics.tokens(verdict._tag, verdict.tokens)
  })

  const work = Effect.gen(function* () {
    yield* Queue.take(bell)
    busy = true
    for (let job = shelf.next(); job !== undefined; job = shelf.next()) {
      yield* judge(job).pipe(
        Effect.catchTag("TokenCountError", (error) =>
          Effect.andThen(
            Effect.sync(() => metrics.count(error.reason === "Crashed" ? "crashed" : "not_available")),
            Effect.logWarning(error.message),
          ),
        ),
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
    return {
      onStart: (sent) => recording.start(sent),
      onBytes: (chunk) => recording.add(chunk),
      onEnd: (settled) => {
        const chosen =
          settled !== undefined && (suspicion.isSuspicious(settled) || sampled(seed, id, definition.recount.percent))
        if (!chosen) return recording.drop()
        shelf.put({ settled, recording, tokenizerDigest: entry.tokenizer, templateDigest: entry.template })
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
