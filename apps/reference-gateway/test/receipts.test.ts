/**
 * Receipts and explanations: they hold without the market, after a restart, and not after a change.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import path from "node:path"
import * as RunningMarket from "./RunningMarket.ts"
import * as ScriptedEngine from "./ScriptedEngine.ts"

const MODEL = "scripted/engine"

let market: RunningMarket.RunningMarket
let environment: Readonly<Record<string, string>>
/** The homes of the agents. */
const homes: Array<string> = []
const cleanups: Array<() => Promise<unknown>> = []

beforeAll(async () => {
  const home = RunningMarket.makeHome()
  environment = { GUILDHALL_MARKET: RunningMarket.writeDefinition(home, RunningMarket.calm), GUILDHALL_AGENT: "off" }
  market = await RunningMarket.start({ home, environment })
  const provider = await RunningMarket.issueKey(market, { name: "provider", role: "provider" })
  const serve = async () => {
    const engine = await ScriptedEngine.start(MODEL)
    cleanups.push(engine.close)
    const agent = await RunningMarket.startAgent(market, { key: provider.secret, backend: engine.url })
    cleanups.push(() => agent.kill("SIGKILL"))
    homes.push(agent.home)
  }
  await Promise.all([serve(), serve()])
  await RunningMarket.listed(market, MODEL, 2)
}, 90_000)

afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  await market?.close()
})

interface Saved {
  readonly id: string
  readonly receipt: string
  readonly request: string
  readonly response: string
}

const file = (name: string): string => path.join(market.home, name)

const savedReceipt = (id: string): Promise<string> =>
  RunningMarket.until(`the receipt of ${id}`, async () => {
    const response = await fetch(`${market.url}/v1/receipts/${id}`, {
      headers: { authorization: `Bearer ${market.buyerKey}` },
    })
    return response.status === 200 ? await response.text() : undefined
  })

/** Asks, and saves what was sent, what came back, and the receipt as the market answered it. */
const save = async (name: string, stream: boolean): Promise<Saved> => {
  const messages = [{ role: "user", content: `tokens=4 ${name}` }]
  const body = JSON.stringify({ model: MODEL, messages, max_tokens: 100, stream })
  const response = await fetch(`${market.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${market.buyerKey}`, "content-type": "application/json" },
    body,
  })
  const answer = Buffer.from(await response.arrayBuffer())
  assert.strictEqual(response.status, 200, answer.toString())
  const id = response.headers.get("x-request-id") ?? ""
  const saved = {
    id,
    receipt: file(`${name}.receipt.json`),
    request: file(`${name}.request`),
    response: file(`${name}.response`),
  }
  writeFileSync(saved.request, body)
  writeFileSync(saved.response, answer)
  writeFileSync(saved.receipt, await savedReceipt(id))
  return saved
}

interface Verdict {
  readonly code: number | null
  readonly holds: boolean
  /** The names of the checks that were made, and of those that failed. */
  readonly checks: ReadonlyArray<string>
  readonly failed: ReadonlyArray<string>
}

const verify = async (receipt: string, ...flags: ReadonlyArray<string>): Promise<Verdict> => {
  const { code, output } = await RunningMarket.guildhall(market.home, [
    "receipt",
    "verify",
    receipt,
    "--json",
    ...flags,
  ])
  const line = output.split("\n").find((line) => line.startsWith("{"))
  if (line === undefined) throw new Error(output)
  const { holds, checks } = JSON.parse(line) as {
    holds: boolean
    checks: ReadonlyArray<{ name: string; holds: boolean }>
  }
  return {
    code,
    holds,
    checks: checks.map(({ name }) => name),
    failed: checks.filter((check) => !check.holds).map(({ name }) => name),
  }
}

interface Explained {
  readonly policy: string
  readonly attempts: ReadonlyArray<{
    readonly chosen: string | null
    readonly ranked: ReadonlyArray<{ readonly instance: string; readonly because: string }>
    readonly excluded: ReadonlyArray<{ readonly instance: string; readonly code: string; readonly because: string }>
  }>
}

const explain = async (id: string): Promise<Explained> => {
  const { status, body } = await market.call(`/v1/requests/${id}/explain`, { key: market.buyerKey })
  assert.strictEqual(status, 200, JSON.stringify(body))
  return body as Explained
}

let first: Saved
let explanation: Explained

