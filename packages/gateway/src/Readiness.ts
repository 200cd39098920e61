/**
 * Whether this gateway takes requests, as `/readyz` tells a load balancer.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"

/**
 * The service. Call `drain` first when the gateway stops: it stays up, and is sent no more requests.
 *
 * @category services
 * @since 0.1.0
 */
export class Readiness extends Context.Service<
  Readiness,
  {
    readonly isDraining: Effect.Effect<boolean>
    readonly drain: Effect.Effect<void>
  }
>()("@guildhall/gateway/Readiness") {}

/**
 * A gateway that takes requests until it drains.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Readiness> = Layer.effect(
  Readiness,
  Effect.map(Ref.make(false), (draining) =>
    Readiness.of({ isDraining: Ref.get(draining), drain: Ref.set(draining, true) }),
  ),
)
