import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Endpoint } from "@guildhall/core/Endpoint"
import type { InstanceId } from "@guildhall/core/Instance"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import type { ModelId } from "@guildhall/core/Model"
import type { ReasonCode } from "@guildhall/core/Reason"
import type { RoutingFeatures } from "@guildhall/core/RoutingFeatures"
import type { Attempt as AttemptRecord, RoutingDecision } from "@guildhall/journal/JournalEntry"
import type { Asker, Outcome } from "@guildhall/routing/Health"
import { type Choice, type NoneLeft, Router } from "@guildhall/routing/Router"
import type { RoutingRequest } from "@guildhall/routing/RoutingPolicy"
import type { Admitted } from "../Admit.ts"
import * as Blame from "../Blame.ts"
import * as Features from "../Features.ts"
import type { Hedge } from "../Hedge.ts"
import type { HoldGate } from "../HoldGate.ts"
import * as InferenceEndpoint from "../InferenceEndpoint.ts"
import { Market } from "../Market.ts"
import type { Priced } from "../Price.ts"
import type { Attempt, RelayJob, Relayed } from "../Relay.ts"
import type { Tried } from "../Route.ts"
import { Tally } from "../Tally.ts"
import * as Tickets from "../Tickets.ts"
import * as Capacity from "./Capacity.ts"
import type { Ending } from "./Exchange.ts"
import * as RequestBody from "./RequestBody.ts"
import * as RequestRewrite from "./RequestRewrite.ts"
import * as Ticks from "./Ticks.ts"

/** One request on its way: what was tried, and what the router is asked next. */
export interface Way {
  readonly job: RelayJob
  readonly priced: Priced
  readonly gate: HoldGate
  readonly seed: number
  features: RoutingFeatures | undefined
  readonly carry: (job: RelayJob, attempt: Attempt) => Effect.Effect<Relayed>
  readonly tried: Array<Tried>
  /** The instances that were asked, in their order; each try is on another. */
  readonly asked: Array<InstanceId>
  version: number | undefined
  /** The models at which it was counted, and offered, for what guaranteed tiers are promised: each once. */
  readonly counted: Array<ModelId>
  readonly offered: Array<ModelId>
  /** Why the first of the models had nobody. */
  noneLeft: ReasonCode | undefined
  /** The first of them whose instances are only busy now. */
  full: ModelId | undefined
  /** How many were passed over because their dialect has no word for what is asked, and what that was for the first. */
  skipped: number
  wordless: Ending | undefined
}

/** So many are passed over: others of the same dialect would be as well, and each costs a translation. */
const SKIPPED_MAX = 8

const failed = (reason: ReasonCode, detail?: string): Ending => ({ _tag: "Failed", reason, retry: false, detail })

/** Why nobody is asked, and when that may be over where it is known. */
const noneLeft = ({ asked, noneLeft }: Way, { reason, retryMs }: NoneLeft): Ending => ({
  _tag: "Failed",
  reason: asked.length === 0 ? (noneLeft ?? reason) : reason,
  retry: false,
  ...(retryMs === undefined ? {} : { retryAfterS: Math.max(1, Math.round(retryMs / 1_000)) }),
})

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

/** Whose request an attempt was for, as long as nobody else has answered it. */
const askerOf = ({ job: { admitted } }: Way, ending: Ending): Asker => {
  const isUnasked = ending._tag === "Failed" && Blame.unasked.has(ending.reason)
  return { buyer: admitted.payer.memberId, request: admitted.id, fault: isUnasked ? "instance" : "unknown" }
}

/** The endpoint that a decision need not name. */
const isStandard = (endpoint: Endpoint): boolean => endpoint === "chat/completions"

/** Of fewer tokens, a rate says little. */
const RATED_TOKENS_MIN = 8

/** How fast a stream was that came to its end. */
const speedOf = (
  { ending, firstTokenAt, tally }: Relayed,
  startedAt: number,
): Pick<Outcome, "firstTokenMs" | "tokensPerSecond"> => {
  const tokens = Math.max(tally.deltas, tally.outputBytes / 4)
  if (ending._tag !== "Completed" || firstTokenAt === undefined || tokens < RATED_TOKENS_MIN) return NO_SPEED
  const seconds = Math.max(0.001, (Ticks.now() - firstTokenAt) / 1_000)
  return { firstTokenMs: firstTokenAt - startedAt, tokensPerSecond: tokens / seconds }
}
const NO_SPEED = {}

/** Two requests of which this is the same are served by the same instances, but for how long they are. */
const needsOf = ({ endpoint, features = {}, preferences, tried }: RoutingRequest): string => {
  const { buyer, confidential, countries, inputs, parameters, regions } = features
  const needs = [endpoint, tried, preferences, buyer, confidential, countries, inputs, parameters, regions]
  return JSON.stringify(needs, (_, value: unknown) => (typeof value === "bigint" ? `${value}` : value))
}

/** What one attempt sends, and to which instance. */
type Asked = Pick<Attempt, "number" | "endpoint"> &
  Result.Result.Success<ReturnType<typeof RequestRewrite.make>> & {
    readonly choice: Extract<Choice, { readonly _tag: "Chosen" }>
  }

