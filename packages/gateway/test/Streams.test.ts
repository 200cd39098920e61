import { afterEach, assert, describe, it, vi } from "@effect/vitest"
import { once } from "node:events"
import { Agent, createServer, request } from "node:http"
import { Socket } from "node:net"
import * as Plan from "../src/testing/FaultPlan.ts"
import * as Speech from "../src/testing/Speech.ts"
import * as FaultLane from "./FaultLane.ts"
import * as TestLane from "./TestLane.ts"
import * as Upstream from "./ScriptedUpstream.ts"
import * as Waiting from "./Waiting.ts"

let cuts = 0

const closers: Array<() => Promise<unknown>> = []
afterEach(async () => {
  vi.restoreAllMocks()
  for (const close of closers.splice(0).reverse()) await close()
  await TestLane.closeAll()
})

const start = async (options?: TestLane.Options) => {
  const lane = await FaultLane.start(options)
  closers.push(lane.close)
  return lane
}

/** Dialects that are translated into each other, and one that is not. */
const pairs: ReadonlyArray<readonly [buyer: Speech.Dialect, provider: Speech.Dialect]> = [
  ["completions", "completions"],
  ...(["chat/completions", "messages", "responses"] as const).flatMap((buyer) =>
    (["chat/completions", "messages", "responses"] as const).map((provider) => [buyer, provider] as const),
  ),
]

/** The data of each event, parsed where it is JSON. */
const events = (text: string): ReadonlyArray<unknown> =>
  text
    .split("\n\n")
    .filter((event) => event !== "")
    .map((event) => event.replace(/^(?:event: .*\n)?data: /, ""))
    .map((data) => (data === "[DONE]" ? data : JSON.parse(data)))

/** What stands somewhere in JSON. */
const find = (json: unknown, ...path: ReadonlyArray<string | number>): unknown =>
  path.reduce<unknown>((at, step) => (typeof at === "object" && at !== null ? Reflect.get(at, step) : undefined), json)

const isFinish = (event: unknown) => typeof find(event, "choices", 0, "finish_reason") === "string"

/** What must be first, what must come once, and what must be last. */
const shapes: Readonly<Record<Speech.Dialect, (seen: ReadonlyArray<unknown>) => void>> = {
  "chat/completions": (seen) => {
    assert.strictEqual(find(seen, 0, "choices", 0, "delta", "role"), "assistant")
    assert.deepStrictEqual(seen.filter(isFinish), [seen.at(-2)])
    assert.strictEqual(seen.indexOf("[DONE]"), seen.length - 1)
  },
  completions: (seen) => {
    assert.deepStrictEqual(seen.filter(isFinish), [seen.at(-2)])
    assert.strictEqual(seen.indexOf("[DONE]"), seen.length - 1)
  },
  messages: (seen) => {
    const types = seen.map((event) => find(event, "type"))
    assert.strictEqual(find(seen, 0, "message", "role"), "assistant")
    assert.strictEqual(types.lastIndexOf("message_start"), 0)
    assert.strictEqual(types.indexOf("message_delta"), types.length - 2)
    assert.strictEqual(types.indexOf("message_stop"), types.length - 1)
  },
  responses: (seen) => {
    const types = seen.map((event) => find(event, "type"))
    assert.strictEqual(types[0], "response.created")
    assert.strictEqual(types.indexOf("response.completed"), types.length - 1)
    const numbers = seen.map((event) => Number(find(event, "sequence_number")))
    assert.isTrue(numbers.every((number, at) => at === 0 || number > (numbers[at - 1] ?? 0)))
  },
}

describe("a stream", () => {
  it.each(pairs)("in %s of a provider of %s has its beginning and its end once, and nothing after", async (...pair) => {
    const [buyer, provider] = pair
    const lane = await start()
    const said = Speech.of(provider, { words: ["one ", "two "] })
    // A provider that goes on after its last event, and never closes.
    const plan = [Plan.streamHead, Plan.write(said.stream + said.stream), Plan.stall]
    const { model } = await lane.provide({ always: plan }, { dialect: provider })
    const visit = FaultLane.visit(lane.port, buyer, Speech.request(buyer, { model, stream: true }))
    const { headers, status, text } = await visit.answer
    assert.strictEqual(status, 200, text)
    assert.strictEqual(headers["x-accel-buffering"], "no")
    assert.strictEqual(headers["cache-control"], "no-cache")
    assert.strictEqual(headers["content-type"], "text/event-stream; charset=utf-8")
    assert.isUndefined(headers["content-length"])
    assert.isUndefined(headers["content-encoding"])
    shapes[buyer](events(text))
    await lane.books()
  })

  const wishes = [undefined, { include_usage: false }, { include_usage: true }, { include_usage: null }, null]
  it.each(
    (["chat/completions", "completions"] as const).flatMap((dialect) =>
      wishes.map((stream_options) => ({ dialect, stream_options })),
    ),
  )(
    "in $dialect asks for usage always, and shows it where it was asked for: $stream_options",
    async ({ dialect, stream_options }) => {
      const lane = await start()
      const said = Speech.of(dialect, { words: ["one ", "two "] })
      const { ask, upstream } = await lane.provide({ always: Plan.stream(said.stream) }, { dialect })
      const answer = await ask({ stream: true, ...(stream_options === undefined ? {} : { stream_options }) }).answer
      assert.strictEqual(answer.status, 200, answer.text)
      assert.deepStrictEqual(JSON.parse(upstream.asked[0]?.body ?? "").stream_options, { include_usage: true })
      const seen = events(answer.text)
      const shows = stream_options?.include_usage === true
      assert.deepStrictEqual(
        seen.filter((event) => typeof find(event, "usage") === "object"),
        shows ? [seen.at(-2)] : [],
      )
      if (shows) assert.strictEqual(find(seen.at(-2), "usage", "completion_tokens"), 2)
      assert.strictEqual(seen.at(-1), "[DONE]")
      const { spent } = await lane.books()
      assert.strictEqual(spent, 5n * TestLane.INPUT_UNIT + 2n * TestLane.OUTPUT_UNIT)
    },
  )
})

