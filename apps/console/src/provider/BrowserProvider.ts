/**
 * A provider in a page: key, usage log, gate, reception, tunnel and heart put together, the same as in an agent, and run until
 * it is stopped.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Latch from "effect/Latch"
import * as Logger from "effect/Logger"
import type * as Redacted from "effect/Redacted"
import type { InstanceId } from "@guildhall/core/Instance"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import type { EntryView } from "@guildhall/protocol/api/EntriesApi"
import type { Commitment } from "@guildhall/protocol/provider/DeviceProof"
import { priceSheet, type Registration } from "@guildhall/protocol/provider/Registration"
import { HEADERS } from "@guildhall/protocol/provider/SignedRequest"
import * as TunnelFrame from "@guildhall/protocol/provider/TunnelFrame"
import * as TunnelHello from "@guildhall/protocol/provider/TunnelHello"
import { DevicePublicKey } from "@guildhall/core/Device"
import * as Heart from "@guildhall/agent/serving/Heart"
import * as Reception from "@guildhall/agent/serving/Reception"
import * as TicketGate from "@guildhall/agent/serving/TicketGate"
import * as Tunnel from "@guildhall/agent/serving/Tunnel"
import * as UsageLog from "@guildhall/agent/serving/UsageLog"
import type { BrowserEngine } from "./BrowserEngine.ts"
import type { BrowserError } from "./BrowserError.ts"
import * as BrowserKey from "./BrowserKey.ts"
import * as BrowserStore from "./BrowserStore.ts"
import * as Database from "./Database.ts"
import * as Farewell from "./Farewell.ts"
import * as Market from "./Market.ts"
import { platform } from "./Platform.ts"
import type { StandingStore } from "./Standing.ts"

/** What is served, for how much, and under whose key. `shareBps` is the provider's part of what a buyer pays. */
export interface Options {
  readonly url: string
  readonly apiKey: Redacted.Redacted
  readonly engine: BrowserEngine
  readonly prices: { readonly input: number; readonly output: number }
  readonly shareBps: bigint
  readonly standing: StandingStore
  /** What is to be done once, after the device is known to the market. */
  readonly onJoined: (key: BrowserKey.BrowserKey) => Effect.Effect<void>
  /** What the market's checks found of an instance; nothing where it cannot be heard. */
  readonly entryOf: (instance: InstanceId) => Effect.Effect<EntryView | undefined>
  /** Ends the provider: what is under way is finished first. */
  readonly stop: Effect.Effect<void>
  /** What is to be done at once when the page goes, without waiting for anything. */
  readonly onGone: (leave: () => void) => void
}

/** Answers under way get so long when the provider is stopped by hand. */
const DRAIN_MS = 30_000
const GOODBYE_MS = 300
const ENTRY_LOOK = "1 second"
const BPS = 10_000n

const toRegistration = ({ engine, prices }: Options): Registration => ({
  provider_type: "browser",
  reach: "tunnel",
  model: engine.model,
  input_price_per_million: prices.input,
  output_price_per_million: prices.output,
  context_length_offered: engine.contextLength,
  concurrency: engine.concurrency,
  endpoints: ["chat/completions"],
  supported_parameters: engine.parameters,
  inputs: [],
  ...(engine.quantization === undefined ? {} : { quantization: engine.quantization }),
  ...(engine.tokenizer === undefined ? {} : { tokenizer: engine.tokenizer }),
})

const toCommitment = ({ engine }: Options): Commitment => ({
  model: engine.model,
  contextLength: engine.contextLength,
  engine: engine.name,
  ...(engine.weights === undefined ? {} : { weights: engine.weights }),
  ...(engine.quantization === undefined ? {} : { quantization: engine.quantization }),
  ...(engine.tokenizer === undefined ? {} : { tokenizer: engine.tokenizer }),
})

