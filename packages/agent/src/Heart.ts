/**
 * Keeps the agent on its market: registers, beats, hands over the usage log, comes back after the market was away, and says
 * goodbye.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import type { InstanceId } from "@guildhall/core/Instance"
import type { Heartbeat, HeartbeatAnswer } from "@guildhall/protocol/provider/Heartbeat"
import type { Registration } from "@guildhall/protocol/provider/Registration"
import type { AgentError } from "./AgentError.ts"
import { AgentServer } from "./AgentServer.ts"
import * as AgentVersions from "./AgentVersions.ts"
import { DeviceKey } from "./DeviceKey.ts"
import { MarketClient } from "./MarketClient.ts"
import { UsageLog } from "./UsageLog.ts"

/**
 * A heart.
 *
 * - `register` joins the market with every instance and fails where the market says no; while the market is away it waits.
 * - `beat` sends one beat and answers whether lines of the log wait for another one.
 * - `run` beats until it is interrupted. It never fails.
 * - `farewell` says that the agent is draining, drains the server for up to `limitMs`, and hands over what was served meanwhile.
 *
 * @category models
 * @since 0.1.0
 */
export interface Heart {
  readonly register: Effect.Effect<ReadonlyArray<InstanceId>, AgentError>
  readonly beat: (state: State) => Effect.Effect<boolean, AgentError>
  readonly run: Effect.Effect<never>
  readonly farewell: (limitMs: number) => Effect.Effect<void>
}

type State = Heartbeat["instances"][number]["state"]

/** What a heart works with. */
interface Parts {
  readonly registrations: ReadonlyArray<Registration>
  readonly market: MarketClient["Service"]
  readonly server: AgentServer["Service"]
  readonly log: UsageLog["Service"]
  readonly key: DeviceKey["Service"]
  readonly joined: Ref.Ref<Joined>
  /** What the market refused in its last answer. */
  readonly refused: Ref.Ref<ReadonlySet<string>>
}

/** What the market answered to the registrations. */
interface Joined {
  readonly instances: ReadonlyArray<InstanceId>
  readonly intervalMs: number
  /** What the market answered last, which the next beat carries. */
  readonly nonce: string
}

const MAX_LINES = 500
const FIRST_INTERVAL_MS = 60_000
const FIRST_RETRY_MS = 500
const LAST_RETRY_MS = 30_000
/** Early beats keep this distance, or a market that acknowledges nothing would be asked without a pause. */
const MIN_DISTANCE_MS = 1_000
const GOODBYE_MS = 800

/** Some way around a time, so that agents which started together do not beat together. */
const around = (ms: number) => Effect.map(Random.next, (part) => Math.round(ms * (0.9 + part * 0.2)))

const backoff = (failures: number) =>
  Effect.flatMap(around(Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 10))), Effect.sleep)

/** A market that saw a higher number may have it from a copy of this home; a jump ends the quarrel. */
const retryReplayed = <A>({ key }: Parts, effect: Effect.Effect<A, AgentError>) =>
  Effect.catchIf(
    effect,
    (error) => error.code === "replayed_message",
    () => Effect.andThen(key.skipAhead, effect),
  )

const registerOnce = Effect.fnUntraced(function* (parts: Parts) {
  const answers = yield* Effect.forEach(parts.registrations, (body) =>
    retryReplayed(parts, parts.market.register(body)),
  )
  const instances = answers.map((answer) => answer.instance_id)
  const last = answers.at(-1)
  if (last !== undefined) {
    parts.server.learn({ keys: last.keys, instances })
    if (last.entry !== undefined) {
      yield* Effect.logInfo(`The market checks who enters before it sends requests. What it finds: GET ${last.entry}`)
    }
    yield* Ref.set(parts.joined, { instances, intervalMs: last.heartbeat_interval_ms, nonce: last.nonce })
  }
  return instances
})

const register = Effect.fn("Heart.register")(function* (parts: Parts) {
  for (let failures = 0; ; failures++) {
    const result = yield* Effect.result(registerOnce(parts))
    if (result._tag === "Success") return result.success
    if (!result.failure.isRetryable) return yield* result.failure
    if (failures === 0) yield* Effect.logWarning(result.failure.message)
    yield* backoff(failures)
  }
})

