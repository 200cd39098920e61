import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Exit, Schema, Scope } from "effect"
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { once } from "node:events"
import { rm, mkdtemp } from "node:fs/promises"
import { request as httpRequest } from "node:http"
import { connect, type Socket } from "node:net"
import os from "node:os"
import path from "node:path"
import { createInterface } from "node:readline"
import * as Plan from "../src/testing/FaultPlan.ts"
import * as FaultUpstream from "../src/testing/FaultUpstream.ts"
import * as Speech from "../src/testing/Speech.ts"
import * as TestLane from "./TestLane.ts"
import * as Waiting from "./Waiting.ts"

/** `STALLED=1000 STALLED_BYTES=8000000` is what the soak asks. */
const readers = Number(process.env["STALLED"] ?? 1_000)
const floodBytes = Number(process.env["STALLED_BYTES"] ?? 400_000)
const providers = Math.ceil(readers / 200)
const HELD_MAX = 64 * 1024

const MODEL = "test/stalled"
const said = Speech.of("chat/completions", { words: ["x".repeat(6_000)] })
const [token = ""] = said.tokens
const body = JSON.stringify(Speech.request("chat/completions", { model: MODEL, stream: true }))
const request = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TestLane.KEY}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`

const Measured = Schema.fromJsonString(
  Schema.Struct({
    arrayBuffers: Schema.Number,
    external: Schema.Number,
    heapUsed: Schema.Number,
    rss: Schema.Number,
    inFlight: Schema.Number,
  }),
)

describe(`${readers} buyers who do not read`, () => {
  const scope = Effect.runSync(Scope.make())
  const sockets: Array<Socket> = []
  let folder: string
  let child: ChildProcessWithoutNullStreams
  let lines: AsyncIterator<string>
  let upstreams: ReadonlyArray<FaultUpstream.FaultUpstream>

  const flood: Plan.FaultPlan = [
    Plan.streamHead,
    Plan.write(said.opening),
    Plan.repeat(token, Math.ceil(floodBytes / token.length)),
    Plan.stall,
  ]

  const short = Speech.of("chat/completions", { words: ["one ", "two "] })
  const answerTo = (asked: FaultUpstream.Asked): Plan.FaultPlan =>
    asked.body.includes("Be short.") ? Plan.stream(short.stream) : flood

  /** A buyer who reads. */
  const read = () =>
    new Promise<{ readonly text: string; readonly ms: number }>((resolve, reject) => {
      const startMs = performance.now()
      const sent = httpRequest(
        {
          socketPath: path.join(folder, "lane"),
          path: "/v1/chat/completions",
          method: "POST",
          headers: { authorization: `Bearer ${TestLane.KEY}`, "content-type": "application/json" },
        },
        (response) => {
          let text = ""
          response.on("data", (chunk: Buffer) => (text += chunk.toString()))
          response.on("end", () => resolve({ text, ms: performance.now() - startMs }))
        },
      )
      sent.on("error", reject)
      sent.end(JSON.stringify(Speech.request("chat/completions", { model: MODEL, stream: true, prompt: "Be short." })))
    })

  const measure = async () => {
    child.stdin.write("measure\n")
    return Schema.decodeUnknownSync(Measured)((await lines.next()).value)
  }

  /** What is still on its way through the lane is no part of the measure: until it holds no less than before. */
  const measureAtRest = async () => {
    for (let before = await measure(); ;) {
      const after = await measure()
      if (after.heapUsed + after.external > 0.99 * (before.heapUsed + before.external)) return after
      before = after
    }
  }

  /** Opens connections that ask and never read. */
  const stall = (count: number) =>
    Promise.all(
      Array.from({ length: count }, async () => {
        const socket = connect(path.join(folder, "lane"))
        sockets.push(socket)
        socket.pause()
        socket.on("error", () => undefined)
        await once(socket, "connect")
        socket.write(request)
      }),
    )

  const written = () => upstreams.flatMap(({ asked }) => asked).reduce((sum, one) => sum + one.written(), 0)

  /** Until nothing moves any more. */
  const still = async (count: number) => {
    await Waiting.until(
      "all at the providers",
      () => upstreams.reduce((sum, { counts }) => sum + counts().underWay, 0) >= count,
      40_000,
    )
    for (let before = -1, unchanged = 0; unchanged < 3; await Waiting.pause(200)) {
      unchanged = before === written() ? unchanged + 1 : 0
      before = written()
    }
  }

  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "stalled-"))
    upstreams = await Promise.all(
      Array.from({ length: providers }, () =>
        Effect.runPromise(Scope.provide(FaultUpstream.make({ by: answerTo }), scope)),
      ),
    )
    child = spawn(
      process.execPath,
      [
        "--conditions=@guildhall/source",
        "--expose-gc",
        path.join(import.meta.dirname, "StalledLane.ts"),
        path.join(folder, "lane"),
        MODEL,
        ...upstreams.map(({ url }) => url),
      ],
      { stdio: ["pipe", "pipe", "pipe"] },
    )
    child.stderr.on("data", (text: Buffer) => process.stderr.write(text))
    lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    await lines.next()
  })

  afterAll(async () => {
    for (const socket of sockets) socket.destroy()
    if (child.exitCode === null) {
      child.kill("SIGKILL")
      await once(child, "exit")
    }
    await Effect.runPromise(Scope.close(scope, Exit.void))
    await rm(folder, { recursive: true, force: true })
  })

  it("hold at most 64 KiB each", async () => {
    // What is compiled and opened once is no part of the measure.
    await stall(20)
    await still(20)
    const before = await measureAtRest()
    await stall(readers)
    await still(readers + 20)
    const after = await measureAtRest()
    assert.strictEqual(after.inFlight, readers + 20)
    const held = (after.heapUsed + after.external - before.heapUsed - before.external) / readers
    const kib = (bytes: number) => `${Math.round(bytes / 1024)} KiB`
    console.log(
      `figures: ${readers} stalled readers hold ${kib(held)} each (heap ${kib((after.heapUsed - before.heapUsed) / readers)}, bytes ${kib((after.arrayBuffers - before.arrayBuffers) / readers)}, RSS grew by ${kib((after.rss - before.rss) / readers)}); providers could write ${kib(written() / (readers + 20))} each`,
    )
    assert.isAtMost(held, HELD_MAX)
  }, 120_000)

  it("delay nobody else", async () => {
    const answers: Array<number> = []
    for (let at = 0; at < 50; at++) {
      const { ms, text } = await read()
      assert.strictEqual(text, short.stream.replace(short.usage, ""))
      answers.push(ms)
    }
    const middle = answers.toSorted((a, b) => a - b)[25] ?? Infinity
    console.log(`figures: beside ${readers} stalled readers a short stream takes ${middle.toFixed(1)} ms (median)`)
    // A stream that waited for one of them would wait for ever.
    assert.isBelow(middle, 1_000)
  }, 60_000)

  it("are forgotten when they leave", async () => {
    for (const socket of sockets) socket.destroy()
    await Waiting.until("all cancelled", () => upstreams.every(({ counts }) => counts().underWay === 0), 20_000)
    for (let tries = 0; tries < 100 && (await measure()).inFlight > 0; tries++) await Waiting.pause(20)
    assert.strictEqual((await measure()).inFlight, 0)
  }, 30_000)
})
