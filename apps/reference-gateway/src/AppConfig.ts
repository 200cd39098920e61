/**
 * Every setting of the reference gateway: its name in the environment, its default, what it may be, and its sentence.
 * This table is the only place; the README's table is made from it.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import path from "node:path"
import * as IpRange from "@guildhall/core/IpRange"
import { LaunchError } from "./LaunchError.ts"

interface Setting<A> {
  readonly variable: string
  /** The text used when the variable is not set; `undefined` leaves the setting out. */
  readonly fallback: string | undefined
  readonly allowed: string
  readonly sentence: string
  readonly isSecret: boolean
  readonly codec: Schema.ConstraintCodec<A, string>
}

const setting = <A>(
  variable: string,
  fallback: string | undefined,
  codec: Schema.ConstraintCodec<A, string>,
  allowed: string,
  sentence: string,
  isSecret = false,
): Setting<A> => ({ variable, fallback, codec, allowed, sentence, isSecret })

const Port = Schema.FiniteFromString.pipe(
  Schema.check(Schema.isInt(), Schema.isBetween({ minimum: 0, maximum: 65_535 })),
)

const DatabaseUrl = Schema.String.pipe(Schema.check(Schema.isPattern(/^postgres(ql)?:\/\/\S+$/)))

const SmtpUrl = Schema.String.pipe(
  Schema.check(Schema.makeFilter((text: string) => /^smtps?:\/\/\S+$/.test(text) && URL.canParse(text))),
)

const HttpUrl = Schema.String.pipe(Schema.check(Schema.isPattern(/^https?:\/\/\S+$/)))

/** It goes into scripts and messages, so it has an address's own characters only. */
const PublicUrl = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^https?:\/\/[A-Za-z0-9.:[\]-]+(\/[A-Za-z0-9._~/-]*)?$/)),
)

/** Endpoints often carry an API key in their path, so the whole is a secret. */
const RpcUrls = Schema.String.pipe(
  Schema.check(
    Schema.makeFilter((text: string) => {
      const urls = listOf(text)
      return urls.length > 0 && urls.every((url) => /^https?:\/\/\S+$/.test(url) && URL.canParse(url))
    }),
  ),
)

const PrivateKey = Schema.String.pipe(Schema.check(Schema.isPattern(/^0x[0-9a-fA-F]{64}$/)))

const PointName = Schema.String.pipe(Schema.check(Schema.isPattern(/^[a-z][a-z0-9-]{0,39}$/)))

const ranges = Schema.String.pipe(
  Schema.check(
    Schema.makeFilter((text: string) => rangesOf(text).every((range) => IpRange.parse(range) !== undefined)),
  ),
)

const listOf = (text: string): ReadonlyArray<string> =>
  text
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "")

const rangesOf = (text: string): ReadonlyArray<IpRange.IpRange> => listOf(text)

