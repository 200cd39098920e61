/**
 * Every setting of the reference gateway: its name in the environment, its default, what it may be, and its sentence.
 * This table is the only place; the README's table is made from it.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import path from "node:path"
import * as AgentVariables from "./AgentVariables.ts"
import * as ChainSettings from "./ChainSettings.ts"
import type { LaunchError } from "./LaunchError.ts"
import * as NetworkSettings from "./NetworkSettings.ts"
import * as Setting from "./Setting.ts"
import { fromWhereStarted, read, readRequired } from "./Setting.ts"

const DatabaseUrl = Schema.String.pipe(Schema.check(Schema.isPattern(/^postgres(ql)?:\/\/\S+$/)))

const SmtpUrl = Schema.String.pipe(
  Schema.check(Schema.makeFilter((text: string) => /^smtps?:\/\/\S+$/.test(text) && URL.canParse(text))),
)

const table = {
  ...NetworkSettings.table,
  home: Setting.make(
    "GUILDHALL_HOME",
    ".guildhall",
    Schema.NonEmptyString,
    "a directory",
    "Where everything is kept: database, keys, `dev.json`. The default is in the repository; another relative path starts where you are.",
  ),
  market: Setting.make(
    "GUILDHALL_MARKET",
    "local",
    Schema.NonEmptyString,
    "the name of a market, or a path that ends in .json",
    "The market definition to run.",
  ),
  databaseUrl: Setting.make(
    "DATABASE_URL",
    undefined,
    DatabaseUrl,
    "a URL that begins with postgres://",
    "A PostgreSQL (15 or later) to use instead of the embedded one, e.g. `postgres://user:password@host:5432/database`.",
    true,
  ),
  answerSecrets: Setting.make(
    "GUILDHALL_ANSWER_SECRETS",
    undefined,
    Schema.String.pipe(Schema.check(Schema.isPattern(/^[A-Za-z0-9_-]{43}(,[A-Za-z0-9_-]{43})*$/))),
    "one or more secrets of 32 random bytes in base64url, parted by commas",
    "What answers are sealed with that are kept for an `Idempotency-Key`, oldest first: the first names the keys, the last seals. Every process needs the same. Without it: a file in the home.",
    true,
  ),
  sealKeys: Setting.make(
    "GUILDHALL_SEAL_KEYS",
    undefined,
    Schema.NonEmptyString,
    "one or more keys such as 2026-11:<32 random bytes in base64url>, parted by commas",
    "What the tokens of members' accounts in a cloud are sealed with, the newest key last: it seals, all open. Every process needs the same. Without it no such accounts are taken.",
    true,
  ),
  smtpUrl: Setting.make(
    "GUILDHALL_SMTP_URL",
    undefined,
    SmtpUrl,
    "a URL such as smtps://user:password@mail.example:465",
    "The mail service by which warnings go to providers who gave an e-mail address. Without it no such addresses are taken.",
    true,
  ),
  mailFrom: Setting.make(
    "GUILDHALL_MAIL_FROM",
    undefined,
    Schema.String.pipe(Schema.check(Schema.isPattern(/^[^\r\n]*[^\s@<]+@[^\s@>]+>?$/))),
    "an address such as market@mail.example, or Market <market@mail.example>",
    "Who the mails are from. Without it: guildhall at the mail service's own name.",
  ),
  ...ChainSettings.table,
  catalogue: Setting.make(
    "GUILDHALL_CATALOGUE",
    undefined,
    Schema.NonEmptyString,
    "a directory",
    "Where the tokenizers are kept by which tokens are counted exactly (`guildhall catalogue`). Without it: in the home.",
  ),
  agent: Setting.make(
    "GUILDHALL_AGENT",
    "on",
    Schema.Literals(["on", "off"]),
    "on or off",
    "Whether to start a provider on this machine beside the gateway.",
  ),
  console: Setting.make(
    "GUILDHALL_CONSOLE",
    "on",
    Schema.Literals(["on", "off"]),
    "on or off",
    "Whether to serve the pages at `/console/`. In a checkout they are built at the first start, in the background.",
  ),
  model: Setting.make(
    "GUILDHALL_MODEL",
    undefined,
    Schema.NonEmptyString,
    "a name like org/model, or the path of a .gguf file",
    "The model that the provider serves; same as `npm start -- --model …`. Without it: what a model server on this machine offers, else the demo model.",
  ),
  logLevel: Setting.make(
    "GUILDHALL_LOG_LEVEL",
    "Info",
    Schema.Literals(["Trace", "Debug", "Info", "Warn", "Error", "None"]),
    "Trace, Debug, Info, Warn, Error or None",
    "The least severe log lines to print. Bodies of requests are never among them.",
  ),
  metrics: Setting.make(
    "GUILDHALL_METRICS",
    "operator",
    Schema.Literals(["operator", "anyone"]),
    "operator or anyone",
    "Who may read `/metrics`: who has an operator's key, or anyone who reaches the port. They name models and count requests.",
  ),
  otlpEndpoint: Setting.make(
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    undefined,
    Schema.String.pipe(Schema.check(Schema.isPattern(/^https?:\/\/\S+$/))),
    "a URL that begins with http:// or https://",
    "Where traces, metrics and logs are sent by OTLP; other `OTEL_*` variables (service name, headers, resource attributes) count too.",
  ),
} as const

/**
 * The variables whose values are secrets: no process that the gateway starts is given them, unless it is another gateway.
 *
 * @category constants
 * @since 0.1.0
 */
