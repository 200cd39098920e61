/**
 * Traffic, and a crash at a place drawn by lot: `kill -9` or a freeze, at a step or at any moment. Whatever it met, no money and
 * no claim is lost, and none is there twice. `LANE_CRASHES` says how often, `LANE_SEED` with which luck.
 */
import * as Chance from "@guildhall/tools/Chance"
import { assert, it } from "@effect/vitest"
import { setTimeout as pause } from "node:timers/promises"
import * as Aftermath from "./Aftermath.ts"
import type { Buyer } from "./FundedBuyer.ts"
import * as CrashMarket from "./CrashMarket.ts"
import { type CrashPoint, points } from "./CrashPoint.ts"
import type { Answer } from "./LaneBuyer.ts"
import * as RunningMarket from "./RunningMarket.ts"

const rounds = Number(process.env["LANE_CRASHES"] ?? 2)
const seed = Number(process.env["LANE_SEED"] ?? Math.trunc(performance.timeOrigin) % 1_000_000)

/** What stands at a table stands there by itself; whether it is this request's write cannot be told under traffic. */
const places: ReadonlyArray<CrashPoint | undefined> = [
  ...points.filter(({ isHeldInDatabase, step }) => !isHeldInDatabase && step !== "admit"),
  undefined,
  undefined,
]
const scripts = ["tokens=3", "tokens=20 gap=20", "tokens=60 gap=30", "tokens=40 gap=10 cut", "tokens=4 gap=200"]

const crash = async (market: CrashMarket.CrashMarket, random: () => number, round: number) => {
  // The list of places has "none" among its elements: what is drawn is an element, and never past the end.
  const pick = <A>(from: ReadonlyArray<A>): A => from[Math.floor(random() * from.length)] as A
  const buyers: Array<Buyer> = []
  for (let count = 0; count < 3; count++) buyers.push(await market.buyer(`${round}.${count}`))
  const [first, ...others] = buyers
  if (first === undefined) throw new Error("There is no buyer.")
  const asked = others.map((buyer) => market.ask(buyer, { stream: random() < 0.6, script: pick(scripts) }))
  const place = pick(places)
  const how = { stream: random() < 0.5, slowly: false, idempotencyKey: "once" }
  const standing = await place?.reach(market, first, how)
  if (standing === undefined) {
    asked.push(market.ask(first, { stream: how.stream, script: pick(scripts), idempotencyKey: "once" }))
    await pause(random() * 400)
  }
  if (random() < 0.6) {
    await market.kill()
    await market.restart()
  } else {
    market.freeze()
    const stopSweeping = market.database.sweep()
    // Some freezes are shorter than a hold's life.
    await pause(random() * 3_000)
    await stopSweeping()
    market.thaw()
    await standing?.release(true)
  }
  const answers = await Promise.all(
    [...asked, ...(standing === undefined ? [] : [standing.asked])].map((one) => one.answer),
  )
  return { buyers, answers }
}

it(
  `after ${rounds} crashes by lot (LANE_SEED=${seed}) nothing is lost, and nothing is there twice`,
  async () => {
    const { next: random } = Chance.make(seed)
    const market = await CrashMarket.start({ providers: 2 })
    try {
      const buyers: Array<Buyer> = []
      const answers: Array<Answer> = []
      for (let round = 0; round < rounds; round++) {
        const met = await crash(market, random, round)
        buyers.push(...met.buyers)
        answers.push(...met.answers)
        const served = await RunningMarket.until("the next request to be served", async () => {
          const buyer = met.buyers[0]
          const next = buyer === undefined ? undefined : await market.ask(buyer, { stream: false, script: "" }).answer
          return next?.end === "clean" ? next : undefined
        })
        answers.push(served)
      }
      await Promise.all(market.providers.map(({ restart }) => restart()))
      await Aftermath.settled(market)
      const fates: Array<Aftermath.Fate> = []
      for (const buyer of buyers) fates.push(...(await Aftermath.of(market, buyer)))
      await Aftermath.books(market)
      const of = (state: Aftermath.Fate["hold"]) => fates.filter(({ hold }) => hold === state).length
      const paid = fates.filter(({ receipt }) => receipt.paidFromLoss > 0n).length
      assert.isAtLeast(of("posted"), rounds)
      process.stdout.write(
        `figures: ${rounds} crashes, ${answers.length} answers, ${of("posted")} charged, ${of("expired")} recovered, ${paid} claims paid, 0 lost, 0 twice\n`,
      )
    } finally {
      await market.close()
    }
  },
  60_000 + rounds * 15_000,
)
