/** A gateway that has nothing but workers that pull, on a real port. */
import { NodeHttpServer } from "@effect/platform-node"
import { Context, Effect, Exit, Layer, Logger, Scope } from "effect"
import { HttpRouter } from "effect/http"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { Instance } from "@guildhall/core"
import * as Transport from "@guildhall/protocol/ProviderTransport"
import { Devices } from "@guildhall/registry"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import * as PullRoutes from "../src/http/PullRoutes.ts"
import * as PullJobs from "../src/PullJobs.ts"
import * as PullTransport from "../src/transports/Pull.ts"
import * as TestLane from "./TestLane.ts"

export interface Market {
  readonly url: string
  readonly jobs: PullJobs.PullJobs["Service"]
  readonly transport: Transport.ProviderTransport["Service"]
  readonly devices: Devices.Devices["Service"]
  /** A device with an instance that is listed. */
  readonly join: () => Promise<{ readonly device: SampleDevice.SampleDevice; readonly instance: Instance.Instance }>
  readonly close: () => Promise<void>
}

export const start = async (options: PullJobs.Options = {}): Promise<Market> => {
  const server = createServer()
  const scope = await Effect.runPromise(Scope.make())
  const layer = HttpRouter.serve(PullRoutes.layer, { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provideMerge(
      NodeHttpServer.layer(() => server, { port: 0, host: "127.0.0.1", gracefulShutdownTimeout: "10 millis" }),
    ),
    Layer.provideMerge(PullTransport.layer),
    Layer.provideMerge(PullJobs.layer(options)),
    Layer.provideMerge(Devices.layerMemory({ allowPrivate: true })),
    Layer.provideMerge(Logger.layer([])),
    Layer.orDie,
  )
  const context = await Effect.runPromise(Layer.buildWithScope(layer, scope))
  const devices = Context.get(context, Devices.Devices)
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    jobs: Context.get(context, PullJobs.PullJobs),
    transport: Context.get(context, Transport.ProviderTransport),
    devices,
    join: async () => {
      const device = SampleDevice.make(TestLane.PROVIDER)
      const { instance } = await Effect.runPromise(devices.register(device.registration({ reach: { _tag: "Pull" } })))
      return { device, instance }
    },
    close: async () => {
      server.closeAllConnections()
      await Effect.runPromise(Scope.close(scope, Exit.void))
    },
  }
}
