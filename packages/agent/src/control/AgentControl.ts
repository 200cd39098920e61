/**
 * The running agent's side of its control socket: only who may read its home can reach it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import * as Ref from "effect/Ref"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import { AgentError } from "../AgentError.ts"
import { AgentHome } from "../AgentHome.ts"
import { MarketClient } from "../MarketClient.ts"
import type { AgentStatus } from "./AgentStatus.ts"
import * as ControlPlace from "./ControlPlace.ts"
import { ControlRpcs, type PriceChange, type PricesSet } from "./ControlRpcs.ts"

/**
 * What an agent can do once it is on the market.
 *
 * @category models
 * @since 0.1.0
 */
export interface Abilities {
  readonly setPrices: (change: PriceChange) => Effect.Effect<PricesSet, AgentError>
}

/**
 * The control. `show` changes what `status` tells, which `look` completes at the moment somebody asks; `able` says what the agent can
 * do from now on; `drained` waits until somebody asks it to stop, and answers how long what is under way may take.
 *
 * @category services
 * @since 0.1.0
 */
export class AgentControl extends Context.Service<
  AgentControl,
  {
    readonly show: (change: (status: AgentStatus) => AgentStatus) => Effect.Effect<void>
    readonly completeWith: (look: (status: AgentStatus) => Effect.Effect<AgentStatus>) => Effect.Effect<void>
    readonly able: (abilities: Abilities) => Effect.Effect<void>
    readonly drained: Effect.Effect<number>
  }
>()("@guildhall/agent/AgentControl") {}

const notYet = (phase: AgentStatus["phase"]) =>
  new AgentError({
    reason: "NotReady",
    detail: `The agent ${phase === "drains" ? "is stopping" : "is not on the market yet"}. Look at \`guildhall-agent status\`, and try again in a moment.`,
  })

const cannotListen = (path: string) => (error: { readonly message: string }) =>
  new AgentError({
    reason: "HomeUnusable",
    detail: `The agent cannot open its control socket ${path}: ${error.message}. Choose another folder with --home.`,
  })

/**
 * Opens the socket. `first` is what `status` tells until more is known.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (first: AgentStatus) {
  const { directory } = yield* AgentHome
  const market = yield* MarketClient
  const fs = yield* FileSystem.FileSystem
  const status = yield* Ref.make(first)
  const look = yield* Ref.make<(status: AgentStatus) => Effect.Effect<AgentStatus>>(Effect.succeed)
  const abilities = yield* Ref.make<Abilities | undefined>(undefined)
  const drain = yield* Deferred.make<number>()
  const socket = yield* ControlPlace.make(directory)

  const handlers = ControlRpcs.toLayer({
    Status: () => Effect.flatMap(Effect.all([Ref.get(status), Ref.get(look)]), ([now, complete]) => complete(now)),
    SetPrices: (change) =>
      Effect.gen(function* () {
        const can = yield* Ref.get(abilities)
        if (can === undefined) return yield* notYet((yield* Ref.get(status)).phase)
        return yield* can.setPrices(change)
      }),
    AskMarket: (question) => market.ask(question),
    Drain: ({ limitMs }) => Effect.asVoid(Deferred.succeed(drain, limitMs)),
  })
  yield* Layer.build(
    RpcServer.layer(ControlRpcs, { disableTracing: true }).pipe(
      Layer.provide([handlers, RpcServer.layerProtocolSocketServer]),
      Layer.provide([NodeSocketServer.layer({ path: socket }), RpcSerialization.layerNdjson]),
    ),
  ).pipe(Effect.mapError(cannotListen(socket)))
  // The home is closed to others already; the socket is as well, wherever it lies.
  yield* Effect.ignore(fs.chmod(socket, 0o600))

  return AgentControl.of({
    show: (change) => Ref.update(status, change),
    completeWith: (next) => Ref.set(look, next),
    able: (next) => Ref.set(abilities, next),
    drained: Deferred.await(drain),
  })
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  first: AgentStatus,
): Layer.Layer<AgentControl, AgentError, AgentHome | MarketClient | FileSystem.FileSystem | Path.Path> =>
  Layer.effect(AgentControl, make(first))
