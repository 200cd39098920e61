import { afterEach, assert, describe, it } from "@effect/vitest"
import { Model } from "@guildhall/core"
import { JournalEntry } from "@guildhall/journal"
import * as Audit from "@guildhall/routing/Audit"
import * as AuditFile from "@guildhall/routing/AuditFile"
import { leastLoaded } from "@guildhall/routing/policies/LeastLoaded"
import * as TierWeighted from "@guildhall/routing/policies/TierWeighted"
import type { RoutingPolicy } from "@guildhall/routing/RoutingPolicy"
import { Context, Effect, Metric, Schema } from "effect"
import { Digest } from "effect/crypto"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"

afterEach(TestLane.closeAll)

const tiers = TierWeighted.make(TierWeighted.usual)
const good = Upstream.whole("hello", { prompt: 5, completion: 2 })
const bad = Upstream.status(500, "oops")
const OTHER = Model.ModelId.make("test/other")
type Terms = Parameters<typeof TestLane.instance>[2]
type Priority = "overflow" | "normal" | "preferred" | "guaranteed"

const market = async (policy: RoutingPolicy = tiers) => {
  const { lane } = await TestLane.withUpstreams([], { policy })
  const list = async (name: string, priority: Priority, script: Upstream.Script = good, terms: Terms = {}) => {
    const server = await TestLane.upstream(script)
    const instance = TestLane.instance(name, server.url, terms)
    lane.list(instance)
    // By weight alone, a guaranteed one gets a request in a hundred million.
    const weightBps = priority === "guaranteed" ? 1 : 100_000_000
    lane.router.apply({ _tag: "InstanceRated", instanceId: instance.id, rating: { tier: { priority, weightBps } } })
    return instance.id
  }
  const records = async () => {
    const entries = await lane.entries()
    return entries.flatMap(({ body }) => {
      const entry = Schema.decodeUnknownSync(JournalEntry.JournalEntryJson)(body)
      return entry._tag === "RequestEnded" ? [entry] : []
    })
  }
  /** What an auditor finds, with nothing but the decisions, the log and the policy. */
  const audit = async (
    change: (decision: JournalEntry.RoutingDecision) => JournalEntry.RoutingDecision = (one) => one,
  ) => {
    const made = (await records()).flatMap((record) => AuditFile.decided(record) ?? [])
    const decisions = made.map((one) => ({ ...one, decision: change(one.decision) }))
    const { replica } = lane.router
    await lane.run(lane.router.flush)
    const log = await lane.run(lane.journal.directory.upTo(replica, lane.router.head().version, 0))
    const head: AuditFile.Head = {
      _tag: "Head",
      format: AuditFile.FORMAT,
      market: "test",
      definition: "",
      policies: {},
      fromMs: 0,
      toMs: 1,
    }
    const run = Audit.run(
      { head, decisions, segments: new Map([[replica, log]]), isAltered: false },
      new Map([[lane.router.policy, policy]]),
    )
    return lane.run(Effect.provide(run, Digest.layerWebCrypto))
  }
  return { lane, list, records, audit }
}

const chosen = ({ attempts }: JournalEntry.RoutingDecision) => attempts.map(({ instance }) => instance)

describe("a guaranteed allocation", () => {
  it("S4 · is 12 of 40 requests, is kept with each decision, and an audit makes them all again", async () => {
    const { audit, lane, list, records } = await market()
    const enterprise = await list("enterprise", "guaranteed")
    await list("basic", "normal")
    for (let at = 0; at < 40; at++) assert.strictEqual((await lane.chat({})).status, 200)
    const decisions = (await records()).flatMap(({ decision }) => decision ?? [])
    assert.lengthOf(decisions, 40)
    const owed = decisions.map(({ features }) => features?.owed !== undefined)
    const got = decisions.map((decision) => chosen(decision)[0] === enterprise)
    assert.deepStrictEqual(got, owed)
    assert.strictEqual(got.filter(Boolean).length, 12)
    assert.deepStrictEqual(got.slice(0, 7), [false, false, false, true, false, false, true])
    assert.deepStrictEqual(decisions[3]?.features, {
      buyer: { member: TestLane.BUYER, class: "standard", rail: "Test" },
      owed: [TestLane.MODEL],
    })
    const report = await audit()
    assert.deepInclude(report.counts, { decisions: 40, attempts: 40, differing: 0, beyondLog: 0 })
    assert.isTrue(Audit.isSound(report))
    const kept = { model: TestLane.MODEL, matching: 40, offered: 12, promised: 12, shortfall: 0, full: 0 }
    assert.deepStrictEqual(report.guaranteed, [kept])
    const counted = Metric.snapshotUnsafe(Context.make(Metric.MetricRegistry, lane.metrics)).flatMap((metric) =>
      metric.id === "guildhall_routing_guaranteed_requests_total" && metric.type === "Counter"
        ? [[metric.attributes?.["outcome"], Number(metric.state.count)]]
        : [],
    )
    assert.sameDeepMembers(counted, [
      ["matching", 40],
      ["offered", 12],
    ])
    // Without what was owed, another one would have been first at each of the twelve.
    const without = await audit(({ features, ...rest }) => {
      const { owed: _, ...others } = features ?? {}
      return { ...rest, features: others }
    })
    assert.strictEqual(without.counts.differing, 12)
  })

  it("counts a request once, whatever is tried for it", async () => {
    const { lane, list, records, audit } = await market()
    const failing = await list("failing", "guaranteed", bad)
    const second = await list("second", "guaranteed")
    await list("basic", "normal")
    for (let at = 0; at < 10; at++) assert.strictEqual((await lane.chat({})).status, 200)
    const tries = (await records()).flatMap(({ decision }) => (decision === null ? [] : [chosen(decision)]))
    // Three were owed. What fails at one of the tier is offered to the other, and neither is it counted again nor paid twice.
    assert.strictEqual(tries.filter(([first]) => first === failing || first === second).length, 3)
    for (const [first, next] of tries) if (first === failing) assert.strictEqual(next, second)
    assert.deepStrictEqual(lane.router.guaranteed?.owed().get(TestLane.MODEL), { owedBps: 0, forfeitedBps: 0 })
    assert.strictEqual((await audit()).counts.differing, 0)
  })

  it("is owed at the model at which it is, where another one takes the place of the first", async () => {
    const { audit, lane, list, records } = await market()
    const full = await list("full", "guaranteed", good, { concurrency: 1 })
    lane.router.apply({ _tag: "DispatchStarted", instanceId: full })
    const other = await list("other", "guaranteed", good, { model: OTHER })
    await list("basic", "normal", good, { model: OTHER })
    for (let at = 0; at < 10; at++) assert.strictEqual((await lane.chat({ models: [OTHER] })).status, 200)
    const decisions = (await records()).flatMap(({ decision }) => decision ?? [])
    assert.strictEqual(decisions.filter((decision) => chosen(decision)[0] === other).length, 3)
    // The one that is full is owed what it misses, which is no matter of the other model's.
    for (const { features } of decisions) assert.notInclude(features?.owed ?? [], TestLane.MODEL)
    assert.strictEqual(lane.router.guaranteed?.owed().get(TestLane.MODEL)?.owedBps, 30_000)
    assert.strictEqual(lane.router.guaranteed?.owed().get(OTHER)?.owedBps, 0)
    const report = await audit()
    assert.strictEqual(report.counts.differing, 0)
    assert.deepStrictEqual(
      report.guaranteed.map(({ full, model, offered, promised, shortfall }) => [
        model,
        offered,
        promised,
        shortfall,
        full,
      ]),
      [
        [OTHER, 3, 3, 0, 0],
        [TestLane.MODEL, 0, 3, 3, 10],
      ],
    )
  })
})

