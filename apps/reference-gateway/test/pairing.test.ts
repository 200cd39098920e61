/**
 * From a machine that nobody knows to paid tokens and back, over two gateway processes: pair, approve, register by the device's
 * signature, serve, revoke.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import path from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import * as PairedAgent from "./PairedAgent.ts"
import * as RunningMarket from "./RunningMarket.ts"
import * as ScriptedEngine from "./ScriptedEngine.ts"

const MODEL = "scripted/paired"

let market: RunningMarket.RunningMarket
let engine: ScriptedEngine.ScriptedEngine
let provider: { readonly secret: string }
const kills: Array<() => Promise<unknown>> = []

beforeAll(async () => {
  const home = RunningMarket.makeHome()
  const environment = {
    GUILDHALL_MARKET: RunningMarket.writeDefinition(home, RunningMarket.calm),
    GUILDHALL_AGENT: "off",
  }
  market = await RunningMarket.start({ home, environment, args: ["--workers", "2"] })
  engine = await ScriptedEngine.start(MODEL)
  provider = await RunningMarket.issueKey(market, { name: "home", role: "provider" })
}, 90_000)
afterAll(async () => {
  for (const kill of kills.splice(0)) await kill()
  await engine.close()
  await market.close()
}, 30_000)

const devices = () => PairedAgent.devices(market, provider.secret)

const startAgentCommand = (home: string, ...words: ReadonlyArray<string>) => {
  const command = PairedAgent.start(market, home, ...words)
  kills.push(async () => command.kill())
  return command
}

const startPair = (home: string, code: string) => startAgentCommand(home, "pair", code)

const makeCode = () => PairedAgent.makeCode(market, provider.secret)

/** Asks over a connection of its own, so that both gateway processes are asked. */
const ask = async (): Promise<number> => {
  const response = await fetch(`${market.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${market.buyerKey}`, "content-type": "application/json", connection: "close" },
    body: JSON.stringify({ model: MODEL, messages: [{ role: "user", content: "tokens=2" }], max_tokens: 5 }),
  })
  await response.text()
  return response.status
}

