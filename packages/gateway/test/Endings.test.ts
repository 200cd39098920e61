import { afterEach, assert, describe, it } from "@effect/vitest"
import { Endings } from "../src/internal/Endings.ts"
import * as Plan from "../src/testing/FaultPlan.ts"
import * as Speech from "../src/testing/Speech.ts"
import * as FaultLane from "./FaultLane.ts"

const closers: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

const start = async () => {
  const lane = await FaultLane.start()
  closers.push(async () => {
    await lane.books()
    await lane.close()
  })
  return lane
}

const saying = { words: ["one ", "two"], promptTokens: 5 }

describe("a stream", () => {
  it.each(Speech.dialects)("of %s is complete without the empty line after its last event", async (dialect) => {
    const lane = await start()
    const said = Speech.of(dialect, saying)
    for (const left of [1, 2]) {
      const text = said.stream.slice(0, -left)
      const { ask } = await lane.provide({ always: Plan.stream(text) }, { dialect })
      const answer = await ask({ stream: true }).answer
      const usage = dialect === "messages" || dialect === "responses" ? "" : said.usage
      assert.strictEqual(answer.text, said.stream.replace(usage, ""), dialect)
      assert.isFalse(answer.broken)
      const last = (await lane.ended()).at(-1)
      assert.strictEqual(last?.receipt.outcome, "completed")
    }
  })

  it.each(Speech.dialects)("of %s is not, where the last event is no end or not whole", async (dialect) => {
    const lane = await start()
    const said = Speech.of(dialect, saying)
    const begun = said.opening + said.tokens[0]
    const cut = said.stream.slice(0, -4)
    for (const text of [begun + (said.tokens[1] ?? "").trimEnd(), `${begun}data: {"type":`, cut]) {
      const { ask } = await lane.provide({ always: Plan.stream(text) }, { dialect })
      const answer = await ask({ stream: true }).answer
      assert.strictEqual(FaultLane.codeOf(answer.text), "provider_closed_early", answer.text)
      assert.notInclude(answer.text, "[DONE]")
      assert.notInclude(answer.text, "message_stop")
    }
  })

  const smuggled = 'data: {"choices":[{"index":0,"delta":{"content":"SMUGGLED"}}]}'
  it.each([
    `: x\r${smuggled}\r\r\n\n`,
    "event: x\rdata: [DONE]\r\r\n\n",
    `${smuggled.replace("{", "{\r")}\n\n`,
    `: x\r${smuggled}\n\n`,
    `data: {"choices":[]}\r\r\n\n`,
    "data: [DONE]\r\r\n\n",
  ])("with a return that ends a line for some is refused, wherever it is cut: %j", async (event) => {
    const lane = await start()
    const said = Speech.of("chat/completions", saying)
    const begun = said.opening + said.tokens.join("")
    for (let cut = 0; cut <= event.length; cut++) {
      const plan = [Plan.streamHead, Plan.write(begun), Plan.writeCut(event, [cut]), Plan.end()]
      const { ask } = await lane.provide({ always: plan })
      const answer = await ask({ stream: true }).answer
      assert.strictEqual(answer.text.slice(0, begun.length), begun)
      assert.strictEqual(FaultLane.codeOf(answer.text), "provider_invalid_response", answer.text)
      assert.notInclude(answer.text, "SMUGGLED")
      assert.notInclude(answer.text, "[DONE]")
    }
  })

  it.each(["chat/completions", "completions", "messages"] as const)(
    "of %s that goes on after its end is cut there, and what came then is not billed",
    async (dialect) => {
      const lane = await start()
      // Where the provider reports nothing, what was counted is billed. Messages says with its usage why it ends.
      const usage = dialect === "messages" ? undefined : null
      const said = Speech.of(dialect, { ...saying, usage })
      const ended = said.opening + said.tokens.join("") + said.finish + (usage === null ? "" : said.usage)
      const late = (said.tokens[0] ?? "").replace("one ", "LATE")
      const plan = Plan.stream(ended + late.repeat(20) + said.done)
      const { ask } = await lane.provide({ always: plan }, { dialect })
      const answer = await ask({ stream: true }).answer
      assert.strictEqual(FaultLane.codeOf(answer.text), "provider_invalid_response", answer.text)
      assert.notInclude(answer.text, "LATE")
      assert.notInclude(answer.text, "[DONE]")
      assert.notInclude(answer.text, "message_stop")
      const { receipt } = (await lane.ended()).at(-1) ?? {}
      assert.isBelow(receipt?.usage.outputToken ?? 0, 10)
    },
  )

  it("of another content type, whose name begins like the right one, is none", async () => {
    const lane = await start()
    const said = Speech.of("chat/completions", saying)
    for (const [type, isGood] of [
      ["text/event-streamx", false],
      ["text/event-stream", true],
      ["Text/Event-Stream ; charset=utf-8", true],
    ] as const) {
      const plan = [Plan.head(200, { "content-type": type }), Plan.write(said.stream), Plan.end()]
      const { ask } = await lane.provide({ always: plan })
      const answer = await ask({ stream: true }).answer
      assert.strictEqual(answer.status, isGood ? 200 : 502, type)
    }
  })
})

describe("a whole answer", () => {
  it("of another content type, whose name begins like the right one, is none", async () => {
    const lane = await start()
    const said = Speech.of("chat/completions", saying)
    for (const [type, isGood] of [
      ["application/jsonx", false],
      ["application/json-seq", false],
      ["application/json", true],
      ["Application/JSON ; charset=utf-8", true],
    ] as const) {
      const plan = [Plan.head(200, { "content-type": type }), Plan.write(said.whole), Plan.end()]
      const { ask } = await lane.provide({ always: plan })
      const answer = await ask({ stream: false }).answer
      assert.strictEqual(answer.status, isGood ? 200 : 502, type)
    }
  })
})

describe("Endings", () => {
  const choice = (delta: object, finish_reason: string | null = null, index = 0) => ({
    choices: [{ index, delta, finish_reason }],
  })

  it("lets what says nothing come after an end, and other choices go on", () => {
    const endings = new Endings()
    assert.isFalse(endings.isLate(choice({ content: "a" }, "stop")))
    assert.isFalse(endings.isLate(choice({}, "stop")))
    assert.isFalse(endings.isLate(choice({ role: "assistant", content: "" })))
    assert.isFalse(endings.isLate(choice({ content: "b" }, null, 1)))
    assert.isFalse(endings.isLate({ choices: [], usage: {} }))
    assert.isTrue(endings.isLate(choice({ content: "b" })))
    assert.isTrue(endings.isLate(choice({ reasoning: "b" })))
    assert.isTrue(endings.isLate(choice({ tool_calls: [{}] })))
    assert.isTrue(endings.isLate({ choices: [{ index: 0, text: "b" }] }))
  })
})
