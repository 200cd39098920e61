/**
 * How a command of the command line asks the market for what is this device's: under an API key, through the agent that runs with
 * this home, or with the device's key itself where none runs.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { AgentError } from "./AgentError.ts"
import * as AgentHome from "./AgentHome.ts"
import * as RunningAgent from "./control/RunningAgent.ts"
import * as DeviceKey from "./DeviceKey.ts"
import * as MarketClient from "./MarketClient.ts"
import * as PairedMarket from "./PairedMarket.ts"

/**
 * Who asks, and which market.
 *
 * @category models
 * @since 0.1.0
 */
export interface Asker {
  readonly home: string
  readonly market: Option.Option<string>
  readonly key: Option.Option<Redacted.Redacted<string>>
}

/**
 * A question. `path` has its query in it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Question {
  readonly method: "GET" | "POST" | "PATCH" | "PUT" | "DELETE"
  readonly path: string
  readonly body?: unknown
}

/**
 * A way to the market that is open: `ask` reads the answer as a schema has it.
 *
 * @category models
 * @since 0.1.0
 */
export interface OwnMarket {
  readonly ask: <S extends Schema.Top>(
    question: Question,
    schema: S,
  ) => Effect.Effect<S["Type"], AgentError, S["DecodingServices"]>
}

const notPaired = (home: string) =>
  new AgentError({
    reason: "BadSetting",
    detail: `${home} holds no device yet. Pair this machine with \`guildhall-agent pair <code> --market <address>\`, or pass a provider's API key in GUILDHALL_PROVIDER_KEY.`,
  })

const unreadable = new AgentError({
  reason: "MarketAway",
  detail:
    "The market answered with something that this agent cannot read. Is one of the two much older than the other?",
})

/** The way through a key of the home: it is held meanwhile, since messages of a device are numbered. */
const byDevice = Effect.fnUntraced(function* (asker: Asker, url: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  if (!(yield* Effect.orElseSucceed(fs.exists(path.join(asker.home, DeviceKey.KEY_FILE)), () => false))) {
    return yield* notPaired(asker.home)
  }
  return MarketClient.layer({ url, apiKey: undefined }).pipe(
    Layer.provideMerge(DeviceKey.layer),
    Layer.provideMerge(AgentHome.layer({ directory: asker.home })),
  )
})

const byKey = (url: string, key: Redacted.Redacted<string>) =>
  Effect.map(MarketClient.makeByKey({ url, apiKey: key }), (client) => client.ask)

/**
 * Opens the way, for as long as the scope is open. Fails where this machine is not paired and there is no key.
 *
 * @category constructors
 * @since 0.1.0
 */
export const open = Effect.fnUntraced(function* (asker: Asker) {
  const running = Option.isSome(asker.key) ? Option.none<string>() : yield* RunningAgent.find(asker.home)
  const send = yield* Effect.gen(function* () {
    if (Option.isSome(running)) return (yield* RunningAgent.connect(running.value)).askMarket
    const url = yield* PairedMarket.resolve(asker.market, asker.home)
    if (Option.isSome(asker.key)) return yield* byKey(url, asker.key.value)
    const context = yield* Layer.build(yield* byDevice(asker, url))
    return yield* Effect.provideContext(
      MarketClient.MarketClient.use((client) => Effect.succeed(client.ask)),
      context,
    )
  })
  const market: OwnMarket = {
    ask: Effect.fnUntraced(function* ({ body, method, path }, schema) {
      const text = yield* send({ method, path, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
      const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.toCodecJson(schema)))
      return yield* Effect.mapError(decode(text === "" ? "null" : text), () => unreadable)
    }),
  }
  return market
})
