import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Redacted } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import * as AgentVariables from "../src/AgentVariables.ts"
import * as AppConfig from "../src/AppConfig.ts"

const load = (env: Readonly<Record<string, string>>) =>
  Effect.provide(AppConfig.load, ConfigProvider.layer(ConfigProvider.fromEnv({ env })))

const repository = path.resolve(import.meta.dirname, "../../..")
const here = process.env["INIT_CWD"] ?? process.cwd()

describe("AppConfig", () => {
  it.effect("an empty environment gives the defaults; an empty value is none", () =>
    Effect.gen(function* () {
      const settings = yield* load({ GUILDHALL_PORT: "", DATABASE_URL: "" })
      assert.deepStrictEqual(settings, {
        port: 8787,
        host: "127.0.0.1",
        trustedProxies: [],
        home: path.join(repository, ".guildhall"),
        market: "local",
        databaseUrl: undefined,
        answerSecrets: undefined,
        sealKeys: undefined,
        smtpUrl: undefined,
        mailFrom: undefined,
        chain: "off",
        chainRpc: undefined,
        chainKey: undefined,
        chainKeyFile: undefined,
        depositKey: undefined,
        catalogue: path.join(repository, ".guildhall/catalogue"),
        agent: "on",
        console: "on",
        model: undefined,
        logLevel: "Info",
        metrics: "operator",
        otlpEndpoint: undefined,
        tunnelUrl: undefined,
        peerUrl: undefined,
        publicUrl: undefined,
        point: undefined,
      })
    }),
  )

  it.effect("relative paths start where the command was typed; names stay names", () =>
    Effect.gen(function* () {
      const files = yield* load({ GUILDHALL_HOME: "x", GUILDHALL_MARKET: "m.json", GUILDHALL_MODEL: "./m.gguf" })
      assert.strictEqual(files.home, path.join(here, "x"))
      assert.strictEqual(files.market, path.join(here, "m.json"))
      assert.strictEqual(files.model, path.join(here, "m.gguf"))
      const names = yield* load({ GUILDHALL_MARKET: "spot", GUILDHALL_MODEL: "org/model" })
      assert.deepStrictEqual([names.market, names.model], ["spot", "org/model"])
    }),
  )

  it.effect.each([
    ["GUILDHALL_PORT", "65536"],
    ["GUILDHALL_PORT", "-1"],
    ["GUILDHALL_PORT", "80.5"],
    ["GUILDHALL_PORT", "http"],
    ["GUILDHALL_TRUSTED_PROXIES", "10.0.0.0/8, proxy.example"],
    ["GUILDHALL_AGENT", "yes"],
    ["GUILDHALL_CHAIN", "anvil"],
    ["GUILDHALL_LOG_LEVEL", "loud"],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"],
  ] as const)("%s=%s is refused by name and value", ([name, value]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(load({ [name]: value }))
      assert.include(error.message, name)
      assert.include(error.message, `"${value}"`)
    }),
  )

  it.effect("trusted proxies are addresses and ranges", () =>
    Effect.gen(function* () {
      const { trustedProxies } = yield* load({ GUILDHALL_TRUSTED_PROXIES: " 10.0.0.0/8,2001:db8::1 " })
      assert.deepStrictEqual(trustedProxies, ["10.0.0.0/8", "2001:db8::1"])
    }),
  )

  it.effect("a database URL is never shown, right or wrong", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(load({ DATABASE_URL: "mysql://me:hunter2@host/db" }))
      assert.include(error.message, "DATABASE_URL")
      assert.notInclude(error.message, "hunter2")
      const { databaseUrl } = yield* load({ DATABASE_URL: "postgres://me:hunter2@host/db" })
      assert.notInclude(String(databaseUrl), "hunter2")
      assert.include(databaseUrl === undefined ? "" : Redacted.value(databaseUrl), "hunter2")
    }),
  )

  it.effect("a private key is no key of deposits, and is not repeated", () =>
    Effect.gen(function* () {
      const spending = `xprv${"9".repeat(107)}`
      const { message } = yield* Effect.flip(load({ GUILDHALL_DEPOSIT_KEY: spending }))
      assert.include(message, "GUILDHALL_DEPOSIT_KEY")
      assert.notInclude(message, "xprv")
    }),
  )

  it("finds misspelt variables", () => {
    const environment = { GUILDHALL_PROT: "1", GUILDHALL_PORT: "1", GUILDHALL_EXIT_WITH: "1", PATH: "/" }
    assert.deepStrictEqual(AppConfig.unknownVariables(environment), ["GUILDHALL_PROT"])
  })

  it("knows every variable of the agent, and none that it has not", () => {
    const sources = path.join(repository, "packages/agent/src")
    const files = readdirSync(sources, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"))
    const named = files.flatMap(
      (name) => readFileSync(path.join(sources, name), "utf8").match(/\bGUILDHALL_[A-Z_]+\b/g) ?? [],
    )
    assert.deepStrictEqual([...AgentVariables.names].sort(), [...new Set(named)].sort())
    assert.deepStrictEqual(AppConfig.unknownVariables({ GUILDHALL_WALLET_KEY: "0x1" }), [])
  })

  it("the table for the README has every variable once", () => {
    const lines = AppConfig.settingsMarkdown().split("\n").slice(2)
    const names = lines.map((line) => line.split("`")[1])
    assert.strictEqual(new Set(names).size, lines.length)
    assert.include(names, "GUILDHALL_PORT")
    for (const line of lines) assert.lengthOf(line.split("|"), 5)
  })
})
