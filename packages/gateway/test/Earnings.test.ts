/**
 * Earnings, targets, guidance and estimates over HTTP: what a provider sees of its own, and anyone of the market.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { DeviceId } from "@guildhall/core/Device"
import type { InstanceId } from "@guildhall/core/Instance"
import { MemberId } from "@guildhall/core/Member"
import { ModelId } from "@guildhall/core/Model"
import { Journal, PAGE_MAX } from "@guildhall/journal/Journal"
import * as ReceiptSeal from "@guildhall/journal/ReceiptSeal"
import * as SampleEntry from "@guildhall/journal/testing/SampleEntry"
import { Account, Opening } from "@guildhall/ledger"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import * as TestControl from "./TestControl.ts"
import { registration } from "./TestControl.ts"

const DAY_MS = 86_400_000
const NOW_MS = Date.now()
const TODAY = Math.floor(NOW_MS / DAY_MS)
const model = ModelId.make(registration.model)
const { provider } = TestControl.members

let market: TestControl.TestControl
beforeAll(async () => {
  market = await TestControl.start({ definition: { targets: { latencyMs: 100, uptimeBps: 9_950 } } })
})
afterAll(() => market.close())

const get = (path: string, as: string | null = "provider") => market.call("GET", path, as === null ? {} : { as })
const dayText = (daysAgo: number) => new Date(NOW_MS - daysAgo * DAY_MS).toISOString().slice(0, 10)

interface Whose {
  readonly id: InstanceId
  readonly deviceId: DeviceId
  readonly memberId: MemberId
}

/** Lists an instance of a member that has been there for some days. */
const join = async ({
  daysAgo = 20,
  memberId = provider,
  name = "guildhall/demo",
  ...more
}: { daysAgo?: number; memberId?: MemberId; name?: string; region?: string } = {}): Promise<Whose> => {
  const device = SampleDevice.make(memberId)
  const { instance } = await market.run(
    market.devices.register(device.registration({ model: ModelId.make(name), ...more })),
  )
  market.router.apply({
    _tag: "InstanceListed",
    instance: { ...instance, listedAtMs: NOW_MS - daysAgo * DAY_MS },
  })
  return { id: instance.id, deviceId: instance.deviceId, memberId }
}

/** Requests that an instance served some days ago, of 150 tokens each: nine tenths of a charge are its provider's. */
const serve = (
  { deviceId, id, memberId }: Whose,
  count: number,
  { charge = 100_000_000n, daysAgo = 0, firstByteMs = 80, name = model } = {},
) => {
  const endedAtMs = NOW_MS - daysAgo * DAY_MS
  const entries = Array.from({ length: count }, () =>
    SampleEntry.ended({
      provider: memberId,
      instance: id,
      device: deviceId,
      model: ModelId.make(name),
      endedAtMs,
      startedAtMs: endedAtMs - 1_000,
      firstByteAtMs: endedAtMs - 1_000 + firstByteMs,
      charge,
      split: [
        { party: "provider", amount: (charge * 9n) / 10n },
        { party: "platform", amount: charge - (charge * 9n) / 10n },
      ],
      usage: { inputToken: 100, outputToken: 50 },
    }),
  )
  return market.run(
    Effect.gen(function* () {
      const journal = yield* Journal
      yield* journal.append(entries)
      const unsealed = yield* journal.receipts.unsealed(PAGE_MAX)
      const made = yield* ReceiptSeal.seal(unsealed, { market: "local", batchId: SampleEntry.text(), nowMs: NOW_MS })
      yield* journal.receipts.seal(made.batch, made.receipts)
    }),
  )
}

let gateway = 0
/** How often an instance was seen to be there on a day, and how often not. */
const see = ({ id }: Whose, daysAgo: number, online: number, offline: number) => {
  const atMs = NOW_MS - daysAgo * DAY_MS - 1
  const seen = {
    instanceId: id,
    day: TODAY - daysAgo,
    counts: { succeeded: online, failed: offline, neutral: 3 },
    fromMs: atMs,
    toMs: atMs,
  }
  const told = { outcomes: [], sightings: [seen], leftAlone: [] }
  return market.run(market.health.add({ gateway: `g${gateway++}`, number: 1, told }))
}

