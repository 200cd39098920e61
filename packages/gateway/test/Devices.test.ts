/**
 * Members' machines on the control lane: paired by a code, approved by what the member sees, given other keys, ended.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { DeviceId } from "@guildhall/core/Device"
import { standard } from "@guildhall/core/rules/DeviceClass"
import { Reason } from "@guildhall/core"
import * as KeyChange from "@guildhall/protocol/provider/KeyChange"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import * as TestControl from "./TestControl.ts"
import { registration } from "./TestControl.ts"

const PAIR = "/api/devices/pair"
const REGISTER = "/v1/providers/register"
const HEARTBEAT = "/api/devices/heartbeat"

let market: TestControl.TestControl
beforeAll(async () => {
  market = await TestControl.start({ definition: { deviceClasses: standard } })
})
afterAll(() => market.close())

const isProblem = (reply: TestControl.Reply, code: Reason.ReasonCode) =>
  assert.deepStrictEqual(
    { status: reply.status, code: reply.json?.code },
    { status: Reason.describe(code).status, code },
    reply.text,
  )

const rig = {
  name: "rig",
  hardware: {
    gpus: [{ vendor: "nvidia", name: "NVIDIA GeForce RTX 4090", memoryMib: 24_564, memoryKind: "own" }],
    cpu: { name: "AMD Ryzen 9 7950X", cores: 32, architecture: "x64" },
    memoryMib: 64_000,
    diskFreeMib: 900_000,
    system: { platform: "linux", name: "Ubuntu 24.04.3 LTS" },
  },
  versions: { agent: "0.1.0" },
}

interface Code {
  readonly code: string
  readonly longCode: string
  readonly command: string
  readonly endsAtMs: number
}

const makeCode = async (as = "provider", from = market): Promise<Code> => {
  const reply = await from.call("POST", "/api/devices/pair-code", { as })
  assert.strictEqual(reply.status, 201, reply.text)
  return reply.json
}
const wrong = ({ code }: Code, by = 1): string => `${(Number(code) + by) % 1_000_000}`.padStart(6, "0")

/** A rival provider, who has a key of the same role. */
const rivalKey = async (): Promise<string> => {
  const body = { member: "mem_other", name: "a rival", role: "provider" }
  const issued = await market.call("POST", "/v1/operator/keys", { as: "operator", body })
  return issued.json.secret
}

const pair = async () => {
  const device = SampleDevice.make()
  const { code } = await makeCode()
  const asked = await market.signed(device, PAIR, { code, ...rig })
  assert.strictEqual(asked.status, 202, asked.text)
  const id = DeviceId.make(asked.json.device_id)
  const approved = await market.call("POST", `/api/devices/${id}/approve`, { as: "provider" })
  assert.strictEqual(approved.status, 200, approved.text)
  return { device, id, code }
}

const join = async () => {
  const paired = await pair()
  const reply = await market.signed(paired.device, REGISTER, registration)
  assert.strictEqual(reply.status, 200, reply.text)
  return { ...paired, instance: reply.json.instance_id as string, nonce: reply.json.nonce as string }
}

const beat = (instance: string, nonce: string | undefined) => ({
  nonce,
  instances: [{ instance_id: instance, state: "serving", in_flight: 0 }],
})

const seenBy = async (as: string, id: string) => {
  const { json } = await market.call("GET", "/api/devices", { as })
  return json.data.find((one: { id: string }) => one.id === id)
}

