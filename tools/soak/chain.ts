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

/** So many traces are run by one process. */
const PART = 250

/** Runs traces from a seed on; throws what they printed where one differs. Answers their figures. */
const test = async (first: number, traces: number): Promise<string> => {
  const child = spawn(process.execPath, [vitest, "run", "--reporter=dot", "packages/chain-evm/test/differential"], {
    cwd: root,
    env: { ...process.env, CHAIN_SEED: `${first}`, CHAIN_TRACES: `${traces}`, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  })
  const output: Array<Buffer> = []
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => output.push(chunk))
  const [code] = await once(child, "close")
  const text = Buffer.concat(output).toString()
  if (code !== 0) throw new Error(text.slice(Math.max(0, text.indexOf("Failed Tests"))).slice(0, OUTPUT_MAX))
  const figures = /^figures: (.*)$/m.exec(text)?.[1]
  if (figures === undefined) throw new Error(`No figures were printed.\n${text.slice(0, OUTPUT_MAX)}`)
  return figures
}

/** Runs the soak. */
export const run = async ({ isQuick, progress }: Options): Promise<void> => {
  const traces = isQuick ? 100 : 1_000
  const first = Number(process.env["CHAIN_SEED"] ?? 1)
  progress(`seeds from ${first} on`)
  for (let at = 0; at < traces; at += PART) {
    const from = first + at
    const some = Math.min(PART, traces - at)
    progress(`seeds ${from} to ${from + some - 1}: ${await test(from, some)}`)
  }
}
