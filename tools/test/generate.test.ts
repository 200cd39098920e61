import { assert, describe, it } from "@effect/vitest"
import { barrels, header } from "../generate/Barrels.ts"
import { withRepository } from "./Repository.ts"

const generated = (changes: Readonly<Record<string, unknown>>): ReadonlyMap<string, string> =>
  withRepository(changes, (base) => new Map(barrels(base).map(({ file, text }) => [file, text])))

const coin = `export const coin = 1n\n`

describe("generate", () => {
  it("makes a barrel of the modules of a folder, sorted, without programs, internals and barrels", () => {
    const found = generated({
      "packages/base/src/Asset.ts": coin,
      "packages/base/src/main.ts": coin,
      "packages/base/src/internal/Secret.ts": coin,
      "packages/base/src/rules/Split.ts": coin,
    })
    assert.strictEqual(
      found.get("packages/base/src/index.ts"),
      `${header}\nexport * as Asset from "./Asset.ts"\nexport * as Coin from "./Coin.ts"\n`,
    )
    assert.strictEqual(
      found.get("packages/base/src/rules/index.ts"),
      `${header}\nexport * as Split from "./Split.ts"\n`,
    )
    assert.isFalse([...found.keys()].some((file) => file.includes("internal") || file.startsWith("apps/")))
  })

  it("names the public folders in the manifest's exports, and closes the internal ones", () => {
    const found = generated({
      "packages/base/src/rules/Split.ts": coin,
      "packages/base/src/rules/internal/Rounding.ts": coin,
    })
    const manifest: { readonly name: string; readonly exports: Readonly<Record<string, unknown>> } = JSON.parse(
      found.get("packages/base/package.json") ?? "{}",
    )
    assert.strictEqual(manifest.name, "@fixture/base")
    assert.deepStrictEqual(Object.keys(manifest.exports), [".", "./rules", "./*", "./internal/*", "./rules/internal/*"])
    assert.deepStrictEqual(manifest.exports["./rules"], {
      "@guildhall/source": "./src/rules/index.ts",
      types: "./dist/rules/index.d.ts",
      default: "./dist/rules/index.js",
    })
  })

  it("refuses to overwrite what was written by hand", () => {
    assert.throws(() => generated({ "packages/base/src/index.ts": coin }), "written by hand")
  })
})
