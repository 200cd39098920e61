/**
 * What devices sign of themselves, as it comes with their beats: what they serve, how far their logs go, whose wallet they
 * are. Whoever says two things is found out, with a proof that anyone can check.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { DeviceId } from "@guildhall/core/Device"
import { Reason } from "@guildhall/core"
import { Journal, type JournalEntry } from "@guildhall/journal"
import * as EvmKey from "@guildhall/protocol/evm/EvmKey"
import { UsageReport } from "@guildhall/protocol/provider/UsageLog"
import * as WalletBinding from "@guildhall/protocol/provider/WalletBinding"
import * as Attestations from "@guildhall/registry/Attestations"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import * as SampleLog from "@guildhall/registry/testing/SampleLog"
import * as Equivocation from "@guildhall/verification/Equivocation"
import * as TestControl from "./TestControl.ts"
import { registration } from "./TestControl.ts"

const REGISTER = "/v1/providers/register"
const HEARTBEAT = "/api/devices/heartbeat"

const noted: Array<JournalEntry.JournalEntry> = []
const journal = Layer.effect(
  Journal.Journal,
  Effect.map(Journal.Journal, (inner) =>
    Journal.Journal.of({
      ...inner,
      append: (entries, position) =>
        Effect.andThen(
          Effect.sync(() => noted.push(...entries)),
          inner.append(entries, position),
        ),
    }),
  ),
).pipe(Layer.provide(Journal.layerMemory))

let market: TestControl.TestControl
beforeAll(async () => {
  market = await TestControl.start({ definition: { wallets: { chainId: 800_000 } }, journal })
})
afterAll(() => market.close())

const isProblem = (reply: TestControl.Reply, code: Reason.ReasonCode) =>
  assert.deepStrictEqual(
    { status: reply.status, code: reply.json?.code },
    { status: Reason.describe(code).status, code },
    reply.text,
  )

const encodeReport = Schema.encodeSync(UsageReport)
type Lines = ReturnType<typeof SampleLog.lines>

/** A device on the market; `beat` sends what a test says and answers what the market said. */
const join = async () => {
  const device = SampleDevice.make()
  const joined = await market.signed(device, REGISTER, registration, { as: "provider" })
  assert.strictEqual(joined.status, 200, joined.text)
  const id = DeviceId.make(joined.json.device_id)
  let nonce: string = joined.json.nonce
  const send = async (more: object) => {
    const instances = [{ instance_id: joined.json.instance_id, state: "serving", in_flight: 0 }]
    const reply = await market.signed(device, HEARTBEAT, { nonce, instances, ...more })
    if (reply.json?.nonce !== undefined) nonce = reply.json.nonce
    return reply
  }
  const beat = async (more: object = {}) => {
    const reply = await send(more)
    assert.strictEqual(reply.status, 200, reply.text)
    return reply.json
  }
  const report = (lines: Lines, at = lines.at(-1) ?? SampleLog.START) =>
    beat({ usage: encodeReport({ lines: [...lines], head: SampleLog.head(device, at) }) })
  const seen = async () => {
    const { json } = await market.call("GET", "/api/devices", { as: "provider" })
    return json.data.find((one: { id: string }) => one.id === id)
  }
  return { device, id, send, beat, report, seen }
}

const evidenceOf = (id: DeviceId) =>
  noted.filter((entry) => entry._tag === "DeviceEquivocated").filter(({ deviceId }) => deviceId === id)

describe("S6 · a beat", () => {
  it("is refused where it carries another device's nonce, or was signed by another key", async () => {
    const [one, other] = [await join(), await join()]
    const { nonce } = await other.beat()
    const stolen = await market.signed(one.device, HEARTBEAT, { nonce, instances: [] })
    isProblem(stolen, "stale_nonce")
    const change = { "guildhall-device": other.device.publicKey }
    isProblem(await market.signed(one.device, HEARTBEAT, { nonce, instances: [] }, { change }), "invalid_signature")
  })

  it("that comes after one that was sent later is refused", async () => {
    const { beat, device } = await join()
    const { nonce } = await beat()
    const body = { nonce, instances: [] }
    const later = await market.signed(device, HEARTBEAT, body, { number: 8e11 })
    assert.strictEqual(later.status, 200, later.text)
    isProblem(await market.signed(device, HEARTBEAT, body, { number: 8e11 - 1 }), "replayed_message")
  })

  it("tells load, queue, temperature, memory and versions to the operator too", async () => {
    const { beat, id } = await join()
    const told = {
      queue: 3,
      load_percent: 97,
      temperature_celsius: 71,
      vram_used_mib: 20_000,
      versions: { agent: "1" },
    }
    await beat(told)
    const { json } = await market.call("GET", "/v1/operator/instances", { as: "operator" })
    const row = json.data.find((one: { instance: { deviceId: string } }) => one.instance.deviceId === id)
    assert.deepStrictEqual(row.status, {
      queue: 3,
      loadPercent: 97,
      temperatureCelsius: 71,
      vramUsedMib: 20_000,
      versions: { agent: "1" },
    })
  })
})

