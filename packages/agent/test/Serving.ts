/** An agent's server over a backend, with tickets to ask it. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Context, Effect, Layer } from "effect"
import * as Endpoint from "@guildhall/core/Endpoint"
import * as KeyRing from "@guildhall/core/KeyRing"
import { ModelId } from "@guildhall/core/Model"
import * as AgentHome from "../src/AgentHome.ts"
import * as AgentServer from "../src/AgentServer.ts"
import type { Backend } from "../src/Backend.ts"
import * as DeviceKey from "../src/DeviceKey.ts"
import * as TicketGate from "../src/TicketGate.ts"
import * as UsageLog from "../src/UsageLog.ts"
import * as AgentProcess from "./AgentProcess.ts"
import * as TestTicket from "./TestTicket.ts"

export const MODEL = ModelId.make("scripted-model")

export interface Answer {
  readonly response: Response
  readonly controller: AbortController
}

/** A server on the backend, with a way to ask it. */
export const make = Effect.fnUntraced(function* <E>(
  backend: Layer.Layer<Backend, E>,
  changes: Partial<AgentServer.Options> = {},
) {
  const directory = yield* AgentProcess.temporaryHome
  const options = {
    host: "127.0.0.1",
    port: 0,
    concurrency: 2,
    endpoints: Endpoint.standard,
    models: [MODEL],
    price: TestTicket.PRICE,
    ...changes,
  }
  const context = yield* Layer.build(
    AgentServer.layer(options).pipe(
      Layer.provideMerge(UsageLog.layer),
      Layer.provide(DeviceKey.layer),
      Layer.provide(AgentHome.layer({ directory })),
      Layer.provide(NodeServices.layer),
      Layer.provide(backend),
      Layer.provideMerge(TestTicket.keyRing),
    ),
  )
  const server = Context.get(context, AgentServer.AgentServer)
  const log = Context.get(context, UsageLog.UsageLog)
  const ring = Context.get(context, KeyRing.KeyRing)
  let number = 0
  const ticket = (fields: Parameters<typeof TestTicket.ticket>[2] = {}) => {
    number += 1
    const priceDigest = TicketGate.priceDigest(options.price)
    return TestTicket.signed(TestTicket.ticket(number, Date.now(), { priceDigest, ...fields })).pipe(
      Effect.map(TestTicket.header),
      Effect.provideService(KeyRing.KeyRing, ring),
    )
  }
  yield* ticket()
  server.learn({ keys: yield* ring.list, instances: [TestTicket.INSTANCE] })
  const url = `http://127.0.0.1:${server.port}`
  const ask = Effect.fnUntraced(function* (content: string, fields: object = {}, header?: string) {
    const value = header ?? (yield* ticket())
    const controller = new AbortController()
    const body = JSON.stringify({ model: MODEL, messages: [{ role: "user", content }], ...fields })
    const headers = { "content-type": "application/json", "guildhall-ticket": value }
    const response = yield* Effect.promise(() =>
      fetch(`${url}/v1/chat/completions`, { method: "POST", headers, body, signal: controller.signal }),
    )
    const answer: Answer = { response, controller }
    return answer
  })
  /** Posts a body as it is. */
  const post = Effect.fnUntraced(function* (endpoint: string, body: Uint8Array | string, contentType: string) {
    const controller = new AbortController()
    const headers = { "content-type": contentType, "guildhall-ticket": yield* ticket() }
    const response = yield* Effect.promise(() =>
      // A Uint8Array's memory may be shared as far as its type says; this one's is not.
      fetch(`${url}/v1/${endpoint}`, { method: "POST", headers, body: body as BodyInit, signal: controller.signal }),
    )
    const answer: Answer = { response, controller }
    return answer
  })
  const lines = Effect.andThen(log.flush, log.pending)
  return { server, url, ask, post, ticket, lines }
})
