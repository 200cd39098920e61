/**
 * Bad input of every kind against a whole market: each gets a clear, typed refusal or is survived, costs the buyer nothing
 * that it did not receive, and leaves the books balanced.
 */
import { afterAll, afterEach, assert, beforeAll, describe, it } from "@effect/vitest"
import { generateKeyPairSync, sign as signBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import * as Http from "node:http"
import { connect } from "node:net"
import { setTimeout as pause } from "node:timers/promises"
import * as SignedRequest from "@guildhall/protocol/provider/SignedRequest"
import { local } from "@guildhall/markets/local"
import * as RunningMarket from "./RunningMarket.ts"
import * as ScriptedEngine from "./ScriptedEngine.ts"

const MODEL = "scripted/engine"
/** One of its two instances never answers. */
const MIXED = "scripted/mixed"
const CHAT = "/v1/chat/completions"
const BODY_MS = 600
const MEGABYTE = 1_000_000
/** Tokens that an answer may have beyond its bytes: its end, and the marks of its role. */
const SILENT_TOKENS = 8

let market: RunningMarket.RunningMarket
let providerKey: string
let hanging: ScriptedEngine.ScriptedEngine
const cleanups: Array<() => Promise<unknown>> = []

const serve = async (model: string, always?: string): Promise<ScriptedEngine.ScriptedEngine> => {
  const engine = await ScriptedEngine.start(model, always)
  cleanups.push(engine.close)
  const agent = await RunningMarket.startAgent(market, { key: providerKey, backend: engine.url })
  cleanups.push(() => agent.kill("SIGKILL"))
  return engine
}

beforeAll(async () => {
  const home = RunningMarket.makeHome()
  const definition = RunningMarket.writeDefinition(home, {
    ...RunningMarket.calm,
    limits: { ...RunningMarket.quick.limits, requestBodyMs: BODY_MS },
    timeouts: { ...local.timeouts, headersMs: 1_500, firstTokenMs: 1_500, betweenTokensMs: 1_000, totalMs: 4_000 },
  })
  market = await RunningMarket.start({ home, environment: { GUILDHALL_MARKET: definition, GUILDHALL_AGENT: "off" } })
  providerKey = (await RunningMarket.issueKey(market, { name: "provider", role: "provider" })).secret
  const [, silent] = await Promise.all([serve(MODEL), serve(MIXED, "hang"), serve(MIXED)])
  hanging = silent
  await Promise.all([RunningMarket.listed(market, MODEL, 1), RunningMarket.listed(market, MIXED, 2)])
}, 90_000)

afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  await market?.close()
})

interface AccountShown {
  readonly id: string
  readonly held: { readonly amount: string }
}

afterEach(() =>
  RunningMarket.until("nothing to be held", async () => {
    const { body } = await market.call("/v1/operator/accounts")
    const { data } = body as { data: ReadonlyArray<AccountShown> }
    return data.every(({ held }) => held.amount === "0") ? true : undefined
  }),
)

interface Answer {
  readonly status: number
  readonly id: string
  readonly attempts: string
  readonly text: string
  readonly contentType: string
}

