/**
 * The command line's side of a running agent.
 *
 * @since 0.1.0
 */
import * as Net from "node:net"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import { AgentError } from "../AgentError.ts"
import * as ControlPlace from "./ControlPlace.ts"
import { ControlRpcs } from "./ControlRpcs.ts"

const CONNECT_MS = 2_000
/** An agent answers at once; only the market takes its time. */
const ANSWER_MS = 30_000

const isListening = (path: string) =>
  Effect.callback<boolean>((resume) => {
    const socket = Net.connect(path)
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.once("error", () => resume(Effect.succeed(false)))
    return Effect.sync(() => socket.destroy())
  }).pipe(Effect.timeoutOption(CONNECT_MS), Effect.map(Option.getOrElse(() => false)))

/**
 * The socket of the agent that runs with a home, if one does.
 *
 * @category constructors
 * @since 0.1.0
 */
export const find = Effect.fnUntraced(function* (home: string) {
  const path = yield* Path.Path
  const socket = yield* ControlPlace.find(path.resolve(home))
  if (Option.isNone(socket)) return Option.none<string>()
  return (yield* isListening(socket.value)) ? socket : Option.none<string>()
})

const lost = () =>
  new AgentError({
    reason: "NotRunning",
    detail: "The agent ended before it had answered. Look at `guildhall-agent logs`.",
  })

const notRunning = (home: string) =>
  new AgentError({
    reason: "NotRunning",
    detail: `No agent runs with the home ${home}. Start one with \`guildhall-agent serve\`, or name its home with --home or GUILDHALL_AGENT_HOME.`,
  })

/**
 * The calls of the agent behind a socket, for as long as the scope is open.
 *
 * @category constructors
 * @since 0.1.0
 */
export const connect = Effect.fnUntraced(function* (socket: string) {
  const protocol = RpcClient.layerProtocolSocket({ retryTransientErrors: false }).pipe(
    Layer.provide([NodeSocket.layerNet({ path: socket }), RpcSerialization.layerNdjson]),
  )
  const context = yield* Effect.mapError(Layer.build(protocol), lost)
  const client = yield* Effect.provideContext(RpcClient.make(ControlRpcs, { disableTracing: true }), context)
  const timed = <A, E extends { readonly _tag: string }>(call: Effect.Effect<A, E>): Effect.Effect<A, AgentError> =>
    call.pipe(
      Effect.timeout(ANSWER_MS),
      Effect.mapError((error) => (error instanceof AgentError ? error : lost())),
    )
  return {
    status: timed(client.Status()),
    setPrices: (change: Parameters<typeof client.SetPrices>[0]) => timed(client.SetPrices(change)),
    askMarket: (question: Parameters<typeof client.AskMarket>[0]) => timed(client.AskMarket(question)),
    drain: (limitMs: number) => timed(client.Drain({ limitMs })),
  }
})

/**
 * Like {@link connect}, of the agent that runs with a home. Fails with `NotRunning` where none does.
 *
 * @category constructors
 * @since 0.1.0
 */
export const require = Effect.fnUntraced(function* (home: string) {
  const socket = yield* find(home)
  return Option.isSome(socket) ? yield* connect(socket.value) : yield* notRunning(home)
})
