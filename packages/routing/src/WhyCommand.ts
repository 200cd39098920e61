/**
 * The command line's `routing why`: why a provider's instances were not routed to.
 *
 * @since 0.1.0
 */
import * as Console from "effect/Console"
import * as Digest from "effect/crypto/Digest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { DeviceId } from "@guildhall/core/Device"
import { InstanceId } from "@guildhall/core/Instance"
import { MemberId } from "@guildhall/core/Member"
import type { Parts } from "@guildhall/core/Parts"
import * as Reason from "@guildhall/core/Reason"
import type { Journal } from "@guildhall/journal/Journal"
import type { MarketFacts } from "./AuditCommand.ts"
import { printable, tell } from "@guildhall/core/CommandFailure"
import { FlagProblem } from "./internal/CommandProblem.ts"
import * as Period from "./internal/Period.ts"
import * as NamedPolicies from "./NamedPolicies.ts"
import type { Change } from "./WhyNot.ts"
import * as WhyNotQuery from "./WhyNotQuery.ts"

const told: Record<Change, string> = {
  online: "be online all the time",
  price: "ask the price of the one that was ranked first",
  concurrency: "take twice as many requests at a time",
  health: "have no failures of late",
  speed: "be as fast as the one that was ranked first",
  declarations: "declare what the requests ask for",
  context: "offer a context that is long enough",
  stake: "stake as much as the one that was ranked first",
  quality: "have as clean a record as the one that was ranked first",
  age: "be on the market for longer",
  confidential: "run where the operator cannot look",
}

const percent = (count: number, of: number): string => (of === 0 ? "0 %" : `${Math.round((100 * count) / of)} %`)

const row = (count: number, of: number, text: string): string =>
  `  ${String(count).padStart(6)}  ${percent(count, of).padStart(5)}  ${text}`

const next = ({ changes, requests, tried }: WhyNotQuery.Answer): string => {
  const [best] = changes
  if (requests === 0) return "Next: check the id, or ask for a longer period with --from."
  if (best === undefined || best.wins === 0) return "Next: no single change would have won a request."
  return `Next: ${told[best.change]}. It would have won ${best.wins} of the ${tried} requests that went elsewhere.`
}

const promise = ({ guaranteed }: WhyNotQuery.Answer): ReadonlyArray<string> => {
  if (guaranteed === undefined) return []
  const { full, matching, offered, promised, shortfall } = guaranteed
  const kept = shortfall === 0 ? "the promise was kept" : `${shortfall} too few`
  const of = `of ${matching} requests that fit it, ${offered} went to guaranteed tiers and ${promised} were promised`
  const without = full === 0 ? "" : `, and at ${full} all of the tier were full`
  return ["", `guaranteed: ${of}: ${kept}${without}`]
}

const lines = (answer: WhyNotQuery.Answer, whose: string): ReadonlyArray<string> => {
  const { changes, excluded, outranked, requests } = answer
  const sample = answer.isSample ? ", a sample" : ""
  return [
    `${whose}: ${requests} requests of the models that it served, of ${answer.looked} looked at${sample}`,
    ...(answer.notSeen === 0
      ? []
      : [`${answer.notSeen} more could not be made again: no log, or a policy that is not known here`]),
    "",
    row(answer.served, requests, "served"),
    row(outranked, requests, "went to an instance that was ranked before it"),
    ...answer.terms.slice(0, 5).map(({ count, example, term }) => {
      const { first, mine, rank } = example
      return `          ${count} by: ${term} (such as number ${rank} with "${mine}", the first with "${first}")`
    }),
    row(excluded, requests, "left out"),
    ...answer.reasons.map(({ code, count }) => `          ${count} ${code}: ${Reason.describe(code).sentence}`),
    row(answer.absent, requests, "came while none was listed"),
    ...promise(answer),
    ...(changes.some(({ wins }) => wins > 0)
      ? ["", `with one change, of ${answer.tried} requests that went elsewhere, it would have won`]
      : []),
    ...changes
      .filter(({ wins }) => wins > 0)
      .map(({ change, wins }) => row(wins, answer.tried, `${change}: ${told[change]}`)),
    "",
    next(answer),
  ].map(printable)
}

const id = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.optional)

/** Reads an id that was given. */
const read = <A>(schema: Schema.ConstraintDecoder<A>, name: string, given: Option.Option<string>) =>
  Option.isNone(given)
    ? Effect.undefined
    : Effect.mapError(
        Schema.decodeUnknownEffect(schema)(given.value),
        () => new FlagProblem({ detail: `"${given.value}" is no id of ${name}.` }),
      )

/**
 * `routing why [--instance <id>] [--device <id>] [--member <id>] [--from <time>] [--to <time>] [--sample <n>] [--json]`, over a
 * journal and the policies that the market was routed by.
 *
 * @category commands
 * @since 0.1.0
 */
export const make = <E extends { readonly _tag: string; readonly message: string }, R, E2, R2>(
  facts: Effect.Effect<MarketFacts, E, R>,
  journal: Layer.Layer<Journal, E2, R2>,
  parts: Parts,
) =>
  Command.make(
    "why",
    {
      instance: id("instance", "An instance: ins_…"),
      device: id("device", "A device, with all its instances: dev_…"),
      member: id("member", "A member, with all its devices: mem_…"),
      ...Period.flags,
      sample: Flag.Int("sample").pipe(
        Flag.withDescription(`How many requests to look at, at most ${WhyNotQuery.SAMPLE_MAX}`),
        Flag.filter(
          (sample) => sample >= 1 && sample <= WhyNotQuery.SAMPLE_MAX,
          () => `a whole number from 1 to ${WhyNotQuery.SAMPLE_MAX}`,
        ),
        Flag.withDefault(1_000),
      ),
      json: Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON object"), Flag.withDefault(false)),
    },
    (given) =>
      Effect.gen(function* () {
        const target = {
          instance: yield* read(InstanceId, "an instance", given.instance),
          device: yield* read(DeviceId, "a device", given.device),
          member: yield* read(MemberId, "a member", given.member),
        }
        const whose = [target.member, target.device, target.instance].filter((name) => name !== undefined).join(" ")
        if (whose === "") {
          return yield* new FlagProblem({ detail: "Say whose: --instance, --device or --member." })
        }
        const policies = yield* NamedPolicies.resolve(parts, (yield* facts).policies)
        const period = yield* Period.of(given)
        const policyOf = (name: string) => policies.get(name)
        const answer = yield* WhyNotQuery.run({ target, ...period, sample: given.sample, policyOf })
        yield* Console.log(
          given.json ? JSON.stringify({ ok: true, ...target, ...period, ...answer }) : lines(answer, whose).join("\n"),
        )
      }).pipe(
        Effect.provide(Digest.layerWebCrypto),
        Effect.catch((error) => tell(error, given.json)),
      ),
  ).pipe(
    Command.withDescription("Why a provider's instances were not routed to, and what would have changed it"),
    Command.withExamples([
      { command: "guildhall routing why --instance ins_…", description: "The last day" },
      { command: "guildhall routing why --member mem_… --from 2026-11-01", description: "All instances of a member" },
    ]),
    Command.provide(journal),
  )
