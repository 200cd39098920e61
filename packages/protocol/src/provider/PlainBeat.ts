/**
 * The beat of instances that no device key stands behind: under an API key, for the member's own.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { InstanceId, InstanceState } from "@guildhall/core/Instance"
import { ModelId } from "@guildhall/core/Model"
import { Registered } from "./Registration.ts"

/**
 * The body of `POST /v1/providers/heartbeat` under an API key. It may be left out, or empty: then it is for all of the member's
 * instances without a device key. `state` is `draining` for one that is about to stop, and `serving` where nothing is said. What
 * it says beside that is read past.
 *
 * @category models
 * @since 0.1.0
 */
export const PlainBeat = Schema.Struct({
  instances: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        instance_id: InstanceId,
        state: Schema.Literals(["serving", "draining"]).pipe(
          Schema.withDecodingDefaultKey(Effect.succeed("serving" as const)),
        ),
      }),
    ).pipe(Schema.check(Schema.isMaxLength(1_000))),
  ),
})
/** @since 0.1.0 */
export type PlainBeat = typeof PlainBeat.Type

/**
 * The answer: the instances that the beat was for, and how each stands. An `offline` one failed its last health check, and is back
 * once one succeeds: no beat changes that, for nobody signed it.
 *
 * @category models
 * @since 0.1.0
 */
export const PlainBeatAnswer = Schema.Struct({
  instances: Schema.Array(Schema.Struct({ instance_id: InstanceId, model: ModelId, state: InstanceState })),
  heartbeat_interval_ms: Registered.fields.heartbeat_interval_ms,
  entry: Registered.fields.entry,
})
/** @since 0.1.0 */
export type PlainBeatAnswer = typeof PlainBeatAnswer.Type
