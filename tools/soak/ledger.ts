/**
 * The long form of the ledger's tests: a million commands compared with the oracle, a tenth of them in PostgreSQL, whose
 * books are added up and verified; every point of a commit crashed at; and PostgreSQL killed twenty times under load.
 *
 * `npm run soak -- ledger [--quick]`. Other seeds: `MODEL_SEED=<first>`.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import path from "node:path"
import type { Options } from "../soak.ts"
import { root } from "../Workspace.ts"

interface Part {
  readonly says: string
  readonly tests: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
}

const parts = (isQuick: boolean): ReadonlyArray<Part> => {
  const [memory, sql, kills] = isQuick ? [90, 10, 5] : [900, 100, 20]
  return [
    {
      says: `${memory} thousand commands in memory, as the oracle says`,
      tests: ["ModelMemory"],
      env: { MODEL_SEEDS: String(memory) },
    },
    {
      says: `${sql} thousand commands in PostgreSQL, as the oracle says; all books verify`,
      tests: ["ModelSql"],
      env: { MODEL_SQL_SEEDS: String(sql) },
    },
    { says: "a crash at every point", tests: ["Crash"], env: { CRASH_ALL: "1" } },
    { says: `PostgreSQL killed ${kills} times under load`, tests: ["Kill"], env: { KILLS: String(kills) } },
    { says: "spenders, and owners of holds that freeze or die", tests: ["Spenders", "HoldOwners"], env: {} },
  ]
}

const vitest = path.join(root, "node_modules/vitest/vitest.mjs")

/** Of what failed, so much is shown: the seeds and the steps of the first ones. */
const OUTPUT_MAX = 20_000

/** Runs tests; throws what they printed where one fails. Answers their own figures. */
const test = async ({ env, tests }: Part): Promise<ReadonlyArray<string>> => {
  const files = tests.map((name) => `packages/ledger/test/${name}.test.ts`)
  const child = spawn(process.execPath, [vitest, "run", "--reporter=dot", ...files], {
    cwd: root,
    env: { ...process.env, ...env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  })
  const output: Array<Buffer> = []
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => output.push(chunk))
  const [code] = await once(child, "close")
  const text = Buffer.concat(output).toString()
  if (code !== 0) throw new Error(text.slice(text.indexOf("Failed Tests")).slice(0, OUTPUT_MAX))
  return text.split("\n").filter((line) => line.startsWith("figures: "))
}

/** Runs the soak. */
export const run = async ({ isQuick, progress }: Options): Promise<void> => {
  progress(`seeds from ${process.env["MODEL_SEED"] ?? 1} on`)
  for (const part of parts(isQuick)) {
    const figures = await test(part)
    progress([part.says, ...figures.map((line) => line.slice("figures: ".length))].join(": "))
  }
}
