/**
 * The folder of downloaded models. Weights stand in folders named by their digest, so the same file is there once, whoever published
 * it; a record for each variant says where it came from.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as Folder from "@guildhall/core/Folder"
import { ModelId } from "@guildhall/core/Model"
import * as Download from "./Download.ts"
import * as FileDigest from "./FileDigest.ts"
import * as FileLock from "./FileLock.ts"
import { ModelError } from "./ModelError.ts"
import { tell } from "./PullEvent.ts"

const Hex = Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9a-f]{64}$/)))
const FileName = Schema.String.pipe(Schema.check(Schema.isPattern(/^[^/\\]{1,255}$/)))
const Count = Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0)))

/**
 * A downloaded variant. `id` is under which it is sold; `repo` and `revision` (a commit) say where it came from; `digest` is what its
 * weights are known by; `folder` is the one in which `files` stand. `modifiedMs` tells whether a file was changed since its digest
 * was made.
 *
 * @category models
 * @since 0.1.0
 */
export const Stored = Schema.Struct({
  version: Schema.Literal(1),
  id: ModelId,
  repo: Schema.String,
  revision: Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9a-f]{40}$/))),
  label: Schema.String,
  quant: Schema.optionalKey(Schema.String),
  license: Schema.String,
  endpoint: Schema.String,
  digest: Hex,
  folder: Hex,
  pulledAtMs: Count,
  files: Schema.NonEmptyArray(
    Schema.Struct({ name: FileName, path: Schema.String, sizeBytes: Count, sha256: Hex, modifiedMs: Schema.Finite }),
  ),
})
/** @since 0.1.0 */
export type Stored = typeof Stored.Type

/**
 * A download that was not finished. `bytes` are there, of `total`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Unfinished {
  readonly repo: string
  readonly path: string
  readonly part: string
  readonly bytes: number
  readonly total: number
}

/**
 * The store. `list` gives what is there, `unfinished` what was begun; `path` the file to load, after its digest was made anew where the
 * file was changed; `remove` what it freed, in bytes.
 *
 * @category services
 * @since 0.1.0
 */
export class ModelStore extends Context.Service<
  ModelStore,
  {
    readonly directory: string
    readonly part: (key: string) => string
    readonly target: (folder: string, name: string) => string
    readonly ensureFolder: (folder: string) => Effect.Effect<void, ModelError>
    readonly list: Effect.Effect<ReadonlyArray<Stored>, ModelError>
    readonly unfinished: Effect.Effect<ReadonlyArray<Unfinished>, ModelError>
    readonly write: (stored: Stored) => Effect.Effect<void, ModelError>
    readonly path: (stored: Stored) => Effect.Effect<Option.Option<string>, ModelError>
    readonly remove: (stored: Stored) => Effect.Effect<number, ModelError>
    readonly discard: (unfinished: Unfinished) => Effect.Effect<number, ModelError>
  }
>()("@guildhall/agent/models/ModelStore") {}

const RECORDS = "records"
const WEIGHTS = "weights"
const PARTS = "parts"
const MOST_RECORDS = 10_000
const RecordText = Schema.fromJsonString(Stored)

/** A name for the file of a record: readable, and one for each repository and label. */
const recordName = ({ label, repo }: Stored): string =>
  `${`${repo}--${label}`
    .replaceAll("/", "--")
    .replace(/[^A-Za-z0-9._-]/g, "_")
    .slice(0, 200)}.json`

