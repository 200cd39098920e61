/**
 * Which process holds a file, for locks that a dead process must not keep.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"

/**
 * The start time of a process in the kernel's ticks, or nothing where the system does not tell. With the process id it names a process,
 * which the id alone does not after a restart.
 *
 * @category getters
 * @since 0.1.0
 */
export const startTime = Effect.fnUntraced(function* (pid: number) {
  const fs = yield* FileSystem.FileSystem
  const stat = yield* Effect.option(fs.readFileString(`/proc/${pid}/stat`))
  // The name of the process is in parentheses and may hold spaces; the start time is the 20th field after it.
  return Option.match(stat, {
    onNone: () => "",
    onSome: (text) => text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "",
  })
})

/**
 * Whether a process with this id lives.
 *
 * @category getters
 * @since 0.1.0
 */
export const isAlive = (pid: number): Effect.Effect<boolean> =>
  Effect.sync(() => process.kill(pid, 0)).pipe(
    Effect.catchDefect((defect) =>
      // EPERM says that the process exists and belongs to somebody else.
      Effect.succeed(defect instanceof Error && "code" in defect && defect.code === "EPERM"),
    ),
  )
