/**
 * Idempotency of inference. Requests of one member with the same `Idempotency-Key`, path and bytes are one request: one
 * call upstream, one charge, one answer.
 *
 * - The first is answered as any other. A twin in flight gets the same bytes as they come, at its own pace; where the first
 *   buyer leaves, the answer goes on as long as a twin listens, and is the first's charge.
 * - A complete answer is kept sealed for less than a day, and replayed with its status, headers and bytes. One that may not be kept
 *   (`data_collection: deny`), or is too long, leaves its name only: a later twin is told `answer_not_kept`.
 * - What was not answered to the end is forgotten: a retry runs anew, and pays for itself. The buyer of a truncated answer
 *   has paid for what was delivered of it.
 * - A claim whose process is gone is taken over once its hold can no longer be charged, so that never both are.
 *
 * Two bodies are the same if all their bytes are: members in another order, or another boundary of a form, are another
 * request, and answered `idempotency_conflict`. Other headers do not count.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type { ReasonCode } from "@guildhall/core/Reason"
import type { RequestId } from "@guildhall/core/Request"
import { AnswerStore, type Claimed } from "@guildhall/journal/AnswerStore"
import type { Ledger } from "@guildhall/ledger/Ledger"
import type { Payer } from "@guildhall/ledger/PaymentScheme"
import { AnswerSeal } from "./AnswerSeal.ts"
import { type AnswerBuffer, AnswerMemory } from "./internal/AnswerBuffer.ts"
import { AnswerFlight, isSame } from "./internal/AnswerFlight.ts"
import * as AnswerKeeping from "./internal/AnswerKeeping.ts"
import * as AnswerWriter from "./internal/AnswerWriter.ts"
import type { Buyer } from "./internal/Buyer.ts"
import * as FormerHold from "./internal/FormerHold.ts"
import { Market } from "./Market.ts"
import { Refusal } from "./Refusal.ts"

/**
 * A request with an idempotency key, after it was let in. `path` is its endpoint, with whatever else is needed to know what
 * its bytes mean. `keep` says whether its answer may be kept; `twin` is the buyer's
 * connection, and `isStopped` says that the gateway wants to be done.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ask {
  readonly id: RequestId
  readonly payer: Payer
  readonly key: string
  readonly path: string
  readonly body: Uint8Array
  readonly keep: boolean
  readonly twin: Pick<Buyer, "gone" | "onGone">
  readonly isStopped: () => boolean
}

/**
 * Who hears an answer go out. `wanted` says that a twin listens: then the answer goes on although its buyer has left, until
 * `onUnwanted` is called.
 *
 * @category models
 * @since 0.1.0
 */
export interface AnswerTap {
  readonly onHead: (status: number, headers: Readonly<Record<string, string>>) => void
  readonly onBytes: (bytes: Buffer) => void
  readonly onTrailers: (trailers: Readonly<Record<string, string>>) => void
  readonly onEnd: (outcome: "completed" | "truncated" | "aborted" | "failed") => void
  /** There is no answer, and this is what the buyer is told instead. */
  readonly onRefused: (refusal: Refusal) => void
  readonly wanted: boolean
  onUnwanted: (() => void) | undefined
}

/**
 * What is to be done with a request. `Fresh`: answer it, with the tap on its answer, and run `finish` in every case once it
 * is settled. `Told`: the answer is there, or on its way; it only has to be written.
 *
 * @category models
 * @since 0.1.0
 */
export type Begun =
  | {
      readonly _tag: "Fresh"
      readonly tap: AnswerTap
      readonly finish: Effect.Effect<void>
    }
  | { readonly _tag: "Told"; readonly write: (options: WriteOptions) => Effect.Effect<void> }

/**
 * How an answer is told again. `headers` are this asker's own; `frame` gives a stream's last event where it cannot be told to the end; `onStop` is handed
 * a function that ends it.
 *
 * @category models
 * @since 0.1.0
 */
export type WriteOptions = Omit<AnswerWriter.WriteOptions, "totalMs">

/**
 * - `keepMs`: how long an answer is kept. A sweep erases it soon after, and a day is promised.
 * - `answerBytes`: a longer answer is not kept, and twins may fall behind by so much.
 * - `memoryBytes`: what all answers together take in this process's memory.
 * - `waitMs`: how long a twin waits for an answer of another process.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly keepMs: number
  readonly answerBytes: number
  readonly memoryBytes: number
  readonly waitMs: number
}

/**
 * 23 hours and 50 minutes, 8 MiB, 256 MiB, 25 seconds.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaults: Options = {
  keepMs: 85_800_000,
  answerBytes: 8 * 1024 * 1024,
  memoryBytes: 256 * 1024 * 1024,
  waitMs: 25_000,
}

/**
 * The service.
 *
 * @category services
 * @since 0.1.0
 */