describe("a receipt", () => {
  it("that does not exist, or is another member's, is not found", async () => {
    const nothing = await market.call(`/v1/receipts/req_${"0".repeat(32)}`, { key: market.buyerKey })
    assert.strictEqual(nothing.status, 404)
    assert.strictEqual((nothing.body as { code: string }).code, "not_found")
    const nonsense = await market.call("/v1/receipts/nonsense", { key: market.buyerKey })
    assert.strictEqual(nonsense.status, 404)
    first = await save("first", true)
    const stranger = await RunningMarket.issueKey(market, { name: "stranger", role: "buyer" })
    assert.strictEqual((await market.call(`/v1/receipts/${first.id}`, { key: stranger.secret })).status, 404)
    assert.strictEqual((await market.call(`/v1/requests/${first.id}/explain`, { key: stranger.secret })).status, 404)
    assert.strictEqual((await market.call(`/v1/requests/${first.id}`, { key: stranger.secret })).status, 404)
  })

  it("names what its device has signed, and holds against the device's own files, not against another's", async () => {
    // Who has served nothing has no log.
    await RunningMarket.until("both agents to have served", async () => {
      if (homes.every((home) => existsSync(path.join(home, "usage.log")))) return true
      await save("another", false)
      return undefined
    })
    // A receipt from before the market had heard the commitment names none.
    const saved = await save("committed", false)
    const { receipt } = JSON.parse(readFileSync(saved.receipt, "utf8"))
    assert.match(receipt.commitment, /^[0-9a-f]{64}$/, JSON.stringify(receipt))
    assert.isAtLeast(receipt.usageHead.number, 0)
    const verdicts = await Promise.all(
      homes.map((home) =>
        verify(
          saved.receipt,
          "--commitment",
          path.join(home, "commitment.json"),
          "--usage",
          path.join(home, "usage.log"),
        ),
      ),
    )
    const [own, ...others] = verdicts.toSorted((a, b) => Number(b.holds) - Number(a.holds))
    assert.deepStrictEqual([own?.code, own?.failed], [0, []])
    assert.includeMembers([...(own?.checks ?? [])], ["commitment", "usage"])
    assert.deepStrictEqual(
      others.map(({ failed }) => failed),
      [["commitment", "usage"]],
    )
  })

  it("comes with an explanation that names every candidate, and why", async () => {
    explanation = await explain(first.id)
    assert.match(explanation.policy, /LeastLoaded/)
    assert.strictEqual(explanation.attempts.length, 1)
    const [attempt] = explanation.attempts
    const candidates = new Set([
      ...(attempt?.ranked.map(({ instance }) => instance) ?? []),
      ...(attempt?.excluded.map(({ instance }) => instance) ?? []),
    ])
    assert.strictEqual(candidates.size, 2)
    assert.strictEqual(attempt?.ranked[0]?.instance, attempt?.chosen)
    for (const { because } of [...(attempt?.ranked ?? []), ...(attempt?.excluded ?? [])]) {
      assert.isAbove(because.length, 5)
    }
    const { body } = await market.call(`/v1/requests/${first.id}`, { key: market.buyerKey })
    assert.strictEqual((body as { instance: string }).instance, attempt?.chosen)
  })

  it("is explained in the same way after a restart, which also keeps the keys", async () => {
    const keysBefore = (await market.call("/.well-known/guildhall-keys.json")).body as { keys: ReadonlyArray<object> }
    await market.kill("SIGINT")
    const port = Number(new URL(market.url).port)
    market = await RunningMarket.start({ home: market.home, environment, port })
    assert.deepStrictEqual(await explain(first.id), explanation)
    const keysAfter = (await market.call("/.well-known/guildhall-keys.json")).body as { keys: ReadonlyArray<object> }
    assert.deepStrictEqual(keysAfter.keys, keysBefore.keys)
    assert.strictEqual(await savedReceipt(first.id), readFileSync(first.receipt, "utf8"))
  }, 60_000)

  it("is verified offline after the market has stopped, with what was sent and what came back", async () => {
    await RunningMarket.listed(market, MODEL, 1)
    const second = await save("second", false)
    await market.kill("SIGINT")

    const [streamed, whole] = await Promise.all([
      verify(first.receipt, "--request", first.request, "--response", first.response),
      verify(second.receipt, "--request", second.request, "--response", second.response),
    ])
    for (const { code, holds, checks, failed } of [streamed, whole]) {
      assert.deepStrictEqual(failed, [])
      assert.strictEqual(code, 0)
      assert.isTrue(holds)
      for (const name of ["inclusion", "key", "signature", "split", "charge", "request", "response"]) {
        assert.include(checks, name)
      }
    }
    const { code, output } = await RunningMarket.guildhall(market.home, ["receipt", "verify", first.receipt])
    assert.strictEqual(code, 0, output)
    assert.include(output, "The receipt holds.")
  }, 60_000)

  it("does not hold with another charge, another body or other keys", async () => {
    const text = readFileSync(first.receipt, "utf8")
    const { charge } = (JSON.parse(text) as { receipt: { charge: string } }).receipt
    const changed = file("changed.receipt.json")
    writeFileSync(changed, text.replace(`"charge":"${charge}"`, `"charge":"${BigInt(charge) - 1n}"`))
    assert.notStrictEqual(readFileSync(changed, "utf8"), text)
    const keys = file("no-keys.json")
    writeFileSync(keys, JSON.stringify({ keys: [] }))

    const [cheaper, otherRequest, otherResponse, otherKeys] = await Promise.all([
      verify(changed),
      verify(first.receipt, "--request", first.response),
      verify(first.receipt, "--response", first.request),
      verify(first.receipt, "--keys", keys),
    ])
    assert.include(cheaper.failed, "inclusion")
    assert.deepStrictEqual(otherRequest.failed, ["request"])
    assert.deepStrictEqual(otherResponse.failed, ["response"])
    assert.include(otherKeys.failed, "key")
    for (const { code, holds } of [cheaper, otherRequest, otherResponse, otherKeys]) {
      assert.isFalse(holds)
      assert.notStrictEqual(code, 0)
    }
    const nothing = await RunningMarket.guildhall(market.home, ["receipt", "verify", file("not-there.json")])
    assert.notStrictEqual(nothing.code, 0)
    assert.include(nothing.output, "is not there")
  }, 60_000)
})
