/** The verdicts as rules: from what was seen to what is said of it. */
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { CheckName, type Outcome, type Place } from "@guildhall/core/EntryVerification"
import { DevicePublicKey } from "@guildhall/core/Device"
import { ModelId } from "@guildhall/core/Model"
import type { DeviceProof } from "@guildhall/protocol/provider/DeviceProof"
import * as Checks from "../src/endpoint/Checks.ts"
import * as Completion from "../src/endpoint/checks/Completion.ts"
import * as Concurrency from "../src/endpoint/checks/Concurrency.ts"
import * as Context from "../src/endpoint/checks/Context.ts"
import * as DeviceKey from "../src/endpoint/checks/DeviceKey.ts"
import * as Model from "../src/endpoint/checks/Model.ts"
import * as Reach from "../src/endpoint/checks/Reach.ts"
import * as Region from "../src/endpoint/checks/Region.ts"
import * as Streaming from "../src/endpoint/checks/Streaming.ts"
import * as Conclusion from "../src/endpoint/Conclusion.ts"
import type { Answer } from "../src/endpoint/EndpointProbe.ts"
import * as Prompting from "../src/endpoint/Prompting.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

type Complete = Extract<Answer, { readonly _tag: "Complete" }>
const complete = (body: string, changes: Partial<Complete> = {}): Complete => ({
  _tag: "Complete",
  status: 200,
  headers: { "content-type": "application/json" },
  body: bytes(body),
  pieces: [{ atMs: 1, end: body.length }],
  tookMs: 2,
  ...changes,
})
const broken = (reason: Extract<Answer, { readonly _tag: "Broken" }>["reason"]): Answer => ({
  _tag: "Broken",
  reason,
  detail: "It broke off.",
  tookMs: 1,
})
const usage = (input: number) => JSON.stringify({ usage: { prompt_tokens: input, completion_tokens: 1 } })

describe("reach", () => {
  it("has a code for each way in which nobody answers", () => {
    const codes = (
      ["Unreachable", "ClosedEarly", "ConnectTimeout", "HeadersTimeout", "TooSlow", "TooLarge"] as const
    ).map((reason) => Reach.judge(broken(reason)).code)
    assert.deepStrictEqual(codes, [
      "entry_unreachable",
      "entry_unreachable",
      "entry_unreachable",
      "entry_too_slow",
      "entry_too_slow",
      "entry_too_large",
    ])
    assert.strictEqual(Reach.judge(complete("")).state, "passed")
    assert.strictEqual(Reach.judge(complete('{"status":"backend_down"}', { status: 503 })).code, "entry_unhealthy")
    assert.include(Reach.judge(complete('{"status":"backend_down"}', { status: 503 })).detail, "backend_down")
    assert.strictEqual(Reach.judge(complete("", { status: 301, headers: {} })).code, "entry_redirects")
  })
})

const key = DevicePublicKey.make("A".repeat(43))
const otherKey = DevicePublicKey.make("B".repeat(43))
const model = ModelId.make("org/model")
const weights = "a".repeat(64)
const proofOf = (changes: Partial<DeviceProof> = {}) =>
  Result.succeed<DeviceProof>({
    device: key,
    nonce: "n".repeat(43),
    serves: [{ model, contextLength: 8_192, weights, quantization: "bf16" }],
    signature: "",
    ...changes,
  })
const noProof = Result.fail("Nobody answers.")

describe("device key", () => {
  it("passes the device's own key, refuses another and none, and leaves one without a key unattested", () => {
    assert.strictEqual(DeviceKey.judge(key, proofOf()).state, "passed")
    assert.strictEqual(DeviceKey.judge(key, proofOf({ device: otherKey })).code, "entry_wrong_key")
    assert.strictEqual(DeviceKey.judge(key, noProof).code, "entry_no_proof")
    assert.strictEqual(DeviceKey.judge(undefined, noProof).state, "does_not_apply")
  })
})

