import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Guarantee from "../src/rules/Guarantee.ts"

const Percent = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 100 })))
/** Whether each request goes to those with the promise where it is not due, and whether they have room. */
const Requests = Schema.Array(Schema.Struct({ isOrdinary: Schema.Boolean, hasRoom: Schema.Boolean })).pipe(
  Schema.check(Schema.isMinLength(20), Schema.isMaxLength(120)),
)

const run = (percent: number, requests: typeof Requests.Type) => {
  let account = Guarantee.empty
  const offers: Array<boolean> = []
  for (const { hasRoom, isOrdinary } of requests) {
    account = Guarantee.asked(account, percent)
    const isOffered = hasRoom && (Guarantee.isDue(account) || isOrdinary)
    if (isOffered) account = Guarantee.offered(account)
    offers.push(isOffered)
  }
  return { account, offers }
}

const always = { isOrdinary: false, hasRoom: true }
const full = { isOrdinary: false, hasRoom: false }
const count = (offers: ReadonlyArray<boolean>): number => offers.filter(Boolean).length

describe("Guarantee", () => {
  it("offers exactly the share where nothing else does: 300 of 1,000 at 30 %", () => {
    const { account, offers } = run(
      30,
      Array.from({ length: 1_000 }, () => always),
    )
    assert.strictEqual(count(offers), 300)
    assert.strictEqual(Guarantee.forfeited(account), 0)
    assert.deepStrictEqual(offers.slice(0, 10).map(Number), [0, 0, 0, 1, 0, 0, 1, 0, 0, 1])
  })

  it.effect.prop(
    "of any requests in a row, at least the share is offered, less one, while there is room",
    [Percent, Requests],
    ([percent, requests]) =>
      Effect.sync(() => {
        const { offers } = run(
          percent,
          requests.map((one) => ({ ...one, hasRoom: true })),
        )
        for (let from = 0; from < offers.length; from++) {
          let sum = 0
          for (let to = from; to < offers.length; to++) {
            sum += Number(offers[to])
            const n = to - from + 1
            if (sum <= (percent * n) / 100 - 1) assert.fail(`${sum} of ${n} requests from ${from}`)
          }
        }
      }),
    { arbitrary: { seed: "guarantees", runs: 100 } },
  )

  it.effect.prop(
    "accounts for every request: what was promised was offered, is owed, or is forfeited",
    [Percent, Requests],
    ([percent, requests]) =>
      Effect.sync(() => {
        const { account, offers } = run(percent, requests)
        const most = Guarantee.OWED_MAX * 10_000
        assert.isTrue(account.owedBps >= 0 && account.owedBps <= most)
        const got = count(offers) * 10_000 + account.owedBps + account.forfeitedBps
        assert.isAtLeast(got, requests.length * percent * 100)
        // Without ordinary offers, not a basis point more.
        const strict = run(
          percent,
          requests.map(({ hasRoom }) => ({ hasRoom, isOrdinary: false })),
        )
        const { forfeitedBps, owedBps } = strict.account
        assert.strictEqual(count(strict.offers) * 10_000 + owedBps + forfeitedBps, requests.length * percent * 100)
      }),
    { arbitrary: { seed: "accounts", runs: 100 } },
  )

  it("after a spell without room ten are made up for, and the rest is forfeited", () => {
    const spell = Array.from({ length: 200 }, () => full)
    const { account } = run(30, spell)
    assert.strictEqual(account.owedBps, 100_000)
    assert.strictEqual(Guarantee.forfeited(account), 50)
    const { offers } = run(30, [...spell, ...Array.from({ length: 100 }, () => always)])
    assert.strictEqual(count(offers), 39)
    assert.strictEqual(count(offers.slice(200, 212)), 12)
    assert.isAtMost(count(offers.slice(214, 224)), 4)
  })

  it("what comes about otherwise counts, and is not held against them later", () => {
    const lucky = Array.from({ length: 50 }, () => ({ isOrdinary: true, hasRoom: true }))
    const { account, offers } = run(30, lucky)
    assert.strictEqual(count(offers), 50)
    assert.strictEqual(account.owedBps, 0)
    const later = run(30, [...lucky, ...Array.from({ length: 10 }, () => always)])
    assert.strictEqual(count(later.offers.slice(50)), 3)
    // An ordinary share of a tenth is made up to 30 %, and not to 37.
    const tenth = Array.from({ length: 10_000 }, (_, at) => ({ isOrdinary: (at * 7_919) % 10 === 3, hasRoom: true }))
    assert.approximately(count(run(30, tenth).offers) / 10_000, 0.31, 0.02)
  })

  it("a promise of nothing owes nothing, and one of everything owes each", () => {
    const ten = Array.from({ length: 10 }, () => always)
    assert.strictEqual(count(run(0, ten).offers), 0)
    assert.strictEqual(count(run(100, ten).offers), 10)
    assert.strictEqual(count(run(Number.MAX_VALUE, ten).offers), 10)
    assert.strictEqual(count(run(-5, ten).offers), 0)
  })
})
