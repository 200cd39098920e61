/**
 * The long form of the contracts' tests: every invariant over random calls until there are a million in all, and every property
 * with 10,000 cases. `--quick` does a tenth. `FOUNDRY_FUZZ_SEED` and `FOUNDRY_INVARIANT_SEED` try others.
 */
import * as ContractTests from "../ContractTests.ts"
import type { Options } from "../soak.ts"
import { line, table } from "../Terminal.ts"

const DEPTH = 128

const count = (value: number): string => value.toLocaleString("en-US")

const refuse = (tests: ReadonlyArray<ContractTests.ContractTest>): void => {
  const failed = tests.filter(({ status }) => status === "Failure")
  if (failed.length === 0) return
  throw new Error(failed.map(({ name, suite, why }) => `${suite} ${name}\n${why}`).join("\n\n"))
}

/** Runs the soak. */
export const run = async ({ isQuick, progress }: Options): Promise<void> => {
  const callsMin = isQuick ? 100_000 : 1_000_000
  progress("compiling, and counting the invariants")
  const few = await ContractTests.run("^invariant_", { FOUNDRY_INVARIANT_RUNS: "1", FOUNDRY_INVARIANT_DEPTH: "1" })
  const invariants = few.filter(({ isInvariant }) => isInvariant).length
  const runs = Math.ceil(callsMin / DEPTH / Math.max(1, invariants))
  progress(`${invariants} invariants, each over ${count(runs)} runs of ${DEPTH} calls`)
  const held = await ContractTests.run("^invariant_", {
    FOUNDRY_INVARIANT_RUNS: `${runs}`,
    FOUNDRY_INVARIANT_DEPTH: `${DEPTH}`,
  })
  refuse(held)
  const calls = held.reduce((sum, test) => sum + test.calls, 0)
  const rows = held.map(({ calls: own, name, suite }) => [name.slice(0, -2), suite.split(":")[1] ?? "", count(own)])
  line(`\n${table([["invariant", "of", "calls"], ...rows])}\n`)
  if (calls < callsMin) throw new Error(`There were only ${count(calls)} calls instead of ${count(callsMin)}.`)
  progress(`every invariant held: ${count(calls)} calls`)
  const cases = isQuick ? 1_000 : 10_000
  const properties = await ContractTests.run("^testFuzz", { FOUNDRY_FUZZ_RUNS: `${cases}` })
  refuse(properties)
  progress(`every property held: ${properties.length} properties, ${count(cases)} cases each`)
}
