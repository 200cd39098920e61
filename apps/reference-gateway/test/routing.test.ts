/**
 * The routing of a running market, looked back on: exported and audited with the command line, before and after somebody
 * changed it.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import path from "node:path"
import { local } from "@guildhall/markets/local"
import * as RunningMarket from "./RunningMarket.ts"
import * as ScriptedEngine from "./ScriptedEngine.ts"

const MODEL = "scripted/engine"

let market: RunningMarket.RunningMarket
let providerKey: string
let home: string
const cleanups: Array<() => Promise<unknown>> = []

/** The market's definition with this policy, and as many retries as are needed. */
const define = (routing: typeof local.routing): string => {
  const relay = { ...local.relay, retries: { percent: 100, perSecond: 100 } }
  return RunningMarket.writeDefinition(home, { ...RunningMarket.calm, relay, routing })
}

beforeAll(async () => {
  home = RunningMarket.makeHome()
  const environment = { GUILDHALL_MARKET: define(local.routing), GUILDHALL_AGENT: "off" }
  market = await RunningMarket.start({ home, environment })
  const provider = await RunningMarket.issueKey(market, { name: "provider", role: "provider" })
  providerKey = provider.secret
  const serve = async (always: string) => {
    const engine = await ScriptedEngine.start(MODEL, always)
    cleanups.push(engine.close)
    const agent = await RunningMarket.startAgent(market, { key: provider.secret, backend: engine.url })
    cleanups.push(() => agent.kill("SIGKILL"))
  }
  // One of them fails every time.
  await Promise.all([serve(""), serve(""), serve("fail")])
  await RunningMarket.listed(market, MODEL, 3)
}, 90_000)

afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  await market?.close()
})

const file = (name: string): string => path.join(market.home, name)

const ask = async (script: string, more: object = {}): Promise<number> => {
  const response = await fetch(`${market.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${market.buyerKey}`, "content-type": "application/json" },
    body: JSON.stringify({ model: MODEL, messages: [{ role: "user", content: script }], max_tokens: 50, ...more }),
  })
  await response.arrayBuffer()
  return response.status
}

interface Report {
  readonly ok: boolean
  readonly differences: ReadonlyArray<{ readonly request: string; readonly chosen: string; readonly expected: string }>
  readonly proofs: ReadonlyArray<{ readonly request: string; readonly of: string }>
  readonly findings: ReadonlyArray<{ readonly kind: string; readonly detail: string }>
  readonly counts: Readonly<Record<string, number>>
  readonly isFileAltered: boolean
  readonly held: {
    readonly given: number
    readonly compared: number
    readonly elsewhere: number
    readonly otherwise: ReadonlyArray<object>
  } | null
}

/** Writes an export whose end says what its writer would say of these lines. */
const writeExport = (name: string, lines: ReadonlyArray<string>): void => {
  const kept = lines.slice(0, -1)
  const count = (tag: string) => kept.filter((line) => line.startsWith(`{"_tag":"${tag}"`)).length
  const digest = createHash("sha256")
  for (const line of kept) digest.update(`${line}\n`)
  const end = { _tag: "End", segments: count("Segment"), decisions: count("Decision"), digest: digest.digest("hex") }
  writeFileSync(file(name), `${[...kept, JSON.stringify(end)].join("\n")}\n`)
}

const audit = async (
  name: string,
  ...flags: ReadonlyArray<string>
): Promise<{ readonly code: number | null; readonly report: Report }> => {
  const { code, output } = await RunningMarket.guildhall(market.home, [
    "routing",
    "audit",
    file(name),
    "--json",
    ...flags,
  ])
  const line = output.split("\n").find((line) => line.startsWith("{"))
  if (line === undefined) throw new Error(output)
  return { code, report: JSON.parse(line) as Report }
}

type WhyNot = Readonly<Record<"requests" | "served" | "outranked" | "excluded" | "notSeen", number>>

const REQUESTS = 24

