/**
 * The command line's `pair`: gives this machine to a member of a market, who has made a code for it.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { CommandFailure, printable } from "@guildhall/core/CommandFailure"
import { DeviceName } from "@guildhall/core/Device"
import type { Hardware } from "@guildhall/core/Hardware"
import { readCode } from "@guildhall/protocol/provider/PairRequest"
import * as AgentConfig from "./AgentConfig.ts"
import { AgentError } from "./AgentError.ts"
import * as AgentHome from "./AgentHome.ts"
import * as CommandFlags from "./CommandFlags.ts"
import * as AgentVersions from "./AgentVersions.ts"
import * as Detect from "./detect/Detect.ts"
import * as DeviceKey from "./DeviceKey.ts"
import * as MarketClient from "./MarketClient.ts"
import * as Pair from "./Pair.ts"
import * as PairedMarket from "./PairedMarket.ts"

/**
 * The exit codes of `pair`, by the market's code. What is not here ends with 1 where it may pass, such as a market that is
 * away, and else with 2.
 *
 * @category constants
 * @since 0.1.0
 */
export const EXITS: Readonly<Record<string, number>> = {
  invalid_pairing_code: 3,
  pairing_refused: 4,
  pairing_over: 5,
  pairing_locked: 6,
}

const gib = (mib: number): string => `${(mib / 1024).toFixed(1)} GiB`

/** A machine in a line. */
const summary = ({ cpu, gpus, memoryMib }: Hardware): string => {
  const counted = new Map<string, number>()
  for (const { memoryMib: memory, name } of gpus) {
    const label = `${name} (${gib(memory)})`
    counted.set(label, (counted.get(label) ?? 0) + 1)
  }
  const cards = [...counted].map(([label, count]) => (count === 1 ? label : `${count} × ${label}`))
  return [...cards, `${cpu.name}, ${cpu.cores} cores`, gib(memoryMib)].join(", ")
}

const CLEAR = "\r\u001b[K"
const SAY_EVERY_MS = 60_000

const waited = (ms: number): string => {
  const seconds = Math.floor(ms / 1000)
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

/** Says that it waits: a line that moves at a terminal, else a line a minute. */
const makeWaiting = Effect.gen(function* () {
  const stdio = yield* Stdio.Stdio
  const write = (text: string) => Effect.ignore(Stream.run(Stream.make(text), stdio.stderr({ endOnDone: false })))
  const isWatched = yield* stdio.stderrIsTerminal
  const startMs = yield* Clock.currentTimeMillis
  let saidAtMs = -Infinity
  const say = (why: string) =>
    Effect.gen(function* () {
      const nowMs = yield* Clock.currentTimeMillis
      if (isWatched) return yield* write(`${CLEAR}${why}  ${waited(nowMs - startMs)}`)
      if (nowMs - saidAtMs < SAY_EVERY_MS) return
      saidAtMs = nowMs
      yield* write(`${why}\n`)
    })
  return { say, end: isWatched ? write(CLEAR) : Effect.void }
})

interface Input {
  readonly code: string
  readonly market: Option.Option<string>
  readonly home: string
  readonly name: Option.Option<string>
  readonly json: boolean
}

const pair = Effect.fnUntraced(function* (input: Input) {
  const code = readCode(input.code)
  if (code === undefined) {
    const detail = "A code has six digits, such as 482913, or is the longer one of the command that the market shows."
    return yield* new AgentError({ reason: "BadSetting", detail })
  }
  const url = yield* PairedMarket.resolve(input.market, input.home)
  if (!URL.canParse(url)) {
    const detail = `${url} is no address. Write --market like http://127.0.0.1:8787.`
    return yield* new AgentError({ reason: "BadSetting", detail })
  }
  const said = (line: string) => (input.json ? Effect.void : Console.log(printable(line)))
  const event = (value: object) => (input.json ? Console.log(JSON.stringify(value)) : Effect.void)
  const services = MarketClient.layer({ url, apiKey: undefined }).pipe(
    Layer.provideMerge(DeviceKey.layer),
    Layer.provideMerge(AgentHome.layer({ directory: input.home })),
  )
  const written: AgentConfig.AgentConfig = Option.getOrElse(yield* AgentConfig.read(input.home), () => ({}))
  return yield* Effect.gen(function* () {
    const { directory } = yield* AgentHome.AgentHome
    const key = yield* DeviceKey.DeviceKey
    const { hardware } = yield* Detect.detect({ directory })
    yield* said(`Market       ${url}`)
    yield* said(`Machine      ${summary(hardware)}`)
    yield* said(`Device       ${key.id}`)
    yield* said(`Fingerprint  ${key.fingerprint}\n`)
    const waiting = yield* makeWaiting
    let isTold = false
    const answer = yield* Pair.run({
      code,
      name: Option.getOrUndefined(input.name) ?? written.name,
      hardware,
      versions: AgentVersions.running,
      tell: Effect.fnUntraced(function* ({ device_id, fingerprint, state }) {
        if (state !== "waiting") return
        if (!isTold) {
          isTold = true
          yield* event({ event: "waiting", market: url, device_id, fingerprint })
          yield* said("The market shows this device now. Compare the fingerprint there, and approve the device.")
        }
        if (!input.json) yield* waiting.say("Waiting for approval")
      }),
      away: () => (input.json ? Effect.void : waiting.say("The market does not answer; still trying")),
    }).pipe(Effect.ensuring(waiting.end))
    yield* event({ event: "approved", market: url, device_id: answer.device_id, fingerprint: answer.fingerprint })
    yield* said("Approved: this device is the member's now. Start serving with")
    yield* said(`  guildhall-agent serve${input.home === CommandFlags.DEFAULT_HOME ? "" : ` --home ${input.home}`}`)
  }).pipe(Effect.provide(services))
})

/**
 * Tells what went wrong, once, and ends with the exit code that a script can go by: see {@link EXITS}.
 *
 * @category combinators
 * @since 0.1.0
 */
export const fail = Effect.fnUntraced(function* (error: AgentError, asJson: boolean) {
  const code = error.code ?? error.reason
  if (asJson) yield* Console.log(JSON.stringify({ event: "failed", code, detail: error.message }))
  else yield* Console.error(printable(`FAILED\n  ${error.message}`))
  const exitCode = EXITS[code] ?? (error.isRetryable ? 1 : 2)
  return yield* new CommandFailure({ detail: error.message, exitCode })
})

const flags = {
  code: Argument.String("code").pipe(
    Argument.withDescription("The code that the market shows: six digits, or the longer one"),
  ),
  market: CommandFlags.market,
  home: CommandFlags.home,
  name: Flag.String("name").pipe(
    Flag.withDescription("What to call this machine; without it, its host name"),
    Flag.filterMap(Schema.decodeUnknownOption(DeviceName), () => "1 to 60 printable ASCII characters"),
    Flag.optional,
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON object a line"), Flag.withDefault(false)),
}

/**
 * The command `pair`. It ends with 0 once the member has approved; with 3 where the code is wrong or over, 4 where the member
 * refused, 5 where nobody approved within an hour, 6 where too many wrong codes were tried; with 1 where another try may help,
 * and 2 where it cannot.
 *
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make("pair", flags, (input) =>
  pair(input).pipe(
    Effect.catchTag("AgentError", (error) => fail(error, input.json)),
    Effect.provide(NodeHttpClient.layerNodeHttp),
    Effect.provide(Logger.layer([])),
    Effect.scoped,
  ),
).pipe(
  Command.withDescription(
    "Give this machine to a member of a market who has made a code for it. Then it serves without an API key.",
  ),
)
