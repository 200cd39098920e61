/**
 * A lane in a process of its own, so that its memory can be measured: one line in asks, one line out answers. The
 * arguments are the path of a socket for buyers, the name of a model and the URLs of its providers.
 *
 * Buyers come by a local socket, because the kernel keeps up to 4 MB for each TCP connection on its own account: a
 * thousand of those would have to be filled before the lane holds anything.
 */
import { Effect } from "effect"
import { createServer } from "node:http"
import { createInterface } from "node:readline"
import { Model } from "@guildhall/core"
import * as LaneServer from "../src/http/LaneServer.ts"
import * as FaultLane from "./FaultLane.ts"
import * as TestLane from "./TestLane.ts"

const [path = "", model = "", ...urls] = process.argv.slice(2)
const lane = await TestLane.start({
  definition: {
    ...FaultLane.definition,
    limits: { ...TestLane.definition.limits, requestBodyMs: 20_000, key: {}, outputTokens: 90_000_000 },
  },
  balance: 10n ** 24n,
})
for (const [at, url] of urls.entries()) {
  lane.list(
    TestLane.instance(`stalled${at}`, url, {
      model: Model.ModelId.make(model),
      contextLength: 100_000_000,
      concurrency: 1_000,
    }),
  )
}

const handle = lane.lane.handle("chat/completions")
const server = createServer(LaneServer.serverOptions, (request, response) => {
  Effect.runFork(handle(request, response))
}).listen({ path, backlog: 4_096 })

const say = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`)

const collect: unknown = Reflect.get(globalThis, "gc")

const measure = async () => {
  for (let round = 0; round < 4; round++) {
    if (typeof collect === "function") collect()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const { arrayBuffers, external, heapUsed, rss } = process.memoryUsage()
  return { arrayBuffers, external, heapUsed, rss, inFlight: lane.lane.inFlight() }
}

server.once("listening", () => say({}))
createInterface({ input: process.stdin })
  .on("line", () => void measure().then(say))
  .on("close", () => {
    server.closeAllConnections()
    process.exit(0)
  })