describe("guildhall routing", () => {
  it("exports what a running market decided, with failures and retries, and makes it again without a difference", async () => {
    const statuses: Array<number> = []
    // Few enough at a time that most find a free instance, and one that always fails is among the least loaded.
    for (let round = 0; round < REQUESTS / 4; round++) {
      const scripts = [round % 2 === 0 ? "fail" : "tokens=3", "tokens=3 gap=20", "tokens=2", "tokens=4 gap=5"]
      statuses.push(...(await Promise.all(scripts.map((script) => ask(script)))))
    }
    assert.isAbove(statuses.filter((status) => status === 200).length, 5)
    assert.isAbove(statuses.filter((status) => status >= 500).length, 0)
    await RunningMarket.until("the journal's copy of every request", async () => {
      const { body } = await market.call("/v1/requests?limit=100", { key: market.buyerKey })
      return (body as { data: ReadonlyArray<unknown> }).data.length === REQUESTS ? true : undefined
    })

    const exported = await RunningMarket.guildhall(market.home, ["routing", "export", "--out", file("log.jsonl")])
    assert.strictEqual(exported.code, 0, exported.output)
    assert.match(exported.output, new RegExp(`^${REQUESTS} decisions from .* to .* and \\d+ segments of the log$`, "m"))

    const { code, report } = await audit("log.jsonl")
    assert.strictEqual(code, 0, JSON.stringify(report))
    assert.deepInclude(report.counts, {
      replicas: 1,
      decisions: REQUESTS,
      differing: 0,
      beyondLog: 0,
      brokenProofs: 0,
      beyondProof: 0,
      altered: 0,
      gaps: 0,
    })
    assert.isAbove(report.counts["attempts"] ?? 0, REQUESTS)
    assert.isAbove(report.counts["proved"] ?? 0, REQUESTS / 2)

    const { output } = await RunningMarket.guildhall(market.home, ["routing", "audit", file("log.jsonl")])
    assert.match(output, /ok {6}decisions {2}\d+ attempts of 24 requests were made again; 0 differ/)
    assert.match(output.trimEnd(), /Nothing differs\. Next: .*$/)
  }, 90_000)

  it("finds one altered decision, and one altered stretch of the log", async () => {
    const lines = readFileSync(file("log.jsonl"), "utf8").trimEnd().split("\n")
    const at = lines.findIndex((line) => /"decision":\[[^\]]*"[0-9a-f]{32}\w* \w+","/.test(line))
    const line = lines[at] ?? ""
    const [, first = "", second = ""] = /"([\w-]+)(?:\+\d+)? provider_\w+","([\w-]+)/.exec(line) ?? []
    assert.notStrictEqual(second, "", line)
    writeExport("decision.jsonl", lines.with(at, line.replace(first, second)))
    // One byte more, which changes nothing that the line says.
    writeFileSync(file("accident.jsonl"), `${lines.with(at, `${line} `).join("\n")}\n`)

    // The busiest stretch: proofs of later decisions in it cover what is altered.
    const starts = lines.map((line) => (line.includes('"Segment"') ? line.split("\\n+").length : 0))
    const segment = starts.indexOf(Math.max(...starts))
    const changed = (lines[segment] ?? "").replace("\\n+", "\\n-")
    writeExport("segment.jsonl", lines.with(segment, changed))

    const [decision, log, accident, none] = await Promise.all([
      audit("decision.jsonl"),
      audit("segment.jsonl"),
      audit("accident.jsonl"),
      RunningMarket.guildhall(market.home, ["routing", "audit", file("none.jsonl")]),
    ])
    assert.strictEqual(decision.code, 1)
    // What was tried first is part of what the next attempts were chosen by.
    assert.strictEqual(new Set(decision.report.differences.map(({ request }) => request)).size, 1)
    assert.strictEqual(decision.report.differences[0]?.expected, `ins_${first}`)
    assert.deepStrictEqual(
      decision.report.proofs.map((proof) => proof.of),
      ["decision"],
    )
    assert.isFalse(decision.report.isFileAltered)
    assert.deepStrictEqual([accident.code, accident.report.isFileAltered], [1, true])
    assert.strictEqual(log.code, 1)
    assert.isAbove(log.report.counts["altered"] ?? 0, 0)
    assert.isAbove(log.report.counts["brokenProofs"] ?? 0, 0)
    assert.include(log.report.findings[0]?.detail ?? "", "does not fit its hash")
    assert.strictEqual(none.code, 1)
    assert.include(none.output, "is not there")
  }, 90_000)

  it("compares the export with the receipts that a buyer holds", async () => {
    const { body } = await market.call("/v1/requests?limit=100", { key: market.buyerKey })
    const { data } = body as { data: ReadonlyArray<{ id: string; outcome: string }> }
    const id = data.find(({ outcome }) => outcome === "completed")?.id ?? ""
    const receipt = await RunningMarket.until("a signed receipt", async () => {
      const found = await market.call(`/v1/receipts/${id}`, { key: market.buyerKey })
      return found.status === 200 ? JSON.stringify(found.body) : undefined
    })
    mkdirSync(file("held"))
    writeFileSync(file("held/one.json"), receipt)
    const honest = await audit("log.jsonl", "--receipts", file("held"))
    assert.strictEqual(honest.code, 0)
    assert.deepInclude(honest.report.held, { given: 1, compared: 1, otherwise: [] })

    const lines = readFileSync(file("log.jsonl"), "utf8").trimEnd().split("\n")
    const without = lines.filter((line) => !line.includes(`"id":"${id}"`))
    writeExport("without.jsonl", without)
    const { code, report } = await audit("without.jsonl", "--receipts", file("held"))
    assert.deepStrictEqual([code, report.held?.otherwise], [1, [{ request: id, is: "absent" }]])

    // Another market's name, nothing that proves anything, and none of the requests of which receipts were given away.
    const blinded = without
      .with(0, (without[0] ?? "").replace(/"market":"\w+"/, '"market":"another"'))
      .map((line) => line.replace(/"salt":"[^"]*","proof":\{[^}]*\}/, '"salt":null,"proof":null'))
    writeExport("blinded.jsonl", blinded)
    const blind = await audit("blinded.jsonl", "--receipts", file("held"))
    assert.deepInclude(blind.report.held, { given: 1, compared: 0, elsewhere: 1 })
    assert.deepInclude(blind.report.counts, { proved: 0, brokenProofs: 0, unproved: REQUESTS - 1 })
    assert.deepStrictEqual([blind.code, blind.report.ok], [1, false])
    const args = ["routing", "audit", file("blinded.jsonl"), "--receipts", file("held")]
    const told = await RunningMarket.guildhall(market.home, args)
    assert.match(told.output, /FAILED {2}receipts {3}0 lead to this log/)
    assert.match(told.output, /FAILED {2}held {7}0 of 1 receipts were compared/)
    assert.include(told.output, "1 receipts are of another market than the export says to be of.")
    assert.include(told.output, "Nothing is proved")
  }, 90_000)

  it("tells a provider why its instance was not routed to, in a terminal as over HTTP", async () => {
    const { body } = await market.call("/v1/operator/instances")
    const { data } = body as { data: ReadonlyArray<{ instance: { id: string } }> }
    const answers = await Promise.all(
      data.map(async ({ instance }) => {
        const args = ["routing", "why", "--instance", instance.id, "--json"]
        const { code, output } = await RunningMarket.guildhall(market.home, args)
        assert.strictEqual(code, 0, output)
        const line = output.split("\n").find((line) => line.startsWith("{")) ?? ""
        return JSON.parse(line) as WhyNot
      }),
    )
    assert.strictEqual(answers.length, 3)
    for (const [at, { instance }] of data.entries()) {
      const over = await market.call(`/v1/providers/why?instance=${instance.id}`, { key: providerKey })
      assert.strictEqual(over.status, 200)
      const { excluded, notSeen, outranked, requests, served } = over.body as WhyNot
      assert.deepInclude(answers[at], { excluded, notSeen, outranked, requests, served }, instance.id)
    }
    for (const { excluded, notSeen, outranked, requests, served } of answers) {
      assert.deepStrictEqual([requests, notSeen], [REQUESTS, 0])
      assert.strictEqual(served + outranked + excluded, REQUESTS)
    }
    const whole = await RunningMarket.guildhall(market.home, ["routing", "why", "--member", "mem_nobody"])
    assert.strictEqual(whole.code, 0, whole.output)
    assert.match(whole.output.trimEnd(), /Next: check the id, or ask for a longer period with --from\.$/)
    const nothing = await RunningMarket.guildhall(market.home, ["routing", "why"])
    assert.strictEqual(nothing.code, 1)
    assert.include(nothing.output, "Say whose")
    const many = await RunningMarket.guildhall(market.home, [
      "routing",
      "why",
      "--member",
      "mem_nobody",
      "--sample",
      "0",
    ])
    assert.include(many.output, "a whole number from 1 to 10000")
    const backwards = ["--from", "2026-11-02", "--to", "2026-11-01"]
    for (const args of [
      ["export", "--out", file("none.jsonl")],
      ["why", "--member", "mem_nobody"],
    ]) {
      const refused = await RunningMarket.guildhall(market.home, ["routing", ...args, ...backwards])
      assert.strictEqual(refused.code, 1)
      assert.include(refused.output, "Correct --from or --to")
    }
  }, 90_000)

  it("knows the policy of before after the market took another one", async () => {
    await market.kill("SIGINT")
    const unknown = { GUILDHALL_MARKET: define({ use: "Cheapest" }), GUILDHALL_AGENT: "off", GUILDHALL_PORT: "0" }
    const refused = await RunningMarket.guildhall(market.home, ["start"], unknown)
    assert.strictEqual(refused.code, 1)
    assert.include(refused.output, `The market definition ${unknown.GUILDHALL_MARKET} cannot be used.`)
    assert.include(refused.output, 'the routing policy "Cheapest"')
    const environment = { GUILDHALL_MARKET: define({ use: "PrefixAffinity" }), GUILDHALL_AGENT: "off" }
    market = await RunningMarket.start({ home: market.home, environment, port: Number(new URL(market.url).port) })
    await RunningMarket.listed(market, MODEL, 3)
    const statuses = await Promise.all(
      ["one", "two", "one", "two"].map((key) =>
        ask("tokens=2", { prompt_cache_key: key, models: [MODEL, "org/other"] }),
      ),
    )
    assert.include(statuses, 200)
    await RunningMarket.until("the journal's copy of every request", async () => {
      const { body } = await market.call("/v1/requests?limit=100", { key: market.buyerKey })
      return (body as { data: ReadonlyArray<unknown> }).data.length === REQUESTS + 4 ? true : undefined
    })
    const exported = await RunningMarket.guildhall(market.home, ["routing", "export", "--out", file("both.jsonl")])
    assert.strictEqual(exported.code, 0, exported.output)
    assert.include(readFileSync(file("both.jsonl"), "utf8"), "affinity")
    const { code, report } = await audit("both.jsonl")
    assert.strictEqual(code, 0, JSON.stringify(report))
    const { counts } = report
    assert.deepInclude(counts, { replicas: 2, decisions: REQUESTS + 4, differing: 0, otherPolicy: 0, brokenProofs: 0 })
  }, 120_000)
})
