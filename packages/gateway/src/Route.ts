/**
 * Step 4. Chooses an instance and, while nothing has gone to the buyer, another one after a failure. What was chosen is
 * recorded by reference, so that it can be explained later.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Endpoint } from "@guildhall/core/Endpoint"
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import type { ModelId } from "@guildhall/core/Model"
import type { ReasonCode } from "@guildhall/core/Reason"
import type { Attempt as AttemptRecord, RoutingDecision } from "@guildhall/journal/JournalEntry"
import type { Answered } from "@guildhall/routing/Performance"
import { type Choice, Router } from "@guildhall/routing/Router"
import type { Admitted } from "./Admit.ts"
import type * as Hedge from "./Hedge.ts"
import type { HoldGate } from "./HoldGate.ts"
import * as InferenceEndpoint from "./InferenceEndpoint.ts"
import type { Ending } from "./internal/Exchange.ts"
import * as Ids from "./internal/Ids.ts"
import * as RequestBody from "./internal/RequestBody.ts"
import * as RequestRewrite from "./internal/RequestRewrite.ts"
import * as Ticks from "./internal/Ticks.ts"
import { Market } from "./Market.ts"
import type { Priced } from "./Price.ts"
import type { Attempt, RelayJob, Relayed } from "./Relay.ts"
import * as RetryBudget from "./RetryBudget.ts"
import * as Tickets from "./Tickets.ts"

/**
 * What came of a request's attempts: how the last one ended, on which instance, and how it came to that.
 * `relayed` is absent where no instance was asked. `hedges` are the attempts that were asked beside another one and lost.
 * `retryMs` says when another attempt could be afforded, where the budget for them was spent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Routed {
  readonly ending: Ending
  readonly relayed: Relayed | undefined
  readonly instance: Instance | undefined
  readonly decision: RoutingDecision
  readonly hedges: ReadonlyArray<Tried>
  readonly firstByteAtMs: number | undefined
  readonly retryMs: number | undefined
}

/**
 * An instance that was asked, and what came of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tried {
  readonly number: number
  readonly instance: Instance
  readonly version: number
  readonly relayed: Relayed
}

const failed = (reason: ReasonCode, detail?: string): Ending => ({ _tag: "Failed", reason, retry: false, detail })

/** Why an attempt did not serve, for the record. */
const reasonOf = (ending: Ending): ReasonCode | undefined => {
  switch (ending._tag) {
    case "Completed":
      return undefined
    case "Aborted":
      return "client_closed_request"
    case "Failed":
    case "Truncated":
      return ending.reason
  }
}

const record = ({ instance, relayed, version }: Tried, asked: ModelId): AttemptRecord => {
  const reason = reasonOf(relayed.ending)
  return {
    instance: instance.id,
    version,
    ...(instance.model === asked ? {} : { model: instance.model }),
    ...(reason === undefined ? {} : { reason }),
  }
}

/** The endpoint that a decision need not name. */
const isStandard = (endpoint: Endpoint): boolean => endpoint === "chat/completions"

/** Of fewer tokens, a rate says little. */
const RATED_TOKENS_MIN = 8

/** How fast an attempt was that came to its end. */
const answeredBy = ({ ending, firstTokenAt, tally }: Relayed, startedAt: number): Answered | undefined => {
  const tokens = Math.max(tally.deltas, tally.outputBytes / 4)
  if (ending._tag !== "Completed" || firstTokenAt === undefined || tokens < RATED_TOKENS_MIN) return undefined
  const seconds = Math.max(0.001, (Ticks.now() - firstTokenAt) / 1_000)
  return { firstTokenMs: firstTokenAt - startedAt, tokensPerSecond: tokens / seconds }
}

const isLost = ({ relayed }: Pick<Tried, "relayed">): boolean =>
  relayed.ending._tag === "Failed" && relayed.ending.reason === "hedge_lost"

