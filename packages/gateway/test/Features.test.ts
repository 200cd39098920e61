import { afterEach, assert, describe, it } from "@effect/vitest"
import { type MarketDefinition, Member } from "@guildhall/core"
import type { RoutingFeatures } from "@guildhall/core/RoutingFeatures"
import { leastLoaded } from "@guildhall/routing/policies/LeastLoaded"
import type { RoutingPolicy, RoutingRequest } from "@guildhall/routing/RoutingPolicy"
import * as Features from "../src/Features.ts"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"

afterEach(TestLane.closeAll)

const good = Upstream.whole("hello", { prompt: 5, completion: 2 })

/** A policy that reads these features, and writes down what it is asked. */
const listening = (reads: RoutingPolicy["reads"]) => {
  const heard: Array<RoutingFeatures | undefined> = []
  const rank: RoutingPolicy["rank"] = (request: RoutingRequest, candidates, seed) => {
    heard.push(request.features)
    return leastLoaded.rank(request, candidates, seed)
  }
  const policy: RoutingPolicy = { name: "Listening", version: 1, rank, ...(reads === undefined ? {} : { reads }) }
  return { heard, policy }
}

describe("what the router is told of a request", () => {
  it("V4 · two rails filter buyers: an instance that accepts only the other one is left out, one that accepts both serves", async () => {
    const { lane } = await TestLane.withUpstreams([good])
    const url = (await TestLane.upstream(good)).url
    const { instance } = TestLane
    assert.strictEqual((await lane.chat({})).status, 200)
    lane.list(instance("i0", url, { rails: ["Tempo"] }))
    const refused = await lane.chat({})
    assert.strictEqual(refused.status, 404)
    assert.include(refused.text, "rail_not_accepted")
    lane.list(instance("i0", url, { rails: ["Tempo", "Test"] }))
    assert.strictEqual((await lane.chat({})).status, 200)
    const [, , explained] = await lane.entries()
    assert.isDefined(explained)
  })

  it("an instance that has declared what it can is asked for that only", async () => {
    const { lane } = await TestLane.withUpstreams([])
    const { url } = await TestLane.upstream(good)
    lane.list(TestLane.instance("text", url, { parameters: ["tools"], inputs: [] }))
    const image = { role: "user", content: [{ type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }] }
    const tools = [{ type: "function", function: { name: "f", parameters: {} } }]
    const statuses = []
    for (const body of [
      { tools },
      { temperature: 1, seed: 7 },
      { response_format: { type: "json_object" } },
      { messages: [image] },
    ]) {
      const { status, text } = await lane.chat(body)
      statuses.push(status)
      if (status === 404) assert.include(text, "capability_missing")
    }
    assert.deepStrictEqual(statuses, [200, 200, 404, 404])
  })

  it("is nothing where nobody looks at it, and else no more than that", async () => {
    for (const [reads, keys] of [
      [[], undefined],
      [["buyer"], ["buyer"]],
      [["parameters"], undefined],
      [
        ["affinity", "inputTokens"],
        ["affinity", "inputTokens"],
      ],
      [undefined, ["buyer", "affinity", "inputTokens"]],
    ] as const) {
      const { heard, policy } = listening(reads)
      const { lane } = await TestLane.withUpstreams([good], { policy, definition: { premiumBuyers: [TestLane.BUYER] } })
      assert.strictEqual((await lane.chat({})).status, 200)
      const [features] = heard
      assert.deepStrictEqual(features === undefined ? undefined : Object.keys(features), keys && [...keys])
      if (features?.buyer !== undefined) {
        assert.deepStrictEqual(features.buyer, { member: TestLane.BUYER, class: "premium", rail: "Test" })
      }
    }
  })

  it("tells how long an answer will be where the buyer says so, in any dialect", async () => {
    const { heard, policy } = listening(["outputTokens"])
    const { lane } = await TestLane.withUpstreams([], { policy })
    const { url } = await TestLane.upstream(good)
    const endpoints = ["chat/completions", "completions", "responses", "messages"] as const
    lane.list(TestLane.instance("all", url, { endpoints }))
    const { MODEL: model } = TestLane
    const messages = [{ role: "user", content: "hello" }]
    for (const [path, body, tokens] of [
      ["chat/completions", { messages, max_tokens: 16 }, 16],
      ["chat/completions", { messages, max_completion_tokens: 17, max_tokens: 40 }, 17],
      ["completions", { prompt: "hello", max_tokens: 18 }, 18],
      ["responses", { input: "hello", max_output_tokens: 19 }, 19],
      ["messages", { messages, max_tokens: 20 }, 20],
      // Longer than most answers are: a buyer who always says so says nothing of this one.
      ["chat/completions", { messages, max_tokens: 250 }, undefined],
      ["messages", { messages, max_tokens: 4_096 }, undefined],
      ["chat/completions", { messages }, undefined],
    ] as const) {
      heard.length = 0
      await lane.send(JSON.stringify({ model, ...body }), {}, undefined, `/v1/${path}`)
      assert.isAtLeast(heard.length, 1, path)
      assert.deepStrictEqual(heard[0], tokens === undefined ? undefined : { outputTokens: tokens }, path)
    }
  })

  it("names a conversation by what it begins with, and tells nothing of it", async () => {
    const { heard, policy } = listening(["affinity"])
    const { lane } = await TestLane.withUpstreams([good], { policy })
    const user = (content: string) => ({ role: "user", content })
    const system = { role: "system", content: "You are a clerk." }
    const turns = [user("first"), { role: "assistant", content: "yes" }, user("second")]
    const affinityOf = async (body: object) => {
      assert.strictEqual((await lane.chat(body)).status, 200)
      return heard.at(-1)?.affinity ?? ""
    }
    const first = await affinityOf({ messages: [system, user("first")] })
    assert.strictEqual(await affinityOf({ messages: [system, ...turns] }), first)
    assert.notStrictEqual(await affinityOf({ messages: [user("first")] }), first)
    assert.notStrictEqual(await affinityOf({ messages: [system, user("other")] }), first)
    const keyed = await affinityOf({ messages: [user("a")], prompt_cache_key: "mine" })
    assert.strictEqual(await affinityOf({ messages: [user("b")], prompt_cache_key: "mine" }), keyed)
    assert.match(keyed, /^[\w-]{16}$/)
    assert.notInclude(keyed, "mine")
  })
})

