/**
 * A market in virtual time: requests come, gateways choose, engines serve, some of them badly. The same options give the
 * same run, to the last bit.
 *
 * @since 0.1.0
 */
import type { RoutingPolicy } from "@guildhall/routing/RoutingPolicy"
import { Agenda } from "./Agenda.ts"
import * as Chance from "./Chance.ts"
import { Engine, type Health } from "./Engine.ts"
import * as Gateway from "./Gateway.ts"
import * as Oracle from "./Oracle.ts"
import type { Pool } from "./Provider.ts"
import type { Ended, Objective, Request } from "./Request.ts"

/**
 * From `atMs` on, an engine does as `health` says, `speed` times as fast.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fault {
  readonly atMs: number
  readonly engine: number
  readonly health: Health
  readonly speed?: number | undefined
}

/**
 * What is simulated. `policy` is the one under test, or an oracle. `heartbeatMs` is after how long an engine that is down is
 * known to be offline; `stallMs` after how long without a token an answer is given up; `probeMs` how often the market
 * probes each instance, never where it is absent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly seed: string
  readonly pool: Pool
  readonly requests: ReadonlyArray<Request>
  readonly policy: RoutingPolicy | Oracle.Oracle
  readonly objective: Objective
  readonly faults?: ReadonlyArray<Fault> | undefined
  readonly gateways?: number | undefined
  readonly settings?: Partial<Gateway.Settings> | undefined
  readonly heartbeatMs?: number | undefined
  readonly stallMs?: number | undefined
  readonly probeMs?: number | undefined
}

/**
 * What came of it. `sent` has, for each provider, the hours at which something was sent to it; `busyMs` is by engine;
 * `inFlight` is what the gateways' directories count at the end, which is 0.
 *
 * @category models
 * @since 0.1.0
 */
export interface Run {
  readonly ended: ReadonlyArray<Ended>
  readonly sent: ReadonlyArray<ReadonlyArray<number>>
  readonly busyMs: ReadonlyArray<number>
  readonly inFlight: number
  readonly endedAtMs: number
}

const HEARTBEAT_MS = 30_000
const STALL_MS = 10_000

/**
 * Runs it to the end: until every request has ended.
 *
 * @category constructors
 * @since 0.1.0
 */
export const run = (options: Options): Run => {
  const { policy, pool, requests } = options
  const isOracle = "_tag" in policy
  const agenda = new Agenda()
  const settings = { ...Gateway.settings, ...options.settings }
  const chance = Chance.make(`gateways of ${options.seed}`)
  const engines = pool.engines.map((spec) => new Engine(spec, agenda))
  const sent = pool.providers.map((): Array<number> => [])
  const ended: Array<Ended> = []
  const chooser = isOracle
    ? Oracle.make({
        pool,
        engines,
        faults: options.faults ?? [],
        objective: options.objective,
        agenda,
        oracle: policy,
      })
    : Gateway.byPolicy(policy)
  const gateways = Array.from(
    { length: options.gateways ?? 1 },
    () =>
      new Gateway.Gateway({
        agenda,
        providers: pool.providers,
        engines,
        settings,
        seed: chance.seed(),
        chooser,
        // What is on its way would be hidden from the one that sees everything.
        outMs: isOracle ? 0 : settings.networkMs,
        mayWait: !isOracle,
        sent: (provider) => sent[provider]?.push(agenda.nowMs),
        concluded: (one) => ended.push(one),
      }),
  )

  const first = gateways[0]
  if (first === undefined) return { ended, sent, busyMs: [], inFlight: 0, endedAtMs: 0 }
  // Each request enters the next one, so that the agenda stays short.
  const arrive = (at: number): void => {
    const request = requests[at]
    if (request === undefined) return
    agenda.at(request.atMs, () => {
      arrive(at + 1)
      const gateway = gateways[chance.below(gateways.length)] ?? first
      gateway.accept(request)
    })
  }
  arrive(0)

  const exchange = (): void => {
    if (ended.length >= requests.length) return
    const counts = gateways.map(({ inFlight }) => [...inFlight])
    // What is told is on its way for as long as anything else.
    agenda.in(settings.networkMs, () => {
      for (const [at, gateway] of gateways.entries()) {
        gateway.tick(
          pool.providers.map((_, provider) =>
            counts.reduce((sum, each, whose) => (whose === at ? sum : sum + (each[provider] ?? 0)), 0),
          ),
        )
      }
    })
    agenda.in(settings.exchangeMs, exchange)
  }
  exchange()
  enterFaults(options, agenda, engines, gateways)
  enterProbes(options, agenda, gateways, () => ended.length >= requests.length)
  agenda.run()
  const inFlight = gateways.reduce((sum, gateway) => sum + gateway.inFlight.reduce((all, one) => all + one, 0), 0)
  const endedAtMs = ended.at(-1)?.endedAtMs ?? 0
  return { ended, sent, busyMs: engines.map(({ busyMs }) => busyMs), inFlight, endedAtMs }
}

const enterFaults = (
  { faults = [], heartbeatMs = HEARTBEAT_MS, pool, stallMs = STALL_MS }: Options,
  agenda: Agenda,
  engines: ReadonlyArray<Engine>,
  gateways: ReadonlyArray<Gateway.Gateway>,
): void => {
  const those = (engine: number) =>
    pool.providers.flatMap(({ engine: at, instance }, provider) => (at === engine ? [{ instance, provider }] : []))
  const tell = (engine: number, state: "online" | "offline"): void => {
    for (const gateway of gateways) {
      for (const { instance } of those(engine)) {
        gateway.directory.apply({ _tag: "StateChanged", instanceId: instance.id, state })
      }
    }
  }
  for (const { atMs, engine: at, health, speed } of faults) {
    const engine = engines[at]
    agenda.at(atMs, () => {
      engine?.turn(health, speed)
      if (health === "well") tell(at, "online")
      if (health === "down") {
        agenda.in(heartbeatMs, () => {
          if (engine?.health === "down") tell(at, "offline")
        })
      }
      if (health === "silent") {
        agenda.in(stallMs, () => {
          if (engine?.health !== "silent") return
          for (const gateway of gateways) for (const { provider } of those(at)) gateway.stalled(provider, atMs)
        })
      }
    })
  }
}

/** A probe asks for one token, and an engine that knows a probe when it sees one answers it faster than anything else. */
const enterProbes = (
  { pool, probeMs }: Options,
  agenda: Agenda,
  gateways: ReadonlyArray<Gateway.Gateway>,
  isOver: () => boolean,
): void => {
  if (probeMs === undefined) return
  const probe = (): void => {
    if (isOver()) return
    for (const [at, { engine, probeSpeed = 1 }] of pool.providers.entries()) {
      const spec = pool.engines[engine]
      if (spec === undefined) continue
      const firstTokenMs = (PROBE_TOKENS * 1_000) / (spec.prefillTokensPerSecond * probeSpeed)
      for (const gateway of gateways) gateway.probed(at, firstTokenMs)
    }
    agenda.in(probeMs, probe)
  }
  probe()
}

const PROBE_TOKENS = 200
