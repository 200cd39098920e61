/**
 * Entry verification on a whole market: an honest agent gets requests once it passed, one that lies gets none and is told what
 * is wrong, and a gateway that is killed in the middle takes the checks on where it was.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { Outcome } from "@guildhall/core/EntryVerification"
import type { EntryView } from "@guildhall/protocol/api/EntriesApi"
import * as LyingAgent from "./LyingAgent.ts"
import * as RunningMarket from "./RunningMarket.ts"
import * as ScriptedEngine from "./ScriptedEngine.ts"

const entry = {
  checks: ["resolve", "reach", "tls", "device_key", "model", "completion", "streaming", "context", "concurrency"],
  recheckMs: 3_600_000,
  promptTokensMax: 2_048,
  parallelMax: 4,
} as const

let market: RunningMarket.RunningMarket
let provider: { readonly member: string; readonly secret: string }
const home = RunningMarket.makeHome()
let environment: Readonly<Record<string, string>>
const cleanups: Array<() => Promise<unknown>> = []

const view = async (id: string, key = provider.secret): Promise<EntryView | undefined> => {
  const { body, status } = await market.call(`/v1/providers/${id}/entry`, { key })
  return status === 200 ? (body as EntryView) : undefined
}

const concluded = (id: string): Promise<EntryView> =>
  RunningMarket.until(
    `the checks of ${id}`,
    async () => {
      const found = await view(id)
      return found !== undefined && found.state !== "pending" ? found : undefined
    },
    40_000,
  )

const failures = ({ checks }: EntryView): ReadonlyArray<Outcome> =>
  checks.filter(({ state }) => state === "failed" || state === "not_checked")

const lying = async (lies: LyingAgent.Lies, serves: object = {}) => {
  const agent = await LyingAgent.start(lies, serves)
  cleanups.push(agent.close)
  return agent
}

beforeAll(async () => {
  const definition = RunningMarket.writeDefinition(home, { ...RunningMarket.calm, entry })
  environment = { GUILDHALL_MARKET: definition, GUILDHALL_AGENT: "off" }
  market = await RunningMarket.start({ home, environment })
  provider = await RunningMarket.issueKey(market, { name: "entry", role: "provider" })
}, 90_000)

afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  await market.close()
})

describe("entry verification", () => {
  it("lets a device that does what it says in, and shows each check", async () => {
    const agent = await lying({})
    const id = await agent.register(market, provider.secret)
    const found = await concluded(id)
    assert.deepStrictEqual(failures(found), [])
    assert.strictEqual(found.state, "passed")
    assert.isTrue(found.isAttested)
    assert.deepStrictEqual(
      found.checks.map(({ check }) => check),
      [...entry.checks],
    )
    assert.strictEqual(found.checks.find(({ check }) => check === "tls")?.state, "does_not_apply")
    assert.isUndefined(found.nextAtMs)
    // One for each of: a token, a stream, two prompts, four at a time. Each came with a ticket, as a buyer's does.
    assert.strictEqual(agent.seen.tickets, 8)
    await RunningMarket.listed(market, "org/model", 1)
    const answer = await market
      .client()
      .chat.completions.create({ model: "org/model", messages: [{ role: "user", content: "hello" }], max_tokens: 2 })
    assert.strictEqual(answer.usage?.completion_tokens, 2)
  }, 60_000)

  it("lets an agent of ours in", async () => {
    const engine = await ScriptedEngine.start("org/scripted", "read=40")
    cleanups.push(engine.close)
    const agent = await RunningMarket.startAgent(market, {
      key: provider.secret,
      backend: engine.url,
      flags: ["--context", "64", "--concurrency", "2"],
    })
    cleanups.push(() => agent.kill("SIGKILL"))
    const id = await RunningMarket.until("the agent's instance", () => /ins_[0-9a-f]{32}/.exec(agent.output())?.[0])
    const found = await concluded(id)
    // A server that is asked over HTTP does not tell its weights: all else is in order.
    assert.deepStrictEqual(
      failures(found).map(({ check, code }) => [check, code]),
      [["model", "entry_model_unknown"]],
    )
    assert.isTrue(found.isAttested)
  }, 60_000)

  it.each([
    ["has another key", { otherKey: true }, {}, ["device_key", "entry_wrong_key"], /another key|has the key/i],
    ["cannot stream", { gathers: true }, {}, ["streaming", "entry_no_stream"], /showed nothing for \d+ ms/],
    ["has a shorter context", { words: 200 }, {}, ["context", "entry_context_short"], /The context is 200 tokens/],
    [
      "turns requests away",
      { atATime: { most: 2, afterwards: "refuse" } },
      {},
      ["concurrency", "entry_concurrency_low"],
      /declared 4/,
    ],
    [
      "answers one after the other",
      { atATime: { most: 1, afterwards: "wait" } },
      {},
      ["concurrency", "entry_concurrency_low"],
      /one after the other/,
    ],
    [
      "serves another precision",
      {},
      { quantization: "int4" },
      ["model", "entry_model_differs"],
      /commits to int4, and declared bf16/,
    ],
  ] as const)(
    "keeps out a device that %s",
    async (_, lies, serves, [check, code], words) => {
      const model = `org/${check}-${code}`
      const liar = await lying(lies, { model, quantization: "bf16", ...serves })
      const changes = { model, quantization: "bf16" }
      const id = await liar.register(market, provider.secret, changes)
      const found = await concluded(id)
      assert.strictEqual(found.state, "failed")
      const wrong = failures(found).find((one) => one.check === check)
      assert.strictEqual(wrong?.code, code, JSON.stringify(found.checks))
      assert.match(wrong?.detail ?? "", words)
      assert.isAbove(wrong?.fix?.length ?? 0, 10)
      assert.isNumber(found.nextAtMs)
      const before = liar.seen.tickets
      const refused = await market
        .client()
        .chat.completions.create({ model, messages: [{ role: "user", content: "hello" }] })
        .catch((error: unknown) => error)
      assert.include(String(refused), "503")
      assert.isAtMost(liar.seen.tickets - before, entry.parallelMax + 4)
    },
    60_000,
  )

  it("goes on where it was after kill -9 of the gateway in the middle, and asks nothing twice", async () => {
    const agent = await lying({ hangsAt: 3 }, { model: "org/survivor" })
    const id = await agent.register(market, provider.secret, { model: "org/survivor" })
    const before = await RunningMarket.until("the third ticket", async () => {
      const found = await view(id)
      return agent.seen.tickets >= 3 && found?.running.at(-1)?.check === "streaming" ? found : undefined
    })
    assert.strictEqual(before.state, "pending")
    const port = Number(new URL(market.url).port)
    await market.kill("SIGKILL")
    market = await RunningMarket.start({ home, port, environment })
    const found = await concluded(id)
    assert.strictEqual(found.state, "passed", JSON.stringify(found.checks))
    assert.deepStrictEqual(found.checks.slice(0, before.running.length), [...before.running])
    // Eight as ever, and the one that was not answered once more.
    assert.strictEqual(agent.seen.tickets, 9)
    // It does not beat, so it is offline by now; registering again, unchanged, is a sign of life and no reason for new checks.
    await agent.register(market, provider.secret, { model: "org/survivor" })
    await RunningMarket.listed(market, "org/survivor", 1)
    const answer = await market
      .client()
      .chat.completions.create({ model: "org/survivor", messages: [{ role: "user", content: "hello" }], max_tokens: 1 })
      .catch((error: unknown) => assert.fail(`${String(error)}\n${market.output()}`))
    assert.strictEqual(answer.usage?.completion_tokens, 1)
  }, 90_000)

  it("checks a device anew that moved to another address, and lets it serve again once it passed", async () => {
    const agent = await lying({}, { model: "org/mover" })
    const id = await agent.register(market, provider.secret, { model: "org/mover" })
    const first = await concluded(id)
    assert.strictEqual(first.state, "passed")
    // At the new address is somebody else, who answers whatever is asked.
    const stranger = createServer((_request, response) => void response.end("hello")).listen(0, "127.0.0.1")
    cleanups.push(async () => stranger.close())
    await once(stranger, "listening")
    const endpoint_url = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`
    await agent.register(market, provider.secret, { model: "org/mover", endpoint_url })
    // One that had passed is asked twice more, with pauses between.
    const failed = async () => {
      const found = await view(id)
      return found?.state === "failed" ? found : undefined
    }
    const moved = await RunningMarket.until("the failure", failed, 45_000)
    assert.include(
      failures(moved).map(({ check }) => check),
      "device_key",
    )
    await agent.register(market, provider.secret, { model: "org/mover" })
    await RunningMarket.until("the second pass", async () => ((await view(id))?.state === "passed" ? true : undefined))
    await RunningMarket.listed(market, "org/mover", 1)
  }, 60_000)

  it("shows nothing of it to others", async () => {
    const agent = await lying({})
    const id = await agent.register(market, provider.secret, { model: "org/private" })
    const other = await RunningMarket.issueKey(market, { name: "other", role: "provider" })
    assert.isUndefined(await view(id, other.secret))
    assert.isDefined(await concluded(id))
    assert.isDefined(await view(id, market.operatorKey))
  }, 60_000)
})
