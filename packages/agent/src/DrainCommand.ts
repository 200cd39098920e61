/**
 * The command line's `drain`: lets a running agent finish what it has, and stops it.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { AgentError } from "./AgentError.ts"
import * as CommandAnswer from "./CommandAnswer.ts"
import * as CommandFlags from "./CommandFlags.ts"
import * as RunningAgent from "./control/RunningAgent.ts"
import * as TimeText from "./TimeText.ts"

const LOOK_MS = 200
/** What was broken off, the last beat and the goodbye take this long at most. */
const END_MS = 15_000

const CLEAR = "\r\u001b[K"

const inFlight = (home: string) =>
  Effect.gen(function* () {
    const { status } = yield* RunningAgent.require(home)
    return (yield* status).instances.reduce((sum, one) => sum + one.inFlight, 0)
  }).pipe(
    Effect.scoped,
    Effect.orElseSucceed(() => undefined),
  )

/** Waits until the agent is gone, and shows a person what it still has. */
const untilGone = Effect.fnUntraced(function* (home: string, limitMs: number) {
  const stdio = yield* Stdio.Stdio
  const isWatched = yield* stdio.stderrIsTerminal
  const write = (text: string) =>
    isWatched ? Effect.ignore(Stream.run(Stream.make(text), stdio.stderr({ endOnDone: false }))) : Effect.void
  const look = Effect.gen(function* () {
    const left = yield* inFlight(home)
    if (left !== undefined) yield* write(`${CLEAR}Draining: ${left} ${left === 1 ? "request" : "requests"} under way`)
    return Option.isNone(yield* RunningAgent.find(home))
  })
  yield* look.pipe(
    Effect.repeat({ until: (isGone) => isGone, schedule: Schedule.spaced(LOOK_MS) }),
    Effect.timeout(limitMs + END_MS),
    Effect.mapError(
      () =>
        new AgentError({
          reason: "NotReady",
          detail: "The agent was told to stop, and has not. Look at `guildhall-agent logs`, or stop its process.",
        }),
    ),
    Effect.ensuring(write(CLEAR)),
  )
})

const flags = {
  limit: Flag.String("limit").pipe(
    Flag.withDescription("How long what is under way may take, such as 90s or 2h; then it is broken off (1h)"),
    Flag.withDefault("1h"),
    Flag.filterMap(
      (text) => Option.fromUndefinedOr(TimeText.duration(text)),
      () => "a duration, such as 90s, 30m or 2h",
    ),
  ),
  home: CommandFlags.home,
  json: CommandFlags.json,
}

/**
 * The command `drain`. It ends when the agent has.
 *
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make("drain", flags, ({ home, json, limit }) =>
  CommandAnswer.run(
    json,
    Effect.gen(function* () {
      const startMs = yield* Clock.currentTimeMillis
      const agent = yield* RunningAgent.require(home)
      yield* agent.drain(limit)
      yield* untilGone(home, limit)
      const tookMs = (yield* Clock.currentTimeMillis) - startMs
      return {
        document: { tookMs },
        text: () => [
          `The agent has finished what it had, and stopped (${TimeText.span(tookMs)}).`,
          "Start it again: guildhall-agent serve",
        ],
      }
    }),
  ),
).pipe(
  Command.withDescription("Take nothing new, finish what is under way, and stop the agent"),
  Command.withExamples([{ command: "guildhall-agent drain --limit 10m", description: "Ten minutes at most" }]),
)
