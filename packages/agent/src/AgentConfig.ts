/**
 * The settings of an agent in its home, which `init` writes and `serve` reads where neither a flag nor the environment says
 * something else.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as FileProblem from "@guildhall/core/FileProblem"
import * as Folder from "@guildhall/core/Folder"
import { DeviceName } from "@guildhall/core/Device"
import { Region } from "@guildhall/core/Instance"
import { AgentError } from "./AgentError.ts"

/** The file in the home. @category constants @since 0.1.0 */
export const FILE = "config.json"

const Text = Schema.String.pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(2_000)))
const Cents = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 100_000_000 })))

/**
 * The settings. Prices are whole cents for a million tokens; `name` is what the machine is called when it is paired.
 *
 * @category models
 * @since 0.1.0
 */
export const AgentConfig = Schema.Struct({
  market: Schema.optionalKey(Text),
  name: Schema.optionalKey(DeviceName),
  model: Schema.optionalKey(Text),
  quant: Schema.optionalKey(Text),
  backend: Schema.optionalKey(Text),
  region: Schema.optionalKey(Region),
  inputPrice: Schema.optionalKey(Cents),
  outputPrice: Schema.optionalKey(Cents),
})
/** @since 0.1.0 */
export type AgentConfig = typeof AgentConfig.Type

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(AgentConfig), {
  errors: "all",
  onExcessProperty: "error",
})
const format = SchemaIssue.makeFormatterStandardSchemaV1()

const unusable = (file: string) => (error: PlatformError.PlatformError) =>
  new AgentError({
    reason: "HomeUnusable",
    detail: `The agent cannot use ${file}: ${FileProblem.words(error)}. Fix the rights, or choose another folder with --home.`,
  })

const wrong = (file: string) => (error: Schema.SchemaError) => {
  const said = format(error.issue)
    .issues.map(({ message, path }) => `${(path ?? []).map(String).join(".") || "the file"}: ${message}`)
    .join("; ")
  return new AgentError({
    reason: "BadSetting",
    detail: `${file} is not as it should be (${said.slice(0, 500)}). Correct it, or write it anew with \`guildhall-agent init\`.`,
  })
}

/**
 * The settings of a home: none where there is no file. Fails where the file is not as it should be.
 *
 * @category constructors
 * @since 0.1.0
 */
export const read = Effect.fnUntraced(function* (home: string) {
  const fs = yield* FileSystem.FileSystem
  const file = (yield* Path.Path).join(home, FILE)
  const isThere = yield* Effect.orElseSucceed(fs.exists(file), () => false)
  if (!isThere) return Option.none<AgentConfig>()
  const text = yield* Effect.mapError(fs.readFileString(file), unusable(file))
  return Option.some(yield* Effect.mapError(decode(text), wrong(file)))
})

/** One text for the same settings, in whichever order they came. */
const toText = (config: AgentConfig): string => {
  const said = Object.entries(Schema.encodeSync(AgentConfig)(config)).sort(([a], [b]) => (a < b ? -1 : 1))
  return `${JSON.stringify(Object.fromEntries(said), null, 2)}\n`
}

/**
 * Whether two are the same.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isSame = (one: AgentConfig, other: AgentConfig): boolean => toText(one) === toText(other)

/**
 * Writes the settings of a home, at once and for its owner alone, and makes the home where it is not there.
 *
 * @category combinators
 * @since 0.1.0
 */
export const write = Effect.fnUntraced(function* (home: string, config: AgentConfig) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const file = path.join(home, FILE)
  const draft = `${file}.new`
  yield* Effect.gen(function* () {
    yield* Folder.make(path.resolve(home), { mode: 0o700 })
    yield* Effect.ignore(fs.remove(draft))
    yield* fs.writeFileString(draft, toText(config), { mode: 0o600 })
    yield* fs.rename(draft, file)
  }).pipe(Effect.mapError(unusable(file)))
  return file
})

/**
 * Changes settings of a home that has some. Answers whether it has.
 *
 * @category combinators
 * @since 0.1.0
 */
export const update = Effect.fnUntraced(function* (home: string, change: Partial<AgentConfig>) {
  const found = yield* read(home)
  if (Option.isNone(found)) return false
  yield* write(home, { ...found.value, ...change })
  return true
})
