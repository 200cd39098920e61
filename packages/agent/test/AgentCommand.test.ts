import { assert, describe, it } from "@effect/vitest"
import { Cause, Runtime } from "effect"
import * as AgentCommand from "../src/AgentCommand.ts"
import { AgentError } from "../src/AgentError.ts"
import { BackendError } from "../src/Backend.ts"

describe("the exit code", () => {
  it.each([
    ["invalid_endpoint", 2],
    ["invalid_price", 2],
    ["device_revoked", 2],
    ["stale_message", 1],
    ["invalid_api_key", 1],
  ])("of a refusal with %s is %i", (code, exitCode) => {
    const error = new AgentError({ reason: "MarketRefused", detail: "no", code, status: 400 })
    assert.strictEqual(AgentCommand.exitCode(Cause.fail(error)), exitCode)
  })

  it("is 2 for a setting that cannot be, 0 for a stop, 1 for what may pass", () => {
    const cases = [
      [Cause.fail(new AgentError({ reason: "BadSetting", detail: "no" })), 2],
      [Cause.fail(new AgentError({ reason: "MarketAway", detail: "no" })), 1],
      [Cause.die("broken"), 1],
      [Cause.interrupt(), 0],
    ] as const
    for (const [cause, exitCode] of cases) assert.strictEqual(AgentCommand.exitCode(cause), exitCode)
  })

  it("leaves no stack behind the letter that it wrote", () => {
    assert.isFalse(Runtime.getErrorReported(new AgentError({ reason: "BadSetting", detail: "no" })))
    assert.isFalse(Runtime.getErrorReported(new BackendError({ reason: "NoModel", detail: "no" })))
  })
})
