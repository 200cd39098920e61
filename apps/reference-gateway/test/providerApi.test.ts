/**
 * `docs/provider-api.md`, run as it stands: a plain server joins with the published body and an API key, serves the `openai` client,
 * is paid as an unattested provider, sees what is asked for, and leaves.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import path from "node:path"
import { fileURLToPath } from "node:url"
import * as RunningMarket from "./RunningMarket.ts"

const MODEL = "qwen/qwen3.5-9b"
const DOCS = fileURLToPath(new URL("../../../docs/provider-api.md", import.meta.url))

/** A server that speaks OpenAI's API and knows nothing of markets: no `/healthz`, no proof of a key. */
const plainServer = async (): Promise<{ readonly server: Server; readonly url: string }> => {
  const server = createServer((request, response) => {
    request.resume()
    if (request.url === "/v1/models") {
      return void response.writeHead(200, { "content-type": "application/json" }).end('{"object":"list","data":[]}')
    }
    if (request.url !== "/v1/chat/completions") return void response.writeHead(404).end()
    request.on("end", () =>
      response.writeHead(200, { "content-type": "application/json" }).end(
        JSON.stringify({
          id: "chatcmpl-1",
          object: "chat.completion",
          created: 1,
          model: MODEL,
          choices: [{ index: 0, message: { role: "assistant", content: "Hello." }, finish_reason: "stop" }],
          usage: { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 },
        }),
      ),
    )
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` }
}

let market: RunningMarket.RunningMarket
let plain: Awaited<ReturnType<typeof plainServer>>
let provider: Awaited<ReturnType<typeof RunningMarket.issueKey>>
let buyer: Awaited<ReturnType<typeof RunningMarket.issueKey>>
let instance = ""

beforeAll(async () => {
  plain = await plainServer()
  const home = RunningMarket.makeHome()
  RunningMarket.writeDefinition(home, {
    heartbeat: { intervalMs: 500, missesMax: 2, checkMs: 500 },
    entry: { checks: ["reach", "device_key"], recheckMs: 86_400_000, promptTokensMax: 4_096, parallelMax: 4 },
  })
  market = await RunningMarket.start({
    home,
    environment: { GUILDHALL_MARKET: path.join(home, "market.json"), GUILDHALL_AGENT: "off" },
  })
  provider = await RunningMarket.issueKey(market, { name: "provider", role: "provider" })
  buyer = await RunningMarket.issueKey(market, { name: "buyer", role: "buyer" })
  await market.call("/v1/operator/top-ups", { body: { member: buyer.member, amount: "5", idempotencyKey: "first" } })
}, 90_000)

afterAll(async () => {
  await market?.close()
  plain?.server.close()
})

/** The shell blocks of the page, in their order, by what they call. */
const blocks = [...readFileSync(DOCS, "utf8").matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block = ""]) =>
  block.includes("curl") ? [block] : [],
)

/** Runs a block of the page as it stands, but for the addresses of this test. */
const run = (mark: string): { readonly [key: string]: unknown } => {
  const block = blocks.find((one) => one.includes(mark))
  if (block === undefined) throw new Error(`docs/provider-api.md has no block with ${mark}.`)
  const text = block.replace("http://127.0.0.1:9000/v1", plain.url).replaceAll("curl ", "curl -sS ")
  const env = {
    ...process.env,
    MARKET: market.url,
    GUILDHALL_PROVIDER_KEY: provider.secret,
    INSTANCE: instance,
  }
  const output = execFileSync("sh", ["-euc", text], { env, encoding: "utf8", timeout: 10_000 })
  return output === "" ? {} : (JSON.parse(output) as { readonly [key: string]: unknown })
}

describe("V2, V3, V5, V11 · docs/provider-api.md", () => {
  it("has a block for each call, and this test runs all of them", () => {
    assert.lengthOf(blocks, 7)
  })

  it("V2, V3 · joins with the published body and an API key, and passes the checks by probe alone", async () => {
    const joined = run("/v1/providers/register")
    assert.strictEqual(joined["unattested"], true, JSON.stringify(joined))
    instance = String(joined["instance_id"])
    const passed = await RunningMarket.until("its checks", () => {
      const entry = run("/entry")
      return entry["state"] === "passed" ? entry : undefined
    })
    assert.strictEqual(passed["isAttested"], false)
    assert.include(JSON.stringify(passed["checks"]), "known by its probes alone")
  })

  it("V2 · serves a buyer, and the receipt says that nobody attested it", async () => {
    await RunningMarket.until("the model", async () => {
      const { body } = await market.call("/v1/models", { key: buyer.secret })
      return JSON.stringify(body).includes(`"instances_online":1`) ? true : undefined
    })
    const answer = await market.client(buyer.secret).chat.completions.create({
      model: MODEL,
      messages: [{ role: "user", content: "Say hello" }],
    })
    assert.strictEqual(answer.choices[0]?.message.content, "Hello.")
    const receipt = await RunningMarket.until("the receipt", async () => {
      const { body } = await market.call("/v1/requests?limit=1", { key: buyer.secret })
      const [request] = (body as { data: ReadonlyArray<{ id: string }> }).data
      if (request === undefined) return undefined
      const found = await market.call(`/v1/receipts/${request.id}`, { key: buyer.secret })
      return found.status === 200 ? JSON.stringify(found.body) : undefined
    })
    assert.include(receipt, `"unattested":true`)
  })

  it("V11, V12 · sees what is asked for, and what to ask for it", async () => {
    const model = await RunningMarket.until(
      "the demand",
      () => {
        const { data } = run("/v1/providers/demand") as { data: ReadonlyArray<Record<string, unknown>> }
        const found = data.find((one) => one["model"] === MODEL)
        return found?.["requests_24h"] === 1 ? found : undefined
      },
      20_000,
    )
    assert.deepInclude(model, {
      providers_online: 1,
      instances_online: 1,
      refused_no_capacity_24h: 0,
      input_price_per_million: { min: 100, median: 100, max: 100 },
      suggested_output_price_per_million: 200,
    })
  }, 30_000)

  it("V5 · turns its rails, of which the market has one", () => {
    assert.deepInclude(run(`"$MARKET/v1/settings/provider/rails" -H`), { accepts_stripe: true, accepts_tempo: false })
    assert.strictEqual(run("-X PATCH")["accepts_stripe"], true)
  })

  it("V2 · drains by a beat under the key, and leaves", async () => {
    const { instances } = run("/v1/providers/heartbeat") as { instances: ReadonlyArray<Record<string, unknown>> }
    assert.deepInclude(instances[0], { instance_id: instance, state: "draining" })
    run("-X DELETE")
    await RunningMarket.until("nobody", async () => {
      const { body } = await market.call("/v1/operator/instances")
      return (body as { data: ReadonlyArray<unknown> }).data.length === 0 ? true : undefined
    })
  })
})
