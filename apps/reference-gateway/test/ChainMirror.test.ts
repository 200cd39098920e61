import { assert, it } from "@effect/vitest"
import { type Asset, AssetCode, USD } from "@guildhall/core/Asset"
import * as ChainMirror from "../src/ChainMirror.ts"

const stake: Asset = { code: AssetCode.make("GUILD"), scale: 18 }

it("an asset is mirrored in its token's own units, under a code of its own where the market counts finer", () => {
  assert.deepStrictEqual(ChainMirror.assetOf({ asset: USD, decimals: 6 }), { code: AssetCode.make("USD.6"), scale: 6 })
  assert.deepStrictEqual(ChainMirror.assetOf({ asset: stake, decimals: 18 }), stake)
  const longest: Asset = { code: AssetCode.make("ABCDEFGHIJKLMNOP"), scale: 12 }
  assert.strictEqual(ChainMirror.assetOf({ asset: longest, decimals: 18 }).code, "ABCDEFGHIJKLM.18")
})