describe("model", () => {
  const declared = { devicePublicKey: key, model, quantization: "bf16", contextLength: 8_192 } as const
  const serving = (changes: object) =>
    proofOf({ serves: [{ model, contextLength: 8_192, weights, quantization: "bf16", ...changes }] })

  it("compares what is committed to with what was declared, and with the market's weights where it lists some", () => {
    assert.strictEqual(Model.judge(declared, proofOf()).state, "passed")
    assert.strictEqual(Model.judge(declared, proofOf(), { [model]: [weights] }).state, "passed")
    assert.strictEqual(Model.judge(declared, proofOf(), { "org/other": ["b".repeat(64)] }).state, "passed")
    for (const [proof, list] of [
      [proofOf(), { [model]: ["b".repeat(64)] }],
      [serving({ quantization: "int4" }), undefined],
      [serving({ contextLength: 8_191 }), undefined],
      [proofOf({ serves: [] }), undefined],
    ] as const) {
      assert.strictEqual(Model.judge(declared, proof, list).code, "entry_model_differs")
    }
  })

  it("does not pass weights that nobody knows, or a commitment that is another's", () => {
    const { contextLength, quantization } = declared
    const unknown = proofOf({ serves: [{ model, contextLength, quantization }] })
    assert.deepInclude(Model.judge(declared, unknown), { state: "not_checked", code: "entry_model_unknown" })
    assert.strictEqual(Model.judge(declared, noProof).state, "not_checked")
    assert.strictEqual(Model.judge(declared, proofOf({ device: otherKey })).state, "not_checked")
    assert.strictEqual(Model.judge({ model, contextLength }, noProof).state, "does_not_apply")
  })
})

const Degrees = Schema.Struct({
  latitude: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: -90, maximum: 90 }))),
  longitude: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: -180, maximum: 180 }))),
})

describe("region", () => {
  const frankfurt = { latitude: 50.11, longitude: 8.68 }
  const settings = {
    points: { fra: frankfurt },
    regions: {
      "eu-central": { ...frankfurt, radiusKm: 500 },
      "us-west": { latitude: 37.77, longitude: -122.42, radiusKm: 500 },
    },
  }
  const judge = (region: string | undefined, roundTripMs: number | undefined, point: string | undefined = "fra") =>
    Region.judge({ region, settings, point, roundTripMs })

  it("refuses what is sooner than light, and nothing else", () => {
    assert.strictEqual(judge("us-west", 12).code, "entry_region_impossible")
    assert.include(judge("us-west", 12).detail, "us-west to fra")
    assert.strictEqual(judge("us-west", 150).state, "passed")
    assert.strictEqual(judge("eu-central", 0.2).state, "passed")
    // An answer that takes long proves nothing.
    assert.strictEqual(judge("eu-central", 900).state, "passed")
  })

  it("is not checked, and never passes, where the market names no point or region, or nothing could be measured", () => {
    for (const verdict of [judge("us-east", 1), judge("us-west", undefined), judge("us-west", 1, "nowhere")]) {
      assert.strictEqual(verdict.state, "not_checked")
    }
    const none = Region.judge({ region: "us-west", settings: {}, point: undefined, roundTripMs: 1 })
    assert.strictEqual(none.state, "not_checked")
    assert.strictEqual(judge(undefined, 1).state, "does_not_apply")
  })

  it.prop(
    "distances are the same both ways, zero to oneself, and at most half around the earth",
    [Degrees, Degrees],
    ([a, b]) => {
      const there = Region.distanceKm(a, b)
      assert.approximately(there, Region.distanceKm(b, a), 1e-6)
      assert.approximately(Region.distanceKm(a, a), 0, 1e-6)
      assert.isAtMost(there, 20_016)
      assert.isAtLeast(there, 0)
    },
  )

  it.prop("no place is refused that light could come back from", [Degrees, Degrees], ([from, at]) => {
    const places = { points: { here: from as Place }, regions: { there: { ...at, radiusKm: 0 } } }
    const leastMs = Region.distanceKm(from, at) / 100
    const verdict = (roundTripMs: number) =>
      Region.judge({ region: "there", settings: places, point: "here", roundTripMs }).state
    assert.strictEqual(verdict(leastMs + 0.001), "passed")
    if (leastMs > 1) assert.strictEqual(verdict(leastMs - 0.001), "failed")
  })
})

