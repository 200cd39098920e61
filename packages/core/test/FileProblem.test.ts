import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import * as FileProblem from "../src/FileProblem.ts"
import * as DiskFileSystem from "./DiskFileSystem.ts"

describe("FileProblem", () => {
  it.effect("says in words what the system said, however it is wrapped", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const missing = yield* Effect.flip(fs.readFileString("/does/not/exist"))
      assert.strictEqual(FileProblem.words(missing), "there is no such file or folder (ENOENT)")
      const folder = yield* Effect.flip(fs.readFileString("/"))
      assert.strictEqual(FileProblem.words(folder), "it is a folder (EISDIR)")
    }).pipe(Effect.provide(DiskFileSystem.layer)),
  )

  // Linux has a file that is always full.
  it.effect.skipIf(process.platform !== "linux")("names a full disk, which the platform calls unknown", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const full = yield* Effect.gen(function* () {
        const file = yield* fs.open("/dev/full", { flag: "w" })
        yield* file.writeAll(new Uint8Array(10))
      }).pipe(Effect.scoped, Effect.flip)
      assert.include(full.message, "Unknown")
      assert.strictEqual(FileProblem.words(full), "no space is left on the disk (ENOSPC)")
    }).pipe(Effect.provide(DiskFileSystem.layer)),
  )

  it("keeps what is no such failure as it is", () => {
    assert.strictEqual(FileProblem.words(new Error("odd")), "odd")
    assert.strictEqual(FileProblem.words("plain"), "plain")
    assert.strictEqual(FileProblem.words(Object.assign(new Error("odd"), { code: "EODD" })), "odd")
    const circle: { cause?: unknown } = {}
    circle.cause = circle
    assert.strictEqual(FileProblem.words(circle), "[object Object]")
  })
})