describe("a commitment", () => {
  it("is held, told back, and taken from the device's own key alone", async () => {
    const { beat, device, send } = await join()
    assert.deepStrictEqual((await beat()).attested, {})
    const first = SampleLog.commitment(device, 1)
    const answer = await beat({ commitment: first })
    assert.deepStrictEqual(answer.attested, { commitment: { number: 1, digest: Attestations.digest(first) } })
    isProblem(await send({ commitment: SampleLog.commitment(SampleDevice.make(), 2) }), "invalid_signature")
    const forged = { ...SampleLog.commitment(device, 2), number: 3 }
    isProblem(await send({ commitment: forged }), "invalid_signature")
    const joined = await market.signed(device, REGISTER, registration, { as: "provider" })
    assert.deepStrictEqual(joined.json.attested, answer.attested)
  })

  it("that contradicts another is noted with both signatures, once", async () => {
    const { beat, device, id, seen } = await join()
    await beat({ commitment: SampleLog.commitment(device, 1) })
    assert.isNull((await seen()).equivocatedAtMs)
    const answer = await beat({ commitment: SampleLog.commitment(device, 1, "org/other") })
    assert.strictEqual(answer.attested.commitment.digest, Attestations.digest(SampleLog.commitment(device, 1)))
    await beat({ commitment: SampleLog.commitment(device, 1, "org/third") })
    const evidence = evidenceOf(id)
    assert.strictEqual(new Set(evidence.map((entry) => entry.id)).size, 1)
    const [entry] = evidence
    if (entry === undefined) return assert.fail("nothing was noted")
    assert.strictEqual(entry.reason, "commitment_forked")
    assert.strictEqual(Equivocation.verify(entry)._tag, "Proved")
    assert.isNumber((await seen()).equivocatedAtMs)
  })
})

describe("the head of a usage log", () => {
  it("is held with each beat, and told back", async () => {
    const { device, report } = await join()
    const empty = await report([])
    assert.deepInclude(empty.attested.usage_head, { device: device.publicKey, number: 0 })
    const lines = SampleLog.lines(5)
    const answer = await report(lines)
    assert.deepInclude(answer.attested.usage_head, { number: 5, hash: lines[4]?.hash })
  })

  it("that forks after an old copy of the home was restored is refused, and both heads are noted", async () => {
    const { id, report, seen } = await join()
    const lines = SampleLog.lines(8)
    await report(lines.slice(0, 4))
    await report(lines.slice(4))
    assert.deepStrictEqual(evidenceOf(id), [])
    // The home of after the fourth line comes back, serves other requests, and signs under the same numbers.
    const forked = SampleLog.lines(6, lines[3], 9)
    const answer = await report(forked)
    assert.deepStrictEqual(
      answer.refused.map(({ code }: { code: string }) => code),
      forked.map(() => "usage_log_forked"),
    )
    assert.strictEqual(answer.attested.usage_head.number, 8)
    const [entry] = evidenceOf(id)
    if (entry === undefined) return assert.fail("nothing was noted")
    assert.strictEqual(entry.reason, "usage_log_forked")
    assert.strictEqual(entry.chain.length, 2)
    assert.deepStrictEqual(Equivocation.verify(entry), {
      _tag: "Proved",
      what: "Two different lines are signed under the number 8.",
    })
    // Nothing of it may be changed.
    const other = { ...entry.latter, text: entry.latter.text.replace('"number":10', '"number":11') }
    for (const changed of [
      { ...entry, latter: other },
      { ...entry, chain: entry.chain.slice(1) },
      { ...entry, chain: entry.chain.toReversed() },
      { ...entry, chain: entry.chain.map((text) => text.replace("completed", "failed")) },
      { ...entry, latter: entry.former, chain: [] },
      { ...entry, former: { ...entry.former, publicKey: SampleDevice.make().publicKey } },
    ]) {
      assert.strictEqual(Equivocation.verify(changed)._tag, "Refuted")
    }
    assert.isNumber((await seen()).equivocatedAtMs)
    // A log that goes on from what is held is heard as before.
    assert.deepStrictEqual((await report(SampleLog.lines(1, lines[7]))).attested.usage_head.number, 9)
  })

  it("that is older than what is held acknowledges nothing and refuses nothing: the device goes on from there", async () => {
    const { id, report } = await join()
    const lines = SampleLog.lines(6)
    await report(lines)
    const answer = await report(lines.slice(0, 3))
    assert.deepStrictEqual([answer.acknowledged, answer.refused], [0, []])
    assert.strictEqual(answer.attested.usage_head.number, 6)
    assert.deepStrictEqual(evidenceOf(id), [])
  })

  it("with a line that was changed is no log, and no proof of anything", async () => {
    const { id, report } = await join()
    const lines = SampleLog.lines(3)
    const [first, second, third] = lines
    if (first === undefined || second === undefined || third === undefined) return assert.fail("there are three")
    const changed = [first, { ...second, usage: { outputToken: 9 } }, third]
    const answer = await report(changed)
    assert.strictEqual(answer.refused[0]?.code, "invalid_claim")
    assert.deepStrictEqual(answer.attested, {})
    assert.deepStrictEqual(evidenceOf(id), [])
  })
})

