import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import path from "node:path"

const tools = path.resolve(import.meta.dirname, "..")

describe("a run of the tests", () => {
  let directory = ""

  beforeEach(() => {
    directory = mkdtempSync(path.join(tools, "test/run-"))
    const write = (name: string, text: string) => writeFileSync(path.join(directory, name), text)
    write("vitest.config.js", "export default {}\n")
    write(
      "some.test.ts",
      `import { expect, it } from "vitest"\nit("a", () => {})\nit("b", () => expect(1).toBe(2))\nit.skip("c", () => {})\n`,
    )
    write("broken.test.ts", `throw new Error("cannot be loaded")\n`)
    // A file beside it tells the second process from the first.
    write(
      "unsteady.test.ts",
      `import { existsSync, writeFileSync } from "node:fs"
import { expect, it } from "vitest"
const wasHere = existsSync("was-here")
writeFileSync("was-here", "")
it("d", () => {})
it("e", () => expect(wasHere).toBe(true))
`,
    )
  })

  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  const run = (CI: string, ...args: ReadonlyArray<string>) => {
    const { status, stdout } = spawnSync(process.execPath, [path.join(tools, "test.ts"), ...args], {
      cwd: directory,
      encoding: "utf8",
      env: { ...process.env, CI },
    })
    return { status, lines: stdout.trimEnd().split("\n") }
  }

  it("ends with the numbers of tests, and a file that could not be loaded is one", () => {
    const { lines, status } = run("")
    assert.strictEqual(status, 1)
    assert.strictEqual(lines.at(-1), "2 passed, 3 failed")
  })

  it("tries a file once more in a build, and names what needed it", () => {
    const { lines, status } = run("true")
    assert.strictEqual(status, 1)
    assert.deepStrictEqual(lines.slice(-2), [
      "flaky, passed on the second try: unsteady.test.ts > e",
      "3 passed, 2 failed",
    ])
  })

  it("passes where nothing but that failed", () => {
    const { lines, status } = run("true", "unsteady")
    assert.strictEqual(status, 0)
    assert.strictEqual(lines.at(-1), "2 passed, 0 failed")
  })

  it("does not hide a run that did not come to its end", () => {
    const { lines, status } = run("true", "--no-such-option")
    assert.notStrictEqual(status, 0)
    assert.notMatch(lines.at(-1) ?? "", /passed/)
  })
})
