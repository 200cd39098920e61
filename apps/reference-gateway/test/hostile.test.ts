/**
 * A market in a process of its own, on the public internet as far as its definition says, and those who mean it ill: providers who
 * name addresses inside its network, send slowly, deeply and without end; and the look for its secrets in all that it says.
 */
import { PgClient } from "@effect/sql-pg"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { generateKeyPairSync, randomBytes, sign as signBytes } from "node:crypto"
import { readFileSync } from "node:fs"
import { createServer as createTcp, connect, type AddressInfo } from "node:net"
import path from "node:path"
import { local } from "@guildhall/markets/local"
import * as SignedRequest from "@guildhall/protocol/provider/SignedRequest"
import * as OtlpCollector from "./OtlpCollector.ts"
import * as PairedAgent from "./PairedAgent.ts"
import * as RunningMarket from "./RunningMarket.ts"
import { filesUnder, filesWith, isIn, tablesWith } from "./Traces.ts"

const BODY_MS = 1_000

let market: RunningMarket.RunningMarket
let collector: OtlpCollector.OtlpCollector
let provider: Awaited<ReturnType<typeof RunningMarket.issueKey>>
let paired: Awaited<ReturnType<typeof PairedAgent.pair>>
const codes: Array<string> = []

/** A service inside the market's own network, which nobody may make the market call. */
const inside = createTcp((socket) => {
  connections += 1
  socket.destroy()
})
let connections = 0

beforeAll(async () => {
  await new Promise<void>((resolve) => inside.listen(0, "127.0.0.1", resolve))
  collector = await OtlpCollector.start()
  const home = RunningMarket.makeHome()
  const definition = RunningMarket.writeDefinition(home, {
    ...RunningMarket.calm,
    endpoints: { ...local.endpoints, allowPrivate: false },
    limits: { ...local.limits, requestBodyMs: BODY_MS },
  })
  market = await RunningMarket.start({
    home,
    environment: {
      GUILDHALL_MARKET: definition,
      GUILDHALL_AGENT: "off",
      GUILDHALL_LOG_LEVEL: "Trace",
      GUILDHALL_SEAL_KEYS: `k:${Buffer.alloc(32, 7).toString("base64url")}`,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_METRIC_EXPORT_INTERVAL: "500",
      OTEL_BSP_SCHEDULE_DELAY: "200",
      OTEL_BLRP_SCHEDULE_DELAY: "200",
    },
  })
  provider = await RunningMarket.issueKey(market, { name: "provider", role: "provider" })
  paired = await PairedAgent.pair(market, provider.secret)
}, 90_000)

afterAll(async () => {
  await market?.close()
  await collector?.close()
  inside.close()
}, 30_000)

const device = generateKeyPairSync("ed25519")
let lastSequence = Date.now()

const signed = (at: string, body: string, keys = device): Record<string, string> => {
  const issuedAtMs = Date.now()
  const sequence = ++lastSequence
  const bytes = SignedRequest.bytes({ method: "POST", path: at, issuedAtMs, sequence, body: Buffer.from(body) })
  return {
    [SignedRequest.HEADERS.device]: keys.publicKey.export({ format: "jwk" }).x ?? "",
    [SignedRequest.HEADERS.signature]: signBytes(null, bytes, keys.privateKey).toString("base64url"),
    [SignedRequest.HEADERS.issuedAt]: String(issuedAtMs),
    [SignedRequest.HEADERS.sequence]: String(sequence),
  }
}

