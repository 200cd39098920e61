import { defineConfig } from "vitest/config"

export default defineConfig({
  resolve: { conditions: ["@guildhall/source"] },
  ssr: { resolve: { conditions: ["@guildhall/source"] } },
  test: {
    include: [
      "packages/*/test/**/*.test.ts",
      "apps/*/test/**/*.test.ts",
      "examples/*/test/**/*.test.ts",
      "tools/test/**/*.test.ts",
    ],
    globalSetup: ["tools/TestCompileCache.ts", "tools/TestProgram.ts", "tools/TestPostgres.ts"],
    execArgv: ["--conditions=@guildhall/source"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // One more than a small machine has processors: a fifth of the time tests wait, for an epoch to end or a process to come back.
    maxWorkers: 3,
    // Files share what a worker has loaded: loading Effect for each of four hundred files was a fifth of all the work.
    // A test puts back what it changes beyond itself; spies are put back for it.
    isolate: false,
    restoreMocks: true,
  },
})