/**
 * Opens the store in a folder, and makes the folder where it is not there.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: { readonly directory: string }) {
  const fs = yield* FileSystem.FileSystem
  const paths = yield* Path.Path
  const directory = paths.resolve(options.directory)
  const fail = Effect.mapError(Download.unusable(directory))
  const within = Effect.provide(Context.make(FileSystem.FileSystem, fs).pipe(Context.add(Path.Path, paths)))
  const target = (folder: string, name: string) => paths.join(directory, WEIGHTS, folder, name)
  const ensure = (...names: ReadonlyArray<string>) => Folder.make(paths.join(directory, ...names)).pipe(within, fail)
  for (const name of [RECORDS, WEIGHTS, PARTS]) yield* ensure(name)

  const entries = (name: string, ending: string) =>
    fs.readDirectory(paths.join(directory, name)).pipe(
      fail,
      Effect.map((files) =>
        files
          .filter((file) => file.endsWith(ending))
          .toSorted()
          .slice(0, MOST_RECORDS),
      ),
    )
  const read = (name: string) =>
    Effect.map(Effect.option(fs.readFileString(paths.join(directory, RECORDS, name))), (text) =>
      Option.flatMap(text, Schema.decodeUnknownOption(RecordText)),
    )
  const list = Effect.gen(function* () {
    const found = yield* Effect.forEach(yield* entries(RECORDS, ".json"), read)
    return found.flatMap(Option.toArray)
  })
  const stat = (file: string) => Effect.option(fs.stat(file))

  const write = Effect.fnUntraced(function* (stored: Stored) {
    const file = paths.join(directory, RECORDS, recordName(stored))
    const fresh = `${file}.${process.pid}.new`
    yield* Effect.scoped(
      Effect.gen(function* () {
        const handle = yield* fs.open(fresh, { flag: "w", mode: 0o644 })
        yield* handle.writeAll(new TextEncoder().encode(Schema.encodeSync(RecordText)(stored)))
        yield* handle.sync
      }),
    )
    yield* fs.rename(fresh, file)
  })

  /**
   * The file with the time of its last change, where it is as it was when its digest was made, or has that digest still. What else stands
   * under a digest's name is removed.
   */
  const sound = Effect.fnUntraced(function* (folder: string, file: Stored["files"][number]) {
    const place = target(folder, file.name)
    const info = yield* stat(place)
    if (Option.isNone(info)) return undefined
    const modifiedMs = Option.match(info.value.mtime, { onNone: () => -1, onSome: (time) => time.getTime() })
    if (Number(info.value.size) === file.sizeBytes) {
      if (modifiedMs === file.modifiedMs) return file
      yield* tell({ _tag: "Checking", file: file.name, bytes: file.sizeBytes })
      if ((yield* FileDigest.ofFile(place).pipe(within, fail)) === file.sha256) return { ...file, modifiedMs }
    }
    yield* tell({ _tag: "Restarted", file: file.name, why: "the file was changed since it was downloaded" })
    yield* fs.remove(place).pipe(fail)
    return undefined
  })

  const isSame = (one: Stored) => (other: Stored) => recordName(other) === recordName(one)

  /** Removes weights that no record needs any more, and answers what that freed. */
  const prune = Effect.fnUntraced(function* (stored: Stored) {
    if ((yield* list).some(({ folder }) => folder === stored.folder)) return 0
    yield* fs.remove(paths.join(directory, WEIGHTS, stored.folder), { recursive: true, force: true }).pipe(fail)
    return stored.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  })

  const unfinished = Effect.gen(function* () {
    const found: Array<Unfinished> = []
    for (const name of yield* entries(PARTS, ".part")) {
      const part = paths.join(directory, PARTS, name)
      const [note, info] = [yield* Download.readNote(part).pipe(within), yield* stat(part)]
      if (note === undefined || Option.isNone(info)) continue
      found.push({ repo: note.repo, path: note.path, part, bytes: Number(info.value.size), total: note.size })
    }
    return found
  })

  const discard = Effect.fnUntraced(function* (one: Unfinished) {
    const isMine = yield* FileLock.tryAcquire(`${one.part}.lock`).pipe(fail)
    if (!isMine) {
      return yield* new ModelError({
        reason: "CacheBusy",
        detail: `${one.path} of ${one.repo} is being downloaded by another process. Stop that, or let it end, then remove it.`,
      })
    }
    yield* fs.remove(one.part, { force: true }).pipe(fail)
    yield* fs.remove(`${one.part}.json`, { force: true }).pipe(fail)
    return one.bytes
  }, Effect.scoped)

  return ModelStore.of({
    directory,
    part: (key) => paths.join(directory, PARTS, `${key}.part`),
    target,
    ensureFolder: (folder) => ensure(WEIGHTS, folder),
    list,
    unfinished,
    write: Effect.fnUntraced(function* (stored) {
      const former = (yield* list).find(isSame(stored))
      yield* write(stored).pipe(fail)
      if (former !== undefined && former.folder !== stored.folder) yield* prune(former)
    }),
    path: Effect.fnUntraced(function* (stored) {
      const files: Array<Stored["files"][number]> = []
      for (const file of stored.files) {
        const now = yield* sound(stored.folder, file)
        if (now === undefined) return Option.none()
        files.push(now)
      }
      const [first, ...others] = files
      if (first !== undefined && files.some(({ modifiedMs }, at) => modifiedMs !== stored.files[at]?.modifiedMs)) {
        yield* write({ ...stored, files: [first, ...others] }).pipe(fail)
      }
      return Option.some(target(stored.folder, stored.files[0].name))
    }),
    remove: Effect.fnUntraced(function* (stored) {
      yield* fs.remove(paths.join(directory, RECORDS, recordName(stored)), { force: true }).pipe(fail)
      return yield* prune(stored)
    }),
    discard: (one) => discard(one).pipe(within),
  })
})

/**
 * The store as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: {
  readonly directory: string
}): Layer.Layer<ModelStore, ModelError, FileSystem.FileSystem | Path.Path> => Layer.effect(ModelStore, make(options))