const post = async (at: string, body: string, headers: Readonly<Record<string, string>> = {}) => {
  const response = await fetch(`${market.url}${at}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  })
  const text = await response.text()
  const isJson = response.headers.get("content-type")?.includes("json") === true
  const code = isJson ? (JSON.parse(text) as { code?: string }).code : undefined
  return { status: response.status, code, text }
}

const REGISTER = "/v1/providers/register"
const HEARTBEAT = "/v1/providers/heartbeat"
const PAIR = "/api/devices/pair"
const TAKE = "/v1/providers/jobs/take"
/** The routes on which a provider sends a body, whoever it is. */
const ROUTES = [
  REGISTER,
  HEARTBEAT,
  PAIR,
  TAKE,
  "/v1/providers/cloud",
  "/v1/providers/jobs/00000000-0000-4000-8000-000000000000/answer",
  "/api/v2/generate/text/pop",
  "/api/v2/generate/text/submit",
] as const

const registration = (endpoint_url: string): string =>
  JSON.stringify({
    provider_type: "agent",
    endpoint_url,
    model: "by/hand",
    input_price_per_million: 1,
    output_price_per_million: 1,
    context_length_offered: 4_096,
    concurrency: 1,
  })

/** Asks for warnings at a URL. */
const notify = (webhookUrl: string) =>
  market.call("/v1/settings/provider/warnings", { key: provider.secret, method: "PATCH", body: { webhookUrl } })

/** The market answers others while it is attacked. */
const isAlive = async (): Promise<void> => {
  const began = performance.now()
  const response = await fetch(`${market.url}/healthz`)
  await response.text()
  assert.strictEqual(response.status, 200)
  assert.isBelow(performance.now() - began, 5_000)
}

/** Sends bytes as they are, and hears until the other side has ended the connection, or the time is over. */
const raw = (
  limitMs: number,
  ...parts: ReadonlyArray<string>
): Promise<{ readonly text: string; readonly isOver: boolean }> =>
  new Promise((resolve) => {
    const { hostname, port } = new URL(market.url)
    const socket = connect(Number(port), hostname)
    let text = ""
    const timer = setTimeout(() => {
      resolve({ text, isOver: false })
      socket.destroy()
    }, limitMs)
    socket.on("data", (chunk) => (text += chunk.toString()))
    socket.on("error", () => undefined)
    socket.on("close", () => {
      clearTimeout(timer)
      resolve({ text, isOver: true })
    })
    for (const part of parts) socket.write(part)
  })

describe("an address that a provider names", () => {
  const hosts = () => {
    const { port } = inside.address() as AddressInfo
    return [
      `127.0.0.1:${port}`,
      `localhost:${port}`,
      `localhost.:${port}`,
      `LOCALHOST:${port}`,
      `127.1:${port}`,
      `2130706433:${port}`,
      `0x7f000001:${port}`,
      `0x7f.0.0.1:${port}`,
      `017700000001:${port}`,
      `0177.0.0.1:${port}`,
      `127.0.0.1.:${port}`,
      `０x7f.１:${port}`,
      `0.0.0.0:${port}`,
      `[::1]:${port}`,
      `[::]:${port}`,
      `[::ffff:127.0.0.1]:${port}`,
      `[::ffff:7f00:1]:${port}`,
      `[::127.0.0.1]:${port}`,
      `[64:ff9b::7f00:1]:${port}`,
      `[64:ff9b:1::7f00:1]:${port}`,
      `[2002:7f00:1::]:${port}`,
      `[fe80::1%25lo]:${port}`,
      `[fe80::1%lo]:${port}`,
      `gpu.example.com@127.0.0.1:${port}`,
      `gpu.example.com:pass@127.0.0.1:${port}`,
      `127.0.0.1:${port}#@gpu.example.com`,
      `127.0.0.1:${port}?.example.com`,
      `127.0.0.1:${port}\\@gpu.example.com`,
      "169.254.169.254",
      "[::ffff:a9fe:a9fe]",
      "metadata.google.internal",
      "metadata",
      "100.100.100.200",
      "gpu.example.com:99999",
      "gpu example.com",
    ]
  }

  it("lies in no network of the market's own, however it is written, and nobody knocks there to see", async () => {
    for (const host of hosts()) {
      for (const scheme of ["http", "https", "HTTP"]) {
        const body = registration(`${scheme}://${host}/v1`)
        const own = await post(REGISTER, body, {
          ...signed(REGISTER, body),
          authorization: `Bearer ${provider.secret}`,
        })
        assert.deepStrictEqual([own.status, own.code], [400, "invalid_endpoint"], `${scheme}://${host}`)
      }
      const plain = await post(REGISTER, registration(`https://${host}`), {
        authorization: `Bearer ${provider.secret}`,
      })
      assert.deepStrictEqual([plain.status, plain.code], [400, "invalid_endpoint"], host)
      const cloud = await post(
        "/v1/providers/cloud",
        JSON.stringify({
          name: "inside",
          base_url: `https://${host}`,
          token: "sk-some-token-of-a-service",
          concurrency: 1,
          models: [
            {
              model: "a/b",
              service_model: "b",
              input_price_per_million: 1,
              output_price_per_million: 1,
              context_length: 1_000,
            },
          ],
        }),
        { authorization: `Bearer ${provider.secret}` },
      )
      assert.strictEqual(cloud.status, 400, `${host}: ${cloud.text}`)
      const notices = await notify(`https://${host}/hook`)
      assert.strictEqual(notices.status, 400, host)
    }
    for (const scheme of [
      "file:///etc/passwd",
      "gopher://gpu.example.com",
      "ftp://gpu.example.com",
      "javascript:1",
      "//gpu.example.com",
      "",
    ]) {
      const body = registration(scheme)
      const own = await post(REGISTER, body, { ...signed(REGISTER, body), authorization: `Bearer ${provider.secret}` })
      assert.strictEqual(own.status, 400, scheme)
    }
    assert.strictEqual(connections, 0)
  }, 30_000)
})

