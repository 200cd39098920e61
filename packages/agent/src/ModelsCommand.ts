/**
 * The command line's `models`: look for models at a hub, download them, list and remove them.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { type CommandFailure, printable, tell } from "@guildhall/core/CommandFailure"
import * as CommandFlags from "./CommandFlags.ts"
import * as Hub from "./models/Hub.ts"
import * as HumanText from "./models/HumanText.ts"
import { ModelError } from "./models/ModelError.ts"
import * as ModelPull from "./models/ModelPull.ts"
import * as ModelReference from "./models/ModelReference.ts"
import * as ModelSearch from "./models/ModelSearch.ts"
import * as ModelStore from "./models/ModelStore.ts"
import { CurrentListener } from "./models/PullEvent.ts"
import * as PullListener from "./models/PullListener.ts"
import * as QuantName from "./models/QuantName.ts"

/**
 * The flag that names a quantisation.
 *
 * @category flags
 * @since 0.1.0
 */
export const quant = Flag.String("quant").pipe(
  Flag.withDescription(
    "Quantisation, in any case, such as Q4_K_M; without it Q4_K_M, else Q8_0, else the only one [GUILDHALL_QUANT]",
  ),
  Flag.withFallbackConfig(Config.String("GUILDHALL_QUANT")),
  Flag.filterMap(
    (text) => Option.fromUndefinedOr(QuantName.normalize(text)),
    () => "the name of a quantisation, such as Q4_K_M, IQ4_XS, Q8_0 or BF16",
  ),
  Flag.optional,
)

/**
 * The flag that names a revision.
 *
 * @category flags
 * @since 0.1.0
 */
export const revision = Flag.String("revision").pipe(
  Flag.withDescription(
    "Commit, tag or branch of the repository; without it, its newest commit [GUILDHALL_MODEL_REVISION]",
  ),
  Flag.withFallbackConfig(Config.String("GUILDHALL_MODEL_REVISION")),
  Flag.filter(ModelReference.isRevision, () => "a commit, tag or branch"),
  Flag.optional,
)

/**
 * The flag that accepts a licence beforehand.
 *
 * @category flags
 * @since 0.1.0
 */
export const yes = Flag.Boolean("yes").pipe(
  Flag.withAlias("y"),
  Flag.withDescription("Accept the model's licence where it is not a plain open one"),
  Flag.withDefault(false),
)

/**
 * The flag for the folder of the downloaded models, which several agents may share.
 *
 * @category flags
 * @since 0.1.0
 */
export const modelsDirectory = Flag.String("models-dir").pipe(
  Flag.withDescription(
    "Folder for downloaded models (models in the agent's home); several agents may share one [GUILDHALL_MODELS_DIR]",
  ),
  Flag.withFallbackConfig(Config.String("GUILDHALL_MODELS_DIR")),
  Flag.optional,
)

const { home, json } = CommandFlags
const model = Argument.String("model").pipe(
  Argument.withDescription("org/model, org/model:Q4_K_M, org/model/file.gguf, or an address at the hub"),
)

/** Where the models are. */
interface Place {
  readonly home: string
  readonly modelsDirectory: Option.Option<string>
}

/**
 * The folder of the downloaded models: the one that was named, or `models` in the agent's home.
 *
 * @category getters
 * @since 0.1.0
 */
export const directoryOf = Effect.fnUntraced(function* (place: Place) {
  const path = yield* Path.Path
  return Option.getOrElse(place.modelsDirectory, () => path.join(place.home, "models"))
})

const store = (place: Place) =>
  Layer.unwrap(Effect.map(directoryOf(place), (directory) => ModelStore.layer({ directory })))
const hub = Hub.layer.pipe(Layer.provide(NodeHttpClient.layerNodeHttp))

/** Tells the failure, and fails with it, so that the exit code tells what may pass from what cannot. */
const told =
  (asJson: boolean) =>
  <A, E extends { readonly _tag: string; readonly message: string }, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.catch(effect, (error: E) =>
      Effect.catch(tell(error, asJson), (failure: CommandFailure) =>
        Effect.fail(error instanceof ModelError ? error : failure),
      ),
    )

/** Reads what was typed, with the flags beside it. */
const reference = (
  text: string,
  flags: { readonly quant: Option.Option<string>; readonly revision?: Option.Option<string> },
): Effect.Effect<ModelReference.ModelReference, ModelError> => {
  const parsed = ModelReference.parse(text)
  if (parsed === undefined) {
    const detail = ModelReference.isPath(text)
      ? `${text} names a file or a folder of this machine. It needs no download: guildhall-agent --model ${text}`
      : `"${text}" names no model of a hub. Write it as its page does, such as Qwen/Qwen3-8B-GGUF, with :Q4_K_M for a quantisation.`
    return Effect.fail(new ModelError({ reason: "BadReference", detail: printable(detail) }))
  }
  return Effect.succeed({
    ...parsed,
    quant: Option.getOrElse(flags.quant, () => parsed.quant),
    revision: Option.getOrElse(flags.revision ?? Option.none(), () => parsed.revision),
  })
}

