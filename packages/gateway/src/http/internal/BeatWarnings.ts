/** Warnings that ride on the answer to a beat. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { DeviceId } from "@guildhall/core/Device"
import type { HeartbeatAnswer } from "@guildhall/protocol/provider/Heartbeat"
import { Notifier } from "@guildhall/registry/Notifier"

const NONE: Pick<HeartbeatAnswer, "warnings"> = {}

/** Makes the part of an answer that warns. A store that is away is no reason to refuse a beat: the warning rides on the next one. */
export const make = Effect.map(Effect.serviceOption(Notifier), (found) => {
  const notifier = Option.getOrUndefined(found)
  return Effect.fnUntraced(function* (device: DeviceId, given: string | undefined, next: string) {
    if (notifier === undefined) return NONE
    const riding = yield* Effect.catch(notifier.beat({ device, given, next }), (error) =>
      Effect.as(Effect.logWarning(`The beat of ${device} is answered without warnings.`, error.message), []),
    )
    if (riding.length === 0) return NONE
    const warnings = riding.map(({ atMs, code, deadlineMs, detail, id }) => ({
      id,
      code,
      detail,
      since_ms: atMs,
      ...(deadlineMs === undefined ? {} : { deadline_ms: deadlineMs }),
    }))
    return { warnings } satisfies Pick<HeartbeatAnswer, "warnings">
  })
})