describe("completion", () => {
  it("wants an answer that counts its tokens", () => {
    assert.strictEqual(Completion.judge("chat/completions", complete(usage(9))).state, "passed")
    assert.strictEqual(Completion.judge("chat/completions", complete("{}")).code, "entry_no_completion")
    assert.strictEqual(Completion.judge("chat/completions", complete("", { status: 500 })).code, "entry_no_completion")
    assert.strictEqual(Completion.judge("chat/completions", broken("TooSlow")).code, "entry_too_slow")
  })

  it("wants no count of a worker of AI Horde, and a text", () => {
    const answer = (content: string) =>
      complete(JSON.stringify({ choices: [{ message: { role: "assistant", content } }] }))
    const judge = (given: Answer) => Completion.judgeWorker("chat/completions", given)
    assert.strictEqual(judge(answer("Lisbon")).state, "passed")
    assert.strictEqual(judge(complete('{"choices":[{"text":"Lisbon"}]}')).state, "passed")
    assert.strictEqual(judge(answer("")).code, "entry_no_completion")
    assert.strictEqual(judge(complete(usage(9))).code, "entry_no_completion")
    assert.strictEqual(judge(broken("TooSlow")).code, "entry_too_slow")
  })
})

describe("streaming", () => {
  const event = (text: string) => `data: ${JSON.stringify({ choices: [{ delta: { content: text } }] })}\n\n`
  const body = `${event("a")}${event("b")}${event("c")}data: [DONE]\n\n`
  const stream = (text: string, at: ReadonlyArray<readonly [number, number]>, tookMs: number) =>
    complete(text, {
      headers: { "content-type": "text/event-stream; charset=utf-8" },
      pieces: at.map(([atMs, end]) => ({ atMs, end })),
      tookMs,
    })
  const judge = (answer: Answer) => Streaming.judge("chat/completions", answer)

  it("passes more than one event with the first before the end", () => {
    const verdict = judge(
      stream(
        body,
        [
          [500, 60],
          [900, 120],
          [1_000, body.length],
        ],
        1_000,
      ),
    )
    assert.strictEqual(verdict.state, "passed", verdict.detail)
  })

  it("refuses what comes at once after a long time, as one event, or not as events", () => {
    assert.strictEqual(judge(stream(body, [[1_000, body.length]], 1_000)).code, "entry_no_stream")
    assert.strictEqual(judge(stream(event("a"), [[1, 60]], 2)).code, "entry_no_stream")
    assert.strictEqual(judge(complete(usage(1))).code, "entry_no_stream")
    assert.strictEqual(judge(stream("", [], 1)).code, "entry_no_stream")
  })

  it("lets an engine that is quick answer in one piece", () => {
    assert.strictEqual(judge(stream(body, [[20, body.length]], 21)).state, "passed")
  })

  it("counts events however they are written, and no comments", () => {
    assert.strictEqual(Prompting.events(bytes(`: ping\n\n${event("a")}: ping\n\ndata: [DONE]\n\n`)).count, 1)
    assert.strictEqual(Prompting.events(bytes("event: x\r\ndata: {}\r\n\r\ndata:{}\r\n\r\n")).count, 2)
  })
})

describe("context", () => {
  it.prop(
    "never sends more than the market pays for, or than was declared",
    [Schema.Int, Schema.Int, Schema.Int],
    ([a, b, c]) => {
      const declared = 1 + (Math.abs(a) % 1_000_000)
      const promptTokensMax = 64 + (Math.abs(b) % 10_000)
      const sampleTokens = 1 + (Math.abs(c) % 500)
      const { tokens, words } = Context.plan({ declared, promptTokensMax, sampleTokens })
      assert.isAtMost(tokens, Math.min(declared, promptTokensMax))
      assert.isAtMost(words * Math.min(16, Math.max(1, sampleTokens / 32)), Math.max(tokens, 16))
    },
  )

  const told = { declared: 8_192, tokens: 1_800, sampleTokens: 32, words: 1_800 }
  const judge = (answer: Answer) => Context.judge("chat/completions", answer, told)

  it("refuses a prompt that is refused or cut, and passes one that was read", () => {
    assert.strictEqual(judge(complete(usage(1_800))).state, "passed")
    assert.include(judge(complete(usage(1_800))).detail, "no more are tried")
    assert.strictEqual(judge(complete("too long", { status: 400 })).code, "entry_context_short")
    assert.strictEqual(judge(complete(usage(512))).code, "entry_context_short")
    assert.strictEqual(judge(complete("{}", { status: 500 })).code, "entry_no_completion")
  })
})

