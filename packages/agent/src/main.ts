/**
 * Runs the command line of an agent. SIGTERM and SIGINT drain it and end it with exit code 0.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Command from "effect/cli/Command"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as AgentCommand from "./AgentCommand.ts"

AgentCommand.command.pipe(
  Command.run({ version: "0.0.0" }),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    // A stop that was asked for is not a failure, unless the command says that it is.
    teardown: (exit, onExit) =>
      onExit(Exit.isSuccess(exit) ? 0 : Number(process.exitCode ?? AgentCommand.exitCode(exit.cause))),
  }),
)
