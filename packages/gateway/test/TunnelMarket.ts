/** A gateway that has nothing but tunnels, on a real port. */
import { Context, Effect, Exit, Layer, Logger, Scope } from "effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { Device, Instance } from "@guildhall/core"
import type { ProviderTransport } from "@guildhall/protocol/ProviderTransport"
import * as Transport from "@guildhall/protocol/ProviderTransport"
import { Journal } from "@guildhall/journal"
import { Devices } from "@guildhall/registry"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import { Router } from "@guildhall/routing"
import { leastLoaded } from "@guildhall/routing/policies/LeastLoaded"
import * as TunnelServer from "../src/http/TunnelServer.ts"
import * as TunnelTransport from "../src/transports/Tunnel.ts"
import * as Tunnels from "../src/Tunnels.ts"
import * as TestLane from "./TestLane.ts"

export interface Market {
  readonly url: string
  readonly port: number
  readonly tunnels: Tunnels.Tunnels["Service"]
  readonly transport: ProviderTransport["Service"]
  readonly devices: Devices.Devices["Service"]
  /** A device with an instance that is listed. */
  readonly join: () => Promise<{ readonly device: SampleDevice.SampleDevice; readonly instance: Instance.Instance }>
  readonly revoke: (device: Device.DeviceId) => Promise<void>
  readonly close: () => Promise<void>
}

export const start = async (options: TunnelServer.Options & Tunnels.Options = {}): Promise<Market> => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const scope = await Effect.runPromise(Scope.make())
  const layer = Layer.merge(TunnelServer.layer(server, options), TunnelTransport.layer).pipe(
    Layer.provideMerge(Tunnels.layer(options)),
    Layer.provideMerge(
      Layer.merge(
        Devices.layerMemory({ allowPrivate: true }),
        Router.layer({ replica: "test", policy: leastLoaded }).pipe(Layer.provide(Journal.layerMemory)),
      ),
    ),
    Layer.provideMerge(Logger.layer([])),
    Layer.orDie,
  )
  const context = await Effect.runPromise(Layer.buildWithScope(layer, scope))
  const devices = Context.get(context, Devices.Devices)
  const router = Context.get(context, Router.Router)
  let seen = 0
  /** What the steward does in a market: the router hears of the registry's changes. */
  const follow = async () => {
    const { events, version } = await Effect.runPromise(devices.changes(seen))
    for (const event of events) router.apply(event)
    seen = version
  }
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    tunnels: Context.get(context, Tunnels.Tunnels),
    transport: Context.get(context, Transport.ProviderTransport),
    devices,
    join: async () => {
      const device = SampleDevice.make(TestLane.PROVIDER)
      const registration = device.registration({ reach: { _tag: "Tunnel" } })
      const { instance } = await Effect.runPromise(devices.register(registration))
      await follow()
      return { device, instance }
    },
    revoke: async (device) => {
      await Effect.runPromise(devices.revoke(device))
      await follow()
    },
    close: async () => {
      await Effect.runPromise(Scope.close(scope, Exit.void))
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
