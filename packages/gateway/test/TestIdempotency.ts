/**
 * Idempotency without a lane: requests are begun by hand, and the answers of the fresh ones are written by hand.
 */
import { Effect, Layer, Redacted } from "effect"
import { randomBytes } from "node:crypto"
import { createServer, type IncomingHttpHeaders, request as httpRequest } from "node:http"
import type { AddressInfo } from "node:net"
import { USD } from "@guildhall/core/Asset"
import { KeyId, MemberId } from "@guildhall/core/Member"
import { RequestId } from "@guildhall/core/Request"
import * as AnswerStore from "@guildhall/journal/AnswerStore"
import * as AnswerStoreSql from "@guildhall/journal/AnswerStoreSql"
import { AccountId, ids } from "@guildhall/ledger/Account"
import { HoldId } from "@guildhall/ledger/Hold"
import * as Ledger from "@guildhall/ledger/Ledger"
import * as LedgerStoreSql from "@guildhall/ledger/LedgerStoreSql"
import * as LedgerStoreMemory from "@guildhall/ledger/LedgerStoreMemory"
import type { Payer } from "@guildhall/ledger/PaymentScheme"
import type { Posting } from "@guildhall/ledger/Posting"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import * as AnswerSeal from "../src/AnswerSeal.ts"
import * as Idempotency from "../src/Idempotency.ts"
import { Buyer } from "../src/internal/Buyer.ts"
import { Market } from "../src/Market.ts"
import type { Refusal } from "../src/Refusal.ts"
import * as TestLane from "./TestLane.ts"

/** The secret of every process of a test. */
export const SECRET = Redacted.make("A".repeat(43))

export const requestId = (): RequestId => RequestId.make(`req_${randomBytes(16).toString("hex")}`)

export const payer = (member = `mem_${randomBytes(6).toString("hex")}`): Payer => ({
  memberId: MemberId.make(member),
  keyId: KeyId.make("key_1"),
  account: ids.buyer(MemberId.make(member)),
  fundingSource: "card",
  role: "buyer",
  dataCollection: "allow",
})

/** A request to begin; the caller is there and stays unless it says otherwise. */
export const ask = (values: Partial<Idempotency.Ask> = {}): Idempotency.Ask => ({
  id: requestId(),
  payer: payer(),
  key: "key-1",
  path: "/v1/chat/completions",
  body: Buffer.from("{}"),
  keep: true,
  twin: { gone: false, onGone: undefined },
  isStopped: () => false,
  ...values,
})

/** How long claims and holds live without renewal, and how often they are renewed. */
export const LIFE = { lifeMs: 600, renewMs: 100 }

export const market = (owner: string) =>
  Layer.succeed(Market, {
    definition: { ...TestLane.definition, hold: LIFE },
    digest: "d".repeat(64),
    owner,
    payments: [],
  })

/** A process: its own claims and flights over a store and a ledger that others may share. */
export const process = (owner: string, options: Partial<Idempotency.Options> = {}) =>
  Layer.fresh(Idempotency.layer({ waitMs: 2_000, ...options })).pipe(
    Layer.provide(Layer.fresh(market(owner))),
    Layer.provide(AnswerSeal.layer([SECRET])),
  )

/** What several processes share. */
export const sqlBase = (url: string) =>
  Layer.merge(AnswerStoreSql.layer(), Ledger.layer.pipe(Layer.provide(LedgerStoreSql.layer({ renewMs: 0 })))).pipe(
    Layer.provideMerge(TestDatabase.at(url)),
  )

export const memoryBase = Layer.merge(
  AnswerStore.layerMemory,
  Ledger.layer.pipe(Layer.provide(LedgerStoreMemory.layer)),
)

export const OUTSIDE = AccountId.make("external:test")

/** Opens the payer's account and puts money on it. */
export const fund = Effect.fnUntraced(function* ({ account }: Payer) {
  const ledger = yield* Ledger.Ledger
  yield* ledger.open({ id: OUTSIDE, kind: "external", asset: USD, floor: null })
  yield* ledger.open({ id: account, kind: "buyer", asset: USD, floor: 0n })
  yield* ledger.post({
    idempotencyKey: `top-up-${account}`,
    kind: "topUp",
    legs: [
      { account: OUTSIDE, amount: -1_000_000n },
      { account, amount: 1_000_000n },
    ],
    attachments: [],
  })
})

