/**
 * Writes the demo model to a file: `npm run demo-model -w @guildhall/agent -- /path/to/demo.gguf`.
 *
 * @since 0.1.0
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as DemoModel from "./DemoModel.ts"

Command.make("demo-model", { file: Argument.String("file") }, ({ file }) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const bytes = DemoModel.build()
    yield* fs.writeFile(file, bytes)
    yield* Console.log(`${file}: ${bytes.length} bytes, SHA-256 ${DemoModel.digestOf(bytes)}. ${DemoModel.NOTICE}`)
  }),
).pipe(
  Command.withDescription("Write the demo model, made from a text by counting, to a file."),
  Command.run({ version: "0.0.0" }),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain,
)
