/**
 * One model, served by one device, at one price: what the router chooses among.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { DeviceId, DevicePublicKey } from "./Device.ts"
import { MemberId } from "./Member.ts"
import { ModelId } from "./Model.ts"
import { PriceSheet } from "./PriceSheet.ts"

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
 * How the gateway reaches an instance. Only `endpoint`, a URL that the gateway calls, needs a URL.
 *
 * @category models
 * @since 0.1.0
 */
export const Reach = Schema.TaggedUnion({
  Endpoint: { url: Schema.String },
  Memory: { name: Schema.String },
})
/** @since 0.1.0 */
export type Reach = typeof Reach.Type

/**
 * Whether an instance may be routed to. `offline` comes from a missed heartbeat or a failed health check and
 * ends by itself; `draining` is what a device says when it is about to stop.
 *
 * @category models
 * @since 0.1.0
 */
export const InstanceState = Schema.Literals(["online", "offline", "draining"])
/** @since 0.1.0 */
export type InstanceState = typeof InstanceState.Type

/**
 * An instance. `contextLength` is in tokens, `concurrency` in requests at a time.
 *
 * @category models
 * @since 0.1.0
 */
export const Instance = Schema.Struct({
  id: InstanceId,
  deviceId: DeviceId,
  devicePublicKey: DevicePublicKey,
  memberId: MemberId,
  model: ModelId,
  reach: Reach,
  price: PriceSheet,
  contextLength: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 100_000_000 }))),
  concurrency: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 100_000 }))),
  state: InstanceState,
})
/** @since 0.1.0 */
export type Instance = typeof Instance.Type
