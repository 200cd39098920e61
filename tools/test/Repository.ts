/**
 * A small repository in a temporary folder, for tests of the tools.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import type { Arrows } from "../arrows.ts"

/** The rules that the tests' repository follows: `shop` may import `base`, and `base` runs anywhere. */
export const rules: Arrows = {
  scope: "@fixture/",
  tools: "@fixture/tools",
  packages: { base: { to: [], isPortable: true }, shop: { to: ["base"] }, app: { to: ["base", "shop"] } },
  portable: {},
  foundOtherwise: {},
  pinned: { effect: "4.1.0" },
  peers: { effect: ">=4.1.0 <4.2.0" },
}

const published = (name: string, dependencies: Readonly<Record<string, string>>) => ({
  name: `@fixture/${name}`,
  version: "1.0.0",
  dependencies,
  devDependencies: { effect: "4.1.0" },
  peerDependencies: { effect: ">=4.1.0 <4.2.0" },
})

/** A repository in which everything is right. */
const sound: Readonly<Record<string, unknown>> = {
  "package.json": { name: "fixture", private: true, workspaces: ["packages/*", "apps/*"] },
  "packages/base/package.json": published("base", {}),
  "packages/base/src/Coin.ts": `import * as Effect from "effect/Effect"\nexport const coin = Effect.succeed(1n)\n`,
  "packages/shop/package.json": published("shop", { "@fixture/base": "1.0.0" }),
  "packages/shop/src/Till.ts": `import { coin } from "@fixture/base/Coin"\nexport const till = coin\n`,
  "apps/app/package.json": {
    name: "@fixture/app",
    version: "1.0.0",
    private: true,
    dependencies: { "@fixture/shop": "1.0.0" },
  },
  "apps/app/src/main.ts": `import { till } from "@fixture/shop/Till"\nexport const app = till\n`,
}

/** Writes the sound repository with some files replaced or added, calls `body` with its folder, and removes it. */
export const withRepository = <A>(changes: Readonly<Record<string, unknown>>, body: (base: string) => A): A => {
  const base = mkdtempSync(path.join(tmpdir(), "guildhall-tools-"))
  try {
    for (const [file, content] of Object.entries({ ...sound, ...changes })) {
      mkdirSync(path.dirname(path.join(base, file)), { recursive: true })
      writeFileSync(path.join(base, file), typeof content === "string" ? content : JSON.stringify(content))
    }
    return body(base)
  } finally {
    rmSync(base, { recursive: true, force: true })
  }
}
