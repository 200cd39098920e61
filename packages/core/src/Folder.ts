/**
 * Folders that must be there before something is kept in them.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"

const isFolder = Effect.fnUntraced(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.stat(folder).pipe(
    Effect.map(({ type }) => type === "Directory"),
    Effect.catchTag("PlatformError", (error) =>
      error.reason._tag === "NotFound" ? Effect.succeed(false) : Effect.fail(error),
    ),
  )
})

/**
 * Makes a folder and those above it, unless they are there. Folders that it makes have this mode, for each user. Use it in
 * place of a recursive `makeDirectory`: under `/proc` and the like Node tries that again for ever, and cannot be interrupted.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  folder: string,
  options: { readonly mode?: number } = {},
): Effect.Effect<void, PlatformError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    if (yield* isFolder(folder)) return
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const above = path.dirname(folder)
    if (above !== folder) yield* make(above, options)
    // Another process may have made it by now.
    yield* Effect.catchTag(fs.makeDirectory(folder, options), "PlatformError", (error) =>
      Effect.flatMap(isFolder(folder), (isThere) => (isThere ? Effect.void : Effect.fail(error))),
    )
  })
