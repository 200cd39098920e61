/**
 * What the market promises about money where it is the gateway that keeps it; the ledger's part is in its own
 * `Money.test.ts`. The title of a test is the promise.
 */
import { afterEach, assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, ManagedRuntime, Schema } from "effect"
import { createHash, generateKeyPairSync, sign } from "node:crypto"
import { Device } from "@guildhall/core"
import * as Split from "@guildhall/core/rules/Split"
import { Account, Hold, Ledger } from "@guildhall/ledger"
import { LedgerError, Unavailable } from "@guildhall/ledger/LedgerError"
import * as ClaimTemplate from "@guildhall/ledger/templates/Claim"
import * as Ticket from "@guildhall/protocol/provider/Ticket"
import { headBytes, lineBytes, type UsageLine, type UsageReport } from "@guildhall/protocol/provider/UsageLog"
import { Devices } from "@guildhall/registry"
import { KeyRing } from "@guildhall/core/KeyRing"
import * as Claims from "../src/Claims.ts"
import { Market } from "../src/Market.ts"
import * as Tickets from "../src/Tickets.ts"
import * as LateHolds from "./LateHolds.ts"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"
import * as Waiting from "./Waiting.ts"

afterEach(TestLane.closeAll)

const { definition, price } = TestLane
const quiet = Logger.layer([])
const answer = Upstream.stream(["hi"], { prompt: 1, completion: 1 })

const decodeTicket = (header: unknown): Ticket.SignedTicket => {
  const json: unknown = JSON.parse(Buffer.from(String(header), "base64url").toString())
  return Schema.decodeUnknownSync(Schema.toCodecJson(Ticket.SignedTicket))(json)
}

/** A lane whose holds wait for `release`, and whose last known balance is so many times the hold, and a bit. */
const waitingLane = async (times: bigint | undefined, bit = 0n) => {
  const asked: Array<bigint> = []
  // What this request may cost at most is found out by one that is not watched.
  const { lane: probe } = await TestLane.withUpstream(answer, {
    wrapLedger: (ledger) => ({
      ...ledger,
      hold: (request) => Effect.suspend(() => (asked.push(request.amount), ledger.hold(request))),
    }),
  })
  await probe.chat({ stream: true })
  const amount = asked[0] ?? assert.fail("there was no hold")
  const { open, wrapLedger } = LateHolds.make({ available: times === undefined ? undefined : amount * times + bit })
  const { lane, upstream } = await TestLane.withUpstream(answer, { wrapLedger })
  let isAnswered = false
  const chat = lane.chat({ stream: true }).then((got) => {
    isAnswered = true
    return got
  })
  return { lane, upstream, chat, release: open, isAnswered: () => isAnswered }
}

