/**
 * Flags that several commands have.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Flag from "effect/cli/Flag"

/**
 * The folder of an agent where none is named.
 *
 * @category constants
 * @since 0.1.0
 */
export const DEFAULT_HOME = ".guildhall-agent"

/**
 * Refuses a flag's value that the schema does not take, in words that say what it takes.
 *
 * @category combinators
 * @since 0.1.0
 */
export const checked =
  <A, I>(schema: Schema.ConstraintCodec<A, I>, expected: string) =>
  (flag: Flag.Flag<I>): Flag.Flag<A> =>
    Flag.filterMap(flag, Schema.decodeUnknownOption(schema), () => expected)

/**
 * A whole number between two, both included.
 *
 * @category combinators
 * @since 0.1.0
 */
export const whole = (minimum: number, maximum: number, expected = `a whole number from ${minimum} to ${maximum}`) =>
  checked(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum }))), expected)

/**
 * Whole cents, as a registration has them.
 *
 * @category combinators
 * @since 0.1.0
 */
export const cents = whole(
  0,
  100_000_000,
  "whole cents from 0 to 100000000, for a million tokens or a thousand of what is not tokens",
)

/**
 * The folder of the agent.
 *
 * @category flags
 * @since 0.1.0
 */
export const home = Flag.String("home").pipe(
  Flag.withDescription(`Folder of the agent: its key, settings and logs (${DEFAULT_HOME}) [GUILDHALL_AGENT_HOME]`),
  Flag.withFallbackConfig(Config.String("GUILDHALL_AGENT_HOME")),
  Flag.withDefault(DEFAULT_HOME),
)

/**
 * The market, where it is not the one that this machine is paired with.
 *
 * @category flags
 * @since 0.1.0
 */
export const market = Flag.String("market").pipe(
  Flag.withDescription(
    "Address of the market, such as http://127.0.0.1:8787; without it, the one that this machine is paired with [GUILDHALL_MARKET_URL]",
  ),
  Flag.withFallbackConfig(Config.String("GUILDHALL_MARKET_URL")),
  Flag.optional,
)

/**
 * An API key, where the device's own is not enough or there is none. A variable that is set to nothing is no key.
 *
 * @category flags
 * @since 0.1.0
 */
export const key = Flag.Redacted("key").pipe(
  Flag.withDescription(
    "A provider's API key, where this machine is not paired; better not on the command line [GUILDHALL_PROVIDER_KEY]",
  ),
  Flag.withFallbackConfig(Config.Redacted("GUILDHALL_PROVIDER_KEY")),
  Flag.optional,
  Flag.map(Option.filter((secret) => Redacted.value(secret) !== "")),
)

/**
 * Whether to print one JSON document.
 *
 * @category flags
 * @since 0.1.0
 */
export const json = Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON document"), Flag.withDefault(false))

/**
 * The GPU or the device that is meant.
 *
 * @category flags
 * @since 0.1.0
 */
export const gpuId = Flag.String("gpu-id").pipe(
  Flag.withDescription("A GPU (gpu_…, see `gpu list`) or a device (dev_…)"),
  checked(
    Schema.String.pipe(Schema.check(Schema.isPattern(/^(?:gpu_[0-9a-f]{24}|dev_[0-9a-f]{32})$/))),
    "the id of a GPU, such as gpu_0123456789abcdef01234567 from `gpu list`, or of a device",
  ),
)
