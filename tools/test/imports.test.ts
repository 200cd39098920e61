import { assert, describe, it } from "@effect/vitest"
import { arrows } from "../arrows.ts"
import { cycles, importsOf } from "../ImportGraph.ts"
import { check } from "../imports.ts"
import { format } from "../Problem.ts"
import { rules, withRepository } from "./Repository.ts"

const problems = (changes: Readonly<Record<string, unknown>>): ReadonlyArray<string> =>
  withRepository(changes, (base) => check(base, rules).map(format))

/** The changed repository has exactly one problem, with these words in it. */
const refuses = (changes: Readonly<Record<string, unknown>>, ...words: ReadonlyArray<string>): void => {
  const found = problems(changes)
  assert.strictEqual(found.length, 1, found.join("\n"))
  for (const word of words) assert.include(found[0], word)
}

describe("imports", () => {
  it("accepts a sound repository", () => {
    assert.deepStrictEqual(problems({}), [])
  })

  it("refuses an import against the arrows, in sources and in tests", () => {
    const manifest = {
      name: "@fixture/base",
      version: "1.0.0",
      devDependencies: { effect: "4.1.0", "@fixture/shop": "1.0.0" },
      peerDependencies: { effect: ">=4.1.0 <4.2.0" },
    }
    const test = `import { till } from "@fixture/shop/Till"\nexport const t = till\n`
    refuses(
      { "packages/base/package.json": manifest, "packages/base/test/Coin.test.ts": test },
      "packages/base/test/Coin.test.ts:1",
      "against the arrows",
    )
    const found = problems({ "packages/base/src/Bad.ts": `export type T = import("@fixture/shop/Till").Till\n` })
    assert.isTrue(found.some((one) => one.includes("packages/base/src/Bad.ts:1") && one.includes("against the arrows")))
  })

  it("refuses an application that a package imports", () => {
    const found = problems({ "packages/shop/src/Bad.ts": `import "@fixture/app/main"\n` })
    assert.isTrue(found.some((one) => one.includes("against the arrows")))
  })

  it("refuses a circle between files, unless only types or lazy imports close it", () => {
    const back = (statement: string) => ({
      "packages/base/src/A.ts": `import { b } from "./B.ts"\nexport const a = () => b\n`,
      "packages/base/src/B.ts": statement,
    })
    refuses(
      back(`import { a } from "./A.ts"\nexport const b = () => a\n`),
      "packages/base/src/A.ts → packages/base/src/B.ts → packages/base/src/A.ts",
    )
    assert.deepStrictEqual(problems(back(`import type { a } from "./A.ts"\nexport const b: typeof a | 1 = 1\n`)), [])
    assert.deepStrictEqual(problems(back(`export const b = () => import("./A.ts")\n`)), [])
  })

  it("refuses a circle between packages", () => {
    const found = problems({ "packages/base/src/Bad.ts": `import "@fixture/shop/Till"\n` })
    assert.isTrue(found.some((one) => one.includes("@fixture/base → @fixture/shop → @fixture/base")))
  })

  it("refuses Node in a portable package and barrels in any", () => {
    refuses({ "packages/base/src/Bad.ts": `import "node:fs"\n` }, "runs anywhere")
    refuses(
      { "packages/shop/src/Bad.ts": `import { Effect } from "effect"\nexport const e = Effect\n` },
      "starts faster",
    )
    refuses(
      { "packages/shop/src/Bad.ts": `import { Coin } from "@fixture/base"\nexport const e = Coin\n` },
      "starts faster",
    )
  })

  it("refuses a path into another package", () => {
    refuses({ "packages/shop/src/Bad.ts": `import "../../base/src/Coin.ts"\n` }, "in another workspace")
  })

  it("refuses what is imported but not declared, and what is declared but not imported", () => {
    refuses({ "packages/shop/src/Bad.ts": `import "left-pad"\n` }, "does not declare")
    refuses({ "packages/shop/src/Till.ts": `export const till = 1\n` }, "which its sources never import")
  })

  it("refuses Effect that is not pinned, or not a peer", () => {
    const shop = {
      name: "@fixture/shop",
      version: "1.0.0",
      dependencies: { "@fixture/base": "1.0.0" },
      peerDependencies: { effect: ">=4.1.0 <4.2.0" },
    }
    refuses({ "packages/shop/package.json": { ...shop, devDependencies: { effect: "^4.1.0" } } }, "pins it to 4.1.0")
    refuses({ "packages/shop/package.json": { ...shop, peerDependencies: { effect: "^4.0.0" } } }, "has the peer")
    const dependency = { ...shop, dependencies: { "@fixture/base": "1.0.0", effect: "4.1.0" } }
    refuses({ "packages/shop/package.json": dependency }, "two copies")
  })

  it("refuses a package that the table does not know", () => {
    refuses({ "packages/new/package.json": { name: "@fixture/new", private: true } }, "has no line")
  })

  it("refuses a published package outside of the release group", () => {
    const group = (names: ReadonlyArray<string>) => ({ ".changeset/config.json": { fixed: [names] } })
    assert.deepStrictEqual(problems(group(["@fixture/base", "@fixture/shop"])), [])
    refuses(group(["@fixture/base"]), "one fixed group")
  })

  it("reads every kind of import, and none in a comment or a text", () => {
    const source = [
      `import type { A } from "a"`,
      `export * as B from "b"`,
      `const c = await import("c")`,
      `type D = import("d").D`,
      `// import "no"`,
      "const text = `import 'no'`",
    ].join("\n")
    assert.deepStrictEqual(
      importsOf(source).map(({ specifier, isTypeOnly, isLazy, line }) => [specifier, isTypeOnly, isLazy, line]),
      [
        ["a", true, false, 1],
        ["b", false, false, 2],
        ["c", false, true, 3],
        ["d", true, false, 4],
      ],
    )
  })

  it("has a table without circles", () => {
    const edges = new Map(Object.entries(arrows.packages).map(([name, { to }]) => [name, new Set(to)]))
    assert.deepStrictEqual(cycles(edges), [])
  })
})
