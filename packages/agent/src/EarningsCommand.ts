/**
 * The command line's `earnings`: what this machine earned, and what would make it earn more.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import type { DisplayMoney } from "@guildhall/protocol/api/DisplayMoney"
import { DAYS_MAX, type EarningsSum, EarningsView, GuidanceView } from "@guildhall/protocol/api/EarningsApi"
import { GpuView } from "@guildhall/protocol/api/GpusApi"
import { AgentError } from "./AgentError.ts"
import * as CommandAnswer from "./CommandAnswer.ts"
import * as CommandFlags from "./CommandFlags.ts"
import * as GpuCommand from "./GpuCommand.ts"
import * as HumanText from "./models/HumanText.ts"
import * as OwnMarket from "./OwnMarket.ts"
import type { Paint } from "./Paint.ts"
import * as TimeText from "./TimeText.ts"

const encodeEarnings = Schema.encodeSync(Schema.toCodecJson(EarningsView))
const encodeGuidance = Schema.encodeSync(Schema.toCodecJson(GuidanceView))

/**
 * The device that a GPU's or a device's id names. Fails where the GPU was registered from none.
 *
 * @category constructors
 * @since 0.1.0
 */
export const deviceOf = Effect.fnUntraced(function* (market: OwnMarket.OwnMarket, id: string) {
  if (id.startsWith("dev_")) return id
  const gpu = yield* market.ask({ method: "GET", path: `${GpuCommand.PATH}/${id}` }, GpuView)
  return (
    gpu.device_id ??
    (yield* new AgentError({
      reason: "BadSetting",
      detail: `${id} is ${gpu.is_mine ? "bound to no device: it was registered with an API key" : "another member's"}. Name a device: dev_…`,
    }))
  )
})

/**
 * An amount with its asset, to four digits after the point at most.
 *
 * @category formatting
 * @since 0.1.0
 */
export const money = ({ asset, formatted }: DisplayMoney): string => {
  const [whole = "0", digits = ""] = formatted.split(".")
  const kept = digits.slice(0, 6).replace(/0+$/, "")
  const isTiny = kept === "" && /[1-9]/.test(digits) && /^-?0+$/.test(whole)
  return isTiny ? `< 0.000001 ${asset}` : `${whole}${kept === "" ? "" : `.${kept}`} ${asset}`
}

const percent = (bps: number | null): string => (bps === null ? "-" : `${(bps / 100).toFixed(1)} %`)

const sumRow = (sum: EarningsSum): ReadonlyArray<string> => [
  `${sum.requests}`,
  HumanText.count(sum.inputTokens),
  HumanText.count(sum.outputTokens),
  money(sum.gross),
  money(sum.net),
  sum.ratePerMillion === null ? "-" : money(sum.ratePerMillion),
  percent(sum.utilisationBps),
]

const SUM_HEAD = ["REQUESTS", "IN", "OUT", "CHARGED", "EARNED", "PER MILLION", "USED"]

const adviceLines = ({ data }: GuidanceView, paint: Paint): ReadonlyArray<string> =>
  data.flatMap(({ advice, model, speaksAtMs, state }) => {
    if (state === "counting")
      return [`${model}: advice from ${TimeText.minute(speaksAtMs)} on, once there are 48 hours to look at.`]
    if (advice.length === 0) return [`${model}: nothing would have brought more.`]
    return [paint("bold", `${model}: what would have brought more`), ...advice.map(({ text }) => `  → ${text}`)]
  })

/** The answer in words. */
const shown = (earned: EarningsView, guidance: GuidanceView | undefined, isDaily: boolean) => (paint: Paint) => {
  const days = Math.max(1, Math.round((earned.toMs - earned.fromMs) / 86_400_000))
  const by = isDaily
    ? earned.data.map((row) => [row.day, row.model, ...sumRow(row)])
    : earned.instances.map((row) => [row.instance, row.model, ...sumRow(row)])
  const table = HumanText.table(
    [[isDaily ? "DAY" : "INSTANCE", "MODEL", ...SUM_HEAD], ...by, ["all", "", ...sumRow(earned.total)]],
    [2, 3, 4, 5, 6, 7, 8],
  )
  return [
    paint("bold", days === 1 ? "The last day" : `The last ${days} days`),
    ...table,
    "",
    ...HumanText.table([
      ["Pending", money(earned.pending), "earned by all your machines, and not to be paid out yet"],
      ["Payable", money(earned.payable), "goes out with the next payout"],
      ...(BigInt(earned.owed.amount) === 0n ? [] : [["Owed", money(earned.owed), "is taken from what you earn next"]]),
    ]),
    ...(guidance === undefined || guidance.data.length === 0 ? [] : ["", ...adviceLines(guidance, paint)]),
    ...(earned.next === undefined || !isDaily ? [] : ["There are more days: ask for fewer with --days."]),
  ]
}

const flags = {
  gpuId: CommandFlags.gpuId.pipe(Flag.optional),
  days: Flag.Int("days").pipe(
    Flag.withDescription("How many days back (30)"),
    Flag.withDefault(30),
    CommandFlags.whole(1, DAYS_MAX),
  ),
  daily: Flag.Boolean("daily").pipe(Flag.withDescription("By day, in place of by instance"), Flag.withDefault(false)),
  home: CommandFlags.home,
  market: CommandFlags.market,
  key: CommandFlags.key,
  json: CommandFlags.json,
}

/**
 * The command `earnings`.
 *
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make("earnings", flags, (given) =>
  CommandAnswer.run(
    given.json,
    Effect.gen(function* () {
      const market = yield* OwnMarket.open(given)
      const device = Option.isSome(given.gpuId) ? yield* deviceOf(market, given.gpuId.value) : undefined
      const whose = device === undefined ? "" : `device=${device}`
      const earned = yield* market.ask(
        { method: "GET", path: `/v1/providers/earnings?days=${given.days}${whose === "" ? "" : `&${whose}`}` },
        EarningsView,
      )
      // Advice is a help; a market that has none to give has earnings all the same.
      const guidance = Option.getOrUndefined(
        yield* Effect.option(
          market.ask({ method: "GET", path: `/v1/providers/guidance${whose === "" ? "" : `?${whose}`}` }, GuidanceView),
        ),
      )
      return {
        document: {
          earnings: encodeEarnings(earned),
          guidance: guidance === undefined ? null : encodeGuidance(guidance),
        },
        text: shown(earned, guidance, given.daily),
      }
    }),
  ),
).pipe(
  Command.withDescription("What this machine earned, and what would have brought more"),
  Command.withExamples([
    { command: "guildhall-agent earnings --days 7 --daily", description: "The last week, by day" },
  ]),
)
