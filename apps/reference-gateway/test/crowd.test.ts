/**
 * Two hundred devices on one market: they register with keys of their own, are checked, beat, serve a crowd of streams, and a quarter
 * of them dies at once. What it took is printed. `CROWD` is another number of devices.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { mkdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { local } from "@guildhall/markets/local"
import type { Buyer } from "./FundedBuyer.ts"
import * as Aftermath from "./Aftermath.ts"
import * as AgentLog from "./AgentLog.ts"
import * as MarketDatabase from "./MarketDatabase.ts"
import * as MarketProcess from "./MarketProcess.ts"
import * as RunningMarket from "./RunningMarket.ts"
import * as ScriptedEngine from "./ScriptedEngine.ts"
import { words } from "./UncalledAgent.ts"

const MODEL = "scripted/crowd"
const CROWD = Number(process.env["CROWD"] ?? 200)
const PROCESSES = 4
const EACH = Math.ceil(CROWD / PROCESSES)
const PATIENT_MS = 240_000

const terms = {
  // One that is dead fails a few requests and is left alone, before it is off the list.
  health: local.health,
  heartbeat: { intervalMs: 10_000, missesMax: 6, checkMs: 10_000 },
  hold: { lifeMs: 20_000, renewMs: 5_000 },
  devices: { perMember: CROWD, modelsEach: 4 },
  entry: { checks: ["reach", "device_key"], recheckMs: 604_800_000, promptTokensMax: 256, parallelMax: 1 },
} as const

let market: RunningMarket.RunningMarket
let database: MarketDatabase.MarketDatabase
let engine: ScriptedEngine.ScriptedEngine
let scene: Aftermath.Scene
let buyer: Buyer
const processes: Array<{ readonly process: MarketProcess.MarketProcess; readonly homes: ReadonlyArray<string> }> = []

/** Seconds of processor time that a process has used, and its memory in MiB. */
const cost = (pid: number) => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? []
  const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]
  return { cpuS: (Number(fields[11]) + Number(fields[12])) / 100, mib: Math.round(Number(kib) / 1024) }
}

const report = (what: string, since: { readonly cpuS: number; readonly atMs: number }) => {
  if (process.platform !== "linux") return
  const now = cost(market.pid)
  const seconds = (performance.now() - since.atMs) / 1_000
  process.stdout.write(
    `${what}: ${seconds.toFixed(1)} s, of which the gateway worked ${(now.cpuS - since.cpuS).toFixed(1)} s; it has ${now.mib} MiB.\n`,
  )
}

const mark = () => ({
  cpuS: process.platform === "linux" ? cost(market.pid).cpuS : 0,
  atMs: performance.now(),
})

/** How many distinct devices have an instance in this state. */
const devicesIn = async (state: string): Promise<number> => {
  const { body } = await market.call("/v1/operator/instances")
  const { data } = body as { data: ReadonlyArray<{ instance: { state: string; deviceId: string } }> }
  return new Set(data.filter(({ instance }) => instance.state === state).map(({ instance }) => instance.deviceId)).size
}

const served = async (script: string): Promise<string> => {
  const stream = await market.client(buyer.key).chat.completions.create({
    model: MODEL,
    messages: [{ role: "user", content: script }],
    stream: true,
    max_tokens: 60,
  })
  let text = ""
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ""
  return text
}

/** Asks so many times, so many at a time. */
const load = async (
  times: number,
  atATime: number,
): Promise<{ readonly good: number; readonly codes: ReadonlyArray<string> }> => {
  let [left, good, again] = [times, 0, 20]
  const codes: Array<string> = []
  const one = async () => {
    while (left > 0) {
      left -= 1
      try {
        assert.strictEqual(await served("tokens=20 gap=5"), words(20))
        good += 1
      } catch (error) {
        const code = String((error as { code?: unknown }).code ?? error)
        // Where a busy machine does not tell in a second how much a key has used, it is asked again, as it says.
        if (code === "service_unavailable" && again-- > 0) left += 1
        else codes.push(code)
      }
    }
  }
  await Promise.all(Array.from({ length: atATime }, one))
  return { good, codes }
}

