/**
 * What `status` shows: what the agent says of itself, and what the market says of it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Maintenance from "@guildhall/core/Maintenance"
import { type EarningsView, TargetsView } from "@guildhall/protocol/api/EarningsApi"
import { EntryView } from "@guildhall/protocol/api/EntriesApi"
import type { GpuView } from "@guildhall/protocol/api/GpusApi"
import { OwnInstance } from "@guildhall/protocol/api/InstancesApi"
import { AgentStatus } from "./control/AgentStatus.ts"
import * as EarningsCommand from "./EarningsCommand.ts"
import * as GpuCommand from "./GpuCommand.ts"
import * as HumanText from "./models/HumanText.ts"
import type { Paint } from "./Paint.ts"
import * as PricingCommand from "./PricingCommand.ts"
import * as TimeText from "./TimeText.ts"

/**
 * What the market says: its instances of this device, those of their checks that have not passed, and how they stand to its targets,
 * where it answers that.
 *
 * @category models
 * @since 0.1.0
 */
export const MarketSays = Schema.Struct({
  instances: Schema.Array(OwnInstance),
  entries: Schema.Array(EntryView),
  targets: Schema.NullOr(TargetsView),
})
/** @since 0.1.0 */
export type MarketSays = typeof MarketSays.Type

/**
 * The document of `status`. `agent` is null where none runs, `market` where it cannot be asked; then `trouble` says why.
 *
 * @category models
 * @since 0.1.0
 */
export const StatusDocument = Schema.Struct({
  agent: Schema.NullOr(AgentStatus),
  market: Schema.NullOr(Schema.toCodecJson(MarketSays)),
  trouble: Schema.NullOr(Schema.String),
})
/** @since 0.1.0 */
export type StatusDocument = typeof StatusDocument.Type

const PHASES: Readonly<Record<AgentStatus["phase"], string>> = {
  starts: "starts: it looks for its model, and loads it",
  joins: "joins the market",
  serves: "serves",
  drains: "drains: it takes nothing new, and stops",
}

const readingsOf = ({ readings }: AgentStatus): string =>
  [
    ...(readings.loadPercent === undefined ? [] : [`${readings.loadPercent} % busy`]),
    ...(readings.temperatureCelsius === undefined ? [] : [`${readings.temperatureCelsius} °C`]),
    ...(readings.vramUsedMib === undefined ? [] : [`${readings.vramUsedMib} MiB of GPU memory in use`]),
  ].join(", ")

const agentLines = (agent: AgentStatus, nowMs: number, paint: Paint): ReadonlyArray<string> => [
  `${paint("bold", "Agent")} ${PHASES[agent.phase]}, for ${TimeText.span(nowMs - agent.startedAtMs)} (process ${agent.pid})`,
  ...HumanText.table([
    ["  Market", agent.market],
    ["  Device", `${agent.device}, fingerprint ${agent.fingerprint}`],
    ...(agent.engine === null ? [] : [["  Engine", `${agent.engine}, ${agent.concurrency ?? "?"} requests at a time`]]),
    ...(agent.way === null ? [] : [["  Reached", agent.way]]),
    ...(readingsOf(agent) === "" ? [] : [["  Machine", readingsOf(agent)]]),
    ...PricingCommand.rows(agent.prices).map((row, at) => [at === 0 ? "  Asks" : "", row.join(" ")]),
  ]),
]

const STATES: Readonly<Record<string, Parameters<Paint>[0]>> = {
  online: "green",
  offline: "red",
  draining: "yellow",
  maintenance: "yellow",
  not_verified: "yellow",
}

const instanceLines = (market: MarketSays, agent: AgentStatus | undefined, paint: Paint): ReadonlyArray<string> => {
  if (market.instances.length === 0) return ["The market lists nothing of this machine."]
  const rows = market.instances.map(({ entry, instance }) => [
    instance.id,
    instance.model,
    entry !== null && entry !== "passed" && instance.state === "online" ? "not verified" : instance.state,
    entry ?? "none",
    `${agent?.instances.find(({ id }) => id === instance.id)?.inFlight ?? "-"}`,
    `${instance.contextLength}`,
  ])
  const [head = "", ...lines] = HumanText.table(
    [["INSTANCE", "MODEL", "STATE", "CHECKS", "IN FLIGHT", "CONTEXT"], ...rows],
    [4, 5],
  )
  return [
    paint("dim", head),
    ...lines.map((line, at) => {
      const state = market.instances[at]?.instance.state ?? "online"
      return line.replace(` ${state} `, ` ${paint(STATES[state] ?? "dim", state)} `)
    }),
  ]
}

