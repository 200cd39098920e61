/**
 * The price that a buyer reads in an answer: the market's, whatever the provider says, and there where it was asked for.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Asset, Money } from "@guildhall/core"
import * as JsonSplice from "../src/JsonSplice.ts"
import * as MarketWords from "../src/internal/MarketWords.ts"
import * as Plan from "../src/testing/FaultPlan.ts"
import * as Speech from "../src/testing/Speech.ts"
import * as FaultLane from "./FaultLane.ts"
import * as TestLane from "./TestLane.ts"

const words = ["one ", "two "]
const ASKS = { usage: { include: true } }
const conversations = ["chat/completions", "messages", "responses"] as const

/** Ways of writing what only the market says, each at the front of an object. */
const lies: ReadonlyArray<readonly [name: string, usage: string, answer: string]> = [
  ["plain", '"cost":0,', '"guildhall":{"instance":"ins_x"},'],
  ["with its details", '"cost_details":{"upstream_inference_cost":0},"cost":null,', '"guildhall":null,'],
  ["twice", '"cost":0,"cost":[{"cost":1}],', '"guildhall":1, "guildhall" : "}" ,'],
  ["with escapes", String.raw`"c\u006fst":0,`, String.raw`"\u0067uildhall":{},`],
]

/** Every event, or the whole answer, says it, wherever there is a usage. */
const lying = (text: string, [, usage, answer]: (typeof lies)[number]): string =>
  text
    .replaceAll('"usage":{', `"usage":{${usage}`)
    .replaceAll("data: {", `data: {${answer}`)
    .replaceAll('"response":{', `"response":{${answer}`)
    .replace(/^\{/, `{${answer}`)

const json = (text: string): unknown => JSON.parse(text)
const get = (value: unknown, ...path: ReadonlyArray<string>): unknown =>
  path.reduce(
    (inner: unknown, key) => (typeof inner === "object" && inner !== null ? Reflect.get(inner, key) : undefined),
    value,
  )

/** All usages that an answer shows, the last one last. */
const usagesIn = (text: string): ReadonlyArray<unknown> =>
  (text.startsWith("{")
    ? [json(text)]
    : text.split("\n").flatMap((line) => (line.startsWith("data: {") ? [json(line.slice(6))] : []))
  )
    .flatMap((event) => [get(event, "message", "usage"), get(event, "response", "usage"), get(event, "usage")])
    .filter((usage) => typeof usage === "object" && usage !== null)

/** The counts of a usage, in whatever words. */
const counts = (usage: unknown) => ({
  input:
    Number(get(usage, "prompt_tokens") ?? get(usage, "input_tokens")) +
    Number(get(usage, "cache_read_input_tokens") ?? 0),
  output: get(usage, "completion_tokens") ?? get(usage, "output_tokens"),
})

let lane: FaultLane.FaultLane
beforeAll(async () => {
  lane = await FaultLane.start()
})
afterAll(async () => {
  await lane.books()
  await lane.close()
})

const planOf = (stream: boolean, said: { readonly stream: string; readonly whole: string }) =>
  stream ? Plan.stream(said.stream) : Plan.whole(200, said.whole)

const receiptOf = async (model: string) => {
  await lane.idle()
  const ended = (await lane.ended()).find(({ receipt }) => receipt.model === model)
  if (ended === undefined) throw new Error(`no receipt of ${model}`)
  return ended.receipt
}

describe.each(Speech.dialects)("a provider of %s that tells a price", (dialect) => {
  const said = Speech.of(dialect, { words })
  const hasEvents = dialect === "chat/completions" || dialect === "completions"

  it.each(lies)("%s is not heard, and all else arrives as it was", async (...lie) => {
    for (const stream of [true, false]) {
      const told = { stream: lying(said.stream, lie), whole: lying(said.whole, lie) }
      assert.notStrictEqual(told.stream, said.stream)
      const { ask } = await lane.provide({ always: planOf(stream, told) }, { dialect })
      const { text } = await ask({ stream }).answer
      assert.strictEqual(text, stream ? said.stream.replace(hasEvents ? said.usage : "", "") : said.whole)
    }
  })

  it.each(lies)("%s is overruled where the buyer asks", async (...lie) => {
    for (const stream of [true, false]) {
      const told = { stream: lying(said.stream, lie), whole: lying(said.whole, lie) }
      const { ask, model } = await lane.provide({ always: planOf(stream, told) }, { dialect })
      const { text } = await ask({ stream, ...ASKS }, { "x-guildhall-explain": "1" }).answer
      const { charge, id } = await receiptOf(model)
      assert.isString(id)
      const costs = usagesIn(text).flatMap((usage) => get(usage, "cost") ?? [])
      assert.strictEqual(costs.at(-1), Number(Money.format(charge, Asset.USD)))
      assert.notInclude(text, "cost_details")
      assert.notInclude(text, "ins_x")
      // Once, in the last part of the answer.
      assert.lengthOf(text.match(/guildhall"/g) ?? [], 1)
      assert.match(text, /"guildhall":\{"attempt":1,"instance":"ins_/)
    }
  })
})

describe("a buyer who asks for usage", () => {
  const asked = [
    ...conversations.flatMap((buyer) => conversations.map((provider) => [buyer, provider] as const)),
    ["completions", "completions"] as const,
  ]

  it.each(asked)("of %s is told what was billed, where a provider of %s reports nothing", async (buyer, provider) => {
    for (const [stream, more] of [
      [false, ASKS],
      [true, ASKS],
      [true, { stream_options: { include_usage: true } }],
    ] as const) {
      if ("stream_options" in more && buyer !== "chat/completions" && buyer !== "completions") continue
      const said = Speech.of(provider, { words, usage: null })
      const { model } = await lane.provide({ always: planOf(stream, said) }, { dialect: provider })
      const body = { ...Speech.request(buyer, { model, stream }), ...more }
      const { headers, status, text, trailers } = await FaultLane.visit(lane.port, buyer, body).answer
      assert.strictEqual(status, 200, text)
      const { charge, usage, usageSource } = await receiptOf(model)
      assert.strictEqual(usageSource, "bounded")
      const last = usagesIn(text).at(-1)
      assert.deepStrictEqual(counts(last), { input: Number(usage.inputToken), output: usage.outputToken }, text)
      const cost = Money.format(charge, Asset.USD)
      assert.isAbove(Number(cost), 0)
      assert.strictEqual(get(last, "cost"), Number(cost))
      assert.strictEqual(stream ? trailers["x-guildhall-cost"] : headers["x-guildhall-cost"], cost)
      if (stream && (buyer === "chat/completions" || buyer === "completions"))
        assert.isTrue(text.endsWith("data: [DONE]\n\n"))
    }
  })

  it("gets one event more, like those before it, and nothing else changes", async () => {
    const said = Speech.of("chat/completions", { words, usage: null })
    const { ask } = await lane.provide({ always: Plan.stream(said.stream) })
    const { text } = await ask({ stream: true, stream_options: { include_usage: true } }).answer
    const added = text.replace(said.stream.slice(0, -said.done.length), "").replace(said.done, "")
    const first = json(said.opening.split("\n")[0]?.slice(6) ?? "")
    assert.deepInclude(json(added.trim().slice(6)), {
      id: get(first, "id"),
      model: get(first, "model"),
      object: "chat.completion.chunk",
      choices: [],
    })
    assert.strictEqual(text.replace(added, ""), said.stream)
  })

  it("need not ask where the market tells the cost always", async () => {
    const telling = await FaultLane.start({
      definition: { relay: { ...TestLane.definition.relay, cost: "always" } },
    })
    for (const dialect of Speech.dialects) {
      for (const [stream, usage] of [
        [true, undefined],
        [true, null],
        [false, undefined],
        [false, null],
      ] as const) {
        const said = Speech.of(dialect, { words, usage })
        const { ask } = await telling.provide({ always: planOf(stream, said) }, { dialect })
        const { headers, text, trailers } = await ask({ stream }).answer
        const cost = stream ? trailers["x-guildhall-cost"] : headers["x-guildhall-cost"]
        assert.strictEqual(get(usagesIn(text).at(-1), "cost"), Number(cost), text)
      }
    }
    await telling.books()
    await telling.close()
  })

  it.each([
    ["embeddings", { input: "hi" }, { object: "list", data: [{ index: 0, embedding: [0.5] }] }],
    ["rerank", { query: "hi", documents: ["a"] }, { results: [{ index: 0, relevance_score: 0.5 }], usage: null }],
    ["images/generations", { prompt: "hi" }, { created: 1, data: [{ url: "a" }] }],
  ] as const)("of %s is told what was billed", async (endpoint, request, answer) => {
    const plan = Plan.whole(200, JSON.stringify(answer))
    const { model } = await lane.provide({ always: plan }, { instance: { endpoints: [endpoint] } })
    const { headers, text } = await FaultLane.visit(lane.port, endpoint, { model, ...request, ...ASKS }).answer
    const { usage } = await receiptOf(model)
    const told = get(json(text), "usage")
    assert.strictEqual(counts(told).input, usage.inputToken)
    assert.strictEqual(get(told, "cost"), Number(headers["x-guildhall-cost"]))
  })
})

describe("MarketWords", () => {
  it("leaves alone what has other names, or stands elsewhere", () => {
    for (const text of [
      '{"usage":{"total_cost":1,"details":{"cost":1}},"choices":[{"guildhall":1,"cost":2}],"cost":3}',
      '{"usage":"cost","response":["guildhall"],"message":null}',
      '{"usage":[{"cost":1}]}',
    ]) {
      assert.isFalse(MarketWords.isIn(JSON.parse(text)), text)
      assert.strictEqual(MarketWords.without(text), text)
    }
  })

  it("takes time by the length of a text, and no more", () => {
    const text = `{${Array.from({ length: 100_000 }, () => '"guildhall":1').join(",")},"id":1}`
    const startMs = performance.now()
    assert.strictEqual(MarketWords.without(text), '{"id":1}')
    assert.isBelow(performance.now() - startMs, 2_000)
  })

  it("takes members out together with their commas", () => {
    const cases: ReadonlyArray<readonly [string, string]> = [
      ['{"a":1}', "{}"],
      ['{ "a":1 , "b":2 }', "{  }"],
      ['{"a":1,"c":3}', '{"c":3}'],
      ['{"c":3,"a":1}', '{"c":3}'],
      ['{"a":1,"c":3,"b":2}', '{"c":3}'],
      ['{"c":3,"a":1,"b":2,"d":4,"a":5}', '{"c":3,"d":4}'],
    ]
    for (const [text, left] of cases) {
      const edits = JsonSplice.without(JsonSplice.members(text), ["a", "b"])
      assert.strictEqual(JsonSplice.apply(text, edits), left)
    }
  })
})
