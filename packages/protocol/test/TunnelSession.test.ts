import { assert, describe, it } from "@effect/vitest"
import * as Chance from "@guildhall/tools/Chance"
import { TunnelFrame, TunnelStream } from "@guildhall/protocol/provider"
import * as TunnelPair from "./TunnelPair.ts"

/** The seed of the random interleavings; GUILDHALL_TUNNEL_SEED tries another. */
const SEED = Number(process.env["GUILDHALL_TUNNEL_SEED"] ?? 20_261_121)
const RUNS = 40
const STEPS = 400

interface Exchange {
  readonly buyer: TunnelPair.Heard
  readonly body: Uint8Array
  stream: TunnelStream.TunnelStream
  answer: TunnelStream.TunnelStream | undefined
  request: TunnelPair.Heard | undefined
  written: number
  checksum: number
  finished: boolean
  cancelled: boolean
  brokeOff: boolean
  /** The agent had its say before it could hear of a cancel. */
  answered: boolean
}

const bytes = (chance: Chance.Chance, size: number): Uint8Array => {
  const [first, step] = [chance.below(256), chance.between(1, 255)]
  const made = new Uint8Array(size)
  for (let at = 0; at < size; at += 1) made[at] = first + at * step + (at >> 8)
  return made
}

const run = async (seed: number): Promise<void> => {
  const chance = Chance.make(seed)
  const exchanges: Array<Exchange> = []
  const network = TunnelPair.make((answer, head) => {
    const exchange = exchanges[Number(head.path.slice(1))]
    if (exchange === undefined) throw new Error("A stream came that nobody opened.")
    if (exchange.answer !== undefined) throw new Error("A stream was opened twice.")
    exchange.answer = answer
    exchange.request = TunnelPair.hear(true)
    return exchange.request.listener
  })
  const openOne = () => {
    const buyer = TunnelPair.hear()
    const body = bytes(chance, chance.percent(20) ? chance.between(1, 600_000) : chance.between(0, 3_000))
    const stream = network.gateway.open(TunnelPair.open(`/${exchanges.length}`), body, buyer.listener)
    const none = { answer: undefined, request: undefined, written: 0, checksum: 0 }
    exchanges.push({
      buyer,
      body,
      stream,
      ...none,
      finished: false,
      cancelled: false,
      brokeOff: false,
      answered: false,
    })
  }
  const answerOne = (exchange: Exchange) => {
    const { answer } = exchange
    if (answer === undefined || exchange.finished || exchange.brokeOff || exchange.request?.reset !== undefined) return
    if (exchange.written === 0) answer.begin(TunnelPair.start())
    const chunk = bytes(chance, chance.percent(10) ? chance.between(1, 200_000) : chance.between(1, 300))
    answer.write(chunk)
    exchange.written += chunk.length
    exchange.checksum = TunnelPair.checksum(exchange.checksum, chunk)
    exchange.answered = false
    if (chance.percent(25)) {
      exchange.answered = exchange.cancelled
      answer.finish()
      exchange.finished = true
    } else if (chance.percent(3)) {
      exchange.answered = exchange.cancelled
      answer.reset("The engine broke.")
      exchange.brokeOff = true
    }
  }
  network.connect()
  const steps: ReadonlyArray<readonly [number, () => void]> = [
    [30, () => void network.deliver("agent")],
    [30, () => void network.deliver("gateway")],
    [6, openOne],
    [20, () => exchanges.forEach((exchange) => chance.percent(40) && answerOne(exchange))],
    [4, () => exchanges.forEach(({ buyer }) => chance.percent(20) && (buyer.paused = true))],
    [6, () => exchanges.forEach((one) => TunnelPair.resume(one.buyer, one.stream))],
    [
      2,
      () => exchanges.forEach(({ request }) => request !== undefined && chance.percent(20) && (request.paused = true)),
    ],
    [4, () => exchanges.forEach((one) => resumeRequest(one))],
    [
      2,
      () => {
        const exchange = exchanges.at(chance.below(Math.max(1, exchanges.length)))
        if (exchange === undefined || exchange.finished || exchange.brokeOff || exchange.cancelled) return
        exchange.cancelled = true
        exchange.stream.reset("The buyer left.")
      },
    ],
    [2, () => network.cut()],
    [5, () => network.gateway.isAttached || network.connect()],
    [4, () => network.tick(500)],
    [3, () => (network.buffered = chance.percent(30) ? 1_000_000 : 0)],
  ]
  const total = steps.reduce((sum, [weight]) => sum + weight, 0)
  for (let step = 0; step < STEPS; step += 1) {
    let at = chance.below(total)
    for (const [weight, act] of steps) {
      at -= weight
      if (at >= 0) continue
      act()
      break
    }
    await TunnelPair.microtasks()
    network.gateway.drained()
    network.agent.drained()
  }
  // Whatever happened: after the network is back and everybody reads, all that was begun comes to its end.
  network.buffered = 0
  if (!network.gateway.isAttached) network.connect()
  for (let round = 0; round < 50; round += 1) {
    for (const exchange of exchanges) {
      TunnelPair.resume(exchange.buyer, exchange.stream)
      resumeRequest(exchange)
      if (!exchange.finished && !exchange.cancelled && exchange.written > 0) {
        exchange.answer?.finish()
        exchange.finished = true
      } else if (exchange.written === 0 && !exchange.cancelled) answerOne(exchange)
    }
    await network.settle()
    network.tick(500)
    network.gateway.drained()
    network.agent.drained()
    await network.settle()
  }
  check(network, exchanges)
}

