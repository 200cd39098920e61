import { assert, describe, it } from "@effect/vitest"
import { AssetCode } from "@guildhall/core/Asset"
import * as MarketChain from "@guildhall/core/MarketChain"
import * as MarketDefinition from "@guildhall/core/MarketDefinition"
import { Effect, Schema } from "effect"
import { local } from "../src/local.ts"

const GUILD = { code: AssetCode.make("GUILD"), scale: 18 }
const address = (digit: string) => `0x${digit.repeat(40)}`

/** The market `local` on a real chain, with stake, boosts and bonds. */
const definition: MarketDefinition.MarketDefinition = {
  ...local,
  assets: [...local.assets, GUILD],
  stakeAsset: GUILD.code,
  wallets: { chainId: 8_453 },
  chain: {
    id: 8_453,
    fromBlock: 25_000_000,
    contracts: { staking: address("1"), bond: address("2"), settlement: address("3") },
    tokens: {
      [local.chargeAsset]: { address: address("4"), decimals: 6 },
      [GUILD.code]: { address: address("5"), decimals: 18 },
    },
    stake: { tiersFromEpoch: 0 },
    settlement: {
      asset: local.chargeAsset,
      kind: "root",
      epochMs: 86_400_000,
      sources: { development: { afterMs: 0 } },
      minimum: 10_000n,
      boost: { cap: 5_000_000_000_000n },
    },
    bonds: { fromEpoch: 21_000, allFromEpoch: 21_030 },
  },
}

type Json = Record<string, unknown>
const isRecord = (value: unknown): value is Json => typeof value === "object" && value !== null

/** The definition as JSON with a setting, by its path, changed; or removed, where no value is given. */
const written = (path = "", value?: unknown): Json => {
  const json: Json = JSON.parse(JSON.stringify(Schema.encodeSync(MarketDefinition.MarketDefinitionJson)(definition)))
  const keys = path.split(".")
  const last = keys.pop() ?? ""
  let at = json
  for (const key of keys) {
    const next = at[key]
    assert.isTrue(isRecord(next))
    if (isRecord(next)) at = next
  }
  if (value === undefined) delete at[last]
  else at[last] = value
  return json
}

describe("MarketChain", () => {
  it.effect("is read from what it is written as, and a market without one has another digest", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* MarketDefinition.decode(written()), definition)
    }),
  )

  it.effect("a market on the development chain needs no addresses", () =>
    Effect.gen(function* () {
      const json = {
        ...written("chain", {
          id: MarketChain.DEVELOPMENT_ID,
          tokens: { USD: { decimals: 6 } },
          settlement: { asset: "USD", kind: "batch", epochMs: 60_000, sources: { development: { afterMs: 0 } } },
        }),
        wallets: { chainId: MarketChain.DEVELOPMENT_ID },
      }
      const read = yield* MarketDefinition.decode(json)
      assert.isUndefined(read.chain?.contracts)
    }),
  )

  it.effect.each<readonly [problem: string, path: string, value?: unknown]>([
    [
      "chain.tokens.USD.decimals: the books count USD with 12 decimals, and would lose what is finer.",
      "chain.tokens.USD.decimals",
      18,
    ],
    [
      "chain.tokens.USD.address: it is missing. Only the development chain 31337 deploys tokens itself.",
      "chain.tokens.USD.address",
    ],
    ["chain.tokens.EUR: the market has no such asset.", "chain.tokens.EUR", { address: address("6"), decimals: 2 }],
    ["chain.settlement.asset: USD has no token among chain.tokens.", "chain.tokens.USD"],
    [
      "chain.settlement.asset: providers earn USD. Another asset than that needs a rate source.",
      "chain.settlement.asset",
      "GUILD",
    ],
    ["chain.settlement.sources: name one source or more.", "chain.settlement.sources", {}],
    [
      "chain.settlement.epochMs: the chain counts whole seconds. Take a multiple of 1000.",
      "chain.settlement.epochMs",
      60_500,
    ],
    ["chain: stake and bonds need the definition's stakeAsset.", "stakeAsset"],
    ["chain.tokens: the asset GUILD is staked and has no token.", "chain.tokens.GUILD"],
    ["chain.settlement.boost: tiers multiply earnings, and without `stake` there are none.", "chain.stake"],
    ["chain.id: devices are bound to wallets of chain 1 (wallets.chainId).", "wallets.chainId", 1],
    [
      "chain.contracts.bond: it is missing. Only the development chain 31337 deploys contracts itself.",
      "chain.contracts.bond",
    ],
    [
      "chain.bonds: bonds are asked of all from epoch 3, which is before they count at all.",
      "chain.bonds.allFromEpoch",
      3,
    ],
  ])("refuses: %s", ([problem, path, value]) =>
    Effect.gen(function* () {
      const { problems } = yield* Effect.flip(MarketDefinition.decode(written(path, value)))
      assert.include(
        problems.map(({ path, reason }) => `${path}: ${reason}`),
        problem,
      )
    }),
  )

  it("asks a bond of new devices first, and of all later", () => {
    const bonds = { fromEpoch: 10 }
    const asked = (epoch: number, since: number, isBonded = false) =>
      MarketChain.isEligible(bonds, { epoch, since, isBonded })
    assert.isTrue(MarketChain.isEligible(undefined, { epoch: 99, since: 99, isBonded: false }))
    assert.isTrue(asked(9, 9))
    assert.isFalse(asked(10, 10))
    assert.isTrue(asked(10, 10, true))
    // Without an end, who was there before may stay as it is.
    assert.isTrue(asked(1_000, 9))
  })
})