const table = {
  port: setting(
    "GUILDHALL_PORT",
    "8787",
    Port,
    "a whole number from 0 to 65535",
    "The port of the gateway; 0 takes a free one.",
  ),
  host: setting(
    "GUILDHALL_HOST",
    "127.0.0.1",
    Schema.NonEmptyString,
    "an address of this machine",
    "The address to listen on. `0.0.0.0` opens the gateway to the network: put TLS in front of it.",
  ),
  trustedProxies: setting(
    "GUILDHALL_TRUSTED_PROXIES",
    undefined,
    ranges,
    "addresses and ranges such as 10.0.0.0/8, parted by commas",
    "The proxies in front of the gateway, whose `X-Forwarded-For` is believed where a key may only be used from some addresses. None by default.",
  ),
  publicUrl: setting(
    "GUILDHALL_PUBLIC_URL",
    undefined,
    PublicUrl,
    "a URL that begins with http:// or https://",
    "The market's address in the world: `install.sh` names it. Without it: the address under which the script was fetched.",
  ),
  home: setting(
    "GUILDHALL_HOME",
    ".guildhall",
    Schema.NonEmptyString,
    "a directory",
    "Where everything is kept: database, keys, `dev.json`. The default is in the repository; another relative path starts where you are.",
  ),
  market: setting(
    "GUILDHALL_MARKET",
    "local",
    Schema.NonEmptyString,
    "the name of a market, or a path that ends in .json",
    "The market definition to run.",
  ),
  databaseUrl: setting(
    "DATABASE_URL",
    undefined,
    DatabaseUrl,
    "a URL that begins with postgres://",
    "A PostgreSQL (15 or later) to use instead of the embedded one, e.g. `postgres://user:password@host:5432/database`.",
    true,
  ),
  answerSecrets: setting(
    "GUILDHALL_ANSWER_SECRETS",
    undefined,
    Schema.String.pipe(Schema.check(Schema.isPattern(/^[A-Za-z0-9_-]{43}(,[A-Za-z0-9_-]{43})*$/))),
    "one or more secrets of 32 random bytes in base64url, parted by commas",
    "What answers are sealed with that are kept for an `Idempotency-Key`, oldest first: the first names the keys, the last seals. Every process needs the same. Without it: a file in the home.",
    true,
  ),
  sealKeys: setting(
    "GUILDHALL_SEAL_KEYS",
    undefined,
    Schema.NonEmptyString,
    "one or more keys such as 2026-11:<32 random bytes in base64url>, parted by commas",
    "What the tokens of members' accounts in a cloud are sealed with, the newest key last: it seals, all open. Every process needs the same. Without it no such accounts are taken.",
    true,
  ),
  smtpUrl: setting(
    "GUILDHALL_SMTP_URL",
    undefined,
    SmtpUrl,
    "a URL such as smtps://user:password@mail.example:465",
    "The mail service by which warnings go to providers who gave an e-mail address. Without it no such addresses are taken.",
    true,
  ),
  mailFrom: setting(
    "GUILDHALL_MAIL_FROM",
    undefined,
    Schema.String.pipe(Schema.check(Schema.isPattern(/^[^\r\n]*[^\s@<]+@[^\s@>]+>?$/))),
    "an address such as market@mail.example, or Market <market@mail.example>",
    "Who the mails are from. Without it: guildhall at the mail service's own name.",
  ),
  chain: setting(
    "GUILDHALL_CHAIN",
    "off",
    Schema.Literals(["on", "off"]),
    "on or off",
    "Whether to start a chain for development beside the gateway, with the contracts deployed and accounts funded; same as `npm start -- --chain`. A market that names chain 31337 has one anyway, unless `GUILDHALL_CHAIN_RPC` is set.",
  ),
  chainRpc: setting(
    "GUILDHALL_CHAIN_RPC",
    undefined,
    RpcUrls,
    "one or more URLs that begin with http:// or https://, parted by commas",
    "Where the chain of the market's definition is asked. With several the gateway believes what most of them say, so name three of different operators.",
    true,
  ),
  chainKey: setting(
    "GUILDHALL_CHAIN_KEY",
    undefined,
    PrivateKey,
    "a private key: 0x and 64 hexadecimal digits",
    "The key of the account that proposes the market's epochs: the contract's operator. It can take nothing for itself. Without it, and without the next one, epochs are not settled on a real chain.",
    true,
  ),
  chainKeyFile: setting(
    "GUILDHALL_CHAIN_KEY_FILE",
    undefined,
    Schema.NonEmptyString,
    "a file",
    "The same, in a file that only its owner may read.",
  ),
  catalogue: setting(
    "GUILDHALL_CATALOGUE",
    undefined,
    Schema.NonEmptyString,
    "a directory",
    "Where the tokenizers are kept by which tokens are counted exactly (`guildhall catalogue`). Without it: in the home.",
  ),
  tunnelUrl: setting(
    "GUILDHALL_TUNNEL_URL",
    undefined,
    HttpUrl,
    "a URL that begins with http:// or https://",
    "Where several gateways serve a market behind one address: the address of this one alone, at which agents open tunnels. They hold some to several gateways.",
  ),
  peerUrl: setting(
    "GUILDHALL_PEER_URL",
    undefined,
    HttpUrl,
    "a URL that begins with http:// or https://",
    "Where the market's other gateways reach this one, to ask agents whose tunnels end here. They need the same database and keys.",
  ),
  point: setting(
    "GUILDHALL_POINT",
    undefined,
    PointName,
    "a name such as fra, of lower-case letters, digits and hyphens",
    "Where this gateway stands, by a name of the definition's `entry.points`: what the check of regions measures from.",
  ),
  agent: setting(
    "GUILDHALL_AGENT",
    "on",
    Schema.Literals(["on", "off"]),
    "on or off",
    "Whether to start a provider on this machine beside the gateway.",
  ),
  console: setting(
    "GUILDHALL_CONSOLE",
    "on",
    Schema.Literals(["on", "off"]),
    "on or off",
    "Whether to serve the pages at `/console/`. In a checkout they are built at the first start, in the background.",
  ),
  model: setting(
    "GUILDHALL_MODEL",
    undefined,
    Schema.NonEmptyString,
    "a name like org/model, or the path of a .gguf file",
    "The model that the provider serves; same as `npm start -- --model …`. Without it: what a model server on this machine offers, else the demo model.",
  ),
  logLevel: setting(
    "GUILDHALL_LOG_LEVEL",
    "Info",
    Schema.Literals(["Trace", "Debug", "Info", "Warn", "Error", "None"]),
    "Trace, Debug, Info, Warn, Error or None",
    "The least severe log lines to print. Bodies of requests are never among them.",
  ),
  metrics: setting(
    "GUILDHALL_METRICS",
    "operator",
    Schema.Literals(["operator", "anyone"]),
    "operator or anyone",
    "Who may read `/metrics`: who has an operator's key, or anyone who reaches the port. They name models and count requests.",
  ),
  otlpEndpoint: setting(
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

/** Variables that are the project's own affair and no settings. */
const internal = new Set(["GUILDHALL_EXIT_WITH", "GUILDHALL_TEST_DATABASE_URL"])

/**
 * The settings of one start, with paths made absolute.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settings {
  readonly port: number
  readonly host: string
  readonly trustedProxies: ReadonlyArray<IpRange.IpRange>
  /** Without a slash at its end. */
  readonly publicUrl: string | undefined
  /** Absolute path. */
  readonly home: string
  /** A market's name, or the absolute path of a `.json` file. */
  readonly market: string
  readonly databaseUrl: Redacted.Redacted | undefined
  readonly answerSecrets: Redacted.Redacted | undefined
  readonly sealKeys: Redacted.Redacted | undefined
  readonly smtpUrl: Redacted.Redacted | undefined
  readonly mailFrom: string | undefined
  readonly chain: "on" | "off"
  /** URLs parted by commas, one or more. */
  readonly chainRpc: Redacted.Redacted | undefined
  readonly chainKey: Redacted.Redacted | undefined
  /** Absolute path. */
  readonly chainKeyFile: string | undefined
  /** Absolute path. */
  readonly catalogue: string
  readonly tunnelUrl: string | undefined
  readonly peerUrl: string | undefined
  readonly point: string | undefined
  readonly agent: "on" | "off"
  readonly console: "on" | "off"
  /** A model's name, or the absolute path of a model file. */
  readonly model: string | undefined
  readonly logLevel: "Trace" | "Debug" | "Info" | "Warn" | "Error" | "None"
  readonly metrics: "operator" | "anyone"
  readonly otlpEndpoint: string | undefined
}

const read = <A>(entry: Setting<A>): Effect.Effect<A | undefined, LaunchError> =>
  Effect.gen(function* () {
    const given = yield* Effect.orElseSucceed(Config.option(Config.String(entry.variable)), Option.none<string>)
    const text = Option.getOrUndefined(Option.filter(given, (value) => value !== "")) ?? entry.fallback
    if (text === undefined) return undefined
    return yield* Schema.decodeUnknownEffect(entry.codec)(text).pipe(
      Effect.mapError(
        () =>
          new LaunchError({
            what: `The setting ${entry.variable} has a value it cannot have${entry.isSecret ? "" : `: "${text}"`}.`,
            why: `It must be ${entry.allowed}.`,
            todo: `Change it, or leave it out${entry.fallback === undefined ? "" : ` for the default, ${entry.fallback}`}.`,
          }),
      ),
    )
  })

const readRequired = <A>(entry: Setting<A>): Effect.Effect<A, LaunchError> =>
  Effect.flatMap(read(entry), (value) =>
    value === undefined ? Effect.die(`${entry.variable} has no default`) : Effect.succeed(value),
  )

const repository = path.resolve(import.meta.dirname, "../../..")

/** Where the person typed the command: npm itself moves to the repository's root before it runs a script. */
const startedIn = (): string => process.env["INIT_CWD"] ?? process.cwd()

const fromWhereStarted = (file: string) => path.resolve(startedIn(), file)

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
  const chainRpc = yield* read(table.chainRpc)
  const chainKey = yield* read(table.chainKey)
  const chainKeyFile = yield* read(table.chainKeyFile)
  return {
    port: yield* readRequired(table.port),
    host: yield* readRequired(table.host),
    publicUrl: (yield* read(table.publicUrl))?.replace(/\/+$/, ""),
    trustedProxies: rangesOf((yield* read(table.trustedProxies)) ?? ""),
    home: homePath,
    market: market.endsWith(".json") ? fromWhereStarted(market) : market,
    databaseUrl: databaseUrl === undefined ? undefined : Redacted.make(databaseUrl),
    catalogue: catalogue === undefined ? path.join(homePath, "catalogue") : fromWhereStarted(catalogue),
    answerSecrets: answerSecrets === undefined ? undefined : Redacted.make(answerSecrets),
    sealKeys: sealKeys === undefined ? undefined : Redacted.make(sealKeys),
    smtpUrl: smtpUrl === undefined ? undefined : Redacted.make(smtpUrl),
    mailFrom: yield* read(table.mailFrom),
    chain: yield* readRequired(table.chain),
    chainRpc: chainRpc === undefined ? undefined : Redacted.make(listOf(chainRpc).join(",")),
    chainKey: chainKey === undefined ? undefined : Redacted.make(chainKey),
    chainKeyFile: chainKeyFile === undefined ? undefined : fromWhereStarted(chainKeyFile),
    tunnelUrl: yield* read(table.tunnelUrl),
    peerUrl: yield* read(table.peerUrl),
    point: yield* read(table.point),
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
    (name) => name.startsWith("GUILDHALL_") && !known.has(name) && !internal.has(name),
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
