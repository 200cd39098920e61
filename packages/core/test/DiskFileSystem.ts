/** The few operations of a file system that are used here, on the real disk. */
import { ByteSize, Effect, FileSystem, Option, PlatformError } from "effect"
import { mkdir, open, readFile, readdir, rename, stat } from "node:fs/promises"

const attempt = <A>(method: string, path: string, run: () => Promise<A>) =>
  Effect.tryPromise({
    try: run,
    catch: (cause) =>
      PlatformError.systemError({
        _tag: cause instanceof Error && "code" in cause && cause.code === "ENOENT" ? "NotFound" : "Unknown",
        module: "FileSystem",
        method,
        pathOrDescriptor: path,
        description: String(cause),
        cause,
      }),
  })

export const layer = FileSystem.layerNoop({
  makeDirectory: (path, options) =>
    attempt("makeDirectory", path, () => mkdir(path, { ...options })).pipe(Effect.asVoid),
  readDirectory: (path) => attempt("readDirectory", path, () => readdir(path)),
  readFileString: (path) => attempt("readFileString", path, () => readFile(path, "utf8")),
  stat: (path) =>
    Effect.map(
      attempt("stat", path, () => stat(path)),
      (found): FileSystem.File.Info => ({
        type: found.isDirectory() ? "Directory" : "File",
        mtime: Option.none(),
        atime: Option.none(),
        birthtime: Option.none(),
        dev: BigInt(found.dev),
        ino: Option.none(),
        mode: found.mode,
        nlink: Option.none(),
        uid: Option.none(),
        gid: Option.none(),
        rdev: Option.none(),
        size: ByteSize.bytes(found.size),
        blksize: Option.none(),
        blocks: Option.none(),
      }),
    ),
  rename: (from, to) => attempt("rename", from, () => rename(from, to)),
  open: (path, options) =>
    Effect.acquireRelease(
      attempt("open", path, () => open(path, options?.flag ?? "r", options?.mode)),
      (handle) => Effect.promise(() => handle.close()),
    ).pipe(
      Effect.map((handle): FileSystem.File => {
        const unused = Effect.die("not used here")
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