const facts = ({ digest, isNew, path, stored }: ModelPull.Pulled) => ({
  id: stored.id,
  quant: stored.quant ?? null,
  label: stored.label,
  digest,
  path,
  repo: stored.repo,
  revision: stored.revision,
  license: stored.license,
  bytes: stored.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  isNew,
})

const described = (pulled: ModelPull.Pulled): string => {
  const { bytes, digest, id, isNew, label, license, path, repo, revision: commit } = facts(pulled)
  return [
    `${id} ${label}, ${HumanText.bytes(bytes)}${isNew ? "" : ", was here and is the newest"}`,
    ...HumanText.table([
      ["  digest", digest],
      ["  from", `${repo} at ${commit}`],
      ["  licence", license],
      ["  file", path],
    ]),
    `Serve it: guildhall-agent --model ${repo}${/\.gguf$/i.test(label) ? `/${label}` : ` --quant ${label}`}`,
  ].join("\n")
}

/** The code of a command that a person stopped: what should come after it must not. */
const EXIT_STOPPED = 130

const stopped = () =>
  Effect.andThen(
    Console.error("Stopped. What was downloaded is kept: the same command goes on from there."),
    Effect.sync(() => {
      process.exitCode = EXIT_STOPPED
    }),
  )

const pull = Command.make("pull", { model, quant, revision, yes, home, modelsDirectory, json }, (flags) =>
  Effect.gen(function* () {
    const listener = flags.json ? PullListener.json() : yield* PullListener.terminal
    const wish = { reference: yield* reference(flags.model, flags), acceptsLicense: flags.yes }
    const pulled = yield* ModelPull.pull(wish).pipe(Effect.provideService(CurrentListener, listener))
    yield* Console.log(
      flags.json ? JSON.stringify({ event: "done", ok: true, ...facts(pulled) }) : printable(described(pulled)),
    )
  }).pipe(Effect.scoped, Effect.provide(Layer.merge(store(flags), hub)), told(flags.json), Effect.onInterrupt(stopped)),
).pipe(
  Command.withDescription("Download a model, or go on with a download; show its size and licence first"),
  Command.withExamples([
    { command: "guildhall-agent models pull Qwen/Qwen3-8B-GGUF --quant Q4_K_M", description: "One quantisation" },
    {
      command: "guildhall-agent models pull hf.co/bartowski/Qwen_Qwen3-8B-GGUF:iq4_xs",
      description: "As Ollama writes it",
    },
  ]),
)

const stored = Effect.gen(function* () {
  const models = yield* ModelStore.ModelStore
  return { found: yield* models.list, begun: yield* models.unfinished }
})

const sizeOf = ({ files }: ModelStore.Stored): number => files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)

const listing = (found: ReadonlyArray<ModelStore.Stored>, begun: ReadonlyArray<ModelStore.Unfinished>): string => {
  if (found.length === 0 && begun.length === 0) {
    return "No models are here yet. Download one: guildhall-agent models pull org/model --quant Q4_K_M"
  }
  const rows = found.map((one) => [
    one.id,
    one.label,
    HumanText.bytes(sizeOf(one)),
    one.digest.slice(0, 12),
    one.license,
    one.repo,
  ])
  const parts = begun.map(
    ({ bytes, path, repo, total }) =>
      `Unfinished: ${repo}/${path}, ${HumanText.bytes(bytes)} of ${HumanText.bytes(total)}. Pull it again to go on.`,
  )
  const head = ["NAME", "QUANT", "SIZE", "DIGEST", "LICENCE", "FROM"]
  return [...(rows.length === 0 ? [] : HumanText.table([head, ...rows], [2])), ...parts].join("\n")
}

const list = Command.make("list", { home, modelsDirectory, json }, (flags) =>
  Effect.gen(function* () {
    const { begun, found } = yield* stored
    yield* Console.log(
      flags.json ? JSON.stringify({ ok: true, models: found, unfinished: begun }) : printable(listing(found, begun)),
    )
  }).pipe(Effect.provide(store(flags)), told(flags.json)),
).pipe(Command.withAlias("ls"), Command.withDescription("List the models that are here, and unfinished downloads"))

