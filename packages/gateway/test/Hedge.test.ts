import { afterEach, assert, describe, it } from "@effect/vitest"
import { Asset, type Instance } from "@guildhall/core"
import { Account } from "@guildhall/ledger"
import * as HedgeTemplate from "@guildhall/ledger/templates/Hedge"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"

afterEach(TestLane.closeAll)

const relay = { ...TestLane.definition.relay, hedgePercent: 50 }
const usage = { prompt: 5, completion: 1 }
const good = Upstream.stream(["good"], usage)
const FUNDS = 10n ** 12n

/** Two instances that both answer at once, known for it; then one of them is asked first and is slow. */
const market = async (funds: bigint, hedgePercent = relay.hedgePercent) => {
  const { lane, upstreams } = await TestLane.withUpstreams([good, good], {
    definition: { relay: { ...relay, hedgePercent } },
  })
  await lane.run(lane.ledger.open({ id: HedgeTemplate.pool, kind: "pool", asset: Asset.USD, floor: 0n }))
  if (funds > 0n) {
    await lane.run(
      lane.ledger.post({
        idempotencyKey: "fund",
        kind: "fund",
        legs: [
          { account: Account.ids.external("test"), amount: -funds },
          { account: HedgeTemplate.pool, amount: funds },
        ],
        attachments: [],
      }),
    )
  }
  for (let answers = 0; answers < 100; answers++) await lane.chat({ stream: true })
  await lane.idle()
  return { lane, upstreams }
}

const slow: Upstream.Script = (response, seen) => {
  const timer = setTimeout(() => good(response, seen), 300)
  response.on("close", () => clearTimeout(timer))
}

const poolOf = async (lane: TestLane.TestLane): Promise<bigint> =>
  (await lane.run(lane.ledger.account(HedgeTemplate.pool))).balance

/** Asks until the slow one was asked first. */
const askSlow = async (lane: TestLane.TestLane, upstreams: ReadonlyArray<Upstream.ScriptedUpstream>) => {
  const [first] = upstreams
  if (first === undefined) throw new Error("no upstream")
  first.script = slow
  for (let tries = 0; tries < 50; tries++) {
    const before = first.seen.length
    const answer = await lane.chat({ stream: true })
    await lane.idle()
    if (first.seen.length > before) return { answer, seen: first.seen.at(-1) }
  }
  throw new Error("the slow one was never asked")
}

const nameOf = (index: number): Instance.InstanceId => TestLane.instance(`i${index}`, "").id

describe("a hedge", () => {
  it("asks a second instance where the first is slow, and the buyer pays for one answer", async () => {
    const { lane, upstreams } = await market(FUNDS)
    const { answer, seen } = await askSlow(lane, upstreams)
    assert.strictEqual(answer.status, 200, answer.text)
    assert.isTrue(answer.text.endsWith("data: [DONE]\n\n"))
    assert.strictEqual(answer.headers["x-guildhall-instance"], nameOf(1))
    assert.isDefined(seen?.closedAt)
    // The loser is cancelled, and paid its share of the prompt out of the pool.
    const share = (5n * TestLane.INPUT_UNIT * 9n) / 10n
    const paid = FUNDS - (await poolOf(lane))
    assert.strictEqual(paid % share, 0n)
    const { spent } = await lane.books()
    const decisions = await lane.entries()
    const lost = decisions.filter(({ body }) => JSON.stringify(body).includes("hedge_lost")).length
    assert.isTrue(paid >= share && paid <= share * BigInt(lost), `${paid} for ${lost}`)
    // Each request is charged once, however many were asked.
    assert.strictEqual(spent, BigInt(decisions.length) * (5n * TestLane.INPUT_UNIT + TestLane.OUTPUT_UNIT))
  })

  it("is not made while nothing pays for it", async () => {
    const { lane, upstreams } = await market(0n)
    const { answer, seen } = await askSlow(lane, upstreams)
    assert.strictEqual(answer.headers["x-guildhall-instance"], nameOf(0))
    assert.isUndefined(seen?.closedAt)
  })

  it("is not made where the definition has none", async () => {
    const { lane, upstreams } = await market(FUNDS, 0)
    const { answer } = await askSlow(lane, upstreams)
    assert.strictEqual(answer.headers["x-guildhall-instance"], nameOf(0))
    assert.strictEqual(await poolOf(lane), FUNDS)
  })
})
