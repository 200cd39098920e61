/**
 * Errors of the control lane: `application/problem+json` of RFC 9457, with the market's stable `code` and a link to what
 * it means.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as ErrorReporter from "effect/ErrorReporter"
import * as Schema from "effect/Schema"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as HttpServerRespondable from "effect/http/HttpServerRespondable"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as ProblemDetails from "effect/http/ProblemDetails"
import * as Reason from "@guildhall/core/Reason"

/**
 * Where the codes are described.
 *
 * @category constants
 * @since 0.1.0
 */
export const DOCS = "https://github.com/guildhall/guildhall/blob/main/docs/reasons.md"

/**
 * A problem. `type` and `title` follow from `code`; `detail` says what happened this time and what to do about it.
 *
 * **Example** (Nothing there)
 *
 * ```ts
 * import { Problem } from "@guildhall/protocol/api"
 *
 * const problem = Problem.Problem.of("not_found", "There is no instance ins_1.")
 * problem.status // => 404
 * problem.type // => "urn:guildhall:reason:not_found"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class Problem extends Schema.Error<Problem>("@guildhall/protocol/api/Problem")({
  type: Schema.String,
  title: Schema.String,
  status: Schema.Int,
  detail: Schema.String,
  code: Reason.ReasonCode,
  docs: Schema.String,
}) {
  readonly _tag = "Problem"

  /** A problem for a code. Without a detail the reason's own sentence is used. */
  static of(code: Reason.ReasonCode, detail?: string): Problem {
    const { sentence, status } = Reason.describe(code)
    return new Problem({
      type: `urn:guildhall:reason:${code}`,
      title: sentence,
      status,
      detail: detail ?? sentence,
      code,
      docs: DOCS,
    })
  }

  get isRetryable(): boolean {
    return Reason.describe(this.code).isRetryable
  }

  override get message(): string {
    return this.detail
  }

  /** Refusals are answers, not failures of the market. */
  override readonly [ErrorReporter.ignore] = true;

  [HttpServerRespondable.symbol]() {
    const { code, detail, docs, status, title, type } = this
    return Effect.succeed(
      HttpServerResponse.jsonUnsafe(
        { type, title, status, detail, code, docs },
        { status, contentType: ProblemDetails.contentType },
      ),
    )
  }
}

const ofStatus = (status: number) =>
  Problem.pipe(
    Schema.check(Schema.makeFilter((problem) => problem.status === status)),
    HttpApiSchema.asJson({ contentType: ProblemDetails.contentType }),
  ).annotate({ httpApiStatus: status, description: `A problem with status ${status}.` })

const BY_STATUS = {
  400: ofStatus(400),
  401: ofStatus(401),
  403: ofStatus(403),
  404: ofStatus(404),
  408: ofStatus(408),
  409: ofStatus(409),
  410: ofStatus(410),
  413: ofStatus(413),
  415: ofStatus(415),
  422: ofStatus(422),
  429: ofStatus(429),
  500: ofStatus(500),
  503: ofStatus(503),
} as const

/**
 * The schemas of problems with these statuses, for the errors of an endpoint or a middleware.
 *
 * @category schemas
 * @since 0.1.0
 */
export const errors = (...statuses: ReadonlyArray<keyof typeof BY_STATUS>) =>
  statuses.map((status) => BY_STATUS[status])
