/**
 * What settling costs is a promise to operators: a contract that takes more or less gas than contracts/gas.json says fails here.
 */
import { assert, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { measure } from "@guildhall/tools/bench/GasFigures"
import * as GasPage from "@guildhall/tools/bench/GasPage"

it("every way to settle takes the gas that is written down", async () => {
  const recorded: unknown = JSON.parse(readFileSync(GasPage.file, "utf8"))
  const measured = await measure()
  assert.deepStrictEqual(
    { ...measured },
    recorded,
    "Where that is meant, `npm run bench -- gas` writes the new figures; read what changed before you commit them.",
  )
})

it("no figure is above its target", async () => {
  assert.deepStrictEqual(GasPage.misses(JSON.parse(readFileSync(GasPage.file, "utf8"))), [])
})
