import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Cause, ConfigProvider, Console, Effect, Option } from "effect"
import { Command } from "effect/cli"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { Asset } from "@guildhall/core"
import * as AgentConfig from "../src/AgentConfig.ts"
import { AgentError } from "../src/AgentError.ts"
import * as EarningsCommand from "../src/EarningsCommand.ts"
import * as EntryWatch from "../src/EntryWatch.ts"
import * as ExitCode from "../src/ExitCode.ts"
import * as GpuCommand from "../src/GpuCommand.ts"
import * as LogFile from "../src/LogFile.ts"
import * as Paint from "../src/Paint.ts"
import * as PricingCommand from "../src/PricingCommand.ts"
import * as ServeFlags from "../src/ServeFlags.ts"
import * as TimeText from "../src/TimeText.ts"
import { temporaryHome } from "./AgentProcess.ts"

describe("times", () => {
  it.each([
    ["90s", 90_000],
    ["1h30m", 5_400_000],
    ["2d", 172_800_000],
    ["", undefined],
    ["5", undefined],
    ["-5m", undefined],
    ["1.5h", undefined],
  ])("%s lasts %s ms", (text, ms) => assert.strictEqual(TimeText.duration(text), ms))

  it.each([
    ["now", 5_000],
    ["+10s", 15_000],
    ["1970-01-01T00:01:00Z", 60_000],
    ["1970-01-01 00:01Z", 60_000],
    ["1970-01-01T02:00+02:00", 0],
    ["1970-13-01", undefined],
    ["tomorrow", undefined],
    ["12", undefined],
  ])("%s is %s", (text, ms) => assert.strictEqual(TimeText.instant(text, 5_000), ms))
})

describe("a GPU's memory", () => {
  it.each([
    ["24", 24_576],
    ["24GB", 24_576],
    ["24 GiB", 24_576],
    ["24576MiB", 24_576],
    ["1.5g", 1_536],
    ["0", undefined],
    ["24TB", undefined],
    ["much", undefined],
  ])("%s is %s MiB", (text, mib) => assert.strictEqual(GpuCommand.memory(text), mib))
})

describe("colours", () => {
  it("are there, or the text is as it was", () => {
    assert.strictEqual(Paint.make(true)("red", "no"), "\u001b[31mno\u001b[0m")
    assert.strictEqual(Paint.make(false)("red", "no"), "no")
  })
})

describe("the bar of the checks", () => {
  it("fits into any terminal", () => {
    for (let columns = 1; columns < 120; columns++) {
      assert.isBelow(EntryWatch.bar({ ended: 3, asked: 9 }, "concurrency", columns).length, Math.max(columns, 2))
    }
    assert.notInclude(EntryWatch.bar({ ended: 0, asked: 9 }, "waiting", 80), "█")
    assert.notInclude(EntryWatch.bar({ ended: 9, asked: 9 }, "done", 80), "  ▏")
  })
})

describe("amounts", () => {
  it.each([
    ["0", "0 USD"],
    ["1.5", "1.5 USD"],
    ["0.000096", "0.000096 USD"],
    ["0.0000001", "< 0.000001 USD"],
    ["12.123456789", "12.123456 USD"],
  ])("%s is shown as %s", (formatted, text) =>
    assert.strictEqual(EarningsCommand.money({ asset: Asset.USD.code, amount: 0n, formatted }), text),
  )

  it("of prices say for what they are", () => {
    assert.deepStrictEqual(PricingCommand.rows({ output_price_per_million: 160, request_price_per_thousand: 0 }), [
      ["160 cents", "for a million tokens out"],
      ["0 cents", "for a thousand requests"],
    ])
  })
})

