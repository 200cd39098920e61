/**
 * With what the contracts of a market are created: for good, for none of it can be changed but by the roles, slowly.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as Address from "@guildhall/chain/Address"
import * as ChainError from "@guildhall/chain/ChainError"
import { NonNegativeAmount } from "@guildhall/core/Money"
import * as DeployRules from "./DeployRules.ts"

const MALFORMED = "an address is 0x and 40 hexadecimal digits, and mixed case is its checksum. Copy it again."

/** In a file an address may be written in one case as well. */
const Account = Schema.String.pipe(
  Schema.decodeTo(
    Address.Address,
    SchemaTransformation.transformEffect<string, string>({
      decode: (text, options) =>
        Option.match(Address.fromText(text), {
          onNone: () => Effect.fail(new SchemaIssue.InvalidValue({ message: MALFORMED }, text, options)),
          onSome: Effect.succeed,
        }),
      encode: Effect.succeed,
    }),
  ),
)

const whole = (maximum: number) => Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum })))
/** Longer than any contract takes, and short enough for its numbers. */
const Seconds = whole(2 ** 40)
const Bps = whole(10_000)
const Count = whole(2 ** 31)
const Amount = NonNegativeAmount.pipe(Schema.check(Schema.isLessThanOrEqualToBigInt(2n ** 128n - 1n)))

/**
 * Who holds the roles. Slasher and arbiter, adjuster and challenger, operator and challenger must be different accounts.
 *
 * - `governor` announces changes of roles, `pauser` stops what comes in, `curator` appends tiers, classes and terms.
 * - `slasher` proposes slashes, `arbiter` decides appeals, `verifier` signs for endpoints, `registrar` deregisters.
 * - `adjuster` proposes insurance claims, `challenger` cancels claims and epochs.
 * - `operator` settles and opens jobs, `funder` takes back what is not used.
 *
 * @category models
 * @since 0.1.0
 */
export const Roles = Schema.Struct({
  governor: Account,
  pauser: Account,
  curator: Account,
  slasher: Account,
  arbiter: Account,
  verifier: Account,
  registrar: Account,
  adjuster: Account,
  challenger: Account,
  operator: Account,
  funder: Account,
})
/** @since 0.1.0 */
export type Roles = typeof Roles.Type

/** Of `Staking`. Seconds, basis points. @category models @since 0.1.0 */
export const StakingSettings = Schema.Struct({
  token: Account,
  cooldownS: Seconds,
  minActiveS: Seconds,
  tierDelayS: Seconds,
  apyBps: whole(65_535),
  tiers: Schema.Array(Schema.Struct({ minStake: Amount, multiplierBps: Count, priority: whole(255) })),
})
/** @since 0.1.0 */
export type StakingSettings = typeof StakingSettings.Type

/** Of `InsurancePool`, whose token is that of bonds and validators too. @category models @since 0.1.0 */
export const InsuranceSettings = Schema.Struct({
  token: Account,
  epochLengthS: Seconds,
  challengeDelayS: Seconds,
  claimWindowS: Seconds,
  epochCapBps: whole(65_535),
  incidentCap: Amount,
})
/** @since 0.1.0 */
export type InsuranceSettings = typeof InsuranceSettings.Type

/** Of `ProviderBond`. @category models @since 0.1.0 */
export const BondSettings = Schema.Struct({
  cooldownS: Seconds,
  evidenceWindowS: Seconds,
  appealWindowS: Seconds,
  rulingWindowS: Seconds,
  bufferS: Seconds,
  periodS: Seconds,
  capBps: whole(65_535),
  finderBps: whole(65_535),
})
/** @since 0.1.0 */
export type BondSettings = typeof BondSettings.Type

/** Of `Settlement`; the shares are those of the first terms. @category models @since 0.1.0 */
export const SettlementSettings = Schema.Struct({
  epochLengthS: Seconds,
  challengeDelayS: Seconds,
  unfundDelayS: Seconds,
  voucherEpochs: Count,
  providerBps: whole(65_535),
  treasury: Account,
  voucherSigner: Account,
  shares: Schema.Array(Schema.Struct({ party: Account, bps: Bps })),
})
/** @since 0.1.0 */
export type SettlementSettings = typeof SettlementSettings.Type

/** Of `ValidatorRegistry`: `perJob` judge each job, and `quorum` of them must say the same. @category models @since 0.1.0 */
export const ValidatorSettings = Schema.Struct({
  minBond: Amount,
  epochLengthS: Seconds,
  cooldownS: Seconds,
  perJob: whole(255),
  quorum: whole(255),
  slashBps: whole(65_535),
  reporterBps: whole(65_535),
})
/** @since 0.1.0 */
export type ValidatorSettings = typeof ValidatorSettings.Type

/**
 * All of it. `roleDelayS` is how long a change of a role is announced, two days or more and never shorter than the bonds' cooldown.
 * The same settings with the same `salt` have the same addresses on every chain; another salt makes another market.
 *
 * @category models
 * @since 0.1.0
 */
export const DeploySettings = Schema.Struct({
  salt: Schema.optional(Schema.NonEmptyString),
  roles: Roles,
  roleDelayS: Seconds,
  staking: StakingSettings,
  insurance: InsuranceSettings,
  bond: BondSettings,
  settlement: SettlementSettings,
  validators: ValidatorSettings,
})
/** @since 0.1.0 */
export type DeploySettings = typeof DeploySettings.Type

const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    if (issue._tag === "MissingKey") return "it is missing."
    if (issue._tag === "UnexpectedKey") return "there is no such setting."
    return SchemaIssue.defaultLeafHook(issue)
  },
})

/** `staking.tiers[0].minStake` */
const written = (path: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }>): string =>
  path
    .map((segment) => (typeof segment === "object" ? segment.key : segment))
    .map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`))
    .join("")
    .replace(/^\./, "")

const decodeJson = Schema.decodeUnknownEffect(Schema.toCodecJson(DeploySettings), {
  errors: "all",
  onExcessProperty: "error",
})

const refused = (lines: ReadonlyArray<string>, ...more: ReadonlyArray<string>): ChainError.ChainError =>
  ChainError.invalid(
    [`The settings are refused. Correct this:`, ...lines.map((line) => `    ${line}`), ...more].join("\n"),
  )

/**
 * Reads settings from JSON: amounts are decimal digits in quotes, seconds and basis points are numbers. Fails with `InvalidInput`
 * that names each problem with its path: first those of the text, and then the figures with which no contract can be created
 * (`DeployRules`).
 *
 * **Example** (A misspelled setting)
 *
 * ```ts
 * import { DeploySettings } from "@guildhall/chain-evm"
 * import { Effect } from "effect"
 *
 * const { message } = Effect.runSync(Effect.flip(DeploySettings.decode({ rolls: {} })))
 * message.includes("rolls: there is no such setting.") // => true
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (json: unknown): Effect.Effect<DeploySettings, ChainError.ChainError> =>
  decodeJson(json).pipe(
    Effect.mapError(({ issue }) => {
      const lines = format(issue).issues.map(({ message, path }) => {
        const where = written(path ?? [])
        const text = message.replace(/^Expected/, "expected").replace(/\.?$/, ".")
        return `${where === "" ? "" : `${where}: `}${text}`
      })
      return refused(lines, "  Amounts are decimal digits in quotes, seconds and basis points are numbers.")
    }),
    Effect.tap((settings) => {
      const lines = DeployRules.problems(settings).map(({ path, words }) => `${path}: ${words}`)
      return lines.length === 0 ? Effect.void : Effect.fail(refused(lines))
    }),
  )
