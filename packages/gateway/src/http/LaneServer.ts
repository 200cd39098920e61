/**
 * Puts the lane right behind Node's server: requests for inference reach it without the router, the scope and the fiber
 * that every other request gets, which cost more than the lane itself.
 *
 * @since 0.1.0
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Tracer from "effect/Tracer"
import { Endpoint } from "@guildhall/core/Endpoint"
import { InferenceLane } from "../InferenceLane.ts"
import { intercept } from "./internal/Intercept.ts"

/**
 * Options for the server that the lane is behind. A buyer who does not read holds no more than `highWaterMark` bytes of an
 * answer in this process, and the token that reached it; and no token waits for the acknowledgement of the one before.
 *
 * @category constants
 * @since 0.1.0
 */
export const serverOptions = { highWaterMark: 4 * 1024, noDelay: true } as const

/** What a request is for, where the lane serves it. */
const find = <A>(handlers: ReadonlyMap<string, A>, { method, url = "" }: IncomingMessage): A | undefined => {
  if (method !== "POST") return undefined
  const query = url.indexOf("?")
  return handlers.get(query === -1 ? url : url.slice(0, query))
}

/**
 * Takes the lane's requests out of a server's, as long as the layer lives. Whoever listens to the server hears of all the
 * others; `InferenceRoutes` serves those that come another way, such as with `Expect: 100-continue`. Where a tracer is
 * installed nothing is taken out: the spans of the server belong around those of the lane.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (server: Server): Layer.Layer<never, never, InferenceLane> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      if ((yield* Tracer.Tracer) !== Tracer.nativeTracer) return
      const lane = yield* InferenceLane
      const handlers = new Map(Endpoint.literals.map((endpoint) => [`/v1/${endpoint}`, lane.handle(endpoint)]))
      const fork = Effect.runForkWith(yield* Effect.context<never>())
      const take = (request: IncomingMessage, response: ServerResponse): boolean => {
        const handle = find(handlers, request)
        if (handle !== undefined) fork(handle(request, response))
        return handle !== undefined
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => intercept(server, "request", take)),
        (restore) => Effect.sync(restore),
      )
    }),
  )
