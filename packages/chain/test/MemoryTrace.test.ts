/** Random acts of everybody, with every role, at every edge: what holds after each of them, done or refused. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import {
  BondVault,
  InsuranceVault,
  MemoryChain,
  PaymentChannel,
  Settlement,
  StakeBook,
  ValidatorSet,
} from "@guildhall/chain"
import type { Act, ChainError } from "@guildhall/chain"
import { actOf, people } from "./RandomActs.ts"

const Step = Schema.Struct({
  kind: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }))),
  who: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }))),
  size: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }))),
  waitS: Schema.Literals([0, 0, 0, 1, 3_600, 43_200, 86_400, 172_800, 604_800]),
})
const Trace = Schema.Array(Step).pipe(Schema.check(Schema.isMinLength(40), Schema.isMaxLength(80)))

const sum = (totals: object): bigint => Object.values(totals).reduce((all: bigint, part) => all + BigInt(part), 0n)

const services = Effect.all({
  chain: MemoryChain.MemoryChain,
  stakes: StakeBook.StakeBook,
  bonds: BondVault.BondVault,
  settlement: Settlement.Settlement,
  insurance: InsuranceVault.InsuranceVault,
  validators: ValidatorSet.ValidatorSet,
  channels: PaymentChannel.PaymentChannel,
})

/** What every contract owes and holds. */
const books = Effect.gen(function* () {
  const { bonds, chain, channels, insurance, settlement, stakes, validators } = yield* services
  const { addresses, token } = chain
  const owed = {
    Staking: sum(yield* stakes.totals),
    ProviderBond: sum(yield* bonds.totals),
    InsurancePool: sum(yield* insurance.totals),
    ValidatorRegistry: sum(yield* validators.totals),
    Channel: sum(yield* channels.totals(token)),
  }
  const { rootPool, ...buckets } = yield* settlement.totals(token)
  const all = { ...owed, RootVault: rootPool, Settlement: sum(buckets) }
  for (const part of [rootPool, ...Object.values(buckets)]) assert.isTrue(part >= 0n)
  for (const [contract, amount] of Object.entries(all)) {
    const address = Object.entries(addresses).find(([name]) => name === contract)?.[1] ?? assert.fail(contract)
    assert.strictEqual(yield* chain.balance(token, address), amount, `${contract} does not hold what it owes`)
  }
  return all
})

const actives = Effect.gen(function* () {
  const { stakes } = yield* services
  return yield* Effect.forEach(people, (person) =>
    Effect.map(stakes.standing(person), (standing) => standing.active + standing.unbonding),
  )
})

const run = Effect.fnUntraced(function* (trace: typeof Trace.Type) {
  const { chain, ...ports } = yield* services
  for (const person of people) yield* chain.mint(chain.token, person, 1_000_000n)
  let [done, refused] = [0, 0]
  for (const [at, step] of trace.entries()) {
    yield* TestClock.adjust(step.waitS * 1_000)
    const before = { books: yield* books, actives: yield* actives, count: (yield* chain.events(0, 1_000_000)).length }
    const nowS = yield* chain.nowS
    const asked = yield* actOf({ ...ports, chain }, step, { at, nowS })
    const result = yield* Effect.result<Act.Act, ChainError.ChainError, never>(asked.run)
    const after = { books: yield* books, actives: yield* actives, count: (yield* chain.events(0, 1_000_000)).length }
    if (result._tag === "Failure") {
      assert.strictEqual(result.failure.reason._tag, "Refused", result.failure.message)
      assert.deepStrictEqual(after, before, `${asked.name} was refused, and something moved`)
      refused++
    } else {
      assert.strictEqual(after.count - before.count, result.success.events.length)
      done++
    }
    for (const [who, person] of people.entries()) {
      const fell = (after.actives[who] ?? 0n) < (before.actives[who] ?? 0n)
      if (fell) assert.strictEqual(person, asked.by, `${asked.name} lowered another one's stake`)
    }
  }
  return { done, refused }
})

describe("MemoryChain", () => {
  it.effect.prop(
    "every contract holds what it owes after every act, what is refused moves nothing, and only its owner lowers a stake",
    [Trace],
    ([trace]) => {
      // The whole trace runs on a chain of its own.
      const validators = { minBond: 500n, drawnCount: 3, quorum: 2, slashBps: 3_333 }
      const layer = MemoryChain.layer({ genesisS: 1_800_000_000, validators })
      return Effect.asVoid(Effect.provide(run(trace), layer, { local: true }))
    },
    { arbitrary: { seed: "memory-trace", runs: 40 }, timeout: 60_000 },
  )
})
