/**
 * `SIGSTOP` in each of the eight steps of a request until its hold has expired, and then `SIGCONT`: another gateway on the database
 * has given the buyer the money back, so the one that wakes up charges nothing, and says so to a buyer who still waits.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Aftermath from "./Aftermath.ts"
import * as Breakpoint from "./Breakpoint.ts"
import type { Buyer } from "./FundedBuyer.ts"
import * as CrashMarket from "./CrashMarket.ts"
import { type CrashPoint, points } from "./CrashPoint.ts"
import * as EachShape from "./EachShape.ts"
import type { Answer } from "./LaneBuyer.ts"
import * as RunningMarket from "./RunningMarket.ts"

/** A request whose process stood still: what its buyer saw, and what the same buyer got afterwards. */
interface Frozen {
  readonly buyer: Buyer
  readonly answer: Answer
  readonly next: Answer
}

/** Waits until so many holds of a buyer are over, and the time until which the last of them lived. */
const isPastExpiry = ({ database }: CrashMarket.CrashMarket, { member }: Buyer, count: number) =>
  RunningMarket.until(
    `the holds of ${member} to be over`,
    async () => {
      const found = await database.query(`SELECT 1 FROM ledger_holds WHERE account = 'buyer:development:${member}'
        AND state <> 'pending' AND expires_at_ms < extract(epoch FROM clock_timestamp()) * 1000`)
      return found.length === count ? true : undefined
    },
    20_000,
  )

const freeze = async (market: CrashMarket.CrashMarket, point: CrashPoint, stream: boolean): Promise<Frozen> => {
  // One at a time: a place that is not given back keeps the next one out.
  const buyer = await market.buyer(`${point.step}, ${point.name}`, { limits: { concurrentRequests: 1 } })
  const standing = await point.reach(market, buyer, { stream, slowly: true })
  market.freeze()
  // Once others write to its book, a gateway keeps the book locked from batch to commit: who is charged is frozen before that.
  const stopSweeping = point.isCharged ? () => Promise.resolve() : market.database.sweep()
  if (point.isHeldInDatabase) await standing.release(false)
  await isPastExpiry(market, buyer, (point.hasHold ? 1 : 0) + (point.asksBefore ? 1 : 0))
  await stopSweeping()
  market.thaw()
  if (!point.isHeldInDatabase) await standing.release(true)
  const answer = await Breakpoint.within(standing.asked.answer, `No answer came after a stop ${point.name}.`)
  const next = await RunningMarket.until("the buyer's place to be free", async () => {
    const again = await market.ask(buyer, { stream, script: "tokens=2" }).answer
    return again.code === "too_many_concurrent" ? undefined : again
  })
  return { buyer, answer, next }
}

/** A market that was frozen at every point, with what came of each. */
const make = async (stream: boolean) => {
  const market = await CrashMarket.start()
  const ends = new Map<CrashPoint, Frozen>()
  const run = async () => {
    for (const point of points) ends.set(point, await freeze(market, point, stream))
    await Aftermath.settled(market)
  }
  return { market, ends, run }
}

describe("SIGSTOP past the hold's expiry", () => {
  EachShape.describeEach(make, (made, stream) => {
    const found = (point: CrashPoint) => {
      const { ends, market } = made()
      const end = ends.get(point)
      if (end === undefined) throw new Error("It was not frozen there.")
      return { market, ...end }
    }

    it.each(points)("$step, $name", async (point) => {
      const { answer, buyer, market, next } = found(point)
      const isLost = point.hasHold && !point.isCharged
      assert.deepStrictEqual(
        [answer.end, answer.code],
        isLost && !point.isAnswered ? ["error", "hold_expired"] : ["clean", undefined],
        JSON.stringify(answer),
      )
      // What had gone out before stays; an answer that had not begun is refused as one.
      const hasBegun = answer.parts > 0
      assert.strictEqual(answer.status, isLost && !hasBegun && !(stream && point.isAnswered) ? 409 : 200)
      assert.strictEqual(next.end, "clean", JSON.stringify(next))

      const fates = await Aftermath.of(market, buyer)
      const expired = fates.filter(({ hold }) => hold === "expired")
      assert.lengthOf(expired, isLost ? 1 : 0)
      for (const { lines, receipt } of expired) {
        const served = lines.reduce((most, { usage }) => Math.max(most, usage.outputToken ?? 0), 0)
        assert.isAtLeast(served, answer.parts)
        if (answer.parts > 0) assert.isTrue(receipt.paidFromLoss > 0n)
      }
      // The next one, the one before, and the frozen one itself where its hold outlived it or was never there.
      const charged = fates.filter(({ hold }) => hold === "posted")
      assert.lengthOf(charged, 1 + (point.asksBefore ? 1 : 0) + (isLost ? 0 : 1))
      for (const { receipt } of charged) assert.strictEqual(receipt.outcome, "completed")
    })
  })
})
