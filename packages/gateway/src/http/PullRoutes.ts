/**
 * What workers that pull say: they take jobs, upload answers as these come, renew leases and hand back. Taking is signed by
 * the device; whatever is said of a job carries its lease.
 *
 * @since 0.1.0
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { Problem } from "@guildhall/protocol/api/Problem"
import { SignatureHeaders } from "@guildhall/protocol/api/ProvidersApi"
import * as Pull from "@guildhall/protocol/provider/PullJob"
import { HEADERS } from "@guildhall/protocol/provider/SignedRequest"
import { Devices } from "@guildhall/registry/Devices"
import { type Past, type PullLease, opens } from "../internal/PullLease.ts"
import * as Ticks from "../internal/Ticks.ts"
import { type Job, PullJobs } from "../PullJobs.ts"
import * as Problems from "./internal/Problems.ts"

/** What a worker says when it asks is a list of ids. */
const TAKE_BYTES_MAX = 64 * 1024
const TAKE_BODY_MS = 5_000
/** Whoever uploads what nobody wants any more has so long to read that. */
const PARTING_MS = 1_000

const decodeHeaders = Schema.decodeUnknownOption(SignatureHeaders)
const decodeTake = Schema.decodeUnknownOption(Schema.fromJsonString(Pull.Take))

/** Effect's server writes an answer of its own where it finds none that has ended. */
const ended = (response: ServerResponse): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (response.writableEnded || response.destroyed) return resume(Effect.void)
    response.once("close", () => resume(Effect.void))
  })

const send = (response: ServerResponse, status: number, body: object, type = "application/json"): void => {
  if (response.headersSent || response.destroyed) return
  response.writeHead(status, { "content-type": type })
  response.end(JSON.stringify(body))
}

const refuse = (response: ServerResponse, problem: Problem): void => {
  const { code, detail, docs, status, title, type } = problem
  send(response, status, { type, title, status, detail, code, docs }, "application/problem+json")
}

/** The body, where it comes whole, in time and is not too large. */
const bodyOf = (request: IncomingMessage): Effect.Effect<Buffer, Problem> =>
  Effect.callback<Buffer, Problem>((resume) => {
    const chunks: Array<Buffer> = []
    let bytes = 0
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= TAKE_BYTES_MAX) chunks.push(chunk)
      else resume(Effect.fail(Problem.of("body_too_large", `The body is larger than ${TAKE_BYTES_MAX} bytes.`)))
    })
    request.on("end", () => resume(Effect.succeed(Buffer.concat(chunks))))
    request.on("close", () => resume(Effect.fail(Problem.of("invalid_request", "The body broke off."))))
  }).pipe(Effect.timeoutOrElse({ duration: TAKE_BODY_MS, orElse: () => Effect.fail(Problem.of("body_timeout")) }))

const frameOf = (job: Job): Pull.Job => {
  const { body, headers, instance, method, path } = job.request
  return {
    job_id: job.id,
    lease: job.secret,
    lease_ms: job.leaseMs,
    instance_id: instance.id,
    method,
    path,
    headers,
    body: Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("base64"),
  }
}

/** Signed, so that nobody else's requests are taken; the answer's head comes at once, for the next message may be signed then. */
const makeTake = Effect.gen(function* () {
  const devices = yield* Devices
  const jobs = yield* PullJobs

  const asked = Effect.fnUntraced(function* (request: IncomingMessage) {
    const body = yield* bodyOf(request)
    const signature = Option.getOrUndefined(decodeHeaders(request.headers))
    if (signature === undefined)
      return yield* Problem.of("invalid_request", "The headers of the signature are not right.")
    const device = yield* Problems.answer(
      devices.authenticate({
        method: "POST",
        path: Pull.TAKE_PATH,
        publicKey: signature[HEADERS.device],
        signature: signature[HEADERS.signature],
        issuedAtMs: signature[HEADERS.issuedAt],
        sequence: signature[HEADERS.sequence],
        body,
      }),
    )
    const take = Option.getOrUndefined(decodeTake(body.toString("utf8")))
    if (take === undefined)
      return yield* Problem.of("invalid_request", "Say which instances, how many jobs and how long you wait.")
    return { device, instances: new Set(take.instances), count: take.count, waitMs: take.wait_ms }
  })

  return Effect.fn("PullRoutes.take")(function* (request: IncomingMessage, response: ServerResponse) {
    const wish = yield* asked(request)
    response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" })
    response.flushHeaders()
    const gone = Effect.callback<ReadonlyArray<Job>>((resume) => {
      if (response.destroyed) return resume(Effect.succeed([]))
      response.once("close", () => resume(Effect.succeed([])))
    })
    const taken = yield* Effect.raceFirst(jobs.take(wish), gone)
    if (response.destroyed) {
      for (const job of taken) job.fail({ reason: "ClosedEarly", detail: "The worker left when it was given the job." })
      return
    }
    response.end(JSON.stringify({ jobs: taken.map(frameOf) } satisfies Pull.Taken))
  })
})

