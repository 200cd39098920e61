/**
 * The command line's `maintenance`: tells the market when this machine will not be there, so that nobody blames it.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { MaintenanceReason } from "@guildhall/core/Maintenance"
import { Maintained } from "@guildhall/protocol/api/InstancesApi"
import { AgentError } from "./AgentError.ts"
import * as CommandAnswer from "./CommandAnswer.ts"
import * as CommandFlags from "./CommandFlags.ts"
import * as HumanText from "./models/HumanText.ts"
import * as OwnMarket from "./OwnMarket.ts"
import * as TimeText from "./TimeText.ts"

const PATH = "/v1/providers/maintenance"

const who = { home: CommandFlags.home, market: CommandFlags.market, key: CommandFlags.key, json: CommandFlags.json }

const instance = Flag.String("instance").pipe(
  Flag.withDescription("One instance (ins_…); without it, all of this device"),
  Flag.filter(
    (id) => /^ins_[A-Za-z0-9_-]{1,64}$/.test(id),
    () => "the id of an instance, such as ins_…, from `guildhall-agent status`",
  ),
  Flag.optional,
)

const badTime = (name: string, text: string) =>
  new AgentError({
    reason: "BadSetting",
    detail: `--${name} ${text} is no time. Write now, +2h, or a time such as 2026-12-01T08:00Z.`,
  })

const rowsOf = ({ data }: Maintained): ReadonlyArray<string> =>
  HumanText.table([["INSTANCE", "MODEL", "STATE"], ...data.map(({ id, model, state }) => [id, model, state])])

const announce = Command.make(
  "announce",
  {
    from: Flag.String("from").pipe(
      Flag.withDescription("When it begins: now, +2h, or a time such as 2026-12-01T08:00Z (now)"),
      Flag.withDefault("now"),
    ),
    lasts: Flag.String("for").pipe(
      Flag.withDescription("How long it lasts, such as 30m or 2h; 7 days at most"),
      Flag.filterMap(
        (text) => Option.fromUndefinedOr(TimeText.duration(text)),
        () => "a duration, such as 30m, 2h or 1d",
      ),
    ),
    reason: Flag.String("reason").pipe(
      Flag.withDescription("Why, for the market's operator"),
      CommandFlags.checked(MaintenanceReason, "1 to 200 printable characters"),
    ),
    instance,
    ...who,
  },
  (flags) =>
    CommandAnswer.run(
      flags.json,
      Effect.gen(function* () {
        const fromMs = TimeText.instant(flags.from, yield* Clock.currentTimeMillis)
        if (fromMs === undefined) return yield* badTime("from", flags.from)
        const toMs = fromMs + flags.lasts
        const body = {
          fromMs,
          toMs,
          reason: flags.reason,
          ...Option.match(flags.instance, { onNone: () => ({}), onSome: (id) => ({ instance: id }) }),
        }
        const market = yield* OwnMarket.open(flags)
        const answer = yield* market.ask({ method: "POST", path: PATH, body }, Maintained)
        return {
          document: { fromMs, toMs, reason: flags.reason, instances: answer.data },
          text: () => [
            ...rowsOf(answer),
            `From ${TimeText.minute(fromMs)} to ${TimeText.minute(toMs)} no requests come, and nothing of it counts against this machine.`,
            "Call it off, or end it early: guildhall-agent maintenance cancel",
          ],
        }
      }),
    ),
).pipe(
  Command.withDescription("Tell the market when this machine will not be there"),
  Command.withExamples([
    {
      command: 'guildhall-agent maintenance announce --from +1h --for 30m --reason "a new driver"',
      description: "In an hour, for half an hour",
    },
  ]),
)

const cancel = Command.make("cancel", { instance, ...who }, (flags) =>
  CommandAnswer.run(
    flags.json,
    Effect.gen(function* () {
      const market = yield* OwnMarket.open(flags)
      const query = Option.match(flags.instance, { onNone: () => "", onSome: (id) => `?instance=${id}` })
      const answer = yield* market.ask({ method: "DELETE", path: `${PATH}${query}` }, Maintained)
      return {
        document: { instances: answer.data },
        text: () => [...rowsOf(answer), "No maintenance is announced any more."],
      }
    }),
  ),
).pipe(Command.withDescription("Call announced maintenance off, or end it early"))

/**
 * The command `maintenance`.
 *
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make("maintenance").pipe(
  Command.withDescription("Planned maintenance of this machine"),
  Command.withSubcommands([announce, cancel]),
)
