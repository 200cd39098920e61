/**
 * Whether the agent can keep its key and its log. Nothing is made: a look leaves no trace.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as FileProblem from "@guildhall/core/FileProblem"
import * as DiskSpace from "../detect/DiskSpace.ts"
import type { Check, Verdict } from "./Check.ts"

const run = Effect.fnUntraced(function* (home: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = path.resolve(home)
  const here = yield* DiskSpace.nearest(directory)
  const kind = yield* Effect.orElseSucceed(
    Effect.map(fs.stat(here), ({ type }) => type),
    () => "Unknown",
  )
  if (kind !== "Directory") {
    const what = kind === "File" ? "is a file" : "is no folder"
    const refused: Verdict = { state: "failed", detail: `${here} ${what}.`, fix: "Choose another folder with --home." }
    return refused
  }
  const verdict: Verdict = yield* fs.access(here, { readable: true, writable: true }).pipe(
    Effect.as<Verdict>({
      state: "passed",
      detail: here === directory ? `${directory} can be written.` : `${directory} can be made.`,
    }),
    Effect.catch((error) =>
      Effect.succeed<Verdict>({
        state: "failed",
        detail: `${here} cannot be written: ${FileProblem.words(error)}.`,
        fix: "Set its rights, or choose another folder with --home.",
      }),
    ),
  )
  return verdict
})

/**
 * The check.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check = { name: "Home", run: ({ home }) => run(home) }
