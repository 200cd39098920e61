/** The few operations of a file system that a key ring uses, on the real disk. */
import { Effect, FileSystem, PlatformError } from "effect"
import { mkdir, open, readFile, readdir, rename } from "node:fs/promises"

const attempt = <A>(method: string, path: string, run: () => Promise<A>) =>
  Effect.tryPromise({
    try: run,
    catch: (cause) =>
      PlatformError.systemError({
        _tag: "Unknown",
        module: "FileSystem",
        method,
        pathOrDescriptor: path,
        description: String(cause),
      }),
  })

export const layer = FileSystem.layerNoop({
  makeDirectory: (path, options) =>
    attempt("makeDirectory", path, () => mkdir(path, { ...options })).pipe(Effect.asVoid),
  readDirectory: (path) => attempt("readDirectory", path, () => readdir(path)),
  readFileString: (path) => attempt("readFileString", path, () => readFile(path, "utf8")),
  rename: (from, to) => attempt("rename", from, () => rename(from, to)),
  open: (path, options) =>
    Effect.acquireRelease(
      attempt("open", path, () => open(path, options?.flag ?? "r", options?.mode)),
      (handle) => Effect.promise(() => handle.close()),
    ).pipe(
      Effect.map((handle): FileSystem.File => {
        const unused = Effect.die("not used by a key ring")
        return {
          [FileSystem.FileTypeId]: FileSystem.FileTypeId,
          stat: unused,
          seek: () => unused,
          read: () => unused,
          readAlloc: () => unused,
          truncate: () => unused,
          write: () => unused,
          sync: attempt("sync", path, () => handle.sync()),
          writeAll: (bytes) => attempt("writeAll", path, () => handle.writeFile(bytes)),
        }
      }),
    ),
})
