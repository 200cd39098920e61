/**
 * A vitest reporter whose last line is exactly `N passed, N failed`, the number of tests, for people and scripts that
 * read only the end. A file that could not be loaded, and an error outside of any test, count as a failure. A test that
 * passed on its second try is named before: it is a bug, of the test or of what it tests.
 */
import type { Reporter, TestModule } from "vitest/node"

/** Counts the tests of a run and prints the two numbers after everything else. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandled: ReadonlyArray<unknown>): void {
    let passed = 0
    let failed = unhandled.length
    const flaky: Array<string> = []
    for (const module of modules) {
      failed += module.errors().length
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (test.diagnostic()?.flaky === true) flaky.push(`${module.relativeModuleId} > ${test.fullName}`)
        if (state === "passed") passed += 1
        if (state === "failed") failed += 1
      }
    }
    // At exit, so that nothing else comes after it.
    process.once("exit", () => {
      for (const name of flaky) process.stdout.write(`flaky, passed on the second try: ${name}\n`)
      process.stdout.write(`${passed} passed, ${failed} failed\n`)
    })
  }
}
