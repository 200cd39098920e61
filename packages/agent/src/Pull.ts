/**
 * The agent as a worker that pulls: it asks its market for requests when it has room, serves several at once, renews their
 * leases, and uploads each answer as it comes.
 *
 * @since 0.1.0
 */
import * as Http from "node:http"
import * as Https from "node:https"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { InstanceId } from "@guildhall/core/Instance"
import * as PullJob from "@guildhall/protocol/provider/PullJob"
import { AgentError } from "./AgentError.ts"
import { AgentServer } from "./AgentServer.ts"
import { DeviceKey } from "./DeviceKey.ts"
import { PullAnswer, PullRequest } from "./internal/PullVisit.ts"
import { MarketClient } from "./MarketClient.ts"

const WAIT_MS = PullJob.WAIT_MS_MAX
/** The market looks at a signature within this, or is away. */
const SIGNED_MS = 4_000
/** The answer comes within the wait, and so much for the way. */
const WAY_MS = 10_000
const FIRST_RETRY_MS = 250
const LAST_RETRY_MS = 10_000
/** An upload that broke off is taken up again after so long. */
const RESUME_MS = 200
/** The agent waits so long for the market to listen before it goes on, and asks in the background. */
const OPEN_MS = 5_000
/** The last answers leave within this when the agent stops. */
const PARTING_MS = 1_500
/** Jobs with long contexts and pictures; the market hands out no more at once. */
const TAKEN_BYTES_MAX = 96 * 1024 * 1024

const decodeTaken = Schema.decodeUnknownOption(Schema.fromJsonString(PullJob.Taken))
const Refused = Schema.fromJsonString(Schema.Struct({ code: Schema.String, detail: Schema.String }))
const decodeRefused = Schema.decodeUnknownOption(Refused)

/**
 * What is asked for: jobs of these instances, and how many are served at a time.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly instances: ReadonlyArray<InstanceId>
  readonly concurrency: number
}

/** A worker. `stop` takes no more jobs; those that it has go on. @category models @since 0.1.0 */
export interface Pull {
  readonly stop: Effect.Effect<void>
}

const away = (url: string, what: string) =>
  new AgentError({ reason: "MarketAway", detail: `The market at ${url} ${what}.` })

/** An answer whose head is there, and what reads the rest. */
interface Begun {
  readonly status: number
  readonly text: Effect.Effect<string, AgentError>
}

const begin = (url: string, headers: Readonly<Record<string, string>>, body: Uint8Array) =>
  Effect.callback<Begun, AgentError>((resume) => {
    const request = (url.startsWith("https:") ? Https : Http).request(url, { method: "POST", headers })
    request.on("response", (response) => {
      const chunks: Array<Uint8Array> = []
      let bytes = 0
      const text = Effect.callback<string, AgentError>((done) => {
        response.on("data", (chunk: Uint8Array) => {
          bytes += chunk.byteLength
          if (bytes <= TAKEN_BYTES_MAX) chunks.push(chunk)
          else request.destroy()
        })
        response.on("end", () => done(Effect.succeed(Buffer.concat(chunks).toString("utf8"))))
        response.on("close", () => done(Effect.fail(away(url, "broke off"))))
        return Effect.sync(() => void request.destroy())
      })
      resume(Effect.succeed({ status: response.statusCode ?? 0, text }))
    })
    request.on("error", (error) => resume(Effect.fail(away(url, `does not answer: ${error.message}`))))
    request.end(body)
    return Effect.sync(() => void request.destroy())
  })

/** Asks once; `heard` is told when the market listens. */
const makeTake = Effect.fnUntraced(function* (heard: Deferred.Deferred<void>) {
  const market = yield* MarketClient
  const url = `${market.url}${PullJob.TAKE_PATH}`
  return Effect.fnUntraced(function* (take: PullJob.Take) {
    const body = new TextEncoder().encode(JSON.stringify(take))
    const signed = { method: "POST", path: PullJob.TAKE_PATH, body }
    // Others may sign once the market has looked at this one, which its answer's head says.
    const begun = yield* market.sign(signed, (headers) =>
      begin(url, { ...headers, "content-type": "application/json" }, body).pipe(
        Effect.timeoutOrElse({ duration: SIGNED_MS, orElse: () => Effect.fail(away(url, "does not answer")) }),
      ),
    )
    if (begun.status === 200) yield* Deferred.succeed(heard, undefined)
    const text = yield* begun.text.pipe(
      Effect.timeoutOrElse({ duration: take.wait_ms + WAY_MS, orElse: () => Effect.fail(away(url, "fell silent")) }),
    )
    if (begun.status !== 200) {
      const said = Option.getOrElse(decodeRefused(text), () => ({ code: "", detail: `status ${begun.status}` }))
      const detail = `The market gives no jobs: ${said.detail}`
      return yield* new AgentError({ reason: "MarketRefused", detail, code: said.code, status: begun.status })
    }
    const taken = Option.getOrUndefined(decodeTaken(text))
    if (taken !== undefined && taken.jobs.length > take.count) {
      return yield* away(url, `hands out ${taken.jobs.length} jobs where ${take.count} were asked for`)
    }
    return taken?.jobs ?? (yield* away(url, "answered with something that is not the provider protocol's"))
  })
})

