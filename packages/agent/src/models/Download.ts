/**
 * Downloads one file of a repository: goes on where an earlier attempt or process stopped, never mixes two files, and gives a file its
 * name only after its digest was right.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as PlatformError from "effect/PlatformError"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as FileProblem from "@guildhall/core/FileProblem"
import * as FileDigest from "./FileDigest.ts"
import * as FileLock from "./FileLock.ts"
import { type Body, Hub, type Place } from "./Hub.ts"
import * as HubRequest from "./HubRequest.ts"
import * as HumanText from "./HumanText.ts"
import { ModelError } from "./ModelError.ts"
import { CurrentListener, tell } from "./PullEvent.ts"
import type { RepoFile } from "./Variant.ts"

/**
 * What is downloaded and where to. `part` is the path of the unfinished file, `target` that of the finished one, on the same disk.
 * `onBytes` hears how many bytes of it are there, some times a second.
 *
 * @category models
 * @since 0.1.0
 */
export interface Job {
  readonly place: Place
  readonly file: RepoFile
  readonly part: string
  readonly target: string
  readonly onBytes: (bytes: number) => Effect.Effect<void>
}

/** What stands beside an unfinished file. The validator is the one of the server that sent the bytes. */
const Note = Schema.fromJsonString(
  Schema.Struct({
    repo: Schema.String,
    commit: Schema.String,
    path: Schema.String,
    size: Schema.Int,
    etag: Schema.optionalKey(Schema.String),
  }),
)

/**
 * The note of an unfinished file, if it can be read.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readNote = Effect.fnUntraced(function* (part: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.option(fs.readFileString(`${part}.json`))
  return Option.getOrUndefined(Option.flatMap(text, Schema.decodeUnknownOption(Note)))
})

const TOLD_EVERY_MS = 100

/**
 * The error of a folder or a file, as a letter.
 *
 * @category errors
 * @since 0.1.0
 */
export const unusable = (file: string) => (error: PlatformError.PlatformError) => {
  const words = FileProblem.words(error)
  const isFull = /\((?:ENOSPC|EDQUOT)\)$/.test(words)
  return new ModelError({
    reason: isFull ? "DiskFull" : "CacheUnusable",
    detail: isFull
      ? `${file} cannot be written: ${words}. Free some, or choose another disk with --models-dir, and run the command again: it goes on from there.`
      : `${file} cannot be used: ${words}. Correct it, or choose another folder with --models-dir.`,
  })
}

/** The state of one download: what is in the unfinished file, and its digest so far. */
interface State {
  offset: number
  hasher: FileDigest.Hasher
  etag: string | undefined
  /** Whether bytes of an earlier answer are in it, which may have been another file's. */
  isPatched: boolean
  toldAtMs: number
}

const hasherOf = ({ gitSha1, sizeBytes }: RepoFile): FileDigest.Hasher =>
  FileDigest.make(gitSha1 === undefined ? undefined : sizeBytes)

/** Takes up what is there: its bytes are read once, for the digest. */
const takeUp = Effect.fnUntraced(function* ({ file, part }: Job) {
  const fs = yield* FileSystem.FileSystem
  const there = Option.match(yield* Effect.option(fs.stat(part)), {
    onNone: () => 0,
    onSome: ({ size }) => Number(size),
  })
  const note = yield* readNote(part)
  const state: State = { offset: 0, hasher: hasherOf(file), etag: undefined, isPatched: false, toldAtMs: 0 }
  const isUsable = there > 0 && there <= file.sizeBytes && note?.size === file.sizeBytes
  if (!isUsable) {
    yield* Effect.ignore(fs.remove(part, { force: true }))
    return state
  }
  yield* tell({ _tag: "Resumed", file: file.path, bytes: there, total: file.sizeBytes })
  state.offset = yield* FileDigest.add(state.hasher, part, there).pipe(Effect.mapError(unusable(part)))
  state.etag = note.etag
  state.isPatched = true
  return state
})

const restart = Effect.fnUntraced(function* (job: Job, state: State, why: string) {
  const fs = yield* FileSystem.FileSystem
  yield* tell({ _tag: "Restarted", file: job.file.path, why })
  yield* fs.remove(job.part, { force: true }).pipe(Effect.mapError(unusable(job.part)))
  state.offset = 0
  state.hasher = hasherOf(job.file)
  state.etag = undefined
  state.isPatched = false
})

