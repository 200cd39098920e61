import { afterEach, assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { HoldId } from "@guildhall/ledger/Hold"
import * as Reservation from "../src/Reservation.ts"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"

afterEach(TestLane.closeAll)

const terms = { comfort: 10, outputTokensMin: 16, outputTokensStep: 64 }
const definition = { reservation: terms }
const usage = { prompt: 10, completion: 4 }
const either: Upstream.Script = (response, seen) =>
  (JSON.parse(seen.body).stream === true ? Upstream.stream(["x"], usage) : Upstream.whole("x", usage))(response, seen)

/** The key and the model get known for short answers. */
const learn = async (lane: TestLane.TestLane) => {
  for (let answers = 0; answers < 25; answers++) assert.strictEqual((await lane.chat({})).status, 200)
  await lane.idle()
}

const holdOf = (lane: TestLane.TestLane, id: unknown) => lane.run(lane.ledger.findHold(HoldId.make(String(id))))

const maxTokens = (upstream: Upstream.ScriptedUpstream): unknown =>
  JSON.parse(upstream.seen.at(-1)?.body ?? "{}").max_tokens

/** As many tokens as the buyer lets it send, one an event. */
const endless: Upstream.Script = (response) => {
  Upstream.streamHead(response).write(Upstream.role)
  const timer = setInterval(() => response.write(Upstream.delta("abcd").repeat(8)), 1)
  response.on("close", () => clearInterval(timer))
}

const content = (text: string): number => text.split('"content":"abcd"').length - 1

describe("a reservation", () => {
  const Balance = Schema.BigInt.pipe(Schema.check(Schema.isBetweenBigInt({ minimum: 0n, maximum: 10n ** 7n })))
  const Tokens = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 5_000 })))

  it.effect.prop(
    "never exceeds what there is, and covers what it says that it covers",
    [Balance, Tokens, Tokens, Tokens],
    ([available, outputBound, likely, base]) =>
      Effect.sync(() => {
        const request = { outputBound, cost: (tokens: number) => BigInt(base) + 7n * BigInt(tokens) }
        const wanted = Reservation.first(terms, request, { available, likely })
        assert.isAtMost(wanted.tokens, outputBound)
        assert.strictEqual(wanted.amount, request.cost(wanted.tokens))
        if (available >= request.cost(outputBound) * 10n) assert.strictEqual(wanted.tokens, outputBound)
        const covered = Reservation.covered(terms, request, { available, wanted: wanted.tokens })
        if (covered === undefined) return assert.isTrue(available < request.cost(Math.min(16, outputBound)))
        assert.isTrue(covered.amount <= available)
        assert.isAtMost(covered.tokens, wanted.tokens)
        assert.isAtLeast(covered.tokens, Math.min(16, outputBound))
      }),
    { arbitrary: { seed: "reservations", runs: 500 } },
  )

  it("is of the worst case while there is plenty", async () => {
    const { lane, upstream } = await TestLane.withUpstream(either, { definition })
    await learn(lane)
    const answer = await lane.chat({})
    const hold = await holdOf(lane, answer.headers["x-request-id"])
    assert.isTrue((hold?.amount ?? 0n) > 1_000n * TestLane.OUTPUT_UNIT)
    assert.strictEqual(maxTokens(upstream), 1_000)
  })

  it("is of the likely cost where there is not, and a whole answer may get no longer than that", async () => {
    const { lane, upstream } = await TestLane.withUpstream(either, { definition, balance: 10n ** 10n })
    await learn(lane)
    const answer = await lane.chat({})
    const hold = await holdOf(lane, answer.headers["x-request-id"])
    assert.isTrue((hold?.amount ?? 0n) < 1_000n * TestLane.OUTPUT_UNIT)
    assert.strictEqual(maxTokens(upstream), 16)
  })

  it("covers as much of an answer as there is money for", async () => {
    const { lane, upstream } = await TestLane.withUpstream(either, { definition, balance: 10n ** 9n })
    assert.strictEqual((await lane.chat({})).status, 200)
    const limit = Number(maxTokens(upstream))
    assert.isAbove(limit, 16)
    assert.isBelow(limit, 500)
  })

  it("of less than sixteen tokens is refused, before anyone is asked", async () => {
    const { lane, upstream } = await TestLane.withUpstream(either, { definition, balance: 620_000_000n })
    const answer = await lane.chat({})
    assert.strictEqual(answer.status, 402, answer.text)
    assert.strictEqual(JSON.parse(answer.text).error.code, "insufficient_funds")
    assert.lengthOf(upstream.seen, 0)
    const short = await lane.chat({ max_tokens: 1 })
    assert.strictEqual(short.status, 402)
  })

  it("of a stream grows while it goes on", async () => {
    const words = Array.from({ length: 400 }, () => "abcd")
    const { lane, upstream } = await TestLane.withUpstream(either, { definition, balance: 10n ** 10n })
    await learn(lane)
    upstream.script = Upstream.stream(words, { prompt: 10, completion: 400 })
    const answer = await lane.chat({ stream: true })
    assert.strictEqual(content(answer.text), 400)
    assert.isTrue(answer.text.endsWith("data: [DONE]\n\n"))
    await lane.idle()
    const hold = await holdOf(lane, answer.headers["x-request-id"])
    assert.strictEqual(hold?.state, "posted")
    assert.isTrue((hold?.amount ?? 0n) >= 400n * TestLane.OUTPUT_UNIT)
    assert.isTrue((hold?.amount ?? 0n) < 1_000n * TestLane.OUTPUT_UNIT)
    await lane.books()
  })

  it("of a stream that cannot grow any more ends it in-band, and what came is billed", async () => {
    const { lane, upstream } = await TestLane.withUpstream(endless, { definition, balance: 1_200_000_000n })
    const answer = await lane.chat({ stream: true })
    assert.strictEqual(answer.status, 200)
    assert.include(answer.text, '"insufficient_funds"')
    assert.notInclude(answer.text, "[DONE]")
    const { spent } = await lane.books()
    const delivered = content(answer.text)
    assert.isAbove(delivered, 100)
    // What had come is billed as far as the hold goes, and never more than the buyer had.
    assert.isTrue(spent >= BigInt(delivered - 16) * TestLane.OUTPUT_UNIT)
    assert.isTrue(spent <= 1_200_000_000n)
    assert.isDefined(upstream.seen[0]?.closedAt)
  })
})
