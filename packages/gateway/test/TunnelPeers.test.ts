/** Three gateways over one real PostgreSQL: agents hold tunnels to two of them, and are asked by all three. */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeWS from "@effect/platform-node/NodeWS"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Logger, Scope } from "effect"
import { createServer } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { type Instance, KeyRing } from "@guildhall/core"
import { Journal } from "@guildhall/journal"
import { ProviderTransport } from "@guildhall/protocol/ProviderTransport"
import { Devices, DevicesSql, TunnelHoldersSql } from "@guildhall/registry"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import { Router } from "@guildhall/routing"
import { leastLoaded } from "@guildhall/routing/policies/LeastLoaded"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import * as TunnelPeerServer from "../src/http/TunnelPeerServer.ts"
import * as TunnelServer from "../src/http/TunnelServer.ts"
import * as PeerProof from "../src/internal/PeerProof.ts"
import * as TunnelTransport from "../src/transports/Tunnel.ts"
import * as TunnelPeers from "../src/TunnelPeers.ts"
import * as Tunnels from "../src/Tunnels.ts"
import * as TunnelAgent from "./TunnelAgent.ts"
import * as Waiting from "./Waiting.ts"

const LIFE_MS = 1_500

let shared: Context.Context<Layer.Success<typeof TestDatabase.layer> | KeyRing.KeyRing>
const scopes: Array<Scope.Closeable> = []

const build = async <A, E>(layer: Layer.Layer<A, E>) => {
  const scope = await Effect.runPromise(Scope.make())
  scopes.push(scope)
  const context = await Effect.runPromise(
    Layer.buildWithScope(layer.pipe(Layer.provideMerge(Logger.layer([])), Layer.orDie), scope),
  )
  return { context, close: () => Effect.runPromise(Scope.close(scope, Exit.void)) }
}

beforeAll(async () => {
  const ring = KeyRing.layerMemory.pipe(Layer.provide(NodeCrypto.layer))
  shared = (await build(Layer.merge(TestDatabase.layer, ring))).context
}, 60_000)
afterAll(async () => {
  for (const scope of scopes.splice(0).reverse()) await Effect.runPromise(Scope.close(scope, Exit.void))
}, 60_000)

const startGateway = async (name: string, ring = Layer.empty as Layer.Layer<never>) => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const layer = Layer.mergeAll(TunnelServer.layer(server), TunnelPeerServer.layer(server), TunnelTransport.layer).pipe(
    Layer.provideMerge(TunnelPeers.layer({ name, peerUrl: url, publicUrl: `${url}/public` })),
    Layer.provideMerge(
      Layer.mergeAll(
        Tunnels.layer({ resumeMs: 500 }),
        TunnelHoldersSql.layer({ lifeMs: LIFE_MS }),
        DevicesSql.layer({ allowPrivate: true }),
        Router.layer({ replica: name, policy: leastLoaded }).pipe(Layer.provide(Journal.layerMemory)),
      ),
    ),
    Layer.provideMerge(Layer.merge(Layer.succeedContext(shared), ring)),
  )
  const { close, context } = await build(layer)
  const sockets = new Set<Socket>()
  server.on("connection", (socket) => sockets.add(socket.once("close", () => sockets.delete(socket))))
  const devices = Context.get(context, Devices.Devices)
  const router = Context.get(context, Router.Router)
  const peers = Context.get(context, TunnelPeers.TunnelPeers)
  return {
    name,
    url,
    transport: Context.get(context, ProviderTransport),
    tunnels: Context.get(context, Tunnels.Tunnels),
    peers,
    devices,
    follow: async () => {
      const { events } = await Effect.runPromise(devices.changes(0))
      for (const event of events) router.apply(event)
    },
    knows: (instance: Instance.Instance) => peers.find(instance.deviceId) !== undefined,
    /** As if its process had died: nothing is said to anybody. */
    kill: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await close()
    },
  }
}

type Gateway = Awaited<ReturnType<typeof startGateway>>

const ask = (gateway: Gateway, instance: Instance.Instance, body: string) =>
  new Promise<string>((resolve) => {
    let text = ""
    gateway.transport.dispatch(
      {
        instance,
        method: "POST",
        path: "/v1/chat/completions",
        headers: {},
        body: Buffer.from(body),
        connectMs: 1_000,
        headersMs: 3_000,
      },
      {
        onStart: () => undefined,
        onData: (chunk) => ((text += Buffer.from(chunk).toString()), true),
        onEnd: () => resolve(text),
        onError: ({ reason, detail }) => resolve(`${reason}: ${detail}`),
      },
    )
  })

