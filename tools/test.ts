/**
 * Runs the tests. The last line is exactly `N passed, N failed`, for people and scripts that read only the end.
 *
 * A build tries a file that failed once more, by itself when all the others are done: tests of real processes can starve beside each
 * other. What passes then is named as flaky, which is a bug, of the test or of what it tests. More than a few files are not tried
 * again, since that many do not fail by chance.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import * as Terminal from "./Terminal.ts"
import { type FileReport, type TestReport, VARIABLE } from "./TestReporter.ts"

const AGAIN_MAX = 5

const program = path.resolve(import.meta.dirname, "../node_modules/vitest/vitest.mjs")
const reporters = ["--reporter=default", `--reporter=${path.join(import.meta.dirname, "TestReporter.ts")}`]
const folder = mkdtempSync(path.join(tmpdir(), "guildhall-report-"))

/** One run of vitest. Without a report it did not come to its end. */
const run = async (args: ReadonlyArray<string>): Promise<{ readonly code: number; readonly report?: TestReport }> => {
  const file = path.join(folder, "report.json")
  rmSync(file, { force: true })
  const child = spawn(process.execPath, [program, "run", ...reporters, ...args], {
    stdio: "inherit",
    env: { ...process.env, [VARIABLE]: file },
  })
  process.once("SIGTERM", () => child.kill("SIGTERM"))
  const code = await new Promise<number>((resolve) => child.once("close", (code) => resolve(code ?? 1)))
  try {
    return { code, report: JSON.parse(readFileSync(file, "utf8")) as TestReport }
  } catch {
    return { code }
  }
}

// A terminal tells the child too, which then ends in order.
process.on("SIGINT", () => undefined)

const main = async (): Promise<number> => {
  const args = process.argv.slice(2)
  const first = await run(args)
  if (first.report === undefined) return first.code === 0 ? 1 : first.code
  const files = new Map(first.report.files.map((one): [string, FileReport] => [one.file, one]))
  const failed = [...files.values()].filter((one) => one.failed > 0)
  const flaky: Array<string> = []
  if (process.env["CI"] === "true" && failed.length <= AGAIN_MAX) {
    for (const { failures, file } of failed) {
      Terminal.line(`Once more, by itself: ${file}`)
      const [again] = (await run([file])).report?.files ?? []
      if (again === undefined) continue
      files.set(file, again)
      if (again.failed === 0)
        flaky.push(...(failures.length === 0 ? [file] : failures.map((name) => `${file} > ${name}`)))
    }
  }
  const sum = (count: "passed" | "failed") => [...files.values()].reduce((total, one) => total + one[count], 0)
  const failures = sum("failed") + first.report.unhandled
  for (const name of flaky) Terminal.line(`flaky, passed on the second try: ${name}`)
  Terminal.line(`${sum("passed")} passed, ${failures} failed`)
  return failures > 0 || (first.code !== 0 && failed.length === 0) ? 1 : 0
}

process.exitCode = await main().finally(() => rmSync(folder, { recursive: true, force: true }))
