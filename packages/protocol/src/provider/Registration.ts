/**
 * What an agent says of an instance when it joins, and what the market answers.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { DeviceId } from "@guildhall/core/Device"
import {
  Country,
  Endpoints,
  Inputs,
  InstanceId,
  Parameters,
  ProviderName,
  Quantization,
  Rails,
  Region,
} from "@guildhall/core/Instance"
import { PublishedKey } from "@guildhall/core/KeyRing"
import { ModelId } from "@guildhall/core/Model"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import { TokenizerDigest } from "@guildhall/core/Tokenizer"
import { Attested } from "./Attested.ts"
import { TunnelUrls } from "./TunnelHello.ts"

/**
 * How long a context may be, in tokens.
 *
 * @category models
 * @since 0.1.0
 */
export const ContextLength = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 100_000_000 })))

/**
 * The context of a page in a browser that says none, in tokens: what the smallest model behind a browser's prompt API takes.
 *
 * @category constants
 * @since 0.1.0
 */
export const BROWSER_CONTEXT = 4_096

/**
 * Which payment schemes the words `accepts_stripe` and `accepts_tempo` mean: that of buyers who send `Authorization: Bearer sk-…`, and
 * that of buyers who send `Authorization: Payment …`.
 *
 * @category constants
 * @since 0.1.0
 */
export const PUBLISHED_RAILS = { accepts_stripe: "ApiKey", accepts_tempo: "Mpp" } as const

const Cents = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 100_000_000 })))

/**
 * The body of `POST /v1/providers/register`. Prices are whole cents: for a million tokens, or for a thousand images, seconds
 * of sound or requests. Context is in tokens.
 *
 * - `provider_type`: an agent, where nothing is said, or a page in a browser.
 * - `context_length_offered`: an agent says it; a page that does not is taken to offer {@link BROWSER_CONTEXT}.
 * - `concurrency`: how many requests it answers at a time; one, where nothing is said.
 * - `reach`: how requests reach it: at `endpoint_url`, over a tunnel that it holds open, or pulled by it. Where it is left out,
 *   one with a URL is called and any other is asked over its tunnel.
 *
 * What is left out is not declared: `endpoints` then are `chat/completions` alone, and an instance without the others is
 * left out where a buyer asks for them.
 *
 * - `provider`: the public name that buyers name in `provider.order`, `only` and `ignore`. It belongs to the member that
 *   registered with it first.
 * - `supported_parameters`: the members of a request that the engine understands, such as `tools`.
 * - `retains_data`: whether prompts or answers are kept after they were served.
 * - `tokenizer`: the digest of the engine's tokenizer.
 * - `region`, `country`: where it stands, such as `eu-west` and `DE`. `inputs`: what it takes in beside text, where it knows
 *   all of it. `rails`: the payment schemes whose buyers it serves, all where it is left out.
 * - `accepts_stripe`, `accepts_tempo`: the same for two schemes, in words that other markets' clients use: {@link PUBLISHED_RAILS}.
 *
 * @category models
 * @since 0.1.0
 */
