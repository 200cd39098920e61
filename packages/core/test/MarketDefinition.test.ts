import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Digest } from "effect/crypto"
import { USD } from "../src/Asset.ts"
import * as MarketDefinition from "../src/MarketDefinition.ts"

const definition: MarketDefinition.MarketDefinition = {
  name: "test",
  assets: [USD],
  priceAsset: USD.code,
  chargeAsset: USD.code,
  payoutAssets: [],
  split: { shares: [{ party: "provider", bps: 10_000 }], remainderTo: "provider" },
  routing: { use: "LeastLoaded", with: { weight: 0.5 } },
  payments: [{ use: "ApiKey" }],
  topUps: [],
  payouts: [],
  aliases: {},
  prices: { inputCentsPerMillion: 0, outputCentsPerMillion: 0, maxCentsPerMillion: 0 },
  limits: {
    requestBytes: 1,
    requestBodyMs: 1,
    outputTokens: 1,
    key: { requestsPerMinute: 1, tokensPerMinute: 1, concurrentRequests: 1, centsPerDay: 1, centsPerMonth: 1 },
    member: {},
    market: { concurrentRequests: 1 },
  },
  timeouts: { connectMs: 1, headersMs: 1, firstTokenMs: 1, betweenTokensMs: 1, totalMs: 1 },
  queue: { waitMs: 0, requestsMax: 100, memberPercent: 50 },
  relay: {
    pingMs: 10_000,
    tokensPerSecondMin: 0,
    retries: { percent: 20, perSecond: 10 },
    hedgePercent: 0,
    cost: "asked",
  },
  reservation: { comfort: 10, outputTokensMin: 16, outputTokensStep: 512 },
  recount: { percent: 10 },
  funding: ["development"],
  attempts: 1,
  heartbeat: { intervalMs: 1, missesMax: 1, checkMs: 1 },
  health: { breaker: { failures: 3, withinMs: 60_000, parkMs: 15_000 } },
  hold: { lifeMs: 4, renewMs: 1 },
  receipts: { batchMs: 1, batchSize: 1 },
  endpoints: { allowPrivate: false },
  deviceClasses: [{ name: "any", gpuMemoryGib: 0 }],
}

type Json = { readonly [key: string]: unknown }
const json = (changes: Json): Json => ({ ...structuredClone(definition), ...changes })
const eur = { code: "EUR", scale: 12 }

describe("MarketDefinition", () => {
  it.effect("is read from what it is written as", () =>
    Effect.gen(function* () {
      const written = Schema.encodeSync(MarketDefinition.MarketDefinitionJson)(definition)
      assert.deepStrictEqual(yield* MarketDefinition.decode(JSON.parse(JSON.stringify(written))), definition)
    }),
  )

  it.effect.each([
    { changes: { name: "Capitals" }, path: "name", reason: "RegExp" },
    { changes: { atempts: 3 }, path: "atempts", reason: "there is no such setting." },
    { changes: { attempts: undefined }, path: "attempts", reason: "expected number" },
    { changes: { attempts: 1.5 }, path: "attempts", reason: "expected an integer, got 1.5." },
    { changes: { attempts: 0 }, path: "attempts", reason: "expected a value between 1 and 10, got 0." },
    {
      changes: { prices: { ...definition.prices, inputCentsPerMillion: -1 } },
      path: "prices.inputCentsPerMillion",
      reason: "between 0",
    },
    {
      changes: { prices: { inputCentsPerMillion: 5, outputCentsPerMillion: 1, maxCentsPerMillion: 4 } },
      path: "prices.maxCentsPerMillion",
      reason: "above it.",
    },
    {
      changes: { split: { shares: [{ party: "provider", bps: 9_000 }], remainderTo: "provider" } },
      path: "split",
      reason: "the shares sum to 9000 basis points. They must sum to 10000.",
    },
    {
      changes: { split: { shares: [{ party: "bank", bps: 10_000 }], remainderTo: "provider" } },
      path: "split.shares[0].party",
      reason: "expected",
    },
    { changes: { payments: [] }, path: "payments[0]", reason: "it is missing." },
    { changes: { deviceClasses: [] }, path: "deviceClasses[0]", reason: "it is missing." },
    {
      changes: { deviceClasses: [16, 16].map((gpuMemoryGib, at) => ({ name: `class-${at}`, gpuMemoryGib })) },
      path: "deviceClasses",
      reason: 'the class "class-1" does not begin above "class-0". List them by gpuMemoryGib, smallest first.',
    },
    { changes: { routing: { use: "" } }, path: "routing.use", reason: "length" },
    {
      changes: { limits: { ...definition.limits, requestBytes: 0 } },
      path: "limits.requestBytes",
      reason: "between 1",
    },
    { changes: { hold: { lifeMs: 10, renewMs: 6 } }, path: "hold.renewMs", reason: "at least four renewals" },
    { changes: { payoutAssets: ["EUR"] }, path: "assets", reason: "the asset EUR is used but not listed." },
    { changes: { stakeAsset: "EUR" }, path: "assets", reason: "the asset EUR is used but not listed." },
    { changes: { assets: [USD, USD] }, path: "assets", reason: "an asset is listed twice." },
    { changes: { assets: [USD, eur], chargeAsset: "EUR" }, path: "chargeAsset", reason: "needs a rate source." },
    {
      changes: { assets: [{ code: "USD", scale: 2 }] },
      path: "priceAsset",
      reason: "USD has scale 2.",
    },
    { changes: { aliases: { small: "two words" } }, path: "aliases.small", reason: "two words" },
  ])("refuses a wrong $path", ({ changes, path, reason }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(MarketDefinition.decode(json(changes)))
      const found = error.problems.filter((problem) => problem.path === path)
      assert.isNotEmpty(found, JSON.stringify(error.problems))
      assert.isTrue(
        found.some((problem) => problem.reason.includes(reason)),
        JSON.stringify(found),
      )
      assert.include(error.message, `${path}: `)
    }),
  )

  it.effect("names every problem at once, and does not show the whole of a long value", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        MarketDefinition.decode(json({ name: "X".repeat(5_000), attempts: 99, extra: 1 })),
      )
      assert.sameMembers(
        error.problems.map((problem) => problem.path),
        ["name", "attempts", "extra"],
      )
      assert.isBelow(error.message.length, 600)
    }),
  )

  it.effect.each([null, 5, "text", []])("refuses %j", (value) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(MarketDefinition.decode(value))
      assert.include(error.message, "The market definition is refused.")
    }),
  )

  it.effect("its digest depends on what it says, not on how it is written", () =>
    Effect.gen(function* () {
      const digest = yield* MarketDefinition.digest(definition)
      assert.match(digest, /^[0-9a-f]{64}$/)
      const turned = yield* MarketDefinition.decode(Object.fromEntries(Object.entries(json({})).toReversed()))
      assert.strictEqual(yield* MarketDefinition.digest(turned), digest)
      assert.notStrictEqual(yield* MarketDefinition.digest({ ...definition, attempts: 2 }), digest)
    }).pipe(Effect.provide(Digest.layerWebCrypto)),
  )
})