describe("a request", () => {
  it("goes to a provider while its hold is on its way, and nothing reaches the buyer before that is durable", async () => {
    const waiting = await waitingLane(10n)
    await Waiting.until("the dispatch", () => waiting.upstream.seen[0])
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.isFalse(waiting.isAnswered())
    waiting.release()
    const { status, text } = await waiting.chat
    assert.strictEqual(status, 200)
    assert.include(text, "hi")
    assert.strictEqual((await waiting.lane.books()).spent, TestLane.INPUT_UNIT + TestLane.OUTPUT_UNIT)
  })

  it.each([
    ["one unit below ten times its hold", 10n, -1n],
    ["not known", undefined, 0n],
  ] as const)("waits for its hold where the balance is %s", async (_, times, bit) => {
    const waiting = await waitingLane(times, bit)
    await Waiting.until("the request", () => waiting.lane.lane.inFlight() === 1)
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.lengthOf(waiting.upstream.seen, 0)
    waiting.release()
    assert.strictEqual((await waiting.chat).status, 200)
    assert.lengthOf(waiting.upstream.seen, 1)
    await waiting.lane.books()
  })

  it("carries a ticket for each dispatch: whose, which try, up to how much, at which price and rules, and signed", async () => {
    const amounts: Array<bigint> = []
    const { lane, upstreams } = await TestLane.withUpstreams(
      [1, 2].map((): Upstream.Script => (response) => void response.writeHead(503).end()),
      {
        wrapLedger: (ledger) => ({
          ...ledger,
          hold: (request) => Effect.suspend(() => (amounts.push(request.amount), ledger.hold(request))),
        }),
      },
    )
    await lane.chat({})
    const seen = upstreams.flatMap((upstream) => upstream.seen)
    assert.isAtLeast(seen.length, 2)
    const tickets = seen.map(({ headers }) => decodeTicket(headers[Ticket.HEADER]))
    assert.deepStrictEqual(
      tickets.map(({ ticket }) => ticket.attempt).sort(),
      tickets.map((_, at) => at + 1),
    )
    const share = Split.share(definition.split, amounts[0] ?? 0n).find(({ party }) => party === "provider")
    for (const { signature, ticket } of tickets) {
      assert.strictEqual(ticket.requestId, tickets[0]?.ticket.requestId)
      assert.strictEqual(ticket.cap, share?.amount)
      assert.strictEqual(ticket.priceDigest, Tickets.priceDigest(price))
      assert.strictEqual(ticket.definitionDigest, "d".repeat(64))
      const isSigned = (text: Ticket.Ticket) => lane.run(lane.keyRing.verify("ticket", Ticket.bytes(text), signature))
      assert.isTrue(await isSigned(ticket))
      assert.isFalse(await isSigned({ ...ticket, cap: ticket.cap + 1n }))
    }
    await lane.books()
  })
})

/** A device with its key, and the log of usage that it would send of one line. */
const makeDevice = () => {
  const pair = generateKeyPairSync("ed25519")
  const raw = pair.publicKey.export({ format: "der", type: "spki" }).subarray(-32)
  const publicKey = Device.DevicePublicKey.make(raw.toString("base64url"))
  const report = (entry: Omit<UsageLine, "number" | "previous" | "hash">): UsageReport => {
    const line = { ...entry, number: 1, previous: "0".repeat(64) }
    const hash = createHash("sha256").update(lineBytes(line)).digest("hex")
    const head = { number: 1, hash }
    const signature = sign(null, headBytes(publicKey, head), pair.privateKey).toString("base64url")
    return { lines: [{ ...line, hash }], head: { ...head, signature } }
  }
  return { publicKey, report }
}

/** A gateway that falls asleep in the middle of a stream, and what a device knows of it. */
const sleeping = async () => {
  let isAsleep = false
  const away = Effect.fail(new LedgerError({ reason: new Unavailable({ cause: "asleep" }) }))
  const upstream = await Upstream.start(
    (response) => void Upstream.streamHead(response).write(Upstream.role + Upstream.delta("one")),
  )
  const market = {
    definition: {
      ...definition,
      hold: { lifeMs: 500, renewMs: 50 },
      timeouts: { ...definition.timeouts, betweenTokensMs: 3_000 },
    },
    digest: "d".repeat(64),
    owner: "test-owner",
    payments: [],
  }
  const lane = await TestLane.start({
    definition: market.definition,
    around: quiet,
    wrapLedger: (ledger) => ({
      ...ledger,
      renew: (owner, lifeMs) => Effect.suspend(() => (isAsleep ? away : ledger.renew(owner, lifeMs))),
    }),
  })
  const device = makeDevice()
  const runtime = ManagedRuntime.make(
    Claims.layer.pipe(
      Layer.provideMerge(Devices.layerMemory({ allowPrivate: true })),
      Layer.provideMerge(quiet),
      Layer.provide(
        Layer.mergeAll(
          Layer.succeed(Market, market),
          Layer.succeed(Ledger.Ledger, lane.ledger),
          Layer.succeed(KeyRing, lane.keyRing),
        ),
      ),
    ),
  )
  const { instance } = await runtime.runPromise(
    Devices.Devices.use((devices) =>
      devices.register({
        memberId: TestLane.PROVIDER,
        publicKey: device.publicKey,
        model: TestLane.MODEL,
        reach: { _tag: "Endpoint", url: upstream.url },
        price,
        contextLength: 8_192,
        concurrency: 4,
      }),
    ),
  )
  lane.list({ ...TestLane.instance("one", upstream.url), ...instance, state: "online" })
  const close = async () => {
    await lane.close()
    await runtime.dispose()
    await upstream.close()
  }
  return {
    ...{ lane, upstream, close },
    fallAsleep: () => void (isAsleep = true),
    wakeUp: () => void (isAsleep = false),
    report: device.report,
    file: (report: UsageReport) =>
      runtime.runPromise(
        Claims.Claims.use((claims) => claims.process({ id: instance.deviceId, publicKey: device.publicKey }, report)),
      ),
  }
}

