import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import { local } from "@guildhall/markets/local"
import { HDKey } from "viem/accounts"
import * as ChainParts from "../src/ChainParts.ts"
import * as ChainRails from "../src/ChainRails.ts"
import * as DevChain from "../src/DevChain.ts"
import * as MarketParts from "../src/MarketParts.ts"

const whole = DevChain.defined(local, { chain: "on" })
const { chain } = whole
if (chain === undefined) throw new Error("The market has no chain to try.")
const [, deposit] = whole.topUps
const [payout] = whole.payouts
if (deposit === undefined || payout === undefined) throw new Error("The market has nothing to try.")
const { chain: _, ...chainless } = whole
const without = (code: string) => Object.fromEntries(Object.entries(chain.tokens).filter(([name]) => name !== code))

describe("the parts of a market's chain", () => {
  it.effect("are there with `--chain`, each for what the other does not pay", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* MarketParts.problems(whole), [])
      assert.deepStrictEqual(ChainParts.depositOf(whole), { source: "transfer" })
      assert.deepStrictEqual(ChainParts.payoutOf(whole), { sources: { transfer: { afterMs: 0 } }, everyMs: 60_000 })
      assert.deepStrictEqual(Object.keys(chain.settlement.sources), ["development"])
      assert.isUndefined(ChainParts.depositOf(local))
      assert.isUndefined(ChainParts.payoutOf(local))
    }),
  )

  it.effect.each([
    ["no chain", chainless, "topUps[1]", "Give it a section `chain`"],
    ["no chain", chainless, "payouts[0]", "Give it a section `chain`"],
    ["no token", { ...whole, chain: { ...chain, tokens: without("USD") } }, "topUps[1]", "USD has no token"],
    ["no token", { ...whole, chain: { ...chain, tokens: without("USD") } }, "payouts[0]", "USD has no token"],
    ["money of no source", { ...whole, funding: ["development"] }, "topUps[1]", "`funding` lists development"],
    ["deposits twice", { ...whole, topUps: [deposit, deposit] }, "topUps[1]", "It is named twice"],
    ["payouts twice", { ...whole, payouts: [payout, payout] }, "payouts[1]", "It is named twice"],
    [
      "payouts of nothing",
      { ...whole, payouts: [{ ...payout, with: { ...payout.with, sources: {} } }] },
      "payouts[0]",
      "Name one source or more",
    ],
    [
      "what epochs pay",
      { ...whole, payouts: [{ ...payout, with: { ...payout.with, sources: { development: { afterMs: 0 } } } }] },
      "payouts[0]",
      'What was earned of "development" is paid by epochs already',
    ],
    ["a misspelt setting", { ...whole, topUps: [{ ...deposit, with: { sorce: "transfer" } }] }, "topUps[0]", "source"],
  ] satisfies ReadonlyArray<readonly [string, MarketDefinition, string, string]>)(
    "are refused at a start: %s, %#",
    ([, definition, path, why]) =>
      Effect.gen(function* () {
        const found = yield* MarketParts.problems(definition)
        assert.isTrue(
          found.some((line) => line.startsWith(`${path}: `) && line.includes(why)),
          found.join("\n"),
        )
      }),
  )

  it.effect("need a key for addresses, which cannot spend; the chain for development has one", () =>
    Effect.gen(function* () {
      const own = yield* ChainRails.addresses(undefined, true)
      const words = HDKey.fromMasterSeed(new Uint8Array(64).fill(7)).derive("m/44'/60'/0'/0")
      const given = yield* ChainRails.addresses(Redacted.make(words.publicExtendedKey), true)
      assert.notStrictEqual(own(0), given(0))
      const none = yield* Effect.flip(ChainRails.addresses(undefined, false))
      assert.include(none.message, "Set GUILDHALL_DEPOSIT_KEY")
      const broken = `${words.publicExtendedKey.slice(0, -1)}1`
      for (const text of [words.privateExtendedKey, broken]) {
        const { message } = yield* Effect.flip(ChainRails.addresses(Redacted.make(text), false))
        assert.include(message, "GUILDHALL_DEPOSIT_KEY cannot be used.")
        assert.notInclude(message, text)
      }
    }),
  )
})
