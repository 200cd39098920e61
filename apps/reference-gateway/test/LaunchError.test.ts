import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as LaunchError from "../src/LaunchError.ts"

describe("why the market could not start", () => {
  it.effect("names the file and says in words what is wrong with it", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const missing = yield* Effect.flip(fs.readFileString("/does/not/exist"))
      assert.strictEqual(LaunchError.reasonOf(missing), "/does/not/exist: there is no such file or folder (ENOENT)")
      assert.strictEqual(LaunchError.reasonOf(new Error("odd")), "odd")
    }).pipe(Effect.provide(NodeFileSystem.layer)),
  )
})
