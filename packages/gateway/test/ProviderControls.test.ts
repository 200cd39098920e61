import { afterEach, assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Model, PriceSheet } from "@guildhall/core"
import { JournalEntry } from "@guildhall/journal"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"

afterEach(TestLane.closeAll)

const usage = { prompt: 5, completion: 2 }
const good: Upstream.Script = (response, seen) =>
  (JSON.parse(seen.body).stream === true ? Upstream.stream(["x"], usage) : Upstream.whole("x", usage))(response, seen)

type Terms = Parameters<typeof TestLane.instance>[2]

const OTHER = Model.ModelId.make("test/other")

/** Three instances that differ in what a buyer may care for, each at a server of its own. */
const terms: Readonly<Record<string, NonNullable<Terms>>> = {
  cheap: {
    provider: "acme",
    price: PriceSheet.perMillionCents({ input: 50n, output: 100n }),
    quantization: "int4",
    retainsData: true,
  },
  plain: { provider: "bell", quantization: "fp8", parameters: ["tools", "seed"], retainsData: false },
  dear: {
    provider: "core",
    price: PriceSheet.perMillionCents({ input: 300n, output: 900n }),
    quantization: "bf16",
    parameters: ["tools"],
    retainsData: false,
  },
}

const market = async () => {
  const { lane, upstreams } = await TestLane.withUpstreams([])
  const servers: Record<string, Upstream.ScriptedUpstream> = {}
  for (const [name, one] of Object.entries(terms)) {
    const server = await TestLane.upstream(good)
    servers[name] = server
    lane.list(TestLane.instance(name, server.url, one))
  }
  const other = await TestLane.upstream(good)
  lane.list(TestLane.instance("other", other.url, { model: OTHER, provider: "acme" }))
  assert.lengthOf(upstreams, 0)
  return { lane, servers }
}

/** Which instances serve, over some requests. */
const served = async (lane: TestLane.TestLane, body: object, times = 8): Promise<ReadonlyArray<string>> => {
  const names = new Set<string>()
  for (let request = 0; request < times; request++) {
    const answer = await lane.chat(body)
    assert.strictEqual(answer.status, 200, answer.text)
    names.add(String(answer.headers["x-guildhall-instance"]).slice(4))
  }
  return [...names].sort()
}

const refused = async (lane: TestLane.TestLane, body: object) => {
  const answer = await lane.chat(body)
  return [answer.status, JSON.parse(answer.text).error.code]
}