/** A browser's WebSocket carries no headers of ours, so what they say goes into the hello. */
const proofOf = (headers: Readonly<Record<string, string>>): TunnelHello.Proof => ({
  device: DevicePublicKey.make(headers[HEADERS.device] ?? ""),
  signature: headers[HEADERS.signature] ?? "",
  issued_at: Number(headers[HEADERS.issuedAt]),
  sequence: Number(headers[HEADERS.sequence]),
})

const hangUp = (socket: WebSocket) =>
  Effect.callback<void>((resume) => {
    if (socket.readyState === WebSocket.CLOSED) return resume(Effect.void)
    socket.addEventListener("close", () => resume(Effect.void), { once: true })
    socket.close()
  }).pipe(Effect.timeoutOption(GOODBYE_MS), Effect.asVoid)

/** The log, and what the page shows of what goes into it. */
const counted = (log: UsageLog.UsageLog<BrowserError>, { shareBps, standing }: Options) => ({
  isOpen: log.isOpen,
  record: (entry: UsageLog.Entry): void => {
    log.record(entry)
    const now = standing.get()
    const share = (PriceSheet.cost(entry.price, entry.usage) * shareBps) / BPS
    standing.update({
      requests: now.requests + 1,
      failures: now.failures + (entry.outcome === "failed" ? 1 : 0),
      inputTokens: now.inputTokens + (entry.usage.inputToken ?? 0),
      outputTokens: now.outputTokens + (entry.usage.outputToken ?? 0),
      earned: now.earned + share,
    })
  },
})

/** What answers the market's requests, and drains. */
const makeServer = Effect.fnUntraced(function* (
  options: Options,
  key: BrowserKey.BrowserKey,
  log: UsageLog.UsageLog<BrowserError>,
) {
  const { engine, standing } = options
  const sheet = priceSheet(toRegistration(options))
  const served = (yield* log.pending).map((line) => line.ticket.ticket)
  const gate = TicketGate.make({ platform, price: sheet, served })
  const idle = yield* Latch.make(true)
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const serves = [toCommitment(options)]
  const reception = Reception.make({
    backend: {
      dispatch: (request, sink) => {
        standing.update({ inFlight: standing.get().inFlight + 1 })
        return engine.dispatch(request, sink)
      },
    },
    gate,
    log: {
      ...counted(log, options),
      record: (entry) => {
        counted(log, options).record(entry)
        standing.update({ inFlight: Math.max(0, standing.get().inFlight - 1) })
      },
    },
    nowMs: () => Date.now(),
    concurrency: engine.concurrency,
    endpoints: ["chat/completions"],
    models: [engine.model],
    price: sheet,
    prove: (nonce, tell) => void fork(Effect.ignore(Effect.map(key.signProof(nonce, serves), tell))),
    check: (tell) => tell(true),
    onIdle: () => idle.openUnsafe(),
    onBusy: () => idle.closeUnsafe(),
  })
  const server: Heart.Server = {
    learn: gate.learn,
    inFlight: reception.inFlight,
    drain: Effect.fnUntraced(function* (limitMs) {
      reception.close()
      yield* Effect.ignore(Effect.timeout(idle.await, limitMs))
      reception.endAll()
      yield* Effect.ignore(log.flush)
    }),
  }
  return { reception, server }
})

/** Looks until the market's checks are passed, and tells what they find meanwhile. */
const watchEntry = Effect.fnUntraced(function* ({ entryOf, standing }: Options, instance: InstanceId) {
  while (true) {
    const entry = yield* entryOf(instance)
    const findings = entry?.checks.filter(({ state }) => state === "failed") ?? []
    const { phase } = standing.get()
    if (entry?.state === "passed") {
      standing.update({ findings: [], ...(phase === "checking" ? { phase: "serving" } : {}) })
      return
    }
    standing.update({ findings })
    yield* Effect.sleep(ENTRY_LOOK)
  }
})

