import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as AgentHome from "../src/AgentHome.ts"
import * as AgentProcess from "./AgentProcess.ts"

const open = (directory: string) => Effect.provide(AgentHome.make({ directory }), NodeServices.layer)
const lockOf = (home: string) => Path.join(home, "agent.pid")

/** The lock as another process would write it. */
const heldBy = (pid: number, change: (startedAt: string) => string = (same) => same) => {
  const stat = Fs.readFileSync(`/proc/${pid}/stat`, "utf8")
  const startedAt = change(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "")
  return JSON.stringify({ pid, startedAt })
}

const sleeper = Effect.acquireRelease(
  Effect.sync(() => ChildProcess.spawn("sleep", ["60"], { stdio: "ignore" })),
  (child) => Effect.sync(() => child.kill("SIGKILL")),
)

describe("AgentHome", () => {
  it.live("makes the folder for its owner alone, and replaces files at once", () =>
    Effect.gen(function* () {
      const home = Path.join(yield* AgentProcess.temporaryHome, "a", "b")
      const opened = yield* open(home)
      assert.strictEqual(Fs.statSync(home).mode & 0o777, 0o700)
      assert.isTrue(Option.isNone(yield* opened.read("x")))
      yield* opened.write("x", Uint8Array.of(1))
      yield* opened.write("x", Uint8Array.of(2))
      assert.deepStrictEqual(Option.getOrThrow(yield* opened.read("x")), Uint8Array.of(2))
      assert.deepStrictEqual(Fs.readdirSync(home).sort(), ["agent.pid", "x"])
    }).pipe(Effect.scoped),
  )

  it.live("keeps nothing of a file that could not be written", () =>
    Effect.gen(function* () {
      const home = yield* AgentProcess.temporaryHome
      const opened = yield* open(home)
      Fs.mkdirSync(Path.join(home, "x"))
      assert.strictEqual((yield* Effect.flip(opened.write("x", Uint8Array.of(1)))).reason, "HomeUnusable")
      assert.deepStrictEqual(Fs.readdirSync(home).sort(), ["agent.pid", "x"])
    }).pipe(Effect.scoped),
  )

  it.live("is refused to a second agent while the first lives, and free when it is closed", () =>
    Effect.gen(function* () {
      const home = yield* AgentProcess.temporaryHome
      const child = yield* sleeper
      Fs.writeFileSync(lockOf(home), heldBy(child.pid ?? 0))
      const error = yield* Effect.flip(Effect.scoped(open(home)))
      assert.strictEqual(error.reason, "HomeBusy")
      assert.include(error.message, String(child.pid))
      Fs.rmSync(lockOf(home))
      yield* Effect.scoped(open(home))
      assert.isFalse(Fs.existsSync(lockOf(home)))
    }).pipe(Effect.scoped),
  )

  it.live("is taken over from a dead agent, also where its process id was given to another process", () =>
    Effect.gen(function* () {
      const home = yield* AgentProcess.temporaryHome
      const child = yield* sleeper
      for (const stale of [heldBy(child.pid ?? 0, () => "1"), '{"pid":2147480000,"startedAt":"5"}', "not a lock", ""]) {
        Fs.writeFileSync(lockOf(home), stale)
        yield* Effect.scoped(open(home))
        assert.isFalse(Fs.existsSync(lockOf(home)))
      }
      assert.deepStrictEqual(Fs.readdirSync(home), [])
    }).pipe(Effect.scoped),
  )

  it.live("says what to do where it cannot be used", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(open("/dev/null/home")))
      assert.strictEqual(error.reason, "HomeUnusable")
      assert.include(error.message, "a part of its path is no folder (ENOTDIR). Free the disk")
      assert.include(error.message, "--home")
      if (process.platform !== "linux") return
      // Node tries this for ever where it is asked for all folders at once.
      const nowhere = yield* Effect.flip(Effect.scoped(open("/proc/x")))
      assert.include(nowhere.message, "there is no such file or folder (ENOENT). Free the disk")
    }),
  )
})
