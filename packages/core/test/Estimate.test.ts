import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Estimate from "../src/rules/Estimate.ts"

const Small = (maximum: number) => Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum })))
const Day = Schema.Struct({
  provider: Small(9),
  device: Small(3),
  day: Small(13),
  earned: Small(5_000_000),
  up: Small(10_000),
})
const Days = Schema.Array(Day).pipe(Schema.check(Schema.isMaxLength(80)))

const read = (days: typeof Days.Type): ReadonlyArray<Estimate.DeviceDay> =>
  days.map(({ day, device, earned, provider, up }) => ({
    provider: `mem_${provider}`,
    device: `dev_${provider}_${device}`,
    day,
    earned: BigInt(earned),
    tokens: earned,
    uptimeBps: up,
  }))

const day = (provider: number, earned: bigint, uptimeBps?: number): Estimate.DeviceDay => ({
  provider: `mem_${provider}`,
  device: `dev_${provider}`,
  day: 1,
  earned,
  tokens: 1_000_000,
  uptimeBps,
})

const known = (estimate: Estimate.Estimate) => (estimate._tag === "Known" ? estimate : assert.fail(estimate.why))

describe("Estimate", () => {
  it.prop(
    "S13 · no figure rests on fewer than five providers, or on one for more than half of the days",
    [Days],
    ([given]) => {
      const days = read(given)
      const counts = [...Map.groupBy(days, ({ provider }) => provider).values()].map(({ length }) => length)
      const mayTell = counts.length >= 5 && Math.max(...counts) * 2 <= days.length
      const estimate = Estimate.of(days, Estimate.usual)
      if (!mayTell) assert.strictEqual(estimate._tag, "TooFew")
      if (estimate._tag === "TooFew") return assert.deepStrictEqual(Object.keys(estimate).toSorted(), ["_tag", "why"])
      // Whoever is told the ends of the range does not learn what one or two earned.
      const beyond = (isBeyond: (earned: bigint) => boolean) =>
        new Set(days.filter(({ earned }) => isBeyond(Estimate.rounded(earned))).map(({ provider }) => provider)).size
      assert.isAtLeast(
        beyond((earned) => earned <= estimate.range.low),
        3,
      )
      assert.isAtLeast(
        beyond((earned) => earned >= estimate.range.high),
        3,
      )
    },
    { arbitrary: { seed: "anonymous", runs: 400 } },
  )

  it.prop(
    "S13 · the range is in order, within what was seen, and does not hang on the order of the days",
    [Days],
    ([given]) => {
      const days = read(given)
      const estimate = Estimate.of(days, { providersMin: 1, shareMaxBps: 10_000, edgeMin: 1 })
      if (estimate._tag === "TooFew") return assert.lengthOf(days, 0)
      const { high, low, median } = estimate.range
      assert.isTrue(low <= median && median <= high)
      const sorted = days.map(({ earned }) => earned).toSorted((a, b) => (a < b ? -1 : 1))
      assert.isTrue(low >= Estimate.rounded(sorted[0] ?? 0n))
      assert.isTrue(high <= Estimate.rounded(sorted.at(-1) ?? 0n))
      assert.deepStrictEqual(
        Estimate.of(days.toReversed(), { providersMin: 1, shareMaxBps: 10_000, edgeMin: 1 }),
        estimate,
      )
    },
    { arbitrary: { seed: "range", runs: 300 } },
  )

  it.prop(
    "an amount is rounded to two digits and never by more than a twentieth",
    [Small(1_000_000_000)],
    ([amount]) => {
      const near = Estimate.rounded(BigInt(amount))
      assert.match(near.toString(), /^\d{1,2}0*$/)
      const off = near > BigInt(amount) ? near - BigInt(amount) : BigInt(amount) - near
      assert.isTrue(off * 20n <= BigInt(amount))
    },
    { arbitrary: { seed: "rounded", runs: 300 } },
  )

  it("S13 · days on which nothing came in count like any other", () => {
    const days = [1, 2, 3, 4, 5].flatMap((provider) => [day(provider, 10n), day(provider, 0n), day(provider, 0n)])
    assert.deepStrictEqual(known(Estimate.of(days, Estimate.usual)).range, { low: 0n, median: 0n, high: 10n })
  })

  it("S13 · what the one provider who earns most has earned is not the end of the range", () => {
    const days = [1, 2, 3, 4, 50].map((provider) => day(provider, BigInt(provider) * 1_000n))
    assert.deepStrictEqual(known(Estimate.of(days, Estimate.usual)).range, {
      low: 3_000n,
      median: 3_000n,
      high: 3_000n,
    })
    // Two who have nearly all days, and most of what came in: the middle is theirs.
    const two = [
      ...Array.from({ length: 10 }, (_, at) => day(1 + (at % 2), 9_000n)),
      ...[3, 4, 5].map((one) => day(one, 1n)),
    ]
    assert.deepStrictEqual(Estimate.of(two, Estimate.usual), { _tag: "TooFew", why: "share" })
  })

  it("S13, S17 · the same is told for 80 % and for 90 % of the time online", () => {
    const days = [1, 2, 3, 4, 5, 6].map((provider) => day(provider, BigInt(provider) * 1_000n, 5_000))
    const { range, uptimeBps } = known(Estimate.of(days, Estimate.usual))
    assert.strictEqual(uptimeBps, 5_000)
    assert.deepStrictEqual(Estimate.atUptime(range, uptimeBps, 8_000), { low: 4_800n, median: 4_800n, high: 6_400n })
    assert.deepStrictEqual(Estimate.atUptime(range, uptimeBps, 9_000), { low: 5_400n, median: 5_400n, high: 7_200n })
    assert.isUndefined(Estimate.atUptime(range, undefined, 9_000))
    assert.isUndefined(Estimate.atUptime(range, 0, 9_000))
  })
})
