import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Parts from "@guildhall/core/Parts"
import { RoutingPolicy } from "@guildhall/routing/RoutingPolicy"
import { RoutingPolicyTest, SampleMarket } from "@guildhall/routing/testing"
import * as GreenFirst from "../src/GreenFirst.ts"

RoutingPolicyTest.suite("GreenFirst", GreenFirst.greenFirst)

// The suite bites: a policy that asks no filter ranks those who cannot serve.
RoutingPolicyTest.breaks(
  "GreenFirst without filters",
  {
    name: "Careless",
    version: 1,
    rank: (_, candidates) => ({
      ranked: candidates.map(({ instance }) => ({ instance: instance.id, because: "it is there" })),
      excluded: [],
    }),
  },
  3,
)

const at = (region: string | undefined, name: string) => ({
  ...SampleMarket.instance({ name, concurrency: 4 }),
  ...(region === undefined ? {} : { region }),
})

describe("GreenFirst", () => {
  it("ranks clean power first, and the least loaded of it; the rest comes after", () => {
    const candidates = [
      { instance: at(undefined, "unknown"), inFlight: 0 },
      { instance: at("se-north", "busy"), inFlight: 3 },
      { instance: at("pl-east", "coal"), inFlight: 1 },
      { instance: at("is-west", "idle"), inFlight: 0 },
    ]
    const [first] = candidates
    if (first === undefined) return assert.fail()
    const request = { model: first.instance.model, contextTokens: 100, tried: [] }
    const { ranked } = GreenFirst.greenFirst.rank(request, candidates, 7)
    assert.deepStrictEqual(
      ranked.map(({ instance }) => instance),
      ["ins_idle", "ins_busy", "ins_unknown", "ins_coal"],
    )
    assert.match(ranked[1]?.because ?? "", /^clean power, 75 % in use/)
  })

  it.effect("is found by the name that a definition uses", () =>
    Effect.gen(function* () {
      const policy = yield* Parts.make([GreenFirst.part]).resolve(RoutingPolicy, { use: "GreenFirst" })
      assert.strictEqual(policy, GreenFirst.greenFirst)
    }),
  )
})
