/**
 * The answer to what has no route: the empty 404 of a router tells neither a person nor a client what went wrong.
 *
 * @since 0.1.0
 */
import * as HttpRouter from "effect/http/HttpRouter"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as ProblemDetails from "effect/http/ProblemDetails"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { Problem } from "@guildhall/protocol/api/Problem"
import * as ErrorBody from "@guildhall/protocol/openai/ErrorBody"
import * as Gone from "./internal/Gone.ts"
import * as Known from "./internal/Known.ts"

const answer = (problem: Problem, message: string, headers: Readonly<Record<string, string>> = {}) => {
  const { code, detail, docs, status, title, type } = problem
  return HttpServerResponse.jsonUnsafe(
    { type, title, status, detail, code, docs, ...ErrorBody.make(code, { message }) },
    { status, contentType: ProblemDetails.contentType, headers },
  )
}

/**
 * Answers every other method and path with `not_found`, and an address of the control lane that is asked with another method with
 * `method_not_allowed`: a problem which also carries the `error` that OpenAI's clients read, since this may be either's
 * mistake. Leave it out where the router is shared with routes of your own that have such an answer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never, never, HttpRouter.HttpRouter> = HttpRouter.use((router) => {
  const methodsOf = Known.make()
  return router.add("*", "/*", ({ method, url }: HttpServerRequest.HttpServerRequest) =>
    Effect.sync(() => {
      const [path = ""] = url.split("?")
      const named = path.slice(0, 200)
      if (path === Gone.REGISTER_GPU) return answer(Gone.registerGpu, Gone.registerGpu.detail)
      const methods = methodsOf(path)
      if (methods.length > 0 && !methods.includes(method)) {
        const message = `${named} takes ${methods.join(", ")}, and not ${method}.`
        return answer(Problem.of("method_not_allowed", message), message, { allow: methods.join(", ") })
      }
      // The page of the API says what a market may have; one of several processes gives no jobs to who asks for them.
      const message = methods.includes(method)
        ? `This market does not have ${method} ${named}, which the API knows of. A gateway of several processes gives no jobs to workers that ask: an agent opens a tunnel in place of that.`
        : `There is no ${method} ${named} here. /docs and /v1/models say what there is.`
      return answer(Problem.of("not_found", message), message)
    }),
  )
})
