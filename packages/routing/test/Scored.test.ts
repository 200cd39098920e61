import { assert, describe, it } from "@effect/vitest"
import * as Parts from "@guildhall/core/Parts"
import { Effect } from "effect"
import * as combinators from "../src/combinators/index.ts"
import { Directory } from "../src/Directory.ts"
import * as Draw from "../src/Draw.ts"
import * as Bonded from "../src/filters/Bonded.ts"
import * as Lots from "../src/internal/Lots.ts"
import * as policies from "../src/policies/index.ts"
import { RoutingPolicy } from "../src/RoutingPolicy.ts"
import * as Scored from "../src/Scored.ts"
import * as RoutingPolicyTest from "../src/testing/RoutingPolicyTest.ts"
import * as SampleMarket from "../src/testing/SampleMarket.ts"

const { leastLoaded } = policies.LeastLoaded

/** Two ids whose hashes are the same, found by trying. */
const twins = (() => {
  const seen = new Map<number, string>()
  for (let at = 0; ; at++) {
    const name = `x${at.toString(36)}`
    const hash = Draw.ofId(`ins_${name}`)
    const other = seen.get(hash)
    if (other !== undefined) return [other, name] as const
    seen.set(hash, name)
  }
})()

describe("lots", () => {
  it("are waiting times of mean 1, independent of the order of names", () => {
    const names = Array.from({ length: 100 }, (_, at) => `ins_${at}`)
    const turned = names.toReversed()
    let sum = 0
    let above = 0
    for (let seed = 0; seed < 500; seed++) {
      const lots = Lots.draw(Lots.treeOf(names), Draw.ofSeed(seed))
      assert.deepStrictEqual(Lots.draw(Lots.treeOf(turned), Draw.ofSeed(seed)).toReversed(), lots)
      for (const lot of lots) {
        sum += lot
        if (lot > 2) above++
      }
    }
    assert.approximately(sum / 50_000, 1, 0.02)
    assert.approximately(above / 50_000, Math.exp(-2), 0.006)
  })

  it("are the same of a few as of all", () => {
    const names = Array.from({ length: 3_000 }, (_, at) => `ins_${at}`)
    const tree = Lots.treeOf(names)
    const all = Lots.draw(tree, 7)
    const places = Int32Array.from([0, 5, 1_200, 2_999])
    assert.deepStrictEqual(
      [...Lots.draw(tree, 7, places)],
      [...places].map((place) => all[place]),
    )
    // A smaller tree is drawn in the same room.
    assert.lengthOf(Lots.draw(Lots.treeOf(names.slice(0, 10)), 7), 10)
    assert.deepStrictEqual(Lots.draw(tree, 7), all)
  })

  it("are drawn evenly among ids whose hashes are the same, and the fast form draws them too", () => {
    const directory = new Directory()
    const fast = leastLoaded.prepare?.(directory)
    for (const name of [...twins, "other"]) {
      directory.apply({ _tag: "InstanceListed", instance: SampleMarket.instance({ name }) })
    }
    const request = { model: SampleMarket.instance({ name: "any" }).model, contextTokens: 1, tried: [] }
    const counts = new Map<string, number>()
    for (let seed = 0; seed < 3_000; seed++) {
      const [first] = leastLoaded.rank(request, directory.candidates(request.model), seed).ranked
      assert.strictEqual(fast?.choose(request, seed), first?.instance, `seed ${seed}`)
      counts.set(first?.instance ?? "", (counts.get(first?.instance ?? "") ?? 0) + 1)
    }
    for (const count of counts.values()) assert.approximately(count, 1_000, 110)
  })
})

const constant = (value: number) =>
  Scored.standings({
    name: "Odd",
    version: 1,
    table: (length) => {
      const [first, second, weight] = [new Float64Array(length), new Float64Array(length), new Float64Array(length)]
      return {
        first,
        second,
        weight,
        stand: ({ instance }, row) => {
          first[row] = instance.id < "ins_2" ? value : 0
          second[row] = value
          weight[row] = value
        },
        because: () => "odd",
      }
    },
  })
for (const value of [NaN, Infinity, -Infinity, -1, 1e-320]) {
  RoutingPolicyTest.suite(`a policy that scores by ${value}`, constant(value), {
    skip: [{ test: 9, reason: "weights of no size are not shares" }],
  })
}

describe("a definition", () => {
  const parts = Parts.make([
    ...Object.values(policies).map(({ part }) => part),
    ...Object.values(combinators).map(({ part }) => part),
    Bonded.part,
  ])

  it.effect("writes a policy made of policies as data", () =>
    Effect.gen(function* () {
      const byPrice = { use: "AdjustedPrice", with: { edge: 1.5 } }
      const policy = yield* parts.resolve(RoutingPolicy, {
        use: "orElse",
        with: {
          first: {
            use: "filter",
            with: {
              filter: { use: "Bonded" },
              policy: { use: "tieBreak", with: { policy: { use: "LeastLoaded" }, by: { use: "Healthiest" } } },
            },
          },
          second: {
            use: "weighted",
            with: {
              policies: [
                { weight: 3, policy: { use: "PrefixAffinity", with: { homes: 3, otherwise: byPrice } } },
                {
                  weight: 1,
                  policy: { use: "cap", with: { by: "member", percent: 40, policy: { use: "PriceBand" } } },
                },
              ],
            },
          },
        },
      })
      assert.match(policy.name, /^orElse~[0-9a-z]+$/)
      const partition = { use: "partitionBy", with: { by: "device", policy: { use: "TierWeighted" } } }
      assert.match((yield* parts.resolve(RoutingPolicy, partition)).name, /^partitionBy~[0-9a-z]+$/)
    }),
  )

  it.effect("names each policy in few letters, and one with other settings otherwise", () =>
    Effect.gen(function* () {
      for (const use of [
        "LowestPrice",
        "InverseSquarePrice",
        "PriceBand",
        "AdjustedPrice",
        "PeakEwma",
        "TierWeighted",
      ]) {
        assert.strictEqual((yield* parts.resolve(RoutingPolicy, { use })).name, use)
      }
      const wide = yield* parts.resolve(RoutingPolicy, { use: "PriceBand", with: { percent: 30 } })
      const narrow = yield* parts.resolve(RoutingPolicy, { use: "PriceBand", with: { percent: 10 } })
      assert.match(wide.name, /^PriceBand~[0-9a-z]{1,7}$/)
      assert.notStrictEqual(wide.name, narrow.name)
    }),
  )

  it.effect("is refused where a setting is misspelled or absurd, or a part is not there", () =>
    Effect.gen(function* () {
      for (const [ref, word] of [
        [{ use: "PriceBand", with: { percents: 10 } }, "percents"],
        [{ use: "PeakEwma", with: { choices: 0 } }, "choices"],
        [{ use: "AdjustedPrice", with: { edge: 0.5 } }, "edge"],
        [{ use: "PrefixAffinity", with: { otherwise: { use: "Nobody" } } }, "Nobody"],
        [{ use: "weighted", with: { policies: [] } }, "policies"],
      ] as const) {
        const error = yield* Effect.flip(parts.resolve(RoutingPolicy, ref))
        assert.include(error.message, word)
      }
    }),
  )
})
