/**
 * Many agents of ours in one process, each with a home and a key of its own: half of them are called at an address, the others open
 * tunnels. SIGTERM drains them all.
 */
import path from "node:path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Agent from "@guildhall/agent/Agent"

const setting = (name: string): string => process.env[name] ?? ""

const settings = (index: number): Agent.Settings => ({
  marketUrl: setting("CROWD_MARKET"),
  apiKey: Redacted.make(setting("CROWD_KEY")),
  home: path.join(setting("CROWD_HOME"), String(index)),
  backendUrl: setting("CROWD_BACKEND"),
  prices: { input_price_per_million: 100, output_price_per_million: 200 },
  host: "127.0.0.1",
  port: 0,
  publicUrl: undefined,
  tunnel: index % 2 === 1,
  concurrency: 4,
  contextLength: 4_096,
  model: undefined,
  name: undefined,
  provider: undefined,
  endpoints: ["chat/completions"],
  quantization: undefined,
  parameters: undefined,
  retainsData: undefined,
  tokenizer: undefined,
  region: undefined,
  country: undefined,
  inputs: undefined,
  rails: undefined,
  weights: undefined,
})

const APART_MS = 50

const services = Layer.mergeAll(NodeServices.layer, NodeCrypto.layer, NodeHttpClient.layerNodeHttp)

/** Not all in one moment, as they would not be; and started again where one cannot start, as a service is. */
const one = (index: number) =>
  Agent.run(settings(index)).pipe(
    Effect.scoped,
    Effect.tapCause((cause) => Effect.logError(`agent ${index}`, cause)),
    Effect.retry(Schedule.spaced("2 seconds")),
    Effect.delay(index * APART_MS),
  )

const crowd = Effect.gen(function* () {
  const fibers = yield* Effect.forEach(
    Array.from({ length: Number(setting("CROWD_COUNT")) }, (_, at) => at),
    (index) => Effect.forkScoped(one(index)),
  )
  yield* Effect.forEach(fibers, Fiber.join, { concurrency: "unbounded", discard: true })
}).pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "Warn"), Effect.provide(services))

NodeRuntime.runMain(crowd)
