/**
 * Providers that send what the published protocol has, under an API key, and no device's signature.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Reason } from "@guildhall/core"
import { InstanceId, isAttested } from "@guildhall/core/Instance"
import { Devices } from "@guildhall/registry/Devices"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import * as TestControl from "./TestControl.ts"

const REGISTER = "/v1/providers/register"
const HEARTBEAT = "/v1/providers/heartbeat"

let market: TestControl.TestControl
beforeAll(async () => {
  market = await TestControl.start()
})
afterAll(() => market.close())

/** The published body, field by field, and nothing else. */
const published = {
  provider_type: "agent",
  endpoint_url: "http://127.0.0.1:9000",
  model: "qwen/qwen3.5-9b",
  input_price_per_million: 100,
  output_price_per_million: 200,
  context_length_offered: 8192,
}

const isProblem = (reply: TestControl.Reply, code: Reason.ReasonCode, says?: string) => {
  assert.deepStrictEqual(
    { status: reply.status, code: reply.json?.code },
    { status: Reason.describe(code).status, code },
    reply.text,
  )
  assert.include(reply.headers.get("content-type"), "application/problem+json")
  if (says !== undefined) assert.include(reply.json.detail, says)
}

const register = (body: unknown, as = "provider") => market.call("POST", REGISTER, { as, body })
const listed = async (id: string) => {
  const all = await market.run(Effect.flatMap(Devices, ({ instances }) => instances))
  return all.find(({ instance }) => instance.id === id)
}

describe("V2, V3 · a registration under an API key alone", () => {
  it("lists exactly the documented body, unattested, and leaves by DELETE", async () => {
    const reply = await fetch(market.url + REGISTER, {
      method: "POST",
      headers: { authorization: `Bearer ${TestControl.secret("provider")}`, "content-type": "application/json" },
      body: `{
        "provider_type": "agent",
        "endpoint_url": "http://127.0.0.1:9001/v1",
        "model": "qwen/qwen3.5-9b",
        "input_price_per_million": 100,
        "output_price_per_million": 200,
        "context_length_offered": 8192
      }`,
    })
    assert.strictEqual(reply.status, 200)
    const told = (await reply.json()) as Record<string, unknown>
    const id = InstanceId.make(String(told["instance_id"]))
    assert.strictEqual(told["unattested"], true)
    assert.strictEqual(told["heartbeat_interval_ms"], 60_000)
    assert.notProperty(told, "nonce")
    const one = await listed(id)
    assert.isDefined(one)
    assert.isFalse(isAttested(one.instance))
    assert.deepInclude<object>(one.instance, {
      memberId: TestControl.members.provider,
      model: "qwen/qwen3.5-9b",
      reach: { _tag: "Endpoint", url: "http://127.0.0.1:9001/v1" },
      contextLength: 8192,
      concurrency: 1,
      price: [
        { unit: "inputToken", amount: 1_000_000_000_000n, per: 1_000_000n },
        { unit: "outputToken", amount: 2_000_000_000_000n, per: 1_000_000n },
      ],
    })
    const left = await market.call("DELETE", `/v1/providers/${id}`, { as: "provider" })
    assert.strictEqual(left.status, 204)
    assert.isUndefined(await listed(id))
  })

  it("is an agent where no type is said, and takes a price of nothing", async () => {
    const { provider_type: _, ...untyped } = published
    const reply = await register({ ...untyped, input_price_per_million: 0, output_price_per_million: 0 })
    assert.strictEqual(reply.status, 200, reply.text)
    assert.deepStrictEqual((await listed(reply.json.instance_id))?.instance.price[0]?.amount, 0n)
  })

  it("gives the same URL and model the same instance, with new terms", async () => {
    const first = await register(published)
    const again = await register({
      ...published,
      endpoint_url: `${published.endpoint_url}/`,
      output_price_per_million: 7,
    })
    assert.strictEqual(again.json.instance_id, first.json.instance_id)
    const other = await register({ ...published, model: "qwen/qwen3.5-32b" })
    assert.strictEqual(other.json.device_id, first.json.device_id)
    assert.notStrictEqual(other.json.instance_id, first.json.instance_id)
    const elsewhere = await register({ ...published, endpoint_url: "http://127.0.0.1:9002" })
    assert.notStrictEqual(elsewhere.json.device_id, first.json.device_id)
  })

  it("refuses what is missing or wrong, and says which field", async () => {
    const without = (name: keyof typeof published) =>
      Object.fromEntries(Object.entries(published).filter(([key]) => key !== name))
    const cases: ReadonlyArray<readonly [object, Reason.ReasonCode, string]> = [
      [without("endpoint_url"), "invalid_request", "endpoint_url"],
      [without("model"), "invalid_request", "model"],
      [without("input_price_per_million"), "invalid_price", "input_price_per_million"],
      [without("output_price_per_million"), "invalid_price", "output_price_per_million"],
      [without("context_length_offered"), "invalid_request", "context_length_offered"],
      [{ ...published, input_price_per_million: 1.5 }, "invalid_price", "input_price_per_million"],
      [{ ...published, output_price_per_million: "200" }, "invalid_price", "output_price_per_million"],
      [{ ...published, output_price_per_million: -1 }, "invalid_price", "output_price_per_million"],
      [{ ...published, output_price_per_million: 100_001 }, "invalid_price", "100000 cents"],
      [{ ...published, context_length_offered: 0 }, "invalid_request", "context_length_offered"],
      [{ ...published, context_length_offered: "8192" }, "invalid_request", "context_length_offered"],
      [{ ...published, provider_type: "toaster" }, "invalid_request", "provider_type"],
      [{ ...published, provider_type: "browser" }, "invalid_request", "browser"],
      [{ ...published, endpoint_url: "ftp://gpu.example.com" }, "invalid_endpoint", "ftp:"],
      [{ ...published, endpoint_url: 9000 }, "invalid_request", "endpoint_url"],
      [{ ...published, reach: "pull" }, "invalid_request", "reach"],
      [{ ...published, input_price: 100 }, "invalid_request", "input_price"],
      [{ ...published, accepts_tempo: true }, "invalid_request", "Mpp"],
      [{ ...published, accepts_stripe: "yes" }, "invalid_request", "accepts_stripe"],
    ]
    for (const [body, code, says] of cases) isProblem(await register(body), code, says)
  })

  it("needs the key of a provider", async () => {
    isProblem(await market.call("POST", REGISTER, { body: published }), "missing_api_key")
    isProblem(await register(published, "sk-nobody"), "invalid_api_key")
    isProblem(await register(published, "buyer"), "insufficient_role")
  })

  it("keeps to the market's rules: private addresses only where it allows them", async () => {
    const strict = await TestControl.start({ definition: { endpoints: { allowPrivate: false } } })
    try {
      for (const endpoint_url of ["http://127.0.0.1:9000", "http://169.254.169.254/v1", "http://10.0.0.1"]) {
        isProblem(
          await strict.call("POST", REGISTER, { as: "provider", body: { ...published, endpoint_url } }),
          "invalid_endpoint",
        )
      }
    } finally {
      await strict.close()
    }
  })
})

