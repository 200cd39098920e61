/**
 * The command line's `uninstall`: takes this machine off the market and, where it is asked to, removes what the agent keeps.
 *
 * @since 0.1.0
 */
import * as Os from "node:os"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Prompt from "effect/cli/Prompt"
import { TerminalCapabilities } from "effect/cli/TerminalCapabilities"
import * as FileProblem from "@guildhall/core/FileProblem"
import { OwnInstance } from "@guildhall/protocol/api/InstancesApi"
import * as PairedMarket from "./PairedMarket.ts"
import * as DeviceKey from "./DeviceKey.ts"
import * as AgentConfig from "./AgentConfig.ts"
import { AgentError } from "./AgentError.ts"
import * as CommandAnswer from "./CommandAnswer.ts"
import * as CommandFlags from "./CommandFlags.ts"
import * as RunningAgent from "./control/RunningAgent.ts"
import * as OwnMarket from "./OwnMarket.ts"

const Own = Schema.Struct({ data: Schema.Array(OwnInstance) })

/** The installer leaves this file in its folder, some levels above the program. */
const MARKER = ".guildhall-install"
const LEVELS = 6

/** The folder of the installer that has installed this program, if one has. */
const installed = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  let folder = path.dirname(fileURLToPath(import.meta.url))
  for (let level = 0; level < LEVELS; level++) {
    const isHere = yield* Effect.orElseSucceed(fs.exists(path.join(folder, MARKER)), () => false)
    if (isHere) return folder
    folder = path.dirname(folder)
  }
  return undefined
})

/** Takes this device's instances off the market. A market that is away, or knows none of them, stops nothing. */
const leave = Effect.fnUntraced(function* (asker: OwnMarket.Asker) {
  const market = yield* OwnMarket.open(asker)
  const { data } = yield* market.ask({ method: "GET", path: "/v1/providers/instances" }, Own)
  const ids = data.map(({ instance }) => instance.id)
  yield* Effect.forEach(ids, (id) => market.ask({ method: "DELETE", path: `/v1/providers/${id}` }, Schema.Null), {
    discard: true,
  })
  return ids
})

const stillRuns = new AgentError({
  reason: "NotReady",
  detail: "The agent runs. Let it finish what it has with `guildhall-agent drain`, and uninstall it then.",
})

const unsure = (home: string) =>
  new AgentError({
    reason: "BadSetting",
    detail: `--purge deletes ${home} with this device's key, which nothing brings back. Say so with --yes.`,
  })

const notRemoved = (home: string) => (error: Parameters<typeof FileProblem.words>[0]) =>
  new AgentError({
    reason: "HomeUnusable",
    detail: `${home} cannot be removed: ${FileProblem.words(error)}. Remove it by hand.`,
  })

/** What an agent has in its home: a folder without any of it is somebody else's. */
const OWN_FILES = [DeviceKey.KEY_FILE, PairedMarket.FILE, AgentConfig.FILE]

const notOurs = (home: string) =>
  new AgentError({
    reason: "BadSetting",
    detail: `${home} does not look like the home of an agent, so it is not deleted. Name the right one with --home.`,
  })

const checkOurs = Effect.fnUntraced(function* (home: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const found = yield* Effect.forEach(OWN_FILES, (name) =>
    Effect.orElseSucceed(fs.exists(path.join(home, name)), () => false),
  )
  const isWhole = path.dirname(home) === home || home === path.resolve(Os.homedir())
  if (isWhole || !found.includes(true)) return yield* notOurs(home)
})

/** Whether the home may go: a person says yes at a terminal, a script with `--yes`. */
const confirmed = Effect.fnUntraced(function* (home: string, yes: boolean, json: boolean) {
  if (yes) return true
  const { canPrompt } = yield* TerminalCapabilities
  if (!canPrompt || json) return yield* unsure(home)
  const message = `Delete ${home}, with this device's key, its settings, its logs and its models?`
  return yield* Prompt.run(Prompt.Confirm({ message, initial: false })).pipe(
    Effect.catchTag("QuitError", () => Effect.succeed(false)),
  )
})

const flags = {
  purge: Flag.Boolean("purge").pipe(
    Flag.withDescription("Delete the home as well: the device's key, settings, logs and models"),
    Flag.withDefault(false),
  ),
  yes: Flag.Boolean("yes").pipe(Flag.withAlias("y"), Flag.withDescription("Ask nothing"), Flag.withDefault(false)),
  home: CommandFlags.home,
  market: CommandFlags.market,
  key: CommandFlags.key,
  json: CommandFlags.json,
}

const uninstall = Effect.fnUntraced(function* (given: Command.Command.Config.Infer<typeof flags>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const home = path.resolve(given.home)
  if (Option.isSome(yield* RunningAgent.find(home))) return yield* stillRuns
  const isHere = yield* Effect.orElseSucceed(fs.exists(home), () => false)
  if (given.purge && isHere) yield* checkOurs(home)
  const isPurged = given.purge && isHere && (yield* confirmed(home, given.yes, given.json))
  const left = isHere ? yield* Effect.result(Effect.scoped(leave(given))) : undefined
  if (isPurged) yield* Effect.mapError(fs.remove(home, { recursive: true }), notRemoved(home))
  const folder = yield* installed
  const program =
    folder === undefined
      ? "The program itself was not installed by install.sh: remove it as it came, such as with npm."
      : `Remove the program and its service: sh ${path.join(folder, "install.sh")} --uninstall${given.purge ? " --purge" : ""}`
  const instances = left?._tag === "Success" ? left.success : []
  const market =
    left === undefined
      ? []
      : left._tag === "Success"
        ? [instances.length === 0 ? "This machine was not on the market." : `Off the market: ${instances.join(", ")}.`]
        : [`The market was not told: ${left.failure.message} What is silent leaves it by itself after a week.`]
  return {
    document: { instances, purged: isPurged, told: left?._tag === "Success", installer: folder ?? null },
    text: () => [
      ...market,
      isPurged
        ? `${home} is removed.`
        : isHere
          ? `${home} is kept: the device's key is in it. Delete it with --purge.`
          : `There is no ${home}.`,
      program,
    ],
  }
})

/**
 * The command `uninstall`. The home stays, unless `--purge` says otherwise.
 *
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make("uninstall", flags, (given) =>
  CommandAnswer.run(given.json, uninstall(given)),
).pipe(Command.withDescription("Take this machine off the market, and remove what the agent keeps"))
