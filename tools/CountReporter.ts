/**
 * A vitest reporter whose last line is exactly `N passed, N failed`, the number of tests, for people and scripts that
 * read only the end. A file that could not be loaded, and an error outside of any test, count as a failure.
 */
import type { Reporter, TestModule } from "vitest/node"

/** Counts the tests of a run and prints the two numbers after everything else. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandled: ReadonlyArray<unknown>): void {
    let passed = 0
    let failed = unhandled.length
    for (const module of modules) {
      failed += module.errors().length
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === "passed") passed += 1
        if (state === "failed") failed += 1
      }
    }
    // At exit, so that nothing else comes after it.
    process.once("exit", () => process.stdout.write(`${passed} passed, ${failed} failed\n`))
  }
}
