/**
 * The lane on a real port, with everything behind it in memory but the providers.
 */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Context, Effect, Layer, ManagedRuntime, Metric, Redacted } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { createServer, type IncomingHttpHeaders, request as httpRequest } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import {
  Asset,
  Device,
  Instance,
  KeyRing,
  type KeyTerms,
  type MarketDefinition,
  Member,
  Model,
  PriceSheet,
} from "@guildhall/core"
import { AnswerStore, Journal } from "@guildhall/journal"
import { Account, Ledger, PaymentScheme } from "@guildhall/ledger"
import * as LedgerStoreMemory from "@guildhall/ledger/LedgerStoreMemory"
import type { ProviderTransport } from "@guildhall/protocol"
import { Router, type RoutingPolicy } from "@guildhall/routing"
import { leastLoaded } from "@guildhall/routing/policies/LeastLoaded"
import * as AnswerSeal from "../src/AnswerSeal.ts"
import * as HoldRenewal from "../src/HoldRenewal.ts"
import * as Idempotency from "../src/Idempotency.ts"
import * as InferenceRoutes from "../src/http/InferenceRoutes.ts"
import * as LaneServer from "../src/http/LaneServer.ts"
import * as InferenceLane from "../src/InferenceLane.ts"
import * as Limits from "../src/Limits.ts"
import * as LimitStore from "../src/LimitStore.ts"
import { Market } from "../src/Market.ts"
import * as Recount from "../src/Recount.ts"
import * as UndiciTransport from "../src/transports/Undici.ts"
import * as Upstream from "./ScriptedUpstream.ts"
import * as Waiting from "./Waiting.ts"

export const MODEL = Model.ModelId.make("test/model")
export const KEY = "gh-test"
/** A key of the same buyer, whose data may be kept. */
export const OPEN_KEY = "gh-open"
export const BUYER = Member.MemberId.make("mem_buyer")
export const PROVIDER = Member.MemberId.make("mem_provider")
export const BUYER_ACCOUNT = Account.ids.buyer(BUYER)

export const definition: MarketDefinition.MarketDefinition = {
  name: "test",
  assets: [Asset.USD],
  priceAsset: Asset.USD.code,
  chargeAsset: Asset.USD.code,
  payoutAssets: [Asset.USD.code],
  split: {
    shares: [
      { party: "provider", bps: 9_000 },
      { party: "platform", bps: 1_000 },
    ],
    remainderTo: "platform",
  },
  routing: { use: "LeastLoaded" },
  payments: [{ use: "ApiKey" }],
  topUps: [],
  payouts: [],
  aliases: { small: MODEL },
  prices: { inputCentsPerMillion: 100, outputCentsPerMillion: 200, maxCentsPerMillion: 100_000 },
  limits: {
    requestBytes: 100_000,
    requestBodyMs: 300,
    outputTokens: 1_000,
    key: { requestsPerMinute: 10_000, concurrentRequests: 1_000 },
    member: {},
    market: {},
  },
  timeouts: { connectMs: 300, headersMs: 400, firstTokenMs: 500, betweenTokensMs: 300, totalMs: 3_000 },
  queue: { waitMs: 0, requestsMax: 100, memberPercent: 50 },
  relay: {
    pingMs: 10_000,
    tokensPerSecondMin: 0,
    retries: { percent: 20, perSecond: 10 },
    hedgePercent: 0,
    cost: "asked",
  },
  reservation: { comfort: 10, outputTokensMin: 16, outputTokensStep: 512 },
  recount: { percent: 0 },
  funding: ["card"],
  attempts: 3,
  heartbeat: { intervalMs: 60_000, missesMax: 2, checkMs: 60_000 },
  // Nobody is left alone after failures: most tests mean them.
  health: {},
  hold: { lifeMs: 2_000, renewMs: 200 },
  receipts: { batchMs: 100, batchSize: 512 },
  endpoints: { allowPrivate: true },
  deviceClasses: [{ name: "any", gpuMemoryGib: 0 }],
}