/**
 * Says what the market refuses, once. A line is sent again, and refused again, as long as one before it is not decided, and
 * then forgotten with it.
 */
const tellRefused = Effect.fnUntraced(function* ({ refused }: Parts, lines: HeartbeatAnswer["refused"]) {
  const said = yield* Ref.getAndSet(refused, new Set(lines.map(({ code, request_id }) => `${request_id} ${code}`)))
  yield* Effect.forEach(lines, ({ code, request_id }) =>
    said.has(`${request_id} ${code}`)
      ? Effect.void
      : Effect.logWarning(`The market refused the usage of ${request_id}: ${code}. It is not paid.`),
  )
})

const hear = Effect.fnUntraced(function* (parts: Parts, answer: HeartbeatAnswer) {
  const { joined, log, server } = parts
  const { instances } = yield* Ref.get(joined)
  server.learn({ keys: answer.keys, instances })
  yield* Ref.set(joined, { instances, intervalMs: answer.heartbeat_interval_ms, nonce: answer.nonce })
  yield* log.acknowledge(answer.acknowledged)
  yield* tellRefused(parts, answer.refused)
})

const beat = Effect.fn("Heart.beat")(function* (parts: Parts, state: State) {
  const { instances, nonce } = yield* Ref.get(parts.joined)
  const usage = yield* parts.log.report(MAX_LINES)
  const body: Heartbeat = {
    nonce,
    versions: AgentVersions.running,
    instances: instances.map((id) => ({ instance_id: id, state, in_flight: parts.server.inFlight(id) })),
    ...(usage === undefined ? {} : { usage }),
  }
  const answer = yield* retryReplayed(parts, parts.market.heartbeat(body))
  yield* hear(parts, answer)
  const first = usage?.lines[0]
  return usage?.lines.length === MAX_LINES && first !== undefined && answer.acknowledged >= first.number
})

/**
 * What to do after a beat that failed: join again where the market has forgotten the device, or waits for another beat than
 * this one, as after two answers that were lost or with a second agent that has this one's key; else wait.
 */
const recover = Effect.fnUntraced(function* (parts: Parts, error: AgentError, failures: number) {
  if (failures === 0 || !error.isRetryable) yield* Effect.logWarning(error.message)
  if (error.status === 404 || error.code === "stale_nonce") {
    const again = yield* Effect.result(register(parts))
    if (again._tag === "Success") return yield* Effect.logInfo("Registered again.")
    yield* Effect.logError(again.failure.message)
  }
  yield* backoff(failures)
})

/** Waits for the next beat: the interval, or less where many lines were recorded. */
const rest = Effect.fnUntraced(function* ({ joined, log }: Parts) {
  const { intervalMs } = yield* Ref.get(joined)
  const waitMs = yield* around(intervalMs)
  const distanceMs = Math.min(MIN_DISTANCE_MS, waitMs)
  yield* Effect.sleep(distanceMs)
  yield* Effect.ignore(Effect.timeout(log.due, waitMs - distanceMs))
})

const run = Effect.fnUntraced(function* (parts: Parts) {
  let failures = 0
  while (true) {
    const result = yield* Effect.result(beat(parts, "serving"))
    if (result._tag === "Failure") {
      yield* recover(parts, result.failure, failures)
      failures += 1
      continue
    }
    if (failures > 0) yield* Effect.logInfo("The market answers again.")
    failures = 0
    if (!result.success) yield* rest(parts)
  }
})

/**
 * Makes a heart for these instances: one registration for each.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (registrations: ReadonlyArray<Registration>) {
  const parts: Parts = {
    registrations,
    market: yield* MarketClient,
    server: yield* AgentServer,
    log: yield* UsageLog,
    key: yield* DeviceKey,
    joined: yield* Ref.make<Joined>({ instances: [], intervalMs: FIRST_INTERVAL_MS, nonce: "" }),
    refused: yield* Ref.make<ReadonlySet<string>>(new Set()),
  }
  const goodbye = Effect.ignore(Effect.timeout(beat(parts, "draining"), GOODBYE_MS))
  const made: Heart = {
    register: register(parts),
    beat: (state) => beat(parts, state),
    run: run(parts),
    farewell: Effect.fn("Heart.farewell")(function* (limitMs) {
      yield* goodbye
      yield* parts.server.drain(limitMs)
      yield* goodbye
    }),
  }
  return made
})