/** One request on its way: what was tried, and what the router is asked next. */
interface Way {
  readonly job: RelayJob
  readonly priced: Priced
  readonly gate: HoldGate
  readonly seed: number
  readonly carry: (job: RelayJob, attempt: Attempt) => Effect.Effect<Relayed>
  readonly tried: Array<Tried>
  /** The instances that were asked, in their order; each try is on another. */
  readonly asked: Array<InstanceId>
  version: number | undefined
  /** Which of the models it is now, and why the first one had nobody. */
  modelAt: number
  noneLeft: ReasonCode | undefined
}

/**
 * Makes the step. The effect that it gives cannot fail; a request that no instance could serve ends with a reason.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (hedge: Hedge.Hedge) {
  const { definition } = yield* Market
  const router = yield* Router
  const ticket = yield* Tickets.make
  const retryBudget = RetryBudget.make(definition.relay.retries, Ticks.now())

  const decisionOf = ({ job, priced, seed, tried, version }: Way): RoutingDecision => ({
    replica: router.replica,
    version: version ?? 0,
    policy: router.policy,
    seed,
    model: job.admitted.model,
    contextTokens: priced.contextTokens,
    ...(isStandard(job.admitted.endpoint.name) ? {} : { endpoint: job.admitted.endpoint.name }),
    ...(job.admitted.preferences === undefined ? {} : { preferences: job.admitted.preferences }),
    attempts: tried.map((one) => record(one, job.admitted.model)),
  })

  /** The longest that one answer may get. What a whole answer costs is known only at its end, so it is held before. */
  const outputLimit = ({ touched }: Admitted, gate: HoldGate): number => {
    const { outputTokens } = definition.limits
    if (touched.stream || touched.choices === 0) return outputTokens
    return Math.min(outputTokens, Math.floor(gate.reserved.tokens / touched.choices))
  }

  /** The next instance: of the model that was asked for while it has one, and then of those that may take its place. */
  const choose = (way: Way): Choice => {
    const { endpoint, models, preferences } = way.job.admitted
    for (;;) {
      const model = models[way.modelAt] ?? way.job.admitted.model
      const request = {
        model,
        contextTokens: way.priced.contextTokens,
        tried: way.asked,
        endpoint: endpoint.name,
        ...(preferences === undefined ? {} : { preferences }),
      }
      const choice = router.choose(request, way.seed)
      way.version ??= choice.version
      if (choice._tag === "Chosen") return choice
      // What is wrong with the model that was asked for says more than what is wrong with the last resort.
      way.noneLeft ??= choice.reason
      if (way.modelAt + 1 >= models.length) return choice
      way.modelAt += 1
    }
  }

  /** Asks the router, and the instance that it names. An ending says that there is nobody, or nothing, to ask with. */
  const attempt = Effect.fnUntraced(function* (way: Way) {
    const { asked, carry, gate, job, priced } = way
    const { admitted } = job
    const choice = choose(way)
    if (choice._tag === "NoneLeft")
      return failed(way.asked.length === 0 ? (way.noneLeft ?? choice.reason) : choice.reason)
    const { instance, version } = choice
    const endpoint = InferenceEndpoint.of(RequestBody.spokenBy(admitted.endpoint.name, instance))
    const target = { model: instance.model, endpoint, contextLength: instance.contextLength }
    const body = RequestRewrite.make(admitted, target, {
      outputTokens: outputLimit(admitted, gate),
      promptBound: priced.promptBound,
    })
    if (Result.isFailure(body)) return failed(body.failure.code, body.failure.detail)
    asked.push(instance.id)
    const number = asked.length
    const explain = () => JSON.stringify({ ...decisionOf(way), attempt: number, instance: instance.id })
    router.apply({ _tag: "DispatchStarted", instanceId: instance.id })
    const carried = Effect.gen(function* () {
      const nowMs = yield* Clock.currentTimeMillis
      // A stream's hold may grow while the ticket is out.
      const hold = admitted.touched.stream ? gate.most.amount : gate.reserved.amount
      const request = { requestId: admitted.id, attempt: number, instance, hold, nowMs }
      const signed = yield* Effect.orElseSucceed(ticket(request), () => undefined)
      if (signed === undefined) return failed("service_unavailable")
      const startedAt = Ticks.now()
      const relayed = yield* carry(job, { number, instance, endpoint, explain, ...body.success, ticket: signed })
      const answered = admitted.touched.stream ? answeredBy(relayed, startedAt) : undefined
      if (answered !== undefined) router.observe(instance.id, answered, nowMs)
      if (hedge.isOn && relayed.firstTokenAt !== undefined) hedge.learn(instance.id, relayed.firstTokenAt - startedAt)
      return { number, instance, version, relayed } satisfies Tried
    })
    return yield* Effect.ensuring(
      carried,
      Effect.sync(() => router.apply({ _tag: "DispatchEnded", instanceId: instance.id })),
    )
  })

  /** One attempt, or two side by side where the first is slower than it usually is. */
  const round = (way: Way) => {
    const { admitted, outlet } = way.job
    const one = attempt(way)
    if (!hedge.isOn || !admitted.touched.stream) return Effect.map(one, (result) => [result])
    return hedge.race(one, one, {
      usualMs: () => {
        const asked = way.asked.at(-1)
        return asked === undefined ? undefined : hedge.usualMs(asked)
      },
      isSlow: () => !outlet.shows() && outlet.gate.state === "open",
      amount: way.priced.cost(0),
    })
  }

  /** A buyer who allows no fallback gets one attempt, or one for each provider in its order. */
  const mayFallBack = ({ models, preferences }: Admitted, tried: ReadonlyArray<Tried>): boolean =>
    preferences?.fallbacks !== false || preferences.order !== undefined || tried.length < models.length

  const mayRetry = ({ job, tried }: Way, ending: Ending): boolean =>
    ending._tag === "Failed" &&
    ending.retry &&
    tried.length < definition.attempts &&
    mayFallBack(job.admitted, tried) &&
    job.flight.stopped === undefined &&
    !job.outlet.gone &&
    Ticks.now() < job.deadline

  return Effect.fnUntraced(function* (
    job: RelayJob,
    priced: Priced,
    carry: (job: RelayJob, attempt: Attempt) => Effect.Effect<Relayed>,
  ) {
    const way: Way = {
      job,
      priced,
      gate: job.outlet.gate,
      seed: Ids.seed(),
      carry,
      tried: [],
      asked: [],
      version: undefined,
      modelAt: 0,
      noneLeft: undefined,
    }
    let last: Tried | undefined
    let ending: Ending = failed("no_capacity")
    let retryMs: number | undefined
    retryBudget.request()
    for (;;) {
      const results = yield* round(way)
      const tried = results.flatMap((result) => ("relayed" in result ? [result] : []))
      way.tried.push(...tried)
      last = tried.find((one) => one.relayed.ending._tag !== "Failed") ?? tried.find((one) => !isLost(one)) ?? last
      const [stop] = results.flatMap((result) => ("relayed" in result ? [] : [result]))
      // What the last instance said is closer to the truth than that there is no other.
      if (last !== undefined) ending = last.relayed.ending
      else if (stop !== undefined) ending = stop
      if (stop !== undefined || !mayRetry(way, ending)) break
      if (!retryBudget.take(Ticks.now())) {
        retryMs = retryBudget.waitMs(Ticks.now()) ?? 1_000
        break
      }
    }
    if (job.flight.stopped !== undefined && ending._tag === "Failed") ending = failed(job.flight.stopped)
    return {
      ending,
      relayed: last?.relayed,
      instance: last?.instance,
      decision: decisionOf(way),
      hedges: way.tried.filter(isLost),
      firstByteAtMs: job.outlet.firstByteAtMs,
      retryMs,
    } satisfies Routed
  })
})
