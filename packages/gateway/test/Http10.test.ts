import { afterEach, assert, describe, it } from "@effect/vitest"
import { connect } from "node:net"
import * as Plan from "../src/testing/FaultPlan.ts"
import * as Speech from "../src/testing/Speech.ts"
import * as FaultLane from "./FaultLane.ts"
import * as TestLane from "./TestLane.ts"

const closers: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const said = Speech.of("chat/completions", { words: ["one ", "two "] })

/** Asks as a proxy does that speaks HTTP/1.0 to what is behind it, and answers all that came until the connection ended. */
const ask = (port: number, body: object, headers = "") =>
  new Promise<string>((resolve, reject) => {
    const text = JSON.stringify(body)
    const socket = connect(port, "127.0.0.1")
    let received = ""
    socket.on("data", (bytes: Buffer) => (received += bytes.toString()))
    socket.on("error", reject)
    socket.on("close", () => resolve(received))
    socket.write(
      `POST /v1/chat/completions HTTP/1.0\r\nhost: x\r\nauthorization: Bearer ${TestLane.OPEN_KEY}\r\n${headers}content-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
    )
  })

const start = async (plan: Plan.FaultPlan) => {
  const lane = await FaultLane.start({
    definition: { relay: { ...TestLane.definition.relay, pingMs: 50 } },
  })
  closers.push(lane.close)
  return { lane, ...(await lane.provide({ always: plan })) }
}

describe("a client that speaks HTTP/1.0", () => {
  it.each([0, 200])("gets a stream that ends with its connection, after %i ms", async (waitMs) => {
    const { lane, model } = await start([Plan.delay(waitMs), ...Plan.stream(said.stream)])
    const request = Speech.request("chat/completions", { model, stream: true })
    const received = await ask(lane.port, request)
    assert.match(received, /^HTTP\/1\.1 200 OK\r\n/)
    assert.notMatch(received, /\r\ntrailer:|transfer-encoding/i)
    assert.match(received, /\r\nx-request-id: req_/)
    assert.isTrue(received.endsWith("data: [DONE]\n\n"), received.slice(-200))
    if (waitMs > 0) assert.include(received, ": ping\n")
    assert.isTrue((await lane.books()).spent > 0n)
    // Whoever comes next is served as well.
    assert.include(await ask(lane.port, request), "[DONE]")
  })

  it("gets a whole answer, and the one that was kept", async () => {
    const { lane, model } = await start(Plan.stream(said.stream))
    const request = Speech.request("chat/completions", { model, stream: true })
    const first = await ask(lane.port, request, "idempotency-key: ten\r\n")
    const again = await ask(lane.port, request, "idempotency-key: ten\r\n")
    assert.match(again, /\r\nidempotent-replayed: true\r\n/)
    assert.strictEqual(again.split("\r\n\r\n")[1], first.split("\r\n\r\n")[1])
    await lane.books()
  })
})
