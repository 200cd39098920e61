/**
 * The frames of a worker that pulls: it takes jobs, uploads their answers as they come, renews its leases, and hands back
 * what it cannot do.
 *
 * An answer is one line of JSON, the {@link AnswerHead}, and then the body's bytes as they are. It is uploaded from a byte on,
 * in one request or in several, so what was lost on the way is sent again and what arrived twice counts once.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { InstanceId } from "@guildhall/core/Instance"

/**
 * Where a worker asks for jobs. The device signs this request, as it does a heartbeat.
 *
 * @category constants
 * @since 0.1.0
 */
export const TAKE_PATH = "/v1/providers/jobs/take"

/**
 * Where a worker speaks of one job: `answer` takes the query's `offset`, the byte that the upload begins at, and `more=1`
 * where it does not end the answer.
 *
 * @category getters
 * @since 0.1.0
 */
export const jobPath = (id: string, act: "answer" | "renew" | "return"): string => `/v1/providers/jobs/${id}/${act}`

/**
 * The header that carries the lease's secret with whatever is said of a job.
 *
 * @category constants
 * @since 0.1.0
 */
export const LEASE_HEADER = "guildhall-lease"

/** The longest that a market lets a worker wait, in milliseconds. @category constants @since 0.1.0 */
export const WAIT_MS_MAX = 20_000
/** The most jobs that are taken at once. @category constants @since 0.1.0 */
export const COUNT_MAX = 64
/** The longest line of an {@link AnswerHead}, in bytes. @category constants @since 0.1.0 */
export const HEAD_BYTES_MAX = 64 * 1024

const between = (minimum: number, maximum: number) =>
  Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum })))

/**
 * The body of `POST /v1/providers/jobs/take`: for which of its instances the worker can take how many jobs, and how long it
 * waits where there are none. The status and the headers of the answer come as soon as the signature was looked at.
 *
 * @category models
 * @since 0.1.0
 */
export const Take = Schema.Struct({
  instances: Schema.Array(InstanceId).pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(64))),
  count: between(1, COUNT_MAX),
  wait_ms: between(0, WAIT_MS_MAX),
})
/** @since 0.1.0 */
export type Take = typeof Take.Type

/**
 * One job. `lease` is the secret by which the worker speaks of it; unless it is renewed within `lease_ms`, or bytes of the
 * answer come, the market takes the job back. `body` is in base64; header names are lower case, and `guildhall-ticket` is among them.
 *
 * @category models
 * @since 0.1.0
 */
export const Job = Schema.Struct({
  job_id: Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9a-f-]{36}$/))),
  lease: Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9a-f]{32}$/))),
  lease_ms: between(1, 3_600_000),
  instance_id: InstanceId,
  method: Schema.Literals(["GET", "POST"]),
  path: Schema.String,
  headers: Schema.Record(Schema.String, Schema.String),
  body: Schema.String,
})
/** @since 0.1.0 */
export type Job = typeof Job.Type

/**
 * The answer to a {@link Take}: at most as many jobs as were asked for, and none where none came in time.
 *
 * @category models
 * @since 0.1.0
 */
export const Taken = Schema.Struct({ jobs: Schema.Array(Job) })
/** @since 0.1.0 */
export type Taken = typeof Taken.Type

/**
 * How a job stands: the answer to an upload and to a renewal. `received` is how many bytes of the answer the market has: an upload
 * that broke off goes on there. One that is `done` is delivered, however often it is said again.
 *
 * @category models
 * @since 0.1.0
 */
export const Standing = Schema.Struct({
  state: Schema.Literals(["working", "done"]),
  received: Schema.Int,
  lease_ms: Schema.Int,
})
/** @since 0.1.0 */
export type Standing = typeof Standing.Type

/**
 * What an answer begins with.
 *
 * @category models
 * @since 0.1.0
 */
export const AnswerHead = Schema.Struct({
  status: between(200, 599),
  headers: Schema.Record(Schema.String, Schema.String),
})
/** @since 0.1.0 */
export type AnswerHead = typeof AnswerHead.Type

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(AnswerHead))

/**
 * The bytes of a head, with the newline that ends them.
 *
 * **Example** (A head)
 *
 * ```ts
 * import * as PullJob from "@guildhall/protocol/provider/PullJob"
 *
 * const line = PullJob.encodeHead({ status: 200, headers: { "content-type": "text/plain" } })
 * PullJob.decodeHead(line.subarray(0, -1))?.status // => 200
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeHead = (head: AnswerHead): Uint8Array => new TextEncoder().encode(`${JSON.stringify(head)}\n`)

/**
 * Reads a head's line, without its newline.
 *
 * @category encoding
 * @since 0.1.0
 */
export const decodeHead = (line: Uint8Array): AnswerHead | undefined =>
  Option.getOrUndefined(decode(new TextDecoder().decode(line)))
