/**
 * The control lane on a real port, with everything behind it in memory.
 */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Context, Effect, Layer, Logger, ManagedRuntime, Redacted } from "effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { createHash, createHmac } from "node:crypto"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { SettlementRecord } from "@guildhall/chain/SettlementRecord"
import { Asset, KeyRing, type MarketDefinition, Member, ProviderRails } from "@guildhall/core"
import { Journal } from "@guildhall/journal"
import { ApiKeyScheme, Ledger, PaymentRail } from "@guildhall/ledger"
import * as LedgerStore from "@guildhall/ledger/LedgerStore"
import * as LedgerStoreMemory from "@guildhall/ledger/LedgerStoreMemory"
import { HEADERS } from "@guildhall/protocol/provider/SignedRequest"
import {
  Attestations,
  CloudAccounts,
  DeviceWallets,
  Devices,
  Gpus,
  HealthRecord,
  Members,
  Notifier,
  Pairing,
  SealKeys,
} from "@guildhall/registry"
import type * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import { Router } from "@guildhall/routing"
import { leastLoaded } from "@guildhall/routing/policies/LeastLoaded"
import * as Attestation from "../src/Attestation.ts"
import * as Claims from "../src/Claims.ts"
import * as CloudCheck from "../src/CloudCheck.ts"
import * as ControlRoutes from "../src/http/ControlRoutes.ts"
import * as MetricsRoutes from "../src/http/MetricsRoutes.ts"
import * as NotFoundRoute from "../src/http/NotFoundRoute.ts"
import * as Limits from "../src/Limits.ts"
import * as LimitStore from "../src/LimitStore.ts"
import { Market } from "../src/Market.ts"
import * as Readiness from "../src/Readiness.ts"
import { SentWays } from "../src/SentWays.ts"
import * as TopUps from "../src/TopUps.ts"
import { definition } from "./TestLane.ts"

export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The JSON of the answer. What a test reads of it, it compares. */
  // oxlint-disable-next-line typescript/no-explicit-any -- it is only ever compared
  readonly json: any
}

export interface Options {
  readonly definition?: Partial<MarketDefinition.MarketDefinition>
  readonly rails?: ReadonlyArray<PaymentRail.PaymentRail>
  readonly journal?: Layer.Layer<Journal.Journal>
  readonly store?: Layer.Layer<LedgerStore.LedgerStore>
  /** Null for a market that has nothing to seal tokens with. */
  readonly sealKeys?: null
  /** What is logged goes there; nowhere else. */
  readonly loggers?: ReadonlyArray<Logger.Logger<unknown, unknown>>
  /** What the market settled on a chain; without it, nothing. */
  readonly record?: Layer.Layer<SettlementRecord>
  /** Who may read the metrics. */
  readonly metrics?: "operator" | "anyone"
}

const SEAL_KEYS = `test:${"A".repeat(43)}`

/** Secrets that are known before the market starts: `sk-` and the name's hash. */
export const secret = (name: string): string => `sk-${createHash("sha256").update(name).digest("base64url")}`

export const members = {
  buyer: Member.MemberId.make("mem_buyer"),
  other: Member.MemberId.make("mem_other"),
  provider: Member.MemberId.make("mem_provider"),
  operator: Member.MemberId.make("mem_operator"),
} as const

export const usd = Asset.USD

const development = PaymentRail.makeMemory({
  name: "Development",
  fundingSource: "development",
  decide: () => ({ _tag: "Succeeded" }),
})

const pairingMac = (text: Redacted.Redacted) => createHmac("sha256", "test").update(Redacted.value(text)).digest("hex")

/** What the control lane stands on, in memory. */
export const services = (options: Options) => {
  const made: MarketDefinition.MarketDefinition = {
    ...definition,
    funding: ["development", "card"],
    ...options.definition,
  }
  const payments = made.payments.map(({ use: name }) => ({
    ...ApiKeyScheme.make({ lookup: () => Effect.undefined }),
    name,
  }))
  const market = Layer.succeed(Market, { definition: made, digest: "d".repeat(64), owner: "test", payments })
  const devices = { allowPrivate: made.endpoints.allowPrivate, rails: ProviderRails.ofDefinition(made) }
  const stores = Layer.mergeAll(
    Ledger.layer.pipe(Layer.provideMerge(options.store ?? LedgerStoreMemory.layer)),
    options.journal ?? Journal.layerMemory,
    Members.layerMemory,
    Pairing.layerMemory({ mac: pairingMac }).pipe(Layer.provideMerge(Devices.layerMemory(devices))),
    Gpus.layerMemory(),
    HealthRecord.layerMemory(),
    Layer.succeed(SentWays, ["webhook"]),
    KeyRing.layerMemory.pipe(Layer.provide(NodeCrypto.layer)),
    CloudAccounts.layerMemory({ allowPrivate: made.endpoints.allowPrivate }).pipe(
      Layer.provide(SealKeys.layer(options.sealKeys === null ? undefined : Redacted.make(SEAL_KEYS))),
    ),
    CloudCheck.layer({ allowPrivate: made.endpoints.allowPrivate }),
    Readiness.layer,
    market,
  )
  return Layer.mergeAll(
    Claims.layer,
    Limits.layer.pipe(Layer.provide(LimitStore.layerMemory)),
    TopUps.layer({ rails: options.rails ?? [development] }),
    Router.layer({ replica: "test", policy: leastLoaded }),
    Notifier.layerMemory,
  ).pipe(
    Layer.provideMerge(Attestation.layer),
    Layer.provideMerge(Layer.merge(Attestations.layerMemory, DeviceWallets.layerMemory)),
    Layer.provideMerge(stores),
    Layer.orDie,
  )
}

