/**
 * The heart of `serving/Heart`, over the agent's own services.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { DeviceStatus } from "@guildhall/core/Device"
import type { Commitment } from "@guildhall/protocol/provider/DeviceProof"
import type { Registration } from "@guildhall/protocol/provider/Registration"
import * as Heart from "./serving/Heart.ts"
import type { AgentError } from "./AgentError.ts"
import { AgentServer } from "./AgentServer.ts"
import * as AgentVersions from "./AgentVersions.ts"
import { DeviceKey } from "./DeviceKey.ts"
import { DeviceReadings } from "./DeviceReadings.ts"
import { MarketClient } from "./MarketClient.ts"
import * as ServedCommitment from "./ServedCommitment.ts"
import { UsageLog } from "./UsageLog.ts"

/** What runs here, where a name or a version of it can be said. */
const versionsOf = (engine: string | undefined, driver: string | undefined) => ({
  ...AgentVersions.running,
  ...(engine === undefined || !/^[!-~](?:[ -~]{0,62}[!-~])?$/.test(engine) ? {} : { engine }),
  ...(driver === undefined ? {} : { driver }),
})

/**
 * What is served here.
 *
 * - `serves` is what the device commits to.
 * - `engine` is the name of what answers, and `takes` how many requests it answers at a time: what is under way beyond that waits.
 *
 * @category models
 * @since 0.1.0
 */
export interface Served {
  readonly serves: ReadonlyArray<Commitment>
  readonly engine?: string
  readonly takes?: number
}

/**
 * Makes a heart for these instances: one registration for each.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (registrations: ReadonlyArray<Registration>, served: Served) {
  const { hasSigned, skipAhead } = yield* DeviceKey
  const readings = yield* DeviceReadings
  const current = yield* ServedCommitment.make(served.serves)
  const { engine, takes = Infinity } = served
  const status = (inFlight: number) =>
    Effect.map(readings.latest, ({ driver, ...gauges }): DeviceStatus => ({
      ...gauges,
      queue: Math.max(0, inFlight - takes),
      versions: versionsOf(engine, driver),
    }))
  return yield* Heart.make<AgentError>({
    registrations,
    market: yield* MarketClient,
    server: yield* AgentServer,
    log: yield* UsageLog,
    skipAhead,
    hasSigned,
    status,
    commit: (held) =>
      Effect.map(current(held), (statement) =>
        held !== undefined && held.digest === ServedCommitment.digest(statement) ? undefined : statement,
      ),
  })
})
