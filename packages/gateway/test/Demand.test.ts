/**
 * What is asked for: the rule, and the answer on the control lane.
 */
import { assert, describe, it } from "@effect/vitest"
import { ModelId } from "@guildhall/core/Model"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import * as SampleEntry from "@guildhall/journal/testing/SampleEntry"
import * as SampleMarket from "@guildhall/routing/testing/SampleMarket"
import { InstanceId } from "@guildhall/core/Instance"
import { MemberId } from "@guildhall/core/Member"
import * as Demand from "../src/Demand.ts"
import * as TestControl from "./TestControl.ts"
import { definition } from "./TestLane.ts"

const PATH = "/v1/providers/demand"
const model = ModelId.make("acme/large")
const prices = { inputCentsPerMillion: 100, outputCentsPerMillion: 200 }

const serving = (name: string, input: bigint, output: bigint, more: object = {}) => ({
  ...SampleMarket.instance({ name }),
  id: InstanceId.make(`ins_${name}`),
  memberId: MemberId.make(`mem_${name}`),
  model,
  price: PriceSheet.perMillionCents({ input, output }),
  state: "online" as const,
  ...more,
})

describe("V11, V12 · demand", () => {
  it("V11 · tells requests, who is online, and the range of prices of a model", () => {
    const instances = [
      serving("a", 100n, 400n),
      serving("b", 50n, 200n),
      serving("c", 70n, 900n),
      serving("d", 10n, 100n, { memberId: MemberId.make("mem_a") }),
      serving("e", 1n, 1n, { state: "offline" }),
    ]
    const asked = [
      { model, requests: 12, refused: 5 },
      { model: ModelId.make("acme/other"), requests: 90, refused: 90 },
    ]
    const [other, large] = Demand.list(instances, asked, prices)
    assert.deepStrictEqual(large, {
      model,
      requests_24h: 12,
      refused_no_capacity_24h: 5,
      providers_online: 3,
      instances_online: 4,
      input_price_per_million: { min: 10, median: 50, max: 100 },
      output_price_per_million: { min: 100, median: 200, max: 900 },
      suggested_input_price_per_million: 50,
      suggested_output_price_per_million: 200,
    })
    assert.deepInclude<object | undefined>(other, {
      model: "acme/other",
      requests_24h: 90,
      refused_no_capacity_24h: 90,
      providers_online: 0,
      input_price_per_million: null,
      suggested_input_price_per_million: 100,
    })
  })

  it("V11 · is bounded, the most asked first", () => {
    const asked = Array.from({ length: 2_000 }, (_, at) => ({
      model: ModelId.make(`acme/m${at}`),
      requests: at,
      refused: 0,
    }))
    const all = Demand.list([], asked, prices)
    assert.lengthOf(all, Demand.MODELS_MAX)
    assert.strictEqual(all[0]?.requests_24h, 1_999)
  })

  it("V11, V12 · is told to any key, and is made once for many who ask", async () => {
    const market = await TestControl.start()
    try {
      const register = (endpoint_url: string, cents: number) =>
        market.call("POST", "/v1/providers/register", {
          as: "provider",
          body: {
            endpoint_url,
            model,
            input_price_per_million: cents,
            output_price_per_million: 2 * cents,
            context_length_offered: 8192,
          },
        })
      await register("http://127.0.0.1:9301", 40)
      await register("http://127.0.0.1:9302", 60)
      const { events } = await market.run(market.devices.changes(0))
      for (const event of events) market.router.apply(event)
      const atMs = Date.now()
      await market.run(
        market.journal.append([
          SampleEntry.ended({ model, endedAtMs: atMs }),
          {
            ...SampleEntry.refused({ requestId: SampleEntry.receipt().id, buyer: SampleEntry.member(), model }),
            reason: "no_capacity",
            atMs,
          },
        ]),
      )
      const asked = await market.call("GET", PATH, { as: "buyer" })
      assert.strictEqual(asked.status, 200, asked.text)
      assert.deepInclude(asked.json, {
        window_ms: 86_400_000,
        suggested_input_price_per_million: definition.prices.inputCentsPerMillion,
        suggested_output_price_per_million: definition.prices.outputCentsPerMillion,
      })
      assert.deepStrictEqual(asked.json.data, [
        {
          model,
          requests_24h: 2,
          refused_no_capacity_24h: 1,
          providers_online: 1,
          instances_online: 2,
          input_price_per_million: { min: 40, median: 40, max: 60 },
          output_price_per_million: { min: 80, median: 80, max: 120 },
          suggested_input_price_per_million: 40,
          suggested_output_price_per_million: 80,
        },
      ])
      const one = await market.call("GET", `${PATH}?model=${encodeURIComponent(model)}`, { as: "provider" })
      assert.deepStrictEqual(one.json, asked.json)
      const none = await market.call("GET", `${PATH}?model=acme/none`, { as: "operator" })
      assert.deepStrictEqual({ ...none.json, data: asked.json.data }, asked.json)
      assert.deepStrictEqual(none.json.data, [])
      assert.strictEqual((await market.call("GET", PATH)).json.code, "missing_api_key")
      const wrong = await market.call("GET", `${PATH}?model=`, { as: "buyer" })
      assert.deepInclude(wrong.json, { status: 400, code: "invalid_request" })
    } finally {
      await market.close()
    }
  })
})
