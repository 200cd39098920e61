/**
 * Keeps a provider on its market: registers, beats, hands over the usage log, comes back after the market was away, and says
 * goodbye.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import * as Semaphore from "effect/Semaphore"
import type { DeviceStatus } from "@guildhall/core/Device"
import type { InstanceId } from "@guildhall/core/Instance"
import type { Attested, KeyedHead } from "@guildhall/protocol/provider/Attested"
import type { Heartbeat, HeartbeatAnswer, Warning } from "@guildhall/protocol/provider/Heartbeat"
import type { Registration } from "@guildhall/protocol/provider/Registration"
import type { SignedCommitment } from "@guildhall/protocol/provider/SignedCommitment"
import type { UsageReport } from "@guildhall/protocol/provider/UsageLog"
import * as KeyWatch from "./KeyWatch.ts"
import type { MarketClient } from "./MarketClient.ts"
import type { TicketGate } from "./TicketGate.ts"
import type { UsageLog } from "./UsageLog.ts"

/**
 * Why something that was said to a market failed: `isRetryable` where it may pass, `code` and `status` where the market refused.
 *
 * @category errors
 * @since 0.1.0
 */
export interface Failure {
  readonly message: string
  readonly isRetryable: boolean
  readonly code?: string | undefined
  readonly status?: number | undefined
}

/**
 * What serves the requests: it learns the market's keys and the ids of its instances, says how many requests of one are
 * under way, and drains for up to so many milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Server {
  readonly learn: TicketGate["learn"]
  readonly inFlight: (instance: InstanceId) => number
  readonly drain: (limitMs: number) => Effect.Effect<void>
}

/**
 * A heart.
 *
 * - `register` joins the market with every instance and fails where the market says no; while the market is away it waits.
 * - `offer` registers every instance again with other terms. Where the market refuses, the former ones hold; where it is away, the
 *   new ones do, as soon as it is told by `register`.
 * - `beat` sends one beat and answers whether lines of the log wait for another one.
 * - `run` beats until it is interrupted. It never fails.
 * - `farewell` says that the agent is draining, drains the server for up to `limitMs`, and hands over what was served meanwhile.
 *
 * @category models
 * @since 0.1.0
 */
export interface Heart<E> {
  readonly register: Effect.Effect<ReadonlyArray<InstanceId>, E>
  readonly offer: (registrations: ReadonlyArray<Registration>) => Effect.Effect<void, E>
  readonly beat: (state: State) => Effect.Effect<boolean, E>
  readonly run: Effect.Effect<never>
  readonly farewell: (limitMs: number) => Effect.Effect<void>
}

type State = Heartbeat["instances"][number]["state"]

/**
 * What a heart works with: one registration for each instance. `skipAhead` raises the numbers of messages by a lot.
 *
 * - `status` is how the device is doing with so many requests under way, known at once: no beat waits for it.
 * - `commit` signs what is served, from what the market holds; nothing where it holds that already. `hasSigned` says whether a
 *   head is this device's own. Without them nothing is committed to, and the log goes on from nobody's word.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<E> {
  readonly registrations: ReadonlyArray<Registration>
  readonly market: Pick<MarketClient<E>, "register" | "heartbeat">
  readonly server: Server
  readonly log: Pick<UsageLog<E>, "report" | "acknowledge" | "due" | "goOnFrom">
  readonly skipAhead: Effect.Effect<void>
  readonly status: (inFlight: number) => Effect.Effect<DeviceStatus>
  readonly commit?: (held: Attested["commitment"]) => Effect.Effect<SignedCommitment | undefined, E>
  readonly hasSigned?: (head: KeyedHead) => boolean
}

/** What a heart knows. */
interface Parts<E> extends Options<E> {
  readonly offered: Ref.Ref<ReadonlyArray<Registration>>
  /** A registration gives the next beat its nonce, so only one of the two is under way. */
  readonly alone: Semaphore.Semaphore["withPermit"]
  readonly joined: Ref.Ref<Joined>
  /** The keys by which the market's tickets were known last; none before it was heard. */
  readonly keys: Ref.Ref<KeyWatch.Known | undefined>
  /** How much of what the market says was written down, since when. */
  readonly said: Ref.Ref<{ readonly sinceMs: number; readonly count: number }>
  /** What the market refused in its last answer. */
  readonly refused: Ref.Ref<ReadonlySet<string>>
  /** What the market warned of in its last answer, by id. */
  readonly warned: Ref.Ref<ReadonlySet<string>>
}

