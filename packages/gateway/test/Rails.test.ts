/**
 * The rails by which providers are paid, on the control lane.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Reason } from "@guildhall/core"
import * as TestControl from "./TestControl.ts"

const PATH = "/v1/settings/provider/rails"
const TARGET = `/v1/operator/members/${TestControl.members.provider}/payout-targets`

let market: TestControl.TestControl
beforeAll(async () => {
  market = await TestControl.start({
    definition: { payments: [{ use: "ApiKey" }, { use: "Mpp" }], onboarding: { Mpp: "wallet" } },
  })
})
afterAll(() => market.close())

const isProblem = (reply: TestControl.Reply, code: Reason.ReasonCode, says?: string) => {
  assert.deepStrictEqual(
    { status: reply.status, code: reply.json?.code },
    { status: Reason.describe(code).status, code },
    reply.text,
  )
  if (says !== undefined) assert.include(reply.json.detail, says)
}

const turn = (body: unknown, as = "provider") => market.call("PATCH", PATH, { as, body })
const register = (endpoint_url: string, more: object = {}) =>
  market.call("POST", "/v1/providers/register", {
    as: "provider",
    body: {
      endpoint_url,
      model: "guildhall/demo",
      input_price_per_million: 100,
      output_price_per_million: 200,
      context_length_offered: 8192,
      ...more,
    },
  })

describe("V4, V5 · rails of a provider", () => {
  it("are on where nothing is needed, and off until what they need is set up", async () => {
    const { json, status } = await market.call("GET", PATH, { as: "provider" })
    assert.strictEqual(status, 200)
    assert.deepInclude(json, { accepts_stripe: true, accepts_tempo: false, payout_targets: [], instances: [] })
    assert.deepStrictEqual(json.rails[0], { name: "ApiKey", is_on: true, is_ready: true, needs: null, todo: null })
    assert.deepInclude(json.rails[1], { name: "Mpp", is_on: false, is_ready: false, needs: "wallet" })
    assert.include(json.rails[1].todo, "wallet")
    isProblem(await turn({ accepts_tempo: true }), "onboarding_needed", "wallet")
    isProblem(await register("http://127.0.0.1:9201", { accepts_stripe: false }), "onboarding_needed", "wallet")
    // What is off already may be said to be off.
    assert.strictEqual((await turn({ accepts_tempo: false })).json.accepts_tempo, false)
    assert.strictEqual((await turn({ rails: { Mpp: false } })).status, 200)
    isProblem(await turn({ accepts_stripe: false }), "last_rail")
  })

  it("are turned for all instances or for one, and one stays on", async () => {
    const set = await market.call("PUT", `${TARGET}/wallet`, { as: "operator", body: { target: "0xabc" } })
    assert.deepInclude(set.json.payout_targets[0], { kind: "wallet", target: "0xabc" })
    // It was turned off before, so setting it up does not turn it on.
    assert.strictEqual(set.json.accepts_tempo, false)
    assert.strictEqual((await turn({ accepts_tempo: true })).json.accepts_tempo, true)
    const { json: one } = await register("http://127.0.0.1:9202")
    const { json: other } = await register("http://127.0.0.1:9203")
    const alone = await turn({ accepts_stripe: false, instance_id: one.instance_id })
    const railsOf = (id: string) =>
      alone.json.instances.find(({ instance_id }: { instance_id: string }) => instance_id === id)
    assert.deepInclude(railsOf(one.instance_id), { rails: ["Mpp"], off: ["ApiKey"] })
    assert.deepInclude(railsOf(other.instance_id), { rails: ["ApiKey", "Mpp"], off: [] })
    isProblem(await turn({ accepts_tempo: false, instance_id: one.instance_id }), "last_rail", one.instance_id)
    isProblem(await turn({ accepts_tempo: false }), "last_rail", one.instance_id)
    const told = await market.call("GET", "/v1/operator/instances", { as: "operator" })
    const { instance } = told.json.data.find((row: { instance: { id: string } }) => row.instance.id === one.instance_id)
    assert.deepStrictEqual(instance.rails, ["Mpp"])
    assert.strictEqual((await turn({ rails: { ApiKey: true }, instance_id: one.instance_id })).status, 200)
    assert.strictEqual((await turn({ accepts_tempo: false })).json.accepts_tempo, false)
    const off = await turn({ accepts_tempo: true, instance_id: one.instance_id })
    isProblem(off, "last_rail", "all of your instances")
    await turn({ accepts_tempo: true })
    const gone = await market.call("DELETE", `${TARGET}/wallet`, { as: "operator" })
    assert.strictEqual(gone.status, 204)
    assert.strictEqual((await market.call("GET", PATH, { as: "provider" })).json.accepts_tempo, false)
  })

  it("refuse what they do not know, and whom they are not for", async () => {
    isProblem(await turn({}), "invalid_request", "Name a rail")
    isProblem(await turn({ accepts_stripe: "no" }), "invalid_request", "accepts_stripe")
    isProblem(await turn({ accept_stripe: false }), "invalid_request", "accept_stripe")
    isProblem(await turn({ rails: { Shells: true } }), "invalid_request", "Shells")
    isProblem(await turn({ accepts_stripe: true, rails: { ApiKey: false } }), "invalid_request", "contrary")
    isProblem(await turn({ accepts_stripe: true, instance_id: "ins_none" }), "not_found")
    isProblem(await turn("{"), "invalid_json")
    isProblem(await turn({ accepts_stripe: true }, "buyer"), "insufficient_role")
    isProblem(await market.call("GET", PATH), "missing_api_key")
    const body = { target: "0xabc" }
    isProblem(await market.call("PUT", `${TARGET}/wallet`, { as: "provider", body }), "insufficient_role")
    isProblem(await market.call("PUT", `${TARGET}/purse`, { as: "operator", body }), "not_found")
    const stranger = "/v1/operator/members/mem_stranger/payout-targets/wallet"
    isProblem(await market.call("PUT", stranger, { as: "operator", body }), "not_found")
  })
})

it("V5 · a market may ask for nothing, and have one rail", async () => {
  const plain = await TestControl.start({ definition: { payments: [{ use: "ApiKey" }] } })
  try {
    const { json } = await plain.call("GET", PATH, { as: "provider" })
    assert.deepInclude(json, { accepts_stripe: true, accepts_tempo: false })
    assert.deepStrictEqual(json.rails, [{ name: "ApiKey", is_on: true, is_ready: true, needs: null, todo: null }])
    assert.strictEqual(
      (await plain.call("PATCH", PATH, { as: "provider", body: { accepts_stripe: true } })).status,
      200,
    )
    const off = await plain.call("PATCH", PATH, { as: "provider", body: { accepts_stripe: false } })
    isProblem(off, "last_rail")
    const tempo = await plain.call("PATCH", PATH, { as: "provider", body: { accepts_tempo: true } })
    isProblem(tempo, "invalid_request", "Mpp")
  } finally {
    await plain.close()
  }
})
