/** A market that means ill: what it can make an agent do, and what not. */
import * as Http from "node:http"
import type * as Net from "node:net"
import { gzipSync } from "node:zlib"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Console, Context, Deferred, Effect, Fiber, Layer, Redacted, Result } from "effect"
import * as TestClock from "effect/testing/TestClock"
import * as AgentHome from "../src/AgentHome.ts"
import * as AgentLogger from "../src/AgentLogger.ts"
import { AgentServer } from "../src/AgentServer.ts"
import * as AgentVersions from "../src/AgentVersions.ts"
import * as DeviceKey from "../src/DeviceKey.ts"
import * as LogFile from "../src/LogFile.ts"
import * as MarketAddress from "../src/MarketAddress.ts"
import * as MarketClient from "../src/MarketClient.ts"
import * as Pair from "../src/Pair.ts"
import * as Pull from "../src/Pull.ts"
import * as PlainJson from "../src/serving/PlainJson.ts"
import { rotate } from "../src/RotateKeyCommand.ts"
import * as TicketGate from "../src/TicketGate.ts"
import * as Tunnel from "../src/Tunnel.ts"
import * as AgentProcess from "./AgentProcess.ts"
import * as Loopback from "./Loopback.ts"
import { quiet } from "./Quiet.ts"
import * as ScriptedMarket from "./ScriptedMarket.ts"
import * as TestTicket from "./TestTicket.ts"
import * as ToldMarket from "./ToldMarket.ts"
import { until } from "./Waiting.ts"

const SECRET = "sk-guild-this-is-the-providers-key"
const ESCAPES = "\u001b[2J\u001b]0;owned\u0007\u009b31m\u202e\n12:00:00 You were paid."

const clientOf = Effect.fnUntraced(function* (url: string, apiKey: string | undefined = SECRET) {
  const directory = yield* AgentProcess.temporaryHome
  return yield* Layer.build(
    MarketClient.layer({ url, apiKey: apiKey === undefined ? undefined : Redacted.make(apiKey) }).pipe(
      Layer.provideMerge(DeviceKey.layer),
      Layer.provideMerge(AgentHome.layer({ directory })),
      Layer.provideMerge(Layer.merge(NodeFileSystem.layer, NodePath.layer)),
      Layer.provide(NodeHttpClient.layerNodeHttp),
    ),
  )
})

/** A server that nothing reaches but what the test tells of. */
const serverWith = (handle: () => void) =>
  Layer.succeed(AgentServer, {
    port: 0,
    handle,
    inFlight: () => 0,
    learn: () => undefined,
    offer: () => undefined,
    settle: () => undefined,
    drain: () => Effect.void,
  })

const beat = { nonce: "n", instances: [] } as const

/** Says something to a market that answers as it is told to, and how that ended. */
const said = Effect.fnUntraced(function* (
  answer: (response: Http.ServerResponse, request: Http.IncomingMessage) => void,
) {
  const { url } = yield* ToldMarket.make((request, response) => answer(response, request))
  const market = Context.get(yield* clientOf(url), MarketClient.MarketClient)
  return yield* Effect.flip(market.heartbeat(beat))
})

