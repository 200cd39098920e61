import * as Result from "effect/Result"
import type { Flaw } from "../openai/Touched.ts"

/**
 * Reads a body and keeps the first thing that is wrong with it. Whoever finds something says so and goes on with a
 * harmless value; what is read is given out only where nothing was wrong.
 */
export class Inspection {
  flaw: Flaw | undefined

  /** A member is wrong. */
  invalid(param: string | null, message: string): void {
    this.flaw ??= { code: "invalid_request", param, message }
  }

  /** A member is right, but what would serve it has no word for it. */
  unsupported(param: string | null, message: string): void {
    this.flaw ??= { code: "unsupported_parameter", param, message }
  }

  /** What was read, unless something was wrong. */
  conclude<A>(value: A): Result.Result<A, Flaw> {
    return this.flaw === undefined ? Result.succeed(value) : Result.fail(this.flaw)
  }
}
