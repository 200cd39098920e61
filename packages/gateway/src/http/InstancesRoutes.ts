/**
 * A provider's own instances, and the maintenance that it announces.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type { DeviceId } from "@guildhall/core/Device"
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import type { Maintenance } from "@guildhall/core/Maintenance"
import { Caller } from "@guildhall/protocol/api/Access"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import type { Maintained, OwnInstance } from "@guildhall/protocol/api/InstancesApi"
import { Problem } from "@guildhall/protocol/api/Problem"
import { Devices } from "@guildhall/registry/Devices"
import { Market } from "../Market.ts"
import * as Acts from "./internal/Acts.ts"
import * as CallerDevice from "./internal/CallerDevice.ts"
import * as Problems from "./internal/Problems.ts"

interface Which {
  readonly instance?: InstanceId
  readonly device?: DeviceId
}

const view = (instances: ReadonlyArray<Instance>): Maintained => ({
  data: instances.map(({ id, maintenance, model, state }) => ({ id, model, state, maintenance: maintenance ?? null })),
})

/**
 * The handlers. An announcement is noted in the journal with who made it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  ControlApi,
  "instances",
  Effect.fnUntraced(function* (handlers) {
    const { definition } = yield* Market
    const devices = yield* Devices
    const note = yield* Acts.make

    const maintain = Effect.fnUntraced(function* ({ device, instance }: Which, window: Maintenance | undefined) {
      const { memberId } = yield* Caller
      const deviceId = yield* CallerDevice.of(device)
      if (deviceId !== undefined) return yield* devices.maintain({ memberId, deviceId, instance }, window)
      if (instance !== undefined) return yield* devices.maintain({ memberId, instance }, window)
      return yield* Problem.of(
        "invalid_request",
        "instance, device: say one of them. GET /v1/providers/instances lists yours.",
      )
    })

    return handlers.handleAll({
      own: Effect.fn("InstancesRoutes.own")(function* () {
        const { deviceId, memberId } = yield* Caller
        const listed = (yield* devices.instancesOf(memberId)).filter(
          ({ instance }) => deviceId === undefined || instance.deviceId === deviceId,
        )
        const isAsked = definition.entry !== undefined
        const data = listed.map(({ entry, instance, lastBeatAtMs, registeredAtMs }): OwnInstance => ({
          instance,
          lastBeatAtMs,
          registeredAtMs,
          entry: isAsked ? (entry ?? "pending") : null,
        }))
        return { data }
      }, Problems.answer),
      announce: Effect.fn("InstancesRoutes.announce")(function* ({ payload }) {
        const { memberId } = yield* Caller
        const { device: _device, instance: _instance, ...window } = payload
        const changed = yield* maintain(payload, window)
        yield* Effect.forEach(changed, ({ id }) => note(memberId, "instance.maintenance_announced", id), {
          discard: true,
        })
        return view(changed)
      }, Problems.answer),
      callOff: Effect.fn("InstancesRoutes.callOff")(function* ({ query }) {
        const { memberId } = yield* Caller
        const changed = yield* maintain(query, undefined)
        yield* Effect.forEach(changed, ({ id }) => note(memberId, "instance.maintenance_called_off", id), {
          discard: true,
        })
        return view(changed)
      }, Problems.answer),
    })
  }),
)
