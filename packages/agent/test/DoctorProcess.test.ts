import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as NodePath from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as TestProgram from "@guildhall/tools/TestProgram"
import { temporaryHome } from "./AgentProcess.ts"

interface Ended {
  readonly exitCode: number | string | null
  readonly output: string
  readonly errors: string
}

/** `doctor` as a process, with nothing in its environment but a path. */
const doctor = (...args: ReadonlyArray<string>) =>
  Effect.callback<Ended>((resume) => {
    ChildProcess.execFile(
      process.execPath,
      ["--conditions=@guildhall/source", TestProgram.of(TestProgram.agent), "doctor", ...args],
      { env: { PATH: process.env["PATH"] } },
      (error, output, errors) =>
        resume(Effect.succeed({ exitCode: error === null ? 0 : (error.code ?? null), output, errors })),
    )
  })

describe("doctor as a process", () => {
  it.live("tells a program in one object, by its exit code whether all is well, and leaves no trace", () =>
    Effect.gen(function* () {
      const home = NodePath.join(yield* temporaryHome, "agent")
      const { errors, exitCode, output } = yield* doctor("--json", "--home", home)
      const report = JSON.parse(output)
      assert.strictEqual(exitCode, report.ok === true ? 0 : 1)
      assert.strictEqual(errors, "")
      assert.isAtLeast(report.hardware.cpu.cores, 1)
      assert.isFalse(Fs.existsSync(home))
    }).pipe(Effect.scoped),
  )

  it.live("tells a person without colours where nobody looks, and ends with 1 where something must be mended", () =>
    Effect.gen(function* () {
      const home = yield* temporaryHome
      const { errors, exitCode, output } = yield* doctor("--market", "http://127.0.0.1:1", "--home", home)
      assert.strictEqual(exitCode, 1)
      assert.strictEqual(errors, "")
      assert.include(output, "✗ Market      The market at http://127.0.0.1:1 cannot be reached.")
      assert.include(output, " to mend")
      assert.notInclude(output, "\u001b")
    }).pipe(Effect.scoped),
  )

  it.live("asks the market that the machine is paired with, where none is named", () =>
    Effect.gen(function* () {
      const home = yield* temporaryHome
      Fs.writeFileSync(NodePath.join(home, "market.json"), JSON.stringify({ market: "http://127.0.0.1:1" }))
      const { output } = yield* doctor("--home", home)
      assert.include(output, "✗ Market      The market at http://127.0.0.1:1 cannot be reached.")
    }).pipe(Effect.scoped),
  )
})
