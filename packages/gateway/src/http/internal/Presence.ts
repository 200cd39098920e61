/** How much of the time instances were on the market, as it saw them itself. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { InstanceId } from "@guildhall/core/Instance"
import * as Target from "@guildhall/core/rules/Target"
import { HealthRecord, type Seen } from "@guildhall/registry/HealthRecord"

const NOBODY: ReadonlyArray<Seen> = []

/** Makes the look at what was seen from a day on: of some instances, or of all where it is null. Nothing, where nobody keeps it. */
export const make = Effect.map(Effect.serviceOption(HealthRecord), (found) => {
  const record = Option.getOrUndefined(found)
  return (instances: ReadonlyArray<InstanceId> | null, fromDay: number) =>
    record === undefined ? Effect.succeed(NOBODY) : record.seen(instances, fromDay)
})

/** The part of the time that some were online, all days together. */
export const uptimeBps = (seen: Iterable<Seen>): number | undefined => {
  let [online, offline] = [0, 0]
  for (const day of seen) {
    online += day.online
    offline += day.offline
  }
  return Target.uptimeBps(online, offline)
}
