import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as AgentProcess from "../AgentProcess.ts"
import * as ScriptedMarket from "../ScriptedMarket.ts"
import * as CommandProcess from "./CommandProcess.ts"
import { base, bytesOf, demo, gated, gguf, own, Q4, tune } from "./Repos.ts"
import * as ScriptedHub from "./ScriptedHub.ts"

const started = Effect.gen(function* () {
  return { hub: yield* ScriptedHub.make([base, gguf, own, tune, gated]), home: yield* AgentProcess.temporaryHome }
})
const lines = (text: string) =>
  text
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line): Record<string, unknown> => JSON.parse(line))
const jsonOf = (text: string) => lines(text).at(-1) ?? {}

describe("V7 · guildhall-agent models", () => {
  it.live("pull shows size, licence and origin, and list and remove know what is there", () =>
    Effect.gen(function* () {
      const { home, hub } = yield* started
      const none = yield* CommandProcess.run(hub, home, ["models", "list"])
      assert.include(none.output, "No models are here yet")
      const pulled = yield* CommandProcess.run(hub, home, [
        "models",
        "pull",
        "quanter/poet-8b-gguf",
        "--quant",
        "q4_k_m",
      ])
      assert.strictEqual(pulled.code, 0, pulled.errors)
      assert.include(pulled.errors, "Acme/Poet-8B: Q4_K_M of quanter/Poet-8B-GGUF, 100 kB, licence apache-2.0.")
      assert.include(pulled.output, ScriptedHub.sha256(Q4))
      assert.include(pulled.output, `quanter/Poet-8B-GGUF at ${ScriptedHub.commitOf(gguf)}`)
      const again = yield* CommandProcess.run(hub, home, ["models", "pull", "quanter/Poet-8B-GGUF:Q4_K_M", "--json"])
      assert.deepInclude(jsonOf(again.output), { event: "done", ok: true, isNew: false, id: "Acme/Poet-8B" })
      const listed = yield* CommandProcess.run(hub, home, ["models", "ls"])
      assert.match(
        listed.output,
        /NAME +QUANT +SIZE +DIGEST +LICENCE +FROM\nAcme\/Poet-8B +Q4_K_M +100 kB +[0-9a-f]{12}/,
      )
      const removed = yield* CommandProcess.run(hub, home, ["models", "rm", "Acme/Poet-8B", "--json"])
      assert.deepInclude(jsonOf(removed.output), {
        ok: true,
        removed: ["quanter/Poet-8B-GGUF:Q4_K_M"],
        freedBytes: Q4.length,
      })
      assert.deepStrictEqual(Fs.readdirSync(Path.join(home, "models", "weights")), [])
      const gone = yield* CommandProcess.run(hub, home, ["models", "rm", "Acme/Poet-8B"])
      assert.strictEqual(gone.code, 2)
      assert.include(gone.errors, "is not here. There are none.")
    }).pipe(Effect.scoped),
  )

  it.live("pull goes on after kill -9 in the middle, and takes over the lock of the dead", () =>
    Effect.gen(function* () {
      const { home, hub } = yield* started
      hub.faults.storage.push({ _tag: "Stall", bytes: 70_000 })
      const args = ["models", "pull", "quanter/Poet-8B-GGUF:Q4_K_M", "--json"]
      const first = yield* CommandProcess.start(hub, home, args)
      const part = Path.join(home, "models", "parts", `${ScriptedHub.sha256(Q4)}.part`)
      yield* first.until(() => Fs.existsSync(part) && Fs.statSync(part).size > 0)
      yield* first.kill("SIGKILL")
      assert.isTrue(Fs.existsSync(`${part}.lock`))
      const there = Fs.statSync(part).size
      const listed = yield* CommandProcess.run(hub, home, ["models", "list"])
      assert.include(listed.output, "Unfinished: quanter/Poet-8B-GGUF/Poet-8B-Q4_K_M.gguf")
      const second = yield* CommandProcess.run(hub, home, args)
      assert.strictEqual(second.code, 0, second.errors)
      assert.deepStrictEqual(hub.ranges(), ["whole", `bytes=${there}-`])
      const done = jsonOf(second.output)
      assert.deepInclude(done, { digest: ScriptedHub.sha256(Q4), isNew: true })
      assert.deepStrictEqual(new Uint8Array(Fs.readFileSync(String(done["path"]))), Q4)
      assert.isTrue(lines(second.output).some(({ bytes, event }) => event === "resumed" && bytes === there))
      assert.deepStrictEqual(Fs.readdirSync(Path.dirname(part)), [])
    }).pipe(Effect.scoped),
  )

  it.live("pull by two processes at once downloads once", () =>
    Effect.gen(function* () {
      const { home, hub } = yield* started
      hub.faults.storage.push({ _tag: "Slow", bytesPerTick: 150 })
      const args = ["models", "pull", "quanter/Poet-8B-GGUF:Q4_K_M", "--json"]
      const both = yield* Effect.all([CommandProcess.run(hub, home, args), CommandProcess.run(hub, home, args)], {
        concurrency: 2,
      })
      for (const { code, output } of both) {
        assert.strictEqual(code, 0)
        assert.strictEqual(jsonOf(output)["digest"], ScriptedHub.sha256(Q4))
      }
      assert.deepStrictEqual(hub.ranges(), ["whole"])
    }).pipe(Effect.scoped),
  )

  it.live("tells refusals as letters or as JSON, with exit codes that say whether to try again", () =>
    Effect.gen(function* () {
      const { home, hub } = yield* started
      const cases = [
        [["shy/Secret-GGUF", "--yes"], {}, 2, "make a token at"],
        [["shy/Secret-GGUF"], { HF_TOKEN: ScriptedHub.TOKEN }, 2, "run the command again with --yes"],
        [["quanter/Poet-8B-GGUF"], { HF_HUB_OFFLINE: "1" }, 1, "HF_HUB_OFFLINE is set"],
        [["./here.gguf"], {}, 2, "guildhall-agent --model ./here.gguf"],
      ] as const
      yield* Effect.forEach(
        cases,
        Effect.fnUntraced(function* ([args, environment, code, says]) {
          const {
            code: found,
            errors,
            output,
          } = yield* CommandProcess.run(hub, home, ["models", "pull", ...args], environment)
          assert.include(errors, says)
          assert.strictEqual(found, code, errors)
          assert.strictEqual(output, "")
          assert.notInclude(errors, "file://")
        }),
        { concurrency: 2 },
      )
      const asJson = yield* CommandProcess.run(hub, home, ["models", "pull", "nobody/Nothing", "--json"])
      assert.deepInclude(jsonOf(asJson.output), { ok: false, reason: "NotFound" })
    }).pipe(Effect.scoped),
  )

  it.live(
    "search lists who has GGUF files, with a size, and pull of a model without any takes its own organisation's",
    () =>
      Effect.gen(function* () {
        const { home, hub } = yield* started
        const found = yield* CommandProcess.run(hub, home, ["models", "search", "poet"])
        assert.match(found.output, /other\/Poet-8B-Wild-GGUF +900k +Q4_K_M +70\.0 kB +apache-2\.0/)
        assert.match(found.output, /quanter\/Poet-8B-GGUF +5k +Q4_K_M +100 kB/)
        const q8 = yield* CommandProcess.run(hub, home, ["models", "search", "Acme/Poet", "--quant", "q8_0", "--json"])
        assert.strictEqual(jsonOf(q8.output)["ok"], true)
        const pulled = yield* CommandProcess.run(hub, home, ["models", "pull", "Acme/Poet-8B", "--json"])
        assert.deepInclude(jsonOf(pulled.output), {
          repo: "Acme/Poet-8B-GGUF",
          quant: "Q8_0",
          digest: ScriptedHub.sha256(bytesOf(14, 70_000)),
        })
      }).pipe(Effect.scoped),
  )

  it.live("ends with 130 and the way to go on where a person stops it", () =>
    Effect.gen(function* () {
      const { home, hub } = yield* started
      hub.faults.storage.push({ _tag: "Stall", bytes: 50_000 })
      const running = yield* CommandProcess.start(hub, home, ["models", "pull", "quanter/Poet-8B-GGUF:Q4_K_M"])
      yield* running.until(() => hub.seen.some(({ path }) => path.includes("/resolve/")))
      yield* running.kill("SIGINT")
      assert.strictEqual(running.code(), 130)
      assert.include(running.errors(), "the same command goes on from there")
      assert.deepStrictEqual(
        Fs.readdirSync(Path.join(home, "models", "parts")).filter((name) => name.endsWith(".lock")),
        [],
      )
    }).pipe(Effect.scoped),
  )
})

