/**
 * Devices on the control lane: joining, beating, leaving, and everything that a device or a stranger can get wrong.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Reason } from "@guildhall/core"
import { Devices } from "@guildhall/registry/Devices"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import * as TestControl from "./TestControl.ts"
import { registration } from "./TestControl.ts"

const REGISTER = "/v1/providers/register"
const HEARTBEAT = "/v1/providers/heartbeat"

let market: TestControl.TestControl
beforeAll(async () => {
  market = await TestControl.start()
})
afterAll(() => market.close())

const isProblem = (reply: TestControl.Reply, code: Reason.ReasonCode) =>
  assert.deepStrictEqual(
    { status: reply.status, code: reply.json?.code },
    { status: Reason.describe(code).status, code },
    reply.text,
  )

const join = async () => {
  const device = SampleDevice.make(TestControl.members.provider)
  const reply = await market.signed(device, REGISTER, registration, { as: "provider" })
  assert.strictEqual(reply.status, 200, reply.text)
  const id = reply.json.instance_id as string
  heard(id, reply)
  return { device, reply, id }
}

/** What the market answered last, by instance: each beat carries it. */
const nonces = new Map<string, string>()
const beat = (id: string, state = "serving") => ({
  nonce: nonces.get(id),
  instances: [{ instance_id: id, state, in_flight: 0 }],
})
const heard = (id: string, reply: TestControl.Reply): TestControl.Reply => {
  assert.strictEqual(reply.status, 200, reply.text)
  nonces.set(id, reply.json.nonce)
  return reply
}

const stateOf = async (id: string) => {
  const { json } = await market.call("GET", "/v1/operator/instances", { as: "operator" })
  return json.data.find((one: { instance: { id: string } }) => one.instance.id === id)?.instance.state
}

