import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Path } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import * as FileProblem from "../src/FileProblem.ts"
import * as Folder from "../src/Folder.ts"
import * as DiskFileSystem from "./DiskFileSystem.ts"

const disk = Layer.merge(DiskFileSystem.layer, Path.layer)
const root = mkdtempSync(join(tmpdir(), "guildhall-folders-"))
afterAll(() => rmSync(root, { recursive: true }))
const at = (...names: ReadonlyArray<string>): string => join(root, ...names)

describe("Folder", () => {
  it.effect("makes what is missing with its mode, at once from several sides, and leaves what is there", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const make = Folder.make(at("a", "b", "c"), { mode: 0o700 })
      yield* Effect.all([make, make, make], { concurrency: 3 })
      yield* make
      for (const folder of [at("a"), at("a", "b", "c")])
        assert.strictEqual((yield* fs.stat(folder)).mode & 0o777, 0o700)
    }).pipe(Effect.provide(disk)),
  )

  it.effect("fails where a file is in the way", () =>
    Effect.gen(function* () {
      writeFileSync(at("file"), "")
      const taken = yield* Effect.flip(Folder.make(at("file")))
      assert.include(FileProblem.words(taken), "EEXIST")
      const below = yield* Effect.flip(Folder.make(at("file", "a")))
      assert.include(FileProblem.words(below), "ENOTDIR")
    }).pipe(Effect.provide(disk)),
  )

  it.effect.skipIf(process.platform !== "linux")(
    "fails where the system makes no folders, and does not try for ever",
    () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Folder.make("/proc/x/y"))
        assert.include(FileProblem.words(error), "ENOENT")
      }).pipe(Effect.provide(disk)),
  )
})
