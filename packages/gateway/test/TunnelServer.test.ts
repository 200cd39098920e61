/** Who gets a tunnel, who does not, and who loses it. */
import * as NodeWS from "@effect/platform-node/NodeWS"
import { afterEach, assert, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import { connect } from "node:net"
import { Device } from "@guildhall/core"
import * as TunnelFrame from "@guildhall/protocol/provider/TunnelFrame"
import * as TunnelHello from "@guildhall/protocol/provider/TunnelHello"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import * as TunnelAgent from "./TunnelAgent.ts"
import * as TunnelMarket from "./TunnelMarket.ts"
import * as Waiting from "./Waiting.ts"

const cleanups: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const start = async (options: Parameters<typeof TunnelMarket.start>[0] = {}) => {
  const market = await TunnelMarket.start(options)
  cleanups.push(market.close)
  return market
}

const idOf = (device: SampleDevice.SampleDevice) =>
  Device.DeviceId.make(
    `dev_${createHash("sha256").update(Buffer.from(device.publicKey, "base64url")).digest("hex").slice(0, 32)}`,
  )

const hello: TunnelAgent.Script = (exchange) => {
  exchange.start(200, { "content-type": "text/plain" })
  exchange.data(exchange.body)
  exchange.end()
}

/** Asks an instance; answers the text, or the error. */
const ask = (
  market: TunnelMarket.Market,
  instance: Parameters<typeof market.transport.dispatch>[0]["instance"],
  body = "hello",
) =>
  new Promise<string>((resolve) => {
    let text = ""
    market.transport.dispatch(
      {
        instance,
        method: "POST",
        path: "/v1/chat/completions",
        headers: { "content-type": "text/plain" },
        body: Buffer.from(body),
        connectMs: 2_000,
        headersMs: 5_000,
      },
      {
        onStart: () => undefined,
        onData: (chunk) => ((text += Buffer.from(chunk).toString()), true),
        onEnd: () => resolve(text),
        onError: ({ reason, detail }) => resolve(`${reason}: ${detail}`),
      },
    )
  })

const refusal = (opening: Promise<unknown>): Promise<string> =>
  opening.then(
    () => "it was let in",
    (error: unknown) => String(error),
  )

describe("a tunnel is opened", () => {
  it("by a device's signature in the headers, or in a browser's hello", async () => {
    const market = await start()
    for (const isBrowser of [false, true]) {
      const { device, instance } = await market.join()
      const agent = await TunnelAgent.open({ url: market.url, device, script: hello, isBrowser })
      assert.strictEqual(await ask(market, instance), "hello")
      agent.vanish()
    }
  })

  it("by nobody else", async () => {
    const market = await start()
    const { device } = await market.join()
    const options = { url: market.url, device, script: hello }
    const other = SampleDevice.make()
    const forged = { ...device, sign: other.sign }
    const mixed = {
      ...device,
      sign: (message: Parameters<typeof device.sign>[0]) => ({ ...other.sign(message), publicKey: device.publicKey }),
    }
    assert.match(await refusal(TunnelAgent.open({ ...options, device: mixed })), /401 .*invalid_signature/)
    assert.match(
      await refusal(TunnelAgent.open({ ...options, device: mixed, isBrowser: true })),
      /4003 invalid_signature/,
    )
    assert.match(
      await refusal(TunnelAgent.open({ ...options, headers: { "guildhall-sequence": "1" } })),
      /401 .*invalid_signature/,
    )
    assert.match(
      await refusal(TunnelAgent.open({ ...options, headers: { "guildhall-device": "nobody" } })),
      /400 .*invalid_request/,
    )
    // Somebody with a key of his own is somebody else: he is let in, and cut, since he has nothing on the market.
    assert.notStrictEqual(forged.sign({}).publicKey, device.publicKey)
    assert.strictEqual(market.tunnels.size(), 0)
  })

  it("once by each signature", async () => {
    const market = await start()
    const { device } = await market.join()
    let kept: ReturnType<typeof device.sign> | undefined
    const again = { ...device, sign: (message: Parameters<typeof device.sign>[0]) => (kept ??= device.sign(message)) }
    const options = { url: market.url, device: again, script: hello }
    await TunnelAgent.open(options)
    const { sequence, issuedAtMs } = kept ?? { sequence: 0, issuedAtMs: 0 }
    const headers = { "guildhall-sequence": String(sequence), "guildhall-issued-at": String(issuedAtMs) }
    assert.match(await refusal(TunnelAgent.open({ ...options, headers })), /409 .*replayed_message/)
  })

  it("only so often by one device, and only by one that is on the market", async () => {
    const market = await start({ perDevice: 2, unlistedMs: 100 })
    const { device } = await market.join()
    const options = { url: market.url, device, script: hello }
    await TunnelAgent.open(options)
    await TunnelAgent.open(options)
    assert.match(await refusal(TunnelAgent.open(options)), /4003 rate_limited/)
    const stranger = await TunnelAgent.open({ ...options, device: SampleDevice.make() })
    assert.match((await stranger.closed).reason, /not_found/)
  })

  it("and cut within a second when its device is revoked, requests and all", async () => {
    const market = await start()
    const { device, instance } = await market.join()
    const agent = await TunnelAgent.open({ url: market.url, device, script: () => undefined })
    const asked = ask(market, instance)
    await Waiting.until("the request", () => agent.session.size === 1)
    const revokedAt = performance.now()
    await market.revoke(idOf(device))
    const { code, reason } = await agent.closed
    assert.strictEqual(code, TunnelFrame.CLOSE.refused, reason)
    assert.match(await asked, /^ClosedEarly: /)
    assert.isBelow(performance.now() - revokedAt, 1_000)
    assert.match(await refusal(TunnelAgent.open({ url: market.url, device, script: hello })), /403 .*device_revoked/)
  })
})

const socketTo = (market: TunnelMarket.Market) =>
  new NodeWS.WebSocket(`${market.url.replace("http", "ws")}${TunnelHello.PATH}`, TunnelHello.PROTOCOL)

const closeOf = (socket: NodeWS.WebSocket) =>
  new Promise<string>((resolve) => {
    socket.on("error", () => undefined)
    socket.on("close", (code, reason) => resolve(`${code} ${String(reason)}`))
  })

describe("a stranger", () => {
  it("has little time, one message, and few bytes", async () => {
    const market = await start({ strangerMs: 150 })
    const silent = socketTo(market)
    assert.match(await closeOf(silent), /^4003 body_timeout/)
    const says = async (...messages: ReadonlyArray<Uint8Array | string>) => {
      const socket = socketTo(market)
      socket.on("open", () => messages.forEach((message) => socket.send(message)))
      return closeOf(socket)
    }
    assert.match(await says("hello"), /4002 A message is text/)
    assert.match(await says(new Uint8Array(5_000)), /4002 A hello was expected/)
    assert.match(await says(TunnelFrame.control(TunnelFrame.CONTROL.ping)), /4002 A hello was expected/)
    assert.match(await says(TunnelHello.encodeHello({ received: 0 })), /4003 invalid_signature/)
    // More than a message may have is not even read.
    assert.match(await says(new Uint8Array(TunnelFrame.MESSAGE_BYTES_MAX + 1)), /^10/)
    assert.strictEqual(market.tunnels.size(), 0)
  })

  it("is one of few at a time, and they do not keep others out for long", async () => {
    const market = await start({ strangersMax: 3, strangerMs: 300 })
    const crowd = Array.from({ length: 3 }, () => socketTo(market))
    await Promise.all(crowd.map((socket) => new Promise((resolve) => socket.on("open", resolve))))
    const { device } = await market.join()
    const options = { url: market.url, device, script: hello }
    assert.match(await refusal(TunnelAgent.open(options)), /503 .*service_unavailable/)
    await Promise.all(crowd.map(closeOf))
    await TunnelAgent.open(options)
  })

  it("that speaks no HTTP, or leaves in the middle, leaves nothing behind", async () => {
    const market = await start({ strangersMax: 1 })
    const upgrade = `GET ${TunnelHello.PATH} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n`
    for (const text of [
      "",
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bad\r\n",
      "Sec-WebSocket-Version: 1\r\n",
    ]) {
      await new Promise((resolve) => {
        const socket = connect(market.port, "127.0.0.1", () => socket.end(`${upgrade}${text}\r\n`))
        socket
          .on("error", () => undefined)
          .on("close", resolve)
          .resume()
      })
    }
    const { device, instance } = await market.join()
    await Waiting.until("the last of them to be gone", () => market.tunnels.size() === 0)
    await TunnelAgent.open({ url: market.url, device, script: hello })
    assert.strictEqual(await ask(market, instance), "hello")
  })
})

describe("an agent that does not keep to the protocol", () => {
  it("is cut with the reason: oversized, flooding, half frames, text", async () => {
    const market = await start()
    const data = (size: number) =>
      TunnelFrame.encode([{ type: TunnelFrame.STREAM.data, stream: 1, payload: new Uint8Array(size) }])
    const wrong: ReadonlyArray<readonly [RegExp, (socket: NodeWS.WebSocket) => void]> = [
      [/^10/, (socket) => socket.send(new Uint8Array(TunnelFrame.MESSAGE_BYTES_MAX + 1))],
      [/4002 A frame has/, (socket) => socket.send(data(TunnelFrame.PAYLOAD_BYTES_MAX + 1))],
      [/4002 There is no stream/, (socket) => socket.send(data(1))],
      [/4002 A message ends inside/, (socket) => socket.send(data(9).subarray(0, 10))],
      [/4002 A message is text/, (socket) => socket.send("hello")],
      [
        /4002 It asks for signs/,
        (socket) => {
          for (let at = 0; at < 1_000; at += 1) socket.send(TunnelFrame.control(TunnelFrame.CONTROL.ping))
        },
      ],
    ]
    for (const [reason, act] of wrong) {
      const { device, instance } = await market.join()
      const agent = await TunnelAgent.open({ url: market.url, device, script: () => undefined })
      act(agent.socket)
      const { code, reason: said } = await agent.closed
      assert.match(`${code} ${said}`, reason)
      assert.match(await ask(market, instance), /^Unreachable: /)
    }
  })

  it("floods no memory: what it sends beyond its window ends its tunnel", async () => {
    const market = await start()
    const { device, instance } = await market.join()
    const agent = await TunnelAgent.open({
      url: market.url,
      device,
      script: (exchange) => {
        exchange.start(200, {})
        for (let at = 0; at < 64; at += 1) {
          agent.socket.send(
            TunnelFrame.encode([{ type: TunnelFrame.STREAM.data, stream: 1, payload: new Uint8Array(16 * 1024) }]),
          )
        }
      },
    })
    let heard = 0
    await new Promise<void>((resolve) => {
      market.transport.dispatch(
        {
          instance,
          method: "POST",
          path: "/v1/x",
          headers: {},
          body: new Uint8Array(),
          connectMs: 1_000,
          headersMs: 1_000,
        },
        {
          onStart: () => undefined,
          onData: (chunk) => ((heard += chunk.length), false),
          onEnd: () => assert.fail("it ended"),
          onError: () => resolve(),
        },
      )
    })
    assert.isAtMost(heard, 64 * 1024)
    const { code } = await agent.closed
    assert.strictEqual(code, TunnelFrame.CLOSE.wrong)
  })
})

describe("many", () => {
  it("two hundred agents come at once, all are asked, and all leave", async () => {
    const market = await start()
    const joined = await Promise.all(Array.from({ length: 200 }, () => market.join()))
    const agents = await Promise.all(
      joined.map(({ device }) => TunnelAgent.open({ url: market.url, device, script: hello })),
    )
    assert.strictEqual(market.tunnels.size(), 200)
    const answers = await Promise.all(joined.map(({ instance }, at) => ask(market, instance, `number ${at}`)))
    assert.deepStrictEqual(
      answers,
      Array.from(answers, (_, at) => `number ${at}`),
    )
    for (const agent of agents) agent.session.end("The agent stops.")
    await Waiting.until("all to be gone", () => market.tunnels.size() === 0)
  }, 30_000)
})

describe("an agent that comes back", () => {
  it("goes on with its session, and a fresh start ends the one that was lost", async () => {
    const market = await start()
    const { device, instance } = await market.join()
    const asked: Array<Parameters<TunnelAgent.Script>[0]> = []
    const options = { url: market.url, device, script: (exchange: (typeof asked)[number]) => void asked.push(exchange) }
    const agent = await TunnelAgent.open(options)
    const first = ask(market, instance)
    await Waiting.until("the request", () => asked.length === 1)
    agent.vanish()
    await agent.closed
    asked[0]?.start(200, {})
    asked[0]?.data(Buffer.from("whole"))
    asked[0]?.end()
    const back = await agent.resume()
    assert.isTrue(back.welcome.resumed)
    assert.strictEqual(await first, "whole")

    const second = ask(market, instance)
    await Waiting.until("the request", () => asked.length === 2)
    back.vanish()
    await Waiting.until("the loss", () => market.tunnels.find(instance.deviceId)?.isAttached === false)
    await TunnelAgent.open(options)
    assert.match(await second, /^ClosedEarly: The agent began anew/)
    assert.strictEqual(market.tunnels.size(), 1)
  })

  it("does so although the gateway has not noticed that it was gone, and nobody else can", async () => {
    const market = await start()
    const { device, instance } = await market.join()
    const agent = await TunnelAgent.open({ url: market.url, device, script: hello })
    const back = await agent.resume()
    assert.isTrue(back.welcome.resumed)
    assert.strictEqual((await agent.closed).code, TunnelFrame.CLOSE.left)
    assert.strictEqual(await ask(market, instance), "hello")
    const thief = await market.join()
    const taken = await TunnelAgent.open({ url: market.url, device: thief.device, script: hello })
    const stolen = await refusal(
      new Promise((resolve, reject) => {
        const socket = socketTo(market)
        socket.on("error", reject)
        socket.on("open", () => socket.send(TunnelHello.encodeHello({ session: back.welcome.session, received: 0 })))
        socket.on("close", (code, reason) => reject(new Error(`${code} ${String(reason)}`)))
        socket.on("message", resolve)
      }),
    )
    assert.match(stolen, /4003/)
    assert.notStrictEqual(taken.welcome.session, back.welcome.session)
  })
})
