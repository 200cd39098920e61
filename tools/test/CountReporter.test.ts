import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import path from "node:path"

const tools = path.resolve(import.meta.dirname, "..")

describe("CountReporter", () => {
  it("ends with the numbers of tests, names those that needed a second try, and keeps the exit code", () => {
    const directory = mkdtempSync(path.join(tools, "test/count-"))
    try {
      writeFileSync(
        path.join(directory, "some.test.ts"),
        `import { expect, it } from "vitest"\nit("a", () => {})\nit("b", () => {})\nit("c", () => expect(1).toBe(2))\nit.skip("d", () => {})\nlet tries = 0\nit("e", () => expect(++tries).toBe(2))\n`,
      )
      writeFileSync(path.join(directory, "vitest.config.js"), "export default { test: { retry: 1 } }\n")
      writeFileSync(path.join(directory, "broken.test.ts"), `throw new Error("cannot be loaded")\n`)
      const vitest = path.resolve(tools, "../node_modules/vitest/vitest.mjs")
      const reporters = ["--reporter=default", `--reporter=${path.join(tools, "CountReporter.ts")}`]
      const args = [vitest, "run", "--root", directory, ...reporters]
      const { status, stdout } = spawnSync(process.execPath, args, {
        encoding: "utf8",
        env: { ...process.env, CI: "1" },
      })
      assert.strictEqual(status, 1)
      assert.strictEqual(stdout.trimEnd().split("\n").at(-1), "3 passed, 2 failed")
      assert.include(stdout, "flaky, passed on the second try: some.test.ts > e\n")
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })
})
