/**
 * `kill -9` in each of the eight steps of a request, then a new start: nobody is charged for what died, nobody twice, who served
 * is paid, every hold has its receipt, and the same request asked again with its Idempotency-Key is charged once.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Aftermath from "./Aftermath.ts"
import type { Buyer } from "./FundedBuyer.ts"
import * as CrashMarket from "./CrashMarket.ts"
import { type CrashPoint, points } from "./CrashPoint.ts"
import * as EachShape from "./EachShape.ts"
import type { Answer } from "./LaneBuyer.ts"

/** A request whose process was killed: what its buyer saw, and what the next one got from the process that came after. */
interface Killed {
  readonly buyer: Buyer
  readonly answer: Answer
  readonly next: Answer
  readonly repeat: () => Promise<Answer>
}

const kill = async (market: CrashMarket.CrashMarket, point: CrashPoint, stream: boolean): Promise<Killed> => {
  const buyer = await market.buyer(`${point.step}, ${point.name}`)
  const idempotencyKey = "once"
  const standing = await point.reach(market, buyer, { stream, slowly: false, idempotencyKey })
  await market.kill()
  await standing.release(false)
  const answer = await standing.asked.answer
  await market.restart()
  const other = await market.buyer(`after ${point.step}, ${point.name}`)
  const next = await market.ask(other, { stream, script: "tokens=2" }).answer
  const { question } = standing.asked
  return { buyer, answer, next, repeat: () => market.ask(buyer, { ...question, held: false }).answer }
}

/** A market that was killed at every point, with what came of each. */
const make = async (stream: boolean) => {
  const market = await CrashMarket.start()
  const ends = new Map<CrashPoint, Killed>()
  const repeated = new Map<CrashPoint, Answer>()
  const run = async () => {
    for (const point of points) ends.set(point, await kill(market, point, stream))
    // The claim of a process that died is over when its hold is; whoever asks again waits for that.
    const left = [...ends]
    const some = async () => {
      for (let one = left.pop(); one !== undefined; one = left.pop()) repeated.set(one[0], await one[1].repeat())
    }
    await Promise.all([some(), some(), some()])
    await Promise.all(market.providers.map(({ restart }) => restart()))
    await Aftermath.settled(market)
  }
  return { market, ends, repeated, run }
}

describe("kill -9", () => {
  EachShape.describeEach(make, (made) => {
    const found = (point: CrashPoint) => {
      const { ends, market, repeated } = made()
      const end = ends.get(point)
      const again = repeated.get(point)
      if (end === undefined || again === undefined) throw new Error("It was not killed there.")
      return { market, ...end, again }
    }

    it.each(points)("$step, $name", async (point) => {
      const { again, answer, buyer, market, next } = found(point)
      assert.strictEqual(answer.end, point.isAnswered ? "clean" : "cut", JSON.stringify(answer))
      assert.strictEqual(next.end, "clean", JSON.stringify(next))

      const fates = await Aftermath.of(market, buyer)
      const dead = fates.filter(({ hold }) => hold === "expired")
      assert.lengthOf(dead, point.hasHold && !point.isCharged ? 1 : 0)
      for (const { lines, receipt } of dead) {
        const served = lines.reduce((most, { usage }) => Math.max(most, usage.outputToken ?? 0), 0)
        assert.isAtLeast(served, answer.parts)
        if (answer.parts > 0) assert.isTrue(receipt.paidFromLoss > 0n)
      }

      // Who was answered to the end gets no second answer, charged or not: it was told to this buyer, and nobody keeps it.
      const isOver = point.isCharged || (point.isAnswered && again.end !== "clean")
      assert.deepStrictEqual(
        [again.end, again.code],
        isOver ? ["error", "answer_not_kept"] : ["clean", undefined],
        JSON.stringify(again),
      )
      const charged = fates.filter(({ receipt }) => receipt.charge > 0n)
      const once = point.isCharged || again.end === "clean" ? 1 : 0
      assert.lengthOf(charged, once + (point.asksBefore ? 1 : 0))
      for (const { receipt } of charged) assert.strictEqual(receipt.outcome, "completed")
    })
  })
})
