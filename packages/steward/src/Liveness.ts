/**
 * Who is there: an instance is online while its device beats and its health check succeeds. What a device says of itself
 * (`draining`) is not overridden, and an instance comes back by itself.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type { InstanceId, InstanceState } from "@guildhall/core/Instance"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import { ProviderTransport } from "@guildhall/protocol/ProviderTransport"
import { Devices, type ListedInstance } from "@guildhall/registry/Devices"
import * as Loop from "./Loop.ts"

/**
 * What the rule knows of an instance. Times are milliseconds since 1970; `check` is the last health check, if any.
 *
 * @category models
 * @since 0.1.0
 */
export interface Signs {
  readonly state: InstanceState
  readonly lastBeatAtMs: number
  readonly check: { readonly succeeded: boolean } | undefined
  readonly nowMs: number
}

/**
 * The state that an instance should have. It is offline when more than `missesMax` beats are missing or when its last
 * check failed; else it is what its device says.
 *
 * **Example** (A silent instance)
 *
 * ```ts
 * import { Liveness } from "@guildhall/steward"
 *
 * const heartbeat = { intervalMs: 60_000, missesMax: 2, checkMs: 60_000 }
 * const signs = { state: "online", lastBeatAtMs: 0, check: undefined, nowMs: 120_001 } as const
 * Liveness.judge(signs, heartbeat) // => "offline"
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const judge = (signs: Signs, heartbeat: MarketDefinition["heartbeat"]): InstanceState => {
  const isSilent = signs.nowMs - signs.lastBeatAtMs > heartbeat.intervalMs * heartbeat.missesMax
  if (isSilent || signs.check?.succeeded === false) return "offline"
  return signs.state === "draining" ? "draining" : "online"
}

const changes = Metric.counter("guildhall_instance_state_changes", {
  description: "Changes of instances' states by the steward, by the new state.",
})

/** Health checks that run at a time. */
const CONCURRENT_CHECKS = 16
/** How long one health check may take. */
const CHECK_LIMIT_MS = 5_000
const NO_BODY = new Uint8Array()

/** Asks an instance's agent whether it is there. Never fails: a check that cannot be made is one that failed. */
const probe = (transport: ProviderTransport["Service"], { instance }: ListedInstance) =>
  Effect.callback<boolean>((resume) => {
    let succeeded = false
    const dispatch = transport.dispatch(
      {
        instance,
        method: "GET",
        path: "/healthz",
        headers: {},
        body: NO_BODY,
        connectMs: CHECK_LIMIT_MS,
        headersMs: CHECK_LIMIT_MS,
      },
      {
        onStart: (status) => {
          succeeded = status === 200
        },
        onData: () => true,
        onEnd: () => resume(Effect.succeed(succeeded)),
        onError: () => resume(Effect.succeed(false)),
      },
    )
    return Effect.sync(() => dispatch.cancel("The health check took too long."))
  }).pipe(Effect.timeoutOrElse({ duration: CHECK_LIMIT_MS, orElse: () => Effect.succeed(false) }))

interface Check {
  readonly succeeded: boolean
  readonly atMs: number
}

/**
 * Makes one round: checks the instances whose last check is older than `checkMs`, then sets every state that is not
 * what {@link judge} says. An instance that is offline is checked in every round, so that it is back soon.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeRound = Effect.fnUntraced(function* (heartbeat: MarketDefinition["heartbeat"]) {
  const devices = yield* Devices
  const transport = yield* ProviderTransport
  const checks = new Map<InstanceId, Check>()

  const isDue = ({ instance, lastBeatAtMs }: ListedInstance, nowMs: number): boolean => {
    if (!transport.capabilities.reaches.includes(instance.reach._tag)) return false
    // A silent device is offline already; its agent is asked again once it beats.
    if (nowMs - lastBeatAtMs > heartbeat.intervalMs * heartbeat.missesMax) return false
    const last = checks.get(instance.id)
    return last === undefined || !last.succeeded || nowMs - last.atMs >= heartbeat.checkMs
  }

  return Effect.gen(function* () {
    const listed = yield* devices.instances
    const ids = new Set(listed.map(({ instance }) => instance.id))
    for (const id of checks.keys()) if (!ids.has(id)) checks.delete(id)
    const startedAtMs = yield* Clock.currentTimeMillis
    const due = listed.filter((entry) => isDue(entry, startedAtMs))
    yield* Effect.forEach(
      due,
      (entry) =>
        Effect.gen(function* () {
          const succeeded = yield* probe(transport, entry)
          checks.set(entry.instance.id, { succeeded, atMs: yield* Clock.currentTimeMillis })
        }),
      { concurrency: CONCURRENT_CHECKS, discard: true },
    )
    // Checks take time: what the devices said meanwhile counts.
    const current = due.length === 0 ? listed : yield* devices.instances
    const nowMs = yield* Clock.currentTimeMillis
    for (const { instance, lastBeatAtMs } of current) {
      const state = judge({ state: instance.state, lastBeatAtMs, check: checks.get(instance.id), nowMs }, heartbeat)
      if (state === instance.state) continue
      yield* devices.setState(instance.id, state)
      yield* Metric.update(Metric.withAttributes(changes, { state }), 1)
      yield* Effect.logInfo(`${instance.id} (${instance.model}) is ${state}.`)
    }
  }).pipe(Effect.withSpan("Liveness.round"))
})

/**
 * Runs rounds for as long as the layer lives: four in each interval, so that a silent instance is out of routing within
 * two.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: { readonly heartbeat: MarketDefinition["heartbeat"] }) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const { heartbeat } = options
      const round = yield* makeRound(heartbeat)
      const everyMs = Math.max(50, Math.min(heartbeat.intervalMs, heartbeat.checkMs, 60_000) / 4)
      yield* Loop.run("Liveness", everyMs, round)
    }),
  )
