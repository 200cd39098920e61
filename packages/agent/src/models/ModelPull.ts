/**
 * Gets a model: from the folder of downloaded ones, or from the hub into it.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Crypto from "node:crypto"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { printable } from "@guildhall/core/CommandFailure"
import type { Quantization } from "@guildhall/core/Instance"
import type { ModelId } from "@guildhall/core/Model"
import * as CanonicalId from "./CanonicalId.ts"
import * as DiskSpace from "./DiskSpace.ts"
import * as Download from "./Download.ts"
import { Hub } from "./Hub.ts"
import * as HubRequest from "./HubRequest.ts"
import * as HumanText from "./HumanText.ts"
import { ModelError } from "./ModelError.ts"
import type { ModelReference } from "./ModelReference.ts"
import * as ModelSearch from "./ModelSearch.ts"
import { ModelStore, type Stored } from "./ModelStore.ts"
import { CurrentListener, tell } from "./PullEvent.ts"
import * as QuantName from "./QuantName.ts"
import type { RepoFile } from "./Variant.ts"

/**
 * What is asked for. `acceptsLicense` says yes to any licence beforehand.
 *
 * @category models
 * @since 0.1.0
 */
export interface Wish {
  readonly reference: ModelReference
  readonly acceptsLicense: boolean
}

/**
 * A model that can be loaded. `path` is its file, or the first of them; `digest` is what its weights are known by; `quantization` the
 * market's word, where there is one. `isNew` says that something was downloaded.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pulled {
  readonly id: ModelId
  readonly path: string
  readonly digest: string
  readonly quantization: Quantization | undefined
  readonly stored: Stored
  readonly isNew: boolean
}

/** Room that is left to others on the disk. */
const SPARE_BYTES = 64 * 1024 * 1024

const toPulled = (stored: Stored, path: string, isNew: boolean): Pulled => ({
  id: stored.id,
  path,
  digest: stored.digest,
  quantization: QuantName.toQuantization(stored.quant ?? ""),
  stored,
  isNew,
})

const isEqual = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

/** A commit may be shortened; a branch or a tag may have moved, so what is here says nothing of it. */
const isRevision = (stored: Stored, revision: string | undefined): boolean =>
  revision === undefined || (/^[0-9a-f]{7,40}$/.test(revision) && stored.revision.startsWith(revision))

/**
 * The downloaded variants that a reference means, the best first: of the very repository before others of the same model, then
 * the preferred quantisations, then the newest. Pure.
 *
 * @category getters
 * @since 0.1.0
 */
export const matching = (all: ReadonlyArray<Stored>, reference: ModelReference): ReadonlyArray<Stored> => {
  const { file, quant, repo, revision } = reference
  const order = ({ label, repo: from }: Stored): number => {
    const at = QuantName.PREFERRED.indexOf(label)
    return (isEqual(from, repo) ? 0 : 100) + (at === -1 ? QuantName.PREFERRED.length : at)
  }
  return all
    .filter((stored) => isEqual(stored.repo, repo) || (file === undefined && isEqual(stored.id, repo)))
    .filter((stored) => isRevision(stored, revision))
    .filter((stored) => quant === undefined || QuantName.matches(quant, stored.quant))
    .filter((stored) => file === undefined || stored.files.some(({ path }) => isEqual(path, file)))
    .toSorted((a, b) => order(a) - order(b) || b.pulledAtMs - a.pulledAtMs)
}

/**
 * The model if it is here, without asking the hub.
 *
 * @category constructors
 * @since 0.1.0
 */
export const stored = Effect.fn("ModelPull.stored")(function* (reference: ModelReference) {
  const store = yield* ModelStore
  for (const found of matching(yield* store.list, reference)) {
    const path = yield* store.path(found)
    if (Option.isSome(path)) return Option.some(toPulled(found, path.value, false))
  }
  return Option.none<Pulled>()
})

/** Files in git itself have no digest before they were read; their place is named by what git calls them. */
const folderOf = (files: ReadonlyArray<RepoFile>): string => {
  const known = files.flatMap(({ sha256 }) => (sha256 === undefined ? [] : [sha256]))
  if (known.length === files.length) return CanonicalId.weights(known)
  const names = files.map(({ gitSha1, sha256 }) => sha256 ?? gitSha1 ?? "").join("\n")
  return Crypto.createHash("sha256").update(`git\n${names}`).digest("hex")
}

const keyOf = ({ gitSha1, sha256 }: RepoFile): string => sha256 ?? `git-${gitSha1 ?? ""}`
const nameOf = (path: string): string => path.split("/").at(-1) ?? path

const sizeOf = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  return Option.match(yield* Effect.option(fs.stat(file)), { onNone: () => 0, onSome: ({ size }) => Number(size) })
})