const named = (models: ReadonlyArray<ModelStore.Stored>): string =>
  models.map((one) => `${one.repo}:${one.label}`).join(", ")

/** What a name means here: one variant, or all of a repository where that was asked for, and what was begun of it. */
const meant = Effect.fnUntraced(function* (text: string, asked: Option.Option<string>, isAll: boolean) {
  const wish = yield* reference(text, { quant: asked })
  const { begun, found } = yield* stored
  const matching = ModelPull.matching(found, wish)
  const parts = begun.filter(
    ({ path, repo }) =>
      repo.toLowerCase() === wish.repo.toLowerCase() &&
      (wish.quant === undefined || QuantName.matches(wish.quant, QuantName.fromPath(path))) &&
      (wish.file === undefined || wish.file === path),
  )
  if (matching.length === 0 && parts.length === 0) {
    const has = found.length === 0 ? "There are none." : `There are: ${named(found)}.`
    return yield* new ModelError({ reason: "NotFound", detail: printable(`${text} is not here. ${has}`) })
  }
  if (matching.length > 1 && !isAll) {
    const detail = `${text} is here more than once: ${named(matching)}. Name one, or remove all of them with --all.`
    return yield* new ModelError({ reason: "NoVariant", detail: printable(detail) })
  }
  return { matching, parts }
})

const remove = Command.make(
  "remove",
  {
    model,
    quant,
    all: Flag.Boolean("all").pipe(Flag.withDescription("Remove every quantisation of it"), Flag.withDefault(false)),
    home,
    modelsDirectory,
    json,
  },
  (flags) =>
    Effect.gen(function* () {
      const models = yield* ModelStore.ModelStore
      const { matching, parts } = yield* meant(flags.model, flags.quant, flags.all)
      let freed = 0
      for (const part of parts) freed += yield* models.discard(part)
      for (const one of matching) freed += yield* models.remove(one)
      const names = [
        ...matching.map((one) => `${one.repo}:${one.label}`),
        ...parts.map(({ path, repo }) => `${repo}/${path}`),
      ]
      yield* Console.log(
        flags.json
          ? JSON.stringify({ ok: true, removed: names, freedBytes: freed })
          : printable(`Removed ${names.join(", ")}: ${HumanText.bytes(freed)} are free again.`),
      )
    }).pipe(Effect.provide(store(flags)), told(flags.json)),
).pipe(Command.withAlias("rm"), Command.withDescription("Remove a model, and what was begun of it"))

const search = Command.make(
  "search",
  {
    words: Argument.String("words").pipe(Argument.withDescription("Words of a model's name"), Argument.atLeast(1)),
    quant,
    limit: Flag.Int("limit").pipe(
      Flag.withDescription("How many (10)"),
      Flag.withDefault(10),
      Flag.filter(
        (count) => count >= 1 && count <= 50,
        () => "a whole number from 1 to 50",
      ),
    ),
    json,
  },
  (flags) =>
    Effect.gen(function* () {
      const wanted = Option.getOrUndefined(flags.quant)
      // A name with its organisation is searched for by its own words.
      const words = flags.words.join(" ").replace(/^[^/\s]+\//, "")
      const found = yield* ModelSearch.browse(words, wanted, flags.limit)
      if (flags.json) {
        const models = found.map(({ repository, variants }) => ({
          repo: repository.id,
          downloads: repository.downloads,
          license: repository.license.title,
          isGated: repository.isGated,
          variants: variants.map(({ label, sizeBytes }) => ({ label, bytes: sizeBytes })),
        }))
        return yield* Console.log(JSON.stringify({ ok: true, models }))
      }
      if (found.length === 0)
        return yield* Console.log(`Nobody has GGUF files of "${printable(words)}". Try fewer words.`)
      const rows = found.map(({ repository, variant, variants }) => [
        repository.id,
        HumanText.count(repository.downloads),
        variant === undefined ? `${variants.length} others` : variant.label,
        variant === undefined ? "" : HumanText.bytes(variant.sizeBytes),
        `${repository.license.title}${repository.isGated ? ", gated" : ""}`,
      ])
      yield* Console.log(
        HumanText.table([["REPOSITORY", "DOWNLOADS", "QUANT", "SIZE", "LICENCE"], ...rows], [1, 3]).join("\n"),
      )
    }).pipe(Effect.provide(hub), told(flags.json)),
).pipe(Command.withDescription("Look for GGUF files at the hub, with the size of one quantisation of each"))

/**
 * The command `models`.
 *
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make("models").pipe(
  Command.withDescription("Look for models, download, list and remove them"),
  Command.withSubcommands([list, pull, remove, search]),
)