describe("the address of a market", () => {
  const withPlain = (value: string) =>
    ConfigProvider.layer(ConfigProvider.fromUnknown({ GUILDHALL_ALLOW_PLAIN_HTTP: value }))

  it.effect("gets no key and no signature over a line that others read, unless the agent is told so", () =>
    Effect.gen(function* () {
      for (const url of [
        "http://market.example",
        "http://8.8.8.8:8787",
        "http://134744072",
        "http://[2606:4700:4700::1111]",
        "http://[::ffff:8.8.8.8]",
        "http://[64:ff9b::808:808]",
        "http://169.254.169.254",
        "http://100.64.0.1",
        "http://localhost.example.com",
      ]) {
        const error = yield* Effect.flip(MarketAddress.trusted(url))
        assert.strictEqual(error.reason, "BadSetting", url)
        assert.include(error.detail, "https")
        yield* Effect.provide(MarketAddress.trusted(url), withPlain("true"))
        yield* Effect.flip(Effect.provide(MarketAddress.trusted(url), withPlain("perhaps")))
      }
      for (const url of [
        "http://127.0.0.1:8787/",
        "http://localhost:1",
        "http://gateway:8787",
        "http://192.168.1.9",
        "https://market.example",
      ]) {
        assert.strictEqual(yield* MarketAddress.trusted(url), url.replace(/\/$/, ""))
      }
    }).pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({})))),
  )

  it.effect("is a plain one, and no password is told when it is not", () =>
    Effect.gen(function* () {
      for (const url of [
        "",
        "market",
        "ftp://market.example",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://name:hunter2@market.example",
        "https://hunter2@market.example",
        "https://market.example/?to=https://other.example",
        "https://market.example/#x",
        "https://market.example?",
        "https://[fe80::1%25eth0]",
      ]) {
        const error = yield* Effect.flip(MarketAddress.trusted(url))
        assert.strictEqual(error.reason, "BadSetting", url)
        assert.notInclude(error.detail, "hunter2")
      }
    }),
  )

  it.live("is looked at before anything is sent, by whatever command", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(clientOf("http://market.example"))
      assert.strictEqual(error.reason, "BadSetting")
      const market = yield* ScriptedMarket.make()
      for (const bad of ["http://market.example", "https://x:hunter2@market.example"]) {
        const agent = yield* AgentProcess.start({ ...market, url: bad }, [])
        yield* agent.exited
        assert.notStrictEqual(agent.exitCode(), 0)
        assert.notInclude(agent.output(), "hunter2")
      }
    }).pipe(Effect.scoped, quiet),
  )
})

describe("an answer of a market", () => {
  it.live("without end, or larger than it says, is read to a bound", () =>
    Effect.gen(function* () {
      for (const headers of [{}, { "content-length": "5000000000" }]) {
        let sent = 0
        let isClosed = false
        const error = yield* said((response) => {
          response.writeHead(200, { "content-type": "application/json", ...headers })
          response.on("close", () => (isClosed = true))
          const flood = () => {
            while (!response.destroyed && response.write(" ".repeat(65_536))) sent += 65_536
            response.once("drain", flood)
          }
          flood()
        })
        assert.strictEqual(error.reason, "MarketAway")
        // What lies in the buffers of both sockets comes on top.
        assert.isBelow(sent, 16 * 1024 * 1024)
        yield* until(() => isClosed)
      }
    }).pipe(Effect.scoped),
  )

  it.effect("that comes a byte at a time ends with the time", () =>
    Effect.gen(function* () {
      let began = 0
      const timers: Array<NodeJS.Timeout> = []
      const { url } = yield* ToldMarket.make((_, response) => {
        began += 1
        response.writeHead(200, { "content-type": "application/json" })
        timers.push(setInterval(() => response.write(" "), 20))
      })
      const market = Context.get(yield* clientOf(url), MarketClient.MarketClient)
      const fiber = yield* Effect.forkChild(Effect.flip(market.heartbeat(beat)))
      yield* TestClock.withLive(until(() => began === 1))
      yield* TestClock.adjust("11 seconds")
      const error = yield* Fiber.join(fiber)
      for (const timer of timers) clearInterval(timer)
      assert.include(error.message, "does not answer")
      assert.isTrue(error.isRetryable)
    }).pipe(Effect.scoped),
  )

  it.live("that sends on takes neither key nor signature along", () =>
    Effect.gen(function* () {
      const heard: Array<Http.IncomingHttpHeaders> = []
      const other = yield* ToldMarket.make((request, response) => {
        heard.push(request.headers)
        response.end("{}")
      })
      for (const status of [301, 302, 303, 307, 308]) {
        const error = yield* said((response) => response.writeHead(status, { location: `${other.url}/take` }).end())
        assert.strictEqual(error.reason, "MarketAway", String(status))
        assert.include(error.detail, "redirects")
      }
      assert.deepStrictEqual(heard, [])
    }).pipe(Effect.scoped),
  )

  it.live("that is none of the protocol's breaks nothing: nested deep, packed, huge heads, wrong kinds, empty", () =>
    Effect.gen(function* () {
      const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024))
      const json = (value: unknown) => (response: Http.ServerResponse) => void response.end(JSON.stringify(value))
      const good = { acknowledged: 0, refused: [], nonce: "n", heartbeat_interval_ms: 1_000, keys: [] }
      const answers: ReadonlyArray<(response: Http.ServerResponse) => void> = [
        (response) => void response.end("[".repeat(500_000)),
        (response) => void response.end(`${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`),
        (response) => void response.writeHead(200, { "content-encoding": "gzip" }).end(bomb),
        (response) => {
          response.socket?.end(`HTTP/1.1 200 OK\r\nx: ${"a".repeat(200_000)}\r\n\r\n{}`)
        },
        (response) =>
          void response.socket?.end("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n{}"),
        (response) => void response.writeHead(204).end(),
        (response) => void response.end(),
        json(null),
        json([]),
        json({ ...good, heartbeat_interval_ms: "1" }),
        json({ ...good, heartbeat_interval_ms: 1.5 }),
        json({ ...good, acknowledged: 1e300 }),
        json({ ...good, tunnels: Array.from({ length: 17 }, () => "https://a.example") }),
        json({ ...good, tunnels: [`https://a.example/${"a".repeat(2_001)}`] }),
        json({
          ...good,
          warnings: Array.from({ length: 33 }, (_, at) => ({ id: `${at}`, code: "c", detail: "", since_ms: 0 })),
        }),
        json({ ...good, keys: [{ id: "k", purpose: "anything", algorithm: "none", publicKey: "", validFromMs: 0 }] }),
      ]
      for (const answer of answers) {
        const error = yield* said(answer)
        assert.strictEqual(error.reason, "MarketAway", String(answer))
      }
    }).pipe(Effect.scoped),
  )

  it.live("that refuses is a letter of bounded length", () =>
    Effect.gen(function* () {
      const error = yield* said((response) =>
        response.writeHead(403).end(JSON.stringify({ code: "x".repeat(100), detail: "y".repeat(500_000) })),
      )
      assert.strictEqual(error.reason, "MarketRefused")
      assert.isBelow(error.message.length, 4_000)
    }).pipe(Effect.scoped),
  )
})

