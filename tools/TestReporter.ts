/**
 * A vitest reporter that writes what came of each file of tests, for `test.ts` to read. A file that could not be loaded counts as a
 * failure of that file, and an error outside of any test as one of no file.
 */
import { writeFileSync } from "node:fs"
import type { Reporter, TestModule } from "vitest/node"

/** The variable that names the file to write to. */
export const VARIABLE = "GUILDHALL_TEST_REPORT"

/** What came of the tests of one file. `failures` are their names, as far as they have one. */
export interface FileReport {
  readonly file: string
  readonly passed: number
  readonly failed: number
  readonly failures: ReadonlyArray<string>
}

/** What came of a run. */
export interface TestReport {
  readonly files: ReadonlyArray<FileReport>
  readonly unhandled: number
}

const reportOf = (module: TestModule): FileReport => {
  const tests = [...module.children.allTests()]
  const failures = tests.filter((test) => test.result().state === "failed").map(({ fullName }) => fullName)
  return {
    file: module.relativeModuleId,
    passed: tests.filter((test) => test.result().state === "passed").length,
    failed: failures.length + module.errors().length,
    failures,
  }
}

/** Writes a {@link TestReport} as JSON at the end of a run. */
export default class TestReporter implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandled: ReadonlyArray<unknown>): void {
    const report: TestReport = { files: modules.map(reportOf), unhandled: unhandled.length }
    const file = process.env[VARIABLE]
    if (file !== undefined) writeFileSync(file, JSON.stringify(report))
  }
}
