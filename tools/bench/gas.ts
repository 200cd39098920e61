/**
 * What settling on a chain costs: `npm run bench -- gas` measures every way with whole transactions on anvil, and writes
 * docs/gas.md and contracts/gas.json.
 */
import type { Run } from "../bench.ts"
import { measure } from "./GasFigures.ts"
import * as GasPage from "./GasPage.ts"

/** Runs the benchmark. The short form is the same: gas is counted, not timed. */
export const run: Run = async ({ progress }) => {
  const figures = await measure(progress)
  for (const miss of GasPage.misses(figures)) progress(`above its target: ${miss}`)
  progress(`wrote ${GasPage.write(figures)}`)
  return { ...figures }
}