/** What the market answered to the registrations. */
interface Joined {
  readonly instances: ReadonlyArray<InstanceId>
  readonly intervalMs: number
  /** What the market answered last, which the next beat carries. */
  readonly nonce: string
  /** What the market has yet to hear that is served here. */
  readonly commitment: SignedCommitment | undefined
}

const MAX_LINES = 500
const FIRST_INTERVAL_MS = 60_000
const FIRST_RETRY_MS = 500
const LAST_RETRY_MS = 30_000
/** Early beats keep this distance, or a market that acknowledges nothing would be asked without a pause. */
const MIN_DISTANCE_MS = 1_000
const GOODBYE_MS = 800
/** However often, or seldom, a market wants to be told. */
const [LEAST_INTERVAL_MS, MOST_INTERVAL_MS] = [100, 3_600_000]
/** So much of what a market says is written down in an hour; it may say anything, at every beat. */
const TOLD_MAX = 100
const HOUR_MS = 3_600_000
const CODE_CHARS_MAX = 60

/** Some way around a time, so that agents which started together do not beat together. */
const around = (ms: number) => Effect.map(Random.next, (part) => Math.round(ms * (0.9 + part * 0.2)))

/** Waits before it tries again: at most as long as from beat to beat, which the market can bear and by which it is missed. */
const backoff = Effect.fnUntraced(function* <E>({ joined }: Parts<E>, failures: number) {
  const { intervalMs } = yield* Ref.get(joined)
  const mostMs = Math.max(FIRST_RETRY_MS, Math.min(LAST_RETRY_MS, intervalMs))
  yield* Effect.sleep(yield* around(Math.min(mostMs, FIRST_RETRY_MS * 2 ** Math.min(failures, 10))))
})

const intervalOf = (ms: number): number => Math.min(MOST_INTERVAL_MS, Math.max(LEAST_INTERVAL_MS, ms))

/** Writes down what the market says, and no more of it than anyone would read. */
const say = Effect.fnUntraced(function* <E>({ said }: Parts<E>, line: string) {
  const nowMs = yield* Clock.currentTimeMillis
  const count = yield* Ref.modify(said, (before) => {
    const now = nowMs - before.sinceMs < HOUR_MS ? { ...before, count: before.count + 1 } : { sinceMs: nowMs, count: 1 }
    return [now.count, now] as const
  })
  if (count < TOLD_MAX) yield* Effect.logWarning(line)
  if (count === TOLD_MAX)
    yield* Effect.logWarning("The market says more than is written down here; it goes on in an hour.")
})

const some = (names: ReadonlyArray<string>): string =>
  [...names.slice(0, 3).map((name) => name.slice(0, CODE_CHARS_MAX)), ...(names.length > 3 ? ["…"] : [])].join(", ")

/** Takes the keys of the market's tickets as they are now, and says where they are others than before. */
const learn = Effect.fnUntraced(function* <E>(
  parts: Parts<E>,
  keys: HeartbeatAnswer["keys"],
  instances: ReadonlyArray<InstanceId>,
) {
  parts.server.learn({ keys, instances })
  const now = KeyWatch.of(keys)
  const before = yield* Ref.getAndSet(parts.keys, now)
  if (before === undefined) return
  const { added, gone, swapped } = KeyWatch.compare(before, now)
  const lost = [...gone, ...swapped]
  if (lost.length > 0) {
    yield* say(
      parts,
      `The market has withdrawn or exchanged keys of its tickets: ${some(lost)}. No market has a reason to. What it signed with them is not served any more, and what was served is in the usage log until it is acknowledged: keep a copy of the agent's home, and ask the market why.`,
    )
  }
  if (added.length > 0) yield* say(parts, `The market signs tickets with a further key: ${some(added)}.`)
})

/** A market that saw a higher number may have it from a copy of this home; a jump ends the quarrel. */
const retryReplayed = <A, E extends Failure>({ skipAhead }: Parts<E>, effect: Effect.Effect<A, E>) =>
  Effect.catchIf(
    effect,
    (error) => error.code === "replayed_message",
    () => Effect.andThen(skipAhead, effect),
  )

