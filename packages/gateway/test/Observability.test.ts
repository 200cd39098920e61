import { afterEach, assert, describe, it } from "@effect/vitest"
import { Context, Layer, Metric, Tracer } from "effect"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"

afterEach(TestLane.closeAll)

const CANARY = "canary-7f3a"

describe("what can be seen of a request", () => {
  it("has one span for each of the eight steps, and nothing of a body in any", async () => {
    const spans: Array<{ name: string; parent: string | undefined; attributes: ReadonlyMap<string, unknown> }> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        const parent = options.parent === undefined || options.parent._tag === "None" ? undefined : options.parent.value
        spans.push({
          name: options.name,
          parent: parent?._tag === "Span" ? parent.name : undefined,
          attributes: span.attributes,
        })
        return span
      },
    })
    const { lane } = await TestLane.withUpstream(Upstream.stream([CANARY], { prompt: 5, completion: 2 }), {
      around: Layer.succeed(Tracer.Tracer, tracer),
    })
    const answer = await lane.chat({ stream: true, messages: [{ role: "user", content: CANARY }] })
    assert.strictEqual(answer.status, 200)
    await lane.idle()
    const steps = ["admit", "price", "hold", "route", "relay", "meter", "settle", "receipt"]
    const names = spans.map(({ name }) => name)
    for (const step of steps)
      assert.lengthOf(
        names.filter((name) => name === step),
        1,
        step,
      )
    assert.deepStrictEqual(
      names.filter((name) => steps.includes(name)),
      steps,
    )
    const root = spans.find(({ name }) => name === "chat/completions")
    assert.strictEqual(root?.attributes.get("guildhall.request.id"), answer.headers["x-request-id"])
    assert.strictEqual(root?.attributes.get("gen_ai.usage.output_tokens"), 2)
    assert.notInclude(JSON.stringify(spans.map(({ name, attributes }) => [name, ...attributes])), CANARY)
  })

  it("is counted by model, outcome and reason", async () => {
    const { lane } = await TestLane.withUpstream(Upstream.whole(CANARY, { prompt: 5, completion: 2 }))
    const registry = Context.make(Metric.MetricRegistry, lane.metrics)
    const count = () =>
      Metric.snapshotUnsafe(registry).flatMap((metric) =>
        metric.id === "guildhall.inference.requests" && metric.type === "Counter"
          ? [[metric.attributes?.["outcome"], metric.attributes?.["reason"], Number(metric.state.count)]]
          : [],
      )
    await lane.chat({})
    await lane.chat({ model: "nobody/has-this" })
    await lane.send("{")
    await lane.idle()
    assert.sameDeepMembers(count(), [
      ["completed", "", 1],
      ["refused", "model_not_found", 1],
      ["refused", "invalid_json", 1],
    ])
    assert.notInclude(
      JSON.stringify(Metric.snapshotUnsafe(registry), (_, value) =>
        typeof value === "bigint" ? String(value) : value,
      ),
      CANARY,
    )
  })
})