/** One cent for a thousand tokens in, two out: sums are easy to see. */
export const price = PriceSheet.perMillionCents({ input: 100n, output: 200n })
export const INPUT_UNIT = 1_000_000n
export const OUTPUT_UNIT = 2_000_000n

/** Whose limits apply to the test's key. */
export const holder = { keyId: Member.KeyId.make("key_1"), memberId: BUYER }

const scheme = (
  roles: Readonly<Record<string, Member.Role>>,
  terms: KeyTerms.KeyTerms | undefined,
  further: ReadonlyArray<PaymentScheme.Source> | undefined,
): PaymentScheme.PaymentScheme => ({
  name: "Test",
  capabilities: { settlesPerRequest: false },
  verify: (headers) => {
    const { authorization } = headers
    if (authorization === undefined) return Effect.succeed({ _tag: "NotMine" })
    const role = roles[authorization.replace(/^Bearer /, "")]
    if (role === undefined) {
      return Effect.fail(new PaymentScheme.PaymentError({ code: "invalid_api_key", detail: "The key is not known." }))
    }
    return Effect.succeed({
      _tag: "Payer",
      payer: {
        ...holder,
        terms,
        account: BUYER_ACCOUNT,
        fundingSource: "card",
        ...(further === undefined ? {} : { further }),
        role,
        dataCollection: authorization.endsWith(OPEN_KEY) ? "allow" : "deny",
      },
    })
  },
  challenge: () => Effect.succeed(['Bearer realm="test"']),
  settle: () => Effect.succeed({}),
})

export const instance = (name: string, url: string, changes: Partial<Instance.Instance> = {}): Instance.Instance => ({
  id: Instance.InstanceId.make(`ins_${name}`),
  deviceId: Device.DeviceId.make(`dev_${Buffer.from(name).toString("hex").padStart(32, "0")}`),
  devicePublicKey: Device.DevicePublicKey.make("A".repeat(43)),
  memberId: PROVIDER,
  model: MODEL,
  reach: { _tag: "Endpoint", url },
  price,
  contextLength: 100_000,
  concurrency: 100,
  state: "online",
  ...changes,
})

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly trailers: NodeJS.Dict<string>
  readonly text: string
  /** The connection broke before the answer was complete. */
  readonly broken: boolean
}

export interface Options {
  readonly definition?: Partial<MarketDefinition.MarketDefinition>
  readonly policy?: RoutingPolicy.RoutingPolicy
  readonly balance?: bigint
  /** Accounts that the buyer pays from after its first one. */
  readonly further?: ReadonlyArray<PaymentScheme.Source>
  /** What the test's keys may be used for. */
  readonly terms?: KeyTerms.KeyTerms
  readonly answers?: Layer.Layer<AnswerStore.AnswerStore>
  readonly transport?: Layer.Layer<ProviderTransport.ProviderTransport>
  /** Services that are in place before anything else is made, such as a tracer. */
  readonly around?: Layer.Layer<never>
  /** Exact counts; none where it is not given. */
  readonly recount?: Layer.Layer<Recount.Recount, never, Market | Ledger.Ledger>
  readonly wrapLedger?: (ledger: Ledger.Ledger["Service"]) => Ledger.Ledger["Service"]
}