/** Renews a lease until somebody else has the job. */
const keepLease = Effect.fnUntraced(function* (answer: PullAnswer, leaseMs: number) {
  while (!answer.isOver) {
    yield* Effect.sleep(Math.max(100, leaseMs / 3))
    const reply = yield* answer.renew()
    if (reply !== "lost" && (reply.status === 410 || reply.status === 404)) return answer.close()
  }
})

/** Uploads an answer until the market has all of it, or does not want it. */
const deliver = Effect.fnUntraced(function* (answer: PullAnswer) {
  let from = 0
  while (!answer.isOver) {
    const reply = yield* answer.upload(from)
    if (reply !== undefined && reply !== "lost" && reply.status === 200) return
    const standing = reply === "lost" ? yield* Effect.andThen(Effect.sleep(RESUME_MS), answer.renew()) : undefined
    if (standing === "lost") continue
    if (standing?.standing === undefined) return answer.close()
    if (standing.standing.state === "done") return
    from = standing.standing.received
  }
})

/**
 * Begins to pull. What is served when the scope closes gets a moment to be uploaded.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* ({ concurrency, instances }: Options) {
  const market = yield* MarketClient
  const server = yield* AgentServer
  const key = yield* DeviceKey
  const heard = yield* Deferred.make<void>()
  const take = yield* makeTake(heard)
  const slots = yield* Semaphore.make(concurrency)
  const free = yield* Ref.make(concurrency)
  const stopped = yield* Ref.make(false)
  // Not the caller's: what is served must outlive whatever waits for it to be finished.
  const scope = yield* Scope.make()

  const serve = Effect.fnUntraced(function* (job: PullJob.Job) {
    const answer = new PullAnswer(market.url, job)
    const request = new PullRequest(job)
    server.handle(request, answer)
    request.tell()
    yield* Effect.raceFirst(deliver(answer), keepLease(answer, job.lease_ms)).pipe(
      Effect.ensuring(Effect.sync(() => answer.destroy())),
    )
  })

  const work = Effect.fnUntraced(function* (jobs: ReadonlyArray<PullJob.Job>) {
    for (const job of jobs) {
      yield* Ref.update(free, (count) => count - 1)
      const done = Ref.update(free, (count) => count + 1)
      yield* Effect.forkIn(slots.withPermit(Effect.ensuring(serve(job), done)), scope)
    }
  })

  const round = Effect.gen(function* () {
    // A place, for a moment: where all are taken this waits for the first that is free.
    yield* slots.withPermit(Effect.void)
    const count = Math.max(1, Math.min(PullJob.COUNT_MAX, yield* Ref.get(free)))
    if (yield* Ref.get(stopped)) return yield* Effect.never
    yield* work(yield* take({ instances, count, wait_ms: WAIT_MS }))
  })

  const loop = Effect.fnUntraced(function* () {
    let failures = 0
    while (true) {
      const result = yield* Effect.result(round)
      if (result._tag === "Success") {
        if (failures > 0) yield* Effect.logInfo("The market gives jobs again.")
        failures = 0
        continue
      }
      if (result.failure.code === "replayed_message") yield* key.skipAhead
      if (failures === 0) yield* Effect.logWarning(`${result.failure.message} The agent asks again.`)
      const waitMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 8))
      failures += 1
      yield* Effect.flatMap(Random.next, (part) => Effect.sleep(Math.round(waitMs * (0.5 + part))))
    }
  })

  const asking = yield* Effect.forkIn(loop(), scope)
  const stop = Effect.andThen(Ref.set(stopped, true), Fiber.interrupt(asking))
  yield* Effect.addFinalizer(() =>
    stop.pipe(
      Effect.andThen(slots.withPermits(concurrency)(Effect.void)),
      Effect.timeoutOption(PARTING_MS),
      Effect.andThen(Scope.close(scope, Exit.void)),
    ),
  )
  yield* Effect.timeoutOption(Deferred.await(heard), OPEN_MS)
  const made: Pull = { stop: Effect.asVoid(stop) }
  return made
})