const resumeRequest = ({ answer, request }: Exchange): void => {
  if (request !== undefined) TunnelPair.resume(request, answer)
}

const check = (network: TunnelPair.Network, exchanges: ReadonlyArray<Exchange>): void => {
  assert.deepStrictEqual(
    network.closes.filter((close) => !close.includes("4001")),
    [],
  )
  assert.deepStrictEqual(network.overs, [])
  for (const [number, exchange] of exchanges.entries()) {
    const { body, brokeOff, buyer, cancelled, request, checksum, written } = exchange
    if (cancelled) {
      assert.isFalse(buyer.ended, `${number} ended after its cancel`)
      // It never left, or the agent hears of the cancel, unless its end was on the way already.
      const { answered } = exchange
      assert.isTrue(request === undefined || request.reset !== undefined || answered, `${number} was not cancelled`)
      continue
    }
    if (brokeOff) {
      assert.strictEqual(buyer.reset, "The engine broke.", `${number}`)
      continue
    }
    assert.isTrue(buyer.ended, `${number} did not end`)
    assert.strictEqual(buyer.started, 200)
    assert.strictEqual(buyer.bytes, written, `${number}`)
    assert.strictEqual(buyer.checksum, checksum, `${number}: the answer changed`)
    // An answer that was complete first may have left the end of its request unread.
    if (request?.ended === true) assert.strictEqual(request.checksum, TunnelPair.checksum(0, body), `${number}`)
  }
  assert.strictEqual(network.gateway.size, 0)
  assert.strictEqual(network.agent.size, 0)
  assert.strictEqual(network.gateway.keptBytes, 0)
  assert.strictEqual(network.agent.keptBytes, 0)
}