/** The hold that a request takes, and its charge. */
export const hold = Effect.fnUntraced(function* (id: RequestId, { account }: Payer, owner: string) {
  const ledger = yield* Ledger.Ledger
  return yield* ledger.hold({
    id: HoldId.make(id),
    account,
    amount: 100n,
    owner,
    lifeMs: LIFE.lifeMs,
    definitionDigest: "d",
    context: {},
  })
})
export const charge = (idempotencyKey: string, { account }: Payer): Posting => ({
  idempotencyKey,
  kind: "charge",
  legs: [
    { account, amount: -7n },
    { account: OUTSIDE, amount: 7n },
  ],
  attachments: [],
})
export const settle = (id: RequestId, payer: Payer) =>
  Effect.flatMap(Ledger.Ledger, (ledger) => ledger.settle(HoldId.make(id), charge(`charge:${id}`, payer)))

export interface Heard {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly trailers: NodeJS.Dict<string>
  readonly body: Buffer
  readonly isBroken: boolean
}

/** A server that answers each request as it is told to, and a client that hears the answer. */
export const connection = Effect.gen(function* () {
  const waiting: Array<(buyer: Buyer) => void> = []
  const server = createServer((request, response) => {
    request.resume()
    waiting.shift()?.(new Buyer(request, response))
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      }),
  )
  // A TCP server's address has a port.
  const { port } = server.address() as AddressInfo

  /** Opens a request; `heard` is its answer, `buyer` the server's side of it. */
  const open = Effect.fnUntraced(function* () {
    let resolve: (heard: Heard) => void = () => undefined
    const heard = new Promise<Heard>((done) => (resolve = done))
    let isPaused = false
    let resume = () => {
      isPaused = false
    }
    const request = httpRequest({ port, host: "127.0.0.1", method: "POST", agent: false })
    const buyer = yield* Effect.callback<Buyer>((done) => {
      waiting.push((buyer) => done(Effect.succeed(buyer)))
      request.on("error", () =>
        resolve({ status: 0, headers: {}, trailers: {}, body: Buffer.alloc(0), isBroken: true }),
      )
      request.on("response", (response) => {
        const chunks: Array<Buffer> = []
        const end = (isBroken: boolean) =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            trailers: response.trailers,
            body: Buffer.concat(chunks),
            isBroken,
          })
        if (isPaused) response.pause()
        resume = () => response.resume()
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        if (isPaused) response.pause()
        response.on("end", () => end(false))
        response.on("error", () => end(true))
      })
      request.end("{}")
    })
    return {
      buyer,
      heard: Effect.promise(() => heard),
      leave: () => request.destroy(),
      /** Reads nothing from now on, until `resume`. To be called before the answer begins. */
      pause: () => {
        isPaused = true
      },
      resume: () => resume(),
    }
  })
  return { open }
})

export const EVENT_STREAM = { "content-type": "text/event-stream; charset=utf-8", "x-request-id": "req_1" }

/** Writes an answer told again, as the lane does. */
export const write = (begun: Idempotency.Begun, buyer: Idempotency.WriteOptions["buyer"]): Effect.Effect<void> =>
  begun._tag === "Told"
    ? begun.write({ buyer, frame: (reason) => `data: {"error":{"code":"${reason}"}}\n\n` })
    : Effect.die("this request is fresh")

export const codeOf = <A, R>(effect: Effect.Effect<A, Refusal, R>) =>
  Effect.map(Effect.flip(effect), ({ code }) => code)

/** Takes what is told again, without a connection. */
export const bytesOf = Effect.fnUntraced(function* (begun: Idempotency.Begun) {
  const chunks: Array<Buffer> = []
  const response = {
    writeHead: () => undefined,
    addTrailers: () => undefined,
    write: (chunk: Buffer) => chunks.push(chunk) > 0,
    end: (frame?: string) => void (frame === undefined || chunks.push(Buffer.from(frame))),
    destroy: () => undefined,
  }
  yield* write(begun, { gone: false, onGone: undefined, onDrain: undefined, takesTrailers: true, response })
  return Buffer.concat(chunks).toString()
})
