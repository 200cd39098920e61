import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Logger } from "effect"
import * as Log from "../src/Log.ts"

const lines = (isColoured: boolean, program: Effect.Effect<void>) =>
  Effect.gen(function* () {
    const written: Array<string> = []
    const logger = Logger.map(Log.make(isColoured), (line) => void written.push(line))
    yield* program.pipe(Effect.provide(Logger.layer([logger])))
    return written
  })

describe("Log", () => {
  it.effect("writes a line with the time, and the level only where it is unusual", () =>
    Effect.gen(function* () {
      const written = yield* lines(
        false,
        Effect.andThen(
          Effect.logInfo("Ready.", { port: 8787 }),
          Effect.annotateLogs(Effect.logWarning("It is slow."), "attempt", 2),
        ),
      )
      assert.deepStrictEqual(written, ['00:00:00 Ready. {"port":8787}', "00:00:00 WARN It is slow. attempt=2"])
    }),
  )

  it.effect("writes below a warning what caused it", () =>
    Effect.gen(function* () {
      const [written = ""] = yield* lines(false, Effect.logWarning("It broke off.", Cause.fail(new Error("no route"))))
      assert.match(written, /^00:00:00 WARN It broke off\.\nError: no route\n\s+at /)
    }),
  )

  it.effect("writes an error that is logged beside a text with its stack and what caused it", () =>
    Effect.gen(function* () {
      const error = new Error("no table", { cause: new Error("no database") })
      const [written = ""] = yield* lines(false, Effect.logError("The call failed.", error))
      assert.match(written, /^00:00:00 ERROR The call failed\.\nError: no table\n\s+at [^]*no database/)
    }),
  )

  it.effect("colours the level, and nothing else, where that is wanted", () =>
    Effect.gen(function* () {
      const written = yield* lines(true, Effect.andThen(Effect.logError("No."), Effect.logInfo("Yes.")))
      assert.deepStrictEqual(written, ["00:00:00 \u001b[31mERROR\u001b[0m No.", "00:00:00 Yes."])
    }),
  )
})