describe("V2 · a heartbeat under an API key alone", () => {
  const beat = (body?: unknown, as = "provider") =>
    market.call("POST", HEARTBEAT, { as, ...(body === undefined ? {} : { body }) })

  it("is for all of the member's own without a device key, or for those that it names", async () => {
    const { json: one } = await register({ ...published, endpoint_url: "http://127.0.0.1:9101" })
    const { json: other } = await register({ ...published, endpoint_url: "http://127.0.0.1:9102" })
    const all = await beat()
    assert.strictEqual(all.status, 200, all.text)
    assert.includeMembers(
      all.json.instances.map(({ instance_id }: { instance_id: string }) => instance_id),
      [one.instance_id, other.instance_id],
    )
    const draining = await beat({ instances: [{ instance_id: one.instance_id, state: "draining" }] })
    assert.deepStrictEqual(draining.json.instances, [
      { instance_id: one.instance_id, model: published.model, state: "draining" },
    ])
    assert.strictEqual((await listed(one.instance_id))?.instance.state, "draining")
    assert.strictEqual((await listed(other.instance_id))?.instance.state, "online")
    await beat({ instances: [{ instance_id: one.instance_id }] })
    assert.strictEqual((await listed(one.instance_id))?.instance.state, "online")
  })

  it("does not bring back what failed its health check", async () => {
    const { json } = await register({ ...published, endpoint_url: "http://127.0.0.1:9103" })
    await market.run(market.devices.setState(json.instance_id, "offline"))
    const reply = await beat({ instances: [{ instance_id: json.instance_id }] })
    assert.strictEqual(reply.json.instances[0].state, "offline")
    assert.strictEqual((await listed(json.instance_id))?.instance.state, "offline")
  })

  it("does not speak for what a device signs, for others', or for what is not there", async () => {
    const device = SampleDevice.make(TestControl.members.provider)
    const signed = await market.signed(device, REGISTER, { ...published, concurrency: 1 }, { as: "provider" })
    const theirs = "ins_00000000000000000000000000000000"
    for (const instance_id of [signed.json.instance_id, theirs]) {
      isProblem(await beat({ instances: [{ instance_id }] }), "not_found", instance_id)
    }
    isProblem(await beat({ instances: [{ instance_id: 7 }] }), "invalid_request")
    isProblem(await beat("{"), "invalid_json")
    isProblem(await beat({}, "buyer"), "insufficient_role")
    isProblem(await market.call("POST", HEARTBEAT, { body: {} }), "missing_api_key")
  })
})
