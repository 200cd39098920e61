/**
 * The command line of an agent.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stdio from "effect/Stdio"
import * as Command from "effect/cli/Command"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Agent from "./Agent.ts"
import * as AgentConfig from "./AgentConfig.ts"
import * as AgentLogger from "./AgentLogger.ts"
import * as DoctorCommand from "./DoctorCommand.ts"
import * as DrainCommand from "./DrainCommand.ts"
import * as EarningsCommand from "./EarningsCommand.ts"
import * as GpuCommand from "./GpuCommand.ts"
import * as InitCommand from "./InitCommand.ts"
import * as LogsCommand from "./LogsCommand.ts"
import * as MaintenanceCommand from "./MaintenanceCommand.ts"
import { CurrentListener } from "./models/PullEvent.ts"
import * as PullListener from "./models/PullListener.ts"
import * as ModelsCommand from "./ModelsCommand.ts"
import * as PairCommand from "./PairCommand.ts"
import * as PairedMarket from "./PairedMarket.ts"
import * as ParentPipe from "./ParentPipe.ts"
import * as PricingCommand from "./PricingCommand.ts"
import * as RotateKeyCommand from "./RotateKeyCommand.ts"
import * as ServeFlags from "./ServeFlags.ts"
import * as StatusCommand from "./StatusCommand.ts"
import * as UninstallCommand from "./UninstallCommand.ts"
import * as WalletCommand from "./WalletCommand.ts"

export { EXIT_CANNOT_SERVE, exitCode } from "./ExitCode.ts"

/** Downloads show themselves at a terminal, and else in the log. */
const listener = Effect.fnUntraced(function* (asJson: boolean) {
  const stdio = yield* Stdio.Stdio
  const isWatched = !asJson && (yield* stdio.stderrIsTerminal)
  return isWatched ? yield* PullListener.terminal : PullListener.logged(Effect.logInfo)
})

/** Serves until it is stopped. It writes the letter of its failure before it fails. */
const serve = (input: ServeFlags.Given) =>
  Effect.gen(function* () {
    const market = yield* PairedMarket.resolve(input.market, input.home)
    const written = Option.getOrElse(yield* AgentConfig.read(input.home), () => ({}))
    const settings = ServeFlags.toSettings(input, market, written)
    const stop = input.exitWithParent ? ParentPipe.ended : Effect.never
    yield* Agent.run(settings, stop).pipe(Effect.provideService(CurrentListener, yield* listener(input.json)))
  }).pipe(
    Effect.tapCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.void
        : Effect.logError(
            Cause.prettyErrors(cause)
              .map((error) => error.message)
              .join("\n"),
          ),
    ),
    Effect.provide(
      Layer.mergeAll(
        NodeCrypto.layer,
        NodeHttpClient.layerNodeHttp,
        AgentLogger.layer({ json: input.json, home: input.home }),
      ),
    ),
    Effect.scoped,
  )

/** The program's own name, which its letters use. */
const PROGRAM = "guildhall-agent"

const SERVE = "Serve a model on a market and get paid for it"

/**
 * Makes the command line under a name. The bare command serves, and so does `serve`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <const Name extends string>(name: Name) =>
  Command.make(name, ServeFlags.hidden, serve).pipe(
    Command.withDescription(
      `${SERVE}. Without a command it serves: see \`serve --help\`.${name === PROGRAM ? "" : ` As a program of its own it is called ${PROGRAM}.`}`,
    ),
    Command.withSubcommands([
      {
        group: "Set up",
        commands: [
          InitCommand.command,
          PairCommand.command,
          WalletCommand.command,
          DoctorCommand.command,
          ModelsCommand.command,
        ],
      },
      {
        group: "Serve",
        commands: [
          Command.make("serve", ServeFlags.flags, serve).pipe(
            Command.withDescription(`${SERVE}; the same as no command`),
          ),
          StatusCommand.command,
          LogsCommand.command,
          DrainCommand.command,
          MaintenanceCommand.command,
        ],
      },
      { group: "Earn", commands: [EarningsCommand.command, PricingCommand.command, GpuCommand.command] },
      { group: "Leave", commands: [RotateKeyCommand.command, UninstallCommand.command] },
    ]),
  )

/**
 * The command `agent` of a command line that has it among others.
 *
 * @category commands
 * @since 0.1.0
 */
export const command = make("agent")