describe("concurrency", () => {
  const span = (fromMs: number, toMs: number) => complete("", { pieces: [{ atMs: fromMs, end: 1 }], tookMs: toMs })

  it("refuses what is turned away, and slow answers that come one after the other", () => {
    assert.strictEqual(Concurrency.judge(2, [span(10, 900), span(12, 910)]).state, "passed")
    assert.strictEqual(Concurrency.judge(2, [span(10, 900), span(901, 1_800)]).code, "entry_concurrency_low")
    assert.strictEqual(
      Concurrency.judge(2, [span(10, 900), complete("full", { status: 429 })]).code,
      "entry_concurrency_low",
    )
    assert.strictEqual(Concurrency.judge(2, [span(10, 900), broken("TooSlow")]).code, "entry_concurrency_low")
  })

  it("lets quick answers come one after the other, and says what it did not try", () => {
    assert.strictEqual(Concurrency.judge(2, [span(1, 5), span(6, 9)]).state, "passed")
    assert.include(Concurrency.judge(64, [span(10, 900), span(12, 910)]).detail, "Of the 64 declared")
    assert.strictEqual(Concurrency.judge(1, [span(10, 900)]).state, "passed")
  })
})

describe("the conclusion", () => {
  const outcome = (check: CheckName, state: Outcome["state"], code?: Outcome["code"]): Outcome => ({
    check,
    state,
    detail: "",
    atMs: 0,
    ...(code === undefined ? {} : { code }),
  })

  it("passes only where every check that is asked for passed or does not apply", () => {
    const asked = ["reach", "tls"] as const
    const of = (...outcomes: ReadonlyArray<Outcome>) => Conclusion.of(asked, outcomes).state
    assert.strictEqual(of(), "pending")
    assert.strictEqual(of(outcome("reach", "failed")), "pending")
    assert.strictEqual(of(outcome("reach", "passed"), outcome("tls", "does_not_apply")), "passed")
    assert.strictEqual(of(outcome("reach", "passed"), outcome("tls", "not_checked")), "failed")
    assert.strictEqual(of(outcome("reach", "passed"), outcome("tls", "failed")), "failed")
    assert.strictEqual(of(outcome("reach", "passed"), outcome("tls", "passed"), outcome("model", "failed")), "passed")
    assert.strictEqual(of(outcome("reach", "failed"), outcome("reach", "passed"), outcome("tls", "passed")), "passed")
  })

  it("may go away by itself only where all that failed may", () => {
    const unreachable = outcome("reach", "failed", "entry_unreachable")
    const wrongKey = outcome("device_key", "failed", "entry_wrong_key")
    assert.isTrue(Conclusion.of(["reach"], [unreachable]).isRetryable)
    assert.isFalse(Conclusion.of(["reach", "device_key"], [unreachable, wrongKey]).isRetryable)
  })

  it("is attested where the key was proved, and only there", () => {
    assert.isTrue(Conclusion.of(["device_key"], [outcome("device_key", "passed")]).isAttested)
    assert.isFalse(Conclusion.of(["device_key"], [outcome("device_key", "does_not_apply")]).isAttested)
    assert.isFalse(Conclusion.of(["reach"], [outcome("reach", "passed")]).isAttested)
  })

  it("makes what costs nothing first, whatever the order of the definition", () => {
    assert.deepStrictEqual(Checks.inOrder(["concurrency", "completion", "reach", "resolve"]), [
      "resolve",
      "reach",
      "completion",
      "concurrency",
    ])
    assert.deepStrictEqual(Checks.inOrder(CheckName.literals), CheckName.literals)
  })
})