const isJob = (found: Job | Past): found is Job => "request" in found

const over = (detail: string): Problem => Problem.of("job_over", detail)

/** Reads an upload into a job, as fast as the buyer takes it. */
const upload = (
  job: PullLease,
  request: IncomingMessage,
  response: ServerResponse,
  { more, offset }: { readonly offset: number; readonly more: boolean },
): void => {
  let at = offset
  const bringer = {
    onResume: () => void request.resume(),
    onOver: (detail: string) => {
      if (response.headersSent || response.destroyed) return void request.destroy()
      response.setHeader("connection", "close")
      refuse(response, over(detail))
      request.resume()
      const timer = Ticks.after(PARTING_MS, () => void request.destroy())
      request.once("close", () => Ticks.stop(timer))
    },
  }
  job.attach(bringer)
  request.on("data", (chunk: Buffer) => {
    const isRoom = job.accept(at, chunk)
    at += chunk.length
    if (!isRoom) request.pause()
  })
  request.on("end", () => {
    if (response.headersSent) return
    job.detach(bringer, false)
    const { leaseMs: lease_ms, received } = job
    if (!more) job.end()
    const past = job.past
    if (past !== undefined && !past.isDone) return refuse(response, over(past.detail))
    send(response, 200, { state: more ? "working" : "done", received, lease_ms } satisfies Pull.Standing)
  })
  request.on("error", () => undefined)
  request.on("close", () => {
    if (!request.complete) job.detach(bringer, true)
  })
}

const standing = ({ isDone, received }: Past): Pull.Standing | undefined =>
  isDone ? { state: "done", received, lease_ms: 0 } : undefined

const WHOLE = /^\d{1,15}$/

/** What is said of one job. */
const makeAct = Effect.map(PullJobs, (jobs) => {
  const ofJob = (job: Job, act: string, request: IncomingMessage, response: ServerResponse): void => {
    if (act === "answer") {
      const query = new URLSearchParams(request.url?.split("?", 2)[1] ?? "")
      const offset = query.get("offset") ?? "0"
      if (!WHOLE.test(offset) || Number(offset) > job.received) {
        const detail = `offset: the market has ${job.received} bytes of the answer. Go on there, or before.`
        return refuse(response, Problem.of("invalid_request", detail))
      }
      return upload(job, request, response, { offset: Number(offset), more: query.get("more") === "1" })
    }
    request.resume()
    if (act === "renew") job.renew()
    else job.fail({ reason: "ClosedEarly", detail: "The worker handed the job back." })
    send(response, 200, { state: "working", received: job.received, lease_ms: job.leaseMs } satisfies Pull.Standing)
  }
  return (id: string, act: string, request: IncomingMessage, response: ServerResponse): void => {
    const found = jobs.find(id)
    const said = request.headers[Pull.LEASE_HEADER]
    // The same for what is not there and for what is another's. One that nobody took has no holder to speak of it.
    if (found === undefined || typeof said !== "string" || !opens(found, said) || (isJob(found) && !found.isTaken)) {
      request.resume()
      return refuse(response, Problem.of("not_found", "There is no such job under this lease."))
    }
    if (isJob(found)) return ofJob(found, act, request, response)
    request.resume()
    const done = standing(found)
    if (done === undefined) refuse(response, over(found.detail))
    else send(response, 200, done)
  }
})

/** The lane of workers speaks HTTP/1.1 over Node's own objects; the server that it is mounted on is one of those. */
const withNode = (handle: (request: IncomingMessage, response: ServerResponse) => Effect.Effect<void, Problem>) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const incoming = NodeHttpServerRequest.toIncomingMessage(request) as IncomingMessage
    const response = NodeHttpServerRequest.toServerResponse(request) as ServerResponse
    return handle(incoming, response).pipe(
      Effect.catch((problem) => Effect.sync(() => refuse(response, problem))),
      Effect.andThen(Effect.suspend(() => ended(response))),
      Effect.as(HttpServerResponse.empty()),
    )
  })

/**
 * The routes: `POST /v1/providers/jobs/take`, and `answer`, `renew` and `return` of a job.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const take = yield* makeTake
    const act = yield* makeAct
    yield* router.add("POST", Pull.TAKE_PATH, withNode(take))
    for (const name of ["answer", "renew", "return"] as const) {
      yield* router.add(
        "POST",
        `/v1/providers/jobs/:id/${name}`,
        Effect.flatMap(HttpRouter.params, ({ id = "" }) =>
          withNode((request, response) => Effect.sync(() => act(id, name, request, response))),
        ),
      )
    }
  }),
)