const services = (options: Options) => {
  const market = Layer.succeed(Market, {
    definition: { ...definition, ...options.definition },
    digest: "d".repeat(64),
    owner: "test-owner",
    payments: [
      scheme(
        { [KEY]: "buyer", [OPEN_KEY]: "buyer", "gh-operator": "operator", "gh-provider": "provider" },
        options.terms,
        options.further,
      ),
    ],
  })
  const wrap = options.wrapLedger ?? ((ledger: Ledger.Ledger["Service"]) => ledger)
  const ledger = Layer.effect(
    Ledger.Ledger,
    Effect.map(Effect.service(Ledger.Ledger), (ledger) => Ledger.Ledger.of(wrap(ledger))),
  ).pipe(Layer.provide(Ledger.layer.pipe(Layer.provide(LedgerStoreMemory.layer))))
  const base = Layer.mergeAll(
    market,
    ledger,
    Journal.layerMemory,
    KeyRing.layerMemory.pipe(Layer.provide(NodeCrypto.layer)),
    options.transport ?? UndiciTransport.layer,
  )
  const { health } = { ...definition, ...options.definition }
  const router = Router.layer({ replica: "test", policy: options.policy ?? leastLoaded, health })
  const limits = Limits.layer.pipe(Layer.provide(LimitStore.layerMemory))
  const idempotency = Idempotency.layer({ waitMs: 500 }).pipe(
    Layer.provide([options.answers ?? AnswerStore.layerMemory, AnswerSeal.layer([Redacted.make("A".repeat(43))])]),
  )
  const lane = InferenceLane.layer.pipe(
    Layer.provide([HoldRenewal.layer, idempotency]),
    Layer.provideMerge(Layer.merge(limits, options.recount ?? Recount.layerNone)),
  )
  return lane.pipe(Layer.provideMerge(router), Layer.provideMerge(base), Layer.orDie)
}