describe("what a market says", () => {
  it.live("moves no cursor and begins no line of the log", () =>
    Effect.gen(function* () {
      const home = yield* AgentProcess.temporaryHome
      for (const json of [false, true]) {
        const lines: Array<string> = []
        const heard: Console.Console = {
          ...console,
          log: (...parts: ReadonlyArray<unknown>) => void lines.push(parts.join(" ")),
        }
        yield* Effect.logWarning(`The market warns (x): ${ESCAPES}`).pipe(
          Effect.provide(AgentLogger.layer({ json, home })),
          Effect.provideService(Console.Console, heard),
        )
        assert.lengthOf(lines, 1)
        const kept = yield* LogFile.read(home, { most: 10, sinceMs: undefined })
        for (const text of [lines[0] ?? "", LogFile.words(kept[0] ?? { at: "", level: "", message: "" })]) {
          assert.match(text, /You were paid/)
          // oxlint-disable-next-line no-control-regex -- these are what must not be there
          assert.notMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
          assert.notMatch(text, /\n\S/)
        }
        assert.notMatch(JSON.stringify(kept), /[\u007f-\u009f\u202e]/)
      }
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(NodeFileSystem.layer, NodePath.layer))),
  )

  it("is plain text once it is read, however it was written", () => {
    const name = `${ESCAPES}\t\r\b\f\u0000\u200b\ufeff\u2066 \\u001b \\ " 😀 éüﬀ`
    const escaped = JSON.stringify({ name }).replace(
      /[\u007f-\uffff]/g,
      (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`,
    )
    const upper = escaped.replace(/u[0-9a-f]{4}/g, (one) => `u${one.slice(1).toUpperCase()}`)
    for (const json of [JSON.stringify({ name }), escaped, upper]) {
      const [read] = Object.values(JSON.parse(PlainJson.of(json)) as Record<string, string>)
      // oxlint-disable-next-line no-control-regex -- these are what must not be there
      assert.notMatch(read ?? "", /[\u0000-\u001f\u007f-\u009f\u200b\u202e\u2066\ufeff]/)
      assert.match(read ?? "", /you were paid.*\\u001b \\ " 😀 éüﬀ/i)
    }
    const nested = '{"a":["\\\\n",{"\\u000a":1.5e3}], "b":null}'
    assert.deepStrictEqual(JSON.parse(PlainJson.of(nested)), { a: ["\\n", { " ": 1_500 }], b: null })
    assert.throws(() => JSON.parse(PlainJson.of('"\\')))
  })

  it.live("moves no cursor where a command ends with it", () =>
    Effect.gen(function* () {
      const market = yield* ScriptedMarket.make()
      for (const args of [[], ["--json"]]) {
        market.failNext(400, ESCAPES)
        const agent = yield* AgentProcess.start(market, args)
        yield* agent.exited
        assert.notStrictEqual(agent.exitCode(), 0)
        assert.include(agent.output(), "You were paid")
        // oxlint-disable-next-line no-control-regex -- these are what must not be there
        assert.notMatch(agent.output(), /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
      }
    }).pipe(Effect.scoped),
  )
})

describe("a key that the market speaks of", () => {
  const answering = (body: object) =>
    Effect.map(
      ToldMarket.make((_, response) => void response.end(JSON.stringify(body))),
      ({ url }) => url,
    )

  it.live("is this device's, or nothing is approved", () =>
    Effect.gen(function* () {
      const url = yield* answering({
        state: "approved",
        device_id: `dev_${"0".repeat(32)}`,
        fingerprint: "0000 0000 0000 0000",
        ask_again_ms: -5,
      })
      const context = yield* clientOf(url, undefined)
      const error = yield* Pair.run({
        code: "123456",
        name: "box",
        hardware: {
          gpus: [],
          cpu: { name: "cpu", cores: 1, architecture: "x64" },
          memoryMib: 1_024,
          diskFreeMib: 1_024,
          system: { platform: "linux", name: "linux" },
        },
        versions: AgentVersions.running,
        tell: () => Effect.void,
        away: () => Effect.void,
      }).pipe(Effect.flip, Effect.provide(context))
      assert.strictEqual(error.code, "invalid_signature")
      const home = Context.get(context, AgentHome.AgentHome)
      assert.strictEqual((yield* home.read("market.json"))._tag, "None")
    }).pipe(Effect.scoped),
  )

  it.live("is the new one when it is rotated, or the old one stays", () =>
    Effect.gen(function* () {
      const url = yield* answering({ fingerprint: "0000 0000 0000 0000" })
      const context = yield* clientOf(url, undefined)
      const home = Context.get(context, AgentHome.AgentHome)
      const before = yield* home.read("device-key.json")
      const error = yield* rotate.pipe(Effect.flip, Effect.provide(context))
      assert.strictEqual(error.code, "invalid_signature")
      assert.deepStrictEqual(yield* home.read("device-key.json"), before)
      assert.strictEqual((yield* home.read("device-key.next.json"))._tag, "Some")
    }).pipe(Effect.scoped),
  )

  it("opens no gate by being no key", () => {
    const gate = TicketGate.make({ price: TestTicket.PRICE })
    const key = { id: "k", purpose: "ticket", algorithm: "ed25519", validFromMs: 0 } as const
    for (const publicKey of ["", "A".repeat(43), "_".repeat(43), "A".repeat(44), "\u0000".repeat(43), "/".repeat(43)]) {
      gate.learn({ keys: [{ ...key, publicKey }], instances: [TestTicket.INSTANCE] })
      for (const signature of ["", "A".repeat(86), "A".repeat(8_000)]) {
        const ticket = { ticket: TestTicket.ticket(1, 0), signature: { keyId: "k", value: signature } }
        const admitted = gate.admit(TestTicket.header(ticket), 1)
        assert.isTrue(Result.isFailure(admitted), publicKey)
      }
    }
  })
})

describe("a gateway that a market names", () => {
  const dials = (market: string, named: string) => Result.isSuccess(MarketAddress.gateway(market, named))

  it("lies in no private network, where the market does not", () => {
    const market = "https://market.example"
    for (const url of [
      "https://169.254.169.254",
      "https://127.0.0.1:8787",
      "https://2130706433",
      "https://0x7f.1",
      "https://0177.0.0.1",
      "https://10.0.0.1",
      "https://192.168.0.1",
      "https://100.64.0.1",
      "https://0.0.0.0",
      "https://[::1]",
      "https://[::]",
      "https://[::ffff:127.0.0.1]",
      "https://[::ffff:8.8.8.8]",
      "https://[64:ff9b::a00:1]",
      "https://[fd00::1]",
      "https://[fe80::1]",
      "https://localhost",
      "https://localhost.",
      "https://metadata.google.internal",
      "https://printer.local",
      "https://router",
      "http://gw.market.example",
      "ws://gw.market.example",
      "file:///etc/passwd",
      "https://a:b@gw.market.example",
      "https://gw.market.example/?x=",
      "https://gw.market.example/#",
      "",
    ]) {
      assert.isFalse(dials(market, url), url)
    }
    for (const url of ["https://gw-2.market.example", "https://8.8.8.8:8443", "https://market.example:8443/base"]) {
      assert.isTrue(dials(market, url), url)
    }
  })

  it("may lie in a private network, where the market does, but is no metadata service", () => {
    for (const market of ["http://127.0.0.1:8787", "http://gateway:8787", "http://192.168.1.2"]) {
      assert.isTrue(dials(market, "http://10.0.0.7:8787"), market)
      assert.isTrue(dials(market, "http://gw-2:8787"), market)
      assert.isFalse(dials(market, "http://169.254.169.254"), market)
      assert.isFalse(dials(market, "http://[::ffff:169.254.169.254]"), market)
      assert.isFalse(dials(market, "http://[fe80::a9fe:a9fe]"), market)
    }
  })

  const services = Effect.fnUntraced(function* (marketUrl: string, tunnels: () => ReadonlyArray<string>) {
    const context = yield* clientOf(marketUrl, undefined)
    const market = { ...Context.get(context, MarketClient.MarketClient), tunnels }
    return Layer.succeedContext(context).pipe(Layer.provideMerge(serverWith(() => undefined)), (layer) =>
      Layer.merge(layer, Layer.succeed(MarketClient.MarketClient, market)),
    )
  })

  it.live("is not called where its name means a private address by the time that it is called", () =>
    Effect.gen(function* () {
      let calls = 0
      const url = yield* Loopback.listen(
        Http.createServer().on("upgrade", (_request, socket: Net.Socket) => {
          calls += 1
          socket.destroy()
        }),
      )
      const named = url.replace("127.0.0.1", "localhost")
      const opened = yield* Deferred.make<void>()
      const provided = yield* services(url, () => [])
      const dial = (reach: MarketAddress.Reach) =>
        Effect.scoped(Tunnel.keep(named, reach, opened)).pipe(
          Effect.provide(provided),
          Effect.timeoutOption("700 millis"),
        )
      yield* dial("public")
      assert.strictEqual(calls, 0)
      yield* dial("anywhere")
      assert.isAbove(calls, 0)
    }).pipe(Effect.scoped, quiet),
  )

  it.live("gets the agent to knock at six doors at most, however many it names", () =>
    Effect.gen(function* () {
      const knocked = new Set<string>()
      const victims = yield* Effect.forEach(Array.from({ length: 12 }), () =>
        Effect.gen(function* () {
          const url: string = yield* Loopback.listen(
            Http.createServer().on("upgrade", (request, socket: Net.Socket) => {
              knocked.add(request.headers.host ?? "")
              socket.destroy()
            }),
          )
          return url
        }),
      )
      let look = 0
      const provided = yield* services("http://127.0.0.1:9", () => {
        look += 1
        return victims.slice((look * 3) % 12, ((look * 3) % 12) + 3)
      })
      const opened = yield* Deferred.make<void>()
      yield* Effect.scoped(Tunnel.keepAll("http://127.0.0.1:9", opened)).pipe(
        Effect.provide(provided),
        Effect.timeoutOption("3300 millis"),
      )
      assert.isAtLeast(look, 3)
      assert.isAtMost(knocked.size, 6)
      assert.isAbove(knocked.size, 0)
    }).pipe(Effect.scoped, quiet),
  )
})

describe("a market that hands out work", () => {
  it.live("hands out no more than was asked for", () =>
    Effect.gen(function* () {
      let handled = 0
      let asked = 0
      const job = (at: number) => ({
        job_id: `00000000-0000-4000-8000-${String(at).padStart(12, "0")}`,
        lease: "0".repeat(32),
        lease_ms: 1_000,
        instance_id: "ins_x",
        method: "POST",
        path: "/v1/chat/completions",
        headers: {},
        body: "",
      })
      const { url } = yield* ToldMarket.make((request, response) => {
        request.resume()
        asked += 1
        response.end(JSON.stringify({ jobs: Array.from({ length: 1_000 }, (_, at) => job(at)) }))
      })
      const context = yield* clientOf(url, undefined)
      yield* Pull.make({ instances: [TestTicket.INSTANCE], concurrency: 2 }).pipe(
        Effect.andThen(until(() => asked >= 2)),
        Effect.scoped,
        Effect.provide(context),
        Effect.provide(serverWith(() => void (handled += 1))),
      )
      assert.strictEqual(handled, 0)
    }).pipe(Effect.scoped, quiet),
  )
})
