/**
 * `tools/run.mjs` as it runs in a fresh clone, with an npm of our own that only pretends to install.
 */
import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"

const tools = path.resolve(import.meta.dirname, "..")

/** Notes each call; installs as the lock says, or fails in the way that a file beside it asks for. */
const npm = `
import { appendFileSync, copyFileSync, existsSync, mkdirSync } from "node:fs"
import { setTimeout } from "node:timers/promises"
appendFileSync("calls", process.argv[2] + "\\n")
await setTimeout(200)
if (existsSync("offline")) {
  console.error("npm error network is down")
  process.exit(7)
}
if (existsSync("unfit") && process.argv[2] === "ci") {
  console.error("npm error code EUSAGE")
  process.exit(1)
}
mkdirSync("node_modules/left-pad", { recursive: true })
copyFileSync("package-lock.json", "node_modules/.package-lock.json")
`

const lockOf = (version: string) =>
  JSON.stringify({
    packages: { "": {}, "node_modules/left-pad": { version }, "node_modules/other": { optional: true } },
  })

const makeClone = () => {
  const root = realpathSync(mkdtempSync(path.join(tmpdir(), "guildhall-clone-")))
  const write = (file: string, text: string) => writeFileSync(path.join(root, file), text)
  mkdirSync(path.join(root, "tools"))
  mkdirSync(path.join(root, "npm"))
  for (const file of ["Runtime.mjs", "run.mjs"]) cpSync(path.join(tools, file), path.join(root, "tools", file))
  write("npm/npm-cli.js", npm)
  write("package.json", `{ "type": "module" }`)
  write("package-lock.json", lockOf("1.0.0"))
  write(
    "tools/check.ts",
    `console.log("ran", process.execArgv.join(), process.argv.slice(2).join())\nprocess.exit(3)\n`,
  )
  const run = async (...args: ReadonlyArray<string>) => {
    const child = spawn(process.execPath, [path.join(root, "tools/run.mjs"), ...args], {
      cwd: tmpdir(),
      env: { PATH: process.env["PATH"], npm_execpath: path.join(root, "npm/npm-cli.js") },
    })
    let output = ""
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += String(chunk)))
    const [code] = await once(child, "close")
    return { code, output }
  }
  const calls = () => {
    const file = path.join(root, "calls")
    return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : []
  }
  return { root, write, run, calls, [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) }
}

describe.concurrent("run.mjs", () => {
  it("installs what is missing, once, and gives the task its arguments and its exit code", async () => {
    using clone = makeClone()
    const first = await clone.run("check", "--quick")
    assert.include(first.output, "Installing")
    assert.include(first.output, "ran --conditions=@guildhall/source --quick")
    assert.strictEqual(first.code, 3)
    const second = await clone.run("check")
    assert.notInclude(second.output, "Installing")
    assert.deepStrictEqual(clone.calls(), ["ci"])
  })

  it("installs again when the lock changes", async () => {
    using clone = makeClone()
    await clone.run("check")
    clone.write("package-lock.json", lockOf("2.0.0"))
    await clone.run("check")
    assert.deepStrictEqual(clone.calls(), ["ci", "ci"])
  })

  it("takes over what npm has installed by hand", async () => {
    using clone = makeClone()
    mkdirSync(path.join(clone.root, "node_modules/left-pad"), { recursive: true })
    clone.write("node_modules/.package-lock.json", lockOf("1.0.0"))
    assert.strictEqual((await clone.run("check")).code, 3)
    assert.isEmpty(clone.calls())
  })

  it("notices a package that was removed by hand", async () => {
    using clone = makeClone()
    mkdirSync(path.join(clone.root, "node_modules"))
    clone.write("node_modules/.package-lock.json", lockOf("1.0.0"))
    await clone.run("check")
    assert.deepStrictEqual(clone.calls(), ["ci"])
  })

  it("installs by the version ranges where the lock does not fit", async () => {
    using clone = makeClone()
    clone.write("unfit", "")
    const { code, output } = await clone.run("check")
    assert.deepStrictEqual(clone.calls(), ["ci", "install"])
    assert.notInclude(output, "EUSAGE")
    assert.strictEqual(code, 3)
  })

  it("a failed installation is told in npm's words and in ours", async () => {
    using clone = makeClone()
    clone.write("offline", "")
    const { code, output } = await clone.run("check")
    assert.strictEqual(code, 1)
    assert.include(output, "network is down")
    assert.include(output, "could not be installed")
    assert.notMatch(output, /\n\s+at /)
  })

  it("two commands at once install once", async () => {
    using clone = makeClone()
    const both = await Promise.all([clone.run("check"), clone.run("check")])
    assert.deepStrictEqual(
      both.map(({ code }) => code),
      [3, 3],
    )
    assert.deepStrictEqual(clone.calls(), ["ci"])
  })

  it("an unknown task and a task without a program are letters", async () => {
    using clone = makeClone()
    const unknown = await clone.run("chek")
    assert.strictEqual(unknown.code, 1)
    assert.include(unknown.output, 'no task "chek". The tasks are: start, test, check')
    const missing = await clone.run("bench")
    assert.strictEqual(missing.code, 1)
    assert.include(missing.output, "tools/bench.ts does not exist")
    assert.isEmpty(clone.calls())
  })
})
