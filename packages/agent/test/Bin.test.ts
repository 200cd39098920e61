/** The command as npm links it in the repository, where nothing may have been built. */
import { assert, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import path from "node:path"

const bin = path.resolve(import.meta.dirname, "../bin/guildhall-agent.mjs")

it("guildhall-agent runs from its sources, and ends with the exit code of what it did", () => {
  const run = (...args: ReadonlyArray<string>) => spawnSync(process.execPath, [bin, ...args], { encoding: "utf8" })
  const version = run("--version")
  assert.strictEqual(version.status, 0, version.stderr)
  const wrong = run("pair", "12", "--market", "http://127.0.0.1:9")
  assert.strictEqual(wrong.status, 2, wrong.stderr)
  assert.include(wrong.stderr, "A code has six digits")
  assert.notInclude(wrong.stderr, "    at ")
}, 60_000)
