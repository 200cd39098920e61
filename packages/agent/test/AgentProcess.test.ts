import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as AgentProcess from "./AgentProcess.ts"
import * as ScriptedMarket from "./ScriptedMarket.ts"
import * as ScriptedServer from "./ScriptedServer.ts"

const DEMO = "guildhall/demo-bigram"

const ask = (url: string, ticket: string, fields: object, model = DEMO) =>
  Effect.promise(() =>
    fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", "guildhall-ticket": ticket },
      body: JSON.stringify({ model, messages: [{ role: "user", content: "What is a market?" }], ...fields }),
    }),
  )

const urlOf = (market: ScriptedMarket.ScriptedMarket) => market.registrations.at(-1)?.endpoint_url ?? ""

describe("an agent as a process", () => {
  it.live("registers, serves the demo model, hands over its log, and drains on SIGTERM with exit code 0", () =>
    Effect.gen(function* () {
      const market = yield* ScriptedMarket.make({ intervalMs: 200 })
      const agent = yield* AgentProcess.spawn(market, ["--model", DEMO, "--input-price", "10", "--output-price", "20"])
      const [registration] = market.registrations
      assert.strictEqual(registration?.model, DEMO)
      assert.strictEqual(registration?.context_length_offered, 2048)
      assert.strictEqual(registration?.input_price_per_million, 10)
      assert.include(agent.output(), "cannot answer anything")
      const url = urlOf(market)
      assert.strictEqual((yield* ask(url, "nonsense", {})).status, 401)

      const response = yield* ask(url, market.ticket(DEMO), { seed: 3 })
      assert.strictEqual(response.status, 200)
      const answer = yield* Effect.promise(() => response.json())
      assert.match(answer.choices[0].message.content, /^[A-Z][A-Za-z' .,]+$/)
      const fields = { seed: 3, stream: true, stream_options: { include_usage: true } }
      const stream = yield* ask(url, market.ticket(DEMO), fields)
      const text = yield* Effect.promise(() => stream.text())
      assert.isTrue(text.endsWith("data: [DONE]\n\n"))

      yield* agent.until(() => market.lines.size === 2)
      assert.deepStrictEqual(market.problems, [])
      assert.deepStrictEqual(market.lines.get(1)?.usage, {
        inputToken: answer.usage.prompt_tokens,
        outputToken: answer.usage.completion_tokens,
      })
      assert.deepStrictEqual(market.lines.get(2)?.usage, market.lines.get(1)?.usage)
      assert.strictEqual(yield* agent.stop("SIGTERM"), 0)
      assert.strictEqual(market.beats.at(-1)?.instances[0]?.state, "draining")
      assert.isFalse(Fs.existsSync(Path.join(agent.home, "agent.pid")))
    }).pipe(Effect.scoped),
  )

  it.live(
    "V9 · V13 · asks the prices of its flags, else of its environment, else 100 and 200 cents a million tokens",
    () =>
      Effect.gen(function* () {
        const variables = { GUILDHALL_INPUT_PRICE: "10", GUILDHALL_OUTPUT_PRICE: "20" }
        const cases = [
          [[], {}, [100, 200]],
          [[], variables, [10, 20]],
          [["--input-price", "0"], variables, [0, 20]],
          [["--output-price", "7"], {}, [100, 7]],
        ] as const
        yield* Effect.forEach(
          cases,
          Effect.fnUntraced(function* ([args, environment, expected]) {
            const market = yield* ScriptedMarket.make({ intervalMs: 200 })
            const agent = yield* AgentProcess.start(market, ["--model", DEMO, ...args], undefined, environment)
            yield* agent.until(() => market.registrations.length > 0)
            const [registration] = market.registrations
            const asked = [registration?.input_price_per_million, registration?.output_price_per_million]
            assert.deepStrictEqual<ReadonlyArray<number | undefined>>(asked, expected)
          }),
          { concurrency: 2 },
        )
        // What is no price is refused before anything is asked of the market.
        const market = yield* ScriptedMarket.make({ intervalMs: 200 })
        const odd = yield* AgentProcess.start(market, ["--model", DEMO], undefined, { GUILDHALL_INPUT_PRICE: "1.5" })
        yield* odd.exited
        assert.strictEqual(odd.exitCode(), 2)
        assert.include(odd.output(), "whole cents")
        assert.deepStrictEqual(market.registrations, [])
      }).pipe(Effect.scoped),
  )

  it.live("keeps its key, its instance and its log over kill -9", () =>
    Effect.gen(function* () {
      const market = yield* ScriptedMarket.make({ intervalMs: 60_000 })
      const first = yield* AgentProcess.spawn(market, ["--model", DEMO])
      const answer = yield* ask(urlOf(market), market.ticket(DEMO), { max_tokens: 3 })
      yield* Effect.promise(() => answer.json())
      const log = Path.join(first.home, "usage.log")
      yield* first.until(() => Fs.existsSync(log) && Fs.readFileSync(log, "utf8").endsWith("}\n"))
      yield* first.stop("SIGKILL")
      assert.strictEqual(market.lines.size, 0)
      const second = yield* AgentProcess.spawn(market, ["--model", DEMO], first.home)
      yield* second.until(() => market.lines.size === 1)
      assert.deepStrictEqual(market.problems, [])
      const [before, after] = [market.beats[0], market.beats.at(-1)]
      assert.strictEqual(before?.instances[0]?.instance_id, after?.instances[0]?.instance_id)
      const other = yield* AgentProcess.start(market, ["--model", DEMO], first.home)
      yield* other.exited
      assert.strictEqual(other.exitCode(), 1)
      assert.include(other.output(), "Another agent")
    }).pipe(Effect.scoped),
  )

  it.live("finishes what is in flight before it stops", () =>
    Effect.gen(function* () {
      const market = yield* ScriptedMarket.make()
      const upstream = yield* ScriptedServer.make()
      const agent = yield* AgentProcess.spawn(market, ["--backend", upstream.url])
      const fields = { stream: true, max_tokens: 2000 }
      const answer = yield* ask(urlOf(market), market.ticket("scripted-model"), fields, "scripted-model")
      const whole = Effect.promise(() => answer.text())
      const [text, code] = yield* Effect.all([whole, agent.stop("SIGTERM")], { concurrency: 2 })
      assert.isTrue(text.endsWith("data: [DONE]\n\n"))
      assert.strictEqual(code, 0)
      assert.strictEqual(market.lines.get(1)?.outcome, "completed")
    }).pipe(Effect.scoped),
  )

  it.live("stops when its parent dies", () =>
    Effect.gen(function* () {
      const market = yield* ScriptedMarket.make()
      const agent = yield* AgentProcess.spawn(market, ["--model", DEMO, "--exit-with-parent", "--json"])
      assert.isObject(JSON.parse(agent.output().split("\n")[0] ?? ""))
      agent.stdin?.end()
      yield* agent.exited
      assert.strictEqual(agent.exitCode(), 0)
      assert.strictEqual(market.beats.at(-1)?.instances[0]?.state, "draining")
    }).pipe(Effect.scoped),
  )

  it.live("refuses settings that cannot be with one letter, and exit code 2 where another start cannot help", () =>
    Effect.gen(function* () {
      const market = yield* ScriptedMarket.make()
      const cases = [
        [["--input-price", "-1"], "whole cents", 2],
        [["--output-price", "0.5"], "whole cents", 2],
        [["--model", "llama9:900b"], "--model org/model --quant Q4_K_M", 2],
        [["--model", "org/model", "--quant", "best"], "Q4_K_M", 2],
        [["--model", DEMO, "--public-url", "nowhere"], "--public-url", 2],
        [["--backend", "http://127.0.0.1:1"], "does not answer", 1],
        [["--model", DEMO, "--key", "sk-wrong"], "GUILDHALL_PROVIDER_KEY", 1],
      ] as const
      yield* Effect.forEach(
        cases,
        Effect.fnUntraced(function* ([args, says, code]) {
          const agent = yield* AgentProcess.start(market, args)
          yield* agent.exited
          assert.strictEqual(agent.exitCode(), code, agent.output())
          assert.include(agent.output(), says)
          assert.notInclude(agent.output(), "at file://")
        }),
        { concurrency: 2 },
      )
    }).pipe(Effect.scoped),
  )
})