/** A decision as it stands, for the buyer who asked for it. */
const explanation = (
  { attempts, model, policy, replica, seed, version }: RoutingDecision,
  now: { readonly attempt: number; readonly instance: InstanceId },
): string => JSON.stringify({ ...now, model, policy, seed, replica, version, failed: attempts })

/** Chooses among what the router offers. */
const makeChoice = (router: Router["Service"], definition: MarketDefinition) => {
  /** The longest that one answer may get. What a whole answer costs is known only at its end, so it is held before. */
  const outputLimit = ({ touched }: Admitted, gate: HoldGate): number => {
    const { outputTokens } = definition.limits
    if (touched.stream || touched.choices === 0) return outputTokens
    return Math.min(outputTokens, Math.floor(gate.reserved.tokens / touched.choices))
  }

  const requestOf = ({ asked, features, job: { admitted }, priced }: Way, model: ModelId): RoutingRequest => ({
    model,
    contextTokens: priced.contextTokens,
    tried: asked,
    endpoint: admitted.endpoint.name,
    ...(admitted.preferences === undefined ? {} : { preferences: admitted.preferences }),
    ...(features === undefined ? {} : { features }),
  })

  /** Chooses at one model, where what guaranteed tiers are promised counts the request: at its first instance, not at others. */
  const chooseAt = (way: Way, model: ModelId): Choice => {
    const { counted, offered } = way
    const { guaranteed } = router
    if (guaranteed === undefined || offered.includes(model)) return router.choose(requestOf(way, model), way.seed)
    if (!counted.includes(model) && guaranteed.asked(requestOf(way, model))) counted.push(model)
    const { features } = way
    const isCounted = counted.includes(model)
    if (isCounted && guaranteed.isDue(model)) way.features = { ...features, owed: [...(features?.owed ?? []), model] }
    const choice = router.choose(requestOf(way, model), way.seed)
    if (choice._tag === "NoneLeft") {
      // It may wait for one, and something else may be owed by then.
      way.features = features
      return choice
    }
    offered.push(model)
    if (isCounted) guaranteed.offered(choice.instance)
    return choice
  }

  /**
   * The next instance: of the model that was asked for while it has one, and then of those that may take its place. As each
   * attempt begins anew with the first, an audit can check that nobody was passed over.
   */
  const choose = (way: Way): Choice => {
    const { model: first, models } = way.job.admitted
    way.full = undefined
    let choice = chooseAt(way, first)
    way.version ??= choice.version
    for (let at = 0; choice._tag === "NoneLeft"; at++) {
      // What is wrong with the model that was asked for says more than what is wrong with the last resort.
      way.noneLeft ??= choice.reason
      if (choice.isFull) way.full ??= models[at]
      const next = models[at + 1]
      if (next === undefined) return choice
      choice = chooseAt(way, next)
    }
    return choice
  }

  /** The next instance, and what it is sent. One that speaks a dialect without a word for what is asked is passed over. */
  const choosePrepared = (way: Way) => {
    const { asked, gate, job, priced } = way
    const { admitted } = job
    for (;;) {
      const choice = choose(way)
      if (choice._tag === "NoneLeft") return way.wordless ?? noneLeft(way, choice)
      const { instance, version } = choice
      const endpoint = InferenceEndpoint.of(RequestBody.spokenBy(admitted.endpoint.name, instance))
      const target = { model: instance.model, endpoint, contextLength: instance.contextLength }
      const body = RequestRewrite.make(admitted, target, {
        outputTokens: outputLimit(admitted, gate),
        promptBound: priced.promptBound,
      })
      if (Result.isSuccess(body)) return { choice, endpoint, sent: body.success }
      const { code, detail, param } = body.failure
      const ending: Ending = { _tag: "Failed", reason: code, retry: false, detail, param }
      way.wordless ??= ending
      if (way.skipped >= SKIPPED_MAX) return way.wordless
      way.skipped += 1
      const relayed: Relayed = { ending, tally: new Tally(), sent: false, firstTokenAt: undefined }
      way.tried.push({ number: asked.push(instance.id), instance, version, relayed })
    }
  }

  return { choosePrepared, requestOf } as const
}