describe("S1 · a machine is paired", () => {
  const home = () => path.join(market.home, "paired")

  it("joins by its signature alone, serves the openai client, and is asked nothing once it is revoked", async () => {
    const { code } = await makeCode()
    const pairing = startPair(home(), code)
    const waiting = await PairedAgent.waiting(market, provider.secret)
    const approved = await market.call(`/api/devices/${waiting.id}/approve`, { key: provider.secret, method: "POST" })
    assert.strictEqual(approved.status, 200)
    assert.strictEqual(await pairing.ended, 0, pairing.output())
    const [told, last] = pairing.lines()
    assert.deepInclude(told, { event: "waiting", device_id: waiting.id, fingerprint: waiting.fingerprint })
    assert.deepInclude(last, { event: "approved", device_id: waiting.id })

    const agent = await RunningMarket.startAgent(market, { key: "", backend: engine.url, home: home() })
    kills.push(() => agent.kill("SIGKILL"))
    await RunningMarket.until("the agent serves", () => (agent.output().includes("Serving") ? true : undefined))
    await RunningMarket.listed(market, MODEL, 1)
    const answer = await market.client().chat.completions.create({
      model: MODEL,
      messages: [{ role: "user", content: "tokens=3" }],
      max_tokens: 10,
    })
    assert.strictEqual(answer.choices[0]?.message.content, "word0 word1 word2 ")
    assert.lengthOf((await devices()).find(({ id }) => id === waiting.id)?.instances ?? [], 1)

    // Nothing of value lies on the device: its own key, where the market is, and what it served.
    for (const name of readdirSync(home())) {
      const file = path.join(home(), name)
      assert.strictEqual(statSync(file).mode & 0o077, 0, `${name} is open to others`)
      if (statSync(file).isFile()) assert.notMatch(readFileSync(file, "utf8"), /sk-[A-Za-z0-9_-]{43}/, name)
    }
    assert.include(readFileSync(path.join(home(), "device-key.json"), "utf8"), '"privateKey"')

    // Each gateway of the market hears of the instance by itself, a moment sooner or later.
    await RunningMarket.until("every gateway asks it", async () => {
      const answers = await Promise.all(Array.from({ length: 8 }, ask))
      return answers.every((status) => status === 200) ? true : undefined
    })
    const revoked = await market.call(`/api/devices/${waiting.id}`, { key: provider.secret, method: "DELETE" })
    assert.strictEqual(revoked.status, 204)
    await pause(1_000)
    const { seen } = engine.counts
    const after = await Promise.all(Array.from({ length: 12 }, ask))
    assert.notInclude(after, 200)
    assert.strictEqual(engine.counts.seen, seen, "a gateway still asked the revoked device")
    await RunningMarket.until("the agent is told", () => (agent.output().includes("device_revoked") ? true : undefined))
  }, 120_000)

  it("goes on as the same device with another key, also where the change was cut off", async () => {
    const home = path.join(market.home, "rotated")
    const pairing = startPair(home, (await makeCode()).longCode)
    const waiting = await PairedAgent.waiting(market, provider.secret)
    await market.call(`/api/devices/${waiting.id}/approve`, { key: provider.secret, method: "POST" })
    assert.strictEqual(await pairing.ended, 0, pairing.output())
    const file = path.join(home, "device-key.json")
    const [first, rotation] = [readFileSync(file), startAgentCommand(home, "rotate-key")]
    assert.strictEqual(await rotation.ended, 0, rotation.output())
    const fingerprint = rotation.lines()[0]?.["fingerprint"]
    assert.isString(fingerprint)
    assert.notStrictEqual(fingerprint, waiting.fingerprint)
    const device = async () => (await devices()).find(({ id }) => id === waiting.id)
    assert.strictEqual((await device())?.fingerprint, fingerprint)
    assert.notInclude(readdirSync(home).join(), "next")
    // As if it had been killed after the market heard it.
    const second = readFileSync(file)
    writeFileSync(path.join(home, "device-key.next.json"), second, { mode: 0o600 })
    writeFileSync(file, first, { mode: 0o600 })
    const again = startAgentCommand(home, "rotate-key")
    assert.strictEqual(await again.ended, 0, again.output())
    assert.deepStrictEqual(readFileSync(file), second)
    const more = startAgentCommand(home, "rotate-key")
    assert.strictEqual(await more.ended, 0, more.output())
    assert.strictEqual((await device())?.fingerprint, more.lines()[0]?.["fingerprint"])
    assert.strictEqual(statSync(file).mode & 0o077, 0)
    writeFileSync(file, first, { mode: 0o600 })
    const stolen = startAgentCommand(home, "rotate-key")
    assert.strictEqual(await stolen.ended, 2, stolen.output())
    assert.deepInclude(stolen.lines().at(-1), { event: "failed", code: "key_replaced" })
  }, 60_000)

  it("ends with an exit code that says why: no code 2, a wrong one 3, a refusal 4", async () => {
    const wrong = startPair(path.join(market.home, "wrong"), "12345")
    assert.strictEqual(await wrong.ended, 2, wrong.output())
    const { code, longCode } = await makeCode()
    const guess = startPair(path.join(market.home, "guess"), `${(Number(code) + 1) % 1_000_000}`.padStart(6, "0"))
    assert.strictEqual(await guess.ended, 3, guess.output())
    assert.deepInclude(guess.lines().at(-1), { event: "failed", code: "invalid_pairing_code" })
    const refused = startPair(path.join(market.home, "refused"), longCode)
    const waiting = await PairedAgent.waiting(market, provider.secret)
    await market.call(`/api/devices/${waiting.id}/refuse`, { key: provider.secret, method: "POST" })
    assert.strictEqual(await refused.ended, 4, refused.output())
  }, 60_000)
})
