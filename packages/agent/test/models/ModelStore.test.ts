import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as AgentHome from "../../src/AgentHome.ts"
import * as AgentProcess from "../AgentProcess.ts"
import * as FileLock from "../../src/models/FileLock.ts"
import * as KnownDigest from "../../src/models/KnownDigest.ts"
import * as ModelStore from "../../src/models/ModelStore.ts"
import * as Pulling from "./Pulling.ts"
import { base, bytesOf, gguf, own, Q4 } from "./Repos.ts"
import * as ScriptedHub from "./ScriptedHub.ts"

const NAME = "quanter/Poet-8B-GGUF:Q4_K_M"
const everything = Effect.gen(function* () {
  const hub = yield* ScriptedHub.make([base, gguf, own])
  return { hub, pulling: yield* Pulling.make({ url: hub.url }) }
})
const weights = (directory: string) => Fs.readdirSync(Path.join(directory, "weights"))

describe("V7 · what was downloaded", () => {
  it.live("is served without the hub, under every name that means it", () =>
    Effect.gen(function* () {
      const { hub, pulling } = yield* everything
      yield* pulling.pull(NAME)
      const asked = hub.seen.length
      for (const name of [
        NAME,
        "quanter/poet-8b-gguf",
        "Acme/Poet-8B",
        "acme/poet-8b:q4_k_m",
        "quanter/Poet-8B-GGUF/Poet-8B-Q4_K_M.gguf",
      ]) {
        assert.strictEqual((yield* pulling.ensure(name)).digest, ScriptedHub.sha256(Q4))
      }
      const short = ScriptedHub.commitOf(gguf).slice(0, 10)
      assert.isFalse((yield* pulling.ensure(`${NAME}@${short}`)).isNew)
      assert.strictEqual(hub.seen.length, asked)
      // A branch may have moved: only the hub knows.
      yield* pulling.ensure(`${NAME}@main`)
      assert.isAbove(hub.seen.length, asked)
    }).pipe(Effect.scoped),
  )

  it.live("is read anew where its file was changed, and fetched again where it is damaged", () =>
    Effect.gen(function* () {
      const { hub, pulling } = yield* everything
      const { path } = yield* pulling.pull(NAME)
      Fs.utimesSync(path, 1, 1)
      yield* pulling.ensure(NAME)
      assert.strictEqual(pulling.told("Checking").length, 1)
      // The new time is remembered.
      yield* pulling.ensure(NAME)
      assert.strictEqual(pulling.told("Checking").length, 1)
      const damaged = Buffer.from(Q4)
      damaged[5_000] = (damaged[5_000] ?? 0) ^ 1
      Fs.writeFileSync(path, damaged)
      assert.isTrue((yield* pulling.ensure(NAME)).isNew)
      assert.deepStrictEqual(new Uint8Array(Fs.readFileSync(path)), Q4)
      Fs.truncateSync(path, 10)
      assert.isTrue((yield* pulling.ensure(NAME)).isNew)
      Fs.rmSync(path)
      assert.isTrue((yield* pulling.ensure(NAME)).isNew)
      assert.strictEqual(hub.ranges().length, 4)
    }).pipe(Effect.scoped),
  )

  it.live("is kept once where two publish the same file, until the last of them is removed", () =>
    Effect.gen(function* () {
      const twin = {
        ...gguf,
        id: "twin/Poet-8B-GGUF",
        files: gguf.files.filter(({ path }) => path.endsWith("Q4_K_M.gguf")),
      }
      const hub = yield* ScriptedHub.make([gguf, twin])
      const pulling = yield* Pulling.make({ url: hub.url })
      yield* pulling.pull(NAME)
      yield* pulling.pull("twin/Poet-8B-GGUF")
      assert.deepStrictEqual(hub.ranges(), ["whole"])
      const [first, second] = yield* pulling.list
      if (first === undefined || second === undefined) return assert.fail("two records")
      const remove = (one: ModelStore.Stored) =>
        pulling.provided(Effect.flatMap(ModelStore.ModelStore, (store) => store.remove(one)))
      assert.strictEqual(yield* remove(first), 0)
      assert.strictEqual(weights(pulling.directory).length, 1)
      assert.strictEqual(yield* remove(second), Q4.length)
      assert.deepStrictEqual(weights(pulling.directory), [])
    }).pipe(Effect.scoped),
  )

  it.live("gives way to what is published later, when it is pulled again", () =>
    Effect.gen(function* () {
      const { hub, pulling } = yield* everything
      yield* pulling.pull(NAME)
      assert.isFalse((yield* pulling.pull(NAME)).isNew)
      const later = bytesOf(500, 120_000)
      const files = gguf.files.map((file) => (file.bytes === Q4 ? { ...file, bytes: later } : file))
      hub.publish([{ ...gguf, files }])
      // What is here is served as it is.
      assert.strictEqual((yield* pulling.ensure(NAME)).digest, ScriptedHub.sha256(Q4))
      assert.strictEqual((yield* pulling.pull(NAME)).digest, ScriptedHub.sha256(later))
      assert.deepStrictEqual(weights(pulling.directory), [ScriptedHub.sha256(later)])
      assert.strictEqual((yield* pulling.list).length, 1)
    }).pipe(Effect.scoped),
  )

  it.live("survives records that cannot be read", () =>
    Effect.gen(function* () {
      const { pulling } = yield* everything
      yield* pulling.pull(NAME)
      const records = Path.join(pulling.directory, "records")
      Fs.writeFileSync(Path.join(records, "broken.json"), "{")
      Fs.writeFileSync(Path.join(records, "odd.json"), JSON.stringify({ version: 1, folder: "../../.." }))
      assert.strictEqual((yield* pulling.list).length, 1)
    }).pipe(Effect.scoped),
  )
})

