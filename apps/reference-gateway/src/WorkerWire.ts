/**
 * What the process that was started and its workers tell each other: facts by standard input, since they hold secrets that no
 * command line should, and two messages by standard output. Everything else is in the environment, which is the same.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as AppConfig from "./AppConfig.ts"
import * as DevChain from "./DevChain.ts"
import type { Facts, Running } from "./Launch.ts"
import type { LaunchError } from "./LaunchError.ts"

/** The facts of a worker, and which one it is; the first is 1. */
interface WorkerFacts extends Facts {
  readonly worker: number
}

const Text = Schema.NullOr(Schema.String)

const FactsJson = Schema.fromJsonString(
  Schema.Struct({
    worker: Schema.Int,
    port: Schema.Int,
    home: Schema.String,
    model: Text,
    databaseUrl: Schema.String,
    chain: Schema.NullOr(Schema.toCodecJson(DevChain.DevChain)),
    keys: Schema.NullOr(Schema.Struct({ buyerKey: Schema.String, operatorKey: Schema.String })),
  }),
)

const encode = Schema.encodeSync(FactsJson)
const decode = Schema.decodeSync(FactsJson)

/** Writes facts as one line. */
export const encodeFacts = ({ chain, databaseUrl, lastKeys, settings, worker }: WorkerFacts): string =>
  `${encode({
    worker,
    port: settings.port,
    home: settings.home,
    model: settings.model ?? null,
    databaseUrl: Redacted.value(databaseUrl),
    chain: chain ?? null,
    keys:
      lastKeys === undefined
        ? null
        : { buyerKey: Redacted.value(lastKeys.buyerKey), operatorKey: Redacted.value(lastKeys.operatorKey) },
  })}\n`

/** Reads facts, and the settings of the environment with them. */
export const decodeFacts = (line: string): Effect.Effect<WorkerFacts, LaunchError> =>
  Effect.map(AppConfig.load, (settings) => {
    const { chain, databaseUrl, home, keys, model, port, worker } = decode(line)
    return {
      worker,
      databaseUrl: Redacted.make(databaseUrl),
      chain: chain ?? undefined,
      lastKeys:
        keys === null
          ? undefined
          : { buyerKey: Redacted.make(keys.buyerKey), operatorKey: Redacted.make(keys.operatorKey) },
      settings: { ...settings, port, home, model: model ?? undefined },
    }
  })

const Message = Schema.TaggedUnion({
  /** It listens; with what the others and the one who started it need. */
  Listening: {
    port: Schema.Int,
    buyerKey: Schema.String,
    providerKey: Schema.String,
    operatorKey: Schema.String,
    agent: Schema.NullOr(
      Schema.Struct({
        program: Schema.String,
        args: Schema.Array(Schema.String),
        env: Schema.Record(Schema.String, Schema.String),
      }),
    ),
  },
  /** A request would be served, of this model for instance. */
  Ready: { model: Schema.String },
})

/** What a worker tells. */
export type Message = typeof Message.Type
/** That it listens. */
export type Listening = Extract<Message, { readonly _tag: "Listening" }>

const MARK = "guildhall-worker "
const MessageJson = Schema.fromJsonString(Schema.toCodecJson(Message))
const decodeMarked = Schema.decodeUnknownResult(MessageJson)
const encodeMarked = Schema.encodeSync(MessageJson)

/** Writes a message as one line. */
export const encodeMessage = (message: Message): string => `${MARK}${encodeMarked(message)}\n`

/** Reads a line of a worker's output; undefined where it is none of ours. */
export const decodeMessage = (line: string): Message | undefined =>
  line.startsWith(MARK) ? Result.getOrUndefined(decodeMarked(line.slice(MARK.length))) : undefined

/** That a gateway listens, as its worker tells it. */
export const listening = ({ agent, keys, port }: Running): Listening => ({
  _tag: "Listening",
  port,
  buyerKey: Redacted.value(keys.buyerKey),
  providerKey: Redacted.value(keys.providerKey),
  operatorKey: Redacted.value(keys.operatorKey),
  agent: agent ?? null,
})
