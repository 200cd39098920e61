import { afterEach, assert, describe, it } from "@effect/vitest"
import { Worker } from "node:worker_threads"
import { connect, type Socket } from "node:net"
import * as Plan from "../src/testing/FaultPlan.ts"
import * as Speech from "../src/testing/Speech.ts"
import * as FaultLane from "./FaultLane.ts"
import * as TestLane from "./TestLane.ts"
import * as Waiting from "./Waiting.ts"

const closers: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const said = Speech.of("chat/completions", { words: ["one ", "two ", "three "] })
const begun = [Plan.streamHead, Plan.write(said.opening + said.tokens.join(""))]

const start = async (
  timeouts: Partial<typeof FaultLane.patient>,
  relay: Partial<(typeof TestLane.definition)["relay"]> = {},
) => {
  const lane = await FaultLane.start({
    definition: {
      timeouts: { ...FaultLane.patient, ...timeouts },
      relay: { ...TestLane.definition.relay, retries: { percent: 100, perSecond: 1_000 }, ...relay },
    },
  })
  closers.push(lane.close)
  return lane
}

/** A port that listens and never accepts: its backlog is full, so no connection to it comes about. */
const deaf = async (): Promise<number> => {
  const worker = new Worker(
    `const { parentPort } = require("node:worker_threads")
     const server = require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
       parentPort.postMessage(server.address().port)
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
     })`,
    { eval: true },
  )
  closers.push(() => worker.terminate())
  const port = await new Promise<number>((resolve) => void worker.once("message", resolve))
  const sockets: Array<Socket> = []
  closers.push(async () => sockets.forEach((socket) => socket.destroy()))
  for (let connected = true; connected;) {
    const socket = connect(port, "127.0.0.1")
    socket.on("error", () => undefined)
    sockets.push(socket)
    connected = await Promise.race([
      new Promise<boolean>((resolve) => void socket.once("connect", () => resolve(true))),
      Waiting.pause(100).then(() => false),
    ])
  }
  return port
}

describe("each time limit of a stream has its own reason", () => {
  it("for connecting", async () => {
    const lane = await start({ connectMs: 150 })
    const { ask, model } = await lane.provide({ always: [] }, { instances: 0 })
    lane.list(TestLane.instance("deaf", `http://127.0.0.1:${await deaf()}`, { model }))
    const { status, text } = await ask({ stream: true }).answer
    assert.deepStrictEqual([status, FaultLane.codeOf(text)], [504, "provider_connect_timeout"])
    await lane.books()
  })

  it.each([
    ["for its headers", { headersMs: 150 }, [Plan.stall], "provider_headers_timeout"],
    ["for its first token", { firstTokenMs: 150 }, [Plan.streamHead, Plan.stall], "provider_token_timeout"],
    ["altogether, before a token", { totalMs: 150 }, [Plan.streamHead, Plan.stall], "request_timeout"],
  ] as const)("%s", async (_, timeouts, plan, reason) => {
    const lane = await start(timeouts)
    const { ask, upstream } = await lane.provide({ always: plan })
    const { status, text } = await ask({ stream: true }).answer
    assert.deepStrictEqual([status, FaultLane.codeOf(text)], [504, reason])
    await Waiting.until("the provider is left", () => upstream.counts().cancelled === 1)
    assert.strictEqual((await lane.books()).spent, 0n)
  })

  it.each([
    ["between tokens", { betweenTokensMs: 150 }, {}, [...begun, Plan.stall], "provider_stalled"],
    [
      "altogether, in mid-stream",
      { totalMs: 300 },
      {},
      [...begun, Plan.repeat(said.tokens[0] ?? "", 1_000, 20)],
      "request_timeout",
    ],
    [
      "of its rate",
      { betweenTokensMs: 300 },
      { tokensPerSecondMin: 50 },
      [...begun, Plan.repeat(said.tokens[0] ?? "", 1_000, 60)],
      "provider_too_slow",
    ],
  ] as const)("%s", async (_, timeouts, relay, plan, reason) => {
    const lane = await start(timeouts, relay)
    const { ask, upstream } = await lane.provide({ always: plan })
    const { status, text } = await ask({ stream: true }).answer
    assert.strictEqual(status, 200)
    assert.isTrue(text.startsWith(said.opening + said.tokens.join("")))
    assert.strictEqual(FaultLane.codeOf(text), reason)
    assert.notInclude(text, "[DONE]")
    await Waiting.until("the provider is left", () => upstream.counts().cancelled === 1)
    assert.isTrue((await lane.books()).spent > 0n)
  })

  it("and one that keeps its rate is left alone, however slow its events are", async () => {
    const lane = await start({ betweenTokensMs: 200 }, { tokensPerSecondMin: 5 })
    const plan = [...begun, Plan.repeat(said.tokens[0] ?? "", 12, 60), Plan.write(said.finish + said.done)]
    const { ask } = await lane.provide({ always: plan })
    assert.isTrue((await ask({ stream: true }).answer).text.endsWith("data: [DONE]\n\n"))
    await lane.books()
  })

  it("and the time of a slow buyer is not the provider's", async () => {
    const lane = await start({ betweenTokensMs: 200 }, { tokensPerSecondMin: 5 })
    const big = Speech.of("chat/completions", { words: ["x".repeat(10_000)] })
    const [token = ""] = big.tokens
    const { model, upstream } = await lane.provide({
      always: [Plan.streamHead, Plan.repeat(token, 1_200), Plan.write(said.finish + said.done)],
    })
    const socket = connect(lane.port, "127.0.0.1").pause()
    const body = JSON.stringify(Speech.request("chat/completions", { model, stream: true }))
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TestLane.KEY}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    // Three times as long as the provider itself may be silent.
    await Waiting.pause(700)
    assert.strictEqual(upstream.counts().underWay, 1, "it was not held back")
    let tail = ""
    socket.on("data", (chunk) => (tail = (tail + chunk.toString("latin1")).slice(-200)))
    // A socket that was paused by hand does not begin to flow by itself.
    socket.resume()
    await new Promise((resolve) => void socket.once("close", resolve))
    assert.include(tail, "[DONE]")
    await lane.books()
  })
})

describe("a whole answer", () => {
  it("may take as long as the request may altogether", async () => {
    const lane = await start({ headersMs: 50, firstTokenMs: 50, totalMs: 5_000 })
    const { ask } = await lane.provide({ always: [Plan.delay(200), ...Plan.whole(200, said.whole)] })
    assert.strictEqual((await ask().answer).text, said.whole)
  })

  it("and no longer", async () => {
    const lane = await start({ totalMs: 150 })
    const { ask } = await lane.provide({ always: [Plan.stall] })
    const { status, text } = await ask().answer
    assert.strictEqual(status, 504)
    assert.include(["request_timeout", "provider_headers_timeout"], FaultLane.codeOf(text))
    await lane.books()
  })

  it("that stops in the middle is made elsewhere", async () => {
    const lane = await start({ betweenTokensMs: 150 })
    const half = [
      Plan.head(200, { "content-type": "application/json" }),
      Plan.write(said.whole.slice(0, 50)),
      Plan.stall,
    ]
    const { ask, upstream } = await lane.provide({ inTurn: [half, Plan.whole(200, said.whole)] }, { instances: 2 })
    assert.strictEqual((await ask().answer).text, said.whole)
    assert.strictEqual(upstream.counts().cancelled, 1)
    await lane.books()
  })
})
