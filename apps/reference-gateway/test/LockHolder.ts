/** A program that takes the lock of a home, says whether it got it, and keeps it until its input ends. */
import * as Effect from "effect/Effect"
import * as HomeLock from "../src/HomeLock.ts"

const [directory = ""] = process.argv.slice(2)

const program = HomeLock.acquire({ directory, purpose: "a test" }).pipe(
  Effect.matchEffect({
    onSuccess: () => Effect.sync(() => process.stdout.write("won\n")),
    onFailure: (error) => Effect.sync(() => process.stdout.write(`refused ${error.message}\n`)),
  }),
  Effect.andThen(
    Effect.callback<void>((resume) => {
      process.stdin.on("end", () => resume(Effect.void)).resume()
    }),
  ),
)

await Effect.runPromise(Effect.scoped(program))
