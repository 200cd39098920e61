/**
 * A market whose gateway is a stub, as a program: for tests of processes, the database, the lock and signals, which do
 * not depend on what the gateway does. `STUB_DRAIN_MS` makes it slow to stop; `STUB_AGENT=on` gives it a provider.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import { createServer } from "node:http"
import path from "node:path"
import * as AppConfig from "../src/AppConfig.ts"
import * as Launch from "../src/Launch.ts"
import * as Terminal from "../src/Terminal.ts"

const drainMs = Number(process.env["STUB_DRAIN_MS"] ?? "0")
const hasAgent = process.env["STUB_AGENT"] === "on"

const app = (facts: Launch.Facts) =>
  Effect.gen(function* () {
    const server = createServer((_, response) => response.end("ok"))
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => {
        server.listen(facts.settings.port, facts.settings.host, () => resume(Effect.void))
      }),
      () =>
        Effect.gen(function* () {
          yield* Console.log("drains")
          yield* Effect.sleep(drainMs)
          server.close()
          yield* Console.log("drained")
        }),
    )
    const address = server.address()
    return {
      port: typeof address === "object" && address !== null ? address.port : 0,
      keys: {
        buyerKey: Redacted.make(`sk-${process.pid}`),
        operatorKey: Redacted.make(`op-${process.pid}`),
        ...facts.lastKeys,
        providerKey: Redacted.make("sk-provider"),
      },
      agent: hasAgent ? { program: path.join(import.meta.dirname, "StubAgent.ts"), args: [], env: {} } : undefined,
      ready: Effect.void,
      model: Effect.succeed("stub"),
    }
  })

const program = Effect.gen(function* () {
  const settings = yield* AppConfig.load
  yield* Launch.launch({ settings, app, print: Console.log })
  return yield* Effect.never
})

const logging = Layer.merge(Logger.layer([Logger.consolePretty()]), Layer.succeed(Logger.LogToStderr, true))

Terminal.runMain(Effect.scoped(program).pipe(Effect.provide(logging)))