const maintenanceLines = ({ instances }: MarketSays, nowMs: number): ReadonlyArray<string> =>
  instances.flatMap(({ instance: { maintenance, model } }) => {
    if (maintenance === undefined || maintenance.toMs <= nowMs) return []
    const when = `from ${TimeText.minute(maintenance.fromMs)} to ${TimeText.minute(maintenance.toMs)}`
    const is = Maintenance.isOpen(maintenance, nowMs) ? "is under maintenance" : "will be under maintenance"
    return [`${model} ${is} ${when}: ${maintenance.reason}`]
  })

const entryLines = ({ entries }: MarketSays, nowMs: number, paint: Paint): ReadonlyArray<string> =>
  entries.flatMap((entry) => {
    const { asked, checks, isRunning, nextAtMs, running } = entry
    const failed = checks.filter(({ state }) => state === "failed" || state === "not_checked")
    const now = isRunning ? `, ${running.length} of ${asked.length} made` : ""
    const again = nextAtMs === undefined ? "" : ` Again in ${TimeText.span(Math.max(0, nextAtMs - nowMs))}.`
    return [
      `${entry.instance} gets no requests until the market's checks have passed${now}.${again}`,
      ...failed.flatMap(({ check, detail, fix }) => [
        `  ${paint("red", "✗")} ${check}: ${detail}`,
        ...(fix === undefined ? [] : [`    ${paint("bold", `→ ${fix}`)}`]),
      ]),
    ]
  })

const met = (is: boolean | null, paint: Paint): string =>
  is === null ? "" : is ? paint("green", " ✓") : paint("red", " ✗")

const targetLines = (targets: TargetsView | null, paint: Paint): ReadonlyArray<string> =>
  (targets?.data ?? []).flatMap(({ latency, model, uptime }) => {
    if (latency.measuredMs === null && uptime.measuredBps === null) return []
    const said = [
      ...(latency.measuredMs === null
        ? []
        : [
            `latency ${latency.measuredMs} ms${latency.targetMs === null ? "" : ` of ${latency.targetMs}`}${met(latency.met, paint)}`,
          ]),
      ...(uptime.measuredBps === null
        ? []
        : [
            `uptime ${(uptime.measuredBps / 100).toFixed(2)} %${uptime.targetBps === null ? "" : ` of ${(uptime.targetBps / 100).toFixed(2)}`}${met(uptime.met, paint)}`,
          ]),
    ]
    return [`${model}: ${said.join(", ")}, over ${targets?.windowDays ?? 0} days`]
  })

/**
 * The report for a person.
 *
 * @category encoding
 * @since 0.1.0
 */
export const text = (
  found: {
    readonly agent: AgentStatus | undefined
    readonly market: MarketSays | undefined
    readonly trouble: string | undefined
  },
  nowMs: number,
  paint: Paint,
): ReadonlyArray<string> => {
  const { agent, market, trouble } = found
  return [
    ...(agent === undefined ? [`${paint("bold", "Agent")} none runs with this home`] : agentLines(agent, nowMs, paint)),
    "",
    ...(market === undefined
      ? [`Nothing was heard of the market: ${trouble ?? "it is not known."}`]
      : [
          ...instanceLines(market, agent, paint),
          ...maintenanceLines(market, nowMs),
          ...entryLines(market, nowMs, paint),
          ...targetLines(market.targets, paint),
        ]),
    ...(agent === undefined ? ["", "Start one: guildhall-agent serve"] : []),
  ]
}

/**
 * A GPU's status for a person: its record, what its device has on the market, and what that came to in the last days.
 *
 * @category encoding
 * @since 0.1.0
 */
export const gpuText = (gpu: GpuView, earned: EarningsView | undefined, paint: Paint): ReadonlyArray<string> => {
  const used = earned?.total.utilisationBps ?? null
  const rate = earned?.total.ratePerMillion ?? null
  return [
    ...GpuCommand.table([gpu]),
    "",
    ...HumanText.table([
      ["Device", gpu.device_id ?? "none: it was registered with an API key"],
      ...gpu.instances.map(({ id, model, state }, at) => [at === 0 ? "Serves" : "", `${model} as ${id}, ${state}`]),
      ...(gpu.instances.length === 0 ? [["Serves", "nothing at the moment"]] : []),
      ["Used", used === null ? "not known" : `${(used / 100).toFixed(1)} % of the last 30 days`],
      ["Earned", earned === undefined ? "not known" : `${EarningsCommand.money(earned.total.net)} in the last 30 days`],
      ["Came to", rate === null ? "nothing yet" : `${EarningsCommand.money(rate)} for a million tokens`],
      ["Bookings", "none: this market takes no bookings"],
    ]),
    ...(gpu.instances.length === 0 ? [paint("dim", "Serve with it: guildhall-agent serve")] : []),
  ]
}