describe("A4 · earnings", () => {
  it("are summed by instance and day from sealed receipts, with the rate and how busy it was", async () => {
    const one = await join({ daysAgo: 2 })
    await serve(one, 3, { daysAgo: 1 })
    await serve(one, 2)
    const { json, status, text } = await get(`/v1/providers/earnings?instance=${one.id}&days=7`)
    assert.strictEqual(status, 200, text)
    assert.strictEqual(json.asset, "USD")
    assert.deepInclude(json.total, { requests: 5, inputTokens: 500, outputTokens: 250 })
    assert.strictEqual(json.total.gross.amount, "500000000")
    assert.strictEqual(json.total.net.amount, "450000000")
    assert.strictEqual(json.total.split.others.amount, "50000000")
    // 450 million for 750 tokens.
    assert.strictEqual(json.total.ratePerMillion.amount, "600000000000")
    assert.deepStrictEqual(
      json.data.map((row: { day: string; requests: number }) => [row.day, row.requests]),
      [
        [dayText(0), 2],
        [dayText(1), 3],
      ],
    )
    assert.deepInclude(json.instances[0], { instance: one.id, device: one.deviceId, requests: 5 })
    // Three seconds of work in a day of four requests at a time.
    assert.strictEqual(json.data[1].utilisationBps, Math.floor((10_000 * 3_000) / (4 * DAY_MS)))
    assert.strictEqual(json.fromMs, (TODAY - 6) * DAY_MS)
  })

  it("come page by page, and no row twice", async () => {
    const device = await join()
    for (const daysAgo of [0, 1, 2, 3, 4]) await serve(device, 1, { daysAgo })
    const days: Array<string> = []
    let before = ""
    for (let pages = 0; pages < 9; pages++) {
      const { json } = await get(`/v1/providers/earnings?device=${device.deviceId}&limit=2${before}`)
      days.push(...json.data.map((row: { day: string }) => row.day))
      assert.strictEqual(json.total.requests, 5)
      if (json.next === undefined) break
      before = `&before=${encodeURIComponent(json.next)}`
    }
    assert.deepStrictEqual(days, [0, 1, 2, 3, 4].map(dayText))
    const wrong = await get("/v1/providers/earnings?before=1:ins_nobody")
    assert.strictEqual(wrong.json.code, "invalid_request")
  })

  it("are the caller's own, and what is pending stands on its account", async () => {
    const other = await join({ memberId: TestControl.members.other })
    await serve(other, 1)
    const accrual = Account.ids.accrual("development", provider)
    // What the market pays for a request that it lost.
    const claimed = Account.ids.accrual("platform", provider)
    const outside = Account.ids.external("Development")
    await market.run(
      Effect.gen(function* () {
        for (const id of [outside, accrual, claimed]) yield* market.ledger.open(Opening.of(id, TestControl.usd))
        yield* market.ledger.post({
          idempotencyKey: "earned",
          kind: "grant",
          legs: [
            { account: outside, amount: -7_000n },
            { account: accrual, amount: 6_000n },
            { account: claimed, amount: 1_000n },
          ],
          attachments: [],
        })
      }),
    )
    const { json } = await get("/v1/providers/earnings")
    assert.notInclude(JSON.stringify(json), other.id)
    assert.deepStrictEqual([json.pending.amount, json.payable.amount, json.owed.amount], ["7000", "0", "0"])
    for (const query of [`instance=${other.id}`, `device=${other.deviceId}`, "instance=ins_nobody"]) {
      const reply = await get(`/v1/providers/earnings?${query}`)
      assert.deepStrictEqual([reply.status, reply.json.code], [404, "not_found"])
    }
    assert.strictEqual((await get("/v1/providers/earnings?days=367")).status, 400)
    assert.strictEqual((await get("/v1/providers/earnings", "buyer")).json.code, "insufficient_role")
    assert.strictEqual((await get("/v1/providers/earnings", null)).status, 401)
  })
})