describe("V7 · the lock of a file", () => {
  const locked = <A, E, R>(effect: Effect.Effect<A, E, R>) => effect.pipe(Effect.provide(NodeServices.layer))

  it.live("is held by one at a time, and taken over from the dead", () =>
    Effect.gen(function* () {
      const file = Path.join(yield* AgentProcess.temporaryHome, "x.lock")
      const order: Array<string> = []
      const hold = (name: string) =>
        Effect.gen(function* () {
          yield* FileLock.acquire(file, () => Effect.void)
          order.push(`${name}+`)
          yield* Effect.sleep(20)
          order.push(`${name}-`)
        }).pipe(Effect.scoped)
      yield* Effect.all([hold("a"), hold("b"), hold("c")], { concurrency: 3 })
      assert.deepStrictEqual(order.map((step) => step[1]).join(""), "+-+-+-")
      const dead = ChildProcess.spawnSync(process.execPath, ["-e", ""])
      for (const left of [
        JSON.stringify({ pid: dead.pid, startedAt: "1", host: Os.hostname() }),
        // The id of this process, which another had before.
        JSON.stringify({ pid: process.pid, startedAt: "1", host: Os.hostname() }),
        "half a lo",
        "",
      ]) {
        Fs.writeFileSync(file, left)
        assert.isTrue(yield* Effect.scoped(FileLock.tryAcquire(file)))
      }
      assert.deepStrictEqual(Fs.readdirSync(Path.dirname(file)), [])
    }).pipe(Effect.scoped, locked),
  )

  it.live("of another machine holds as long as it is touched", () =>
    Effect.gen(function* () {
      const file = Path.join(yield* AgentProcess.temporaryHome, "x.lock")
      Fs.writeFileSync(file, JSON.stringify({ pid: 1, startedAt: "1", host: "elsewhere" }))
      assert.isFalse(yield* Effect.scoped(FileLock.tryAcquire(file)))
      Fs.utimesSync(file, 1, 1)
      assert.isTrue(yield* Effect.scoped(FileLock.tryAcquire(file)))
    }).pipe(Effect.scoped, locked),
  )

  it.live("of a living process is waited for, and can be given up", () =>
    Effect.gen(function* () {
      const file = Path.join(yield* AgentProcess.temporaryHome, "x.lock")
      let busy = 0
      const fiber = yield* Effect.scoped(
        Effect.gen(function* () {
          assert.isTrue(yield* FileLock.tryAcquire(file))
          const waiting = Effect.scoped(FileLock.acquire(file, (pid) => Effect.sync(() => void (busy = pid))))
          const one = yield* Effect.forkChild(waiting)
          while (busy === 0) yield* Effect.sleep(1)
          yield* Fiber.interrupt(one)
          return one
        }),
      )
      assert.strictEqual(busy, process.pid)
      assert.isDefined(fiber)
      assert.isFalse(Fs.existsSync(file))
    }).pipe(Effect.scoped, locked),
  )
})

describe("V7 · the digest of a file of one's own", () => {
  it.live("is made once, and anew when the file changes; that of a split one covers all parts", () =>
    Effect.gen(function* () {
      const directory = yield* AgentProcess.temporaryHome
      const home = AgentHome.layer({ directory: Path.join(directory, "home") })
      const file = Path.join(directory, "m.gguf")
      Fs.writeFileSync(file, Q4)
      yield* Effect.gen(function* () {
        assert.strictEqual(yield* KnownDigest.of(file), ScriptedHub.sha256(Q4))
        // What is remembered counts: the file is not read again.
        const known = Path.join(directory, "home", "digests.json")
        const fake = "f".repeat(64)
        Fs.writeFileSync(known, Fs.readFileSync(known, "utf8").replace(ScriptedHub.sha256(Q4), fake))
        assert.strictEqual(yield* KnownDigest.of(file), fake)
        Fs.utimesSync(file, 5, 5)
        assert.strictEqual(yield* KnownDigest.of(file), ScriptedHub.sha256(Q4))
        const parts = [1, 2].map((number) => Path.join(directory, `s-0000${number}-of-00002.gguf`))
        parts.forEach((part, at) => Fs.writeFileSync(part, bytesOf(at, 100)))
        const list = parts.map((_, at) => `${ScriptedHub.sha256(bytesOf(at, 100))}\n`).join("")
        assert.strictEqual(yield* KnownDigest.of(parts[0] ?? ""), ScriptedHub.sha256(Buffer.from(list)))
        Fs.rmSync(parts[1] ?? "")
        assert.include((yield* Effect.flip(KnownDigest.of(parts[0] ?? ""))).message, "s-00002-of-00002.gguf")
      }).pipe(Effect.provide(home))
    }).pipe(Effect.provide(NodeServices.layer), Effect.scoped),
  )
})
