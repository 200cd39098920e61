/**
 * One of several gateways on one port. `Workers` starts it, tells it what to do by standard input, and keeps that open: when it
 * ends, so does this.
 */
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import { createInterface } from "node:readline"
import * as App from "./App.ts"
import * as Log from "./Log.ts"
import * as Terminal from "./Terminal.ts"
import * as WorkerWire from "./WorkerWire.ts"

const firstLine = Effect.callback<string>((resume) => {
  const lines = createInterface({ input: process.stdin })
  lines.once("line", (line) => resume(Effect.succeed(line)))
  lines.once("close", () => process.kill(process.pid, "SIGTERM"))
})

const say = (message: WorkerWire.Message) => Effect.sync(() => process.stdout.write(WorkerWire.encodeMessage(message)))

const program = Effect.gen(function* () {
  const facts = yield* Effect.flatMap(firstLine, WorkerWire.decodeFacts)
  const serve = Effect.gen(function* () {
    const running = yield* App.make(facts)
    yield* say(WorkerWire.listening(running))
    yield* running.ready
    yield* say({ _tag: "Ready", model: yield* running.model })
    return yield* Effect.never
  })
  yield* Effect.provideService(Effect.scoped(serve), References.MinimumLogLevel, facts.settings.logLevel)
})

Terminal.runMain(Effect.provide(program, Log.layer))
