/** The files of built pages, in memory: which names there are is decided when they are read. */
import * as Crypto from "node:crypto"
import * as Zlib from "node:zlib"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Semaphore from "effect/Semaphore"

export interface PageFile {
  readonly bytes: Uint8Array
  /** The same, packed, where that makes it smaller. */
  readonly gzip: Uint8Array | undefined
  readonly type: string
  readonly etag: string
  /** Whether its name holds its hash, so that it never changes. */
  readonly isHashed: boolean
}

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  json: "application/json",
  wasm: "application/wasm",
  png: "image/png",
  ico: "image/x-icon",
  woff2: "font/woff2",
  txt: "text/plain; charset=utf-8",
}
const PACKED = new Set(["html", "js", "css", "svg", "json", "wasm", "txt"])
/** Pages are some megabytes; a folder with more is not what somebody meant to publish. */
const BYTES_MAX = 64 * 1024 * 1024
const PACK_MIN = 1_024

const gzip = (bytes: Uint8Array) =>
  Effect.callback<Uint8Array | undefined>((resume) =>
    Zlib.gzip(bytes, (error, packed) =>
      resume(Effect.succeed(error === null && packed.length < bytes.length ? packed : undefined)),
    ),
  )

const readAll = Effect.fnUntraced(function* (fs: FileSystem.FileSystem, folder: string) {
  const files = new Map<string, PageFile>()
  const real = yield* fs.realPath(folder)
  let total = 0
  for (const name of yield* fs.readDirectory(folder, { recursive: true })) {
    const type = TYPES[name.slice(name.lastIndexOf(".") + 1)]
    const path = `${folder}/${name}`
    // What is of no known kind, and what is hidden, is nobody's business.
    if (type === undefined || name.split(/[\\/]/).some((part) => part.startsWith("."))) continue
    // A link may lead anywhere.
    if ((yield* fs.realPath(path)) !== `${real}/${name}` || (yield* fs.stat(path)).type !== "File") continue
    const bytes = yield* fs.readFile(path)
    total += bytes.length
    if (total > BYTES_MAX) return yield* Effect.die(new RangeError(`${folder} holds more than pages do.`))
    const isPacked = bytes.length >= PACK_MIN && PACKED.has(name.slice(name.lastIndexOf(".") + 1))
    files.set(name.replaceAll("\\", "/"), {
      bytes,
      type,
      gzip: isPacked ? yield* gzip(bytes) : undefined,
      etag: `"${Crypto.createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`,
      isHashed: /^assets[\\/].+-[A-Za-z0-9_-]{8}\.[a-z0-9]+$/.test(name),
    })
  }
  return files
})

/** Makes the function that finds a file of a folder by its name; a folder is read at the first question. */
export const make = Effect.fnUntraced(function* (fs: FileSystem.FileSystem) {
  const once = yield* Semaphore.make(1)
  let read: { readonly folder: string; readonly files: ReadonlyMap<string, PageFile> } | undefined
  return (folder: string, name: string): Effect.Effect<PageFile | undefined, PlatformError> => {
    if (read?.folder === folder) return Effect.succeed(read.files.get(name))
    return once.withPermit(
      Effect.gen(function* () {
        if (read?.folder !== folder) read = { folder, files: yield* readAll(fs, folder) }
        return read.files.get(name)
      }),
    )
  }
})
