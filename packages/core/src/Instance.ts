/**
 * One model, served by one device, at one price: what the router chooses among.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { DeviceId, DevicePublicKey } from "./Device.ts"
import { Endpoint } from "./Endpoint.ts"
import { Maintenance } from "./Maintenance.ts"
import { MemberId } from "./Member.ts"
import { ModelId } from "./Model.ts"
import { PriceSheet } from "./PriceSheet.ts"
import { TokenizerDigest } from "./Tokenizer.ts"

/**
 * The id of an instance: `ins_…`, derived from its device and model so that a re-registration keeps it.
 *
 * @category models
 * @since 0.1.0
 */
export const InstanceId = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^ins_[A-Za-z0-9_-]{1,64}$/)),
  Schema.brand("InstanceId"),
)
/** @since 0.1.0 */
export type InstanceId = typeof InstanceId.Type

/**
 * How a request reaches an instance.
 *
 * - `Endpoint`: the gateway calls a URL.
 * - `Tunnel`: the instance's agent, or its page in a browser, holds a connection to a gateway open and is asked over it.
 * - `Pull`: a worker asks for requests when it has time.
 * - `Cloud`: the gateway forwards to a service where the provider has an account, with the account's sealed token.
 * - `Memory`: within one process, for tests and simulations.
 *
 * @category models
 * @since 0.1.0
 */
export const Reach = Schema.TaggedUnion({
  Endpoint: { url: Schema.String },
  Tunnel: {},
  Pull: {},
  Cloud: { account: Schema.String.pipe(Schema.check(Schema.isPattern(/^cld_[A-Za-z0-9_-]{1,64}$/))) },
  Memory: { name: Schema.String },
})
/** @since 0.1.0 */
export type Reach = typeof Reach.Type

/**
 * Whether an instance may be routed to. `offline` comes from a missed heartbeat or a failed health check and
 * ends by itself; `draining` is what a device says when it is about to stop; `not_verified` is one that would be online, and
 * has not passed the checks that the market asks of who enters; `maintenance` is one whose provider has announced that it is not
 * there now, for which nobody blames it.
 *
 * @category models
 * @since 0.1.0
 */
export const InstanceState = Schema.Literals(["online", "offline", "draining", "not_verified", "maintenance"])
/** @since 0.1.0 */
export type InstanceState = typeof InstanceState.Type

/**
 * A provider's short public name.
 *
 * @category models
 * @since 0.1.0
 */
export const ProviderName = Schema.String.pipe(Schema.check(Schema.isPattern(/^[a-z0-9][a-z0-9-]{0,39}$/)))

/**
 * The endpoints that an instance serves, each once.
 *
 * @category models
 * @since 0.1.0
 */
export const Endpoints = Schema.NonEmptyArray(Endpoint).pipe(Schema.check(Schema.isUnique()))

/**
 * The members of a request that an instance understands, by name, each once: at most 100.
 *
 * @category models
 * @since 0.1.0
 */
export const Parameters = Schema.Array(
  Schema.String.pipe(Schema.check(Schema.isPattern(/^[A-Za-z][A-Za-z0-9_.]{0,63}$/))),
).pipe(Schema.check(Schema.isMaxLength(100), Schema.isUnique()))

/**
 * The precision of an instance's weights, as its provider declares it.
 *
 * @category models
 * @since 0.1.0
 */
export const Quantization = Schema.Literals([
  "int4",
  "int8",
  "fp4",
  "mxfp4",
  "nvfp4",
  "fp6",
  "fp8",
  "mxfp8",
  "fp16",
  "bf16",
  "fp32",
])
/** @since 0.1.0 */
export type Quantization = typeof Quantization.Type

/**
 * Where an instance stands, as its provider declares it: lower-case letters, digits and hyphens, such as `eu-west`.
 *
 * @category models
 * @since 0.1.0
 */
export const Region = Schema.String.pipe(Schema.check(Schema.isPattern(/^[a-z][a-z0-9-]{0,39}$/)))

/**
 * The country whose law holds where an instance stands: two capital letters of ISO 3166-1.
 *
 * @category models
 * @since 0.1.0
 */
export const Country = Schema.String.pipe(Schema.check(Schema.isPattern(/^[A-Z]{2}$/)))

/**
 * What a model takes in beside text.
 *
 * @category models
 * @since 0.1.0
 */
export const Input = Schema.Literals(["image", "audio", "file"])
/** @since 0.1.0 */
export type Input = typeof Input.Type

/**
 * What an instance takes in beside text, each kind once.
 *
 * @category models
 * @since 0.1.0
 */
export const Inputs = Schema.Array(Input).pipe(Schema.check(Schema.isUnique()))

/**
 * The payment schemes whose buyers an instance serves, by name, each once: at most 20.
 *
 * @category models
 * @since 0.1.0
 */
export const Rails = Schema.Array(
  Schema.String.pipe(Schema.check(Schema.isPattern(/^[A-Za-z][A-Za-z0-9-]{0,39}$/))),
).pipe(Schema.check(Schema.isMaxLength(20), Schema.isUnique()))

/**
 * An instance. `contextLength` is in tokens, `concurrency` in requests at a time. What is left out was not declared:
 * `endpoints` then are the standard ones, `parameters` (the request members it understands beyond the basic
 * ones, such as `tools`) and `inputs` may be any, `rails` are all, `retainsData` counts as true, and `region` and `country`
 * are none that a buyer could ask for.
 *
 * - `tokenizer` is the digest of the tokenizer that its engine uses (see `Tokenizer.digest`).
 * - `listedAtMs` is since when it is on the market, in milliseconds since 1970, as the registry knows it.
 * - `provider` is the short public name (slug) that buyers name in `provider.order`, `only` and `ignore`.
 * - `maintenance` is the window that its provider has announced last, whether it is open, to come or over.
 * - `devicePublicKey` is absent where no key stands behind the device, as for an account in a cloud: see {@link isAttested}.
 *
 * @category models
 * @since 0.1.0
 */
export const Instance = Schema.Struct({
  id: InstanceId,
  deviceId: DeviceId,
  devicePublicKey: Schema.optionalKey(DevicePublicKey),
  memberId: MemberId,
  model: ModelId,
  reach: Reach,
  price: PriceSheet,
  contextLength: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 100_000_000 }))),
  concurrency: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 100_000 }))),
  state: InstanceState,
  provider: Schema.optionalKey(ProviderName),
  endpoints: Schema.optionalKey(Endpoints),
  quantization: Schema.optionalKey(Quantization),
  parameters: Schema.optionalKey(Parameters),
  retainsData: Schema.optionalKey(Schema.Boolean),
  tokenizer: Schema.optionalKey(TokenizerDigest),
  region: Schema.optionalKey(Region),
  country: Schema.optionalKey(Country),
  inputs: Schema.optionalKey(Inputs),
  rails: Schema.optionalKey(Rails),
  maintenance: Schema.optionalKey(Maintenance),
  listedAtMs: Schema.optionalKey(Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0)))),
})
/** @since 0.1.0 */
export type Instance = typeof Instance.Type

/**
 * Whether a device key stands behind an instance. One without a key signs nothing: it makes no commitments and no claims,
 * it can carry no bond, and what is known of it comes from the market's own checks.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isAttested = ({ devicePublicKey }: Pick<Instance, "devicePublicKey">): boolean =>
  devicePublicKey !== undefined