export const Registration = Schema.Struct({
  provider_type: Schema.Literals(["agent", "browser"]).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("agent" as const)),
  ),
  endpoint_url: Schema.optionalKey(Schema.String.pipe(Schema.check(Schema.isMaxLength(2000)))),
  reach: Schema.optionalKey(Schema.Literals(["endpoint", "tunnel", "pull"])),
  model: ModelId,
  input_price_per_million: Cents,
  output_price_per_million: Cents,
  context_length_offered: Schema.optionalKey(ContextLength),
  concurrency: Schema.Int.pipe(
    Schema.check(Schema.isBetween({ minimum: 1, maximum: 100_000 })),
    Schema.withDecodingDefaultKey(Effect.succeed(1)),
  ),
  provider: Schema.optionalKey(ProviderName),
  endpoints: Schema.optionalKey(Endpoints),
  quantization: Schema.optionalKey(Quantization),
  supported_parameters: Schema.optionalKey(Parameters),
  retains_data: Schema.optionalKey(Schema.Boolean),
  tokenizer: Schema.optionalKey(TokenizerDigest),
  region: Schema.optionalKey(Region),
  country: Schema.optionalKey(Country),
  inputs: Schema.optionalKey(Inputs),
  rails: Schema.optionalKey(Rails),
  accepts_stripe: Schema.optionalKey(Schema.Boolean),
  accepts_tempo: Schema.optionalKey(Schema.Boolean),
  cached_input_price_per_million: Schema.optionalKey(Cents),
  image_price_per_thousand: Schema.optionalKey(Cents),
  audio_second_price_per_thousand: Schema.optionalKey(Cents),
  request_price_per_thousand: Schema.optionalKey(Cents),
})
/** @since 0.1.0 */
export type Registration = typeof Registration.Type

/** The prices of a registration, by unit. */
const PRICES = [
  ["inputToken", "input_price_per_million"],
  ["outputToken", "output_price_per_million"],
  ["cachedInputToken", "cached_input_price_per_million"],
  ["image", "image_price_per_thousand"],
  ["audioSecond", "audio_second_price_per_thousand"],
  ["request", "request_price_per_thousand"],
] as const satisfies ReadonlyArray<readonly [string, keyof Registration]>

/**
 * The members of a registration that are prices.
 *
 * @category models
 * @since 0.1.0
 */
export type Prices = Pick<Registration, (typeof PRICES)[number][1]>

/**
 * The prices that a registration asks, in cents. A market's limit is one for all of them, whether for a million tokens or a
 * thousand of the others.
 *
 * @category getters
 * @since 0.1.0
 */
export const prices = (registration: Prices): ReadonlyArray<number> =>
  PRICES.flatMap(([, name]) => registration[name] ?? [])

/**
 * The price sheet that a registration asks for. Market and agent both make it with this, line for line: a ticket names the
 * sheet by its digest.
 *
 * @category getters
 * @since 0.1.0
 */
export const priceSheet = (registration: Prices): PriceSheet.PriceSheet =>
  PRICES.flatMap(([unit, name]) => {
    const cents = registration[name]
    const per = name.endsWith("_million") ? 1_000_000n : 1_000n
    return cents === undefined ? [] : [{ unit, amount: BigInt(cents) * PriceSheet.CENT, per }]
  })

/**
 * The answer: ids, what the first beat must carry, how often to beat, and the market's public ticket keys, by which the agent knows a ticket.
 * `entry` is there where the market checks who enters before requests go to it: under this path, with the instance's id, it says
 * what it found. `attested` is what the market holds that the device has signed.
 *
 * @category models
 * @since 0.1.0
 */
export const Registered = Schema.Struct({
  device_id: DeviceId,
  instance_id: InstanceId,
  nonce: Schema.String,
  heartbeat_interval_ms: Schema.Int,
  keys: Schema.Array(PublishedKey),
  tunnels: Schema.optionalKey(TunnelUrls),
  entry: Schema.optionalKey(Schema.String),
  attested: Schema.optionalKey(Attested),
})
/** @since 0.1.0 */
export type Registered = typeof Registered.Type

/**
 * The answer to who registers under an API key alone: no key of a device stands behind the instance, so there is nothing to sign and
 * no first beat to bind. Health checks say whether it is there; it may beat.
 *
 * @category models
 * @since 0.1.0
 */
export const RegisteredPlain = Schema.Struct({
  device_id: Registered.fields.device_id,
  instance_id: Registered.fields.instance_id,
  unattested: Schema.Literal(true),
  heartbeat_interval_ms: Registered.fields.heartbeat_interval_ms,
  keys: Registered.fields.keys,
  entry: Registered.fields.entry,
})
/** @since 0.1.0 */
export type RegisteredPlain = typeof RegisteredPlain.Type
