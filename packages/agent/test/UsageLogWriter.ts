/** Records lines until it is killed, and prints the number of each group once it is on disk. Its argument is the home. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer } from "effect"
import * as AgentHome from "../src/AgentHome.ts"
import * as DeviceKey from "../src/DeviceKey.ts"
import * as UsageLog from "../src/UsageLog.ts"
import { entry } from "./TestEntry.ts"

const directory = process.argv[2] ?? ""

const main = Effect.gen(function* () {
  const log = yield* UsageLog.UsageLog
  for (let number = 1; ; number++) {
    for (let part = 0; part < 7; part++) log.record(entry(number * 10 + part))
    yield* log.flush
    const lines = yield* log.pending
    process.stdout.write(`${lines.at(-1)?.number ?? 0}\n`)
    if (number % 5 === 0) yield* log.acknowledge((lines.at(-1)?.number ?? 0) - 20)
  }
})

void Effect.runPromise(
  main.pipe(
    Effect.provide(
      UsageLog.layer.pipe(
        Layer.provideMerge(DeviceKey.layer),
        Layer.provideMerge(AgentHome.layer({ directory })),
        Layer.provideMerge(NodeServices.layer),
      ),
    ),
  ),
)