const wrongLength = ({ file, place }: Job, found: string) =>
  new ModelError({
    reason: "WrongLength",
    detail: `The hub says that ${file.path} of ${place.repo} has ${file.sizeBytes} bytes, and its storage sends ${found}. Nothing of it was kept. Try again later, or another repository; behind a proxy or mirror, ask it for the file anew.`,
  })

const wrongDigest = ({ file, place }: Job, found: string) =>
  new ModelError({
    reason: "WrongDigest",
    detail: `${file.path} of ${place.repo} is not the file that the hub describes: its digest is ${found}, and must be ${file.sha256 ?? file.gitSha1 ?? "another"}. Nothing of it was kept. Try again; if it stays so, the hub, a mirror or a proxy gives out another file, and it must not be served.`,
  })

/** The address of the storage may change what it sends only where the bytes still are of the one file. */
const beginsRight = Effect.fnUntraced(function* (job: Job, state: State, body: Body) {
  const { file } = job
  if (body.sha256 !== undefined && file.sha256 !== undefined && body.sha256 !== file.sha256) {
    return yield* wrongDigest(job, body.sha256)
  }
  const isChanged = body.from > 0 && body.etag !== undefined && state.etag !== undefined && body.etag !== state.etag
  const isOdd = body.from !== 0 && body.from !== state.offset
  if (body.totalBytes !== undefined && body.totalBytes !== file.sizeBytes) {
    // Of a part, the length is that of what the storage has now; the whole may still be right.
    if (body.from === 0) return yield* wrongLength(job, `${body.totalBytes}`)
    return "the storage has another file there now"
  }
  return isChanged ? "the storage has another file there now" : isOdd ? "the storage sent another part" : undefined
})

const writeNote = Effect.fnUntraced(function* ({ file, part, place }: Job, etag: string | undefined) {
  const fs = yield* FileSystem.FileSystem
  const { commit, path, repo } = place
  const note = Schema.encodeSync(Note)({
    repo,
    commit,
    path,
    size: file.sizeBytes,
    ...(etag === undefined ? {} : { etag }),
  })
  yield* fs
    .writeFileString(`${part}.json.new`, note)
    .pipe(Effect.andThen(fs.rename(`${part}.json.new`, `${part}.json`)), Effect.mapError(unusable(part)))
})

/** Fails where no byte came for a while: a connection can die without a word. */
const stalled = Effect.fnUntraced(function* (state: State) {
  const { idleMs } = yield* HubRequest.CurrentPace
  for (;;) {
    const before = state.offset
    yield* Effect.sleep(idleMs)
    if (state.offset !== before) continue
    return yield* new HubRequest.Later({
      afterMs: undefined,
      error: new ModelError({
        reason: "Unreachable",
        detail: `No byte came for ${HumanText.seconds(idleMs / 1000)}. What was downloaded is kept: run the command again, and it goes on from there.`,
      }),
    })
  }
})

const receive = Effect.fnUntraced(function* (job: Job, state: State, body: Body) {
  const fs = yield* FileSystem.FileSystem
  const clock = yield* Clock.Clock
  const handle = yield* fs.open(job.part, { flag: "a", mode: 0o644 }).pipe(Effect.mapError(unusable(job.part)))
  // An interruption must not come between what is written and what the digest has seen.
  const write = (chunk: Uint8Array) =>
    Effect.gen(function* () {
      if (state.offset + chunk.length > job.file.sizeBytes) return yield* wrongLength(job, "more")
      yield* handle.writeAll(chunk).pipe(Effect.mapError(unusable(job.part)))
      state.hasher.update(chunk)
      state.offset += chunk.length
      const nowMs = clock.currentTimeMillisUnsafe()
      if (nowMs - state.toldAtMs < TOLD_EVERY_MS) return
      state.toldAtMs = nowMs
      yield* job.onBytes(state.offset)
    }).pipe(Effect.uninterruptible)
  yield* Effect.raceFirst(Stream.runForEach(body.bytes, write), stalled(state))
  yield* job.onBytes(state.offset)
})

