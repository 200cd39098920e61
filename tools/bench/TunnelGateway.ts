/**
 * A gateway with nothing but its transports: what it is asked it passes on to a provider, by a tunnel where the header
 * `x-way` says so, else to the endpoint whose origin is given, and the answer's bytes go on as they arrive.
 *
 * `node --expose-gc tools/bench/TunnelGateway.ts <origin>`, as a child process that sends its port. `POST /join` takes the
 * public keys of devices, a line each; `POST /memory` answers how many bytes it holds after a collection.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { DevicePublicKey } from "@guildhall/core/Device"
import type { Instance } from "@guildhall/core/Instance"
import * as LaneServer from "@guildhall/gateway/http/LaneServer"
import * as TunnelServer from "@guildhall/gateway/http/TunnelServer"
import * as ByReach from "@guildhall/gateway/transports/ByReach"
import * as TunnelTransport from "@guildhall/gateway/transports/Tunnel"
import * as Undici from "@guildhall/gateway/transports/Undici"
import * as Tunnels from "@guildhall/gateway/Tunnels"
import * as Journal from "@guildhall/journal/Journal"
import { ProviderTransport } from "@guildhall/protocol/ProviderTransport"
import * as Devices from "@guildhall/registry/Devices"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import { leastLoaded } from "@guildhall/routing/policies/LeastLoaded"
import * as Router from "@guildhall/routing/Router"

const bodyOf = (request: IncomingMessage): Promise<Buffer> =>
  new Promise((resolve) => {
    const parts: Array<Buffer> = []
    request.on("data", (part: Buffer) => parts.push(part))
    request.on("end", () => resolve(Buffer.concat(parts)))
  })

const relay = (
  transport: ProviderTransport["Service"],
  instance: Instance,
  body: Buffer,
  response: ServerResponse,
): void => {
  const headers = { "content-type": "application/json", "guildhall-ticket": "t".repeat(700) }
  const dispatch = transport.dispatch(
    { instance, method: "POST", path: "/v1/chat/completions", headers, body, connectMs: 10_000, headersMs: 30_000 },
    {
      onStart: (status, { "content-type": type = "" }) => response.writeHead(status, { "content-type": type }),
      onData: (chunk) => response.write(chunk),
      onEnd: () => response.end(),
      onError: () => response.destroy(),
    },
  )
  response.on("drain", () => dispatch.resume())
  response.on("close", () => response.writableFinished || dispatch.cancel("The client went away."))
}

const heldBytes = (): number => {
  globalThis.gc?.()
  const { external, heapUsed } = process.memoryUsage()
  return heapUsed + external
}

if (import.meta.main) {
  const origin = process.argv[2] ?? ""
  const server = createServer(LaneServer.serverOptions)
  const router = Router.layer({ replica: "bench", policy: leastLoaded }).pipe(Layer.provide(Journal.layerMemory))
  const layer = Layer.merge(
    TunnelServer.layer(server, { strangersMax: 100_000 }),
    ByReach.layer([Undici.layerWith({ connectionsPerOrigin: 8_192 }), TunnelTransport.layer]),
  ).pipe(
    Layer.provideMerge(Tunnels.layer()),
    Layer.provideMerge(Layer.merge(Devices.layerMemory({ allowPrivate: true }), router)),
    Layer.orDie,
  )
  const scope = await Effect.runPromise(Scope.make())
  const context = await Effect.runPromise(Layer.buildWithScope(layer, scope))
  const transport = Context.get(context, ProviderTransport)
  const devices = Context.get(context, Devices.Devices)
  const routed = Context.get(context, Router.Router)
  const sample = SampleDevice.make()
  const reached: Array<Instance> = []
  const register = (values: Parameters<typeof sample.registration>[0]) =>
    Effect.runPromise(devices.register(sample.registration(values)))
  const { instance: called } = await register({ reach: { _tag: "Endpoint", url: origin } })
  let next = 0

  const join = async (keys: ReadonlyArray<string>): Promise<void> => {
    for (const key of keys) {
      const { instance } = await register({
        memberId: SampleDevice.member(),
        publicKey: DevicePublicKey.make(key),
        reach: { _tag: "Tunnel" },
      })
      reached.push(instance)
    }
    const { events } = await Effect.runPromise(devices.changes(0))
    for (const event of events) routed.apply(event)
  }
  server.on("request", (request, response) => {
    void bodyOf(request).then(async (body) => {
      if (request.url === "/join") {
        await join(body.toString().split("\n"))
        return response.end()
      }
      if (request.url === "/memory") return response.end(String(heldBytes()))
      next += 1
      const instance = request.headers["x-way"] === "tunnel" ? reached[next % reached.length] : called
      return relay(transport, instance ?? called, body, response)
    })
  })
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    if (typeof address === "object" && address !== null) process.send?.(address.port)
  })
  process.on("disconnect", () => process.exit(0))
}
