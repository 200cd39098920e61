/**
 * `kill -9` of requests that are more than one request, one hold or one account: asked of two instances, held on two accounts,
 * grown on the way, and served by one of two processes.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Account from "@guildhall/ledger/Account"
import { MemberId } from "@guildhall/core/Member"
import { local } from "@guildhall/markets/local"
import * as Aftermath from "./Aftermath.ts"
import * as CrashMarket from "./CrashMarket.ts"
import type { Buyer } from "./FundedBuyer.ts"
import * as RunningMarket from "./RunningMarket.ts"
import * as WorkerProcesses from "./WorkerProcesses.ts"

/** Holds begin small and grow in small steps; money of a grant is spent first; whoever is slow is asked twice. */
const definition = {
  reservation: { comfort: 1_000_000, outputTokensMin: 16, outputTokensStep: 32 },
  relay: { ...local.relay, hedgePercent: 100 },
  funding: ["grant", "development"],
} as const

/** More than the prompt of these tests can cost, and less than a long answer does. */
const GRANT = 800_000_000n

describe("kill -9 of one process", () => {
  let market: CrashMarket.CrashMarket
  /** A buyer with one place, which was taken when the process was killed. */
  let narrow: Buyer

  beforeAll(async () => {
    market = await CrashMarket.start({ definition, providers: 2 })
  }, 60_000)

  afterAll(() => market?.close())

  /** A buyer of two accounts, whose answers were short so far: so little is set aside for the next. */
  const frugal = async (name: string, answers = 24): Promise<Buyer> => {
    const { key, member, opening } = await market.buyer(name)
    const account = Account.ids.funds("grant", MemberId.make(member))
    await market.database.fund(account, "grant", GRANT)
    const buyer = { key, member, opening: opening + GRANT }
    for (let count = 0; count < answers; count++) {
      const { end, text } = await market.ask(buyer, { stream: true, script: "tokens=2", maxTokens: 20 }).answer
      assert.strictEqual(end, "clean", text)
    }
    await Aftermath.settled(market)
    return buyer
  }

  interface Row {
    readonly amount: string
    readonly asked: string | null
    readonly parts: unknown
  }

  /** Waits until the hold under way is as it should be. */
  const holds = ({ member }: Buyer, isThere: (hold: Row) => boolean) =>
    RunningMarket.until("the hold", async () => {
      const [hold] = await market.database.query<Row>(
        `SELECT amount::text AS amount, asked::text AS asked, parts FROM ledger_holds
          WHERE state = 'pending' AND account LIKE 'buyer:%:${member}'`,
      )
      return hold !== undefined && isThere(hold) ? hold : undefined
    })

  const over = async (buyer: Buyer) => {
    await market.restart()
    await Promise.all(market.providers.map(({ restart }) => restart()))
    await Aftermath.settled(market)
    await RunningMarket.listed(market.market(), CrashMarket.MODEL, market.providers.length)
    return (await Aftermath.of(market, buyer)).filter(({ hold }) => hold === "expired")
  }

  it("between the growth of a hold over two accounts and the charge: both have their money back", async () => {
    const buyer = await frugal("grown")
    narrow = await market.buyer("narrow", { limits: { concurrentRequests: 1 } })
    const other = market.ask(narrow, { stream: true, script: "tokens=200 gap=50" })
    await RunningMarket.until("the only place to be taken", () => (other.text().includes("word0") ? true : undefined))
    const asked = market.ask(buyer, { stream: true, script: "tokens=400 gap=10" })
    await holds(buyer, ({ amount, asked, parts }) => asked !== null && BigInt(amount) > BigInt(asked) && parts !== null)
    await market.kill()
    assert.strictEqual((await asked.answer).end, "cut")
    const [fate, ...others] = await over(buyer)
    assert.lengthOf(others, 0)
    assert.isTrue((fate?.receipt.paidFromLoss ?? 0n) > 0n)
  }, 40_000)

  it("while a hold waits to grow and the provider is far ahead: it is paid as much as was held", async () => {
    const buyer = await frugal("ahead")
    const asked = market.ask(buyer, { stream: true, script: "tokens=1500 gap=0", maxTokens: 2_000 })
    await holds(buyer, () => true)
    const held = await market.database.hold("ledger_holds")
    await held.met()
    await RunningMarket.until("the provider to be done", () =>
      market.providers.every((one) => one.engine.counts.active === 0) ? true : undefined,
    )
    await market.kill()
    await held.release()
    assert.strictEqual((await asked.answer).end, "cut")
    const [fate, ...others] = await over(buyer)
    assert.lengthOf(others, 0)
    assert.isDefined(fate)
    assert.strictEqual(fate?.receipt.paidFromLoss, fate?.held)
  }, 40_000)

  it("with two instances at work on one request: one of them is paid, once", async () => {
    const buyer = await frugal("hedged", 80)
    await market.database.fund(Account.ids.pool("hedge"), "development", 1_000_000_000_000n)
    const before = market.providers.map(({ engine }) => engine.counts.seen)
    const written = market.providers.map(({ log }) => log().lines.length)
    const asked = market.ask(buyer, { stream: true, script: "silent" })
    await RunningMarket.until("both at work", () =>
      market.providers.every(({ engine }, at) => engine.counts.seen > (before[at] ?? 0)) ? true : undefined,
    )
    await market.kill()
    assert.strictEqual((await asked.answer).end, "cut")
    // Before the market is back: agents forget what it has acknowledged.
    await RunningMarket.until("both to have a line of it", () =>
      market.providers.every(({ log }, at) => log().lines.length > (written[at] ?? 0)) ? true : undefined,
    )
    const [fate, ...others] = await over(buyer)
    assert.lengthOf(others, 0)
    assert.lengthOf(fate?.lines ?? [], 2)
  }, 40_000)

  it("with the only place of a key taken: it is free again within seconds", async () => {
    await RunningMarket.until("the place", async () => {
      const next = await market.ask(narrow, { stream: false, script: "tokens=2" }).answer
      assert.include([undefined, "too_many_concurrent"], next.code)
      return next.end === "clean" ? true : undefined
    })
    await Aftermath.settled(market)
    const fates = await Aftermath.of(market, narrow)
    assert.deepStrictEqual(
      fates.map(({ hold }) => hold),
      ["expired", "posted"],
    )
  }, 20_000)

  it("the books add up", () => Aftermath.books(market))
})