describe("S1 · pairing", () => {
  it("shows the member what the device is, and gives it the device when it approves", async () => {
    const device = SampleDevice.make()
    const code = await makeCode()
    assert.strictEqual(code.command, `guildhall-agent pair ${code.longCode} --market ${market.url}`)
    assert.isAbove(code.endsAtMs, Date.now() + 590_000)
    const asked = await market.signed(device, PAIR, { code: code.code, ...rig })
    assert.strictEqual(asked.status, 202, asked.text)
    assert.strictEqual(asked.json.state, "waiting")
    const { device_id: id, fingerprint } = asked.json
    assert.match(fingerprint, /^[0-9a-f]{4}( [0-9a-f]{4}){3}$/)
    const waiting = await seenBy("provider", id)
    assert.deepInclude(waiting, {
      state: "waiting",
      fingerprint,
      ...rig,
      address: "127.0.0.1",
      deviceClass: "consumer",
    })
    assert.isAbove(waiting.misses[0].reasons.length, 0)
    // Until then it registers nothing.
    isProblem(await market.signed(device, REGISTER, registration), "device_not_paired")
    const approved = await market.call("POST", `/api/devices/${id}/approve`, { as: "provider" })
    assert.deepInclude(approved.json, { id, state: "active", name: "rig", fingerprint })
    const again = await market.signed(device, PAIR, { code: code.code, ...rig })
    assert.deepStrictEqual([again.status, again.json.state], [200, "approved"])
    const joined = await market.signed(device, REGISTER, registration)
    assert.strictEqual(joined.status, 200, joined.text)
    const status = {
      queue: 2,
      temperature_celsius: 61,
      vram_used_mib: 9_000,
      load_percent: 80,
      versions: { agent: "0.2" },
    }
    const told = await market.signed(device, HEARTBEAT, {
      ...beat(joined.json.instance_id, joined.json.nonce),
      ...status,
    })
    assert.strictEqual(told.status, 200, told.text)
    const own = await seenBy("provider", id)
    assert.deepInclude(own.status, { queue: 2, temperatureCelsius: 61, vramUsedMib: 9_000, loadPercent: 80 })
    assert.deepStrictEqual(own.versions, { agent: "0.2" })
    assert.deepInclude(own.instances[0], { id: joined.json.instance_id, model: "guildhall/demo", state: "online" })
  })

  it("pairs one device with a code, whoever else has it", async () => {
    const [first, second] = [SampleDevice.make(), SampleDevice.make()]
    const { code } = await makeCode()
    const replies = await Promise.all([first, second].map((device) => market.signed(device, PAIR, { code, ...rig })))
    assert.sameMembers(
      replies.map(({ status }) => status),
      [202, 403],
    )
    const winner = replies.find(({ status }) => status === 202)
    await market.call("POST", `/api/devices/${winner?.json.device_id}/approve`, { as: "provider" })
    isProblem(await market.signed(SampleDevice.make(), PAIR, { code, ...rig }), "invalid_pairing_code")
  })

  it("lets nobody but the code's member approve, refuse, name or end a device", async () => {
    const rival = await rivalKey()
    const device = SampleDevice.make()
    const { code } = await makeCode()
    const { json } = await market.signed(device, PAIR, { code, ...rig })
    const path = `/api/devices/${json.device_id}`
    assert.isUndefined(await seenBy(rival, json.device_id))
    isProblem(await market.call("POST", `${path}/approve`, { as: rival }), "not_found")
    isProblem(await market.call("POST", `${path}/refuse`, { as: rival }), "not_found")
    isProblem(await market.call("POST", `${path}/approve`, { as: "buyer" }), "insufficient_role")
    isProblem(await market.call("POST", `${path}/approve`), "missing_api_key")
    await market.call("POST", `${path}/approve`, { as: "provider" })
    isProblem(await market.call("PATCH", path, { as: rival, body: { name: "mine" } }), "not_found")
    isProblem(await market.call("DELETE", path, { as: rival }), "not_found")
    isProblem(await market.signed(device, REGISTER, registration, { as: rival }), "insufficient_role")
    const named = await market.call("PATCH", path, { as: "provider", body: { name: "cellar" } })
    assert.strictEqual(named.json.name, "cellar")
    isProblem(await market.call("PATCH", path, { as: "provider", body: { name: "\u001b[2J" } }), "invalid_request")
  })

  it("tells a device that was refused", async () => {
    const device = SampleDevice.make()
    const { code } = await makeCode()
    const { json } = await market.signed(device, PAIR, { code, ...rig })
    const reply = await market.call("POST", `/api/devices/${json.device_id}/refuse`, { as: "provider" })
    assert.strictEqual(reply.status, 204)
    const told = await market.signed(device, PAIR, { code, ...rig })
    assert.deepStrictEqual([told.status, told.json.state], [200, "refused"])
    isProblem(await market.signed(device, REGISTER, registration), "device_not_paired")
  })

  it("hears five wrong codes from a network, and the code's own command after that", async () => {
    const guessed = await TestControl.start()
    const code = await makeCode("provider", guessed)
    for (let by = 1; by <= 5; by++) {
      const reply = await guessed.signed(SampleDevice.make(), PAIR, { code: wrong(code, by), ...rig })
      isProblem(reply, "invalid_pairing_code")
    }
    isProblem(await guessed.signed(SampleDevice.make(), PAIR, { code: code.code, ...rig }), "pairing_locked")
    assert.strictEqual((await guessed.signed(SampleDevice.make(), PAIR, { code: code.longCode, ...rig })).status, 202)
    await guessed.close()
  })

  it("refuses what is not signed by the device, or is no request to be paired", async () => {
    const { code } = await makeCode()
    const [device, stranger] = [SampleDevice.make(), SampleDevice.make()]
    const body = { code, ...rig }
    const change = { "guildhall-device": stranger.publicKey }
    isProblem(await market.signed(device, PAIR, body, { change }), "invalid_signature")
    isProblem(await market.call("POST", PAIR, { body }), "invalid_request")
    for (const bad of [
      { ...body, code: "12345" },
      { ...body, code: `${code}-xyz` },
      { ...body, name: "a\nb" },
      { ...body, hardware: { ...rig.hardware, gpus: Array.from({ length: 200 }, () => rig.hardware.gpus[0]) } },
      { ...body, versions: Object.fromEntries(Array.from({ length: 17 }, (_, at) => [`v${at}`, "1"])) },
    ]) {
      isProblem(await market.signed(device, PAIR, bad), "invalid_request")
    }
    isProblem(await market.signed(device, PAIR, { ...body, more: "x".repeat(70_000) }), "body_too_large")
  })
})

