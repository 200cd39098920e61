/**
 * What is free on the disk where the agent keeps its files.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as FreeSpace from "../models/DiskSpace.ts"
import type { Reading } from "./Finding.ts"

const MIB = 1024 * 1024
/** What a file system can say at most: 16 EiB. */
const MAX_MIB = 17_592_186_044_416
const TIMEOUT_MS = 5_000

/**
 * The folder itself, or the nearest one above it that exists already.
 *
 * @category getters
 * @since 0.1.0
 */
export const nearest = Effect.fnUntraced(function* (directory: string) {
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
  const here = yield* nearest(directory)
  // A file system on the network may not answer.
  const bytes = yield* Effect.timeoutOption(FreeSpace.free(here), TIMEOUT_MS)
  const detail = `The file system of ${here} does not say how much is free.`
  const reading: Reading<number> = Option.match(Option.flatten(bytes), {
    onNone: () => ({
      value: 0,
      findings: [{ source: "disk", reason: "Unreadable", detail, fix: "Choose another folder with --home." }],
    }),
    onSome: (free) => ({ value: Math.min(MAX_MIB, Math.floor(free / MIB)), findings: [] }),
  })
  return reading
})
