import * as ChildProcess from "node:child_process"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, PlatformError } from "effect"
import { headBytes, lineBytes, type UsageLine } from "@guildhall/protocol/provider/UsageLog"
import * as AgentHome from "../src/AgentHome.ts"
import * as DeviceKey from "../src/DeviceKey.ts"
import * as UsageLog from "../src/UsageLog.ts"
import * as AgentProcess from "./AgentProcess.ts"
import { quiet } from "./Quiet.ts"
import { entry } from "./TestEntry.ts"

const opened = (directory: string) =>
  UsageLog.layer.pipe(
    Layer.provideMerge(DeviceKey.layer),
    Layer.provideMerge(AgentHome.layer({ directory })),
    Layer.provide(NodeServices.layer),
  )

/** Opens the log, uses it, closes it. */
const using = <A, E>(directory: string, use: Effect.Effect<A, E, UsageLog.UsageLog | DeviceKey.DeviceKey>) =>
  Effect.provide(use, opened(directory), { local: true }).pipe(quiet)

const record = (...numbers: ReadonlyArray<number>) =>
  Effect.flatMap(UsageLog.UsageLog, (log) => {
    for (const number of numbers) log.record(entry(number))
    return log.flush
  })

const pending = Effect.flatMap(UsageLog.UsageLog, (log) => log.pending)
const acknowledge = (number: number) => Effect.flatMap(UsageLog.UsageLog, (log) => log.acknowledge(number))

const assertChain = (lines: ReadonlyArray<UsageLine>) => {
  lines.forEach((line, at) => {
    const { hash, ...rest } = line
    assert.strictEqual(hash, Crypto.createHash("sha256").update(lineBytes(rest)).digest("hex"))
    const before = lines[at - 1]
    if (before === undefined) return
    assert.strictEqual(line.previous, before.hash)
    assert.strictEqual(line.number, before.number + 1)
  })
}

/** A disk that, while it is full, takes the first half of what is written. */
const fillingDisk = (disk: { readonly isFull: boolean }) =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (fs) => ({
      ...fs,
      open: (path: string, options?: Parameters<typeof fs.open>[1]) =>
        Effect.map(fs.open(path, options), (file) => ({
          ...file,
          stat: file.stat,
          sync: file.sync,
          truncate: (size?: number) => file.truncate(size),
          writeAll: (bytes: Uint8Array) =>
            disk.isFull
              ? Effect.andThen(
                  file.writeAll(bytes.subarray(0, bytes.length / 2)),
                  Effect.fail(PlatformError.systemError({ _tag: "Unknown", module: "FileSystem", method: "writeAll" })),
                )
              : file.writeAll(bytes),
        })),
    })),
  ).pipe(Layer.provide(NodeServices.layer))

const numbers = (lines: ReadonlyArray<UsageLine>) => lines.map((line) => line.number)
const fileOf = (home: string) => Path.join(home, "usage.log")