const echo: TunnelAgent.Script = (exchange) => {
  assert.isUndefined(exchange.headers[PeerProof.DEVICE_HEADER])
  exchange.start(200, { "content-type": "text/plain" })
  exchange.data(exchange.body)
  exchange.end()
}

describe("three gateways", () => {
  it("ask each other's agents under load, and go on when one of them is killed", async () => {
    const gateways = await Promise.all(["a", "b", "c"].map((name) => startGateway(`gateway-${name}`)))
    const [a, b, c] = gateways
    if (a === undefined || b === undefined || c === undefined) return assert.fail("there are three")
    const agents: Array<{ readonly instance: Instance.Instance; readonly homes: ReadonlyArray<Gateway> }> = []
    // Each holds tunnels to two of the three.
    for (const homes of [
      [a, b],
      [b, c],
      [c, a],
      [a, b],
    ]) {
      const device = SampleDevice.make()
      const { instance } = await Effect.runPromise(
        a.devices.register(device.registration({ reach: { _tag: "Tunnel" } })),
      )
      for (const gateway of gateways) await gateway.follow()
      for (const { url } of homes) await TunnelAgent.open({ url, device, script: echo })
      agents.push({ instance, homes })
    }
    const isHeld = (gateway: Gateway, { homes, instance }: (typeof agents)[number]) =>
      homes.includes(gateway) || gateway.knows(instance)
    await Waiting.until("all to know whose tunnels are where", () =>
      gateways.every((gateway) => agents.every((agent) => isHeld(gateway, agent))),
    )
    assert.deepStrictEqual(c.peers.publicUrls().toSorted(), gateways.map(({ url }) => `${url}/public`).toSorted())

    /** Every gateway asks every agent, several at a time; long bodies and answers pass the hop's windows. */
    const load = async (asking: ReadonlyArray<Gateway>) => {
      const bodies = Array.from({ length: 12 }, (_, at) => `${at} `.repeat(at % 4 === 0 ? 100_000 : 10))
      const wrong: Array<string> = []
      await Promise.all(
        asking.flatMap((gateway) =>
          agents.flatMap(({ instance }) =>
            bodies.map(async (body) => {
              const answer = await ask(gateway, instance, body)
              if (answer !== body) wrong.push(`${gateway.name}: ${answer.slice(0, 100)}`)
            }),
          ),
        ),
      )
      return wrong
    }
    assert.deepStrictEqual(await load(gateways), [])

    // One dies under load. What it had under way may break; what is asked of the others is answered, or told to be broken off.
    const during = load([a, c])
    await b.kill()
    const broken = await during
    for (const line of broken) assert.match(line, /: (?:ClosedEarly|Unreachable|ConnectTimeout): /)
    await Waiting.until(
      "it to be forgotten",
      () => a.peers.publicUrls().length === 2 && c.peers.publicUrls().length === 2,
    )
    await Waiting.until("all agents to be reached without it", () =>
      [a, c].every((gateway) =>
        agents.every((agent) => isHeld(gateway, { ...agent, homes: agent.homes.filter((home) => home !== b) })),
      ),
    )
    assert.deepStrictEqual(await load([a, c]), [])
    await a.kill()
    await c.kill()
  }, 60_000)

  it("pass nothing on to one that has other keys, and let no stranger ask", async () => {
    const keys = KeyRing.layerMemory.pipe(Layer.provide(NodeCrypto.layer))
    const ours = await startGateway("gateway-ours")
    const stranger = await startGateway("gateway-stranger", Layer.orDie(keys) as Layer.Layer<never>)
    const device = SampleDevice.make()
    const { instance } = await Effect.runPromise(
      ours.devices.register(device.registration({ reach: { _tag: "Tunnel" } })),
    )
    await stranger.follow()
    await TunnelAgent.open({ url: stranger.url, device, script: echo })
    await Waiting.until("the table to tell of it", () => ours.peers.publicUrls().length >= 2)
    assert.match(await ask(ours, instance, "secret"), /^Unreachable: /)
    assert.isFalse(ours.knows(instance))
    const socket = new NodeWS.WebSocket(`${ours.url.replace("http", "ws")}${PeerProof.PATH}`)
    const status = await new Promise((resolve) => {
      socket.on("unexpected-response", (_, response) => resolve(response.statusCode))
      socket.on("error", () => undefined)
      socket.on("open", () => resolve("it was let in"))
    })
    assert.strictEqual(status, 401)
    await ours.kill()
    await stranger.kill()
  }, 60_000)
})
