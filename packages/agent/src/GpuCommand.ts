/**
 * The command line's `gpu`: registers GPUs by name, lists those of the market, and changes what they cost.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { Region } from "@guildhall/core/Instance"
import { GpuView } from "@guildhall/protocol/api/GpusApi"
import { AgentError } from "./AgentError.ts"
import * as CommandAnswer from "./CommandAnswer.ts"
import * as CommandFlags from "./CommandFlags.ts"
import * as HumanText from "./models/HumanText.ts"
import * as OwnMarket from "./OwnMarket.ts"

/** The path of the GPUs. @category constants @since 0.1.0 */
export const PATH = "/v1/providers/gpus"

const encodeView = Schema.encodeSync(Schema.toCodecJson(GpuView))
const Listing = Schema.Struct({ data: Schema.Array(GpuView) })

const who = { home: CommandFlags.home, market: CommandFlags.market, key: CommandFlags.key, json: CommandFlags.json }

const MIB: Readonly<Record<string, number>> = {
  "": 1_024,
  g: 1_024,
  gb: 1_024,
  gib: 1_024,
  m: 1,
  mb: 1,
  mib: 1,
}

/**
 * Reads a GPU's memory, such as `24`, `24GB`, `24GiB` or `24576MiB`, in MiB. Makers of GPUs mean GiB by GB, and so does a number
 * without a unit. Undefined where it is none.
 *
 * **Example** (The same memory)
 *
 * ```ts
 * import { GpuCommand } from "@guildhall/agent"
 *
 * GpuCommand.memory("24GB") // => 24576
 * GpuCommand.memory("24576MiB") // => 24576
 * ```
 *
 * @category parsing
 * @since 0.1.0
 */
export const memory = (text: string): number | undefined => {
  const [, count = "", unit = ""] = /^(\d{1,8}(?:\.\d{1,3})?)\s*([a-z]*)$/i.exec(text.trim()) ?? []
  const scale = MIB[unit.toLowerCase()]
  const mib = count === "" || scale === undefined ? 0 : Math.round(Number(count) * scale)
  return mib >= 1 && mib <= 16_777_216 ? mib : undefined
}

const decimal = (text: string): boolean => /^\d{1,12}(?:\.\d{1,12})?$/.test(text)

const basePrice = Flag.String("base-price").pipe(
  Flag.withDescription("Price of an hour, such as 0.45"),
  Flag.filter(decimal, () => "a decimal, such as 0.45"),
)
const region = Flag.String("region").pipe(
  Flag.withDescription("Where it stands, such as eu-west"),
  CommandFlags.checked(Region, "letters, digits and hyphens, such as eu-west"),
)
const strategy = Flag.String("strategy").pipe(
  Flag.withDescription("Pricing strategy, one of the market's; without it the first, such as fixed"),
  Flag.filter(
    (name) => /^[A-Za-z][A-Za-z0-9-]{0,59}$/.test(name),
    () => "the name of a strategy, such as fixed",
  ),
  Flag.optional,
)

const gib = (mib: number): string => `${Number((mib / 1_024).toFixed(1))} GiB`

const HEAD = ["GPU", "NAME", "MEMORY", "CUDA", "PRICE PER HOUR", "REGION", "STRATEGY", ""]

/**
 * GPUs in a table.
 *
 * @category formatting
 * @since 0.1.0
 */
export const table = (gpus: ReadonlyArray<GpuView>): ReadonlyArray<string> =>
  HumanText.table(
    [
      HEAD,
      ...gpus.map((gpu) => [
        gpu.id,
        gpu.name,
        gib(gpu.memory_mib),
        gpu.cuda_version ?? "-",
        `${gpu.base_price_per_hour.formatted} ${gpu.base_price_per_hour.asset}`,
        gpu.region,
        gpu.strategy,
        gpu.is_mine ? "yours" : "",
      ]),
    ],
    [2, 4],
  )

const given = <A>(name: string, value: Option.Option<A>) =>
  Option.match(value, { onNone: () => ({}), onSome: (one) => ({ [name]: one }) })