beforeAll(async () => {
  database = await MarketDatabase.make({ renewMs: terms.hold.renewMs })
  const home = RunningMarket.makeHome()
  const environment = {
    GUILDHALL_MARKET: RunningMarket.writeDefinition(home, terms),
    GUILDHALL_AGENT: "off",
    GUILDHALL_PORT: "0",
    DATABASE_URL: database.url,
  }
  market = await RunningMarket.start({ home, environment })
  engine = await ScriptedEngine.start(MODEL)
  const key = await RunningMarket.issueKey(market, { name: "buyer", role: "buyer" })
  await market.call("/v1/operator/top-ups", { body: { member: key.member, amount: "5", idempotencyKey: "crowd" } })
  const opening = await RunningMarket.balance(market, key.secret)
  buyer = { member: key.member, key: key.secret, opening }
  const { member, secret } = await RunningMarket.issueKey(market, { name: "crowd", role: "provider" })
  for (let at = 0; at < PROCESSES; at += 1) {
    const folder = path.join(home, `crowd-${at}`)
    mkdirSync(folder)
    const variables = {
      CROWD_MARKET: market.url,
      CROWD_KEY: secret,
      CROWD_HOME: folder,
      CROWD_BACKEND: engine.url,
      CROWD_COUNT: String(EACH),
    }
    const homes = Array.from({ length: EACH }, (_, index) => path.join(folder, String(index)))
    processes.push({ process: MarketProcess.runFile("CrowdProcess.ts", variables), homes })
  }
  scene = {
    database,
    market: () => market,
    providers: processes.flatMap(({ homes }) => homes.map((one) => ({ member, log: AgentLog.at(one) }))),
    command: (...args) => RunningMarket.guildhall(home, args, { DATABASE_URL: database.url }),
  }
}, 120_000)

afterAll(async () => {
  await Promise.all(processes.map(({ process }) => process.endBy("SIGKILL")))
  await market?.close()
  await engine?.close()
  await database?.close()
}, 60_000)

describe(`${EACH * PROCESSES} agents at once`, () => {
  it("join, are checked, beat and serve; of those that die at once none is listed for long, and the books are right", async () => {
    const began = mark()
    await RunningMarket.until(
      "all to be online",
      async () => ((await RunningMarket.instancesOnline(market, MODEL)) === EACH * PROCESSES ? true : undefined),
      PATIENT_MS,
    ).catch((error: unknown) => {
      const said = processes.map(({ process }) => process.output().slice(-1_000))
      throw new Error(`${String(error)}\n${said.join("\n")}`)
    })
    assert.strictEqual(await devicesIn("online"), EACH * PROCESSES)
    report("All are online", began)

    const loaded = mark()
    const { codes, good } = await load(EACH * PROCESSES, 50)
    assert.deepStrictEqual(codes, [])
    assert.strictEqual(good, EACH * PROCESSES)
    assert.strictEqual(await devicesIn("online"), EACH * PROCESSES)
    report(`${good} streams, 50 at a time`, loaded)

    const killed = mark()
    const under = load(EACH * PROCESSES, 50)
    const victims = processes[0]
    await RunningMarket.until("streams to run", () => (engine.counts.active >= 20 ? true : undefined))
    await victims?.process.endBy("SIGKILL")
    const rest = await under
    // What had begun on those that died ends so; what had not is served by others, unless three in a row were dead.
    for (const code of rest.codes) assert.include(["provider_closed_early", "provider_unreachable"], code)
    assert.strictEqual(rest.good + rest.codes.length, EACH * PROCESSES)
    await RunningMarket.until(
      "the dead to be off the list",
      async () => ((await RunningMarket.instancesOnline(market, MODEL)) === EACH * (PROCESSES - 1) ? true : undefined),
      PATIENT_MS,
    )
    report(`${EACH} died at once, ${rest.codes.length} streams with them, and are off the list`, killed)
    const after = await load(EACH, 25)
    assert.deepStrictEqual(after.codes, [])

    await Aftermath.settled({ ...scene, providers: scene.providers.slice(EACH) })
    const fates = await Aftermath.of(scene, buyer)
    assert.lengthOf(fates, EACH * PROCESSES * 2 + EACH)
    const serving = new Set(fates.map(({ receipt }) => receipt.device))
    assert.isAbove(serving.size, (EACH * PROCESSES) / 4)
    await Aftermath.books(scene)
    await Promise.all(processes.slice(1).map(({ process }) => process.endBy("SIGTERM")))
    await RunningMarket.unlisted(market, MODEL, PATIENT_MS)
  }, 600_000)
})
