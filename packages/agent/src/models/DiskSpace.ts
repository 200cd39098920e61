/**
 * How much room a disk has.
 *
 * @since 0.1.0
 */
import * as Fs from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/**
 * The bytes that this user may still write to the disk of a folder, or nothing where the system does not tell.
 *
 * @category getters
 * @since 0.1.0
 */
export const free = (folder: string): Effect.Effect<Option.Option<number>> =>
  Effect.option(Effect.tryPromise(() => Fs.statfs(folder))).pipe(
    Effect.map(Option.map(({ bavail, bsize }) => bavail * bsize)),
  )
