/**
 * Tells how the market's checks of a new instance go, until they have passed.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import { printable } from "@guildhall/core/CommandFailure"
import type { InstanceId } from "@guildhall/core/Instance"
import { EntryView } from "@guildhall/protocol/api/EntriesApi"
import { MarketClient } from "./MarketClient.ts"
import * as HumanText from "./models/HumanText.ts"

const decodeView = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.toCodecJson(EntryView)))

/** As often as somebody who watches wants to see it move, and then as often as it may change. */
const QUICK_MS = 1_000
const SLOW_MS = 15_000
const QUICK_FOR_MS = 120_000

/**
 * How far the checks are: how many have ended, of how many.
 *
 * @category models
 * @since 0.1.0
 */
export interface Progress {
  readonly ended: number
  readonly asked: number
}

/**
 * How far the checks of an instance are: of the run under way, or of the last one.
 *
 * @category getters
 * @since 0.1.0
 */
export const progressOf = ({ asked, checks, isRunning, running }: EntryView): Progress => ({
  ended: (isRunning ? running : checks).length,
  asked: asked.length,
})

const MOST_BAR = 30

/**
 * The line with a bar, which fits into so many columns.
 *
 * **Example** (Three of nine)
 *
 * ```ts
 * import { EntryWatch } from "@guildhall/agent"
 *
 * EntryWatch.bar({ ended: 3, asked: 9 }, "streaming", 60) // => "Checks   3 of 9 ▕██████████                    ▏ streaming"
 * ```
 *
 * @category formatting
 * @since 0.1.0
 */
export const bar = ({ asked, ended }: Progress, now: string, columns: number): string => {
  const head = `Checks   ${ended} of ${asked} `
  const room = Math.min(MOST_BAR, columns - 1 - head.length - 2 - now.length - 1)
  if (room < 5) return `${head}${now}`.slice(0, Math.max(1, columns - 1))
  const full = asked === 0 ? room : Math.floor((ended * room) / asked)
  return `${head}▕${"█".repeat(full)}${" ".repeat(room - full)}▏ ${now}`
}

const CLEAR = "\r\u001b[K"

/** A line of a terminal that moves; where nobody watches, nothing. */
const makeLine = Effect.gen(function* () {
  const stdio = yield* Stdio.Stdio
  const screen = yield* Terminal.Terminal
  const isWatched = yield* stdio.stderrIsTerminal
  const write = (text: string) => Effect.ignore(Stream.run(Stream.make(text), stdio.stderr({ endOnDone: false })))
  return {
    show: Effect.fnUntraced(function* (progress: Progress, now: string) {
      if (isWatched) yield* write(`${CLEAR}${bar(progress, printable(now), yield* screen.columns)}`)
    }),
    clear: isWatched ? write(CLEAR) : Effect.void,
  }
})

/** What stands in the log of a run that has ended. */
const verdict = Effect.fnUntraced(function* (view: EntryView, model: string) {
  if (view.state === "passed") {
    return yield* Effect.logInfo(
      `${model} passed all ${view.asked.length} checks of the market. Requests come from now on.`,
    )
  }
  for (const { check, detail, fix, state } of view.checks) {
    if (state !== "failed" && state !== "not_checked") continue
    yield* Effect.logWarning(
      printable(`Check ${check} of ${model}: ${detail}${fix === undefined ? "" : ` To do: ${fix}`}`),
    )
  }
  const nowMs = yield* Clock.currentTimeMillis
  const again =
    view.nextAtMs === undefined ? "" : ` It looks again in ${HumanText.seconds((view.nextAtMs - nowMs) / 1000)}.`
  yield* Effect.logWarning(`The market sends no requests to ${model} yet.${again}`)
})

/**
 * Follows the checks of an instance, and writes into the log what they found, until they have passed. It ends at once where the
 * market makes none, and never fails.
 *
 * @category constructors
 * @since 0.1.0
 */
export const follow = Effect.fnUntraced(function* (id: InstanceId, model: string) {
  const market = yield* MarketClient
  const line = yield* makeLine
  const startMs = yield* Clock.currentTimeMillis
  let toldEnd: number | undefined
  const look = Effect.gen(function* () {
    const answer = yield* Effect.result(market.ask({ method: "GET", path: `/v1/providers/${id}/entry` }))
    if (answer._tag === "Failure") return !answer.failure.isRetryable
    const view = Option.getOrUndefined(decodeView(answer.success))
    if (view === undefined) return true
    const { isRunning, running } = view
    const last = running.at(-1)
    if (view.state !== "passed" && (isRunning || view.endedAtMs === undefined)) {
      yield* line.show(progressOf(view), last === undefined ? "waiting" : last.check)
      return false
    }
    yield* line.clear
    if (toldEnd !== (view.endedAtMs ?? 0)) yield* verdict(view, model)
    toldEnd = view.endedAtMs ?? 0
    return view.state === "passed"
  })
  while (!(yield* look)) {
    const passedMs = (yield* Clock.currentTimeMillis) - startMs
    yield* Effect.sleep(passedMs < QUICK_FOR_MS ? QUICK_MS : SLOW_MS)
  }
}, Effect.scoped)
