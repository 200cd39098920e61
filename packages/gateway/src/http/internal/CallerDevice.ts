/** Which of its devices a caller means: who signs as a device speaks for that one alone. */
import * as Effect from "effect/Effect"
import type { DeviceId } from "@guildhall/core/Device"
import { Caller } from "@guildhall/protocol/api/Access"
import { Problem } from "@guildhall/protocol/api/Problem"

/** The device that is named, or that signs; undefined for all of the member's. Another one than signs is refused. */
export const of = Effect.fnUntraced(function* (named: DeviceId | undefined) {
  const { deviceId } = yield* Caller
  if (deviceId === undefined || named === undefined || named === deviceId) return named ?? deviceId
  return yield* Problem.of("not_found", `A device speaks for itself: ${deviceId}. Use an API key for others.`)
})
