/**
 * The list of models: what instances declare, and what they cost.
 */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Asset } from "@guildhall/core"
import { DeviceId, DevicePublicKey } from "@guildhall/core/Device"
import { type Instance, InstanceId } from "@guildhall/core/Instance"
import { MemberId } from "@guildhall/core/Member"
import { ModelId } from "@guildhall/core/Model"
import { perMillionCents } from "@guildhall/core/PriceSheet"
import { ModelListJson } from "@guildhall/protocol/openai/ModelList"
import { priceSheet } from "@guildhall/protocol/provider/Registration"
import * as Models from "../src/Models.ts"

let made = 0
const instance = (values: Partial<Instance>): Instance => ({
  id: InstanceId.make(`ins_${made++}`),
  deviceId: DeviceId.make(`dev_${"0".repeat(32)}`),
  devicePublicKey: DevicePublicKey.make("A".repeat(43)),
  memberId: MemberId.make("mem_provider"),
  model: ModelId.make("org/a"),
  reach: { _tag: "Memory", name: "a" },
  price: perMillionCents({ input: 100n, output: 200n }),
  contextLength: 1_000,
  concurrency: 1,
  state: "online",
  ...values,
})

const list = (instances: ReadonlyArray<Instance>) =>
  Models.list(instances, { asset: Asset.USD, createdS: 7, owner: "local" }).data

describe("the list of models", () => {
  it("joins what the instances of a model declare, in one order", () => {
    const [model] = list([
      instance({ endpoints: ["rerank", "embeddings"], quantization: "fp8", parameters: ["tools", "seed"] }),
      instance({
        quantization: "int4",
        contextLength: 3_000,
        provider: "zeta",
        retainsData: false,
        region: "us-east",
        country: "US",
        inputs: ["file", "image"],
      }),
      instance({
        quantization: "fp8",
        parameters: ["seed"],
        provider: "acme",
        retainsData: false,
        region: "eu-west",
        country: "DE",
        inputs: [],
      }),
    ])
    assert.deepInclude(model, {
      id: "org/a",
      created: 7,
      owned_by: "local",
      context_length: 3_000,
      endpoints: ["chat/completions", "embeddings", "rerank"],
      quantizations: ["int4", "fp8"],
      supported_parameters: ["seed", "tools"],
      providers: ["acme", "zeta"],
      regions: ["eu-west", "us-east"],
      countries: ["DE", "US"],
      inputs: ["image", "file"],
      instances_online: 3,
      instances_without_retention: 2,
      instances_attested: 3,
    })
  })

  it("does not offer what only instances declared that are offline or leaving", () => {
    const declared = {
      price: perMillionCents({ input: 1n, output: 2n }),
      contextLength: 9_000,
      endpoints: ["embeddings"],
      quantization: "fp8",
      parameters: ["tools"],
      provider: "acme",
      region: "eu-west",
      country: "DE",
      inputs: ["image"],
      retainsData: false,
    } as const
    const [alone] = list([instance({})])
    for (const state of ["offline", "draining"] as const) {
      assert.deepStrictEqual(list([instance({}), instance({ ...declared, state })])[0], alone)
    }
    assert.deepInclude(alone, { instances_online: 1, context_length: 1_000, providers: [] })
  })

  it("keeps a model that nobody serves now, as it was declared, and says that nobody does", () => {
    const away = instance({ contextLength: 9_000, provider: "acme", state: "offline" })
    const [model] = list([away])
    assert.deepInclude(model, { instances_online: 0, instances_without_retention: 0, context_length: 9_000 })
    assert.deepStrictEqual([model?.providers, model?.pricing.prompt], [["acme"], "0.000001"])
  })

  it("shows the cheapest instance's prices, by the unit and exactly", () => {
    const base = { input_price_per_million: 0, output_price_per_million: 0 }
    const dear = priceSheet({ ...base, image_price_per_thousand: 4_000 })
    const cheap = priceSheet({
      ...base,
      image_price_per_thousand: 3_000,
      cached_input_price_per_million: 50,
      audio_second_price_per_thousand: 10,
      request_price_per_thousand: 1,
    })
    const [model] = list([instance({ price: dear }), instance({ price: cheap })])
    assert.deepStrictEqual(model?.pricing, {
      prompt: "0",
      completion: "0",
      input_cache_read: "0.0000005",
      image: "0.03",
      audio_second: "0.0001",
      request: "0.00001",
    })
    assert.deepStrictEqual(model?.price_sheet, cheap)
    const text = Schema.encodeSync(Schema.fromJsonString(ModelListJson))({ object: "list", data: list([instance({})]) })
    assert.deepStrictEqual(JSON.parse(text).data[0].price_sheet[0], {
      unit: "inputToken",
      amount: "1000000000000",
      per: "1000000",
    })
  })

  it("lists each model once, by id", () => {
    const ids = ["org/c", "org/a", "org/b", "org/a"].map((id) => instance({ model: ModelId.make(id) }))
    assert.deepStrictEqual(
      list(ids).map(({ id }) => id),
      ["org/a", "org/b", "org/c"],
    )
  })
})
