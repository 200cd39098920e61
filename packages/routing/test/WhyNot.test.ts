import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Digest } from "effect/crypto"
import { InstanceId } from "@guildhall/core/Instance"
import { MemberId } from "@guildhall/core/Member"
import { perMillionCents } from "@guildhall/core/PriceSheet"
import * as Journal from "@guildhall/journal/Journal"
import type { RoutingDecision } from "@guildhall/journal/JournalEntry"
import { Directory } from "../src/Directory.ts"
import * as Guaranteed from "../src/Guaranteed.ts"
import { leastLoaded } from "../src/policies/LeastLoaded.ts"
import * as LowestPrice from "../src/policies/LowestPrice.ts"
import * as TierWeighted from "../src/policies/TierWeighted.ts"
import * as Router from "../src/Router.ts"
import type { RoutingPolicy } from "../src/RoutingPolicy.ts"
import * as SampleMarket from "../src/testing/SampleMarket.ts"
import * as WhyNot from "../src/WhyNot.ts"
import * as WhyNotQuery from "../src/WhyNotQuery.ts"
import * as AuditedMarket from "./AuditedMarket.ts"

const [small, large] = SampleMarket.models
if (small === undefined || large === undefined) throw new Error("The sample market has two models.")

const list = (
  directory: Directory,
  { cents, ...options }: Parameters<typeof SampleMarket.instance>[0] & { readonly cents?: bigint },
): InstanceId => {
  const price = cents === undefined ? {} : { price: perMillionCents({ input: cents, output: cents }) }
  const instance = { ...SampleMarket.instance(options), ...price }
  directory.apply({ _tag: "InstanceListed", instance })
  return instance.id
}

/** What the policy decides on this directory, as a gateway records it. */
const decided = (policy: RoutingPolicy, directory: Directory, changes: Partial<RoutingDecision> = {}) => {
  const seed = changes.seed ?? 7
  const request = {
    model: small,
    contextTokens: changes.contextTokens ?? 10,
    tried: [],
    preferences: changes.preferences,
    features: changes.features,
  }
  const [first] = policy.rank(request, directory.candidates(small), seed).ranked
  const attempts = first === undefined ? [] : [{ instance: first.instance, version: directory.version }]
  const name = `${policy.name}@${policy.version}`
  const decision: RoutingDecision = {
    replica: "r",
    version: directory.version,
    policy: name,
    seed,
    model: small,
    contextTokens: 10,
    attempts,
    ...changes,
  }
  return { decision, directory }
}