describe("the settings of a home", () => {
  it.effect("are read as they were written, for their owner alone, and the same twice is no change", () =>
    Effect.gen(function* () {
      const home = Path.join(yield* temporaryHome, "made")
      assert.isTrue(Option.isNone(yield* AgentConfig.read(home)))
      const config: AgentConfig.AgentConfig = { market: "http://127.0.0.1:1", inputPrice: 5, name: "box" }
      const file = yield* AgentConfig.write(home, config)
      assert.strictEqual(Fs.statSync(file).mode & 0o777, 0o600)
      assert.strictEqual(Fs.statSync(home).mode & 0o777, 0o700)
      assert.deepStrictEqual(Option.getOrUndefined(yield* AgentConfig.read(home)), config)
      assert.isTrue(AgentConfig.isSame(config, { name: "box", inputPrice: 5, market: "http://127.0.0.1:1" }))
      assert.isTrue(yield* AgentConfig.update(home, { outputPrice: 7 }))
      assert.deepStrictEqual(Option.getOrUndefined(yield* AgentConfig.read(home)), { ...config, outputPrice: 7 })
      assert.isFalse(yield* AgentConfig.update(Path.join(home, "other"), { outputPrice: 7 }))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )

  it.effect("are refused with what is wrong where somebody wrote something else", () =>
    Effect.gen(function* () {
      const home = yield* temporaryHome
      for (const [text, word] of [
        ["{", "file"],
        ['{"inputPrice":-1}', "inputPrice"],
        ['{"inputprice":1}', "inputprice"],
        ['{"region":"Nowhere at all"}', "region"],
      ] as const) {
        Fs.writeFileSync(Path.join(home, AgentConfig.FILE), text)
        const error = yield* Effect.flip(AgentConfig.read(home))
        assert.strictEqual(error.reason, "BadSetting")
        assert.include(error.message, word)
        assert.include(error.message, "guildhall-agent init")
      }
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )
})

/** What an agent would serve with, as its command line gives it. */
const settingsOf = (
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>>,
  written: AgentConfig.AgentConfig,
) =>
  Effect.gen(function* () {
    let found: ReturnType<typeof ServeFlags.toSettings> | undefined
    const command = Command.make("test", ServeFlags.flags, (given) =>
      Effect.sync(() => (found = ServeFlags.toSettings(given, "http://market.example", written))),
    )
    yield* Command.runWith(command, { version: "0" })(args).pipe(
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env: environment })),
    )
    return found ?? (yield* Effect.die("it did not run"))
  }).pipe(Effect.provide(NodeServices.layer))

describe("a setting", () => {
  const written: AgentConfig.AgentConfig = { inputPrice: 30, outputPrice: 40, region: "eu-west", model: "org/written" }

  it.effect("is the flag's, else the environment's, else what was written, else 100 and 200", () =>
    Effect.gen(function* () {
      const environment = { GUILDHALL_INPUT_PRICE: "20" }
      const asked = (args: ReadonlyArray<string>, env: Record<string, string>, config: AgentConfig.AgentConfig) =>
        Effect.map(settingsOf(args, env, config), ({ prices }) => [
          prices.input_price_per_million,
          prices.output_price_per_million,
        ])
      assert.deepStrictEqual(yield* asked(["--input-price", "10"], environment, written), [10, 40])
      assert.deepStrictEqual(yield* asked([], environment, written), [20, 40])
      assert.deepStrictEqual(yield* asked([], {}, written), [30, 40])
      assert.deepStrictEqual(yield* asked([], {}, {}), [100, 200])
      assert.deepStrictEqual(yield* asked(["--output-price", "0"], {}, written), [30, 0])
    }),
  )

  it.effect("of the model is one thing: who names a server does not mean the model that was written", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* settingsOf([], {}, written)).model, "org/written")
      const named = yield* settingsOf(["--backend", "http://127.0.0.1:9"], {}, written)
      assert.deepInclude(named, { model: undefined, backendUrl: "http://127.0.0.1:9", region: "eu-west" })
    }),
  )

  it.effect("that cannot be is refused", () =>
    Effect.gen(function* () {
      const refused = yield* Effect.exit(settingsOf(["--input-price", "-1"], {}, {}))
      assert.strictEqual(refused._tag, "Failure")
    }).pipe(Effect.provideService(Console.Console, { ...console, log: () => undefined, error: () => undefined })),
  )
})

describe("exit codes", () => {
  it("of a command are 7 where no agent runs, 1 for what may pass, else 2", () => {
    const of = (reason: AgentError["reason"]) => ExitCode.ofCommand(new AgentError({ reason, detail: "no" }))
    assert.deepStrictEqual(
      (["NotRunning", "MarketAway", "HomeBusy", "NotReady", "BadSetting", "MarketRefused"] as const).map(of),
      [7, 1, 1, 1, 2, 2],
    )
    assert.strictEqual(ExitCode.exitCode(Cause.die("broken")), 1)
  })

  it("stand once each in the documentation", () => {
    const page = Fs.readFileSync(Path.resolve(import.meta.dirname, "../../../docs/agent.md"), "utf8")
    for (const [code, meaning] of ExitCode.MEANINGS) assert.include(page, `| ${code} | ${meaning} |`)
    assert.strictEqual(new Set(ExitCode.MEANINGS.map(([code]) => code)).size, ExitCode.MEANINGS.length)
  })
})

describe("the log file", () => {
  const writing = (home: string, lines: ReadonlyArray<string>) =>
    Effect.scoped(
      Effect.gen(function* () {
        const logger = yield* LogFile.make(home)
        const { Logger } = yield* Effect.promise(() => import("effect"))
        yield* Effect.forEach(lines, (line) => Effect.logInfo(line), { discard: true }).pipe(
          Effect.provide(Logger.layer([logger])),
        )
      }),
    )

  it.live("keeps lines for their owner, gives the last of them, and those since a time", () =>
    Effect.gen(function* () {
      const home = yield* temporaryHome
      yield* writing(home, ["one", "two\nlines", "three"])
      const lines = yield* LogFile.read(home, { most: 2, sinceMs: undefined })
      assert.deepStrictEqual(
        lines.map(({ message }) => message),
        ["two\nlines", "three"],
      )
      assert.lengthOf(yield* LogFile.read(home, { most: 9, sinceMs: Date.now() + 60_000 }), 0)
      assert.strictEqual(Fs.statSync(Path.join(home, LogFile.FILE)).mode & 0o077, 0)
      assert.include(LogFile.words(lines[0] ?? { at: "", level: "", message: "" }), "two\n  lines")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )

  it.live("stays within its bounds, however much is written, and leaves no home where there was none", () =>
    Effect.gen(function* () {
      const home = yield* temporaryHome
      const much = Array.from({ length: 1_500 }, () => "x".repeat(3_900))
      for (let time = 0; time < 5; time++) yield* writing(home, much)
      const folder = Path.dirname(Path.join(home, LogFile.FILE))
      const bytes = Fs.readdirSync(folder).reduce((sum, name) => sum + Fs.statSync(Path.join(folder, name)).size, 0)
      assert.isAtMost(bytes, LogFile.BYTES_MAX)
      assert.isAtMost(Fs.readdirSync(folder).length, 4)
      yield* writing(Path.join(home, "none"), ["lost"])
      assert.isFalse(Fs.existsSync(Path.join(home, "none")))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )
})
