/**
 * How the gateways of a market know each other's tunnels: by the addresses that are set, or, where several processes share a
 * port, by one of its own that each listens on beside it.
 */
import { randomUUID } from "node:crypto"
import { createServer, type Server } from "node:http"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as SqlClient from "effect/sql/SqlClient"
import type { KeyRing } from "@guildhall/core/KeyRing"
import * as TunnelPeerServer from "@guildhall/gateway/http/TunnelPeerServer"
import * as TunnelPeers from "@guildhall/gateway/TunnelPeers"
import type { Tunnels } from "@guildhall/gateway/Tunnels"
import type { RegistryError } from "@guildhall/registry/RegistryError"
import * as TunnelHoldersSql from "@guildhall/registry/TunnelHoldersSql"
import type { Settings } from "./AppConfig.ts"

/** Only the processes of this machine reach it; who asks still shows that it has the market's keys. */
const listen: Effect.Effect<{ readonly server: Server; readonly url: string }, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const server = createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => (server.closeAllConnections(), server.close())),
  ),
  (server) => {
    const address = server.address()
    return { server, url: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}` }
  },
)

/**
 * What the transports and the heartbeat's answers are given; nothing where there is one gateway in one process. Its output is
 * asked for as an option, and so stands in no type.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  settings: Pick<Settings, "peerUrl" | "tunnelUrl">,
  worker: number | undefined,
  nodeServer: Server,
): Effect.fn.Return<Layer.Layer<never, RegistryError, Tunnels | KeyRing | SqlClient.SqlClient>, never, Scope.Scope> {
  const beside = worker === undefined ? undefined : yield* listen
  const peerUrl = beside?.url ?? settings.peerUrl
  if (peerUrl === undefined && settings.tunnelUrl === undefined) return Layer.empty
  const name = `gateway-${randomUUID()}`
  const peers = TunnelPeers.layer({ name, peerUrl, publicUrl: settings.tunnelUrl }).pipe(
    Layer.provide(TunnelHoldersSql.layer()),
  )
  return peerUrl === undefined
    ? peers
    : TunnelPeerServer.layer(beside?.server ?? nodeServer).pipe(Layer.provideMerge(peers))
})