describe("Features", () => {
  it("an answer without tokens has none", () => {
    assert.strictEqual(Features.outputTokensOf({ choices: 0, maxTokens: undefined }), 0)
  })

  it.each([
    [{ tools: [{}] }, ["tools"]],
    [{ tools: "x" }, []],
    [{ text: { format: { type: "json_schema" } } }, ["response_format"]],
    [{ output_config: { format: { type: "json_schema" } } }, ["response_format"]],
    [{ text: { format: { type: "text" } } }, []],
    [{ logprobs: true, top_logprobs: 3 }, ["logprobs"]],
    [{ logprobs: false, top_logprobs: 0 }, []],
    [undefined, []],
    [[], []],
  ])("%j uses %j", (body, parameters) => {
    assert.deepStrictEqual(Features.parametersOf(body), parameters)
  })

  it("finds each kind of input once, in any dialect", () => {
    const part = (type: unknown) => ({ content: [{ type }, { type: "text" }, 7, null] })
    const all = ["image_url", "input_image", "image", "input_audio", "file", "input_file", "document"].map(part)
    assert.deepStrictEqual(Features.inputsOf(all), ["image", "audio", "file"])
    assert.deepStrictEqual(Features.inputsOf([part("constructor"), { content: "text" }, null, 5]), [])
  })

  it("a premium buyer is one that the definition lists", () => {
    const premium = Member.MemberId.make("mem_premium")
    const definition: MarketDefinition.MarketDefinition = { ...TestLane.definition, premiumBuyers: [premium] }
    assert.strictEqual(Features.classes(definition)(premium), "premium")
    assert.strictEqual(Features.classes(definition)(TestLane.BUYER), "standard")
    assert.strictEqual(Features.classes(TestLane.definition)(premium), "standard")
  })
})

describe("where a request may be served", () => {
  it("is what the buyer says, whatever the policy reads", async () => {
    const { lane } = await TestLane.withUpstreams([])
    const { url } = await TestLane.upstream(good)
    lane.list(TestLane.instance("de", url, { region: "eu-west", country: "DE" }), TestLane.instance("none", url))
    const asked = async (provider: object) => {
      const { headers, status, text } = await lane.chat({ provider })
      return status === 200 ? headers["x-guildhall-instance"] : (JSON.parse(text).error.code as string)
    }
    for (let times = 0; times < 5; times++) {
      assert.strictEqual(await asked({ regions: ["us-east", "eu-west"] }), "ins_de")
      assert.strictEqual(await asked({ countries: ["DE"] }), "ins_de")
    }
    assert.strictEqual(await asked({ regions: ["us-east"] }), "region_not_accepted")
    assert.strictEqual(await asked({ countries: ["FR"] }), "country_not_accepted")
    assert.strictEqual(await asked({ confidential: true }), "not_confidential")
    assert.include(["ins_de", "ins_none"], await asked({ confidential: false }))
    const instanceId = TestLane.instance("none", url).id
    lane.router.apply({ _tag: "InstanceRated", instanceId, rating: { confidential: true } })
    assert.strictEqual(await asked({ confidential: true }), "ins_none")
    for (const provider of [
      { regions: "eu" },
      { regions: ["EU"] },
      { countries: ["de"] },
      { countries: ["DEU"] },
      { countries: Array.from({ length: 101 }, () => "DE") },
      { confidential: "yes" },
    ]) {
      assert.strictEqual(await asked(provider), "invalid_request", JSON.stringify(provider))
    }
    // The place is kept with the decision, so that it can be computed again.
    const [entry] = await lane.entries()
    assert.include(JSON.stringify(entry?.body), "eu-west")
  })
})