describe("V7 · guildhall-agent --model org/model --quant", () => {
  it.live("downloads, loads and sells it under its canonical id, and starts again without the hub", () =>
    Effect.gen(function* () {
      const repo = demo()
      const hub = yield* ScriptedHub.make([
        { ...repo, tags: [...(repo.tags ?? []), "base_model:quantized:Tiny/Bigram"] },
        { id: "Tiny/Bigram", files: [{ path: "model.safetensors", bytes: bytesOf(1, 9) }], card: { license: "mit" } },
      ])
      const market = yield* ScriptedMarket.make({ intervalMs: 200 })
      const home = yield* AgentProcess.temporaryHome
      const args = ["--model", "tiny/bigram", "--quant", "f16", "--context", "512"]
      const environment = { HF_ENDPOINT: hub.url, HOME: home }
      const first = yield* AgentProcess.start(market, args, home, environment)
      yield* first.until(() => market.beats.length > 0)
      const [registration] = market.registrations
      assert.strictEqual<string | undefined>(registration?.model, "Tiny/Bigram")
      assert.strictEqual(registration?.quantization, "fp16")
      assert.match(first.output(), /Tiny\/Bigram: F16 of tiny\/Bigram-GGUF, 1\.\d+ MB, licence mit\./)
      assert.include(first.output(), "The engine computes")
      yield* first.stop("SIGTERM")
      const beats = market.beats.length
      const second = yield* AgentProcess.start(market, args, home, { HF_ENDPOINT: "http://127.0.0.1:1", HOME: home })
      yield* second.until(() => market.beats.length > beats)
      assert.strictEqual<string | undefined>(market.registrations.at(-1)?.model, "Tiny/Bigram")
      assert.strictEqual(yield* second.stop("SIGTERM"), 0)
    }).pipe(Effect.scoped),
  )
})