const register = Command.make(
  "register",
  {
    name: Flag.String("name").pipe(
      Flag.withDescription("What to call it, such as RTX-4090"),
      Flag.filter(
        (name) => /^[!-~](?:[ -~]{0,98}[!-~])?$/.test(name),
        () => "1 to 100 printable ASCII characters",
      ),
    ),
    memory: Flag.String("memory").pipe(
      Flag.withDescription("Its memory, such as 24GB"),
      Flag.filterMap(
        (text) => Option.fromUndefinedOr(memory(text)),
        () => "a size, such as 24GB, 24GiB or 24576MiB",
      ),
    ),
    cudaVersion: Flag.String("cuda-version").pipe(
      Flag.withDescription("Its CUDA version, such as 12.4, where it has one"),
      Flag.filter(
        (text) => /^\d{1,3}(?:\.\d{1,4}){0,2}$/.test(text),
        () => "a version, such as 12.4",
      ),
      Flag.optional,
    ),
    basePrice,
    region,
    strategy,
    ...who,
  },
  (flags) =>
    CommandAnswer.run(
      flags.json,
      Effect.gen(function* () {
        const market = yield* OwnMarket.open(flags)
        const body = {
          name: flags.name,
          memory_mib: flags.memory,
          base_price_per_hour: flags.basePrice,
          region: flags.region,
          ...given("cuda_version", flags.cudaVersion),
          ...given("strategy", flags.strategy),
        }
        const gpu = yield* market.ask({ method: "POST", path: PATH, body }, GpuView)
        return {
          document: { gpu: encodeView(gpu) },
          text: () => [
            ...table([gpu]),
            `Change what it costs: guildhall-agent gpu update --gpu-id ${gpu.id} --base-price <price>`,
          ],
        }
      }),
    ),
).pipe(
  Command.withDescription("Register a GPU by name"),
  Command.withExamples([
    {
      command:
        "guildhall-agent gpu register --name RTX-4090 --memory 24GB --cuda-version 12.4 --base-price 0.45 --region eu-west",
      description: "A card, at 45 cents an hour",
    },
  ]),
)

const list = Command.make(
  "list",
  {
    region: region.pipe(Flag.optional),
    mine: Flag.Boolean("mine").pipe(Flag.withDescription("Only your own"), Flag.withDefault(false)),
    ...who,
  },
  (flags) =>
    CommandAnswer.run(
      flags.json,
      Effect.gen(function* () {
        const market = yield* OwnMarket.open(flags)
        const query = [
          ...Option.toArray(Option.map(flags.region, (name) => `region=${name}`)),
          ...(flags.mine ? ["owner=me"] : []),
        ].join("&")
        const { data } = yield* market.ask(
          { method: "GET", path: `${PATH}${query === "" ? "" : `?${query}`}` },
          Listing,
        )
        return {
          document: { gpus: data.map((gpu) => encodeView(gpu)) },
          text: () =>
            data.length === 0 ? ["There are none. Register one: guildhall-agent gpu register --help"] : table(data),
        }
      }),
    ),
).pipe(Command.withAlias("ls"), Command.withDescription("List the GPUs of the market, or of a region"))

const nothingSaid = new AgentError({
  reason: "BadSetting",
  detail: "Nothing is to be changed. Say what: --base-price, --strategy or --region.",
})

/** A GPU by its own id: the id of a device names all of it, and none of its cards. */
const ownId = (id: string) =>
  id.startsWith("gpu_")
    ? Effect.succeed(id)
    : new AgentError({
        reason: "BadSetting",
        detail: `${id} is a device. Name a GPU: \`guildhall-agent gpu list --mine\` has their ids.`,
      })

const update = Command.make(
  "update",
  {
    gpuId: CommandFlags.gpuId,
    basePrice: basePrice.pipe(Flag.optional),
    strategy,
    region: region.pipe(Flag.optional),
    ...who,
  },
  (flags) =>
    CommandAnswer.run(
      flags.json,
      Effect.gen(function* () {
        const body = {
          ...given("base_price_per_hour", flags.basePrice),
          ...given("strategy", flags.strategy),
          ...given("region", flags.region),
        }
        if (Object.keys(body).length === 0) return yield* nothingSaid
        const id = yield* ownId(flags.gpuId)
        const market = yield* OwnMarket.open(flags)
        const gpu = yield* market.ask({ method: "PATCH", path: `${PATH}/${id}`, body }, GpuView)
        return {
          document: { gpu: encodeView(gpu) },
          text: () => table([gpu]),
        }
      }),
    ),
).pipe(Command.withDescription("Change what a GPU costs, by which strategy, or where it stands"))

const remove = Command.make("remove", { gpuId: CommandFlags.gpuId, ...who }, (flags) =>
  CommandAnswer.run(
    flags.json,
    Effect.gen(function* () {
      const id = yield* ownId(flags.gpuId)
      const market = yield* OwnMarket.open(flags)
      yield* market.ask({ method: "DELETE", path: `${PATH}/${id}` }, Schema.Null)
      return { document: { removed: id }, text: () => [`${id} is removed.`] }
    }),
  ),
).pipe(Command.withAlias("rm"), Command.withDescription("Remove a GPU"))

/**
 * The command `gpu`.
 *
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make("gpu").pipe(
  Command.withDescription("GPUs that are offered by name"),
  Command.withSubcommands([register, list, update, remove]),
)