export class Idempotency extends Context.Service<
  Idempotency,
  { readonly begin: (ask: Ask) => Effect.Effect<Begun, Refusal> }
>()("@guildhall/gateway/Idempotency") {}

const asked = Metric.counter("guildhall_idempotent_requests", {
  description: "Requests with an idempotency key, by what became of them.",
})

const KEY = /^[\x20-\x7e]{1,255}$/
/** A twin looks so often whether another process is done: at first soon, then more seldom. */
const LOOK_MS = { first: 40, most: 400 }

const later = (code: ReasonCode, detail: string) => new Refusal({ code, detail, headers: { "retry-after": "1" } })

/** What was asked, and where its answer belongs. */
interface Question extends Ask {
  readonly secret: Redacted.Redacted
  readonly slot: string
  readonly fingerprint: string
  /** Until when an answer of another process is waited for. */
  readonly untilMs: number
}

const conflict = Effect.suspend(
  () =>
    new Refusal({
      code: "idempotency_conflict",
      detail: "This Idempotency-Key was used for another request in the last day. Use a new key for a new request.",
      param: "Idempotency-Key",
    }),
)
const notKept = Effect.suspend(() => {
  const detail =
    "The request with this Idempotency-Key was answered, and its answer is not kept: its data may not be collected, or it was too long. Nothing was charged now. Use a new key to ask again."
  return new Refusal({ code: "answer_not_kept", detail })
})

/** Waits a while, but not longer than the twin does. */
const pause = (ms: number, twin: Ask["twin"]): Effect.Effect<void, Refusal> =>
  Effect.suspend(() => {
    const gone = Effect.callback<void>((resume) => {
      twin.onGone = () => resume(Effect.void)
      if (twin.gone) twin.onGone()
    })
    return Effect.interruptible(Effect.raceFirst(Effect.sleep(ms), gone)).pipe(
      Effect.andThen(
        Effect.suspend(() => {
          twin.onGone = undefined
          return twin.gone ? Effect.fail(new Refusal({ code: "client_closed_request" })) : Effect.void
        }),
      ),
    )
  })

/** Makes what follows from how another process's claim stands; it answers undefined to look again later. */
const makeJudge = Effect.fnUntraced(function* (keeping: Effect.Success<ReturnType<typeof AnswerKeeping.make>>) {
  const formerHold = yield* FormerHold.make
  return Effect.fnUntraced(function* (question: Question, found: Extract<Claimed, { readonly _tag: "Taken" }>) {
    if (!isSame(found.fingerprint, question.fingerprint)) return yield* conflict
    if (found.state === "running") return undefined
    if (found.state === "lapsed") {
      const fate = yield* formerHold(found.request, question.payer)
      if (fate === "charged") return yield* notKept
      return fate === "free" ? ("free" as const) : undefined
    }
    const answer = found.state === "kept" ? yield* keeping.recall(question, found.bytes) : undefined
    return answer ?? (yield* notKept)
  })
})

const count = (outcome: string) => Metric.update(Metric.withAttributes(asked, { outcome }), 1)

/** Keeps the claims of this process alive: those that it still answers, and no other that may be left in its name. */
const renewal = (store: AnswerStore["Service"], flights: ReadonlyMap<string, AnswerFlight>, leaseMs: number) =>
  Effect.suspend(() => {
    const claims = Array.from(flights, ([slot, { request }]) => ({ slot, request }))
    return claims.length === 0 ? Effect.void : store.renew(claims, leaseMs)
  }).pipe(
    Effect.catch((error) => Effect.logWarning("The claims of idempotency keys could not be renewed.", error.message)),
    Effect.withTracerEnabled(false),
  )

