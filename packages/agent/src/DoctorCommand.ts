/**
 * The command line's `doctor`: what this machine is, which class that makes it, and what stands in its way.
 *
 * @since 0.1.0
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Terminal from "effect/Terminal"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { TerminalCapabilities } from "effect/cli/TerminalCapabilities"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { CommandFailure } from "@guildhall/core/CommandFailure"
import * as DeviceClass from "@guildhall/core/rules/DeviceClass"
import type { Check, Market, Subject } from "./checks/Check.ts"
import * as LocalChecks from "./checks/LocalChecks.ts"
import * as Detect from "./detect/Detect.ts"
import * as Speed from "./detect/Speed.ts"
import * as OpenAICompatible from "./backends/OpenAICompatible.ts"
import * as CommandFlags from "./CommandFlags.ts"
import * as DoctorReport from "./DoctorReport.ts"
import * as EntryDoctor from "./EntryDoctor.ts"
import * as MarketTerms from "./MarketTerms.ts"
import * as PairedMarket from "./PairedMarket.ts"

/**
 * What to look at: the market's address, where there is one; the folder of the agent; and whether to measure how fast the
 * market is heard.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly market: string | undefined
  readonly home: string
  readonly isMeasured: boolean
}

const asked = (url: string | undefined) =>
  url === undefined
    ? Effect.succeed<Market>({ _tag: "None" })
    : MarketTerms.read(url).pipe(
        Effect.map((terms): Market => ({ _tag: "Found", url, terms })),
        Effect.catch((error) => Effect.succeed<Market>({ _tag: "Away", url, error })),
      )

const measured = Effect.fnUntraced(function* (detected: Detect.Detected, market: Market, isMeasured: boolean) {
  if (!isMeasured || market._tag !== "Found") return detected
  const { findings, value } = yield* Speed.measure(market.url)
  const all: Detect.Detected = {
    hardware: value === undefined ? detected.hardware : { ...detected.hardware, bandwidth: value },
    findings: [...detected.findings, ...findings],
  }
  return all
})

/**
 * Looks at the machine and runs the checks, all at once. Where no market is named, or it does not answer, the usual classes
 * count.
 *
 * @category constructors
 * @since 0.1.0
 */
export const examine = Effect.fn("Doctor.examine")(function* (
  options: Options,
  checks: ReadonlyArray<Check> = LocalChecks.all,
) {
  const { home, isMeasured } = options
  const [looked, market] = yield* Effect.all([Detect.detect({ directory: home }), asked(options.market)], {
    concurrency: 2,
  })
  const detected = yield* measured(looked, market, isMeasured)
  const classes = market._tag === "Found" ? market.terms.deviceClasses : DeviceClass.standard
  const classification = DeviceClass.classify(detected.hardware, classes)
  const subject: Subject = { detected, classes, classification, market, home }
  const results = yield* Effect.forEach(
    checks,
    ({ name, run }) => Effect.map(run(subject), (verdict): DoctorReport.Result => ({ name, verdict })),
    { concurrency: "unbounded" },
  )
  return { subject, results }
})

/** The checks of who enters, of a model server; that it is not there is a verdict as well. */
const asMarket = Effect.fnUntraced(function* (url: string | undefined, publicUrl: string | undefined) {
  if (url === undefined) return []
  return yield* EntryDoctor.examine({ publicUrl }).pipe(
    Effect.provide(OpenAICompatible.layer({ url })),
    Effect.catch((error) =>
      Effect.succeed<ReadonlyArray<DoctorReport.Result>>([
        {
          name: "Entry: backend",
          verdict: {
            state: "failed",
            detail: error.message,
            fix: "Start the model server, or correct the address after --backend.",
          },
        },
      ]),
    ),
  )
})

const MAX_COLUMNS = 100

const look = Effect.gen(function* () {
  const { canAnimate, canColor } = yield* TerminalCapabilities
  const terminal = yield* Terminal.Terminal
  const columns = yield* terminal.columns
  return { isColourful: canColor, columns: canAnimate && columns > 0 ? Math.min(columns, MAX_COLUMNS) : undefined }
})

const ERASE = "\r\u001b[K"

/** Says what takes so long while a person is waiting; a driver may take half a minute to answer. */
const waiting = Effect.fnUntraced(function* <A, E, R>(work: Effect.Effect<A, E, R>) {
  const { canAnimate } = yield* TerminalCapabilities
  if (!canAnimate) return yield* work
  const terminal = yield* Terminal.Terminal
  const say = (text: string) => Effect.ignore(terminal.display(text))
  return yield* Effect.acquireUseRelease(
    say("Looking at this machine …"),
    () => work,
    () => say(ERASE),
  )
})

const flags = {
  market: CommandFlags.market.pipe(
    Flag.withDescription(
      "Address of the market whose classes count, such as http://127.0.0.1:8787; without it, the one that this machine is paired with [GUILDHALL_MARKET_URL]",
    ),
  ),
  home: CommandFlags.home,
  speed: Flag.Boolean("speed").pipe(
    Flag.withDescription("Measure how fast the market is heard: 5 seconds and 32 MiB at most"),
    Flag.withDefault(false),
  ),
  backend: Flag.String("backend").pipe(
    Flag.withDescription(
      "Ask the model server at this address what a market asks of who enters: a few thousand tokens",
    ),
    Flag.optional,
  ),
  publicUrl: Flag.String("public-url").pipe(
    Flag.withDescription("With --backend: the URL at which the market will call, to look at its name and certificate"),
    Flag.optional,
  ),
  json: CommandFlags.json,
}

/**
 * The command `doctor`. It works before anything is set up, changes nothing, and ends with exit code 1 where something has to
 * be mended before this machine can serve.
 *
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make("doctor", flags, (input) =>
  Effect.gen(function* () {
    const market = Option.getOrUndefined(yield* Effect.option(PairedMarket.resolve(input.market, input.home)))
    const work = examine({ market, home: input.home, isMeasured: input.speed })
    const { results: machine, subject } = yield* input.json ? work : waiting(work)
    const entry = yield* asMarket(Option.getOrUndefined(input.backend), Option.getOrUndefined(input.publicUrl))
    const results = [...machine, ...entry]
    yield* Console.log(
      input.json ? DoctorReport.json(subject, results) : DoctorReport.text(subject, results, yield* look),
    )
    if (!DoctorReport.isGood(results)) return yield* new CommandFailure({ detail: "This machine cannot serve yet." })
  }).pipe(Effect.provide(NodeHttpClient.layerNodeHttp)),
).pipe(Command.withDescription("Look at this machine: what it is, its class on the market, and what to mend."))