describe("register", () => {
  it("lists an instance at its price, and tells the agent what it needs", async () => {
    const { id, reply } = await join()
    assert.match(reply.json.device_id, /^dev_[0-9a-f]{32}$/)
    assert.strictEqual(reply.json.heartbeat_interval_ms, 60_000)
    assert.deepStrictEqual(
      reply.json.keys.map((key: { purpose: string }) => key.purpose),
      ["ticket"],
    )
    const { json } = await market.call("GET", "/v1/operator/instances", { as: "operator" })
    const { instance } = json.data.find((one: { instance: { id: string } }) => one.instance.id === id)
    assert.strictEqual(instance.memberId, "mem_provider")
    assert.deepStrictEqual(instance.price, [
      { unit: "inputToken", amount: "1000000000000", per: "1000000" },
      { unit: "outputToken", amount: "2000000000000", per: "1000000" },
    ])
  })

  it("needs the key of a provider, or a pairing, and the signature of the device", async () => {
    const device = SampleDevice.make()
    isProblem(await market.signed(device, REGISTER, registration), "device_not_paired")
    isProblem(await market.signed(device, REGISTER, registration, { as: "nobody" }), "invalid_api_key")
    isProblem(await market.signed(device, REGISTER, registration, { as: "buyer" }), "insufficient_role")
    const half = { "guildhall-device": device.publicKey }
    const partly = await market.call("POST", REGISTER, { as: "provider", body: registration, headers: half })
    isProblem(partly, "invalid_request")
    assert.include(partly.json.detail, "guildhall-signature")
    const sent = JSON.stringify({ ...registration, concurrency: 5 })
    isProblem(await market.signed(device, REGISTER, registration, { as: "provider", sent }), "invalid_signature")
  })

  it("refuses prices that are negative, fractional, or above the market's limit", async () => {
    const device = SampleDevice.make()
    for (const price of [-1, 0.5, 100_001, 200_000_000, "100", null]) {
      for (const name of ["input_price_per_million", "output_price_per_million"]) {
        const body = { ...registration, [name]: price }
        isProblem(await market.signed(device, REGISTER, body, { as: "provider" }), "invalid_price")
      }
    }
  })

  it("takes what a provider declares, and all of its prices", async () => {
    const device = SampleDevice.make(TestControl.members.provider)
    const declared = {
      provider: "acme",
      endpoints: ["images/generations", "embeddings"],
      quantization: "fp8",
      supported_parameters: ["tools", "response_format"],
      retains_data: false,
      tokenizer: "0".repeat(64),
      cached_input_price_per_million: 50,
      image_price_per_thousand: 4_000,
      audio_second_price_per_thousand: 10,
      request_price_per_thousand: 1,
    }
    const reply = await market.signed(device, REGISTER, { ...registration, ...declared }, { as: "provider" })
    assert.strictEqual(reply.status, 200, reply.text)
    const { json } = await market.call("GET", "/v1/operator/instances", { as: "operator" })
    const { instance } = json.data.find(
      (one: { instance: { id: string } }) => one.instance.id === reply.json.instance_id,
    )
    assert.deepInclude(instance, {
      provider: "acme",
      endpoints: ["images/generations", "embeddings"],
      quantization: "fp8",
      parameters: ["tools", "response_format"],
      retainsData: false,
      tokenizer: "0".repeat(64),
    })
    assert.deepStrictEqual(instance.price.slice(2), [
      { unit: "cachedInputToken", amount: "500000000000", per: "1000000" },
      { unit: "image", amount: "40000000000000", per: "1000" },
      { unit: "audioSecond", amount: "100000000000", per: "1000" },
      { unit: "request", amount: "10000000000", per: "1000" },
    ])
    const wrong: ReadonlyArray<readonly [Reason.ReasonCode, object]> = [
      ["invalid_price", { image_price_per_thousand: 100_001 }],
      ["invalid_price", { request_price_per_thousand: -1 }],
      ["invalid_request", { provider: "Not A Slug" }],
      ["invalid_request", { endpoints: [] }],
      ["invalid_request", { endpoints: ["fine-tuning"] }],
      ["invalid_request", { quantization: "q4" }],
      ["invalid_request", { supported_parameters: ["x".repeat(65)] }],
      ["invalid_request", { retains_data: "no" }],
      ["invalid_request", { country: "Germany" }],
      ["invalid_request", { inputs: ["video"] }],
      ["invalid_request", { rails: ["Bitcoin"] }],
    ]
    for (const [code, values] of wrong) {
      const refused = await market.signed(device, REGISTER, { ...registration, ...values }, { as: "provider" })
      isProblem(refused, code)
      assert.isAbove(refused.json.detail.length, 20)
    }
  })

  it("refuses what is not a registration", async () => {
    const device = SampleDevice.make()
    const { model: _, ...missing } = registration
    for (const body of [missing, { ...registration, concurrency: 0 }, { ...registration, model: "" }, []]) {
      isProblem(await market.signed(device, REGISTER, body, { as: "provider" }), "invalid_request")
    }
    isProblem(await market.signed(device, REGISTER, "{", { as: "provider" }), "invalid_json")
    const endpoint_url = "file:///etc/passwd"
    isProblem(
      await market.signed(device, REGISTER, { ...registration, endpoint_url }, { as: "provider" }),
      "invalid_endpoint",
    )
  })

  it("takes instances that are not called: by a tunnel where no URL is given, or pulled", async () => {
    const { endpoint_url, ...uncalled } = registration
    const { provider_type: _, ...untyped } = uncalled
    const ways: ReadonlyArray<readonly [string, object]> = [
      ["Tunnel", uncalled],
      ["Tunnel", untyped],
      ["Tunnel", { ...uncalled, provider_type: "browser" }],
      ["Pull", { ...uncalled, reach: "pull" }],
      ["Endpoint", { ...untyped, endpoint_url }],
    ]
    for (const [tag, body] of ways) {
      const joined = await market.signed(SampleDevice.make(), REGISTER, body, { as: "provider" })
      assert.strictEqual(joined.status, 200, JSON.stringify(joined.json))
      const listed = await market.run(Effect.flatMap(Devices, ({ instances }) => instances))
      const one = listed.find(({ instance }) => instance.id === joined.json.instance_id)
      assert.strictEqual(one?.instance.reach._tag, tag)
    }
  })

  it("refuses a way to an instance that contradicts itself", async () => {
    const { endpoint_url, ...uncalled } = registration
    const wrong: ReadonlyArray<object> = [
      { ...uncalled, reach: "endpoint" },
      { ...uncalled, reach: "tunnel", endpoint_url },
      { ...uncalled, reach: "pull", endpoint_url },
      { ...uncalled, provider_type: "browser", endpoint_url },
      { ...uncalled, provider_type: "browser", reach: "endpoint" },
      { ...uncalled, reach: "teleport" },
      { ...uncalled, provider_type: "toaster" },
    ]
    for (const body of wrong) {
      const refused = await market.signed(SampleDevice.make(), REGISTER, body, { as: "provider" })
      isProblem(refused, "invalid_request")
      assert.isAbove(refused.json.detail.length, 20)
    }
  })

  it("refuses private endpoints where the definition does", async () => {
    const strict = await TestControl.start({ definition: { endpoints: { allowPrivate: false } } })
    const reply = await strict.signed(SampleDevice.make(), REGISTER, registration, { as: "provider" })
    isProblem(reply, "invalid_endpoint")
    await strict.close()
  })
})

