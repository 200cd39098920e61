/**
 * The checks by name, and running one.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { CheckName, type Outcome } from "@guildhall/core/EntryVerification"
import { type Check, notChecked, type Subject } from "./Check.ts"
import * as Completion from "./checks/Completion.ts"
import * as Concurrency from "./checks/Concurrency.ts"
import * as Context from "./checks/Context.ts"
import * as DeviceKey from "./checks/DeviceKey.ts"
import * as Model from "./checks/Model.ts"
import * as Reach from "./checks/Reach.ts"
import * as Region from "./checks/Region.ts"
import * as Resolve from "./checks/Resolve.ts"
import * as Streaming from "./checks/Streaming.ts"
import * as Tls from "./checks/Tls.ts"

/**
 * Every check by its name.
 *
 * @category checks
 * @since 0.1.0
 */
export const byName: Readonly<Record<CheckName, Check>> = {
  resolve: Resolve.check,
  reach: Reach.check,
  tls: Tls.check,
  device_key: DeviceKey.check,
  region: Region.check,
  model: Model.check,
  completion: Completion.check,
  streaming: Streaming.check,
  context: Context.check,
  concurrency: Concurrency.check,
}

/**
 * The checks that the market asks for, in the order in which they are made: what costs nothing first.
 *
 * @category getters
 * @since 0.1.0
 */
export const inOrder = (asked: ReadonlyArray<CheckName>): ReadonlyArray<CheckName> =>
  CheckName.literals.filter((name) => asked.includes(name))

/** A check ends after so long, whatever it waits for. */
const LIMIT_MS = 300_000

/**
 * Makes one check. It never fails; one that dies by a fault of ours is not checked.
 *
 * @category constructors
 * @since 0.1.0
 */
export const run = Effect.fn("Checks.run")(function* (name: CheckName, subject: Subject) {
  const verdict = yield* byName[name].run(subject).pipe(
    Effect.timeoutOrElse({
      duration: LIMIT_MS,
      orElse: () =>
        Effect.succeed(notChecked(`It was not done within ${LIMIT_MS / 1000} s.`, "It is made again by itself.")),
    }),
    Effect.catchDefect((defect) =>
      Effect.as(
        Effect.logError(`The check ${name} of ${subject.instance.id} broke down.`, defect),
        notChecked("The check broke down by a fault of the market.", "It is made again by itself."),
      ),
    ),
  )
  return { check: name, atMs: yield* Clock.currentTimeMillis, ...verdict } satisfies Outcome
})
