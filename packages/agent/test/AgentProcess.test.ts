import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as AgentProcess from "./AgentProcess.ts"
import * as ScriptedMarket from "./ScriptedMarket.ts"

const DEMO = "guildhall/demo-bigram"

const ask = (url: string, ticket: string, body: Record<string, unknown>) =>
  Effect.promise(() =>
    fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", "guildhall-ticket": ticket },
      body: JSON.stringify({ model: DEMO, messages: [{ role: "user", content: "What is a market?" }], ...body }),
    }),
  )

describe("an agent as a process", () => {
  it.live("registers, serves the demo model, hands over its log, and drains on SIGTERM with exit code 0", () =>
    Effect.gen(function* () {
      const market = yield* ScriptedMarket.make({ intervalMs: 200 })
      const agent = yield* AgentProcess.spawn(market, ["--model", DEMO])
      const [registration] = market.registrations
      assert.strictEqual(registration?.model, DEMO)
      assert.strictEqual(registration?.context_length_offered, 2048)
      const url = registration?.endpoint_url ?? ""

      const refused = yield* ask(url, "nonsense", {})
      assert.strictEqual(refused.status, 401)

      const response = yield* ask(url, market.ticket(DEMO), { seed: 3 })
      assert.strictEqual(response.status, 200)
      const answer = yield* Effect.promise(() => response.json())
      assert.strictEqual(answer.choices[0].message.role, "assistant")
      assert.isAbove(answer.usage.completion_tokens, 0)

      const stream = yield* ask(url, market.ticket(DEMO), {
        seed: 3,
        stream: true,
        stream_options: { include_usage: true },
      })
      const text = yield* Effect.promise(() => stream.text())
      assert.isTrue(text.endsWith("data: [DONE]\n\n"))

      yield* agent.until(() => market.lines.size === 2)
      assert.deepStrictEqual(market.problems, [])
      assert.deepStrictEqual(market.lines.get(1)?.usage, {
        inputToken: answer.usage.prompt_tokens,
        outputToken: answer.usage.completion_tokens,
      })
      assert.deepStrictEqual(market.lines.get(2)?.usage, market.lines.get(1)?.usage)

      const code = yield* agent.stop("SIGTERM")
      assert.strictEqual(code, 0)
      assert.strictEqual(market.beats.at(-1)?.instances[0]?.state, "draining")
    }).pipe(Effect.scoped),
  )
})