/** One answer of the hub: its bytes are added to what is there, until it ends or breaks. */
const attempt = Effect.fnUntraced(function* (job: Job, state: State) {
  const hub = yield* Hub
  const { mostBytes } = yield* HubRequest.CurrentPace
  const { offset, etag } = state
  const until = job.file.sizeBytes - offset > mostBytes ? offset + mostBytes : undefined
  const body = yield* hub.open(job.place, { offset, etag, until })
  const again = new HubRequest.Later({
    afterMs: 0,
    error: wrongLength(job, "another number at each attempt"),
  })
  if (body === undefined) {
    yield* restart(job, state, "the storage has no more bytes there")
    return yield* again
  }
  const why = yield* beginsRight(job, state, body)
  if (why !== undefined) {
    yield* restart(job, state, why)
    return yield* again
  }
  if (body.from === 0 && state.offset > 0) yield* restart(job, state, "the storage sends it from the beginning")
  if (state.offset === 0) {
    state.etag = body.etag
    yield* writeNote(job, body.etag)
  } else {
    state.isPatched = true
  }
  yield* receive(job, state, body)
  if (state.offset < (until ?? job.file.sizeBytes)) {
    return yield* new HubRequest.Later({
      afterMs: undefined,
      error: new ModelError({
        reason: "Unreachable",
        detail: `The connection ended at ${HumanText.bytes(state.offset)} of ${HumanText.bytes(job.file.sizeBytes)}, again and again. What was downloaded is kept: run the command again, and it goes on from there.`,
      }),
    })
  }
}, Effect.scoped)

/** Answers until the file is whole. Only attempts that brought nothing are counted. */
const complete = Effect.fnUntraced(function* (job: Job, state: State) {
  for (let tries = 1; state.offset < job.file.sizeBytes; tries++) {
    const before = state.offset
    const result = yield* Effect.result(attempt(job, state))
    if (Result.isSuccess(result)) {
      tries = 0
      continue
    }
    const { failure } = result
    if (failure._tag !== "Later") {
      // What has the wrong length is no part of anything.
      if (failure.reason === "WrongLength") yield* discard(job)
      return yield* failure
    }
    if (state.offset > before) tries = 0
    if (tries >= HubRequest.TRIES) return yield* failure.error
    yield* HubRequest.pause(failure, Math.max(1, tries))
  }
})

const discard = Effect.fnUntraced(function* ({ part }: Job) {
  const fs = yield* FileSystem.FileSystem
  yield* Effect.ignore(fs.remove(part, { force: true }))
  yield* Effect.ignore(fs.remove(`${part}.json`, { force: true }))
})

const isRight = (
  { file }: Job,
  { git, sha256 }: { readonly sha256: string; readonly git: string | undefined },
): boolean => (file.sha256 === undefined ? git === file.gitSha1 : sha256 === file.sha256)

const settle = Effect.fnUntraced(function* (job: Job, sha256: string) {
  const fs = yield* FileSystem.FileSystem
  const sync = Effect.scoped(Effect.flatMap(fs.open(job.part, { flag: "r+" }), (handle) => handle.sync))
  yield* sync.pipe(Effect.andThen(fs.rename(job.part, job.target)), Effect.mapError(unusable(job.target)))
  yield* discard(job)
  yield* tell({ _tag: "Verified", file: job.file.path, sha256, bytes: job.file.sizeBytes })
})

const work = Effect.fnUntraced(function* (job: Job) {
  const state = yield* takeUp(job)
  for (let isSecond = false; ; isSecond = true) {
    yield* complete(job, state)
    const digests = state.hasher.end()
    if (isRight(job, digests)) {
      yield* settle(job, digests.sha256)
      return digests.sha256
    }
    if (isSecond || !state.isPatched) {
      yield* discard(job)
      return yield* wrongDigest(job, job.file.sha256 === undefined ? (digests.git ?? "") : digests.sha256)
    }
    yield* restart(job, state, "what was there from before was damaged")
  }
})

/**
 * Downloads the file, unless it is there, and answers its SHA-256. Of several processes one downloads and the others wait for it.
 * Interrupt it at any time: the same call goes on from there.
 *
 * @category constructors
 * @since 0.1.0
 */
export const run = Effect.fn("Download.run")(function* (job: Job) {
  const fs = yield* FileSystem.FileSystem
  const listener = yield* CurrentListener
  yield* FileLock.acquire(`${job.part}.lock`, (pid) => listener.tell({ _tag: "Busy", file: job.file.path, pid })).pipe(
    Effect.catchTag("PlatformError", (error) => Effect.fail(unusable(job.part)(error))),
  )
  if (Option.isSome(yield* Effect.option(fs.stat(job.target)))) {
    return job.file.sha256 ?? (yield* FileDigest.ofFile(job.target).pipe(Effect.mapError(unusable(job.target))))
  }
  return yield* work(job)
}, Effect.scoped)
