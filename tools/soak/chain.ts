/**
 * The long form of the differential test: a thousand random traces through the contracts on a chain and through the chain in
 * memory, whose outcomes, balances and books must be equal to the last unit.
 *
 * `npm run soak -- chain [--quick]`. Other seeds: `CHAIN_SEED=<first>`. `--quick` runs a hundred.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import path from "node:path"
import type { Options } from "../soak.ts"
import { root } from "../Workspace.ts"

const vitest = path.join(root, "node_modules/vitest/vitest.mjs")

/** Of what failed, so much is shown: the seed and the steps of the shortest trace. */
const OUTPUT_MAX = 20_000

const FIGURES = /^figures: (.*)$/gm

/** Runs traces from a seed on, and says what they came to so far; throws what was printed where one differs. */
const test = async (first: number, traces: number, progress: Options["progress"]): Promise<void> => {
  const child = spawn(process.execPath, [vitest, "run", "--reporter=dot", "packages/chain-evm/test/differential"], {
    cwd: root,
    env: { ...process.env, CHAIN_SEED: `${first}`, CHAIN_TRACES: `${traces}`, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  })
  let [text, said] = ["", 0]
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk
      const figures = [...text.matchAll(FIGURES)]
      for (const [, so] of figures.slice(said)) if (so !== undefined) progress(so)
      said = figures.length
    })
  }
  const [code] = await once(child, "close")
  if (code !== 0) throw new Error(text.slice(Math.max(0, text.indexOf("Failed Tests"))).slice(0, OUTPUT_MAX))
  if (said === 0) throw new Error(`No figures were printed.\n${text.slice(0, OUTPUT_MAX)}`)
}

/** Runs the soak. */
export const run = async ({ isQuick, progress }: Options): Promise<void> => {
  const traces = isQuick ? 100 : 1_000
  const first = Number(process.env["CHAIN_SEED"] ?? 1)
  progress(`seeds ${first} to ${first + traces - 1}`)
  await test(first, traces, progress)
}
