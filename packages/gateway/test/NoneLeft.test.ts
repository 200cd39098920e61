import { afterEach, assert, describe, it } from "@effect/vitest"
import { PriceSheet } from "@guildhall/core"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"

afterEach(TestLane.closeAll)

const good = Upstream.whole("x", { prompt: 5, completion: 2 })

/** A market with one instance, which declares little. */
const market = async (changes: Parameters<typeof TestLane.instance>[2] = {}) => {
  const { lane, upstream } = await TestLane.withUpstream(good)
  const price = PriceSheet.perMillionCents({ input: 50n, output: 100n })
  lane.list(TestLane.instance("i0", upstream.url, { provider: "acme", price, contextLength: 4_096, ...changes }))
  return lane
}

/** The code and the words of a refusal. */
const refused = async (lane: TestLane.TestLane, body: object, path?: string): Promise<readonly [string, string]> => {
  const answer = path === undefined ? await lane.chat(body) : await lane.send(JSON.stringify(body), {}, undefined, path)
  const { code, message } = JSON.parse(answer.text).error
  return [code, message]
}

describe("a request that no instance is left for is told why, and what to do", () => {
  it.each([
    [
      { only: ["bell"] },
      "not_in_only",
      "`provider.only` is applied: those online have declared acme. Name other providers",
    ],
    [{ ignore: ["acme"] }, "ignored_by_request", "`provider.ignore` is applied: those online have declared acme."],
    [{ only: ["acme"], ignore: ["acme"] }, "ignored_by_request", "`provider.only` and `provider.ignore` are applied"],
    [
      { order: ["bell"], allow_fallbacks: false },
      "no_fallback_allowed",
      "declared acme. Name others, or allow fallbacks.",
    ],
    [
      { quantizations: ["fp8"] },
      "quantization_not_accepted",
      "`provider.quantizations` is applied: none that is online has declared a precision.",
    ],
    [{ data_collection: "deny" }, "data_retained", 'once `provider.data_collection: "deny"` is applied'],
    [
      { regions: ["us-east"] },
      "region_not_accepted",
      "`provider.regions` is applied: those online have declared eu-west.",
    ],
    [{ countries: ["FR"] }, "country_not_accepted", "`provider.countries` is applied: those online have declared DE."],
    [
      { regions: ["eu-west"], countries: ["FR", "IT"] },
      "country_not_accepted",
      "`provider.regions` and `provider.countries` are applied: those online have declared DE. Name other countries",
    ],
    [{ confidential: true }, "not_confidential", "`provider.confidential` is applied: none runs where"],
    [{ max_price: { prompt: "0.000001" } }, "price_too_high", "`provider.max_price` is applied: raise it"],
  ] as const)("where nobody passes %j", async (provider, code, words) => {
    const [told, message] = await refused(await market({ region: "eu-west", country: "DE" }), { provider })
    assert.strictEqual(told, code)
    assert.include(message, "No instance of `test/model` is left once ")
    assert.include(message, words)
  })

  it("where only those that are offline stand: that they are not on offer", async () => {
    const lane = await market({ region: "eu-west", country: "DE" })
    const { url } = await TestLane.upstream(good)
    lane.list(TestLane.instance("off", url, { region: "us-east", state: "offline" }))
    const [code, message] = await refused(lane, { provider: { regions: ["ap-south"] } })
    assert.strictEqual(code, "region_not_accepted")
    assert.include(message, "those online have declared eu-west. Name")
  })

  it("where it is too long: what it needs, and what there is", async () => {
    const messages = [{ role: "user", content: "word ".repeat(1_000) }]
    const [code, message] = await refused(await market({ contextLength: 100 }), { messages, max_tokens: 50 })
    assert.strictEqual(code, "context_too_long")
    assert.match(message, /^The request needs a context of about 1[0-9]{3} tokens/)
    assert.include(message, "the longest of `test/model` for it has 100. Send less")
  })

  it("where the endpoint is not spoken: which are", async () => {
    const lane = await market({ endpoints: ["messages", "rerank"] })
    const [code, message] = await refused(lane, { model: TestLane.MODEL, input: "x" }, "/v1/embeddings")
    assert.strictEqual(code, "endpoint_not_offered")
    assert.include(
      message,
      "serves /v1/embeddings; they serve /v1/chat/completions, /v1/responses, /v1/messages, /v1/rerank. Send",
    )
  })

  it("where the endpoint is not spoken by whom is offline", async () => {
    const lane = await market({ endpoints: ["embeddings"], state: "offline" })
    const [code, message] = await refused(lane, { model: TestLane.MODEL, input: "x" }, "/v1/embeddings")
    assert.strictEqual(code, "no_capacity")
    assert.include(message, "Send it again in a moment, or ask for another model.")
  })

  it("where everyone is about to stop", async () => {
    const [code, message] = await refused(await market({ state: "draining" }), {})
    assert.strictEqual(code, "no_capacity")
    assert.include(message, "Send it again in a moment, or ask for another model.")
  })
})
