/**
 * How the gateway reaches an instance: one layer for each way in, and the one that chooses among them.
 */
import type { Server } from "node:http"
import * as Layer from "effect/Layer"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import * as PullJobs from "@guildhall/gateway/PullJobs"
import * as ByReach from "@guildhall/gateway/transports/ByReach"
import * as CloudTransport from "@guildhall/gateway/transports/Cloud"
import * as PullTransport from "@guildhall/gateway/transports/Pull"
import * as TunnelTransport from "@guildhall/gateway/transports/Tunnel"
import * as Undici from "@guildhall/gateway/transports/Undici"
import * as Tunnels from "@guildhall/gateway/Tunnels"
import type { CloudAccounts } from "@guildhall/registry/CloudAccounts"
import type { Settings } from "./AppConfig.ts"
import * as Replicas from "./Replicas.ts"

/**
 * The transports, with the tunnels and jobs that this process holds. The gateways of a market find each other's tunnels.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  settings: Settings,
  { endpoints: { allowPrivate } }: MarketDefinition,
  worker: number | undefined,
  nodeServer: Server,
) =>
  ByReach.layer<never, CloudAccounts | PullJobs.PullJobs | Tunnels.Tunnels>([
    Undici.layerWith({ allowPrivate }),
    TunnelTransport.layer,
    PullTransport.layer,
    CloudTransport.layerWith({ allowPrivate }),
  ]).pipe(
    Layer.provideMerge(Layer.unwrap(Replicas.make(settings, worker, nodeServer))),
    Layer.provideMerge(Layer.merge(Tunnels.layer(), PullJobs.layer())),
  )
