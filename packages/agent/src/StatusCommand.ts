/**
 * The command line's `status`: how the agent of this home is doing, and how it stands on the market.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Terminal from "effect/Terminal"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { TerminalCapabilities } from "effect/cli/TerminalCapabilities"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { CommandFailure } from "@guildhall/core/CommandFailure"
import { EarningsView, TargetsView } from "@guildhall/protocol/api/EarningsApi"
import { EntryView } from "@guildhall/protocol/api/EntriesApi"
import { GpuView } from "@guildhall/protocol/api/GpusApi"
import { OwnInstance } from "@guildhall/protocol/api/InstancesApi"
import * as CommandAnswer from "./CommandAnswer.ts"
import * as CommandFlags from "./CommandFlags.ts"
import * as RunningAgent from "./control/RunningAgent.ts"
import * as EntryWatch from "./EntryWatch.ts"
import * as ExitCode from "./ExitCode.ts"
import * as GpuCommand from "./GpuCommand.ts"
import * as OwnMarket from "./OwnMarket.ts"
import * as Paint from "./Paint.ts"
import * as StatusReport from "./StatusReport.ts"

const Own = Schema.Struct({ data: Schema.Array(OwnInstance) })
const encodeMarket = Schema.encodeSync(Schema.toCodecJson(StatusReport.MarketSays))
const encodeGpu = Schema.encodeSync(Schema.toCodecJson(GpuView))
const encodeEarnings = Schema.encodeSync(Schema.toCodecJson(EarningsView))

const get = (path: string) => ({ method: "GET", path }) as const

const askMarket = Effect.fnUntraced(function* (asker: OwnMarket.Asker) {
  const market = yield* OwnMarket.open(asker)
  const { data: instances } = yield* market.ask(get("/v1/providers/instances"), Own)
  const waiting = instances.filter(({ entry }) => entry !== null && entry !== "passed")
  const entries = yield* Effect.forEach(waiting, ({ instance }) =>
    Effect.option(market.ask(get(`/v1/providers/${instance.id}/entry`), EntryView)),
  )
  const targets = yield* Effect.option(market.ask(get("/v1/providers/targets"), TargetsView))
  const said: StatusReport.MarketSays = {
    instances,
    entries: entries.flatMap(Option.toArray),
    targets: Option.getOrNull(targets),
  }
  return said
}, Effect.scoped)

const look = Effect.fnUntraced(function* (asker: OwnMarket.Asker) {
  const agent = yield* RunningAgent.require(asker.home).pipe(
    Effect.flatMap(({ status }) => status),
    Effect.scoped,
    Effect.option,
  )
  const market = yield* Effect.result(askMarket(asker))
  return {
    agent: Option.getOrUndefined(agent),
    market: market._tag === "Success" ? market.success : undefined,
    trouble: market._tag === "Failure" ? market.failure.message : undefined,
  }
})

type Found = Effect.Success<ReturnType<typeof look>>

const documentOf = ({ agent, market, trouble }: Found) => ({
  agent: agent ?? null,
  market: market === undefined ? null : encodeMarket(market),
  trouble: trouble ?? null,
})

const NOT_RUNNING =
  "No agent runs with this home. Start one with `guildhall-agent serve`, or name its home with --home."

const printOnce = Effect.fnUntraced(function* (found: Found, asJson: boolean) {
  if (found.agent === undefined && asJson) {
    yield* Console.log(JSON.stringify({ ok: false, reason: "NotRunning", detail: NOT_RUNNING, ...documentOf(found) }))
  } else {
    const nowMs = yield* Clock.currentTimeMillis
    yield* CommandAnswer.print(
      { document: documentOf(found), text: (paint) => StatusReport.text(found, nowMs, paint) },
      asJson,
    )
  }
  if (found.agent === undefined) {
    return yield* new CommandFailure({ detail: NOT_RUNNING, exitCode: ExitCode.EXIT_NOT_RUNNING })
  }
})

const WATCH_MS = 2_000
const HOME_AND_CLEAR = "\u001b[H\u001b[2J"

/** Prints it again and again, at a terminal in its place, until it is stopped. */
const watch = Effect.fnUntraced(function* (asker: OwnMarket.Asker, asJson: boolean) {
  const { canAnimate, canColor } = yield* TerminalCapabilities
  const screen = yield* Terminal.Terminal
  while (true) {
    const found = yield* look(asker)
    const nowMs = yield* Clock.currentTimeMillis
    const columns = yield* screen.columns
    const bars = (found.market?.entries ?? []).map((entry) =>
      EntryWatch.bar(EntryWatch.progressOf(entry), entry.running.at(-1)?.check ?? "waiting", columns),
    )
    const lines = [...StatusReport.text(found, nowMs, Paint.make(canColor)), ...bars]
    const text = asJson
      ? JSON.stringify({ ok: found.agent !== undefined, ...documentOf(found) })
      : `${canAnimate ? HOME_AND_CLEAR : ""}${lines.join("\n")}`
    yield* Console.log(text)
    yield* Effect.sleep(WATCH_MS)
  }
})

const aboutGpu = Effect.fnUntraced(function* (asker: OwnMarket.Asker, id: string) {
  const market = yield* OwnMarket.open(asker)
  if (!id.startsWith("gpu_")) {
    const { data } = yield* market.ask(get("/v1/providers/instances"), Own)
    const own = data.filter(({ instance }) => instance.deviceId === id)
    const found = { agent: undefined, market: { instances: own, entries: [], targets: null }, trouble: undefined }
    const nowMs = yield* Clock.currentTimeMillis
    return {
      document: { device: id, market: encodeMarket(found.market) },
      text: (paint: Paint.Paint) => StatusReport.text(found, nowMs, paint).slice(2, -2),
    }
  }
  const gpu = yield* market.ask(get(`${GpuCommand.PATH}/${id}`), GpuView)
  const earned =
    gpu.device_id === null
      ? Option.none<EarningsView>()
      : yield* Effect.option(market.ask(get(`/v1/providers/earnings?days=30&device=${gpu.device_id}`), EarningsView))
  const view = Option.getOrUndefined(earned)
  return {
    document: { gpu: encodeGpu(gpu), earnings: view === undefined ? null : encodeEarnings(view) },
    text: (paint: Paint.Paint) => StatusReport.gpuText(gpu, view, paint),
  }
})

const flags = {
  gpuId: CommandFlags.gpuId.pipe(Flag.optional),
  watch: Flag.Boolean("watch").pipe(
    Flag.withAlias("w"),
    Flag.withDescription("Show it again every two seconds; with --json, one JSON object a line"),
    Flag.withDefault(false),
  ),
  home: CommandFlags.home,
  market: CommandFlags.market,
  key: CommandFlags.key,
  json: CommandFlags.json,
}

/**
 * The command `status`. It ends with 7 where no agent runs with this home.
 *
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make("status", flags, (given) => {
  if (Option.isSome(given.gpuId)) return CommandAnswer.run(given.json, aboutGpu(given, given.gpuId.value))
  const shown = given.watch
    ? watch(given, given.json)
    : Effect.flatMap(look(given), (found) => printOnce(found, given.json))
  return shown.pipe(Effect.provide(NodeHttpClient.layerNodeHttp), Effect.provide(Logger.layer([])), Effect.scoped)
}).pipe(Command.withDescription("How the agent of this home is doing, and how it stands on the market"))
