/**
 * The command line's `logs`: what the agent of this home wrote.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { AgentError } from "./AgentError.ts"
import * as CommandAnswer from "./CommandAnswer.ts"
import * as CommandFlags from "./CommandFlags.ts"
import * as LogFile from "./LogFile.ts"
import * as TimeText from "./TimeText.ts"

const FOLLOW_MS = 250
/** Lines of one look: as many come between two of them at most. */
const FOLLOW_LINES = 10_000

const badSince = (text: string) =>
  new AgentError({
    reason: "BadSetting",
    detail: `--since ${text} is no time. Write 10m (so long ago), or a time such as 2026-12-01T08:00Z.`,
  })

const sinceOf = Effect.fnUntraced(function* (since: Option.Option<string>) {
  if (Option.isNone(since)) return undefined
  const nowMs = yield* Clock.currentTimeMillis
  const agoMs = TimeText.duration(since.value)
  const ms = agoMs === undefined ? TimeText.instant(since.value, nowMs) : nowMs - agoMs
  return ms ?? (yield* badSince(since.value))
})

/** Prints what comes, until it is stopped. Lines of one moment are told apart by their words. */
const follow = Effect.fnUntraced(function* (home: string, last: LogFile.LogLine | undefined, asJson: boolean) {
  let lastMs = last === undefined ? yield* Clock.currentTimeMillis : Date.parse(last.at)
  let told = new Set(last === undefined ? [] : [`${last.at} ${last.message}`])
  while (true) {
    yield* Effect.sleep(FOLLOW_MS)
    const lines = yield* LogFile.read(home, { most: FOLLOW_LINES, sinceMs: lastMs })
    const fresh = lines.filter(({ at, message }) => !told.has(`${at} ${message}`))
    for (const line of fresh) yield* Console.log(asJson ? JSON.stringify(line) : LogFile.words(line))
    const newest = lines.at(-1)
    if (newest === undefined) continue
    lastMs = Date.parse(newest.at)
    told = new Set(lines.filter(({ at }) => at === newest.at).map(({ at, message }) => `${at} ${message}`))
  }
})

const flags = {
  follow: Flag.Boolean("follow").pipe(
    Flag.withAlias("f"),
    Flag.withDescription("Go on with what comes; with --json, one JSON object a line"),
    Flag.withDefault(false),
  ),
  since: Flag.String("since").pipe(
    Flag.withDescription("From when: so long ago, such as 10m, or a time such as 2026-12-01T08:00Z"),
    Flag.optional,
  ),
  lines: Flag.Int("lines").pipe(
    Flag.withAlias("n"),
    Flag.withDescription("How many lines at most, the last ones (100)"),
    Flag.withDefault(100),
    CommandFlags.whole(0, 100_000),
  ),
  home: CommandFlags.home,
  json: CommandFlags.json,
}

/**
 * The command `logs`.
 *
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make("logs", flags, (given) =>
  Effect.gen(function* () {
    const { home, json } = given
    let last: LogFile.LogLine | undefined
    const answer = Effect.gen(function* () {
      const sinceMs = yield* sinceOf(given.since)
      const lines = yield* LogFile.read(home, { most: given.lines, sinceMs })
      last = lines.at(-1)
      return {
        document: { lines },
        text: () =>
          lines.length === 0 && !given.follow
            ? [`There is no log in ${home} of that time. An agent writes one: guildhall-agent serve`]
            : lines.map(LogFile.words),
      }
    })
    if (!given.follow) return yield* CommandAnswer.run(json, answer)
    const { document, text } = yield* Effect.catchTag(answer, "AgentError", (error) => CommandAnswer.fail(error, json))
    for (const line of json ? document.lines.map((one) => JSON.stringify(one)) : text()) yield* Console.log(line)
    yield* follow(home, last, json)
  }),
).pipe(
  Command.withDescription("What the agent of this home wrote"),
  Command.withExamples([
    { command: "guildhall-agent logs -f --since 10m", description: "The last ten minutes, and what comes" },
  ]),
)
