/**
 * Many requests at once on money for some, through the whole lane.
 */
import { afterEach, assert, describe, it } from "@effect/vitest"
import { HoldId } from "@guildhall/ledger/Hold"
import type { Allowance } from "@guildhall/core"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"
import * as Waiting from "./Waiting.ts"

afterEach(TestLane.closeAll)

const MANY = 60
const CENT = 10_000_000_000n
const good = Upstream.whole("x", { prompt: 1, completion: 1 })
// As short as an answer may be, so that none can be made shorter to fit into what is left.
const shortest = { max_tokens: TestLane.definition.reservation.outputTokensMin }

/** A provider that answers nobody until it is told to. */
const patient = () => {
  const waiting: Array<() => void> = []
  const script: Upstream.Script = (response, seen) => void waiting.push(() => good(response, seen))
  return { script, waiting, go: () => waiting.splice(0).forEach((answer) => answer()) }
}

/** What one such request sets aside. */
const reservedBy = async (body: object): Promise<bigint> => {
  const { lane } = await TestLane.withUpstream(good)
  const answer = await lane.chat(body)
  const hold = await lane.run(lane.ledger.findHold(HoldId.make(String(answer.headers["x-request-id"]))))
  return hold?.amount ?? assert.fail("there is no hold")
}

type Lane = Awaited<ReturnType<typeof TestLane.withUpstream>>["lane"]

/** Sends many at once, and answers those that were let in once all others have been refused. */
const crowd = async (lane: Lane, upstream: ReturnType<typeof patient>, body: object) => {
  let refused = 0
  const answers = Array.from({ length: MANY }, () =>
    lane.chat(body).then((answer) => {
      if (answer.status !== 200) refused += 1
      return answer
    }),
  )
  await Waiting.until("everyone's turn", () => refused + upstream.waiting.length === MANY)
  const admitted = upstream.waiting.length
  upstream.go()
  const all = await Promise.all(answers)
  assert.lengthOf(
    all.filter(({ status }) => status === 200),
    admitted,
  )
  return { admitted, refusals: all.filter(({ status }) => status !== 200) }
}

describe("N requests at once on money for k", () => {
  it.each([
    ["a key's day", { key: { centsPerDay: 1 } }],
    ["a member's month", { member: { centsPerMonth: 1 } }],
    ["the market's day", { market: { centsPerDay: 1 } }],
  ] as ReadonlyArray<readonly [string, Record<string, Allowance.Allowance>]>)(
    "are exactly k on a budget for %s, and as many again of what is left",
    async (_, limits) => {
      const body = { max_tokens: 600 }
      const each = await reservedBy(body)
      const k = Number(CENT / each)
      assert.isAbove(k, 2)
      assert.isBelow(k, MANY)
      const provider = patient()
      const { lane } = await TestLane.withUpstream(provider.script, {
        definition: { limits: { ...TestLane.definition.limits, ...limits } },
      })
      const first = await crowd(lane, provider, body)
      assert.strictEqual(first.admitted, k)
      for (const { headers, status, text } of first.refusals) {
        assert.strictEqual(status, 402)
        assert.strictEqual(JSON.parse(text).error.code, "budget_exceeded")
        assert.match(
          String(headers["x-guildhall-limit"]),
          /^scope=(key|member|market), name=centsPer(Day|Month), limit=1$/,
        )
        assert.isAtLeast(Number(headers["retry-after"]), 1)
      }
      await lane.books()
      // What the first came to is gone, which is next to nothing.
      const spent = BigInt(k) * (TestLane.INPUT_UNIT + TestLane.OUTPUT_UNIT)
      const second = await crowd(lane, provider, body)
      assert.strictEqual(second.admitted, Number((CENT - spent) / each))
      await lane.books()
    },
  )

  it("are exactly k on a balance, and the others are told to top up", async () => {
    const each = await reservedBy(shortest)
    const k = 23
    const provider = patient()
    const { lane } = await TestLane.withUpstream(provider.script, { balance: each * BigInt(k) + each / 2n })
    const { admitted, refusals } = await crowd(lane, provider, shortest)
    assert.strictEqual(admitted, k)
    for (const { status, text } of refusals) {
      assert.strictEqual(status, 402)
      assert.strictEqual(JSON.parse(text).error.code, "insufficient_funds")
    }
    assert.strictEqual((await lane.books()).spent, BigInt(k) * (TestLane.INPUT_UNIT + TestLane.OUTPUT_UNIT))
  })

  it("are all let in where there are places for all, though a process leases few of them in advance", async () => {
    // They share two processors with the gateway and the provider: what is tried is that none is refused, however long it takes.
    const patience = { headersMs: 20_000, firstTokenMs: 20_000, betweenTokensMs: 20_000, totalMs: 20_000 }
    const { lane, upstream } = await TestLane.withUpstream(good, {
      definition: { timeouts: { ...TestLane.definition.timeouts, ...patience } },
      terms: { limits: { concurrentRequests: 10_000 } },
    })
    lane.list(TestLane.instance("large", upstream.url, { concurrency: 10_000 }))
    for (let round = 0; round < 2; round++) {
      const answers = await Promise.all(Array.from({ length: 500 }, () => lane.chat(shortest)))
      for (const { status, text } of answers) assert.strictEqual(status, 200, text)
    }
    await lane.books()
  })

  it("are exactly k where places are limited, and k again once these have left", async () => {
    const k = 17
    const provider = patient()
    const { lane } = await TestLane.withUpstream(provider.script, { terms: { limits: { concurrentRequests: k } } })
    for (let round = 0; round < 3; round++) {
      const { admitted, refusals } = await crowd(lane, provider, shortest)
      assert.strictEqual(admitted, k)
      for (const { headers, status } of refusals) {
        assert.strictEqual(status, 429)
        assert.strictEqual(headers["x-guildhall-limit"], `scope=key, name=concurrentRequests, limit=${k}`)
        assert.strictEqual(headers["retry-after"], "1")
      }
      await lane.books()
    }
  })
})
