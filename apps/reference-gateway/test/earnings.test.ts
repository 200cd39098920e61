/**
 * What a provider earned and is warned of, in a market of real processes: the sums are those of the receipts, and a warning comes
 * by its webhook, signed, by e-mail, and with the heartbeat of its agent.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { createServer, type IncomingHttpHeaders } from "node:http"
import type { AddressInfo } from "node:net"
import { SMTPServer } from "smtp-server"
import * as RunningMarket from "./RunningMarket.ts"
import * as ScriptedEngine from "./ScriptedEngine.ts"

const MODEL = "scripted/earner"

let market: RunningMarket.RunningMarket
let providerKey: string
const cleanups: Array<() => Promise<unknown>> = []
const calls: Array<{ readonly headers: IncomingHttpHeaders; readonly body: string }> = []

const get = async (path: string, key?: string) => {
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` }
  const response = await fetch(market.url + path, { headers })
  assert.strictEqual(response.status, 200, `${path}: ${response.status}`)
  // What a test reads of it, it compares.
  // oxlint-disable-next-line typescript/no-explicit-any -- it is only ever compared
  return (await response.json()) as any
}

/** The provider's own server. */
const startHook = async (): Promise<string> => {
  const server = createServer((request, response) => {
    let body = ""
    request.on("data", (chunk: Buffer) => (body += chunk.toString()))
    request.on("end", () => {
      calls.push({ headers: request.headers, body })
      response.writeHead(204).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  cleanups.push(() => new Promise((resolve) => server.close(resolve)))
  // It listens on a port, so its address is one.
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
}

const mails: Array<string> = []

/** The mail service of the market's operator. */
const startMail = async (): Promise<string> => {
  const server = new SMTPServer({
    disabledCommands: ["AUTH", "STARTTLS"],
    onData: (stream, _, callback) => {
      let text = ""
      stream.on("data", (chunk: Buffer) => (text += chunk.toString()))
      stream.on("end", () => (mails.push(text), callback()))
    },
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  cleanups.push(() => new Promise<void>((resolve) => server.close(() => resolve())))
  // It listens on a port, so its address is one.
  return `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`
}

beforeAll(async () => {
  const home = RunningMarket.makeHome()
  const definition = RunningMarket.writeDefinition(home, {
    ...RunningMarket.quick,
    targets: { latencyMs: 100, uptimeBps: 9_950 },
  })
  const environment = {
    GUILDHALL_MARKET: definition,
    GUILDHALL_AGENT: "off",
    GUILDHALL_SMTP_URL: await startMail(),
    GUILDHALL_MAIL_FROM: "Market <market@mail.example>",
  }
  market = await RunningMarket.start({ home, environment })
  const provider = await RunningMarket.issueKey(market, { name: "earner", role: "provider" })
  providerKey = provider.secret
}, 90_000)

afterAll(async () => {
  await market?.close()
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

describe("a provider", () => {
  it("S13, A4 · sees what its receipts come to, to the last unit, and is warned of an agent that is gone by webhook, by e-mail and by its next beats", async () => {
    const webhookUrl = await startHook()
    const set = await fetch(`${market.url}/v1/settings/provider/warnings`, {
      method: "PATCH",
      headers: { authorization: `Bearer ${providerKey}`, "content-type": "application/json" },
      body: JSON.stringify({ webhookUrl, email: "ada@providers.example" }),
    })
    assert.strictEqual(set.status, 200)
    const engine = await ScriptedEngine.start(MODEL)
    cleanups.push(engine.close)
    const agent = await RunningMarket.startAgent(market, { key: providerKey, backend: engine.url })
    cleanups.push(() => agent.kill("SIGKILL"))
    await RunningMarket.listed(market, MODEL, 1)

    const ids: Array<string> = []
    for (let at = 0; at < 5; at++) {
      const response = await fetch(`${market.url}/v1/chat/completions`, {
        method: "POST",
        headers: { authorization: `Bearer ${market.buyerKey}`, "content-type": "application/json" },
        body: JSON.stringify({
          model: MODEL,
          messages: [{ role: "user", content: `tokens=${at + 2}` }],
          max_tokens: 50,
        }),
      })
      assert.strictEqual(response.status, 200, await response.text())
      ids.push(response.headers.get("x-request-id") ?? "")
    }
    const earnings = await RunningMarket.until("the earnings of five requests", async () => {
      const found = await get("/v1/providers/earnings", providerKey)
      return found.total.requests === 5 ? found : undefined
    })
    let [earned, charged] = [0n, 0n]
    for (const id of ids) {
      const { receipt } = await get(`/v1/receipts/${id}`, providerKey)
      charged += BigInt(receipt.charge)
      earned += receipt.split.reduce(
        (sum: bigint, one: { party: string; amount: string }) =>
          one.party === "provider" ? sum + BigInt(one.amount) : sum,
        0n,
      )
    }
    assert.isAbove(Number(earned), 0)
    assert.strictEqual(earnings.total.net.amount, `${earned}`)
    assert.strictEqual(earnings.total.gross.amount, `${charged}`)
    assert.strictEqual(earnings.pending.amount, `${earned}`)
    const targets = await get("/v1/providers/targets", providerKey)
    assert.strictEqual(targets.data[0].latency.requests, 5)
    const guidance = await get("/v1/providers/guidance", providerKey)
    assert.strictEqual(guidance.data[0].state, "counting")
    const estimates = await get("/v1/market/estimates")
    assert.strictEqual(estimates.state, "too_few")

    await agent.kill("SIGKILL")
    const call = await RunningMarket.until("the call of the webhook", async () =>
      calls.find(({ body }) => JSON.parse(body).topic === "offline"),
    )
    const [keyId] = String(call.headers["guildhall-webhook-signature"]).split(".")
    const { keys } = await get("/.well-known/guildhall-keys.json")
    assert.deepInclude(
      keys.find((key: { id: string }) => key.id === keyId),
      { purpose: "warning" },
    )
    const warnings = await RunningMarket.until("the delivery", async () => {
      const { data } = await get("/v1/providers/warnings", providerKey)
      return data[0]?.delivery === null ? undefined : data
    })
    assert.deepInclude(warnings[0], { topic: "offline", subject: earnings.data[0].instance })
    assert.include(["webhook", "email"], warnings[0].delivery.way)
    const mail = await RunningMarket.until("the e-mail", () => mails.find((text) => text.includes(warnings[0].subject)))
    assert.match(mail, /^From: Market <market@mail\.example>\r$/m)
    assert.match(mail, /^To: <?ada@providers\.example>?\r$/m)

    // It rides on the agent's beats as well, as soon as there are any.
    const again = await RunningMarket.startAgent(market, { key: providerKey, backend: engine.url, home: agent.home })
    cleanups.push(() => again.kill("SIGKILL"))
    await RunningMarket.until("the warning in the agent's log", async () =>
      again.output().includes("is offline and gets no requests") ? true : undefined,
    )
  }, 120_000)
})