describe("what a provider sends", () => {
  it("slowly ends with its time, on every route, and the market serves meanwhile", async () => {
    const began = performance.now()
    const slow = ROUTES.flatMap((at) =>
      ["", `authorization: Bearer ${provider.secret}\r\n`].map((key) => ({
        at,
        ended: raw(
          20_000,
          `POST ${at} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${key}content-length: 1000\r\nconnection: close\r\n\r\n{`,
        ),
      })),
    )
    await isAlive()
    for (const { at, ended } of slow) {
      const { isOver, text } = await ended
      assert.isTrue(isOver, at)
      assert.match(text, /^HTTP\/1\.1 4\d\d /, at)
    }
    assert.isBelow(performance.now() - began, 20_000)
  }, 40_000)

  it("nested deep, or as no JSON, is refused as what it is", async () => {
    const bodies = [
      "[".repeat(400_000),
      `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`,
      `{"instances":${"[".repeat(50_000)}${"]".repeat(50_000)}}`,
      '{"__proto__":{"x":1},"constructor":{"prototype":{}}}',
      "\u0000".repeat(1_000),
      `"${"\\ud800".repeat(1_000)}"`,
      "1e999999",
      "",
    ]
    for (const at of ROUTES) {
      for (const body of bodies) {
        // Who is refused before all of it has come may find the line cut.
        const cut = () => ({ status: 413, text: "cut" })
        const answers = await Promise.all([
          post(at, body, signed(at, body)).catch(cut),
          post(at, body, { authorization: `Bearer ${provider.secret}`, apikey: provider.secret }).catch(cut),
        ])
        for (const { status, text } of answers) {
          assert.isTrue(
            (status >= 400 && status < 500) || (at === HEARTBEAT && status === 200),
            `${at} ${body.slice(0, 20)}: ${status} ${text}`,
          )
        }
      }
    }
    await isAlive()
  }, 40_000)

  it("larger than any of it is refused before it has come, and huge heads as well", async () => {
    for (const at of ROUTES) {
      const { text } = await raw(
        10_000,
        `POST ${at} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer ${provider.secret}\r\napikey: ${provider.secret}\r\ncontent-length: 9000000000\r\nconnection: close\r\n\r\n`,
        "x".repeat(256 * 1024),
      )
      assert.match(text, /^HTTP\/1\.1 4\d\d /, at)
      const head = await raw(10_000, `POST ${at} HTTP/1.1\r\nhost: x\r\nx: ${"a".repeat(100_000)}\r\n\r\n`)
      assert.match(head.text, /^HTTP\/1\.1 431 /, at)
      assert.isTrue(head.isOver)
    }
  }, 60_000)

  it("in another encoding is unpacked by nobody", async () => {
    for (const at of [REGISTER, HEARTBEAT, PAIR]) {
      const bomb = Buffer.alloc(1_000)
      const response = await fetch(`${market.url}${at}`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "content-encoding": "gzip",
          authorization: `Bearer ${provider.secret}`,
        },
        body: bomb,
      })
      await response.text()
      assert.strictEqual(Math.floor(response.status / 100), 4, at)
    }
  })
})

describe("a flood", () => {
  const flood = async (count: number, send: (at: number) => Promise<{ readonly status: number }>) => {
    const seen = new Map<number, number>()
    let next = 0
    const worker = async () => {
      while (next < count) {
        const { status } = await send(next++)
        seen.set(status, (seen.get(status) ?? 0) + 1)
      }
    }
    const workers = Array.from({ length: 64 }, worker)
    await isAlive()
    await Promise.all(workers)
    return seen
  }

  it("of beats that nobody signed, of fresh keys, and of registrations is refused, and who was there stays", async () => {
    const forged = signed(HEARTBEAT, "{}")
    const beats = await flood(600, () =>
      post(HEARTBEAT, "{}", { ...forged, [SignedRequest.HEADERS.signature]: "A".repeat(86) }),
    )
    assert.deepStrictEqual([...beats.keys()], [401])
    const fresh = await flood(150, () => post(HEARTBEAT, "{}", signed(HEARTBEAT, "{}", generateKeyPairSync("ed25519"))))
    for (const status of fresh.keys()) assert.include([400, 404, 409, 429], status)
    const joining = await flood(100, () => {
      const body = registration("https://gpu.example.com")
      return post(REGISTER, body, signed(REGISTER, body, generateKeyPairSync("ed25519")))
    })
    for (const status of joining.keys()) assert.include([401, 403, 429], status)
    const [still] = await PairedAgent.devices(market, provider.secret)
    assert.strictEqual(still?.state, "active")
    await isAlive()
  }, 60_000)

  it("of codes is refused after a few, whatever is guessed", async () => {
    const { code, longCode } = await PairedAgent.makeCode(market, provider.secret)
    codes.push(code, longCode)
    const body = JSON.stringify({ code: "000000" })
    const guesses = await flood(200, () => post(PAIR, body, signed(PAIR, body, generateKeyPairSync("ed25519"))))
    for (const status of guesses.keys()) assert.include([400, 404, 409, 423, 429], status)
    const waiting = (await PairedAgent.devices(market, provider.secret)).filter(({ state }) => state === "waiting")
    assert.deepStrictEqual(waiting, [])
  }, 60_000)
})

