/**
 * The answer to what has no route: the empty 404 of a router tells neither a person nor a client what went wrong.
 *
 * @since 0.1.0
 */
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as ProblemDetails from "effect/http/ProblemDetails"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { Problem } from "@guildhall/protocol/api/Problem"
import * as ErrorBody from "@guildhall/protocol/openai/ErrorBody"

/**
 * Answers every other method and path with `not_found`: a problem which also carries the `error` that OpenAI's clients
 * read, since this may be either's mistake. Leave it out where the router is shared with routes of your own that have
 * such an answer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, never, HttpRouter.HttpRouter> = HttpRouter.add("*", "/*", (request) =>
  Effect.sync(() => {
    const [path = ""] = request.url.split("?")
    const message = `There is no ${request.method} ${path.slice(0, 200)} here. /docs and /v1/models say what there is.`
    const { type, title, status, detail, code, docs } = Problem.of("not_found", message)
    return HttpServerResponse.jsonUnsafe(
      { type, title, status, detail, code, docs, ...ErrorBody.make("not_found", { message }) },
      { status, contentType: ProblemDetails.contentType },
    )
  }),
)
