import { assert, describe, it } from "@effect/vitest"
import type { InstanceId } from "@guildhall/core/Instance"
import { perMillionCents } from "@guildhall/core/PriceSheet"
import { Directory } from "../src/Directory.ts"
import * as AdjustedPrice from "../src/policies/AdjustedPrice.ts"
import * as PriceBand from "../src/policies/PriceBand.ts"
import type { RoutingPolicy, RoutingRequest } from "../src/RoutingPolicy.ts"
import * as SampleMarket from "../src/testing/SampleMarket.ts"

const [model] = SampleMarket.models
const SIZE = 400
const STEPS = 1_500

/** Lists one of so many instances, with a price and a record of its own. */
const list = (directory: Directory, dice: SampleMarket.Dice, name: string): InstanceId => {
  const price = perMillionCents({ input: BigInt(dice.below(100)), output: BigInt(100 + dice.below(300)) })
  const instance = { ...SampleMarket.instance({ name, model, concurrency: 8 }), price }
  directory.apply({ _tag: "InstanceListed", instance })
  directory.apply({ _tag: "InstanceRated", instanceId: instance.id, rating: { ...SampleMarket.rating(dice) } })
  return instance.id
}

/** What a buyer may ask: tokens of all proportions, now and then with a length that few can take. */
const request = (dice: SampleMarket.Dice, tried: ReadonlyArray<InstanceId>): RoutingRequest => ({
  model: model ?? SampleMarket.instance({ name: "any" }).model,
  contextTokens: 100,
  tried,
  features: { inputTokens: dice.below(4_000), outputTokens: dice.below(4_000) },
})

/** Instances come and go, fill and empty; each choice is compared with the reference. */
const agrees = (policy: RoutingPolicy): void => {
  const dice = SampleMarket.dice(policy.name)
  const directory = new Directory()
  const ids = Array.from({ length: SIZE }, (_, at) => list(directory, dice, `${at}`))
  const fast = policy.prepare?.(directory)
  assert.isDefined(fast)
  for (let step = 0; step < STEPS; step++) {
    const at = dice.below(SIZE)
    const instanceId = ids[at]
    if (instanceId === undefined) continue
    const turn = dice.below(8)
    if (turn === 0) directory.apply({ _tag: "InstanceUnlisted", instanceId })
    else if (turn === 1) list(directory, dice, `${at}`)
    else directory.apply({ _tag: turn < 6 ? "DispatchStarted" : "DispatchEnded", instanceId })
    const asked = request(dice, ids.slice(0, dice.below(SIZE)))
    const seed = SampleMarket.seed(dice)
    const [first] = policy.rank(asked, directory.candidates(asked.model), seed).ranked
    assert.strictEqual(fast?.choose(asked, seed), first?.instance, `step ${step}`)
  }
}

describe("among hundreds, the fast form chooses what is ranked first", () => {
  it("adjusted prices", () => agrees(AdjustedPrice.make(AdjustedPrice.usual)))

  it("adjusted prices whose shares fall slowly", () =>
    agrees(AdjustedPrice.make({ ...AdjustedPrice.usual, edge: 3, outsidePower: 0.5, exploration: 0.1 })))

  it("adjusted prices that are absurd", () => {
    const policy = AdjustedPrice.make(AdjustedPrice.usual)
    const directory = new Directory()
    const dice = SampleMarket.dice("absurd")
    for (let at = 0; at < 20; at++) {
      const instanceId = list(directory, dice, `${at}`)
      const offer = { inputPerMillion: 1e308, outputPerMillion: 1e308, errorBps: 10_000, limitedBps: 0, weight: 1 }
      directory.apply({ _tag: "InstanceRated", instanceId, rating: { offer, breaker: "closed" } })
    }
    const fast = policy.prepare?.(directory)
    for (let seed = 0; seed < 50; seed++) {
      const asked = request(dice, [])
      const [first] = policy.rank(asked, directory.candidates(asked.model), seed).ranked
      assert.strictEqual(fast?.choose(asked, seed), first?.instance)
    }
  })

  it("a band", () => agrees(PriceBand.make(PriceBand.usual)))

  it("a band of the lowest price alone, which is nothing", () =>
    agrees(PriceBand.make({ ...PriceBand.usual, percent: 0 })))
})