const makeMembers = Effect.gen(function* () {
  const registry = yield* Members.Members
  for (const [name, id] of Object.entries(members)) {
    yield* registry.create({ id, name })
    yield* registry.issueKey({
      memberId: id,
      name,
      role: name === "other" ? "buyer" : (Member.Role.literals.find((role) => role === name) ?? "buyer"),
      dataCollection: "deny",
      secret: Redacted.make(secret(name)),
    })
  }
})

/** Starts a market. `call` asks as the member of a name, or as nobody. */
export const start = async (options: Options = {}) => {
  const server = createServer()
  const http = HttpRouter.serve(Layer.merge(ControlRoutes.layer, NotFoundRoute.layer), {
    disableLogger: true,
    disableListenLog: true,
  }).pipe(
    Layer.provide(NodeHttpServer.layer(() => server, { port: 0, host: "127.0.0.1", gracefulShutdownTimeout: 100 })),
  )
  const readers = options.metrics === undefined ? Layer.empty : Layer.succeed(MetricsRoutes.Readers, options.metrics)
  const runtime = ManagedRuntime.make(
    http.pipe(
      Layer.provide(readers),
      Layer.provide(options.record ?? Layer.empty),
      Layer.provideMerge(services(options)),
      Layer.provideMerge(Logger.layer(options.loggers ?? [])),
      Layer.orDie,
    ),
  )
  const context = await runtime.context()
  await runtime.runPromise(makeMembers)
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let sequence = 0

  const send = async (path: string, init: RequestInit): Promise<Reply> => {
    const response = await fetch(url + path, init)
    const text = await response.text()
    const isJson = response.headers.get("content-type")?.includes("json") === true
    return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined }
  }

  const call = (
    method: string,
    path: string,
    { as, body, headers }: { as?: string; body?: unknown; headers?: Record<string, string> } = {},
  ) =>
    send(path, {
      method,
      headers: {
        ...(as === undefined ? {} : { authorization: `Bearer ${as.startsWith("sk-") ? as : secret(as)}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    })

  /** What a device sends: `change` is made to the headers after signing. */
  const signed = (
    device: SampleDevice.SampleDevice,
    path: string,
    body: unknown,
    {
      as,
      change = {},
      issuedAtMs = Date.now(),
      number = ++sequence,
      sent,
    }: { as?: string; change?: Record<string, string>; issuedAtMs?: number; number?: number; sent?: string } = {},
  ) => {
    const text = typeof body === "string" ? body : JSON.stringify(body)
    const message = device.sign({ path, issuedAtMs, sequence: number, body: new TextEncoder().encode(text) })
    return call("POST", path, {
      ...(as === undefined ? {} : { as }),
      body: sent ?? text,
      headers: {
        [HEADERS.device]: message.publicKey,
        [HEADERS.signature]: message.signature,
        [HEADERS.issuedAt]: String(issuedAtMs),
        [HEADERS.sequence]: String(number),
        ...change,
      },
    })
  }

  return {
    url,
    call,
    signed,
    ledger: Context.get(context, Ledger.Ledger),
    store: Context.get(context, LedgerStore.LedgerStore),
    journal: Context.get(context, Journal.Journal),
    devices: Context.get(context, Devices.Devices),
    accounts: Context.get(context, CloudAccounts.CloudAccounts),
    ring: Context.get(context, KeyRing.KeyRing),
    router: Context.get(context, Router.Router),
    health: Context.get(context, HealthRecord.HealthRecord),
    notifier: Context.get(context, Notifier.Notifier),
    readiness: Context.get(context, Readiness.Readiness),
    run: runtime.runPromise,
    close: () => runtime.dispose(),
  }
}

export type TestControl = Awaited<ReturnType<typeof start>>

/** What a sample device registers with. */
export const registration = {
  provider_type: "agent",
  endpoint_url: "http://127.0.0.1:9000",
  model: "guildhall/demo",
  input_price_per_million: 100,
  output_price_per_million: 200,
  context_length_offered: 8192,
  concurrency: 4,
} as const
