/**
 * Asks instances whether they are there: `GET /healthz`, or what `HealthPath` says, through the provider transport, a few at a time.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Instance } from "@guildhall/core/Instance"
import * as HealthPath from "@guildhall/protocol/HealthPath"
import { ProviderTransport } from "@guildhall/protocol/ProviderTransport"

const checks = Metric.counter("guildhall_health_checks", {
  description: "Health checks of instances, by how they ended.",
})

/**
 * How long one check may take, in milliseconds.
 *
 * @category constants
 * @since 0.1.0
 */
export const LIMIT_MS = 5_000

/** Checks that run at a time. */
const CONCURRENT = 32
const NO_BODY = new Uint8Array()

/**
 * What a check found, and when: milliseconds since 1970.
 *
 * @category models
 * @since 0.1.0
 */
export interface Check {
  readonly succeeded: boolean
  readonly atMs: number
}

/**
 * Asks one instance. Never fails: a check that cannot be made is one that did not succeed. Only status 200 does.
 *
 * @category constructors
 * @since 0.1.0
 */
export const check = Effect.fnUntraced(function* (instance: Instance) {
  const transport = yield* ProviderTransport
  const succeeded = yield* Effect.callback<boolean>((resume) => {
    let isOk = false
    const dispatch = transport.dispatch(
      {
        instance,
        method: "GET",
        path: HealthPath.of(instance),
        headers: {},
        body: NO_BODY,
        connectMs: LIMIT_MS,
        headersMs: LIMIT_MS,
      },
      {
        onStart: (status) => {
          isOk = status === 200
        },
        onData: () => true,
        onEnd: () => resume(Effect.succeed(isOk)),
        onError: () => resume(Effect.succeed(false)),
      },
    )
    return Effect.sync(() => dispatch.cancel("The health check took too long."))
  }).pipe(Effect.timeoutOrElse({ duration: LIMIT_MS, orElse: () => Effect.succeed(false) }))
  yield* Metric.update(Metric.withAttributes(checks, { outcome: succeeded ? "ok" : "failed" }), 1)
  return { succeeded, atMs: yield* Clock.currentTimeMillis } satisfies Check
})

/**
 * Asks many, and tells of each as soon as it is known.
 *
 * @category constructors
 * @since 0.1.0
 */
export const checkAll = Effect.fn("HealthChecks.checkAll")(
  (instances: ReadonlyArray<Instance>, tell: (instance: Instance, check: Check) => void) =>
    Effect.forEach(instances, (instance) => Effect.map(check(instance), (found) => tell(instance, found)), {
      concurrency: CONCURRENT,
      discard: true,
    }),
)