/** The middle of some times. */
const median = (times: ReadonlyArray<number>): number =>
  times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? Infinity

/** Where Nagle's algorithm holds a packet back until the one before is acknowledged, it takes 40 ms. */
const HELD_BACK_MS = 30
const ROUNDS = 41

/** An answer in small packets, each written in a turn of its own. */
const inPackets: Upstream.Script = async (response) => {
  Upstream.streamHead(response).write(Upstream.role)
  for (const text of [Upstream.delta("one"), Upstream.delta("two"), Upstream.finish]) {
    await new Promise(setImmediate)
    response.write(text)
  }
  await new Promise(setImmediate)
  response.end(Upstream.done)
}

/** How long such an answer takes on a connection that has served before, where acknowledgements wait for company. */
const usually = async (port: number): Promise<number> => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  closers.push(async () => agent.destroy())
  const body = JSON.stringify(Speech.request("chat/completions", { model: TestLane.MODEL, stream: true }))
  const once = () =>
    new Promise<number>((resolve, reject) => {
      const startMs = performance.now()
      const headers = { authorization: `Bearer ${TestLane.KEY}`, "content-type": "application/json" }
      const path = "/v1/chat/completions"
      const sent = request({ agent, port, host: "127.0.0.1", method: "POST", path, headers }, (response) => {
        response.resume()
        response.on("end", () => resolve(performance.now() - startMs))
      })
      sent.on("error", reject)
      sent.end(body)
    })
  const times: Array<number> = []
  for (let round = 0; round < ROUNDS; round++) times.push(await once())
  return median(times)
}

describe("a token leaves at once", () => {
  it("and not with the one that follows it", async () => {
    let write: ((text: string) => void) | undefined
    const { lane } = await TestLane.withUpstream((response) => {
      Upstream.streamHead(response).write(Upstream.role)
      write = (text) => void response.write(text)
    })
    const body = Speech.request("chat/completions", { model: TestLane.MODEL, stream: true })
    const visit = FaultLane.visit(lane.port, "chat/completions", body)
    const send = await Waiting.until("the provider is asked", () => write)
    for (let at = 0; at < 20; at++) {
      send(Upstream.delta(`word ${at}`))
      await Waiting.until("it arrives before the next is sent", () => visit.state.text.includes(`word ${at}"`))
    }
    visit.leave()
    await visit.answer
  })

  it("although the packet before was not acknowledged", async () => {
    const { lane } = await TestLane.withUpstream(inPackets)
    assert.isBelow(await usually(lane.port), HELD_BACK_MS)
  })

  it("which a server without TCP_NODELAY would not let it", async () => {
    const server = createServer({ noDelay: false }, (request, response) => {
      request.resume()
      void inPackets(response, { path: "", body: "", headers: {}, closedAt: undefined })
    }).listen(0, "127.0.0.1")
    closers.push(async () => server.close())
    await once(server, "listening")
    const address = server.address()
    assert.isAbove(await usually(typeof address === "object" ? (address?.port ?? 0) : 0), HELD_BACK_MS)
  })

  it("since both sockets have TCP_NODELAY", async () => {
    const set = vi.spyOn(Socket.prototype, "setNoDelay")
    const lane = await start()
    const said = Speech.of("chat/completions", { words: ["one "] })
    const { ask, upstream } = await lane.provide({ always: Plan.stream(said.stream) })
    await ask({ stream: true }).answer
    const calls = set.mock.contexts.flatMap((socket, at) =>
      socket instanceof Socket
        ? [{ local: socket.localPort, remote: socket.remotePort, on: set.mock.calls[at]?.[0] ?? true }]
        : [],
    )
    const isOn = (side: "local" | "remote", port: number) => calls.findLast((call) => call[side] === port)?.on
    assert.isTrue(isOn("local", lane.port), "the buyer's")
    assert.isTrue(isOn("remote", upstream.port), "the provider's")
  })
})

