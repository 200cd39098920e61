/** Two gateways of one market: a worker asks one of them, and serves buyers of both. */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { NodeHttpServer } from "@effect/platform-node"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Logger, Scope } from "effect"
import { HttpRouter } from "effect/http"
import { createServer } from "node:http"
import { type Instance, KeyRing } from "@guildhall/core"
import { ProviderTransport } from "@guildhall/protocol/ProviderTransport"
import { Devices, TunnelHolders } from "@guildhall/registry"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import * as PullRoutes from "../src/http/PullRoutes.ts"
import * as TunnelPeerServer from "../src/http/TunnelPeerServer.ts"
import * as PeerProof from "../src/internal/PeerProof.ts"
import * as PullHop from "../src/internal/PullHop.ts"
import * as PullJobs from "../src/PullJobs.ts"
import * as PullTransport from "../src/transports/Pull.ts"
import * as TunnelPeers from "../src/TunnelPeers.ts"
import * as Tunnels from "../src/Tunnels.ts"
import * as PullWorker from "./PullWorker.ts"
import * as Waiting from "./Waiting.ts"

const scopes: Array<Scope.Closeable> = []
const build = async <A, E>(layer: Layer.Layer<A, E>) => {
  const scope = await Effect.runPromise(Scope.make())
  scopes.push(scope)
  return Effect.runPromise(Layer.buildWithScope(layer.pipe(Layer.provideMerge(Logger.layer([])), Layer.orDie), scope))
}

const shared = Layer.mergeAll(
  KeyRing.layerMemory.pipe(Layer.provide(NodeCrypto.layer)),
  TunnelHolders.layerMemory(),
  Devices.layerMemory({ allowPrivate: true }),
)
let market: Context.Context<Layer.Success<typeof shared>>
beforeAll(async () => {
  market = await build(shared)
})
afterAll(async () => {
  for (const scope of scopes.splice(0).reverse()) await Effect.runPromise(Scope.close(scope, Exit.void))
})

const startGateway = async (name: string) => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`
  const front = createServer()
  const layer = Layer.mergeAll(
    HttpRouter.serve(PullRoutes.layer, { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provide(
        NodeHttpServer.layer(() => front, { port: 0, host: "127.0.0.1", gracefulShutdownTimeout: "10 millis" }),
      ),
    ),
    TunnelPeerServer.layer(server),
    PullTransport.layer,
  ).pipe(
    Layer.provideMerge(TunnelPeers.layer({ name, peerUrl: url })),
    Layer.provideMerge(Layer.merge(Tunnels.layer(), PullJobs.layer({ idleMs: 1_000 }))),
    Layer.provideMerge(Layer.succeedContext(market)),
  )
  const context = await build(layer)
  const at = front.address()
  return {
    url: `http://127.0.0.1:${typeof at === "object" ? at?.port : 0}`,
    jobs: Context.get(context, PullJobs.PullJobs),
    peers: Context.get(context, TunnelPeers.TunnelPeers),
    transport: Context.get(context, ProviderTransport),
  }
}

type Gateway = Awaited<ReturnType<typeof startGateway>>

const ask = (gateway: Gateway, instance: Instance.Instance, { body = "", method = "POST" as "GET" | "POST" }) => {
  let text = ""
  let status = 0
  let end: string | undefined
  const dispatch = gateway.transport.dispatch(
    {
      instance,
      method,
      path: method === "GET" ? "/healthz" : "/v1/chat/completions",
      headers: { "x-mine": "yes" },
      body: Buffer.from(body),
      connectMs: 1_000,
      headersMs: 3_000,
    },
    {
      onStart: (code) => (status = code),
      onData: (chunk) => ((text += Buffer.from(chunk).toString()), true),
      onEnd: () => (end = "end"),
      onError: ({ reason }) => (end = reason),
    },
  )
  const ended = Waiting.until("the end", () => end !== undefined).then(() => ({ text, status, end }))
  return { dispatch, ended, text: () => text }
}

describe("two gateways", () => {
  it("serve their buyers by a worker that asks one of them, and tell it of those who leave", async () => {
    const [near, far] = await Promise.all([startGateway("near"), startGateway("far")])
    const device = SampleDevice.make()
    const devices = Context.get(market, Devices.Devices)
    const { instance } = await Effect.runPromise(devices.register(device.registration({ reach: { _tag: "Pull" } })))
    assert.strictEqual((await ask(far, instance, { body: "nobody" }).ended).end, "Unreachable")

    let closed = 0
    const worker = PullWorker.run({ url: near.url, device, instance }, (exchange) => {
      assert.isUndefined(exchange.headers[PeerProof.DEVICE_HEADER])
      assert.isUndefined(exchange.headers[PullHop.HEADER])
      assert.strictEqual(exchange.headers["x-mine"], "yes")
      exchange.onClosed(() => (closed += 1))
      exchange.start(200, {})
      exchange.data(exchange.body)
      if (String(exchange.body) !== "wait") exchange.end()
    })
    await worker.ready
    await Waiting.until("the other to hear of it", () => far.peers.find(instance.deviceId) !== undefined)
    for (const gateway of [near, far]) {
      const answer = await ask(gateway, instance, { body: "hello" }).ended
      assert.deepStrictEqual(answer, { text: "hello", status: 200, end: "end" })
      assert.strictEqual((await ask(gateway, instance, { method: "GET" }).ended).status, 200)
    }
    const many = await Promise.all(
      Array.from({ length: 20 }, (_, index) => ask(far, instance, { body: `job ${index}` }).ended),
    )
    assert.deepStrictEqual(
      many.map(({ text }) => text),
      Array.from({ length: 20 }, (_, index) => `job ${index}`),
    )

    const left = ask(far, instance, { body: "wait" })
    await Waiting.until("the first bytes", () => left.text() === "wait")
    left.dispatch.cancel("the buyer left")
    await Waiting.until("the worker to hear of it", () => closed === 1)
    assert.strictEqual((await left.ended).end, "Cancelled")

    worker.vanish()
    await Waiting.until("the other to forget it", () => far.peers.find(instance.deviceId) === undefined)
    assert.strictEqual((await ask(far, instance, { body: "late" }).ended).end, "Unreachable")
  }, 30_000)
})