describe("a device's key", () => {
  it("opens nothing but what the device does itself", async () => {
    const [own, other] = [await join(), await join()]
    const elsewhere = [
      ["GET", "/v1/balance"],
      ["GET", "/v1/requests"],
      ["GET", "/api/devices"],
      ["POST", "/api/devices/pair-code"],
      ["POST", `/api/devices/${own.id}/approve`],
      ["PATCH", `/api/devices/${own.id}`],
      ["DELETE", `/api/devices/${own.id}`],
      ["GET", "/v1/operator/keys?member=mem_provider"],
      ["POST", "/v1/operator/top-ups"],
    ] as const
    for (const [method, path] of elsewhere) {
      const body = method === "GET" || method === "DELETE" ? "" : "{}"
      const message = own.device.sign({
        method,
        path,
        issuedAtMs: Date.now(),
        sequence: 1e12,
        body: new TextEncoder().encode(body),
      })
      const headers = {
        "guildhall-device": own.device.publicKey,
        "guildhall-signature": message.signature,
        "guildhall-issued-at": `${message.issuedAtMs}`,
        "guildhall-sequence": `${message.sequence}`,
      }
      isProblem(await market.call(method, path, { headers, ...(body === "" ? {} : { body }) }), "missing_api_key")
    }
    isProblem(await market.signed(own.device, HEARTBEAT, beat(other.instance, own.nonce)), "not_found")
    const again = await market.signed(own.device, REGISTER, registration)
    assert.strictEqual(again.json.instance_id, own.instance)
    assert.notStrictEqual(again.json.instance_id, other.instance)
    const fresh = SampleDevice.make()
    const proof = fresh.signBytes(KeyChange.proofBytes(other.id, own.device.publicKey, fresh.publicKey))
    const body = { public_key: fresh.publicKey, proof }
    isProblem(await market.signed(own.device, `/api/devices/${other.id}/key`, body), "insufficient_role")
  })

  it("reads and changes what is its own without an API key, and nothing of another device", async () => {
    const [own, other] = [await join(), await join()]
    let sequence = 1e12
    const ask = (
      method: string,
      path: string,
      options: { readonly body?: unknown; readonly device?: SampleDevice.SampleDevice; readonly sent?: string } = {},
    ) => {
      const body = options.body === undefined ? "" : JSON.stringify(options.body)
      const message = (options.device ?? own.device).sign({
        method,
        path,
        issuedAtMs: Date.now(),
        sequence: (sequence += 1),
        body: new TextEncoder().encode(body),
      })
      const headers = {
        "guildhall-device": message.publicKey,
        "guildhall-signature": message.signature,
        "guildhall-issued-at": `${message.issuedAtMs}`,
        "guildhall-sequence": `${message.sequence}`,
        "content-type": "application/json",
      }
      return market.call(method, options.sent ?? path, { headers, ...(body === "" ? {} : { body }) })
    }
    const listed = await ask("GET", "/v1/providers/instances")
    assert.strictEqual(listed.status, 200, listed.text)
    assert.deepStrictEqual(
      listed.json.data.map(({ instance }: { instance: { id: string } }) => instance.id),
      [own.instance],
    )
    const window = { fromMs: Date.now() + 60_000, toMs: Date.now() + 120_000, reason: "dust" }
    const announced = await ask("POST", "/v1/providers/maintenance", { body: window })
    assert.deepInclude(announced.json.data[0], { id: own.instance, maintenance: window })
    const gpu = { name: "A", memory_mib: 1024, base_price_per_hour: "0.1", region: "eu-west" }
    const made = await ask("POST", "/v1/providers/gpus", { body: gpu })
    assert.deepInclude(made.json, { is_mine: true, device_id: own.id })
    const gpuPath = `/v1/providers/gpus/${made.json.id}`

    isProblem(await ask("GET", `/v1/providers/why?device=${other.id}`), "not_found")
    isProblem(await ask("DELETE", `/v1/providers/${other.instance}`), "insufficient_role")
    isProblem(await ask("POST", "/v1/providers/maintenance", { body: { ...window, device: other.id } }), "not_found")
    isProblem(
      await ask("POST", "/v1/providers/maintenance", { body: { ...window, instance: other.instance } }),
      "not_found",
    )
    isProblem(await ask("DELETE", `/v1/providers/maintenance?instance=${other.instance}`), "not_found")
    // Misspelt, it would be about all that the device has.
    const misspelt = { ...window, instance_id: own.instance }
    isProblem(await ask("POST", "/v1/providers/maintenance", { body: misspelt }), "invalid_request")
    isProblem(await ask("DELETE", `/v1/providers/maintenance?instance_id=${own.instance}`), "invalid_request")
    isProblem(await ask("PATCH", gpuPath, { device: other.device, body: { region: "us-east" } }), "not_found")
    isProblem(await ask("DELETE", gpuPath, { device: other.device }), "not_found")

    const elsewhere = "/v1/providers/gpus?region=us-east"
    isProblem(await ask("GET", "/v1/providers/gpus?region=eu-west", { sent: elsewhere }), "invalid_signature")
    isProblem(await ask("GET", "/v1/providers/instances", { device: SampleDevice.make() }), "device_not_paired")
    sequence = 1
    isProblem(await ask("GET", "/v1/providers/instances"), "replayed_message")
    sequence = 2e12
    assert.strictEqual((await ask("DELETE", `/v1/providers/${own.instance}`)).status, 204)
    assert.lengthOf((await ask("GET", "/v1/providers/instances")).json.data, 0)
  })

  it("is replaced by one that proves itself, and then worth nothing", async () => {
    const { device, id, instance } = await join()
    const next = SampleDevice.make()
    const path = `/api/devices/${id}/key`
    const stolen = {
      public_key: next.publicKey,
      proof: device.signBytes(KeyChange.proofBytes(id, device.publicKey, next.publicKey)),
    }
    isProblem(await market.signed(device, path, stolen), "invalid_signature")
    const body = {
      public_key: next.publicKey,
      proof: next.signBytes(KeyChange.proofBytes(id, device.publicKey, next.publicKey)),
    }
    const reply = await market.signed(device, path, body)
    assert.strictEqual(reply.status, 200, reply.text)
    assert.strictEqual(reply.json.device_id, id)
    isProblem(await market.signed(device, REGISTER, registration), "key_replaced")
    const joined = await market.signed(next, REGISTER, registration)
    assert.deepStrictEqual([joined.json.device_id, joined.json.instance_id], [id, instance])
    assert.strictEqual((await market.signed(next, HEARTBEAT, beat(instance, joined.json.nonce))).status, 200)
    assert.strictEqual((await seenBy("provider", id)).fingerprint, reply.json.fingerprint)
  })

  it("is worth nothing once the member revoked the device", async () => {
    const { code, device, id, instance, nonce } = await join()
    assert.strictEqual((await market.call("DELETE", `/api/devices/${id}`, { as: "provider" })).status, 204)
    isProblem(await market.signed(device, HEARTBEAT, beat(instance, nonce)), "device_revoked")
    isProblem(await market.signed(device, REGISTER, registration), "device_revoked")
    isProblem(await market.signed(device, PAIR, { code, ...rig }), "device_revoked")
    assert.deepInclude(await seenBy("provider", id), { state: "revoked", instances: [] })
    const other = await join()
    assert.strictEqual((await market.call("DELETE", `/api/devices/${other.id}`, { as: "operator" })).status, 204)
    isProblem(await market.signed(other.device, REGISTER, registration), "device_revoked")
  })
})