WorkerProcesses.describeThem("kill -9 of one of two processes", () => {
  let market: CrashMarket.CrashMarket

  beforeAll(async () => {
    // Which holds expire is told by who was killed, not by how slowly the disk answers the one that lives.
    const hold = { lifeMs: 6_000, renewMs: 500 }
    market = await CrashMarket.start({ definition: { hold }, args: ["--workers", "2"], providers: 2 })
  }, 60_000)

  afterAll(() => market?.close())

  it("its streams are cut, the others' go on, and another one takes its place", async () => {
    const buyer = await market.buyer("of two")
    const asked = Array.from({ length: 8 }, () => market.ask(buyer, { stream: true, script: "tokens=60 gap=50" }))
    await Promise.all(
      asked.map((one) => RunningMarket.until("every stream", () => (one.text().includes("word2") ? true : undefined))),
    )
    const [victim, ...others] = WorkerProcesses.of(market.market().pid)
    assert.isDefined(victim)
    if (victim !== undefined) process.kill(victim, "SIGKILL")
    const answers = await Promise.all(asked.map(({ answer }) => answer))
    const cut = answers.filter(({ end }) => end === "cut").length
    assert.deepStrictEqual(
      answers.flatMap(({ code, end }) => (end === "error" ? [code] : [])),
      [],
    )
    await RunningMarket.until("another process", () => {
      const now = WorkerProcesses.of(market.market().pid)
      return now.length === 2 && others.every((pid) => now.includes(pid)) ? true : undefined
    })
    await RunningMarket.until("every connection to be served", async () => {
      const next = await Promise.all(
        Array.from({ length: 4 }, () => market.ask(buyer, { stream: false, script: "tokens=2" }).answer),
      )
      return next.every(({ end }) => end === "clean") ? true : undefined
    })
    await Aftermath.settled(market)
    const fates = await Aftermath.of(market, buyer)
    assert.lengthOf(
      fates.filter(({ hold }) => hold === "expired"),
      cut,
    )
    assert.isAtLeast(fates.filter(({ hold }) => hold === "posted").length, answers.length - cut + 4)
    await Aftermath.books(market)
  }, 60_000)
})