describe("S13 · targets", () => {
  it("say what was measured, of how many requests, and whether it is enough", async () => {
    const [fast, slow] = [await join(), await join()]
    await serve(fast, 9, { firstByteMs: 60 })
    await serve(slow, 9, { firstByteMs: 900, daysAgo: 3 })
    await see(fast, 1, 1_990, 10)
    await see(slow, 1, 98, 2)
    const { json } = await get("/v1/providers/targets")
    assert.deepStrictEqual(json.targets, { latencyMs: 100, uptimeBps: 9_950 })
    const of = ({ id }: Whose) => json.data.find((one: { instance: string }) => one.instance === id)
    assert.deepStrictEqual(of(fast).uptime, { measuredBps: 9_950, targetBps: 9_950, met: true })
    assert.deepInclude(of(fast).latency, { targetMs: 100, met: true, requests: 9 })
    assert.deepStrictEqual(of(slow).uptime, { measuredBps: 9_800, targetBps: 9_950, met: false })
    assert.strictEqual(of(slow).latency.met, false)
    assert.include(json.measuredBy.uptime, "heartbeats")
    const idle = await join()
    const { json: alone } = await get(`/v1/providers/targets?instance=${idle.id}`)
    assert.deepStrictEqual(alone.data[0].latency, { measuredMs: null, targetMs: 100, met: null, requests: 0 })
    assert.isNull(alone.data[0].uptime.met)
  })
})

describe("guidance", () => {
  it("A7 · waits for 48 hours, and says since when it counts and when it will speak", async () => {
    const one = await join({ daysAgo: 1 })
    const { json } = await get(`/v1/providers/guidance?instance=${one.id}`)
    const [found] = json.data
    assert.strictEqual(found.state, "counting")
    assert.strictEqual(found.speaksAtMs, NOW_MS - DAY_MS + 2 * DAY_MS)
    assert.deepStrictEqual(found.advice, [])
  })

  it("A6 · without demand it says so, and points to what is asked for", async () => {
    const one = await join({ daysAgo: 3, name: "guildhall/unwanted" })
    const { json } = await get(`/v1/providers/guidance?instance=${one.id}`)
    assert.strictEqual(json.data[0].state, "ready")
    assert.deepStrictEqual(
      json.data[0].advice.map(({ code }: { code: string }) => code),
      ["other_model"],
    )
  })
})

describe("S13 · estimates", () => {
  const path = "/v1/market/estimates?model=guildhall/estimated"

  it("tell the range of five providers to anyone, idle days among them", async () => {
    const strict = await TestControl.start()
    const before = market
    market = strict
    try {
      const providers = Array.from({ length: 5 }, (_, at) => MemberId.make(`mem_estimated${at}`))
      for (const [at, memberId] of providers.entries()) {
        const one = await join({ memberId, name: "guildhall/estimated", region: "eu-west" })
        const earned = { name: ModelId.make("guildhall/estimated"), charge: BigInt(at + 1) * 1_000_000_000n }
        for (const daysAgo of [1, 2]) {
          await serve(one, 1, { ...earned, daysAgo })
          await see(one, daysAgo, 50, 50)
        }
        await see(one, 3, 50, 50)
      }
      const { json, status } = await get(path, null)
      assert.strictEqual(status, 200)
      assert.deepInclude(json, { state: "known", devices: 5, deviceDays: 15, windowDays: 14, providersNeeded: 5 })
      // A third of the days brought nothing, and count.
      const { high, low, median } = json.perDeviceDay
      assert.deepStrictEqual([low.amount, median.amount, high.amount], ["0", "1800000000", "2700000000"])
      assert.strictEqual(json.assumptions.uptimeBps, 5_000)
      assert.deepStrictEqual(
        json.atUptime.map((one: { uptimeBps: number; perDeviceDay: { median: { amount: string } } }) => [
          one.uptimeBps,
          one.perDeviceDay.median.amount,
        ]),
        [
          [8_000, "2900000000"],
          [9_000, "3200000000"],
        ],
      )
      const elsewhere = await get(`${path}&region=us-east`, null)
      assert.deepInclude(elsewhere.json, { state: "too_few", providersNeeded: 5 })
      assert.notProperty(elsewhere.json, "perDeviceDay")
      assert.strictEqual((await get(`${path}&class=toaster`, null)).json.code, "invalid_request")
    } finally {
      market = before
      await strict.close()
    }
  })

  it("tell nothing of one provider", async () => {
    const few = await get("/v1/market/estimates?model=guildhall/demo", null)
    assert.strictEqual(few.json.state, "too_few")
    assert.include(few.json.reason, "Fewer than 5 providers")
    assert.notInclude(JSON.stringify(few.json), "mem_")
  })
})