describe("S6 · a beat", () => {
  it("carries what the market answered last, so none is made ahead, stolen or sent twice", async () => {
    const { device, instance, nonce } = await join()
    isProblem(await market.signed(device, HEARTBEAT, beat(instance, undefined)), "stale_nonce")
    isProblem(await market.signed(device, HEARTBEAT, beat(instance, "nonce_of_tomorrow")), "stale_nonce")
    const first = await market.signed(device, HEARTBEAT, beat(instance, nonce), { number: 9e11 })
    assert.strictEqual(first.status, 200, first.text)
    isProblem(await market.signed(device, HEARTBEAT, beat(instance, nonce), { number: 9e11 }), "replayed_message")
    for (const skewMs of [-61_000, 61_000]) {
      const issuedAtMs = Date.now() + skewMs
      const late = await market.signed(device, HEARTBEAT, beat(instance, first.json.nonce), {
        issuedAtMs,
        number: 9.1e11,
      })
      isProblem(late, "stale_message")
    }
    // What was signed for one path is nothing under the other.
    const elsewhere = device.sign({ path: "/v1/providers/heartbeat", issuedAtMs: Date.now(), sequence: 9.2e11 })
    const change = { "guildhall-signature": elsewhere.signature }
    isProblem(
      await market.signed(device, HEARTBEAT, beat(instance, first.json.nonce), { change, number: 9.2e11 }),
      "invalid_signature",
    )
    assert.strictEqual(
      (await market.signed(device, HEARTBEAT, beat(instance, first.json.nonce), { number: 9.3e11 })).status,
      200,
    )
  })

  it("is heard once more where its answer was lost", async () => {
    const { device, instance, nonce } = await join()
    const lost = await market.signed(device, HEARTBEAT, beat(instance, nonce))
    assert.strictEqual(lost.status, 200)
    const again = await market.signed(device, HEARTBEAT, beat(instance, nonce))
    assert.strictEqual(again.status, 200)
    isProblem(await market.signed(device, HEARTBEAT, beat(instance, nonce)), "stale_nonce")
    assert.strictEqual((await market.signed(device, HEARTBEAT, beat(instance, again.json.nonce))).status, 200)
  })

  it("tells one of two agents with a copied key", async () => {
    const { device, instance, nonce } = await join()
    // The copy joins on its own, which ends what the first was given.
    const copy = await market.signed(device, REGISTER, registration)
    const told = await market.signed(device, HEARTBEAT, beat(instance, nonce))
    isProblem(told, "stale_nonce")
    assert.include(told.json.detail, "copy of this device's key")
    assert.strictEqual((await market.signed(device, HEARTBEAT, beat(instance, copy.json.nonce))).status, 200)
  })
})

describe("S15 · the dashboard's names", () => {
  it("answer the registration endpoint that never was with 410, and say how to pair", async () => {
    const reply = await market.call("POST", "/api/network/register-gpu", { body: { gpu: "RTX 4090" } })
    isProblem(reply, "pair_instead")
    assert.include(reply.json.detail, "guildhall-agent pair")
    isProblem(await market.call("POST", "/api/network/register-gpu"), "pair_instead")
  })
})