/** Goes on from what this device has signed, as the market holds it, and answers what the market has yet to hear. */
const goOnFrom = Effect.fnUntraced(function* <E>(parts: Parts<E>, attested: Attested | undefined) {
  const { commit, hasSigned, log } = parts
  const head = attested?.usage_head
  if (head !== undefined && hasSigned?.(head) === true && (yield* log.goOnFrom(head))) {
    yield* Effect.logWarning(
      `This device has signed line ${head.number} of a usage log that this home does not have: was it restored from an old copy? The log goes on from there.`,
    )
  }
  return attested === undefined || commit === undefined ? undefined : yield* commit(attested.commitment)
})

const registerOnce = Effect.fnUntraced(function* <E extends Failure>(parts: Parts<E>) {
  const answers = yield* Effect.forEach(yield* Ref.get(parts.offered), (body) =>
    retryReplayed(parts, parts.market.register(body)),
  )
  const instances = answers.map((answer) => answer.instance_id)
  const last = answers.at(-1)
  if (last !== undefined) {
    // Once: it registers again whenever its terms change.
    if (last.entry !== undefined && (yield* Ref.get(parts.joined)).nonce === "") {
      yield* Effect.logInfo(`The market checks who enters before it sends requests. What it finds: GET ${last.entry}`)
    }
    const joined = { instances, intervalMs: intervalOf(last.heartbeat_interval_ms), nonce: last.nonce }
    const commitment = yield* goOnFrom(parts, last.attested)
    yield* Ref.set(parts.joined, { ...joined, commitment })
    yield* learn(parts, last.keys, instances)
    // The receipts of what is served from now on name it, so the market hears it before the next beat is due.
    if (commitment !== undefined) yield* beat(parts, "serving")
  }
  return instances
})

const register = Effect.fn("Heart.register")(function* <E extends Failure>(parts: Parts<E>) {
  for (let failures = 0; ; failures++) {
    const result = yield* Effect.result(parts.alone(registerOnce(parts)))
    if (result._tag === "Success") return result.success
    if (!result.failure.isRetryable) return yield* Effect.fail(result.failure)
    if (failures === 0) yield* Effect.logWarning(result.failure.message)
    yield* backoff(parts, failures)
  }
})

/**
 * Says what the market refuses, once. A line is sent again, and refused again, as long as one before it is not decided, and
 * then forgotten with it.
 */
const tellRefused = Effect.fnUntraced(function* <E>(
  parts: Parts<E>,
  lines: HeartbeatAnswer["refused"],
  usage: UsageReport,
) {
  const told = new Set<string>(usage.lines.map(({ ticket }) => ticket.ticket.requestId))
  const named = lines.filter(({ request_id }) => told.has(request_id))
  const texts = new Set(named.map(({ code, request_id }) => `${request_id}: ${code.slice(0, CODE_CHARS_MAX)}`))
  const said = yield* Ref.getAndSet(parts.refused, texts)
  yield* Effect.forEach(texts, (text) =>
    said.has(text) ? Effect.void : say(parts, `The market refused the usage of ${text}. It is not paid.`),
  )
})

/** Says what the market warns of, once. */
const tellWarnings = Effect.fnUntraced(function* <E>(parts: Parts<E>, warnings: ReadonlyArray<Warning>) {
  const said = yield* Ref.getAndSet(parts.warned, new Set(warnings.map(({ id }) => id)))
  yield* Effect.forEach(warnings, ({ code, detail, id }) =>
    said.has(id) ? Effect.void : say(parts, `The market warns (${code}): ${detail}`),
  )
})

/** Takes in what the market answers to a beat with so much of the log: nothing else of it can be acknowledged or refused. */
const hear = Effect.fnUntraced(function* <E>(parts: Parts<E>, answer: HeartbeatAnswer, usage: UsageReport) {
  const { joined, log } = parts
  const { instances } = yield* Ref.get(joined)
  yield* learn(parts, answer.keys, instances)
  yield* Ref.update(joined, (now) => ({
    ...now,
    intervalMs: intervalOf(answer.heartbeat_interval_ms),
    nonce: answer.nonce,
  }))
  yield* log.acknowledge(Math.min(answer.acknowledged, usage.head.number))
  yield* tellRefused(parts, answer.refused, usage)
  yield* tellWarnings(parts, answer.warnings ?? [])
  const commitment = yield* goOnFrom(parts, answer.attested)
  yield* Ref.update(joined, (now) => ({ ...now, commitment }))
})