describe("a tunnel's session", () => {
  it(`keeps every stream whole over losses, pauses and cancels, however they mix (seed ${SEED})`, async () => {
    for (let number = 0; number < RUNS; number += 1) {
      await run(SEED + number).catch((cause: unknown) => {
        throw new Error(`The run with seed ${SEED + number} failed.`, { cause })
      })
    }
  }, 60_000)

  it("lets a slow buyer stop its own stream only", async () => {
    const answers: Array<TunnelStream.TunnelStream> = []
    const network = TunnelPair.make((stream) => {
      answers.push(stream)
      return TunnelPair.hear(true).listener
    })
    network.connect()
    const slow = TunnelPair.hear()
    slow.paused = true
    const quick = TunnelPair.hear()
    network.gateway.open(TunnelPair.open(), new Uint8Array(), slow.listener)
    network.gateway.open(TunnelPair.open(), new Uint8Array(), quick.listener)
    await network.settle()
    const [first, second] = answers
    first?.begin(TunnelPair.start())
    second?.begin(TunnelPair.start())
    // Ten megabytes for somebody who does not read: the backend is asked to pause, and the window is all that leaves.
    let asked = false
    for (let at = 0; at < 160; at += 1) asked = first?.write(new Uint8Array(64 * 1024)) === false || asked
    second?.write(new Uint8Array(1_000))
    second?.finish()
    await network.settle()
    assert.isTrue(asked)
    assert.isAtMost(slow.bytes, TunnelStream.WINDOW.answer)
    assert.strictEqual(quick.bytes, 1_000)
    assert.isTrue(quick.ended)
    network.tick(500)
    await network.settle()
    assert.strictEqual(network.agent.keptBytes, 0, "what came is acknowledged although nobody reads it")
  })

  it("puts no long answer before another's token: frames take turns", async () => {
    const answers: Array<TunnelStream.TunnelStream> = []
    const network = TunnelPair.make((stream) => {
      answers.push(stream)
      return TunnelPair.hear(true).listener
    })
    network.connect()
    for (let at = 0; at < 2; at += 1)
      network.gateway.open(TunnelPair.open(), new Uint8Array(), TunnelPair.hear().listener)
    await network.settle()
    const [long, short] = answers
    long?.begin(TunnelPair.start())
    long?.write(new Uint8Array(60_000))
    short?.begin(TunnelPair.start())
    short?.write(new Uint8Array(10))
    await TunnelPair.microtasks()
    const order: Array<number> = []
    for (const message of network.toGateway) {
      TunnelFrame.decode(message, ({ stream, type }) => {
        if (type === TunnelFrame.STREAM.data) order.push(stream)
        return undefined
      })
    }
    assert.deepStrictEqual(order.slice(0, 3), [1, 2, 1])
  })

  it("hands no more to a connection than it takes, and goes on when that has drained", async () => {
    const answers: Array<TunnelStream.TunnelStream> = []
    const network = TunnelPair.make((stream) => {
      answers.push(stream)
      return TunnelPair.hear(true).listener
    })
    network.connect()
    const buyer = TunnelPair.hear()
    network.gateway.open(TunnelPair.open(), new Uint8Array(), buyer.listener)
    await network.settle()
    network.buffered = 1024 * 1024
    answers[0]?.begin(TunnelPair.start())
    answers[0]?.write(new Uint8Array(1_000))
    await network.settle()
    assert.strictEqual(buyer.bytes, 0)
    network.buffered = 0
    network.agent.drained()
    await network.settle()
    assert.strictEqual(buyer.bytes, 1_000)
  })

  it("keeps a bounded amount for the other side to acknowledge", async () => {
    const answers: Array<TunnelStream.TunnelStream> = []
    const network = TunnelPair.make(
      (stream) => {
        answers.push(stream)
        return TunnelPair.hear(true).listener
      },
      { streamsMax: 100 },
    )
    network.connect()
    for (let at = 0; at < 64; at += 1) {
      network.gateway.open(TunnelPair.open(), new Uint8Array(), TunnelPair.hear().listener)
    }
    await network.settle()
    for (const answer of answers) {
      answer.begin(TunnelPair.start())
      answer.write(new Uint8Array(64 * 1024))
    }
    await TunnelPair.microtasks()
    assert.isAtMost(network.agent.keptBytes, 1024 * 1024 + TunnelFrame.MESSAGE_BYTES_MAX)
  })

  it("ends what was under way when the connection does not come back, and nothing before", async () => {
    const network = TunnelPair.make(() => TunnelPair.hear(true).listener, { resumeMs: 5_000 })
    network.connect()
    const buyer = TunnelPair.hear()
    network.gateway.open(TunnelPair.open(), new Uint8Array(), buyer.listener)
    await network.settle()
    network.tick(500)
    network.cut()
    network.tick(4_500)
    assert.isUndefined(buyer.reset)
    network.tick(500)
    assert.strictEqual(buyer.reset, "The connection did not come back.")
    assert.isTrue(network.gateway.isOver)
    assert.isTrue(network.agent.isOver)
  })

  it("notices a connection that is half open, sooner where streams are under way", async () => {
    const network = TunnelPair.make(() => TunnelPair.hear(true).listener)
    network.connect()
    network.tick(500)
    // Idle and in order: both ask and both answer.
    for (let at = 0; at < 100; at += 1) {
      network.tick(500)
      await network.settle()
    }
    assert.isTrue(network.gateway.isAttached)
    network.gateway.open(TunnelPair.open(), new Uint8Array(), TunnelPair.hear().listener)
    await network.settle()
    let waitedMs = 0
    // From here on nothing arrives.
    while (network.gateway.isAttached && waitedMs < 20_000) {
      network.tick(500)
      waitedMs += 500
    }
    assert.isAtMost(waitedMs, 7_000)
    assert.isTrue(network.closes.some((close) => close.startsWith("gateway 4001")))
  })
})

