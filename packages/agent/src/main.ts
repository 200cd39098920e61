/**
 * Runs the command line of an agent. SIGTERM and SIGINT drain it and end it with exit code 0.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as CliConfig from "effect/cli/CliConfig"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as AgentCommand from "./AgentCommand.ts"
import * as AgentVersions from "./AgentVersions.ts"

// What an agent writes has one level for everybody.
const flags = CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions] })

AgentCommand.make("guildhall-agent").pipe(
  Command.run({ version: AgentVersions.AGENT }),
  Effect.provide(Layer.merge(NodeServices.layer, flags)),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    // A stop that was asked for is not a failure, unless the command says that it is.
    teardown: (exit, onExit) =>
      onExit(Exit.isSuccess(exit) ? 0 : Number(process.exitCode ?? AgentCommand.exitCode(exit.cause))),
  }),
)
