/** The rules that a market's contracts follow too, to the unit: S4, S5, S8, S10, G5. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { NonNegativeAmount } from "../src/Money.ts"
import { Apy, Bond, Cooldown, Division, Draw, Slashing, Tier, Vote } from "../src/rules/index.ts"

const upTo = (maximum: number) => Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum })))
const Bps = upTo(10_000)
const UNIT = 10n ** 18n

describe("Tier", () => {
  const tiers = Tier.Tiers.make([
    { minStake: 0n, multiplierBps: 10_000, priority: "overflow" },
    { minStake: 1_000n * UNIT, multiplierBps: 12_500, priority: "normal" },
    { minStake: 10_000n * UNIT, multiplierBps: 15_000, priority: "preferred" },
    { minStake: 100_000n * UNIT, multiplierBps: 20_000, priority: "guaranteed" },
  ])

  it("S4 · tiers begin at their stake, not a unit below it", () => {
    const at = (stake: bigint) => Tier.of(tiers, stake)?.tier.priority
    assert.deepStrictEqual([at(0n), at(1_000n * UNIT - 1n), at(1_000n * UNIT)], ["overflow", "overflow", "normal"])
    assert.deepStrictEqual(
      [at(10_000n * UNIT), at(100_000n * UNIT), at(2n ** 128n)],
      ["preferred", "guaranteed", "guaranteed"],
    )
  })

  it("S4 · tables that do not begin at 0, do not rise, or are too long are refused", () => {
    const isTable = Schema.is(Tier.Tiers)
    const [first, second] = tiers
    assert.isFalse(isTable([second]))
    assert.isFalse(isTable([first, first]))
    assert.isFalse(isTable([]))
    const many = Array.from({ length: 17 }, (_, at) => ({ ...first, minStake: BigInt(at) }))
    assert.isFalse(isTable(many))
    assert.isTrue(isTable(many.slice(1).map((tier) => ({ ...tier, minStake: tier.minStake - 1n }))))
  })

  it.prop(
    "S4 · more aged stake never makes a lower tier, and a flash deposit makes none",
    [NonNegativeAmount, NonNegativeAmount],
    ([stake, more]) => {
      const low = Tier.of(tiers, stake)?.index ?? -1
      const high = Tier.of(tiers, stake + more)?.index ?? -1
      assert.isAtLeast(high, low)
      assert.strictEqual(Tier.of(tiers, Tier.aged(stake + more, 0n))?.index, 0)
      assert.isTrue(Tier.aged(stake, more) <= stake && Tier.aged(stake, more) <= more)
    },
    { arbitrary: { seed: "tier-monotone", runs: 300 } },
  )

  it.prop(
    "S4 · the surplus and what was earned are at most the multiple, and less than a unit off",
    [NonNegativeAmount, upTo(100_000)],
    ([earned, multiplierBps]) => {
      const surplus = Tier.surplus(earned, multiplierBps)
      assert.isTrue(surplus >= 0n)
      if (multiplierBps < 10_000) return assert.strictEqual(surplus, 0n)
      const multiple = earned * BigInt(multiplierBps)
      const paid = (earned + surplus) * 10_000n
      assert.isTrue(paid <= multiple && multiple - paid < 10_000n)
    },
    { arbitrary: { seed: "tier-surplus", runs: 300 } },
  )
})

describe("Cooldown", () => {
  it("S5 · it is over in its last second's next one, and never shorter than what must fit in", () => {
    const endS = Cooldown.endS(100, 604_800)
    assert.deepStrictEqual([Cooldown.isOver(endS - 1, endS), Cooldown.isOver(endS, endS)], [false, true])
    assert.strictEqual(Cooldown.leastS({ evidenceS: 259_200, appealS: 172_800, bufferS: 0 }), 604_800)
    assert.strictEqual(Cooldown.leastS({ evidenceS: 1, appealS: 2, bufferS: 200_000 }), 200_003)
  })
})

describe("Apy", () => {
  it("S5 · five percent of a year is five percent, less the dust of one rounding", () => {
    const before = { index: 0n, stream: 10n ** 6n * UNIT * Apy.SCALE }
    const totalActive = 1_000n * UNIT
    const after = Apy.accrue(before, { rate: Apy.rate(500), totalActive, elapsedS: 31_536_000 })
    const paid = Apy.whole(Apy.earned(totalActive, after.index, 0n))
    assert.isTrue(paid <= 50n * UNIT && 50n * UNIT - paid < 1_000_000n, `${paid}`)
  })

  it.prop(
    "S5 · nothing is minted: what all earn is what left the stream, in one step or in many",
    [Schema.Array(Schema.Struct({ active: upTo(1_000_000), elapsedS: upTo(100_000_000) })), upTo(1_000_000_000), Bps],
    ([steps, funded, apyBps]) => {
      const rate = Apy.rate(apyBps)
      let state: Apy.Accrual = { index: 0n, stream: BigInt(funded) * Apy.SCALE }
      let earned = 0n
      for (const { active, elapsedS } of steps) {
        const next = Apy.accrue(state, { rate, totalActive: BigInt(active), elapsedS })
        const share = Apy.earned(BigInt(active), next.index, state.index)
        assert.strictEqual(state.stream - next.stream, share)
        assert.isTrue(next.stream >= 0n && next.index >= state.index)
        assert.isTrue(share <= rate * BigInt(elapsedS) * BigInt(active))
        earned += share
        state = next
      }
      assert.isTrue(Apy.whole(earned) <= BigInt(funded))
    },
    { arbitrary: { seed: "apy-conserves", runs: 300 } },
  )
})

describe("Bond", () => {
  it("S3 · a bond answers from its activation to the end of its cooldown", () => {
    const life = { activatedAtS: 100, cooldownEndS: 200 }
    const answers = [99, 100, 200, 201].map((offenceS) => Bond.answersFor(life, offenceS))
    assert.deepStrictEqual(answers, [false, true, true, false])
    assert.isFalse(Bond.answersFor({ activatedAtS: 0, cooldownEndS: 0 }, 5))
    assert.isTrue(Bond.answersFor({ activatedAtS: 100, cooldownEndS: 0 }, 10 ** 9))
  })

  it("S3 · a bond below its minimum makes nobody eligible until what is missing comes in", () => {
    assert.isFalse(Bond.isEligible({ isActive: true, bonded: 499n }, 500n))
    assert.isTrue(Bond.isEligible({ isActive: true, bonded: 499n + Bond.missing(499n, 500n) }, 500n))
    assert.isFalse(Bond.isEligible({ isActive: false, bonded: 500n }, 500n))
  })
})

describe("Slashing", () => {
  const rateOf = (upS: number, expectedS: number) =>
    Slashing.forUptime(Slashing.UPTIME_STEPS, { upS, expectedS })?.rateBps ?? 0

  it("S8 · its marks are exclusive, and only the most severe step applies", () => {
    const month = 2_592_000
    const at = (bps: number) => (month / 10_000) * bps
    assert.deepStrictEqual([rateOf(at(9_500), month), rateOf(at(9_500) - 1, month)], [0, 200])
    assert.deepStrictEqual([rateOf(at(9_000), month), rateOf(at(9_000) - 1, month)], [200, 500])
    assert.deepStrictEqual([rateOf(at(5_000), month), rateOf(at(5_000) - 1, month)], [500, 1_000])
    assert.deepStrictEqual([rateOf(0, 0), rateOf(0, 1), rateOf(month, month)], [0, 1_000, 0])
  })

  it("S10 · severity goes evenly from five to ten percent", () => {
    const severities = [1, 2, 3, 4, 5] as const
    assert.deepStrictEqual(
      severities.map((severity) => Slashing.forSeverity(severity)),
      [500, 625, 750, 875, 1_000],
    )
  })

  it.prop(
    "S8, S10 · a period takes at most its cap, and uptime comes first",
    [Schema.Array(Schema.Struct({ kind: Schema.Literals(["uptime", "response"]), rateBps: Bps })), Bps],
    ([offences, capBps]) => {
      const counted = Slashing.counted(offences, capBps)
      const sum = counted.reduce((total, { countedBps }) => total + countedBps, 0)
      const asked = offences.reduce((total, { rateBps }) => total + rateBps, 0)
      assert.strictEqual(sum, Math.min(capBps, asked))
      assert.strictEqual(counted.length, offences.length)
      const lastUptime = counted.findLastIndex(({ kind }) => kind === "uptime")
      assert.isTrue(counted.slice(0, lastUptime + 1).every(({ kind }) => kind === "uptime"))
    },
    { arbitrary: { seed: "slash-cap", runs: 300 } },
  )

  it.prop(
    "S10 · an amount is rounded up, never more than is left, and its shares are all of it",
    [NonNegativeAmount, NonNegativeAmount, Bps, upTo(2_000)],
    ([bondedThen, bondedNow, rateBps, finderBps]) => {
      const amount = Slashing.amount({ bondedThen, rateBps, bondedNow })
      assert.isTrue(amount <= bondedNow && amount <= bondedThen)
      if (amount < bondedNow) assert.isTrue(amount * 10_000n - bondedThen * BigInt(rateBps) < 10_000n)
      if (bondedThen > 0n && rateBps > 0 && bondedNow > 0n) assert.isTrue(amount > 0n)
      const { finder, insurance } = Slashing.share(amount, { finderBps, hasFinder: true })
      assert.strictEqual(finder + insurance, amount)
      assert.isTrue(finder * 5n <= amount)
      assert.strictEqual(Slashing.share(amount, { finderBps, hasFinder: false }).finder, 0n)
    },
    { arbitrary: { seed: "slash-amount", runs: 500 } },
  )
})

describe("Vote", () => {
  it.prop(
    "G5 · a verdict has its quorum of distinct voters, and no two have it where the quorum is more than half",
    [Schema.Array(Schema.Struct({ voter: upTo(6), verdict: upTo(2) })), upTo(3)],
    ([votes, extra]) => {
      const quorum = 4 + extra
      const named = votes.map(({ verdict, voter }) => ({ voter: `v${voter}`, verdict: `${verdict}` }))
      const reached = Vote.verdict(named, quorum)
      const reversed = Vote.verdict(named.toReversed(), quorum)
      const firsts = new Map(named.toReversed().map(({ verdict, voter }) => [voter, verdict]))
      const counts = Map.groupBy(firsts.values(), (verdict) => verdict)
      const expected = [...counts].find(([, voters]) => voters.length >= quorum)?.[0]
      assert.strictEqual(reached?.verdict, expected)
      if (reached !== undefined) assert.strictEqual(new Set(reached.voters).size, reached.voters.length)
      if (votes.length < quorum) assert.isUndefined(reversed)
    },
    { arbitrary: { seed: "votes", runs: 300 } },
  )
})

describe("Draw", () => {
  it.prop(
    "G5 · nobody is drawn twice, and a list that is long enough fills every seat",
    [Schema.Array(Schema.Natural).pipe(Schema.check(Schema.isMaxLength(15))), upTo(40)],
    ([numbers, size]) => {
      const places = Draw.distinct((draw) => BigInt(numbers[draw] ?? 0), numbers.length, size)
      assert.strictEqual(new Set(places).size, places.length)
      assert.strictEqual(places.length, Math.min(numbers.length, size))
      assert.isTrue(places.every((place) => place >= 0 && place < size))
    },
    { arbitrary: { seed: "draw", runs: 300 } },
  )

  it("G5 · each ordered draw comes about by just one row of numbers", () => {
    const seen = new Set<string>()
    for (let a = 0; a < 5; a++) {
      for (let b = 0; b < 4; b++) {
        for (let c = 0; c < 3; c++) seen.add(Draw.distinct((i) => BigInt([a, b, c][i] ?? 0), 3, 5).join())
      }
    }
    assert.strictEqual(seen.size, 60)
  })
})

describe("Division", () => {
  const Shares = Schema.Array(upTo(1_000)).pipe(Schema.check(Schema.isMaxLength(8)))
  const termsOf = (partiesBps: ReadonlyArray<number>, part: number): Division.Terms => {
    const left = 10_000 - partiesBps.reduce((sum, bps) => sum + bps, 0)
    return { partiesBps, providerBps: Math.floor((left * part) / 100) }
  }
  const sumOf = ({ parties, provider, treasury }: Division.Parts): bigint =>
    parties.reduce((sum, one) => sum + one, provider + treasury)

  it.prop(
    "S7 · the parts of a request are all of it, none negative, and only the treasury gains by rounding",
    [Shares, upTo(100), NonNegativeAmount],
    ([partiesBps, part, amount]) => {
      const terms = termsOf(partiesBps, part)
      const parts = Division.ofRequest(terms, amount)
      assert.strictEqual(sumOf(parts), amount)
      assert.isTrue(parts.treasury >= 0n)
      const rest = 10_000 - terms.providerBps - partiesBps.reduce((sum, bps) => sum + bps, 0)
      assert.isTrue(parts.treasury >= Division.part(amount, rest))
    },
    { arbitrary: { seed: "division-request", runs: 500 } },
  )

  it.prop(
    "S7 · a voucher in many steps pays the provider what it pays in one, and the treasury never less than nothing",
    [Shares, upTo(100), Schema.Array(upTo(100_000))],
    ([partiesBps, part, steps]) => {
      const terms = termsOf(partiesBps, part)
      let [redeemed, provider] = [0n, 0n]
      for (const step of steps) {
        const parts = Division.ofVoucher(terms, redeemed, redeemed + BigInt(step))
        assert.strictEqual(sumOf(parts), BigInt(step))
        assert.isTrue(parts.treasury >= 0n)
        redeemed += BigInt(step)
        provider += parts.provider
      }
      assert.strictEqual(provider, Division.part(redeemed, terms.providerBps))
    },
    { arbitrary: { seed: "division-voucher", runs: 300 } },
  )
})