/** Asks for a yes where the licence is no plain open one. Who began the download said yes then. */
const agree = Effect.fnUntraced(function* ({ id, repository, variant }: ModelSearch.Found, wish: Wish) {
  const { license } = repository
  if (license.isOpen || wish.acceptsLicense) return
  const store = yield* ModelStore
  for (const file of variant.files) if ((yield* sizeOf(store.part(keyOf(file)))) > 0) return
  const listener = yield* CurrentListener
  const answer = yield* listener.accept(license, id)
  if (answer === true) return
  const why =
    license.id === undefined
      ? "states no licence"
      : `is under the licence "${license.title}", which is not a plain open one`
  const commerce = license.forbidsCommerce
    ? " It says that it is not for commercial use, which serving on a market is."
    : ""
  const where = license.link ?? `its page on the hub`
  const todo =
    answer === undefined
      ? `Read it (${where}); if you may serve the model, run the command again with --yes.`
      : "It was not accepted, and nothing was downloaded."
  return yield* new ModelError({
    reason: "LicenseNotAccepted",
    detail: printable(`${repository.id} ${why}.${commerce} ${todo}`),
  })
})

const requireSpace = Effect.fnUntraced(function* (files: ReadonlyArray<RepoFile>, folder: string) {
  const store = yield* ModelStore
  let missing = 0
  for (const file of files) {
    const there = Math.max(
      yield* sizeOf(store.part(keyOf(file))),
      yield* sizeOf(store.target(folder, nameOf(file.path))),
    )
    missing += Math.max(0, file.sizeBytes - there)
  }
  const free = yield* DiskSpace.free(store.directory)
  if (missing === 0 || Option.isNone(free) || free.value >= missing + SPARE_BYTES) return
  return yield* new ModelError({
    reason: "DiskFull",
    detail: `${HumanText.bytes(missing)} are to be downloaded, and the disk of ${store.directory} has room for ${HumanText.bytes(Math.max(0, free.value - SPARE_BYTES))}. Free some (guildhall-agent models remove), choose a smaller --quant, or another disk with --models-dir.`,
  })
})

const fetchAll = Effect.fnUntraced(function* ({ commit, repository, variant }: ModelSearch.Found, folder: string) {
  const store = yield* ModelStore
  const fs = yield* FileSystem.FileSystem
  yield* store.ensureFolder(folder)
  const files: Array<Stored["files"][number]> = []
  let before = 0
  for (const file of variant.files) {
    const done = before
    const target = store.target(folder, nameOf(file.path))
    const sha256 = yield* Download.run({
      place: { repo: repository.id, commit, path: file.path },
      file,
      part: store.part(keyOf(file)),
      target,
      onBytes: (bytes) =>
        tell({ _tag: "Progress", file: nameOf(file.path), bytes: done + bytes, total: variant.sizeBytes }),
    })
    before += file.sizeBytes
    const { mtime } = yield* fs.stat(target).pipe(Effect.mapError(Download.unusable(target)))
    const modifiedMs = Option.match(mtime, { onNone: () => 0, onSome: (time) => time.getTime() })
    files.push({ name: nameOf(file.path), path: file.path, sizeBytes: file.sizeBytes, sha256, modifiedMs })
  }
  return files
})

/**
 * Finds the model at the hub and downloads what is not here. Interrupt it at any time: the same call goes on from there. Fails with
 * `ModelError`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const pull = Effect.fn("ModelPull.pull")(function* (wish: Wish) {
  const hub = yield* Hub
  const store = yield* ModelStore
  const found = yield* ModelSearch.find(wish.reference)
  const { commit, id, repository, variant } = found
  const { label, quant } = variant
  const former = (yield* store.list).find((one) => one.repo === repository.id && one.label === label)
  if (former !== undefined && former.revision === commit) {
    const path = yield* store.path(former)
    if (Option.isSome(path)) return toPulled(former, path.value, false)
  }
  yield* tell({
    _tag: "Chosen",
    id,
    repo: repository.id,
    revision: commit,
    label,
    files: variant.files.map(({ path }) => path),
    bytes: variant.sizeBytes,
    license: repository.license,
  })
  if (found.also.length > 0) yield* tell({ _tag: "Also", among: found.also })
  if (repository.isGated && !hub.hasToken) return yield* HubRequest.gated(hub.endpoint, repository.id, false)
  yield* agree(found, wish)
  const folder = folderOf(variant.files)
  yield* requireSpace(variant.files, folder)
  const [first, ...others] = yield* fetchAll(found, folder)
  if (first === undefined) return yield* Effect.die(new Error("a variant has a file"))
  const record: Stored = {
    version: 1,
    id,
    repo: repository.id,
    revision: commit,
    label,
    ...(quant === undefined ? {} : { quant }),
    license: repository.license.title,
    endpoint: hub.endpoint,
    digest: CanonicalId.weights([first, ...others].map(({ sha256 }) => sha256)),
    folder,
    pulledAtMs: yield* Clock.currentTimeMillis,
    files: [first, ...others],
  }
  yield* store.write(record)
  return toPulled(record, store.target(folder, first.name), true)
})

/**
 * The model, downloaded where it is not here. What is here is served as it is: a restart neither needs the hub nor changes what is
 * served.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ensure = Effect.fn("ModelPull.ensure")(function* (wish: Wish) {
  const here = yield* stored(wish.reference)
  if (Option.isNone(here)) return yield* pull(wish)
  const { id, path } = here.value
  yield* tell({ _tag: "Cached", id, label: here.value.stored.label, path })
  return here.value
})