describe("a wallet", () => {
  const key = Uint8Array.from({ length: 32 }, () => 7)
  const bindingOf = (device: SampleDevice.SampleDevice, changes: Partial<WalletBinding.Statement> = {}) => {
    const statement = {
      market: "local",
      chain_id: 800_000,
      device: device.publicKey,
      wallet: EvmKey.addressOf(key),
      issued_at_ms: Date.now(),
      nonce: `0x${"5".repeat(64)}`,
      ...changes,
    }
    const digest = WalletBinding.digest(statement) ?? assert.fail("it has a digest")
    return {
      ...statement,
      wallet_signature: EvmKey.sign(key, digest),
      device_signature: device.signBytes(WalletBinding.deviceBytes(statement, digest)),
    }
  }
  const nameOf = async () => (await market.call("GET", "/v1/market")).json.name as string

  it("is bound by both signatures, once, and shown on the device", async () => {
    const { device, id, seen } = await join()
    const path = `/api/devices/${id}/wallet`
    const binding = bindingOf(device, { market: await nameOf() })
    assert.isNull((await seen()).wallet)
    const reply = await market.signed(device, path, binding)
    assert.strictEqual(reply.status, 200, reply.text)
    assert.deepInclude(reply.json, { device_id: id, wallet: EvmKey.addressOf(key) })
    assert.deepInclude((await seen()).wallet, { address: EvmKey.addressOf(key), byCurrentKey: true })
    const again = await market.signed(device, path, binding)
    isProblem(again, "invalid_wallet_binding")
    assert.include(again.json.detail, "replayed")
    const acts = noted.flatMap((entry) => (entry._tag === "OperatorActed" ? [entry] : []))
    assert.isTrue(acts.some(({ act, subject }) => act === "device.wallet_bound" && subject.startsWith(id)))
  })

  it("of another market, chain, device or signer is refused with the reason", async () => {
    const [one, other] = [await join(), await join()]
    const path = `/api/devices/${one.id}/wallet`
    const name = await nameOf()
    const good = bindingOf(one.device, { market: name })
    const cases: ReadonlyArray<readonly [string, WalletBinding.WalletBinding]> = [
      ["other_market", bindingOf(one.device, { market: "elsewhere" })],
      ["other_chain", bindingOf(one.device, { market: name, chain_id: 1 })],
      ["other_device", bindingOf(other.device, { market: name })],
      ["expired", bindingOf(one.device, { market: name, issued_at_ms: Date.now() - 3_700_000 })],
      ["malformed_signature", { ...good, wallet_signature: good.device_signature }],
      ["device_signature", { ...good, device_signature: bindingOf(other.device, { market: name }).device_signature }],
    ]
    for (const [reason, binding] of cases) {
      const reply = await market.signed(one.device, path, binding)
      isProblem(reply, "invalid_wallet_binding")
      assert.include(reply.json.detail, reason)
    }
    isProblem(await market.signed(other.device, path, good), "insufficient_role")
    assert.isNull((await one.seen()).wallet)
  })
})
