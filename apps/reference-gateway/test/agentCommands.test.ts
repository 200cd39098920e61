/**
 * The agent's command line against a market, from a bare machine to a drained one: each command as a person and as a program
 * runs it. What a program gets is one JSON document, which has the form that it is said to have.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { existsSync, readFileSync, statSync } from "node:fs"
import path from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import * as AgentConfig from "@guildhall/agent/AgentConfig"
import { AgentStatus } from "@guildhall/agent/control/AgentStatus"
import { PriceChange } from "@guildhall/agent/control/ControlRpcs"
import * as CommandAnswer from "@guildhall/agent/CommandAnswer"
import { LogLine } from "@guildhall/agent/LogFile"
import * as StatusReport from "@guildhall/agent/StatusReport"
import { EarningsView, GuidanceView } from "@guildhall/protocol/api/EarningsApi"
import { GpuView } from "@guildhall/protocol/api/GpusApi"
import { Maintained } from "@guildhall/protocol/api/InstancesApi"
import * as AgentCommands from "./AgentCommands.ts"
import * as RunningMarket from "./RunningMarket.ts"
import * as ScriptedEngine from "./ScriptedEngine.ts"

const MODEL = "scripted/commanded"
const Ok = { ok: Schema.Literal(true) }

/** What each command's document is. */
const documents = {
  init: Schema.Struct({
    ...Ok,
    file: Schema.String,
    config: AgentConfig.AgentConfig,
    changed: Schema.Boolean,
    paired: Schema.Boolean,
    next: Schema.Array(Schema.String),
  }),
  status: Schema.Struct({ ...Ok, ...StatusReport.StatusDocument.fields, agent: AgentStatus }),
  gpu: Schema.Struct({ ...Ok, gpu: Schema.toCodecJson(GpuView) }),
  gpuStatus: Schema.Struct({
    ...Ok,
    gpu: Schema.toCodecJson(GpuView),
    earnings: Schema.NullOr(Schema.toCodecJson(EarningsView)),
  }),
  gpus: Schema.Struct({ ...Ok, gpus: Schema.Array(Schema.toCodecJson(GpuView)) }),
  removed: Schema.Struct({ ...Ok, removed: Schema.String }),
  pricing: Schema.Struct({ ...Ok, holds: Schema.String, kept: Schema.Boolean, prices: PriceChange }),
  maintenance: Schema.Struct({
    ...Ok,
    fromMs: Schema.optionalKey(Schema.Int),
    toMs: Schema.optionalKey(Schema.Int),
    reason: Schema.optionalKey(Schema.String),
    instances: Maintained.fields.data,
  }),
  earnings: Schema.Struct({
    ...Ok,
    earnings: Schema.toCodecJson(EarningsView),
    guidance: Schema.NullOr(Schema.toCodecJson(GuidanceView)),
  }),
  logs: Schema.Struct({ ...Ok, lines: Schema.Array(LogLine) }),
  drain: Schema.Struct({ ...Ok, tookMs: Schema.Int }),
  uninstall: Schema.Struct({
    ...Ok,
    instances: Schema.Array(Schema.String),
    purged: Schema.Boolean,
    told: Schema.Boolean,
    installer: Schema.NullOr(Schema.String),
  }),
  models: Schema.Struct({ ...Ok, models: Schema.Array(Schema.Json), unfinished: Schema.Array(Schema.Json) }),
  failed: CommandAnswer.Failed,
} as const

let market: RunningMarket.RunningMarket
let engine: ScriptedEngine.ScriptedEngine
let provider: { readonly secret: string }
let home: string
let agent: AgentCommands.Started

/** Runs a command for a program, and reads its one document. */
const ask = async <S extends Schema.Codec<unknown, unknown>>(
  form: S,
  ...args: ReadonlyArray<string>
): Promise<S["Type"]> => {
  const { code, errors, output } = await AgentCommands.inside(home, [...args, "--json"])
  const lines = output.trim().split("\n")
  assert.lengthOf(lines, 1, `${args.join(" ")} printed more than one line: ${output}${errors}`)
  assert.strictEqual(errors, "", args.join(" "))
  const isFailed = lines[0]?.startsWith('{"ok":false') === true
  assert.strictEqual(code !== 0, isFailed, `${args.join(" ")} ended with ${code}: ${output}`)
  return Schema.decodeUnknownSync(form, { onExcessProperty: "error" })(JSON.parse(lines[0] ?? ""))
}

/** Runs a command for a person. */
const tell = (...args: ReadonlyArray<string>) => AgentCommands.inside(home, args)

