/**
 * `node tools/run.mjs <task> [arguments]`: what every npm script calls. Installs what is missing, then runs the task
 * under Node 26, straight from the TypeScript sources.
 */
import { existsSync } from "node:fs"
import path from "node:path"
import { Refusal, become, ensureInstalled, fail, root } from "./Runtime.mjs"

const tasks = {
  start: ["apps/reference-gateway/src/main.ts", "start"],
  test: ["tools/test.ts"],
  check: ["tools/check.ts"],
  build: ["tools/buildAll.ts"],
  bench: ["tools/bench.ts"],
  soak: ["tools/soak.ts"],
  mutate: ["tools/mutate.ts"],
  generate: ["tools/generate.ts"],
  "pack-check": ["tools/packCheck.ts"],
}

const main = async () => {
  const [name, ...rest] = process.argv.slice(2)
  const task = Object.hasOwn(tasks, name ?? "") ? tasks[name] : undefined
  if (task === undefined) {
    throw new Refusal(`There is no task "${name ?? ""}". The tasks are: ${Object.keys(tasks).join(", ")}.`)
  }
  const [file, ...args] = task
  if (!existsSync(path.join(root, file))) {
    throw new Refusal(
      `The task "${name}" has no program yet: ${file} does not exist in this version of the repository.`,
    )
  }
  const node = await ensureInstalled()
  process.chdir(root)
  await become(node, [path.join(root, file), ...args, ...rest])
}

main().catch(fail)
