/**
 * Warnings on the control lane: they ride on beats, are listed with their delivery, and go where their member says.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { InstanceId } from "@guildhall/core/Instance"
import type { MemberId } from "@guildhall/core/Member"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import * as TestControl from "./TestControl.ts"
import { registration } from "./TestControl.ts"

const SETTINGS = "/v1/settings/provider/warnings"

let market: TestControl.TestControl
let strict: TestControl.TestControl
beforeAll(async () => {
  market = await TestControl.start()
  strict = await TestControl.start({ definition: { endpoints: { allowPrivate: false } } })
})
afterAll(async () => {
  await market.close()
  await strict.close()
})

const warn = (key: string, subject: string, memberId: MemberId = TestControl.members.provider) =>
  market.run(
    market.notifier.warn({
      key,
      memberId,
      topic: "silent",
      code: "offline",
      subject,
      detail: `It has not beaten for a day: ${key}.`,
      deadlineMs: 1_800_000_000_000,
    }),
  )

describe("a warning", () => {
  it("rides on the answers to beats until the next beat says that it came", async () => {
    const device = SampleDevice.make()
    const joined = await market.signed(device, "/v1/providers/register", registration, { as: "provider" })
    assert.strictEqual(joined.status, 200, joined.text)
    const instance = InstanceId.make(joined.json.instance_id)
    let nonce: string = joined.json.nonce
    const beat = async () => {
      const body = { nonce, instances: [{ instance_id: instance, state: "serving", in_flight: 0 }] }
      const reply = await market.signed(device, "/v1/providers/heartbeat", body)
      assert.strictEqual(reply.status, 200, reply.text)
      nonce = reply.json.nonce
      return reply.json.warnings
    }
    assert.isUndefined(await beat())
    const { atMs, id } = await warn("rides", instance)
    await warn("theirs", "ins_other", TestControl.members.other)
    const told = {
      id,
      code: "offline",
      detail: "It has not beaten for a day: rides.",
      since_ms: atMs,
      deadline_ms: 1_800_000_000_000,
    }
    assert.deepStrictEqual(await beat(), [told])
    const listed = async () => (await market.call("GET", "/v1/providers/warnings", { as: "provider" })).json.data
    assert.isNull((await listed())[0].delivery)
    assert.isUndefined(await beat())
    const [shown, ...rest] = await listed()
    assert.deepStrictEqual(rest, [])
    assert.deepInclude(shown, { id, topic: "silent", subject: instance, waysLeft: [] })
    assert.strictEqual(shown.delivery.way, "beat")
    assert.isUndefined(shown.key)
    assert.strictEqual((await market.call("GET", "/v1/providers/warnings", { as: "buyer" })).status, 403)
  })
})

describe("where warnings go", () => {
  it("is the member's to say, and to take back", async () => {
    const as = "provider"
    assert.deepStrictEqual((await market.call("GET", SETTINGS, { as })).json, { webhookUrl: null, email: null })
    const webhookUrl = "https://hooks.example.com/guildhall?token=x"
    const set = await market.call("PATCH", SETTINGS, { as, body: { webhookUrl } })
    assert.deepStrictEqual(set.json, { webhookUrl, email: null })
    assert.deepStrictEqual((await warn("sent", "ins_1")).waysLeft, ["webhook"])
    const cleared = await market.call("PATCH", SETTINGS, { as, body: { webhookUrl: null } })
    assert.deepStrictEqual(cleared.json, { webhookUrl: null, email: null })
  })

  it("is not an address on which the market does not send, nor one that is none", async () => {
    const as = "provider"
    for (const body of [{ email: "ann@example.com" }, { email: "nobody" }, { webhookUrl: 5 }, { webhook_url: null }]) {
      const { json } = await market.call("PATCH", SETTINGS, { as, body })
      assert.strictEqual(json.code, "invalid_request")
    }
    const { json } = await market.call("PATCH", SETTINGS, { as, body: { email: "ann@example.com" } })
    assert.include(json.detail, "sends no warnings by e-mail")
  })

  it.each([
    "http://hooks.example.com/x",
    "https://127.0.0.1/x",
    "https://2130706433/x",
    "https://0x7f.1/x",
    "https://[::ffff:10.0.0.1]/x",
    "https://169.254.169.254/latest",
    "https://printer.local/x",
    "https://ann:secret@hooks.example.com/x",
    "https://hooks.example.com/#x",
    "file:///etc/passwd",
    "no url",
  ])("is never %s", async (webhookUrl) => {
    const { json } = await strict.call("PATCH", SETTINGS, { as: "provider", body: { webhookUrl } })
    assert.strictEqual(json.code, "invalid_endpoint", webhookUrl)
    assert.include(json.detail, "webhookUrl")
  })
})