/** Some bytes of a chunked body, wherever they are cut. */
const chunk = (bytes: Buffer): Plan.Step => ({
  _tag: "Raw",
  base64: Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]).toString(
    "base64",
  ),
})

describe("a stream that breaks", () => {
  it.each(Speech.dialects)(
    "at whichever byte never ends as if it were complete, in %s",
    async (dialect) => {
      const lane = await start()
      const said = Speech.of(dialect, { words: ["hé€😀"] })
      const bytes = Buffer.from(said.stream)
      const contentFrom = Buffer.byteLength(said.opening + said.tokens.join(""))
      const hidden = dialect === "chat/completions" || dialect === "completions" ? said.usage : ""
      const errand = (body: string) => Number(/cut (\d+)/.exec(body)?.[1])
      const { model, upstream } = await lane.provide(
        {
          by: ({ body }) => {
            const at = errand(body)
            // A connection that is cut, and an answer that is over too early: one as bad as the other.
            const end = at % 2 === 0 ? Plan.cut : Plan.end()
            return [Plan.streamHead, ...(at === 0 ? [] : [chunk(bytes.subarray(0, at))]), end]
          },
        },
        { dialect },
      )
      const abreast = FaultLane.abreast(16)
      const one = async (at: number) => {
        const body = Speech.request(dialect, { model, stream: true, prompt: `cut ${at}` })
        const { broken, status, text } = await FaultLane.visit(lane.port, dialect, body).answer
        // Only the empty line is missing, and the connection was not cut: this is an end as some servers write it.
        if (at >= bytes.length - 2 && at % 2 === 1) return assert.strictEqual(text, said.stream.replace(hidden, ""))
        const whole = bytes
          .subarray(0, at)
          .toString()
          .split(/(?<=\n\n)/)
          .filter((event) => event.endsWith("\n\n"))
        const shown = whole.filter((event) => event !== hidden).join("")
        assert.strictEqual(FaultLane.codeOf(text), "provider_closed_early", `at byte ${at}: ${text}`)
        assert.isFalse(broken)
        if (at < contentFrom) return assert.strictEqual(status, 502, `at byte ${at}`)
        assert.strictEqual(status, 200)
        assert.strictEqual(text.slice(0, shown.length), shown, `at byte ${at}`)
        // Nothing but the error follows, in one event.
        assert.match(text.slice(shown.length), /^(?:event: .+\n)?data: .+\n\n$/)
        assert.notInclude(text, said.done.trimEnd())
      }
      await Promise.all(Array.from(bytes.keys(), (at) => abreast(() => one(at))))
      assert.lengthOf(upstream.asked, bytes.length)
      cuts += bytes.length
      await lane.books()
    },
    60_000,
  )

  it("was tried at each byte", () => {
    console.log(`figures: streams of ${Speech.dialects.length} dialects were cut at ${cuts} bytes`)
    assert.isAbove(cuts, 1_000)
  })

  const wrong = {
    "half an object": "{nope",
    "a number": "5",
    "a list": "[]",
    null: "null",
    "a string": '"x"',
    "a zero byte": "\u0000",
  }
  it.each(Speech.dialects.flatMap((dialect) => Object.entries(wrong).map(([name, data]) => ({ dialect, name, data }))))(
    "by a frame that is none does not pass it on: $name in $dialect",
    async ({ data, dialect }) => {
      const lane = await start()
      const said = Speech.of(dialect, { words: ["one "] })
      const begun = said.opening + said.tokens.join("")
      const plan = [
        Plan.streamHead,
        Plan.write(begun),
        Plan.delay(10),
        Plan.write(`data: ${data}\n\n${said.finish}${said.done}`),
      ]
      const { ask } = await lane.provide({ always: plan }, { dialect })
      const { text } = await ask({ stream: true }).answer
      assert.strictEqual(text.slice(0, begun.length), begun)
      assert.match(text.slice(begun.length), /^(?:event: .+\n)?data: .+\n\n$/)
      assert.strictEqual(FaultLane.codeOf(text), "provider_invalid_response")
      await lane.books()
    },
  )
})

describe("what was kept back when a stream ended", () => {
  it("is not billed, where the hold could not grow to cover it", async () => {
    const word = "word".repeat(50)
    const said = Speech.of("chat/completions", { words: Array.from({ length: 100 }, () => word) })
    const lane = await start({
      balance: 900_000_000n,
      definition: { reservation: { ...TestLane.definition.reservation, outputTokensStep: 16 } },
    })
    const [token = ""] = said.tokens
    const plan = [
      Plan.streamHead,
      Plan.write(said.opening + token),
      Plan.delay(20),
      Plan.write(said.tokens.join("")),
      Plan.stall,
    ]
    const { ask } = await lane.provide({ always: plan })
    const { text } = await ask({ stream: true }).answer
    assert.strictEqual(FaultLane.codeOf(text), "insufficient_funds")
    const [entry] = await lane.ended()
    assert.strictEqual(entry?.receipt.usage.outputToken, (text.split(word).length - 1) * 50)
    await lane.books()
  })
})
