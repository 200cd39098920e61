import { assert, it } from "@effect/vitest"
import { Runtime } from "effect"
import { CommandFailure } from "@guildhall/core/CommandFailure"

it("a command ends with the exit code that its failure names, with 1 where it names none", () => {
  assert.strictEqual(Runtime.getErrorExitCode(new CommandFailure({ detail: "wrong code", exitCode: 3 })), 3)
  assert.strictEqual(Runtime.getErrorExitCode(new CommandFailure({ detail: "it failed" })), 1)
})