describe("a request's controls over providers", () => {
  it.each([
    ["only, by public name", { only: ["bell"] }, ["plain"]],
    ["only, by the instance's id", { only: ["ins_dear"] }, ["dear"]],
    ["ignore", { ignore: ["acme", "core"] }, ["plain"]],
    ["order", { order: ["core", "bell"] }, ["dear"]],
    ["order without fallbacks", { order: ["core"], allow_fallbacks: false }, ["dear"]],
    ["quantizations", { quantizations: ["bf16", "fp32"] }, ["dear"]],
    ["a highest price", { max_price: { prompt: 0.5, completion: "1" } }, ["cheap"]],
    ["no data kept, and the cheapest of those", { data_collection: "deny", sort: "price" }, ["plain"]],
    ["sort by price", { sort: "price" }, ["cheap"]],
    ["sort by price, as an object", { sort: { by: "price", partition: "model" } }, ["cheap"]],
    ["a preference that nobody is known to meet", { preferred_min_throughput: 1_000, only: ["bell"] }, ["plain"]],
  ] as ReadonlyArray<readonly [string, object, ReadonlyArray<string>]>)("%s", async (_, provider, expected) => {
    const { lane } = await market()
    assert.deepStrictEqual(await served(lane, { provider }), expected)
  })

  it("leave nobody out that was not asked to be", async () => {
    const { lane } = await market()
    assert.deepStrictEqual(await served(lane, {}, 40), ["cheap", "dear", "plain"])
    assert.deepStrictEqual(await served(lane, { provider: { require_parameters: true } }, 40), [
      "cheap",
      "dear",
      "plain",
    ])
  })

  it("leave a provider out that keeps data where the request says so, whatever the key says", async () => {
    const { lane } = await market()
    const provider = { only: ["acme"], data_collection: "deny" }
    for (const key of [TestLane.KEY, TestLane.OPEN_KEY]) {
      const headers = { authorization: `Bearer ${key}` }
      const kept = await lane.chat({ provider: { only: ["acme"] } }, headers)
      assert.strictEqual(kept.headers["x-guildhall-instance"], "ins_cheap")
      const denied = await lane.chat({ provider }, headers)
      assert.deepStrictEqual([denied.status, JSON.parse(denied.text).error.code], [404, "data_retained"])
    }
  })

  it("want declared parameters where they are used", async () => {
    const { lane } = await market()
    const provider = { require_parameters: true }
    assert.deepStrictEqual(await served(lane, { provider, seed: 1 }), ["plain"])
    assert.deepStrictEqual(await served(lane, { provider, tools: [{}] }, 40), ["dear", "plain"])
    assert.deepStrictEqual(await refused(lane, { provider, logit_bias: {} }), [404, "parameter_not_supported"])
  })

  it.each([
    [{ only: ["nobody"] }, [404, "not_in_only"]],
    [{ ignore: ["acme", "bell", "core"] }, [404, "ignored_by_request"]],
    [{ order: ["nobody"], allow_fallbacks: false }, [404, "no_fallback_allowed"]],
    [{ quantizations: ["fp32"] }, [404, "quantization_not_accepted"]],
    [{ max_price: { prompt: "0.000001" } }, [402, "price_too_high"]],
    [{ data_collection: "deny", only: ["acme"] }, [404, "data_retained"]],
    [{ surprise: 1 }, [400, "unsupported_parameter"]],
    [{ only: "acme" }, [400, "invalid_request"]],
    [{ max_price: { prompt: -1 } }, [400, "invalid_request"]],
    [{ sort: "beauty" }, [400, "invalid_request"]],
    [{ preferred_max_latency: 1e308 }, [400, "invalid_request"]],
    [{ preferred_max_latency: { p50: 1, p99: 1e307 } }, [400, "invalid_request"]],
    [{ preferred_min_throughput: 1e10 }, [400, "invalid_request"]],
    [{ preferred_min_throughput: -1 }, [400, "invalid_request"]],
    [{ max_price: { prompt: "9".repeat(60) } }, [400, "invalid_request"]],
    [{ max_price: { prompt: 1e308 } }, [400, "invalid_request"]],
    [{ max_price: { prompt: "1e-30" } }, [400, "invalid_request"]],
    [{ max_price: { prompt: -1e-30 } }, [400, "invalid_request"]],
    [{ quantizations: ["int3"] }, [400, "invalid_request"]],
  ] as ReadonlyArray<readonly [object, ReadonlyArray<unknown>]>)("%j fails closed", async (provider, expected) => {
    const { lane, servers } = await market()
    assert.deepStrictEqual(await refused(lane, { provider }), expected)
    for (const { seen } of Object.values(servers)) assert.lengthOf(seen, 0)
    assert.strictEqual((await lane.books()).spent, 0n)
  })

  it("never reach the provider", async () => {
    const { lane, servers } = await market()
    await served(lane, { provider: { only: ["bell"] }, models: [OTHER], usage: { include: true } }, 1)
    const sent = JSON.parse(servers["plain"]?.seen[0]?.body ?? "")
    assert.notProperty(sent, "provider")
    assert.notProperty(sent, "models")
    assert.notProperty(sent, "usage")
  })

  it("take the next model where the first has nobody, and bill that one", async () => {
    const { lane, servers } = await market()
    for (const server of Object.values(servers)) server.script = Upstream.status(500, "oops")
    const answer = await lane.chat({ models: [OTHER], provider: { only: ["ins_plain", "ins_other"] } })
    assert.strictEqual(answer.status, 200, answer.text)
    assert.strictEqual(answer.headers["x-guildhall-instance"], "ins_other")
    const entries = await lane.entries()
    const entry = Schema.decodeUnknownSync(JournalEntry.JournalEntryJson)(entries.at(-1)?.body)
    if (entry._tag !== "RequestEnded") throw new Error(entry._tag)
    assert.strictEqual(entry.receipt.model, OTHER)
    assert.deepStrictEqual(
      entry.decision?.attempts.map(({ instance, model }) => [instance, model]),
      [
        ["ins_plain", undefined],
        ["ins_other", OTHER],
      ],
    )
    // A model that nobody ever offered is passed over as well.
    assert.deepStrictEqual(await served(lane, { model: "no/such", models: [OTHER] }), ["other"])
    assert.deepStrictEqual(await refused(lane, { model: "no/such", models: ["no/other"] }), [404, "model_not_found"])
  })

  it("may name models alone, and the provider is told which", async () => {
    const { lane, servers } = await market()
    assert.deepStrictEqual(await served(lane, { model: undefined, models: ["no/such", OTHER] }, 1), ["other"])
    const provider = { only: ["ins_plain"] }
    assert.deepStrictEqual(await served(lane, { model: undefined, models: [TestLane.MODEL], provider }, 1), ["plain"])
    assert.strictEqual(JSON.parse(servers["plain"]?.seen[0]?.body ?? "").model, TestLane.MODEL)
    assert.deepStrictEqual(await served(lane, { model: null, models: [TestLane.MODEL], provider }, 1), ["plain"])
    assert.strictEqual(JSON.parse(servers["plain"]?.seen[1]?.body ?? "").model, TestLane.MODEL)
    assert.deepStrictEqual(await refused(lane, { model: undefined, models: [] }), [400, "invalid_request"])
  })

  it("ask for no more parameters than can be written down", async () => {
    const { lane } = await market()
    const provider = { require_parameters: true }
    const many = Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`p${at}`, 1]))
    for (const more of [many, { ["x".repeat(101)]: 1 }]) {
      assert.deepStrictEqual(await refused(lane, { provider, ...more }), [400, "invalid_request"])
    }
  })

  it("and a model's ending choose the cheapest", async () => {
    const { lane } = await market()
    assert.deepStrictEqual(await served(lane, { model: `${TestLane.MODEL}:floor` }), ["cheap"])
    const models = [`${TestLane.MODEL}:floor`, OTHER]
    assert.deepStrictEqual(await served(lane, { model: undefined, models }), ["cheap"])
    assert.deepStrictEqual(await served(lane, { model: models[0], models }), ["cheap"])
  })

  it("know endings at the first model only", async () => {
    const { lane } = await market()
    const answer = await lane.chat({ models: [`${OTHER}:floor`] })
    assert.strictEqual(answer.status, 400)
    assert.deepInclude(JSON.parse(answer.text).error, { code: "invalid_request", param: "models" })
    assert.include(JSON.parse(answer.text).error.message, "Only the first model may have one")
  })

  it("are explained from the log as they were decided", async () => {
    const { lane } = await market()
    const provider = { sort: "price", ignore: ["acme"], max_price: { prompt: 10 } }
    await served(lane, { provider }, 3)
    const entries = await lane.entries()
    for (const { body } of entries) {
      const entry = Schema.decodeUnknownSync(JournalEntry.JournalEntryJson)(body)
      if (entry._tag !== "RequestEnded" || entry.decision === null) throw new Error(entry._tag)
      const explained = await lane.run(lane.router.explain(entry.decision))
      const [attempt] = explained.attempts
      assert.strictEqual(attempt?.ranking.ranked[0]?.instance, attempt?.chosen)
      assert.include(attempt?.ranking.ranked[0]?.because ?? "", "price")
      assert.deepInclude(attempt?.ranking.excluded ?? [], {
        instance: TestLane.instance("cheap", "").id,
        code: "ignored_by_request",
      })
    }
  })
})
