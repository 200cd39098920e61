import { assert, describe, it } from "@effect/vitest"
import { writeFileSync } from "node:fs"
import path from "node:path"
import { Markets } from "@guildhall/markets"
import { makeHome } from "./MarketProcess.ts"
import * as RunningMarket from "./RunningMarket.ts"

describe("guildhall market", () => {
  it("prints a definition that can be run as it is, or changed, and says what is wrong with one", async () => {
    const home = makeHome()
    const market = (...args: ReadonlyArray<string>) => RunningMarket.guildhall(home.parent, ["market", ...args])
    try {
      const listed = await market("list", "--json")
      assert.deepStrictEqual(JSON.parse(listed.output), { ok: true, markets: Markets.names })
      const shown = await market("show", "local")
      assert.strictEqual(shown.code, 0, shown.output)
      const file = path.join(home.parent, "mine.json")
      writeFileSync(file, shown.output)
      const [local, mine] = await Promise.all([market("check", "--json"), market("check", file, "--json")])
      assert.deepInclude(JSON.parse(mine.output), { ok: true, name: "local" })
      assert.strictEqual(mine.output, local.output)

      const bad = { ...JSON.parse(shown.output), attempts: 0, fundign: [] }
      writeFileSync(file, JSON.stringify(bad))
      const wrong = await market("check", file)
      assert.strictEqual(wrong.code, 1)
      assert.include(wrong.output, "attempts")
      assert.include(wrong.output, "fundign")
      assert.include(wrong.output, "guildhall market show local")
      const coded = await market("check", "lokal", "--json")
      assert.strictEqual(coded.code, 1)
      assert.deepInclude(JSON.parse(coded.output), { ok: false, reason: "LaunchError" })
    } finally {
      home.remove()
    }
  })
})
