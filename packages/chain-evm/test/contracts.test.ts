/**
 * The contracts' own tests, written in Solidity and run by forge: each of them is a test here, with the counterexample of a
 * property that does not hold. What they run was compiled without the optimizer, which is quicker. `FOUNDRY_FUZZ_RUNS`,
 * `FOUNDRY_INVARIANT_RUNS` and `FOUNDRY_INVARIANT_DEPTH` make them longer, as does `npm run soak -- contracts`, which optimizes.
 */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import path from "node:path"
import * as ContractTests from "@guildhall/tools/ContractTests"
import { contracts } from "@guildhall/tools/Foundry"

const tests = await ContractTests.run(undefined, { FOUNDRY_PROFILE: "test" })

for (const suite of new Set(tests.map((test) => test.suite))) {
  describe(suite, () => {
    for (const { name, status, why } of tests.filter((test) => test.suite === suite)) {
      if (status === "Skipped") it.skip(name, () => undefined)
      else it(name, () => assert.strictEqual(status, "Success", why))
    }
  })
}

const invariants = tests.filter(({ isInvariant }) => isInvariant)

it("there are at least twelve invariants, and they hold over at least 100,000 calls", () => {
  assert.isAtLeast(invariants.length, 12)
  assert.isAtLeast(
    invariants.reduce((sum, { calls }) => sum + calls, 0),
    100_000,
  )
})

it("every contract can be deployed: its code is within 24,576 bytes, and what creates it within 49,152", () => {
  const layout: Readonly<Record<string, { readonly deployedBytes: number; readonly creationBytes: number }>> =
    JSON.parse(readFileSync(path.join(contracts, "layout.json"), "utf8"))
  assert.isAtLeast(Object.keys(layout).length, 6)
  for (const [name, { creationBytes, deployedBytes }] of Object.entries(layout)) {
    assert.isAtMost(deployedBytes, 24_576, name)
    assert.isAtMost(creationBytes, 49_152, name)
  }
})