describe("a secret", () => {
  it("is in nothing that the market says, exports, stores or prints at its most talkative, but where it belongs", async () => {
    await RunningMarket.until("spans", () => (collector.names("traces").size > 5 ? true : undefined))
    const hook = `hook${randomBytes(16).toString("hex")}`
    assert.strictEqual((await notify(`https://hooks.example.com/services/${hook}`)).status, 200)
    const dev = JSON.parse(readFileSync(path.join(market.home, "dev.json"), "utf8")) as {
      operatorKey: string
      buyerKey: string
    }
    const deviceKey = JSON.parse(readFileSync(path.join(paired.home, "device-key.json"), "utf8")) as {
      privateKey: string
    }
    const keyFiles = filesUnder(path.join(market.home, "keys"))
    assert.isNotEmpty(keyFiles)
    /** The long words of a file of keys that are not its public ones. */
    const published = await (await fetch(`${market.url}/.well-known/guildhall-keys.json`)).text()
    const marketKeys = keyFiles.flatMap((file) =>
      (readFileSync(file, "utf8").match(/[A-Za-z0-9_+/-]{40,}={0,2}/g) ?? [])
        .filter((word) => !published.includes(word))
        .map((word) => [word, file] as const),
    )
    assert.isNotEmpty(marketKeys)
    const secrets = new Map<string, string>([
      [dev.operatorKey, "dev.json"],
      [dev.buyerKey, "dev.json"],
      [provider.secret, ""],
      ["sk-some-token-of-a-service", ""],
      [Buffer.alloc(32, 7).toString("base64url"), ""],
      [deviceKey.privateKey, "device-key.json"],
      ...marketKeys.map(([word, file]) => [word, path.basename(file)] as const),
    ])
    const { url, data } = JSON.parse(readFileSync(path.join(market.home, "postgres.json"), "utf8")) as {
      url: string
      data: string
    }
    const { found } = await Effect.runPromise(
      tablesWith([...secrets.keys(), provider.member, hook]).pipe(
        Effect.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })),
      ),
    )
    assert.isNotEmpty(found.get(provider.member))
    // Where a webhook is must be known to call it, and is told to nobody but its member.
    assert.deepStrictEqual(found.get(hook), ["registry_warning_addresses"])
    const metrics = String((await market.call("/metrics")).body)
    await market.kill("SIGINT")
    // The key that the development buyer's first request is shown with may be read by whoever started the market.
    const printed = market.output().replaceAll(dev.buyerKey, "")
    const said = [printed, metrics, ...[...collector.bodies.values()].flat().map(String)]
    const files = [...filesUnder(market.home), ...filesUnder(data)]
    for (const [secret, home] of secrets) {
      const name = `${secret.slice(0, 6)}… of ${home}`
      assert.deepStrictEqual(found.get(secret), [], name)
      assert.isFalse(
        said.some((text) => isIn(text, secret)),
        name,
      )
      const names = new Set(filesWith(files, secret).map((file) => path.basename(file)))
      names.delete(home)
      assert.deepStrictEqual([...names], [], name)
    }
    assert.isFalse(
      said.some((text) => isIn(text, hook)),
      "a webhook",
    )
    for (const code of codes) {
      // Six digits stand in many numbers; alone they stand in none.
      const alone = new RegExp(`(?<![0-9A-Za-z.])${code}(?![0-9A-Za-z.])`)
      assert.isFalse(
        said.some((text) => alone.test(text)),
        code,
      )
    }
  }, 60_000)
})
