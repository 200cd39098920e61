import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { realpathSync } from "node:fs"
import { tmpdir } from "node:os"
import * as ProcessTable from "../src/ProcessTable.ts"
import { until } from "./MarketProcess.ts"

const onLinux = process.platform === "linux"

describe("ProcessTable", () => {
  it("a process keeps its identity, and none is left when it is gone", async () => {
    const child = spawn("sleep", ["100"])
    const pid = child.pid ?? 0
    const identity = ProcessTable.identity(pid)
    assert.isDefined(identity)
    assert.strictEqual(ProcessTable.identity(pid), identity)
    assert.notStrictEqual(identity, ProcessTable.identity(process.pid))
    child.kill("SIGKILL")
    await once(child, "close")
    assert.isUndefined(ProcessTable.identity(pid))
    assert.isFalse(ProcessTable.isTaken(pid))
  })

  it.skipIf(!onLinux)("a zombie is dead, though its pid is taken", async () => {
    // The shell becomes a program that never asks how its child ended.
    const parent = spawn("/bin/sh", ["-c", "sleep 0.05 & echo $!; exec sleep 100"])
    const [line] = await once(parent.stdout, "data")
    const zombie = Number(String(line))
    await until("it is a zombie", () => ProcessTable.identity(zombie) === undefined)
    assert.isTrue(ProcessTable.isTaken(zombie))
    parent.kill("SIGKILL")
  })

  it.skipIf(!onLinux)("finds a program's processes by their directory, and no others", async () => {
    const directory = realpathSync(tmpdir())
    const child = spawn("sleep", ["100"], { cwd: directory })
    await once(child, "spawn")
    await until("it is found", () => ProcessTable.workingIn(directory, ["sleep"]).includes(child.pid ?? 0))
    assert.notInclude(ProcessTable.workingIn(directory, ["postgres"]), child.pid)
    child.kill("SIGKILL")
  })

  it("nonsense is nobody", () => {
    for (const pid of [0, -1, Number.NaN, 1.5]) assert.isUndefined(ProcessTable.identity(pid))
    assert.isFalse(ProcessTable.isTaken(Number.NaN))
  })
})