describe("an owner that wakes up too late", () => {
  it("ends its stream in-band and charges nothing; ticket, line and signed head together are the claim that is paid", async () => {
    const { close, fallAsleep, file, lane, report, upstream, wakeUp } = await sleeping()
    try {
      const chat = lane.chat({ stream: true })
      const { headers } = await Waiting.until("the dispatch", () => upstream.seen[0])
      const ticket = decodeTicket(headers[Ticket.HEADER])
      const id = Hold.HoldId.make(ticket.ticket.requestId)
      await new Promise((resolve) => setTimeout(resolve, 700))
      // Awake, it keeps its hold beyond its life.
      assert.deepStrictEqual(await lane.run(lane.ledger.expire(10)), [])
      fallAsleep()
      const expired: Array<Hold.HoldId> = []
      while (expired.length === 0) {
        expired.push(...(await lane.run(lane.ledger.expire(10))))
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      assert.deepStrictEqual(expired, [id])
      wakeUp()
      const answered = await chat
      assert.include(answered.text, "one")
      assert.include(answered.text, '"hold_expired"')
      assert.notInclude(answered.text, "[DONE]")
      assert.deepStrictEqual(await lane.books(), { spent: 0n, earned: 0n, fees: 0n })

      const balance = async (account: Account.AccountId) =>
        (await lane.run(lane.ledger.accounts([account])))[0]?.balance ?? 0n
      const earned = Account.ids.accrual(ClaimTemplate.FUNDING_SOURCE, TestLane.PROVIDER)
      const usage = { inputToken: 10, outputToken: 5 }
      const line = { ticket, price, usage, outcome: "aborted", endedAtMs: Date.now() } as const
      const forged = { ...ticket, ticket: { ...ticket.ticket, cap: ticket.ticket.cap * 2n } }
      const truth = report(line)
      const without: ReadonlyArray<readonly [string, UsageReport]> = [
        ["a ticket of this market", report({ ...line, ticket: forged })],
        ["its line", { ...truth, lines: truth.lines.map((each) => ({ ...each, usage: { outputToken: 1_000 } })) }],
        ["the device's signature", { ...truth, head: { ...truth.head, signature: "A".repeat(86) } }],
      ]
      for (const [what, lie] of without) {
        assert.lengthOf((await file(lie)).refused, 1, what)
        assert.strictEqual(await balance(earned), 0n, what)
      }
      for (let times = 0; times < 2; times++) {
        assert.deepStrictEqual(await file(truth), { acknowledged: 1, refused: [] })
        const share = ((10n * TestLane.INPUT_UNIT + 5n * TestLane.OUTPUT_UNIT) * 9n) / 10n
        assert.strictEqual(await balance(earned), share)
        assert.strictEqual(await balance(Account.ids.platformLoss), -share)
      }
      assert.strictEqual((await lane.books()).spent, 0n)
    } finally {
      await close()
    }
  })

  it("is paid for up to its ticket's cap, whatever the line says was used", () => {
    const ticket = (cap: bigint) => ({ ticket: { cap }, signature: {} })
    const usage = { outputToken: 1_000_000 }
    const share = (1_000_000n * TestLane.OUTPUT_UNIT * 9n) / 10n
    for (const [cap, paid] of [
      [share - 1n, share - 1n],
      [share, share],
      [share + 1n, share],
    ] as const) {
      const line = Object.assign({ price, usage }, { ticket: ticket(cap) })
      // Only the cap is read of the ticket.
      assert.strictEqual(Claims.worth(definition.split, line as Parameters<typeof Claims.worth>[1]), paid)
    }
  })
})