/** Starts a lane. What a test wants to look at is on it. */
export const start = async (options: Options = {}) => {
  const server = createServer(LaneServer.serverOptions)
  const sockets = new Set<Socket>()
  server.on("connection", (socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
  })
  const http = HttpRouter.serve(InferenceRoutes.layer, { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provide(NodeHttpServer.layer(() => server, { port: 0, host: "127.0.0.1", gracefulShutdownTimeout: 100 })),
  )
  // Each lane counts for itself, or tests would count each other's requests.
  const metrics: Context.Service.Shape<typeof Metric.MetricRegistry> = new Map()
  const around = Layer.merge(Layer.succeed(Metric.MetricRegistry, metrics), options.around ?? Layer.empty)
  const runtime = ManagedRuntime.make(
    http.pipe(Layer.provideMerge(services(options)), Layer.provideMerge(around), Layer.orDie),
  )
  const context = await runtime.context()
  const ledger = Context.get(context, Ledger.Ledger)
  const router = Context.get(context, Router.Router)
  const journal = Context.get(context, Journal.Journal)
  const keyRing = Context.get(context, KeyRing.KeyRing)
  const lane = Context.get(context, InferenceLane.InferenceLane)
  const asset = Asset.USD
  await runtime.runPromise(
    Effect.gen(function* () {
      yield* ledger.open({ id: Account.ids.external("test"), kind: "external", asset, floor: null })
      yield* ledger.open({ id: BUYER_ACCOUNT, kind: "buyer", asset, floor: 0n })
      const balance = options.balance ?? 10n ** 13n
      if (balance === 0n) return
      yield* ledger.post({
        idempotencyKey: "topup",
        kind: "topUp",
        legs: [
          { account: Account.ids.external("test"), amount: -balance },
          { account: BUYER_ACCOUNT, amount: balance },
        ],
        attachments: [],
      })
    }),
  )
  const { port } = server.address() as AddressInfo

  const send = (
    body: string,
    headers: Readonly<Record<string, string>> = {},
    onAnswer?: (abort: () => void, text: string) => void,
    path = "/v1/chat/completions",
  ): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const request = httpRequest({
        port,
        host: "127.0.0.1",
        method: "POST",
        path,
        headers: {
          authorization: `Bearer ${KEY}`,
          "content-type": "application/json",
          "content-length": String(Buffer.byteLength(body)),
          ...headers,
        },
      })
      request.on("error", reject)
      request.on("response", (response) => {
        const chunks: Array<Buffer> = []
        const answer = (broken: boolean) =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            trailers: response.trailers,
            text: Buffer.concat(chunks).toString(),
            broken,
          })
        response.on("data", (chunk: Buffer) => {
          chunks.push(chunk)
          onAnswer?.(() => request.destroy(), Buffer.concat(chunks).toString())
        })
        response.on("end", () => answer(false))
        response.on("error", () => answer(true))
      })
      request.end(body)
    })

  const idle = () =>
    runtime.runPromise(
      Effect.callback<void>((resume) => {
        const look = () => (lane.inFlight() === 0 ? resume(Effect.void) : setTimeout(look, 5))
        look()
      }),
    )

  return {
    port,
    url: `http://127.0.0.1:${port}`,
    lane,
    /** How many connections of buyers there are. */
    connections: () => sockets.size,
    limits: Context.get(context, Limits.Limits),
    recount: Context.get(context, Recount.Recount),
    ledger,
    router,
    journal,
    keyRing,
    metrics,
    run: runtime.runPromise,
    list: (...instances: ReadonlyArray<Instance.Instance>) => {
      for (const instance of instances) router.apply({ _tag: "InstanceListed", instance })
    },
    chat: (body: object, headers?: Readonly<Record<string, string>>) =>
      send(JSON.stringify({ model: MODEL, messages: [{ role: "user", content: "hello" }], ...body }), headers),
    send,
    idle,
    /** Balances once all is settled, after checking that they sum to zero and that nothing is held any more. */
    books: async () => {
      await idle()
      let accounts = await runtime.runPromise(ledger.accounts())
      // The hold of a request that is over may have become durable only afterwards, and is given back then.
      const giveUpMs = performance.now() + 1_000
      while (accounts.some(({ held }) => held !== 0n) && performance.now() < giveUpMs) {
        await Waiting.pause(2)
        accounts = await runtime.runPromise(ledger.accounts())
      }
      const sum = accounts.reduce((total, account) => total + account.balance, 0n)
      const held = accounts.reduce((total, account) => total + account.held, 0n)
      if (sum !== 0n || held !== 0n) throw new Error(`The books are off: sum ${sum}, held ${held}`)
      const balance = (id: string) => accounts.find((account) => account.id === id)?.balance ?? 0n
      return {
        spent: (options.balance ?? 10n ** 13n) - balance(BUYER_ACCOUNT),
        earned: balance(`accrual:card:${PROVIDER}`),
        fees: balance("platform:fees"),
      }
    },
    /** The journal's entries that the ledger carries, oldest first. */
    entries: async () => {
      await idle()
      const attached = await runtime.runPromise(ledger.attachments(0n, 1000))
      return attached.map(({ attachment }) => attachment)
    },
    close: () => runtime.dispose(),
  }
}

export type TestLane = Awaited<ReturnType<typeof start>>

const closers: Array<() => Promise<void>> = []

/** Closes what {@link withUpstreams} started; call it after each test. */
export const closeAll = async (): Promise<void> => {
  for (const close of closers.splice(0).reverse()) await close()
}

/** A provider's server, closed with the lane. */
export const upstream = async (script: Upstream.Script): Promise<Upstream.ScriptedUpstream> => {
  const started = await Upstream.start(script)
  closers.push(started.close)
  return started
}

/** A lane with an instance for each script. */
export const withUpstreams = async (scripts: ReadonlyArray<Upstream.Script>, options: Options = {}) => {
  const lane = await start(options)
  closers.push(lane.close)
  const upstreams: Array<Upstream.ScriptedUpstream> = []
  for (const script of scripts) {
    const one = await upstream(script)
    lane.list(instance(`i${upstreams.length}`, one.url))
    upstreams.push(one)
  }
  return { lane, upstreams }
}

/** A lane with one instance. */
export const withUpstream = async (script: Upstream.Script, options: Options = {}) => {
  const { lane, upstreams } = await withUpstreams([script], options)
  const [only] = upstreams
  if (only === undefined) throw new Error("no upstream")
  return { lane, upstream: only }
}
