/**
 * Where the socket of a home lies. The path of a socket may have about a hundred characters; where the home's is longer, the
 * socket lies in a folder of its own in the system's temporary one, and a file in the home says where.
 *
 * @since 0.1.0
 */
import * as Os from "node:os"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"
import * as FileProblem from "@guildhall/core/FileProblem"
import { AgentError } from "../AgentError.ts"

const SOCKET = "agent.sock"
const POINTER = "agent.sock.path"
/** macOS takes 103 bytes, Linux 107. */
const PATH_BYTES_MAX = 100

const unusable = (error: PlatformError.PlatformError) =>
  new AgentError({
    reason: "HomeUnusable",
    detail: `The agent cannot make its control socket: ${FileProblem.words(error)}. Fix the rights, or choose another folder with --home.`,
  })

const isShort = (path: string): boolean => Buffer.byteLength(path) <= PATH_BYTES_MAX

/**
 * Makes a place for the socket of a home that this process holds, and removes it with the scope. What a dead agent left is
 * removed first. On Windows it is a pipe.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const pointer = path.join(directory, POINTER)
  const near = path.join(directory, SOCKET)
  yield* Effect.ignore(fs.remove(near))
  yield* Effect.ignore(fs.remove(pointer))
  if (Os.platform() !== "win32" && isShort(near)) {
    yield* Effect.addFinalizer(() => Effect.ignore(fs.remove(near)))
    return near
  }
  const far =
    Os.platform() === "win32"
      ? `\\\\.\\pipe\\guildhall-agent-${process.pid}`
      : path.join(yield* Effect.mapError(fs.makeTempDirectory({ prefix: "guildhall-agent-" }), unusable), SOCKET)
  yield* Effect.mapError(fs.writeFileString(pointer, far, { mode: 0o600 }), unusable)
  yield* Effect.addFinalizer(() =>
    Effect.andThen(
      Effect.ignore(fs.remove(pointer)),
      Os.platform() === "win32" ? Effect.void : Effect.ignore(fs.remove(path.dirname(far), { recursive: true })),
    ),
  )
  return far
})

/**
 * Where the socket of a home is, if an agent has made one there. It may be what a dead one left.
 *
 * @category constructors
 * @since 0.1.0
 */
export const find = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const pointed = yield* Effect.option(fs.readFileString(path.join(directory, POINTER)))
  if (Option.isSome(pointed)) return Option.some(pointed.value.trim())
  const near = path.join(directory, SOCKET)
  const isThere = yield* Effect.orElseSucceed(fs.exists(near), () => false)
  return isThere ? Option.some(near) : Option.none<string>()
})