describe("heartbeat", () => {
  it("keeps an instance alive, drains it, and brings it back, with the signature alone", async () => {
    const { device, id } = await join()
    const reply = heard(id, await market.signed(device, HEARTBEAT, beat(id)))
    assert.deepStrictEqual(
      { ...reply.json, keys: [] },
      {
        nonce: nonces.get(id),
        acknowledged: 0,
        attested: {},
        refused: [],
        heartbeat_interval_ms: 60_000,
        keys: [],
      },
    )
    heard(id, await market.signed(device, HEARTBEAT, beat(id, "draining")))
    assert.strictEqual(await stateOf(id), "draining")
    await market.signed(device, HEARTBEAT, beat(id))
    assert.strictEqual(await stateOf(id), "online")
  })

  it("refuses a wrong, an altered, an old and a replayed message", async () => {
    const { device, id } = await join()
    const stranger = SampleDevice.make()
    const body = beat(id)
    const change = { "guildhall-device": stranger.publicKey }
    isProblem(await market.signed(device, HEARTBEAT, body, { change }), "invalid_signature")
    const sent = JSON.stringify(beat(id, "draining"))
    isProblem(await market.signed(device, HEARTBEAT, body, { sent }), "invalid_signature")
    isProblem(await market.signed(device, HEARTBEAT, body, { issuedAtMs: Date.now() - 61_000 }), "stale_message")
    isProblem(await market.signed(device, HEARTBEAT, body, { issuedAtMs: Date.now() + 61_000 }), "stale_message")
    assert.strictEqual((await market.signed(device, HEARTBEAT, body, { number: 1000 })).status, 200)
    isProblem(await market.signed(device, HEARTBEAT, body, { number: 1000 }), "replayed_message")
    isProblem(await market.signed(device, HEARTBEAT, body, { number: 999 }), "replayed_message")
    assert.strictEqual(await stateOf(id), "online")
  })

  it("refuses headers that are none, without looking at the device", async () => {
    const { device, id } = await join()
    for (const change of [
      { "guildhall-sequence": "1e999" },
      { "guildhall-issued-at": "-1" },
      { "guildhall-device": "x" },
    ]) {
      isProblem(await market.signed(device, HEARTBEAT, beat(id), { change }), "invalid_request")
    }
  })

  it("says so where an instance is not the device's, or left the market", async () => {
    const { device, id } = await join()
    const other = await join()
    isProblem(await market.signed(device, HEARTBEAT, { ...beat(other.id), nonce: nonces.get(id) }), "not_found")
    const again = await market.signed(device, REGISTER, registration, { as: "provider" })
    nonces.set(id, again.json.nonce)
    isProblem(await market.signed(SampleDevice.make(), HEARTBEAT, beat(id)), "not_found")
    assert.strictEqual((await market.call("DELETE", `/v1/providers/${id}`, { as: "provider" })).status, 204)
    isProblem(await market.signed(device, HEARTBEAT, beat(id)), "not_found")
  })

  it("is refused for ever once the operator revoked the device", async () => {
    const { device, id, reply } = await join()
    await market.call("DELETE", `/v1/operator/devices/${reply.json.device_id}`, { as: "operator" })
    isProblem(await market.signed(device, HEARTBEAT, beat(id)), "device_revoked")
    isProblem(await market.signed(device, REGISTER, registration, { as: "provider" }), "device_revoked")
    assert.isUndefined(await stateOf(id))
  })
})

describe("leave", () => {
  it("is the member's own word", async () => {
    const { id } = await join()
    isProblem(await market.call("DELETE", `/v1/providers/${id}`), "missing_api_key")
    isProblem(await market.call("DELETE", `/v1/providers/${id}`, { as: "buyer" }), "insufficient_role")
    isProblem(await market.call("DELETE", "/v1/providers/ins_unknown", { as: "provider" }), "not_found")
    isProblem(await market.call("DELETE", "/v1/providers/not-an-id", { as: "provider" }), "not_found")
    const issued = await market.call("POST", "/v1/operator/keys", {
      as: "operator",
      body: { member: "mem_other", name: "a rival", role: "provider" },
    })
    isProblem(await market.call("DELETE", `/v1/providers/${id}`, { as: issued.json.secret }), "insufficient_role")
    assert.strictEqual((await market.call("DELETE", `/v1/providers/${id}`, { as: "provider" })).status, 204)
  })
})