const frame = (type: number, stream: number, payload: Uint8Array = new Uint8Array()): Uint8Array =>
  TunnelFrame.encode([{ type, stream, payload }])

describe("what breaks the protocol closes the tunnel with the reason", () => {
  const { STREAM, CONTROL } = TunnelFrame
  const data = (stream: number, size: number) => frame(STREAM.data, stream, new Uint8Array(size))
  const flood = Array.from({ length: 5 }, () => data(1, TunnelFrame.PAYLOAD_BYTES_MAX))
  const begun = frame(STREAM.start, 1, TunnelPair.start())
  const fromAgent: ReadonlyArray<readonly [string, ReadonlyArray<Uint8Array>, RegExp]> = [
    ["an empty message", [new Uint8Array()], /empty/],
    ["half a frame's header", [Uint8Array.of(2, 0, 0)], /inside a frame/],
    ["half a frame", [data(1, 10).subarray(0, 12)], /inside a frame/],
    ["an oversized message", [new Uint8Array(TunnelFrame.MESSAGE_BYTES_MAX + 1)], /at most/],
    ["an oversized frame", [data(1, TunnelFrame.PAYLOAD_BYTES_MAX + 1)], /at most/],
    ["a type that does not exist", [frame(9, 1)], /type 9/],
    ["a type above all", [frame(255, 1)], /type 255/],
    ["no stream", [data(0, 1)], /names none/],
    ["an unknown stream", [data(7, 1)], /no stream 7/],
    ["a request from the side that answers", [frame(STREAM.open, 1, TunnelPair.open())], /answers nothing/],
    [
      "a control frame with company",
      [TunnelFrame.encode([...Array(2)].map(() => ({ type: CONTROL.ping, stream: 0, payload: new Uint8Array() })))],
      /of its own/,
    ],
    ["data before the head", [data(1, 1)], /before the head/],
    ["an end before the head", [frame(STREAM.end, 1)], /before the head/],
    ["a head that is no JSON", [frame(STREAM.start, 1, Uint8Array.of(1, 2))], /head of an answer/],
    ["a head with a wrong status", [frame(STREAM.start, 1, new TextEncoder().encode("[99]"))], /head of an answer/],
    [
      "a head with a line break",
      [frame(STREAM.start, 1, new TextEncoder().encode('[200,"a","b\\r\\nc: d"]'))],
      /head of an answer/,
    ],
    ["two heads", [begun, begun], /twice/],
    ["data without bytes", [begun, data(1, 0)], /holds none/],
    ["more data than the window", [begun, ...flood], /window/],
    ["data after the end", [begun, frame(STREAM.end, 1), data(1, 1)], /no stream 1/],
    ["a window that grows beyond its size", [frame(STREAM.window, 1, TunnelFrame.encodeWindow(1))], /window/],
    ["a window of nothing", [frame(STREAM.window, 1, TunnelFrame.encodeWindow(0))], /window/],
    [
      "an acknowledgement of what was not sent",
      [TunnelFrame.control(CONTROL.ack, TunnelFrame.encodeCount(9))],
      /not sent/,
    ],
    [
      "an acknowledgement twice",
      Array.from({ length: 2 }, () => TunnelFrame.control(CONTROL.ack, TunnelFrame.encodeCount(1))),
      /twice/,
    ],
    ["half an acknowledgement", [TunnelFrame.control(CONTROL.ack, Uint8Array.of(1))], /cannot be read/],
    ["a second hello", [TunnelFrame.control(CONTROL.hello)], /begun already/],
    ["a flood of pings", Array.from({ length: 17 }, () => TunnelFrame.control(CONTROL.ping)), /too often/],
  ]
  it.each(fromAgent)("%s", async (_, messages, reason) => {
    const network = TunnelPair.make(() => TunnelPair.hear(true).listener)
    network.connect()
    const buyer = TunnelPair.hear()
    // It does not read, so its window does not grow.
    buyer.paused = true
    network.gateway.open(TunnelPair.open(), new Uint8Array(), buyer.listener)
    await TunnelPair.microtasks()
    for (const message of messages) network.gateway.receive(message)
    assert.match(network.closes[0] ?? "nothing", reason)
    assert.isTrue(network.closes[0]?.startsWith("gateway 4002"))
    assert.isTrue(network.gateway.isOver)
    assert.isTrue(buyer.reset !== undefined || buyer.ended)
  })

  const fromGateway: ReadonlyArray<readonly [string, ReadonlyArray<Uint8Array>, RegExp]> = [
    [
      "a stream that is opened twice",
      [frame(STREAM.open, 1, TunnelPair.open()), frame(STREAM.open, 1, TunnelPair.open())],
      /opened before/,
    ],
    [
      "a head that cannot be read",
      [frame(STREAM.open, 1, new TextEncoder().encode('["DELETE","/"]'))],
      /head of a request/,
    ],
    [
      "too many streams",
      Array.from({ length: 3 }, (_, at) => frame(STREAM.open, at + 1, TunnelPair.open())),
      /More than 2/,
    ],
    ["a head of an answer", [frame(STREAM.open, 1, TunnelPair.open()), begun], /Only answers/],
    ["data of a stream that never was", [data(3, 1)], /no stream 3/],
  ]
  it.each(fromGateway)("%s", (_, messages, reason) => {
    const network = TunnelPair.make(() => TunnelPair.hear(true).listener, { streamsMax: 2 })
    network.connect()
    for (const message of messages) network.agent.receive(message)
    assert.match(network.closes[0] ?? "nothing", reason)
    assert.isTrue(network.agent.isOver)
  })

  it("never throws, and never hangs, whatever bytes come", () => {
    const chance = Chance.make(SEED)
    for (let at = 0; at < 3_000; at += 1) {
      const network = TunnelPair.make(() => TunnelPair.hear(true).listener)
      network.connect()
      const noise = Uint8Array.from({ length: chance.between(0, 200) }, () => chance.below(256))
      // Mostly right, so that it gets further than the first byte.
      if (noise.length >= 8 && chance.percent(80)) {
        noise.set([chance.between(1, 6), 0, 0, chance.below(noise.length), 0, 0, 0, chance.between(0, 3)])
      }
      network.gateway.receive(noise)
      network.agent.receive(noise)
    }
  })

  it("gives up a side that never agrees to a cancel", async () => {
    const network = TunnelPair.make(() => TunnelPair.hear(true).listener)
    network.connect()
    const stream = network.gateway.open(TunnelPair.open(), new Uint8Array(), TunnelPair.hear().listener)
    await network.settle()
    stream.reset("The buyer left.")
    await TunnelPair.microtasks()
    // It acknowledges what comes, answers when asked, and goes on with the stream.
    for (let at = 0; at < 70; at += 1) {
      network.gateway.receive(TunnelFrame.control(CONTROL.pong))
      if (at === 0) network.gateway.receive(TunnelFrame.control(CONTROL.ack, TunnelFrame.encodeCount(2)))
      network.gateway.tick(500 * (at + 1))
    }
    assert.match(network.closes[0] ?? "", /not obeyed/)
  })
})