const post = async (
  path: string,
  body: string | Uint8Array<ArrayBuffer>,
  options: { readonly key?: string; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<Answer> => {
  const response = await fetch(market.url + path, {
    method: "POST",
    headers: {
      authorization: `Bearer ${options.key ?? market.buyerKey}`,
      "content-type": "application/json",
      ...options.headers,
    },
    body,
  })
  return {
    status: response.status,
    id: response.headers.get("x-request-id") ?? "",
    attempts: response.headers.get("x-guildhall-attempts") ?? "",
    contentType: response.headers.get("content-type") ?? "",
    text: await response.text(),
  }
}

/** A chat whose last message is a script for the engine. */
const chat = (script: string, more: object = {}): string =>
  JSON.stringify({ model: MODEL, messages: [{ role: "user", content: script }], max_tokens: 500, ...more })

const ask = (script: string, more: object = {}, key?: string): Promise<Answer> =>
  post(CHAT, chat(script, more), key === undefined ? {} : { key })

const errorOf = (text: string): { readonly code: string; readonly message: string; readonly type: string } =>
  (JSON.parse(text) as { error: { code: string; message: string; type: string } }).error

/** A refusal of the inference lane is in OpenAI's shape. */
const TIMEOUTS = ["provider_headers_timeout", "provider_token_timeout", "request_timeout"]

const refused = (answer: Pick<Answer, "status" | "text">, status: number, code: string): void => {
  assert.strictEqual(answer.status, status, answer.text)
  const error = errorOf(answer.text)
  assert.strictEqual(error.code, code)
  assert.isAbove(error.message.length, 10)
  assert.isString(error.type)
}

/** A refusal of the control lane is a problem. */
const isProblem = (answer: Pick<Answer, "status" | "text" | "contentType">, status: number, code: string): void => {
  assert.strictEqual(answer.status, status, answer.text)
  assert.match(answer.contentType, /^application\/problem\+json/)
  const problem = JSON.parse(answer.text) as { code: string; status: number; detail: string }
  assert.strictEqual(problem.code, code, answer.text)
  assert.strictEqual(problem.status, status)
}

/** The events of a stream's text, and the words that they brought. */
const events = (text: string) => {
  const data = text
    .split("\n\n")
    .filter((event) => event.startsWith("data: "))
    .map((event) => event.slice("data: ".length))
  const isDone = data.at(-1) === "[DONE]"
  const parsed = data.filter((one) => one !== "[DONE]").map((one) => JSON.parse(one)) as ReadonlyArray<{
    readonly error?: { readonly code: string }
    readonly choices?: ReadonlyArray<{ readonly delta: { readonly content?: string } }>
  }>
  const content = parsed.map(({ choices }) => choices?.[0]?.delta.content ?? "").join("")
  return { isDone, content, error: parsed.at(-1)?.error?.code }
}

const receiptOf = (id: string): Promise<RunningMarket.ReceiptContent> =>
  RunningMarket.until(`the receipt of ${id}`, () => RunningMarket.receipt(market, id, market.buyerKey))

const balance = (): Promise<bigint> => RunningMarket.balance(market, market.buyerKey)

describe("bodies", () => {
  it("that are no JSON, or not the JSON that is expected, are refused with what is wrong", async () => {
    const before = await balance()
    const cases: ReadonlyArray<readonly [string | Uint8Array<ArrayBuffer>, string]> = [
      ['{"model": "x", "messages": [', "invalid_json"],
      ["", "invalid_json"],
      ["model=x", "invalid_json"],
      [Uint8Array.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), "invalid_json"],
      ["[".repeat(1_000_000), "invalid_json"],
      ["[]", "invalid_request"],
      ["null", "invalid_request"],
      [JSON.stringify({ model: MODEL }), "invalid_request"],
      [JSON.stringify({ model: MODEL, messages: "hello" }), "invalid_request"],
      [JSON.stringify({ model: 7, messages: [{ role: "user", content: "a" }] }), "invalid_request"],
      [chat("tokens=1", { max_tokens: -1 }), "invalid_request"],
      [chat("tokens=1", { max_tokens: 1.5 }), "invalid_request"],
      [chat("tokens=1", { n: 1_000_000 }), "invalid_request"],
      [`{"model":"${MODEL}","model":"other/model","messages":[{"role":"user","content":"a"}]}`, "invalid_request"],
    ]
    for (const [body, code] of cases) refused(await post(CHAT, body), 400, code)
    assert.strictEqual(await balance(), before)
    isProblem(await post("/v1/operator/members", "{", { key: market.operatorKey }), 400, "invalid_json")
    isProblem(await post("/v1/operator/members", "{}", { key: market.operatorKey }), 400, "invalid_request")
  })

  it("of another type are refused", async () => {
    refused(
      await post(CHAT, chat("tokens=1"), { headers: { "content-type": "text/plain" } }),
      415,
      "unsupported_media_type",
    )
    const form = { key: market.operatorKey, headers: { "content-type": "application/x-www-form-urlencoded" } }
    isProblem(await post("/v1/operator/members", "name=x", form), 415, "unsupported_media_type")
  })

  it("that ask for a model which nobody serves are refused", async () => {
    refused(await ask("tokens=1", { model: "nobody/serves-this" }), 404, "model_not_found")
    refused(await ask("tokens=1", { model: "../../etc/passwd\u0000" }), 404, "model_not_found")
  })
})

/** Sends a body of a hundred megabytes in pieces until the market answers, and tells how much it took. */
const flood = (path: string, key: string, headers: Http.OutgoingHttpHeaders) =>
  new Promise<{ readonly status: number; readonly text: string; readonly contentType: string; readonly sent: number }>(
    (resolve, reject) => {
      const piece = Buffer.alloc(64 * 1024, "a")
      let sent = 0
      let isAnswered = false
      const request = Http.request(market.url + path, {
        method: "POST",
        agent: false,
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
      })
      request.on("error", (error) => (isAnswered ? undefined : reject(error)))
      request.on("response", (response) => {
        isAnswered = true
        let text = ""
        response.on("data", (chunk: Buffer) => (text += chunk.toString()))
        response.on("error", reject)
        response.on("end", () => {
          request.destroy()
          resolve({
            status: response.statusCode ?? 0,
            text,
            contentType: response.headers["content-type"] ?? "",
            sent,
          })
        })
      })
      const write = (): void => {
        while (!isAnswered && sent < 100 * MEGABYTE) {
          sent += piece.length
          if (!request.write(piece)) {
            request.once("drain", write)
            return
          }
        }
        if (!isAnswered) request.end()
      }
      write()
    },
  )

const memory = (field: "VmRSS" | "VmHWM"): number => {
  const status = readFileSync(`/proc/${market.pid}/status`, "utf8")
  return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024
}

describe("a body of 100 MB", () => {
  it("is refused early, without being read to its end", async () => {
    const announced = await flood(CHAT, market.buyerKey, { "content-length": 100 * MEGABYTE })
    refused(announced, 413, "body_too_large")
    assert.isBelow(announced.sent, 20 * MEGABYTE)
    const chunked = await flood(CHAT, market.buyerKey, { "transfer-encoding": "chunked" })
    refused(chunked, 413, "body_too_large")
    assert.isBelow(chunked.sent, 30 * MEGABYTE)
    const control = await flood("/v1/operator/members", market.operatorKey, { "transfer-encoding": "chunked" })
    isProblem(control, 413, "body_too_large")
    assert.isBelow(control.sent, 20 * MEGABYTE)
  })

  it.skipIf(process.platform !== "linux")("does not grow the process by it", async () => {
    const before = Math.max(memory("VmHWM"), memory("VmRSS"))
    for (let count = 0; count < 5; count++) {
      await flood(CHAT, market.buyerKey, { "transfer-encoding": "chunked" })
    }
    assert.isBelow(memory("VmHWM") - before, 80 * MEGABYTE)
  })

  it("is read by nobody where the key is wrong", async () => {
    const answer = await flood(CHAT, "sk-wrong", { "transfer-encoding": "chunked" })
    refused(answer, 401, "invalid_api_key")
    assert.isBelow(answer.sent, 20 * MEGABYTE)
  })
})

/** Sends the headers of a POST and then a byte now and then, until the market has answered and closed. */
const drip = (path: string, key: string) =>
  new Promise<{
    readonly status: number
    readonly text: string
    readonly contentType: string
    readonly afterMs: number
  }>((resolve, reject) => {
    const { hostname, port } = new URL(market.url)
    const startedAt = performance.now()
    const socket = connect(Number(port), hostname)
    let received = ""
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: market\r\nauthorization: Bearer ${key}\r\n` +
        "content-type: application/json\r\ncontent-length: 1000\r\n\r\n",
    )
    const timer = setInterval(() => socket.write(" "), 100)
    let afterMs = 0
    socket.on("data", (chunk) => {
      if (received === "") afterMs = performance.now() - startedAt
      received += chunk.toString()
    })
    // Writing on while the market closes may meet a reset; what counts has been received by then.
    socket.on("error", (error) => (received === "" ? reject(error) : undefined))
    socket.on("close", () => {
      clearInterval(timer)
      const [head = "", text = ""] = received.split("\r\n\r\n")
      resolve({
        status: Number(head.split(" ")[1]),
        contentType: /content-type: (.*)/i.exec(head)?.[1] ?? "",
        text,
        afterMs,
      })
    })
  })

describe("a slow client", () => {
  it("is told so after the time that a body may take, and its connection ends", async () => {
    const [chat, control] = await Promise.all([
      drip(CHAT, market.buyerKey),
      drip("/v1/operator/members", market.operatorKey),
    ])
    refused(chat, 408, "body_timeout")
    isProblem(control, 408, "body_timeout")
    for (const { afterMs } of [chat, control]) {
      assert.isAtLeast(afterMs, BODY_MS - 50)
      assert.isBelow(afterMs, BODY_MS + 2_000)
    }
  })

  it("that leaves before its body has come costs nothing", async () => {
    const before = await balance()
    const { hostname, port } = new URL(market.url)
    const socket = connect(Number(port), hostname)
    socket.write(
      `POST ${CHAT} HTTP/1.1\r\nhost: market\r\nauthorization: Bearer ${market.buyerKey}\r\n` +
        'content-type: application/json\r\ncontent-length: 1000\r\n\r\n{"model":',
    )
    await pause(100)
    socket.destroy()
    assert.strictEqual(await balance(), before)
    assert.strictEqual((await ask("tokens=1")).status, 200)
  })
})

describe("keys", () => {
  it("that are missing, unknown or of another role are refused", async () => {
    refused(await ask("tokens=1", {}, "sk-unknown"), 401, "invalid_api_key")
    refused(await ask("tokens=1", {}, `sk-${"a".repeat(43)}`), 401, "invalid_api_key")
    refused(await post(CHAT, chat("tokens=1"), { headers: { authorization: "" } }), 401, "missing_api_key")
    refused(await ask("tokens=1", {}, providerKey), 403, "insufficient_role")
    isProblem(await post("/v1/operator/members", "{}", { key: "sk-unknown" }), 401, "invalid_api_key")
    isProblem(await post("/v1/operator/members", '{"name":"x"}'), 403, "insufficient_role")
    isProblem(
      await post("/v1/providers/register", "{}", { headers: signed("/v1/providers/register", "{}") }),
      403,
      "insufficient_role",
    )
  })

  it("that are revoked are refused at once, on both lanes", async () => {
    const buyer = await RunningMarket.issueKey(market, { name: "leaver", role: "buyer" })
    await topUp(buyer.member, "1", "leaver-1")
    assert.strictEqual((await ask("tokens=1", {}, buyer.secret)).status, 200)
    const revoked = await market.call(`/v1/operator/keys/${buyer.id}`, { method: "DELETE" })
    assert.strictEqual(revoked.status, 200)
    refused(await ask("tokens=1", {}, buyer.secret), 401, "invalid_api_key")
    assert.strictEqual((await market.call("/v1/balance", { key: buyer.secret })).status, 401)
  })
})

interface ToppedUp {
  readonly replayed: boolean
  readonly account: { readonly balance: { readonly amount: string } }
}

const topUp = (member: string, amount: string, idempotencyKey: string) =>
  market.call("/v1/operator/top-ups", { body: { member, amount, idempotencyKey } })

describe("money", () => {
  it("that is not there is asked for; a top-up helps, and counts once for each idempotency key", async () => {
    const buyer = await RunningMarket.issueKey(market, { name: "poor", role: "buyer" })
    refused(await ask("tokens=3", {}, buyer.secret), 402, "insufficient_funds")
    refused(await ask("tokens=3", { stream: true }, buyer.secret), 402, "insufficient_funds")

    const first = await topUp(buyer.member, "0.5", "poor-1")
    assert.strictEqual(first.status, 200, JSON.stringify(first.body))
    assert.isFalse((first.body as ToppedUp).replayed)
    const again = await topUp(buyer.member, "0.5", "poor-1")
    assert.strictEqual(again.status, 200)
    assert.isTrue((again.body as ToppedUp).replayed)
    assert.strictEqual((again.body as ToppedUp).account.balance.amount, "500000000000")
    const other = await topUp(buyer.member, "0.6", "poor-1")
    assert.strictEqual(other.status, 422)
    assert.strictEqual((other.body as { code: string }).code, "idempotency_conflict")
    assert.strictEqual(await RunningMarket.balance(market, buyer.secret), 500_000_000_000n)

    assert.strictEqual((await ask("tokens=3", {}, buyer.secret)).status, 200)
  })

  it("in amounts that are none is refused", async () => {
    const buyer = await RunningMarket.issueKey(market, { name: "odd", role: "buyer" })
    const amounts = ["-1", "0", "0.0000000000001", "1e6", "abc", "", "NaN", "1,5", "9".repeat(70)]
    for (const [index, amount] of amounts.entries()) {
      const answer = await topUp(buyer.member, amount, `odd-${index}`)
      assert.strictEqual(answer.status, 400, `${amount}: ${JSON.stringify(answer.body)}`)
      assert.strictEqual((answer.body as { code: string }).code, "invalid_request")
    }
    const nobody = await topUp("mem_nobody", "1", "nobody-1")
    assert.strictEqual(nobody.status, 404)
    assert.strictEqual(await RunningMarket.balance(market, buyer.secret), 0n)
  })

  it("beyond the balance is never held, however many ask at once", async () => {
    const buyer = await RunningMarket.issueKey(market, { name: "hasty", role: "buyer" })
    // One request of 500 tokens holds about 0.0017 USD.
    await topUp(buyer.member, "0.004", "hasty-1")
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask("tokens=2 gap=300", {}, buyer.secret)))
    const served = answers.filter(({ status }) => status === 200)
    assert.isAtLeast(served.length, 1)
    for (const answer of answers) if (answer.status !== 200) refused(answer, 402, "insufficient_funds")
    assert.isBelow(served.length, 12)
    assert.isTrue((await RunningMarket.balance(market, buyer.secret)) >= 0n)
  })
})

const device = generateKeyPairSync("ed25519")
const publicKey = device.publicKey.export({ format: "jwk" }).x ?? ""
let lastSequence = Date.now()

/** The headers of a message that a device of this test signs, with what a test changes. */
const signed = (
  path: string,
  body: string,
  changes: { readonly issuedAtMs?: number; readonly sequence?: number; readonly signedBody?: string } = {},
): Record<string, string> => {
  const issuedAtMs = changes.issuedAtMs ?? Date.now()
  const sequence = changes.sequence ?? ++lastSequence
  const bytes = SignedRequest.bytes({
    method: "POST",
    path,
    issuedAtMs,
    sequence,
    body: Buffer.from(changes.signedBody ?? body),
  })
  return {
    [SignedRequest.HEADERS.device]: publicKey,
    [SignedRequest.HEADERS.signature]: signBytes(null, bytes, device.privateKey).toString("base64url"),
    [SignedRequest.HEADERS.issuedAt]: String(issuedAtMs),
    [SignedRequest.HEADERS.sequence]: String(sequence),
  }
}

const REGISTER = "/v1/providers/register"
const HEARTBEAT = "/v1/providers/heartbeat"

const registration = (changes: object = {}): string =>
  JSON.stringify({
    provider_type: "agent",
    endpoint_url: "http://127.0.0.1:9",
    model: "by/hand",
    input_price_per_million: 100,
    output_price_per_million: 200,
    context_length_offered: 4_096,
    concurrency: 1,
    ...changes,
  })

const register = (body: string, headers = signed(REGISTER, body)): Promise<Answer> =>
  post(REGISTER, body, { key: providerKey, headers })

const beat = (body: string, headers: Record<string, string> = signed(HEARTBEAT, body)): Promise<Answer> =>
  post(HEARTBEAT, body, { headers: { ...headers, authorization: "" } })

describe("a device", () => {
  it("that asks a price which is negative, fractional, no number or too high is refused", async () => {
    for (const price of [-1, 1.5, 100_001, 1e300, "100", null]) {
      isProblem(await register(registration({ input_price_per_million: price })), 400, "invalid_price")
      isProblem(await register(registration({ output_price_per_million: price })), 400, "invalid_price")
    }
  })

  it("that registers with other nonsense is refused", async () => {
    isProblem(await register("{"), 400, "invalid_json")
    isProblem(await register("{}"), 400, "invalid_request")
    isProblem(await register(registration({ concurrency: 0 })), 400, "invalid_request")
    isProblem(await register(registration({ context_length_offered: -5 })), 400, "invalid_request")
    isProblem(await register(registration({ model: "no spaces allowed here" })), 400, "invalid_request")
    isProblem(await register(registration({ endpoint_url: "file:///etc/passwd" })), 400, "invalid_endpoint")
    isProblem(await register(registration({ endpoint_url: "not a url" })), 400, "invalid_endpoint")
    const models = await market.call("/v1/models")
    assert.notInclude(JSON.stringify(models.body), "by/hand")
  })

  it("whose message is signed wrongly, replayed, stale or from the future is refused", async () => {
    const registered = await register(registration())
    assert.strictEqual(registered.status, 200, registered.text)
    const { instance_id, nonce } = JSON.parse(registered.text) as { instance_id: string; nonce: string }
    const body = JSON.stringify({ nonce, instances: [{ instance_id, state: "serving", in_flight: 0 }] })
    const headers = signed(HEARTBEAT, body)
    const first = await beat(body, headers)
    assert.strictEqual(first.status, 200, first.text)

    isProblem(await beat(body, headers), 409, "replayed_message")
    isProblem(await beat(body, signed(HEARTBEAT, body, { sequence: 5 })), 409, "replayed_message")
    isProblem(
      await beat(body, signed(HEARTBEAT, body, { signedBody: body.replace("0", "9") })),
      401,
      "invalid_signature",
    )
    isProblem(await beat(body, signed(REGISTER, body)), 401, "invalid_signature")
    const forged = { ...signed(HEARTBEAT, body), [SignedRequest.HEADERS.signature]: "A".repeat(86) }
    isProblem(await beat(body, forged), 401, "invalid_signature")
    isProblem(
      await beat(body, { ...signed(HEARTBEAT, body), [SignedRequest.HEADERS.signature]: "?" }),
      401,
      "invalid_signature",
    )
    const { publicKey } = generateKeyPairSync("ed25519")
    const stranger = {
      ...signed(HEARTBEAT, body),
      [SignedRequest.HEADERS.device]: publicKey.export({ format: "jwk" }).x ?? "",
    }
    isProblem(await beat(body, stranger), 401, "invalid_signature")
    for (const offsetMs of [-61_000, 61_000]) {
      const issuedAtMs = Date.now() + offsetMs * 2
      isProblem(await beat(body, signed(HEARTBEAT, body, { issuedAtMs })), 400, "stale_message")
    }
    // Without a signature it is the beat of somebody with an API key.
    isProblem(await beat(body, {}), 401, "missing_api_key")
    isProblem(await beat("{"), 400, "invalid_json")
    isProblem(await beat(JSON.stringify({ nonce: "nonce_of_my_own", instances: [] })), 409, "stale_nonce")
    const others = JSON.stringify({
      nonce: (JSON.parse(first.text) as { nonce: string }).nonce,
      instances: [{ instance_id: "ins_someone-elses", state: "draining", in_flight: 0 }],
    })
    isProblem(await beat(others), 404, "not_found")
  })
})

describe("a provider", () => {
  it("that lies about usage is paid for no more than what passed through", async () => {
    for (const stream of [true, false]) {
      const answer = await ask("tokens=6 lie=100000 read=900000", { stream })
      assert.strictEqual(answer.status, 200)
      const receipt = await receiptOf(answer.id)
      const bytes = "word0 ".length * 6
      assert.strictEqual(receipt.outcome, "completed")
      assert.strictEqual(receipt.usageSource, "bounded")
      assert.isAtMost(Number(receipt.usage.outputToken), bytes + SILENT_TOKENS)
      // The prompt is bounded by its bytes, and a constant for the template.
      assert.isAtMost(Number(receipt.usage.inputToken), 1_000)
    }
  })

  it("that reports less than passed through is paid for what it reported", async () => {
    const answer = await ask("tokens=40 lie=2", { stream: true })
    assert.strictEqual(answer.status, 200)
    assert.strictEqual((await receiptOf(answer.id)).usage.outputToken, 2)
  })

  it("that hangs or falls silent costs nothing, and the buyer is told in time", async () => {
    const before = await balance()
    const answers = await Promise.all([
      ask("hang", { stream: true }),
      ask("silent", { stream: true }),
      ask("hang", { stream: false }),
    ])
    for (const answer of answers) {
      // Which of the limits runs out first is the definition's matter: the headers', the first token's or the whole one.
      assert.include(TIMEOUTS, errorOf(answer.text).code)
      assert.strictEqual(answer.status, 504)
      const receipt = await receiptOf(answer.id)
      assert.strictEqual(receipt.outcome, "failed")
      assert.strictEqual(receipt.charge, "0")
    }
    assert.strictEqual(await balance(), before)
  })

  it("that hangs is passed over for one that does not, before the first byte", async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask("tokens=3", { model: MIXED, stream: true })))
    assert.isAbove(hanging.counts.seen, 0)
    for (const answer of answers) {
      assert.strictEqual(answer.status, 200, answer.text)
      assert.strictEqual(events(answer.text).content, "word0 word1 word2 ")
    }
    assert.isTrue(answers.some(({ attempts }) => attempts === "2"))
    const receipts = await Promise.all(answers.map(({ id }) => receiptOf(id)))
    // Each is paid for once, whoever served it.
    for (const receipt of receipts) assert.strictEqual(receipt.usage.outputToken, 3)
  })

  it("that stops between two tokens is given up, and what came is paid for", async () => {
    const answer = await ask("tokens=4 gap=2500", { stream: true })
    const { content, error, isDone } = events(answer.text)
    assert.strictEqual(error, "provider_stalled")
    assert.isFalse(isDone)
    const receipt = await receiptOf(answer.id)
    assert.strictEqual(receipt.outcome, "truncated")
    assert.isAtMost(Number(receipt.usage.outputToken), content.length + SILENT_TOKENS)
  })

  it.each([
    ["closes early", "cut", "provider_closed_early"],
    ["sends half a frame", "half", "provider_closed_early"],
    ["sends a frame that is no JSON", "garbage", "provider_invalid_response"],
  ])("that %s is named in-band, and only what was delivered is paid for", async (_, script, code) => {
    const before = await balance()
    let answer = await ask(`tokens=20 gap=5 ${script}`, { stream: true })
    // Nothing reaches the buyer before the hold is durable: a provider that breaks off sooner has delivered nothing.
    for (let again = 0; again < 5 && answer.status !== 200; again++) {
      refused(answer, 502, code)
      assert.strictEqual((await receiptOf(answer.id)).charge, "0")
      answer = await ask(`tokens=20 gap=20 ${script}`, { stream: true })
    }
    assert.strictEqual(answer.status, 200, answer.text)
    const { content, error, isDone } = events(answer.text)
    assert.strictEqual(error, code)
    assert.isFalse(isDone)
    assert.strictEqual(content.split(" ").length - 1, 10)
    const receipt = await receiptOf(answer.id)
    assert.strictEqual(receipt.outcome, "truncated")
    assert.strictEqual(receipt.usageSource, "bounded")
    assert.isAbove(Number(receipt.usage.outputToken), 0)
    assert.isAtMost(Number(receipt.usage.outputToken), content.length + SILENT_TOKENS)
    await RunningMarket.until("the charge", async () =>
      (await balance()) === before - BigInt(receipt.charge) ? true : undefined,
    )
  })

  it("that breaks off an answer in one piece, or fails, costs nothing", async () => {
    const before = await balance()
    const cut = await ask("tokens=20 cut")
    refused(cut, 502, "provider_closed_early")
    const failed = await ask("fail")
    refused(failed, 502, "provider_error")
    // What the provider has against the request itself is for the buyer to read.
    const told = await ask("refuse this")
    assert.strictEqual(told.status, 400)
    assert.include(errorOf(told.text).message, "refuse this")
    for (const { id } of [cut, failed, told]) assert.strictEqual((await receiptOf(id)).charge, "0")
    assert.strictEqual(await balance(), before)
  })
})

describe("after all of it", () => {
  it("the market serves, and its books recompute", async () => {
    const answer = await ask("tokens=3", { stream: true })
    assert.strictEqual(events(answer.text).content, "word0 word1 word2 ")
    const { code, output } = await RunningMarket.guildhall(market.home, ["ledger", "verify"])
    assert.strictEqual(code, 0, output)
    assert.notInclude(market.output(), "failed inside the gateway")
  }, 30_000)
})
