/**
 * What is free on the disk where the agent keeps its files.
 *
 * @since 0.1.0
 */
import * as NodeFs from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { Reading } from "./Finding.ts"

const MIB = 1024n * 1024n
const TIMEOUT_MS = 5_000

/** The folder itself, or the nearest one above it that exists already. */
const existing = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  let here = path.resolve(directory)
  while (path.dirname(here) !== here && !(yield* Effect.orElseSucceed(fs.exists(here), () => false))) {
    here = path.dirname(here)
  }
  return here
})

/**
 * The free space for this user where `directory` is or will be, in MiB. A file system that cannot say, or does not answer,
 * has none.
 *
 * @category getters
 * @since 0.1.0
 */
export const detect = Effect.fnUntraced(function* (directory: string) {
  const here = yield* existing(directory)
  const space = yield* Effect.tryPromise(() => NodeFs.statfs(here, { bigint: true })).pipe(
    Effect.map(({ bavail, bsize }) => Number((bavail * bsize) / MIB)),
    Effect.timeout(TIMEOUT_MS),
    Effect.option,
  )
  const detail = `The file system of ${here} does not say how much is free.`
  const reading: Reading<number> =
    space._tag === "Some" && space.value >= 0
      ? { value: Math.min(space.value, 17_592_186_044_416), findings: [] }
      : {
          value: 0,
          findings: [{ source: "disk", reason: "Unreadable", detail, fix: "Choose another folder with --home." }],
        }
  return reading
})
