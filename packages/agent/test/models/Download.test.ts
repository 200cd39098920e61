import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Layer, PlatformError } from "effect"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Pulling from "./Pulling.ts"
import { base, bytesOf, gated, gguf, Q4 } from "./Repos.ts"
import * as ScriptedHub from "./ScriptedHub.ts"

const NAME = "quanter/Poet-8B-GGUF:Q4_K_M"
const started = Effect.gen(function* () {
  const hub = yield* ScriptedHub.make([base, gguf])
  return { hub, pulling: yield* Pulling.make({ url: hub.url }) }
})
const read = (path: string) => new Uint8Array(Fs.readFileSync(path))
const parts = (directory: string) => Fs.readdirSync(Path.join(directory, "parts"))

describe("V7 · a download", () => {
  it.live("gives the file of the hub, under its digest, and records the commit", () =>
    Effect.gen(function* () {
      const { hub, pulling } = yield* started
      const pulled = yield* pulling.pull(NAME)
      assert.deepStrictEqual(read(pulled.path), Q4)
      assert.strictEqual(pulled.digest, ScriptedHub.sha256(Q4))
      assert.include(pulled.path, pulled.digest)
      assert.strictEqual(pulled.id, "Acme/Poet-8B")
      assert.strictEqual(pulled.quantization, "int4")
      assert.strictEqual(pulled.stored.revision, ScriptedHub.commitOf(gguf))
      assert.deepStrictEqual(parts(pulling.directory), [])
      const resolved = hub.seen.filter(({ path }) => path.includes("/resolve/"))
      assert.isTrue(resolved.every(({ path }) => path.includes(ScriptedHub.commitOf(gguf))))
      assert.isTrue(hub.seen.every(({ headers }) => headers["accept-encoding"] === "identity"))
    }).pipe(Effect.scoped),
  )

  for (const bytes of [0, 1, 65_535, 65_536, 99_999]) {
    it.live(`goes on where a connection was cut after ${bytes} bytes`, () =>
      Effect.gen(function* () {
        const { hub, pulling } = yield* started
        hub.faults.storage.push({ _tag: "CutAfter", bytes }, { _tag: "CutAfter", bytes: 1 })
        const pulled = yield* pulling.pull(NAME)
        assert.deepStrictEqual(read(pulled.path), Q4)
        const [first, second, ...rest] = hub.ranges()
        assert.strictEqual(first, "whole")
        // What came before the cut need not have arrived whole; what did is not asked for again.
        if (bytes > 0) assert.match(second ?? "", /^bytes=\d+-$|^whole$/)
        const starts = [second, ...rest].map((range) => Number(/\d+/.exec(range ?? "")?.[0] ?? "0"))
        assert.deepStrictEqual(
          starts,
          starts.toSorted((a, b) => a - b),
        )
        assert.deepStrictEqual(pulling.told("Restarted"), [])
      }).pipe(Effect.scoped),
    )
  }

  it.live("asks anew at the hub where the signed address of the storage ran out", () =>
    Effect.gen(function* () {
      const { hub, pulling } = yield* started
      hub.faults.storage.push({ _tag: "CutAfter", bytes: 50_000 }, { _tag: "Status", status: 403 })
      const pulled = yield* pulling.pull(NAME)
      assert.deepStrictEqual(read(pulled.path), Q4)
      const signatures = hub.seen.filter(({ host }) => host === "storage").map(({ path }) => path)
      assert.strictEqual(new Set(signatures).size, 3)
    }).pipe(Effect.scoped),
  )

  it.live("goes on in a new process, with the validator of the storage, and reads what is there for the digest", () =>
    Effect.gen(function* () {
      const { hub, pulling } = yield* started
      hub.faults.storage.push({ _tag: "Stall", bytes: 60_000 })
      const fiber = yield* Effect.forkChild(pulling.pull(NAME))
      while (pulling.told("Progress").length === 0) yield* Effect.sleep(5)
      yield* Fiber.interrupt(fiber)
      const kept = parts(pulling.directory)
      assert.deepStrictEqual(kept.toSorted(), [`${ScriptedHub.sha256(Q4)}.part`, `${ScriptedHub.sha256(Q4)}.part.json`])
      const again = yield* Pulling.make({ url: hub.url, directory: pulling.directory })
      const pulled = yield* again.pull(NAME)
      assert.deepStrictEqual(read(pulled.path), Q4)
      assert.strictEqual(again.told("Resumed").length, 1)
      const last = hub.seen.filter(({ host }) => host === "storage").at(-1)
      assert.match(last?.headers.range ?? "", /^bytes=[1-9]\d*-$/)
      assert.match(String(last?.headers["if-range"]), /^"[0-9a-f]{64}"$/)
      assert.strictEqual(last?.status, 206)
    }).pipe(Effect.scoped),
  )

  it.live("begins anew where the storage has another file than the one that was begun", () =>
    Effect.gen(function* () {
      const { hub, pulling } = yield* started
      // The beginning is of another file with another tag; then the right one is there.
      const former = bytesOf(77, Q4.length)
      hub.faults.storage.push({ _tag: "Send", bytes: former.subarray(0, 40_000), etag: '"former"', length: Q4.length })
      hub.faults.storage.push({ _tag: "Status", status: 503 })
      const pulled = yield* pulling.pull(NAME)
      assert.deepStrictEqual(read(pulled.path), Q4)
      assert.strictEqual(pulling.told("Restarted").length, 1)
    }).pipe(Effect.scoped),
  )

  it.live("begins anew at once where the storage gives a part of another file", () =>
    Effect.gen(function* () {
      const { hub, pulling } = yield* started
      hub.faults.storage.push({ _tag: "CutAfter", bytes: 70_000 })
      hub.faults.storage.push({ _tag: "Send", bytes: bytesOf(79, Q4.length), etag: '"other"', ignoresCondition: true })
      const pulled = yield* pulling.pull(NAME)
      assert.deepStrictEqual(read(pulled.path), Q4)
      const [restarted, ...more] = pulling.told("Restarted")
      assert.deepInclude(restarted, { why: "the storage has another file there now" })
      assert.deepStrictEqual(more, [])
    }).pipe(Effect.scoped),
  )

  it.live("begins anew, once, where a storage without validators mixed two files", () =>
    Effect.gen(function* () {
      const { hub, pulling } = yield* started
      const former = bytesOf(78, Q4.length)
      const part = Path.join(pulling.directory, "parts", `${ScriptedHub.sha256(Q4)}.part`)
      Fs.mkdirSync(Path.dirname(part), { recursive: true })
      Fs.writeFileSync(part, former.subarray(0, 50_000))
      const note = { repo: gguf.id, commit: ScriptedHub.commitOf(gguf), path: "x.gguf", size: Q4.length }
      Fs.writeFileSync(`${part}.json`, JSON.stringify(note))
      const pulled = yield* pulling.pull(NAME)
      assert.deepStrictEqual(read(pulled.path), Q4)
      assert.deepStrictEqual(hub.ranges(), ["bytes=50000-", "whole"])
      assert.strictEqual(pulling.told("Restarted").length, 1)
    }).pipe(Effect.scoped),
  )

  it.live("takes the whole file from a storage that knows no ranges", () =>
    Effect.gen(function* () {
      const { hub, pulling } = yield* started
      hub.faults.storage.push({ _tag: "CutAfter", bytes: 70_000 }, { _tag: "IgnoreRange" })
      const pulled = yield* pulling.pull(NAME)
      assert.deepStrictEqual(read(pulled.path), Q4)
    }).pipe(Effect.scoped),
  )

  it.live("keeps nothing of a file with a wrong digest, and says both", () =>
    Effect.gen(function* () {
      const { hub, pulling } = yield* started
      const wrong = bytesOf(99, Q4.length)
      hub.faults.storage.push({ _tag: "Send", bytes: wrong })
      const letter = yield* pulling.letter(NAME)
      assert.strictEqual(letter.reason, "WrongDigest")
      assert.include(letter.text, ScriptedHub.sha256(wrong))
      assert.include(letter.text, ScriptedHub.sha256(Q4))
      assert.deepStrictEqual(parts(pulling.directory), [])
      assert.deepStrictEqual(yield* pulling.list, [])
      assert.deepStrictEqual(read((yield* pulling.pull(NAME)).path), Q4)
    }).pipe(Effect.scoped),
  )

  for (const [what, length] of [
    ["shorter", Q4.length - 10],
    ["longer", Q4.length + 10],
  ] as const) {
    it.live(`refuses at once a file that is ${what} than the hub says`, () =>
      Effect.gen(function* () {
        const { hub, pulling } = yield* started
        hub.faults.storage.push({ _tag: "Send", bytes: bytesOf(5, length) })
        const letter = yield* pulling.letter(NAME)
        assert.strictEqual(letter.reason, "WrongLength")
        assert.include(letter.text, `${Q4.length} bytes`)
        assert.deepStrictEqual(parts(pulling.directory), [])
      }).pipe(Effect.scoped),
    )
  }

  it.live("waits as long as the hub and the storage ask, and gives up where that is too long", () =>
    Effect.gen(function* () {
      const { hub, pulling } = yield* started
      hub.faults.hub.push({ _tag: "Status", status: 429, headers: { "retry-after": "0" } })
      hub.faults.storage.push({ _tag: "Status", status: 429, headers: { ratelimit: '"resolvers";r=0;t=1' } })
      yield* pulling.pull(NAME)
      assert.deepStrictEqual(
        pulling.events.flatMap((event) => (event._tag === "Waiting" ? [event.seconds] : [])),
        [0, 1],
      )
      hub.faults.hub.push({ _tag: "Status", status: 429, headers: { "retry-after": "3600" } })
      const letter = yield* pulling.letter("quanter/Poet-8B-GGUF:Q8_0")
      assert.strictEqual(letter.reason, "RateLimited")
      assert.include(letter.text, "3600 seconds")
      assert.include(letter.text, "HF_TOKEN")
    }).pipe(Effect.scoped),
  )

  it.live("lets a slow storage take its time, and leaves one that stands still", () =>
    Effect.gen(function* () {
      const hub = yield* ScriptedHub.make([gguf])
      const pulling = yield* Pulling.make({ url: hub.url, idleMs: 60 })
      hub.faults.storage.push({ _tag: "Slow", bytesPerTick: 4_000 })
      assert.deepStrictEqual(read((yield* pulling.pull(NAME)).path), Q4)
      assert.deepStrictEqual(hub.ranges(), ["whole"])
      hub.faults.storage.push({ _tag: "Stall", bytes: 1_000 })
      yield* pulling.pull("quanter/Poet-8B-GGUF:IQ4_XS")
      assert.strictEqual(hub.ranges().length, 3)
    }).pipe(Effect.scoped),
  )

  it.live("gives up where nothing comes at all, and keeps what is there", () =>
    Effect.gen(function* () {
      const { hub, pulling } = yield* started
      hub.faults.storage.push({ _tag: "CutAfter", bytes: 50_000 })
      for (let tries = 0; tries < 6; tries++) hub.faults.storage.push({ _tag: "Status", status: 502 })
      const letter = yield* pulling.letter(NAME)
      assert.strictEqual(letter.reason, "Unreachable")
      assert.include(letter.text, "kept")
      assert.strictEqual(parts(pulling.directory).length, 2)
      hub.faults.storage.length = 0
      assert.deepStrictEqual(read((yield* pulling.pull(NAME)).path), Q4)
    }).pipe(Effect.scoped),
  )

  it.live("says that the disk is full, and goes on when there is room", () =>
    Effect.gen(function* () {
      let room = 60_000
      const full = Effect.fail(
        PlatformError.systemError({
          _tag: "Unknown",
          module: "FileSystem",
          method: "write",
          description: "write",
          cause: Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" }),
        }),
      )
      const files = Layer.effect(
        FileSystem.FileSystem,
        Effect.map(FileSystem.FileSystem, (fs) => ({
          ...fs,
          open: (path: string, options?: Parameters<typeof fs.open>[1]) =>
            Effect.map(fs.open(path, options), (file) => ({
              ...file,
              stat: file.stat,
              sync: file.sync,
              read: (buffer: Uint8Array, at?: FileSystem.File.ReadOptions) => file.read(buffer, at),
              writeAll: (bytes: Uint8Array) => {
                if (!path.endsWith(".part")) return file.writeAll(bytes)
                room -= bytes.length
                return room < 0 ? full : file.writeAll(bytes)
              },
            })),
        })),
      ).pipe(Layer.provide(NodeFileSystem.layer))
      const hub = yield* ScriptedHub.make([gguf])
      const pulling = yield* Pulling.make({ url: hub.url, files })
      hub.faults.storage.push({ _tag: "Slow", bytesPerTick: 20_000 })
      const letter = yield* pulling.letter(NAME)
      assert.strictEqual(letter.reason, "DiskFull")
      assert.include(letter.text, "no space is left on the disk (ENOSPC)")
      room = 1_000_000
      assert.deepStrictEqual(read((yield* pulling.pull(NAME)).path), Q4)
      assert.match(hub.ranges().at(-1) ?? "", /^bytes=[1-9]/)
    }).pipe(Effect.scoped),
  )

  it.live("asks for a file that is larger than one answer may be in parts", () =>
    Effect.gen(function* () {
      const hub = yield* ScriptedHub.make([gguf])
      const pulling = yield* Pulling.make({ url: hub.url, mostBytes: 40_000 })
      hub.faults.storage.push({ _tag: "CutAfter", bytes: 0 })
      assert.deepStrictEqual(read((yield* pulling.pull(NAME)).path), Q4)
      assert.deepStrictEqual(hub.ranges(), ["bytes=0-39999", "bytes=0-39999", "bytes=40000-79999", "bytes=80000-"])
      const again = yield* Pulling.make({ url: hub.url, mostBytes: 60_000 })
      hub.faults.storage.push({ _tag: "IgnoreRange" })
      assert.deepStrictEqual(read((yield* again.pull(NAME)).path), Q4)
      assert.strictEqual(hub.ranges().length, 5)
    }).pipe(Effect.scoped),
  )

  it.live("gets all parts of a split model, each once, side by side", () =>
    Effect.gen(function* () {
      const { hub, pulling } = yield* started
      hub.faults.storage.push({ _tag: "CutAfter", bytes: 10 })
      const pulled = yield* pulling.pull("quanter/Poet-8B-GGUF:bf16")
      assert.strictEqual(Path.basename(pulled.path), "Poet-8B-BF16-00001-of-00003.gguf")
      assert.deepStrictEqual(Fs.readdirSync(Path.dirname(pulled.path)).toSorted(), [
        "Poet-8B-BF16-00001-of-00003.gguf",
        "Poet-8B-BF16-00002-of-00003.gguf",
        "Poet-8B-BF16-00003-of-00003.gguf",
      ])
      assert.strictEqual(pulled.stored.files.length, 3)
      const told = pulling.events.flatMap((event) => (event._tag === "Progress" ? [event] : []))
      assert.isTrue(told.every(({ total }) => total === 93_000))
      assert.strictEqual(told.at(-1)?.bytes, 93_000)
    }).pipe(Effect.scoped),
  )

  it.live("checks a small file, which stands in git, by git's own digest", () =>
    Effect.gen(function* () {
      const bytes = bytesOf(31, 5_000)
      const repo = {
        id: "a/Tiny-GGUF",
        files: [{ path: "tiny-q8_0.gguf", bytes, isSmall: true }],
        card: { license: "mit" },
      }
      const hub = yield* ScriptedHub.make([repo])
      const pulling = yield* Pulling.make({ url: hub.url })
      const pulled = yield* pulling.pull("a/Tiny-GGUF")
      assert.strictEqual(pulled.digest, ScriptedHub.sha256(bytes))
      assert.deepStrictEqual(read(pulled.path), bytes)
    }).pipe(Effect.scoped),
  )

  it.live("is made once by many that ask at the same time", () =>
    Effect.gen(function* () {
      const { hub, pulling } = yield* started
      hub.faults.storage.push({ _tag: "Slow", bytesPerTick: 5_000 })
      const all = yield* Effect.all(
        Array.from({ length: 4 }, () => pulling.pull(NAME)),
        { concurrency: "unbounded" },
      )
      for (const one of all) assert.deepStrictEqual(read(one.path), Q4)
      assert.deepStrictEqual(hub.ranges(), ["whole"])
      assert.strictEqual(pulling.told("Busy").length, 3)
    }).pipe(Effect.scoped),
  )

  it.live("shows its token to the hub and never to the storage", () =>
    Effect.gen(function* () {
      const hub = yield* ScriptedHub.make([gated])
      const pulling = yield* Pulling.make({ url: hub.url, token: ScriptedHub.TOKEN })
      yield* pulling.pull("shy/Secret-GGUF", true)
      for (const { headers, host } of hub.seen) {
        assert.strictEqual(headers.authorization, host === "hub" ? `Bearer ${ScriptedHub.TOKEN}` : undefined)
      }
      assert.notInclude(JSON.stringify(pulling.events), ScriptedHub.TOKEN)
    }).pipe(Effect.scoped),
  )
})