/** What a beat says of how the device is doing. */
const told = (status: DeviceStatus) => ({
  ...(status.queue === undefined ? {} : { queue: status.queue }),
  ...(status.loadPercent === undefined ? {} : { load_percent: status.loadPercent }),
  ...(status.temperatureCelsius === undefined ? {} : { temperature_celsius: status.temperatureCelsius }),
  ...(status.vramUsedMib === undefined ? {} : { vram_used_mib: status.vramUsedMib }),
  ...(status.versions === undefined ? {} : { versions: status.versions }),
})

const beat = Effect.fn("Heart.beat")(function* <E extends Failure>(parts: Parts<E>, state: State) {
  const { commitment, instances, nonce } = yield* Ref.get(parts.joined)
  const usage = yield* parts.log.report(MAX_LINES)
  const serving = instances.map((id) => ({ instance_id: id, state, in_flight: parts.server.inFlight(id) }))
  const inFlight = serving.reduce((sum, { in_flight }) => sum + in_flight, 0)
  const body: Heartbeat = {
    nonce,
    ...told(yield* parts.status(inFlight)),
    instances: serving,
    usage,
    ...(commitment === undefined ? {} : { commitment }),
  }
  const answer = yield* retryReplayed(parts, parts.market.heartbeat(body))
  yield* hear(parts, answer, usage)
  // Lines that are sent again and again would leave without a pause.
  return usage.lines.length === MAX_LINES && answer.acknowledged >= usage.head.number
})

/**
 * What to do after a beat that failed: join again where the market has forgotten the device, or waits for another beat than
 * this one, as after two answers that were lost or with a second agent that has this one's key; else wait.
 */
const recover = Effect.fnUntraced(function* <E extends Failure>(parts: Parts<E>, error: E, failures: number) {
  if (failures === 0 || !error.isRetryable) yield* Effect.logWarning(error.message)
  if (error.status === 404 || error.code === "stale_nonce") {
    const again = yield* Effect.result(register(parts))
    if (again._tag === "Success") return yield* Effect.logInfo("Registered again.")
    yield* Effect.logError(again.failure.message)
  }
  yield* backoff(parts, failures)
})

/** Waits for the next beat: the interval, or less where many lines were recorded. */
const rest = Effect.fnUntraced(function* <E>({ joined, log }: Parts<E>) {
  const { intervalMs } = yield* Ref.get(joined)
  const waitMs = yield* around(intervalMs)
  const distanceMs = Math.min(MIN_DISTANCE_MS, waitMs)
  yield* Effect.sleep(distanceMs)
  yield* Effect.ignore(Effect.timeout(log.due, waitMs - distanceMs))
})

const run = Effect.fnUntraced(function* <E extends Failure>(parts: Parts<E>) {
  let failures = 0
  while (true) {
    const result = yield* Effect.result(parts.alone(beat(parts, "serving")))
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
 * Makes a heart.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* <E extends Failure>(options: Options<E>) {
  const parts: Parts<E> = {
    ...options,
    offered: yield* Ref.make(options.registrations),
    alone: (yield* Semaphore.make(1)).withPermit,
    keys: yield* Ref.make<KeyWatch.Known | undefined>(undefined),
    joined: yield* Ref.make<Joined>({
      instances: [],
      intervalMs: FIRST_INTERVAL_MS,
      nonce: "",
      commitment: undefined,
    }),
    said: yield* Ref.make({ sinceMs: 0, count: 0 }),
    warned: yield* Ref.make<ReadonlySet<string>>(new Set()),
    refused: yield* Ref.make<ReadonlySet<string>>(new Set()),
  }
  const goodbye = Effect.ignore(Effect.timeout(beat(parts, "draining"), GOODBYE_MS))
  const made: Heart<E> = {
    register: register(parts),
    offer: Effect.fn("Heart.offer")(function* (registrations) {
      const former = yield* Ref.getAndSet(parts.offered, registrations)
      yield* Effect.tapError(parts.alone(registerOnce(parts)), (error) =>
        error.isRetryable ? Effect.void : Ref.set(parts.offered, former),
      )
    }),
    beat: (state) => parts.alone(beat(parts, state)),
    run: run(parts),
    farewell: Effect.fn("Heart.farewell")(function* (limitMs) {
      yield* goodbye
      // One that takes long is not taken for dead meanwhile.
      const { intervalMs } = yield* Ref.get(parts.joined)
      const saying = Effect.forever(Effect.andThen(Effect.sleep(intervalMs), goodbye))
      yield* Effect.raceFirst(parts.server.drain(limitMs), saying)
      yield* goodbye
    }),
  }
  return made
})
