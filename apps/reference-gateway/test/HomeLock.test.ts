import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import * as HomeLock from "../src/HomeLock.ts"
import * as ProcessTable from "../src/ProcessTable.ts"
import { runFile } from "./MarketProcess.ts"

const makeDirectory = () => {
  const directory = mkdtempSync(path.join(tmpdir(), "guildhall-lock-"))
  return { directory, [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }) }
}

const holder = (directory: string) => {
  const process = runFile("LockHolder.ts", {}, [directory])
  return { ...process, release: () => (process.child.stdin?.end(), process.ends()) }
}

const locksIn = (directory: string) => readdirSync(directory).toSorted()

const owner: HomeLock.Owner = {
  pid: process.pid,
  identity: ProcessTable.identity(process.pid) ?? "",
  world: ProcessTable.world(),
  purpose: "a test",
}

const writeLock = (directory: string, generation: number, changes: Partial<HomeLock.Owner>) =>
  writeFileSync(path.join(directory, `lock.${generation}`), JSON.stringify({ ...owner, ...changes }))

/** A pid nobody has: above what Linux and macOS give out. */
const noPid = 99_999_999

describe("with processes", () => {
  it("of 20 starts at once exactly one wins", { timeout: 60_000 }, async () => {
    using home = makeDirectory()
    writeLock(home.directory, 7, { pid: noPid })
    const starts = Array.from({ length: 20 }, () => holder(home.directory))
    await Promise.all(starts.map((start) => Promise.race([start.says("won"), start.says("refused")])))
    const winners = starts.filter((start) => start.output().includes("won"))
    assert.lengthOf(winners, 1)
    const losers = starts.filter((start) => start.output().includes(`process ${winners[0]?.pid}`))
    assert.lengthOf(losers, 19)
    assert.deepStrictEqual(locksIn(home.directory), ["lock.8"])
    await Promise.all(starts.map((start) => start.release()))
  })

  it("a killed owner's lock is stale", { timeout: 30_000 }, async () => {
    using home = makeDirectory()
    const first = holder(home.directory)
    await first.says("won")
    await first.endBy("SIGKILL")
    const second = holder(home.directory)
    await second.says("won")
    assert.deepStrictEqual(locksIn(home.directory), ["lock.2"])
    await second.release()
  })
})

describe("by itself", () => {
  it.effect("a live owner refuses, with its pid and what it does", () =>
    Effect.gen(function* () {
      using home = makeDirectory()
      writeLock(home.directory, 1, {})
      const error = yield* Effect.flip(HomeLock.acquire({ directory: home.directory, purpose: "mine" }))
      assert.include(error.message, `\`a test\`, process ${process.pid}`)
      assert.include(error.message, "GUILDHALL_HOME")
    }),
  )

  it.effect("a pid that another process has by now is not the owner", () =>
    Effect.gen(function* () {
      using home = makeDirectory()
      writeLock(home.directory, 1, { identity: "an earlier life" })
      const lock = yield* HomeLock.acquire({ directory: home.directory, purpose: "mine" })
      assert.strictEqual(lock.file, path.join(home.directory, "lock.2"))
      assert.deepStrictEqual(locksIn(home.directory), ["lock.2"])
    }),
  )

  it.effect("an owner that announced its stop is waited for", () =>
    Effect.gen(function* () {
      using home = makeDirectory()
      const first = yield* HomeLock.acquire({ directory: home.directory, purpose: "first" })
      yield* first.announceStop
      const second = yield* Effect.forkChild(HomeLock.acquire({ directory: home.directory, purpose: "second" }))
      yield* TestClock.adjust("1 second")
      assert.isUndefined(second.pollUnsafe())
      writeLock(home.directory, 1, { pid: noPid })
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(second)).file, path.join(home.directory, "lock.2"))
    }),
  )

  it.effect("an owner in another container counts as alive as long as it touches its file", () =>
    Effect.gen(function* () {
      using home = makeDirectory()
      writeLock(home.directory, 1, { world: "elsewhere" })
      const start = yield* Effect.forkChild(Effect.flip(HomeLock.acquire({ directory: home.directory, purpose: "me" })))
      yield* TestClock.adjust("2 seconds")
      utimesSync(path.join(home.directory, "lock.1"), 0, 0)
      yield* TestClock.adjust("1 second")
      assert.include((yield* Fiber.join(start)).message, "in use")
    }),
  )

  it.effect("an owner in another container that no longer touches its file is dead", () =>
    Effect.gen(function* () {
      using home = makeDirectory()
      writeLock(home.directory, 1, { world: "elsewhere" })
      const start = yield* Effect.forkChild(HomeLock.acquire({ directory: home.directory, purpose: "me" }))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(start)).file, path.join(home.directory, "lock.2"))
    }),
  )

  it.effect("a damaged lock file is stale, and a killed start's draft is swept away", () =>
    Effect.gen(function* () {
      using home = makeDirectory()
      writeFileSync(path.join(home.directory, "lock.3"), "{")
      writeFileSync(path.join(home.directory, `lock.draft-${noPid}-00`), "")
      const start = yield* Effect.forkChild(HomeLock.acquire({ directory: home.directory, purpose: "me" }))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(start)).file, path.join(home.directory, "lock.4"))
      assert.deepStrictEqual(locksIn(home.directory), ["lock.4"])
    }),
  )

  it.effect("a directory that is missing is a letter", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(HomeLock.acquire({ directory: "/does/not/exist", purpose: "me" }))
      assert.include(error.message, "could not be locked")
    }),
  )
})