describe("models that take another's place", () => {
  it("are recorded, and an audit proves that each was the first with an instance left", async () => {
    const { audit, lane, list, records } = await market(leastLoaded)
    const failing = await list("failing", "normal", bad)
    const other = await list("other", "normal", good, { model: OTHER })
    const models = ["no/such", OTHER]
    assert.strictEqual((await lane.chat({ models })).status, 200)
    lane.router.apply({ _tag: "StateChanged", instanceId: failing, state: "offline" })
    assert.strictEqual((await lane.chat({ models })).status, 200)
    lane.router.apply({ _tag: "StateChanged", instanceId: other, state: "offline" })
    const refused = await lane.chat({ models })
    assert.notStrictEqual(refused.status, 200)
    // A request for one model records no others.
    lane.router.apply({ _tag: "StateChanged", instanceId: other, state: "online" })
    assert.strictEqual((await lane.chat({ model: OTHER })).status, 200)
    const decisions = (await records()).flatMap(({ decision }) => decision ?? [])
    assert.deepStrictEqual(
      decisions.map((one) => [one.fallbacks, one.attempts.map(({ instance, model }) => [instance, model])]),
      [
        [
          models,
          [
            [failing, undefined],
            [other, OTHER],
          ],
        ],
        [models, [[other, OTHER]]],
        [undefined, [[other, undefined]]],
      ],
    )
    assert.deepInclude((await audit()).counts, { decisions: 3, attempts: 4, differing: 0 })
    const [, second] = decisions
    if (second === undefined) return assert.fail("it was decided")
    const { attempts } = await lane.run(lane.router.explain(second))
    const passed = attempts.flatMap((one) =>
      one.passed.map(({ model, ranking }) => ({ model: String(model), excluded: ranking.excluded })),
    )
    assert.deepStrictEqual(passed, [
      { model: TestLane.MODEL, excluded: [{ instance: failing, code: "offline" }] },
      { model: "no/such", excluded: [] },
    ])

    // Had the failing one not been tried, or had another order been asked for, it would have come first.
    const skipped = await audit((decision) => ({ ...decision, attempts: decision.attempts.slice(-1) }))
    assert.deepStrictEqual(
      skipped.differences.map(({ chosen, expected }) => [chosen, expected]),
      [[other, failing]],
    )
    assert.include(skipped.differences[0]?.because, `${TestLane.MODEL}, comes first`)
    const turned = await audit((decision) =>
      decision.fallbacks === undefined ? decision : { ...decision, fallbacks: ["no/such"] },
    )
    assert.deepStrictEqual(
      [...new Set(turned.differences.map(({ because }) => because))],
      ["its model was not asked for"],
    )
    // As decisions of earlier releases are read: the models are not known, and not checked.
    const former = await audit((decision) => {
      const { fallbacks: _, ...rest } = decision
      return rest
    })
    assert.strictEqual(former.counts.differing, 0)
  })

  it("give way to the first again as soon as it has an instance left", async () => {
    const { lane, list, records, audit } = await market(leastLoaded)
    const first = await list("first", "normal", good, { state: "offline" })
    const back: Upstream.Script = (response, seen) => {
      lane.router.apply({ _tag: "StateChanged", instanceId: first, state: "online" })
      return bad(response, seen)
    }
    const other = await list("other", "normal", back, { model: OTHER })
    assert.strictEqual((await lane.chat({ models: [OTHER] })).status, 200)
    const [record] = await records()
    assert.deepStrictEqual(record?.decision && chosen(record.decision), [other, first])
    assert.strictEqual((await audit()).counts.differing, 0)
  })
})