export const secretVariables: ReadonlySet<string> = new Set(
  Object.values(table).flatMap(({ isSecret, variable }) => (isSecret ? [variable] : [])),
)

/** Variables that are the project's own affair and no settings; programs of the guides read the buyer's key. */
const internal = new Set([
  "GUILDHALL_API_KEY",
  "GUILDHALL_EXIT_WITH",
  "GUILDHALL_TEST_DATABASE_URL",
  "GUILDHALL_TEST_PROGRAMS",
])

/**
 * The settings of one start, with paths made absolute.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settings extends NetworkSettings.NetworkSettings, ChainSettings.ChainSettings {
  /** Absolute path. */
  readonly home: string
  /** A market's name, or the absolute path of a `.json` file. */
  readonly market: string
  readonly databaseUrl: Redacted.Redacted | undefined
  readonly answerSecrets: Redacted.Redacted | undefined
  readonly sealKeys: Redacted.Redacted | undefined
  readonly smtpUrl: Redacted.Redacted | undefined
  readonly mailFrom: string | undefined
  /** Absolute path. */
  readonly catalogue: string
  readonly agent: "on" | "off"
  readonly console: "on" | "off"
  /** A model's name, or the absolute path of a model file. */
  readonly model: string | undefined
  readonly logLevel: "Trace" | "Debug" | "Info" | "Warn" | "Error" | "None"
  readonly metrics: "operator" | "anyone"
  readonly otlpEndpoint: string | undefined
}

const repository = path.resolve(import.meta.dirname, "../../..")

/** A model can be a file or a name with a slash in it. */
const resolveModel = (model: string): string =>
  /^(\.{0,2}\/|~\/)|\.gguf$/.test(model)
    ? fromWhereStarted(model.replace(/^~(?=\/)/, process.env["HOME"] ?? "~"))
    : model

/**
 * Reads all settings. Fails with a letter that names the variable, its value and what is allowed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const load: Effect.Effect<Settings, LaunchError> = Effect.gen(function* () {
  const home = yield* readRequired(table.home)
  const market = yield* readRequired(table.market)
  const databaseUrl = yield* read(table.databaseUrl)
  const model = yield* read(table.model)
  const answerSecrets = yield* read(table.answerSecrets)
  const sealKeys = yield* read(table.sealKeys)
  const smtpUrl = yield* read(table.smtpUrl)
  const homePath = home === table.home.fallback ? path.join(repository, home) : fromWhereStarted(home)
  const catalogue = yield* read(table.catalogue)
  return {
    ...(yield* NetworkSettings.load),
    home: homePath,
    market: market.endsWith(".json") ? fromWhereStarted(market) : market,
    databaseUrl: databaseUrl === undefined ? undefined : Redacted.make(databaseUrl),
    catalogue: catalogue === undefined ? path.join(homePath, "catalogue") : fromWhereStarted(catalogue),
    answerSecrets: answerSecrets === undefined ? undefined : Redacted.make(answerSecrets),
    sealKeys: sealKeys === undefined ? undefined : Redacted.make(sealKeys),
    smtpUrl: smtpUrl === undefined ? undefined : Redacted.make(smtpUrl),
    mailFrom: yield* read(table.mailFrom),
    ...(yield* ChainSettings.load),
    agent: yield* readRequired(table.agent),
    console: yield* readRequired(table.console),
    model: model === undefined ? undefined : resolveModel(model),
    logLevel: yield* readRequired(table.logLevel),
    metrics: yield* readRequired(table.metrics),
    otlpEndpoint: yield* read(table.otlpEndpoint),
  }
})

/**
 * Settings with a model named on the command line, which wins over the environment.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withModel = (settings: Settings, model: string): Settings => ({ ...settings, model: resolveModel(model) })

/**
 * Settings with a chain asked for on the command line, which wins over the environment.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withChain = (settings: Settings): Settings => ({ ...settings, chain: "on" })

/**
 * Variables of the environment that look like settings and are none: most likely misspelt.
 *
 * @category queries
 * @since 0.1.0
 */
export const unknownVariables = (environment: Readonly<Record<string, string | undefined>>): ReadonlyArray<string> => {
  const known = new Set<string>(Object.values(table).map((entry) => entry.variable))
  return Object.keys(environment).filter(
    (name) =>
      name.startsWith("GUILDHALL_") && !known.has(name) && !internal.has(name) && !AgentVariables.names.has(name),
  )
}

/**
 * The settings as a Markdown table, for the README.
 *
 * @category formatting
 * @since 0.1.0
 */
export const settingsMarkdown = (): string => {
  const rows = Object.values(table).map(
    (entry) =>
      `| \`${entry.variable}\` | ${entry.fallback === undefined ? "" : `\`${entry.fallback}\``} | ${entry.sentence} |`,
  )
  return ["| variable | default | what it does |", "|---|---|---|", ...rows].join("\n")
}
