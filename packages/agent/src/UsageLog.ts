/**
 * The agent's log of what it served: one line for each ticket, in a hash chain on disk. Lines are kept until the market
 * acknowledges them, since line, ticket and signed head together are what the agent is paid by after a crash of a gateway.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Log from "./serving/UsageLog.ts"
import type { AgentError } from "./AgentError.ts"
import type { AgentHome } from "./AgentHome.ts"
import { DeviceKey } from "./DeviceKey.ts"
import * as UsageStore from "./UsageStore.ts"

/**
 * The log, as `serving/UsageLog` has it.
 *
 * @category services
 * @since 0.1.0
 */
export class UsageLog extends Context.Service<UsageLog, Log.UsageLog<AgentError>>()("@guildhall/agent/UsageLog") {}

/**
 * Opens the log in the home, and writes in groups: while one is being written the next one gathers.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const key = yield* DeviceKey
  const store = yield* UsageStore.make
  return UsageLog.of(yield* Log.make(store, (head) => Effect.succeed(key.signHead(head))))
})

/**
 * The log as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<UsageLog, AgentError, AgentHome | DeviceKey | FileSystem.FileSystem> = Layer.effect(
  UsageLog,
  make,
)