/** Makes the attempts of a process, and writes down what was decided for a request. */
export const make = Effect.fnUntraced(function* (hedge: Hedge) {
  const { definition } = yield* Market
  const router = yield* Router
  const ticket = yield* Tickets.make
  const classOf = Features.classes(definition)
  const waitForRoom = yield* Capacity.make(definition.queue, router)
  const { choosePrepared, requestOf } = makeChoice(router, definition)

  const decisionOf = ({ features, job, priced, seed, tried, version }: Way): RoutingDecision => ({
    replica: router.replica,
    version: version ?? 0,
    policy: router.policy,
    seed,
    model: job.admitted.model,
    ...(job.admitted.models.length < 2 ? {} : { fallbacks: job.admitted.models.slice(1) }),
    contextTokens: priced.contextTokens,
    ...(isStandard(job.admitted.endpoint.name) ? {} : { endpoint: job.admitted.endpoint.name }),
    ...(job.admitted.preferences === undefined ? {} : { preferences: job.admitted.preferences }),
    ...(features === undefined ? {} : { features }),
    attempts: tried.map((one) => record(one, job.admitted.model)),
  })

  /** Tells of the failures so far again, now that more is known of whose fault they are. */
  const blame = ({ job: { admitted }, tried }: Way, fault: Asker["fault"], atMs: number): void => {
    if (tried.length === 0) return
    const asker = { buyer: admitted.payer.memberId, request: admitted.id, fault }
    for (const { instance, relayed } of tried) {
      const kind = Blame.of(relayed.ending, [])
      if (kind === "failed") router.observe({ instanceId: instance.id, kind, atMs, asker })
    }
  }

  /** The request is over. Where it failed at one instance and no other was asked, nobody will find out whose fault it was. */
  const conclude = Effect.fnUntraced(function* (way: Way) {
    const suspects = way.tried.filter(({ relayed: { ending } }) => Blame.of(ending, []) === "failed")
    const isServed = way.tried.some(({ relayed: { ending } }) => ending._tag === "Completed")
    if (suspects.length === 1 && !isServed) blame(way, "alone", yield* Clock.currentTimeMillis)
  })

  /** Asks an instance. */
  const carry = Effect.fnUntraced(function* (way: Way, asked: Asked) {
    const { gate, job } = way
    const { choice, number, ...sent } = asked
    const { instance, version } = choice
    const { admitted } = job
    const nowMs = yield* Clock.currentTimeMillis
    // A stream's hold may grow while the ticket is out.
    const hold = admitted.touched.stream ? gate.most.amount : gate.reserved.amount
    const request = { requestId: admitted.id, attempt: number, instance, hold, nowMs }
    const signed = yield* Effect.orElseSucceed(ticket(request), () => undefined)
    if (signed === undefined) return failed("service_unavailable")
    const startedAt = Ticks.now()
    const explain = () => explanation(decisionOf(way), { attempt: number, instance: instance.id })
    const waiting = admitted.touched.stream ? router.waiting(instance.id, nowMs) : undefined
    const timeMs = (): number => nowMs + Math.round(Ticks.now() - startedAt)
    const onFirstToken =
      waiting &&
      (() => {
        router.answered(instance.id, waiting, timeMs())
        blame(way, "instance", timeMs())
      })
    const said = (requests: number) => router.said(instance.id, requests)
    const carried = way.carry(job, { ...sent, number, instance, explain, said, ticket: signed, onFirstToken })
    const relayed = yield* Effect.ensuring(
      carried,
      Effect.sync(() => waiting?.over()),
    )
    router.observe({
      instanceId: instance.id,
      kind: Blame.of(
        relayed.ending,
        way.tried.flatMap((one) => reasonOf(one.relayed.ending) ?? []),
      ),
      atMs: timeMs(),
      waiting,
      asker: askerOf(way, relayed.ending),
      ...(admitted.touched.stream ? speedOf(relayed, startedAt) : NO_SPEED),
    })
    if (relayed.ending._tag === "Completed") blame(way, "instance", timeMs())
    if (hedge.isOn && relayed.firstTokenAt !== undefined) hedge.learn(instance.id, relayed.firstTokenAt - startedAt)
    return { number, instance, version, relayed } satisfies Tried
  })

  /** Takes a place on the next instance. An ending says that there is nobody, or nothing, to ask with. */
  const takePlace = (way: Way) => {
    const found = choosePrepared(way)
    if ("_tag" in found) return found
    const { choice, endpoint, sent } = found
    const number = way.asked.push(choice.instance.id)
    router.apply({ _tag: "DispatchStarted", instanceId: choice.instance.id })
    return { ...sent, number, endpoint, choice }
  }

  /** Takes a place, and where every instance of a model is busy, waits for one. A hedge does not: the other one is on its way. */
  const seek = (way: Way) => {
    const found = takePlace(way)
    const model = way.full
    const isHedge = way.asked.length > way.tried.length
    if (!("_tag" in found) || model === undefined || definition.queue.waitMs === 0 || isHedge)
      return Effect.succeed(found)
    const { admitted, deadline, outlet } = way.job
    const request = requestOf(way, model)
    const take = () => {
      if (!router.hasRoom(request, way.seed)) return undefined
      return takePlace(way)
    }
    return waitForRoom({
      model,
      member: admitted.payer.memberId,
      class: classOf(admitted.payer.memberId),
      needs: needsOf(request),
      tokens: request.contextTokens,
      outlet,
      deadline,
      take,
    })
  }

  const free = (taken: Ending | Asked) =>
    Effect.sync(() => {
      if ("_tag" in taken) return
      router.apply({ _tag: "DispatchEnded", instanceId: taken.choice.instance.id })
    })

  /** Asks the instance that the router names. An ending says that there was none, or nothing to ask it with. */
  const attempt = (way: Way) =>
    Effect.acquireUseRelease(
      Effect.suspend(() => seek(way)),
      (taken) => ("_tag" in taken ? Effect.succeed(taken) : carry(way, taken)),
      free,
    )

  return { attempt, conclude, decisionOf } as const
})
