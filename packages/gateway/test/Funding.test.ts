/** Requests that are paid out of several sources of a buyer's money. */
import { afterEach, assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Account, Hold } from "@guildhall/ledger"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"

afterEach(TestLane.closeAll)

const usage = { prompt: 10, completion: 4 }
/** What a request with this usage costs. */
const COST = 10n * TestLane.INPUT_UNIT + 4n * TestLane.OUTPUT_UNIT

const credit = { account: Account.ids.funds("credit", TestLane.BUYER), fundingSource: "credit" }
const voucher = { account: Account.ids.funds("voucher", TestLane.BUYER), fundingSource: "voucher" }

/** A lane whose buyer has so much by card, and then so much of credit; a voucher account was never opened. */
const laneWith = async (script: Upstream.Script, card: bigint, credits: bigint, options: TestLane.Options = {}) => {
  const started = await TestLane.withUpstream(script, { ...options, balance: card, further: [voucher, credit] })
  const { ledger, run } = started.lane
  await run(
    Effect.gen(function* () {
      yield* ledger.open({ id: credit.account, kind: "buyer", asset: { ...TestLane.definition.assets[0] }, floor: 0n })
      if (credits === 0n) return
      yield* ledger.post({
        idempotencyKey: "credits",
        kind: "grant",
        legs: [
          { account: Account.ids.external("test"), amount: -credits },
          { account: credit.account, amount: credits },
        ],
        attachments: [],
      })
    }),
  )
  const balances = async () => {
    await started.lane.books()
    const accounts = await run(ledger.accounts())
    return Object.fromEntries(accounts.map(({ balance, id }) => [id, balance]))
  }
  return { ...started, balances }
}

const earned = (source: string) => Account.ids.accrual(source, TestLane.PROVIDER)

describe("a request that is paid out of several sources", () => {
  it("spends the first one first, and the provider earns of each what it paid", async () => {
    const first = 7_000_003n
    const { balances, lane } = await laneWith(Upstream.whole("x", usage), first, 10n ** 13n)
    const answer = await lane.chat({})
    assert.strictEqual(answer.status, 200)
    const after = await balances()
    const rest = COST - first
    assert.deepInclude(after, {
      [TestLane.BUYER_ACCOUNT]: 0n,
      [credit.account]: 10n ** 13n - rest,
      [earned("card")]: (first * 9n) / 10n,
      [earned("credit")]: (rest * 9n) / 10n,
      "platform:fees": COST - (first * 9n) / 10n - (rest * 9n) / 10n,
    })
    const id = Hold.HoldId.make(String(answer.headers["x-request-id"]))
    const hold = await lane.run(lane.ledger.findHold(id))
    assert.deepStrictEqual(
      hold?.parts?.map(({ account, drawn }) => [account, drawn]),
      [
        [TestLane.BUYER_ACCOUNT, first],
        [credit.account, rest],
      ],
    )
    const ended = (await lane.entries()).find(({ kind }) => kind === "request.ended")
    const body = ended?.body ?? assert.fail("nothing tells of its end")
    const { receipt } = body as { receipt: { charge: string; split: ReadonlyArray<{ amount: string }> } }
    assert.strictEqual(BigInt(receipt.charge), COST)
    assert.strictEqual(
      receipt.split.reduce((sum, { amount }) => sum + BigInt(amount), 0n),
      COST,
    )
  })

  it("spends nothing of the next one while the first one has enough", async () => {
    const { balances, lane } = await laneWith(Upstream.whole("x", usage), 10n ** 13n, 5n)
    assert.strictEqual((await lane.chat({})).status, 200)
    const after = await balances()
    assert.deepInclude(after, { [credit.account]: 5n, [earned("card")]: (COST * 9n) / 10n })
    assert.notProperty(after, earned("credit"))
  })

  it("is refused where all of them together have too little, and where one is frozen", async () => {
    const { balances, lane, upstream } = await laneWith(Upstream.whole("x", usage), 1_000_000n, 1_000_000n)
    const poor = await lane.chat({})
    assert.strictEqual(poor.status, 402)
    assert.deepInclude(await balances(), { [TestLane.BUYER_ACCOUNT]: 1_000_000n, [credit.account]: 1_000_000n })
    const more = { account: credit.account, floor: -(10n ** 13n), ceiling: null, idempotencyKey: "line" }
    const { account, idempotencyKey, ...terms } = more
    await lane.run(lane.ledger.setTerms({ account, idempotencyKey, terms: { ...terms, state: "open" } }))
    assert.strictEqual((await lane.chat({})).status, 200)
    const asked = upstream.seen.length
    await lane.run(lane.ledger.setTerms({ account, idempotencyKey: "ice", terms: { ...terms, state: "frozen" } }))
    const frozen = await lane.chat({})
    assert.strictEqual(JSON.parse(frozen.text).error.code, "account_frozen")
    assert.strictEqual(upstream.seen.length, asked)
  })

  it("goes on from one to the next while its hold grows, and gives back what it did not need", async () => {
    const long = Array.from({ length: 200 }, () => "abcd ")
    const streamed = { prompt: 10, completion: 200 }
    const either: Upstream.Script = (response, seen) =>
      (JSON.parse(seen.body).stream === true ? Upstream.stream(long, streamed) : Upstream.whole("x", usage))(
        response,
        seen,
      )
    const reservation = { comfort: 10, outputTokensMin: 16, outputTokensStep: 64 }
    const { balances, lane } = await laneWith(either, 26n * COST, 10n ** 10n, { definition: { reservation } })
    // The key and the model get known for short answers, which use the first source up.
    for (let answers = 0; answers < 25; answers++) {
      const { status, text } = await lane.chat({})
      assert.strictEqual(status, 200, text)
      await lane.idle()
    }
    const before = await balances()
    const answer = await lane.chat({ stream: true, max_tokens: 1_000 })
    assert.strictEqual(answer.status, 200)
    assert.include(answer.text, "[DONE]")
    const after = await balances()
    const cost = 10n * TestLane.INPUT_UNIT + 200n * TestLane.OUTPUT_UNIT
    const left = before[TestLane.BUYER_ACCOUNT] ?? 0n
    assert.isTrue(left < cost, "one source is not enough")
    assert.strictEqual(after[TestLane.BUYER_ACCOUNT], 0n)
    assert.strictEqual((before[credit.account] ?? 0n) - (after[credit.account] ?? 0n), cost - left)
    const id = Hold.HoldId.make(String(answer.headers["x-request-id"]))
    const hold = await lane.run(lane.ledger.findHold(id))
    assert.isDefined(hold?.asked, "the hold grew")
  })
})