const live = Effect.fnUntraced(function* (options: Options) {
  const { standing, url } = options
  const database = yield* Database.open
  const key = yield* BrowserKey.open(database)
  standing.update({ phase: "joining", fingerprint: key.fingerprint })
  const log = yield* UsageLog.make(yield* BrowserStore.open(database), key.signHead)
  const market = yield* Market.make({ url, apiKey: options.apiKey, key })
  const { reception, server } = yield* makeServer(options, key, log)

  let instances: ReadonlyArray<InstanceId> = []
  let asksEntry = false
  let nonceAtFirst = ""
  const farewell = yield* Farewell.make(url, key, () => instances)
  const heart = yield* Heart.make<BrowserError>({
    registrations: [toRegistration(options)],
    market: {
      register: (body) =>
        Effect.tap(market.register(body), ({ entry, nonce }) => {
          asksEntry = entry !== undefined
          nonceAtFirst = nonce
          return Effect.void
        }),
      heartbeat: (body) => Effect.tap(market.heartbeat(body), ({ nonce }) => farewell.told(nonce)),
    },
    server,
    log,
    skipAhead: key.skipAhead,
    status: () => Effect.succeed({ versions: { agent: "browser", engine: "page" } }),
  })
  instances = yield* heart.register
  yield* farewell.told(nonceAtFirst)
  const [instance] = instances
  standing.update({ phase: "checking", instance, startedAtMs: Date.now() })
  yield* Effect.forkScoped(options.onJoined(key))

  let socket: WebSocket | undefined
  const opened = yield* Deferred.make<void>()
  const keep = Tunnel.keep<BrowserError>(
    {
      url,
      handle: reception.handle,
      sign: market.sign,
      skipAhead: key.skipAhead,
      dial: (address, headers) => {
        const dialed = new WebSocket(address, TunnelHello.PROTOCOL)
        socket = dialed
        return { socket: dialed, proof: proofOf(headers), refusal: () => undefined, hangUp: hangUp(dialed) }
      },
      onChange: (why) => {
        const { phase } = standing.get()
        if (why === undefined && phase === "reconnecting") standing.update({ phase: "serving", letter: undefined })
        if (why !== undefined && phase === "serving") {
          standing.update({ phase: "reconnecting", letter: `The connection to the market is down: ${why}.` })
        }
      },
    },
    opened,
  )
  yield* Effect.forkScoped(Effect.scoped(keep))
  const [first] = instances
  yield* Effect.forkScoped(
    Effect.andThen(
      Deferred.await(opened),
      asksEntry && first !== undefined
        ? watchEntry(options, first)
        : Effect.sync(() => standing.update({ phase: "serving" })),
    ),
  )
  yield* Effect.addFinalizer(() =>
    Effect.andThen(
      Effect.sync(() => standing.update({ phase: "draining" })),
      heart.farewell(DRAIN_MS),
    ),
  )
  options.onGone(() => {
    farewell.say()
    reception.close()
    socket?.close(TunnelFrame.CLOSE.over, "The page was closed.")
  })
  yield* heart.run
})

const NOTES_MAX = 5

/** Warnings are shown on the page: nobody looks into a browser's console. */
const noter = (standing: StandingStore) =>
  Logger.make(({ date, logLevel, message }) => {
    if (logLevel !== "Warn" && logLevel !== "Error") return
    const text = (Array.isArray(message) ? message : [message]).map(String).join(" ")
    standing.update({ notes: [{ atMs: date.getTime(), text }, ...standing.get().notes].slice(0, NOTES_MAX) })
  })

/** Runs the provider until `stop` ends. Fails with a letter where it cannot start. */
export const run = (options: Options): Effect.Effect<void, BrowserError> =>
  Effect.raceFirst(Effect.scoped(live(options)), options.stop).pipe(
    Effect.provide(FetchHttpClient.layer),
    Effect.provide(Logger.layer([noter(options.standing)])),
    // What is signed goes to the market that this page came from, and nowhere it may send it on to.
    Effect.provideService(FetchHttpClient.RequestInit, { redirect: "error", credentials: "omit", cache: "no-store" }),
  )