const make = Effect.fnUntraced(function* (options: Options) {
  const { definition } = yield* Market
  const store = yield* AnswerStore
  const seal = yield* AnswerSeal
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const memory = new AnswerMemory(options.memoryBytes)
  const keeping = yield* AnswerKeeping.make({ keepMs: options.keepMs, memory })
  const judge = yield* makeJudge(keeping)
  const flights = new Map<string, AnswerFlight>()
  const { lifeMs, renewMs } = definition.hold

  yield* Effect.forkScoped(Effect.schedule(renewal(store, flights, lifeMs), Schedule.spaced(renewMs)))

  const close = (slot: string, flight: AnswerFlight): void => {
    if (flights.get(slot) === flight) flights.delete(slot)
    flight.close()
  }

  const fresh = (question: Question, flight: AnswerFlight): Begun => {
    const kept = Deferred.makeUnsafe<void>()
    let isKept = false
    flight.claimed()
    // Nobody waits for it: the answer is written down while the request is being settled.
    flight.onCompleted = () => {
      isKept = true
      const keep = keeping.keep(question, flight.buffer, question.keep)
      fork(keep).addObserver((exit) => Deferred.doneUnsafe(kept, exit))
    }
    const finish = Effect.suspend(() => (isKept ? Deferred.await(kept) : keeping.release(question)))
    return {
      _tag: "Fresh",
      tap: flight,
      finish: finish.pipe(
        Effect.catchCause((cause) => Effect.logError(`The answer of ${question.id} could not be kept.`, cause)),
        Effect.ensuring(Effect.sync(() => close(question.slot, flight))),
      ),
    }
  }

  const told = (buffer: AnswerBuffer, leave: () => void): Begun => ({
    _tag: "Told",
    write: (how) =>
      AnswerWriter.write(buffer, { ...how, totalMs: definition.timeouts.totalMs }).pipe(
        Effect.ensuring(Effect.sync(leave)),
      ),
  })

  /** Claims the slot for this request, or waits for what becomes of it elsewhere. */
  const claim = Effect.fnUntraced(function* (question: Question, flight: AnswerFlight) {
    const { fingerprint, id, isStopped, payer, slot, twin, untilMs } = question
    const claim = { slot, fingerprint, member: payer.memberId, request: id, leaseMs: lifeMs }
    let waitMs = LOOK_MS.first
    let after: RequestId | undefined
    while (true) {
      const found = yield* Effect.mapError(store.claim({ ...claim, after }), AnswerKeeping.unavailable)
      if (found._tag === "Claimed") {
        yield* count(after === undefined ? "fresh" : "taken_over")
        return fresh(question, flight)
      }
      if (found._tag === "Full") {
        return yield* later("rate_limited", "Too many idempotency keys were used within a day. Send fewer, or none.")
      }
      const verdict = yield* judge(question, found)
      if (verdict === "free") after = found.request
      else if (verdict !== undefined) {
        yield* count("replayed")
        return told(verdict, () => verdict.drop())
      } else if ((yield* Clock.currentTimeMillis) + waitMs > untilMs || isStopped()) {
        const detail = "The request with this Idempotency-Key is still being answered. Send it again."
        return yield* later("request_in_progress", detail)
      } else {
        yield* pause(waitMs, twin)
        waitMs = Math.min(waitMs * 2, LOOK_MS.most)
      }
    }
  })

  const first = (question: Question) =>
    Effect.suspend(() => {
      const { fingerprint, id, slot } = question
      const flight = new AnswerFlight({ request: id, fingerprint, memory, max: options.answerBytes })
      flights.set(slot, flight)
      return Effect.onExit(claim(question, flight), (exit) =>
        Effect.sync(() => {
          if (exit._tag === "Failure" || exit.value._tag !== "Fresh") close(slot, flight)
        }),
      )
    })

  /** A twin in this process: it gets what the first gets, or, where that is nothing, tries for itself. */
  const join = Effect.fnUntraced(function* ({ fingerprint, twin }: Question, flight: AnswerFlight) {
    const met = yield* flight.meet(twin, fingerprint)
    if (met instanceof Refusal) return yield* met
    if (met === "other") return yield* conflict
    if (met === "gone") return yield* new Refusal({ code: "client_closed_request" })
    if (met === "again") return undefined
    if (flight.buffer.overflowed) {
      flight.leave()
      return yield* notKept
    }
    yield* count("shared")
    return told(flight.buffer, () => flight.leave())
  })

  const begin = Effect.fnUntraced(function* (ask: Ask): Effect.fn.Return<Begun, Refusal> {
    if (!KEY.test(ask.key)) {
      const detail = "Idempotency-Key must have 1 to 255 printable ASCII characters. Send a UUID, for example."
      return yield* new Refusal({ code: "invalid_request", detail, param: "Idempotency-Key" })
    }
    const secret = Redacted.make(ask.key)
    const slot = seal.slot(ask.payer.memberId, secret)
    const untilMs = (yield* Clock.currentTimeMillis) + options.waitMs
    const question = { ...ask, secret, slot, fingerprint: seal.fingerprint(slot, ask.path, ask.body), untilMs }
    while (true) {
      const flight = flights.get(slot)
      const begun = flight === undefined ? yield* first(question) : yield* join(question, flight)
      if (begun !== undefined) return begun
    }
  })

  return Idempotency.of({ begin: (ask) => Effect.tapError(begin(ask), ({ code }) => count(code)) })
})

/**
 * The service over the store and the secrets in context. Claims live as long as holds do, and are renewed as often.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Partial<Options> = {},
): Layer.Layer<Idempotency, never, AnswerStore | AnswerSeal | Market | Ledger> =>
  Layer.effect(Idempotency, make({ ...defaults, ...options }))
