/**
 * The provider on the market's own machine: how it is started, and when it has come.
 */
import path from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type { Instance } from "@guildhall/core/Instance"
import { Devices } from "@guildhall/registry/Devices"
import * as Router from "@guildhall/routing/Router"
import type { Settings } from "./AppConfig.ts"
import { agentProgram, type AgentCommand, type Running } from "./Launch.ts"

/** The agent of this machine, started by the launch. */
const agent = (settings: Settings, port: number, key: Redacted.Redacted): AgentCommand | undefined =>
  settings.agent === "off"
    ? undefined
    : {
        program: agentProgram,
        args: [
          "--market",
          `http://127.0.0.1:${port}`,
          "--home",
          path.join(settings.home, "agent"),
          ...(settings.model === undefined ? [] : ["--model", settings.model]),
        ],
        env: { GUILDHALL_PROVIDER_KEY: Redacted.value(key) },
      }

const urlOf = ({ reach }: Instance): string => (reach._tag === "Endpoint" ? reach.url : reach._tag)

/**
 * What a launch is told of the provider: its command, when a request would be served, and by which model.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  settings: Settings,
  port: number,
  key: Redacted.Redacted,
): Effect.fn.Return<Pick<Running, "agent" | "model" | "ready">, never, Devices | Router.Router> {
  const router = yield* Router.Router
  const devices = yield* Devices
  const startedAtMs = yield* Clock.currentTimeMillis
  const online = Effect.sync(() => router.instances().filter((instance) => instance.state === "online"))
  // The registry still lists what served before this start; it counts once its provider has spoken again.
  const heard = Effect.map(
    Effect.orElseSucceed(Effect.zip(online, devices.instances), () => [[], []] as const),
    ([routed, listed]) => {
      const spoke = listed.filter(({ lastBeatAtMs }) => lastBeatAtMs >= startedAtMs)
      const addresses = new Map(spoke.map(({ instance }) => [instance.id, urlOf(instance)]))
      return routed.filter((instance) => addresses.get(instance.id) === urlOf(instance))
    },
  )
  const provider = agent(settings, port, key)
  return {
    agent: provider,
    ready:
      provider === undefined
        ? Effect.void
        : Effect.asVoid(
            Effect.repeat(heard, { until: (found) => found.length > 0, schedule: Schedule.spaced("50 millis") }),
          ),
    model: Effect.map(provider === undefined ? online : heard, ([instance]) => instance?.model ?? "no-model-yet"),
  }
})