describe("WhyNot", () => {
  it("counts what became of each request, and finds the change that would have won the most", () => {
    const directory = new Directory()
    const mine = list(directory, { name: "mine", concurrency: 1, contextLength: 1_000 })
    const other = list(directory, { name: "other", concurrency: 8, contextLength: 8_000 })
    directory.apply({ _tag: "DispatchStarted", instanceId: other })
    const count = WhyNot.make({ instance: mine })
    const ask = (changes: Partial<RoutingDecision> = {}) => {
      const { decision } = decided(leastLoaded, directory, changes)
      count.add(leastLoaded, directory, decision)
    }
    ask()
    directory.apply({ _tag: "DispatchStarted", instanceId: mine })
    ask()
    ask({ contextTokens: 5_000 })
    directory.apply({ _tag: "DispatchEnded", instanceId: mine })
    directory.apply({ _tag: "StateChanged", instanceId: mine, state: "offline" })
    for (let at = 0; at < 4; at++) ask({ seed: at })
    ask({ preferences: { ignore: [mine] } })
    directory.apply({ _tag: "InstanceUnlisted", instanceId: mine })
    ask()
    ask({ model: large, attempts: [] })

    const report = count.report()
    assert.deepInclude(report, { requests: 9, served: 1, outranked: 0, excluded: 7, absent: 1, tried: 7 })
    assert.deepStrictEqual(report.reasons, [
      { code: "offline", count: 4 },
      { code: "concurrency_full", count: 1 },
      { code: "context_too_short", count: 1 },
      { code: "ignored_by_request", count: 1 },
    ])
    assert.deepStrictEqual(report.changes[0], { change: "online", wins: 4 })
    assert.strictEqual(report.changes.find(({ change }) => change === "context")?.wins, 0)
  })

  it("says by which term it was outranked, and that the price would have won", () => {
    const lowestPrice = LowestPrice.make(LowestPrice.usual)
    const directory = new Directory()
    const mine = list(directory, { name: "mine", cents: 300n })
    list(directory, { name: "cheap", cents: 100n })
    const asked = Array.from({ length: 5 }, (_, seed) => decided(lowestPrice, directory, { seed }))
    const report = WhyNot.whyNot(lowestPrice, { instance: mine }, asked)
    assert.deepInclude(report, { requests: 5, served: 0, outranked: 5 })
    const [term] = report.terms
    assert.strictEqual(term?.count, 5)
    assert.include(term?.term, "price")
    assert.strictEqual(term?.example.rank, 2)
    assert.notStrictEqual(term?.example.mine, term?.example.first)
    assert.strictEqual(report.changes[0]?.change, "price")
    // At the same price the lots decide: some are won, and nothing else would have won any.
    assert.isAbove(report.changes[0]?.wins ?? 0, 0)
    assert.strictEqual(report.changes.find(({ change }) => change === "online")?.wins, 0)
  })

  it("shows an owner of a guaranteed tier how many requests were promised to it, and how many it got", () => {
    const directory = new Directory()
    const mine = list(directory, { name: "mine", concurrency: 100 })
    for (let at = 0; at < 9; at++) list(directory, { name: `other${at}`, concurrency: 100 })
    directory.apply({
      _tag: "InstanceRated",
      instanceId: mine,
      rating: { tier: { priority: "guaranteed", weightBps: 10_000 } },
    })
    const tiers = TierWeighted.make(TierWeighted.usual)
    const accounts = Guaranteed.make(directory, tiers, () => undefined)
    directory.apply({ _tag: "DispatchStarted", instanceId: mine })
    const kept = Array.from({ length: 1_000 }, (_, seed) => {
      const request = { model: small, contextTokens: 10, tried: [] }
      accounts?.asked(request)
      const features = accounts?.isDue(small) === true ? { features: { owed: [small] } } : {}
      const made = decided(tiers, directory, { seed, ...features })
      const chosen = directory.candidate(made.decision.attempts[0]?.instance ?? mine)?.instance
      if (chosen !== undefined) accounts?.offered(chosen)
      return made
    })
    const { guaranteed } = WhyNot.whyNot(tiers, { instance: mine }, kept)
    assert.deepInclude(guaranteed, { matching: 1_000, promised: 300, shortfall: 0, full: 0 })
    // A tenth by weight, made up to the share.
    assert.closeTo(guaranteed?.offered ?? 0, 333, 10)
    // Another policy chose, and promised nothing of the kind; this is what the promise then comes to.
    const broken = Array.from({ length: 1_000 }, (_, seed) => decided(leastLoaded, directory, { seed }))
    const { guaranteed: missed } = WhyNot.whyNot(tiers, { instance: mine }, broken)
    assert.deepInclude(missed, { matching: 1_000, promised: 300 })
    assert.strictEqual(missed?.shortfall, 300 - (missed?.offered ?? 0))
    assert.isAbove(missed?.shortfall ?? 0, 100)
    // Full, it is owed the requests that fit it all the same; where the buyer has an order of its own, nobody is.
    for (let at = 0; at < 99; at++) directory.apply({ _tag: "DispatchStarted", instanceId: mine })
    const crowded = Array.from({ length: 10 }, (_, seed) => decided(tiers, directory, { seed }))
    assert.deepStrictEqual(WhyNot.whyNot(tiers, { instance: mine }, crowded).guaranteed, {
      matching: 10,
      offered: 0,
      promised: 3,
      shortfall: 3,
      full: 10,
    })
    const sorted = crowded.map(({ decision }) => ({
      decision: { ...decision, preferences: { sort: "price" as const } },
      directory,
    }))
    assert.notProperty(WhyNot.whyNot(tiers, { instance: mine }, sorted), "guaranteed")
    assert.notProperty(WhyNot.whyNot(leastLoaded, { instance: mine }, kept), "guaranteed")
    assert.notProperty(WhyNot.whyNot(tiers, { instance: InstanceId.make("ins_other0") }, kept), "guaranteed")
  })

  it("takes all instances of a provider together, and none for somebody else's", () => {
    const directory = new Directory()
    list(directory, { name: "a", state: "offline" })
    list(directory, { name: "b" })
    const [candidate] = directory.candidates(small)
    const member = candidate?.instance.memberId
    const asked = [decided(leastLoaded, directory)]
    assert.deepInclude(WhyNot.whyNot(leastLoaded, { member }, asked), { requests: 1, served: 1 })
    const stranger = { member: MemberId.make("mem_stranger"), instance: candidate?.instance.id }
    assert.deepInclude(WhyNot.whyNot(leastLoaded, stranger, asked), { requests: 0 })
  })
})

describe("WhyNotQuery", () => {
  const router = Router.layer({ replica: "test", policy: leastLoaded, snapshotEvery: 200 })

  it.effect("answers from the journal with bounded work, and agrees with what was recorded", () =>
    Effect.gen(function* () {
      const entries = yield* AuditedMarket.serve("weavers", 400).pipe(Effect.provide(router))
      const counts = new Map<InstanceId, number>()
      for (const { decision } of entries) {
        for (const { instance } of decision?.attempts ?? []) counts.set(instance, (counts.get(instance) ?? 0) + 1)
      }
      const query = {
        fromMs: AuditedMarket.START_MS,
        toMs: AuditedMarket.START_MS + 400,
        sample: 10_000,
        policyOf: (name: string) => (name === `LeastLoaded@${leastLoaded.version}` ? leastLoaded : undefined),
      }
      for (const [instance, served] of [...counts].slice(0, 5)) {
        const answer = yield* WhyNotQuery.run({ ...query, target: { instance } })
        assert.deepInclude(answer, { looked: 400, isSample: false, notSeen: 0, served })
        assert.strictEqual(answer.served + answer.outranked + answer.excluded + answer.absent, answer.requests)
        assert.isAbove(answer.requests, answer.served)
      }
      const [[instance] = []] = [...counts]
      const few = yield* WhyNotQuery.run({ ...query, sample: 80, target: { instance } })
      assert.deepInclude(few, { looked: 80, isSample: true, notSeen: 0 })
      const unknown = yield* WhyNotQuery.run({ ...query, target: { instance }, policyOf: () => undefined })
      assert.deepInclude(unknown, { requests: 0, notSeen: 400 })
    }).pipe(Effect.provide(Layer.merge(Journal.layerMemory, Digest.layerWebCrypto))),
  )
})