describe("UsageLog", () => {
  it.live("chains lines, signs a head over the last one it reports, and keeps them over a restart", () =>
    Effect.gen(function* () {
      const home = yield* AgentProcess.temporaryHome
      const report = yield* using(
        home,
        Effect.gen(function* () {
          const log = yield* UsageLog.UsageLog
          assert.deepStrictEqual((yield* log.report(10)).lines, [])
          yield* record(1, 2, 3)
          return {
            first: yield* log.report(2),
            all: yield* log.report(10),
            key: (yield* DeviceKey.DeviceKey).publicKey,
          }
        }),
      )
      assert.deepStrictEqual(numbers(report.first?.lines ?? []), [1, 2])
      assert.strictEqual(report.first?.head.number, 2)
      const lines = report.all?.lines ?? []
      assertChain(lines)
      assert.strictEqual(lines[0]?.previous, "0".repeat(64))
      const head = report.all?.head
      if (head === undefined) return assert.fail("there is no head")
      const publicKey = Crypto.createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x: report.key } })
      const bytes = headBytes(report.key, { number: 3, hash: head.hash })
      assert.isTrue(Crypto.verify(null, bytes, publicKey, Buffer.from(head.signature, "base64url")))
      const again = yield* using(home, Effect.andThen(record(4), pending))
      assert.deepStrictEqual(again.slice(0, 3), lines)
      assertChain(again)
    }),
  )

  it.live("forgets what is acknowledged, also over a restart, and compacts", () =>
    Effect.gen(function* () {
      const home = yield* AgentProcess.temporaryHome
      const many = Array.from({ length: 100 }, (_, at) => at + 1)
      yield* using(home, Effect.andThen(record(...many), acknowledge(30)))
      const before = Fs.statSync(fileOf(home)).size
      assert.deepStrictEqual(numbers(yield* using(home, pending)), many.slice(30))
      yield* using(home, acknowledge(98))
      assert.isBelow(Fs.statSync(fileOf(home)).size, before / 10)
      const last = yield* using(home, Effect.andThen(record(101), pending))
      assert.deepStrictEqual(numbers(last), [99, 100, 101])
      assertChain(last)
      yield* using(home, acknowledge(101))
      const next = yield* using(home, Effect.andThen(record(102), pending))
      assert.deepStrictEqual(numbers(next), [102])
      assert.strictEqual(next[0]?.previous, last.at(-1)?.hash)
    }),
  )

  it.live("drops a line that a crash cut off", () =>
    Effect.gen(function* () {
      const home = yield* AgentProcess.temporaryHome
      const lines = yield* using(home, Effect.andThen(record(1, 2, 3), pending))
      const size = Fs.statSync(fileOf(home)).size
      Fs.truncateSync(fileOf(home), size - 5)
      const again = yield* using(home, Effect.andThen(record(4), pending))
      assert.deepStrictEqual(numbers(again), [1, 2, 3])
      assert.deepStrictEqual(again.slice(0, 2), lines.slice(0, 2))
      assert.strictEqual(again[2]?.usage.inputToken, 4)
      assertChain(again)
      assert.deepStrictEqual(
        Fs.readdirSync(home).filter((name) => name.includes("damaged")),
        [],
      )
    }),
  )

  it.live("keeps a copy of a damaged log and goes on from the last good line", () =>
    Effect.gen(function* () {
      const home = yield* AgentProcess.temporaryHome
      yield* using(home, record(1, 2, 3))
      const text = Fs.readFileSync(fileOf(home), "utf8")
      Fs.writeFileSync(fileOf(home), text.replace('"inputToken":2', '"inputToken":9'))
      const again = yield* using(home, Effect.andThen(record(4), pending))
      assert.deepStrictEqual(numbers(again), [1, 2])
      assertChain(again)
      assert.lengthOf(
        Fs.readdirSync(home).filter((name) => name.startsWith("usage.log.damaged-")),
        1,
      )
    }),
  )

  it.live("asks for a beat after 256 lines", () =>
    Effect.gen(function* () {
      const home = yield* AgentProcess.temporaryHome
      yield* using(
        home,
        Effect.gen(function* () {
          const log = yield* UsageLog.UsageLog
          yield* record(...Array.from({ length: 255 }, (_, at) => at + 1))
          assert.isTrue((yield* Effect.timeoutOption(log.due, 20))._tag === "None")
          yield* record(256)
          yield* log.due
          yield* log.report(500)
          assert.isTrue((yield* Effect.timeoutOption(log.due, 20))._tag === "None")
        }),
      )
    }),
  )

  it.live("closes where the disk fails", () =>
    Effect.gen(function* () {
      const home = yield* AgentProcess.temporaryHome
      const isOpen = yield* using(
        home,
        Effect.gen(function* () {
          yield* record(1)
          Fs.rmSync(home, { recursive: true, force: true })
          const log = yield* UsageLog.UsageLog
          log.record(entry(2))
          const failed = yield* Effect.flip(log.flush)
          assert.strictEqual(failed.reason, "HomeUnusable")
          assert.include(failed.message, "there is no such file or folder (ENOENT). Nothing is served until")
          return log.isOpen()
        }),
      )
      assert.isFalse(isOpen)
    }),
  )

  it.live("opens again once a full disk has room, and has lost no line", () =>
    Effect.gen(function* () {
      const home = yield* AgentProcess.temporaryHome
      const disk = { isFull: false }
      const log = UsageLog.layer.pipe(
        Layer.provideMerge(DeviceKey.layer),
        Layer.provideMerge(AgentHome.layer({ directory: home })),
        Layer.provide(Layer.provideMerge(fillingDisk(disk), NodeServices.layer)),
      )
      yield* Effect.gen(function* () {
        const log = yield* UsageLog.UsageLog
        yield* record(1)
        disk.isFull = true
        log.record(entry(2))
        assert.strictEqual((yield* Effect.flip(log.flush)).reason, "HomeUnusable")
        assert.isFalse(log.isOpen())
        // What was under way when the disk filled up.
        log.record(entry(3))
        assert.strictEqual((yield* Effect.flip(log.flush)).reason, "HomeUnusable")
        disk.isFull = false
        yield* Effect.repeat(Effect.sleep("20 millis"), { while: () => !log.isOpen() })
        yield* record(4)
      }).pipe(Effect.provide(log, { local: true }), quiet)
      const lines = yield* using(home, pending)
      assert.deepStrictEqual(
        lines.map((line) => line.usage["inputToken"]),
        [1, 2, 3, 4],
      )
      assertChain(lines)
      assert.deepStrictEqual(
        Fs.readdirSync(home).filter((name) => name.includes("damaged")),
        [],
      )
    }),
  )

  it.live("loses no line that was on disk when its process is killed", () =>
    Effect.gen(function* () {
      const home = yield* AgentProcess.temporaryHome
      const writer = fileURLToPath(new URL("./UsageLogWriter.ts", import.meta.url))
      for (const killAfter of [3, 40, 90]) {
        const seen = yield* Effect.callback<number>((resume) => {
          const child = ChildProcess.spawn(process.execPath, ["--conditions=@guildhall/source", writer, home], {
            stdio: ["ignore", "pipe", "inherit"],
          })
          let output = ""
          child.stdout.on("data", (chunk: Buffer) => {
            output += chunk.toString()
            if (output.split("\n").length > killAfter) child.kill("SIGKILL")
          })
          child.on("exit", () =>
            resume(Effect.succeed(Number(output.slice(0, output.lastIndexOf("\n")).split("\n").at(-1)))),
          )
        })
        const lines = yield* using(home, pending)
        assertChain(lines)
        assert.isAtLeast(lines.at(-1)?.number ?? 0, seen)
        assert.isAbove(seen, 0)
      }
    }),
  )
})