const states = async (): Promise<ReadonlyArray<string>> => {
  const { body } = await market.call("/v1/operator/instances")
  const { data } = body as { data: ReadonlyArray<{ instance: { model: string; state: string } }> }
  return data.flatMap(({ instance }) => (instance.model === MODEL ? [instance.state] : []))
}

const buy = async (content = "tokens=3"): Promise<number> => {
  const { status } = await market.call("/v1/chat/completions", {
    key: market.buyerKey,
    body: { model: MODEL, messages: [{ role: "user", content }], max_tokens: 200 },
  })
  return status
}

beforeAll(async () => {
  const base = RunningMarket.makeHome()
  const environment = {
    GUILDHALL_MARKET: RunningMarket.writeDefinition(base, RunningMarket.calm),
    GUILDHALL_AGENT: "off",
  }
  market = await RunningMarket.start({ home: base, environment })
  engine = await ScriptedEngine.start(MODEL)
  provider = await RunningMarket.issueKey(market, { name: "commander", role: "provider" })
  home = path.join(market.home, "commanded")
}, 90_000)
afterAll(async () => {
  agent?.kill()
  await engine.close()
  await market.close()
}, 30_000)

describe("the agent's command line", () => {
  it("says what to do on a machine that nobody has set up, with the exit code for it", async () => {
    const ran = ["status", "drain", "earnings", "logs"].map((name) => AgentCommands.run(home, [name]))
    const [status, drain, earnings, logs] = await Promise.all(ran)
    if (status === undefined || drain === undefined || earnings === undefined || logs === undefined)
      return assert.fail()
    assert.deepStrictEqual([status.code, drain.code, earnings.code, logs.code], [7, 7, 2, 0])
    assert.include(status.output, "guildhall-agent serve")
    assert.include(drain.errors, "guildhall-agent serve")
    assert.include(earnings.errors, "guildhall-agent pair")
    assert.include(logs.output, "guildhall-agent serve")
    assert.strictEqual((await ask(documents.failed, "drain")).reason, "NotRunning")
    assert.strictEqual((await ask(documents.failed, "pricing", "set", "--input-price", "1")).reason, "NotRunning")
    assert.isFalse(existsSync(home), "looking made a home")
    const wrong = await Promise.all([
      tell("bogus"),
      tell("gpu", "register"),
      tell("maintenance", "announce", "--for", "soon"),
    ])
    assert.deepStrictEqual(
      wrong.map(({ code }) => code),
      [2, 2, 2],
    )
  }, 60_000)

  it("writes settings once, and again without a change", async () => {
    const first = await ask(
      documents.init,
      "init",
      "--market",
      market.url,
      "--name",
      "box",
      "--backend",
      engine.url,
      "--region",
      "eu-west",
      "--input-price",
      "120",
    )
    assert.deepInclude(first, { changed: true, paired: false })
    assert.deepInclude(first.config, { name: "box", inputPrice: 120, outputPrice: 200, region: "eu-west" })
    assert.strictEqual(statSync(first.file).mode & 0o777, 0o600)
    const again = await ask(documents.init, "init")
    assert.deepInclude(again, { changed: false, config: first.config })
    assert.strictEqual((await ask(documents.failed, "init", "--market", "nowhere")).reason, "BadSetting")
  }, 60_000)

  it("pairs, serves with what was written, and shows both sides of it", async () => {
    const made = await market.call("/api/devices/pair-code", { key: provider.secret, method: "POST" })
    const pairing = AgentCommands.start(home, ["pair", (made.body as { code: string }).code, "--json"])
    const device = await RunningMarket.until("the device waits", async () => {
      const { body } = await market.call("/api/devices", { key: provider.secret })
      const { data } = body as { data: ReadonlyArray<{ id: string; state: string; name: string }> }
      return data.find(({ state }) => state === "waiting")
    })
    assert.strictEqual(device.name, "box")
    await market.call(`/api/devices/${device.id}/approve`, { key: provider.secret, method: "POST" })
    assert.strictEqual((await pairing.ended).code, 0, pairing.output())

    agent = AgentCommands.start(home, ["serve"])
    await RunningMarket.until("the agent serves", () => (agent.output().includes("Serving") ? true : undefined))
    await RunningMarket.listed(market, MODEL, 1)
    const socket = statSync(path.join(home, "agent.sock"))
    assert.strictEqual(socket.mode & 0o077, 0, "the socket is open to others")
    assert.strictEqual(await buy(), 200)
    const { agent: shown, market: said } = await ask(documents.status, "status")
    assert.deepStrictEqual([shown.phase, shown.device, shown.market], ["serves", device.id, market.url])
    assert.strictEqual(shown.prices.input_price_per_million, 120)
    assert.strictEqual(said?.instances[0]?.instance.region, "eu-west")
    const { code, output } = await tell("status")
    assert.strictEqual(code, 0)
    assert.include(output, "online")
    assert.notInclude(output, "\u001b[")
    const busy = await AgentCommands.run(home, ["serve"])
    assert.strictEqual(busy.code, 1)
    assert.include(busy.output + busy.errors, "Another agent")
  }, 60_000)

  it("changes prices without a restart, and drops no request while it does", async () => {
    const statuses: Array<number> = []
    let isOver = false
    const buying = Promise.all(
      Array.from({ length: 4 }, async () => {
        while (!isOver) statuses.push(await buy())
      }),
    )
    for (const price of [80, 60, 40]) {
      const { holds, prices } = await ask(documents.pricing, "pricing", "set", "--input-price", `${price}`)
      assert.strictEqual(holds, "now")
      assert.deepInclude(prices, { input_price_per_million: price, output_price_per_million: 200 })
    }
    await pause(500)
    isOver = true
    await buying
    assert.isAbove(statuses.length, 20)
    assert.deepStrictEqual([...new Set(statuses)], [200])
    const config = JSON.parse(readFileSync(path.join(home, "config.json"), "utf8"))
    assert.strictEqual(config.inputPrice, 40)
    assert.strictEqual(
      (await ask(documents.failed, "pricing", "set", "--input-price", "99999999")).code,
      "invalid_price",
    )
    assert.strictEqual(await buy(), 200)
    assert.strictEqual((await ask(documents.status, "status")).agent.prices.input_price_per_million, 40)
  }, 90_000)

  it("is left alone for the window of its maintenance, and not blamed, and comes back", async () => {
    const ahead = await ask(
      documents.maintenance,
      "maintenance",
      "announce",
      "--from",
      "+1h",
      "--for",
      "30m",
      "--reason",
      "a new driver",
    )
    assert.strictEqual((ahead.toMs ?? 0) - (ahead.fromMs ?? 0), 1_800_000)
    assert.strictEqual(await buy(), 200)
    const now = await ask(documents.maintenance, "maintenance", "announce", "--for", "1h", "--reason", "dust")
    assert.deepStrictEqual(
      now.instances.map(({ state }) => state),
      ["maintenance"],
    )
    await RunningMarket.until("nobody is sent there", async () => ((await buy()) === 503 ? true : undefined))
    assert.deepStrictEqual(await states(), ["maintenance"])
    const { market: said } = await ask(documents.status, "status")
    assert.strictEqual(said?.instances[0]?.instance.maintenance?.reason, "dust")
    assert.include((await tell("status")).output, "is under maintenance")
    // A beat or two changes nothing of it.
    await pause(2_500)
    assert.deepStrictEqual(await states(), ["maintenance"])
    await ask(documents.maintenance, "maintenance", "cancel")
    await RunningMarket.until("it is back", async () => ((await buy()) === 200 ? true : undefined))
    const refused = await ask(documents.failed, "maintenance", "announce", "--for", "9d", "--reason", "long")
    assert.strictEqual(refused.code, "invalid_request")
  }, 60_000)

  it("registers GPUs, lists them by region, and changes what they cost", async () => {
    const { gpu } = await ask(
      documents.gpu,
      "gpu",
      "register",
      "--name",
      "RTX-4090",
      "--memory",
      "24GB",
      "--cuda-version",
      "12.4",
      "--base-price",
      "0.45",
      "--region",
      "eu-west",
    )
    assert.deepInclude(gpu, {
      name: "RTX-4090",
      memory_mib: 24_576,
      cuda_version: "12.4",
      strategy: "fixed",
      is_mine: true,
    })
    assert.strictEqual(gpu.base_price_per_hour.amount, 450_000_000_000n)
    assert.lengthOf((await ask(documents.gpus, "gpu", "list", "--region", "eu-west")).gpus, 1)
    assert.lengthOf((await ask(documents.gpus, "gpu", "list", "--region", "us-east")).gpus, 0)
    const changed = await ask(
      documents.gpu,
      "gpu",
      "update",
      "--gpu-id",
      gpu.id,
      "--base-price",
      "0.5",
      "--strategy",
      "fixed",
    )
    assert.strictEqual(changed.gpu.base_price_per_hour.formatted, "0.5")
    const unknown = await ask(documents.failed, "gpu", "update", "--gpu-id", gpu.id, "--strategy", "magic")
    assert.include(unknown.detail, "This market has fixed.")
    const shown = await ask(documents.gpuStatus, "status", "--gpu-id", gpu.id)
    assert.strictEqual(shown.gpu.instances[0]?.model, MODEL)

    // Another member sees it, and may not touch it.
    const other = await RunningMarket.issueKey(market, { name: "stranger", role: "provider" })
    const { body } = await market.call("/v1/providers/gpus?region=eu-west", { key: other.secret })
    assert.deepInclude((body as { data: ReadonlyArray<object> }).data[0], { is_mine: false, device_id: null })
    for (const method of ["PATCH", "DELETE"]) {
      const { status } = await market.call(`/v1/providers/gpus/${gpu.id}`, {
        key: other.secret,
        method,
        ...(method === "PATCH" ? { body: {} } : {}),
      })
      assert.strictEqual(status, 404)
    }
    await ask(documents.removed, "gpu", "remove", "--gpu-id", gpu.id)
    assert.lengthOf((await ask(documents.gpus, "gpu", "list", "--mine")).gpus, 0)
  }, 90_000)

  it("tells what it earned, by device and with an API key as well", async () => {
    // What was served counts once its receipt is sealed.
    const earnings = await RunningMarket.until("its receipts to be sealed", async () => {
      const { earnings: told } = await ask(documents.earnings, "earnings", "--days", "2")
      return told.total.requests > 0 ? told : undefined
    })
    assert.isAbove(Number(earnings.pending.amount), 0)
    assert.isAbove(Number(earnings.total.net.amount), 0)
    const { agent: shown } = await ask(documents.status, "status")
    await ask(documents.earnings, "earnings", "--gpu-id", shown.device)
    const { code, output } = await AgentCommands.inside(home, ["earnings", "--daily"], {
      GUILDHALL_PROVIDER_KEY: provider.secret,
    })
    assert.strictEqual(code, 0)
    assert.include(output, "Pending")
  }, 60_000)

  it("tells what it logged", async () => {
    const { lines } = await ask(documents.logs, "logs", "-n", "1000", "--since", "1h")
    assert.isTrue(lines.some(({ message }) => message.startsWith("Serving")))
    assert.lengthOf((await ask(documents.logs, "logs", "-n", "2")).lines, 2)
    assert.strictEqual((await ask(documents.failed, "logs", "--since", "soon")).reason, "BadSetting")
    const following = AgentCommands.start(home, ["logs", "-f", "-n", "0"])
    await pause(1_500)
    await ask(documents.pricing, "pricing", "set", "--output-price", "190")
    await RunningMarket.until("the line comes", () => (following.output().includes("190 cents") ? true : undefined))
    following.kill()
    assert.lengthOf((await ask(documents.models, "models", "list")).models, 0)
  }, 60_000)

  it("finishes what is under way when it is drained, and leaves the market when it is uninstalled", async () => {
    assert.strictEqual((await ask(documents.failed, "uninstall")).reason, "NotReady")
    const { seen } = engine.counts
    const slow = market.call("/v1/chat/completions", {
      key: market.buyerKey,
      body: {
        model: MODEL,
        messages: [{ role: "user", content: "tokens=60 gap=50" }],
        max_tokens: 200,
        stream: true,
      },
    })
    await RunningMarket.until("it is under way", () => (engine.counts.seen > seen ? true : undefined))
    assert.strictEqual((await ask(documents.status, "status")).agent.instances[0]?.inFlight, 1)
    const drained = await ask(documents.drain, "drain", "--limit", "30s")
    assert.isAtLeast(drained.tookMs, 500)
    const { body } = await slow
    assert.include(String(body), "word59")
    assert.include(String(body), "[DONE]")
    assert.strictEqual((await agent.ended).code, 0, agent.output())
    assert.isFalse(existsSync(path.join(home, "agent.sock")))
    assert.strictEqual((await tell("status")).code, 7)

    // Nobody runs here: the device's own key asks.
    await ask(documents.earnings, "earnings")
    const later = await ask(documents.pricing, "pricing", "set", "--input-price", "30")
    assert.deepInclude(later, { holds: "next start", kept: true })
    const left = await ask(documents.uninstall, "uninstall")
    assert.lengthOf(left.instances, 1)
    assert.deepStrictEqual(await states(), [])
    assert.isTrue(existsSync(home))
    assert.include((await ask(documents.failed, "uninstall", "--purge")).detail, "--yes")
    assert.isTrue((await ask(documents.uninstall, "uninstall", "--purge", "--yes")).purged)
    assert.isFalse(existsSync(home))
  }, 90_000)
})
