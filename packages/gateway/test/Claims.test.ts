/**
 * Usage lines: what was settled is acknowledged, what a crash cut off is paid once and from platform:loss, and what is
 * not true is paid nothing.
 */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer, Logger, Schema } from "effect"
import { TestClock } from "effect/testing"
import { createHash, generateKeyPairSync, sign } from "node:crypto"
import { Asset, Device, Instance, KeyRing, Member, PriceSheet, type Request, type Usage } from "@guildhall/core"
import * as JournalEntry from "@guildhall/journal/JournalEntry"
import * as SampleEntry from "@guildhall/journal/testing/SampleEntry"
import { Account, Hold, Ledger } from "@guildhall/ledger"
import { LedgerError, Unavailable } from "@guildhall/ledger/LedgerError"
import * as LedgerStore from "@guildhall/ledger/LedgerStore"
import * as LedgerStoreMemory from "@guildhall/ledger/LedgerStoreMemory"
import * as Ticket from "@guildhall/protocol/provider/Ticket"
import { headBytes, lineBytes, type UsageLine } from "@guildhall/protocol/provider/UsageLog"
import { Devices } from "@guildhall/registry"
import * as Claims from "../src/Claims.ts"
import { Market } from "../src/Market.ts"
import * as Receipt from "../src/Receipt.ts"
import * as Tickets from "../src/Tickets.ts"
import { definition } from "./TestLane.ts"

const USD = Asset.USD.code
const BUYER = Account.ids.buyer(Member.MemberId.make("mem_buyer"))
const PROVIDER = Member.MemberId.make("mem_provider")
const EARNED = Account.ids.accrual("platform", PROVIDER)
const DIGEST = "d".repeat(64)
const price = PriceSheet.perMillionCents({ input: 100n, output: 200n })
/** What is held for each request, and the provider's share of it. */
const HELD = 100_000_000n
const CAP = 90_000_000n

const market = Layer.succeed(Market, { definition, digest: DIGEST, owner: "test", payments: [] })
const layer = Claims.layer.pipe(
  Layer.provideMerge(
    Layer.mergeAll(
      Ledger.layer.pipe(Layer.provideMerge(LedgerStoreMemory.layer)),
      KeyRing.layerMemory.pipe(Layer.provide(NodeCrypto.layer)),
      Devices.layerMemory({ allowPrivate: true }),
      market,
    ),
  ),
  Layer.provideMerge(Logger.layer([])),
)

const openBuyer = Effect.gen(function* () {
  const ledger = yield* Ledger.Ledger
  yield* ledger.open({ id: BUYER, kind: "buyer", asset: Asset.USD, floor: 0n })
  yield* ledger.open({ id: Account.ids.external("test"), kind: "external", asset: Asset.USD, floor: null })
  const amount = 10n ** 15n
  yield* ledger.post({
    idempotencyKey: "top-up",
    kind: "topUp",
    legs: [
      { account: Account.ids.external("test"), amount: -amount },
      { account: BUYER, amount },
    ],
    attachments: [],
  })
})

/** A registered device with its log. */
const makeDevice = Effect.gen(function* () {
  const pair = generateKeyPairSync("ed25519")
  const raw = pair.publicKey.export({ format: "der", type: "spki" }).subarray(-32)
  const publicKey = Device.DevicePublicKey.make(raw.toString("base64url"))
  const devices = yield* Devices.Devices
  const ring = yield* KeyRing.KeyRing
  const { instance } = yield* devices.register({
    memberId: PROVIDER,
    publicKey,
    model: SampleEntry.receipt().model,
    reach: { _tag: "Endpoint", url: "http://127.0.0.1:9000" },
    price,
    contextLength: 8192,
    concurrency: 4,
  })
  const ticket = Effect.fnUntraced(function* (requestId: Request.RequestId, changes: Partial<Ticket.Ticket> = {}) {
    const made: Ticket.Ticket = {
      requestId,
      attempt: 1,
      instanceId: instance.id,
      asset: USD,
      cap: CAP,
      priceDigest: Tickets.priceDigest(price),
      definitionDigest: DIGEST,
      issuedAtMs: 0,
      expiresAtMs: 60_000,
      ...changes,
    }
    return { ticket: made, signature: yield* ring.sign("ticket", Ticket.bytes(made)) }
  })
  const chain = (entries: ReadonlyArray<Omit<UsageLine, "number" | "previous" | "hash">>, from = 1) => {
    const lines: Array<UsageLine> = []
    let previous = "0".repeat(64)
    for (const [at, entry] of entries.entries()) {
      const line = { ...entry, number: from + at, previous }
      previous = createHash("sha256").update(lineBytes(line)).digest("hex")
      lines.push({ ...line, hash: previous })
    }
    const head = { number: from + entries.length - 1, hash: previous }
    const signature = sign(null, headBytes(publicKey, head), pair.privateKey).toString("base64url")
    return { lines, head: { ...head, signature } }
  }
  return { id: instance.deviceId, publicKey, instance, ticket, chain }
})

type TestDevice = Effect.Success<typeof makeDevice>

const usage: Usage.Usage = { inputToken: 10, outputToken: 5 }
/** 10 and 5 tokens cost 20,000,000 units, nine tenths of which are the provider's. */
const SHARE = 18_000_000n

const entryFor = Effect.fnUntraced(function* (
  device: TestDevice,
  requestId: Request.RequestId,
  changes: Partial<Omit<UsageLine, "number" | "previous" | "hash">> = {},
) {
  const ticket = changes.ticket ?? (yield* device.ticket(requestId))
  return { ticket, price, usage, outcome: "completed" as const, endedAtMs: 5, ...changes }
})

const takeHold = Effect.fnUntraced(function* (requestId: Request.RequestId, lifeMs = 1_000) {
  const ledger = yield* Ledger.Ledger
  const first = SampleEntry.ended({
    id: requestId,
    outcome: "recovered",
    reason: "hold_expired",
    usage: {},
    usageSource: "none",
    charge: 0n,
    split: [],
    price: [],
    startedAtMs: 0,
    endedAtMs: 0,
  })
  yield* ledger.hold({
    id: Hold.HoldId.make(requestId),
    account: BUYER,
    amount: HELD,
    owner: "dead",
    lifeMs,
    definitionDigest: DIGEST,
    context: Receipt.entryJson(first),
  })
})

const expireAll = Effect.gen(function* () {
  yield* TestClock.adjust("1 minute")
  const ledger = yield* Ledger.Ledger
  yield* ledger.expire(1000)
})

const balance = (id: Account.AccountId) =>
  Effect.gen(function* () {
    const ledger = yield* Ledger.Ledger
    const [account] = yield* ledger.accounts([id])
    return account?.balance ?? 0n
  })

const [A, B, C] = SampleEntry.requestIds(3) as [Request.RequestId, Request.RequestId, Request.RequestId]

/** A device with one line for an expired hold. */
const expiredHold = Effect.gen(function* () {
  yield* openBuyer
  const device = yield* makeDevice
  yield* takeHold(A)
  yield* expireAll
  const claims = yield* Claims.Claims
  return { device, claims }
})

const codes = (verdict: Claims.Verdict) => verdict.refused.map(({ code }) => code)

describe("a line", () => {
  it.effect("of an expired hold is a claim: paid once, from platform:loss, with a receipt in its second revision", () =>
    Effect.gen(function* () {
      const { device, claims } = yield* expiredHold
      const report = device.chain([yield* entryFor(device, A)])
      assert.deepStrictEqual(yield* claims.process(device, report), { acknowledged: 1, refused: [] })
      assert.deepStrictEqual(yield* claims.process(device, report), { acknowledged: 1, refused: [] })
      assert.strictEqual(yield* balance(EARNED), SHARE)
      assert.strictEqual(yield* balance(Account.ids.platformLoss), -SHARE)
      const ledger = yield* Ledger.Ledger
      const attached = yield* ledger.attachments(0n, 10)
      assert.deepStrictEqual(
        attached.map(({ attachment }) => attachment.kind),
        ["hold.expired", "request.claimed"],
      )
      const entry = Schema.decodeUnknownSync(JournalEntry.JournalEntryJson)(attached[1]?.attachment.body)
      assert.strictEqual(entry._tag, "RequestEnded")
      if (entry._tag !== "RequestEnded") return
      const { receipt } = entry
      assert.deepInclude(receipt, {
        id: A,
        revision: 1,
        outcome: "recovered",
        provider: PROVIDER,
        instance: device.instance.id,
        usage,
        usageSource: "claimed",
        charge: 0n,
        paidFromLoss: SHARE,
      })
      assert.strictEqual(entry.id, `${A}:1`)
    }).pipe(Effect.provide(layer)),
  )

  it.effect("of a settled or a voided hold is acknowledged, and pays nothing", () =>
    Effect.gen(function* () {
      yield* openBuyer
      const device = yield* makeDevice
      const ledger = yield* Ledger.Ledger
      const claims = yield* Claims.Claims
      for (const id of [A, B]) yield* takeHold(id)
      yield* ledger.void(Hold.HoldId.make(A), [])
      yield* ledger.open({ id: Account.ids.platformFees, kind: "platform", asset: Asset.USD, floor: 0n })
      yield* ledger.settle(Hold.HoldId.make(B), {
        idempotencyKey: `request:${B}`,
        kind: "charge",
        legs: [
          { account: BUYER, amount: -5n },
          { account: Account.ids.platformFees, amount: 5n },
        ],
        attachments: [],
      })
      // The instance may have left the market since: nothing is owed to it.
      const devices = yield* Devices.Devices
      yield* devices.deregister(device.instance.id, PROVIDER)
      const report = device.chain([yield* entryFor(device, A), yield* entryFor(device, B)])
      assert.deepStrictEqual(yield* claims.process(device, report), { acknowledged: 2, refused: [] })
      assert.strictEqual(yield* balance(EARNED), 0n)
    }).pipe(Effect.provide(layer)),
  )

  it.effect("of a pending hold waits, and the lines after it are decided all the same", () =>
    Effect.gen(function* () {
      const { device, claims } = yield* expiredHold
      yield* takeHold(B, 100_000)
      yield* takeHold(C, 1)
      yield* TestClock.adjust(10)
      const ledger = yield* Ledger.Ledger
      yield* ledger.expire(10)
      const report = device.chain([yield* entryFor(device, A), yield* entryFor(device, B), yield* entryFor(device, C)])
      assert.deepStrictEqual(yield* claims.process(device, report), { acknowledged: 1, refused: [] })
      assert.strictEqual(yield* balance(EARNED), 2n * SHARE)
      yield* ledger.void(Hold.HoldId.make(B), [])
      assert.deepStrictEqual(yield* claims.process(device, report), { acknowledged: 3, refused: [] })
      assert.strictEqual(yield* balance(EARNED), 2n * SHARE)
    }).pipe(Effect.provide(layer)),
  )

  it.effect("without a hold waits while the hold may be on its way, and is refused afterwards", () =>
    Effect.gen(function* () {
      const device = yield* makeDevice
      const claims = yield* Claims.Claims
      const report = device.chain([yield* entryFor(device, A)])
      assert.deepStrictEqual(yield* claims.process(device, report), { acknowledged: 0, refused: [] })
      yield* TestClock.adjust("6 seconds")
      const verdict = yield* claims.process(device, report)
      assert.deepStrictEqual([verdict.acknowledged, codes(verdict)], [1, ["invalid_claim"]])
    }).pipe(Effect.provide(layer)),
  )

  it.effect("waits while the ledger is away", () =>
    Effect.gen(function* () {
      const { device } = yield* expiredHold
      const ledger = yield* Ledger.Ledger
      const gone = Effect.fail(new LedgerError({ reason: new Unavailable({ cause: "away" }) }))
      const away = Layer.succeed(Ledger.Ledger, Ledger.Ledger.of({ ...ledger, findHold: () => gone }))
      const report = device.chain([yield* entryFor(device, A)])
      const verdict = yield* Effect.flatMap(Claims.Claims, (claims) => claims.process(device, report)).pipe(
        Effect.provide(Layer.fresh(Claims.layer).pipe(Layer.provide(away))),
      )
      assert.deepStrictEqual(verdict, { acknowledged: 0, refused: [] })
    }).pipe(Effect.provide(layer)),
  )
})

describe("a lie", () => {
  it.effect("about the usage is capped by the ticket", () =>
    Effect.gen(function* () {
      const { device, claims } = yield* expiredHold
      const report = device.chain([yield* entryFor(device, A, { usage: { outputToken: 1_000_000_000_000 } })])
      assert.deepStrictEqual(yield* claims.process(device, report), { acknowledged: 1, refused: [] })
      assert.strictEqual(yield* balance(EARNED), CAP)
    }).pipe(Effect.provide(layer)),
  )

  const refusals: ReadonlyArray<
    readonly [string, string, (device: TestDevice) => Effect.Effect<Partial<UsageLine>, KeyRing.KeyRingError>]
  > = [
    [
      "a ticket that this market never signed",
      "invalid_ticket",
      (device) =>
        Effect.map(device.ticket(A), (signed) => ({
          ticket: { ...signed, ticket: { ...signed.ticket, cap: CAP * 100n } },
        })),
    ],
    [
      "another price than the ticket's",
      "invalid_claim",
      () => Effect.succeed({ price: PriceSheet.perMillionCents({ input: 100n, output: 99_999n }) }),
    ],
    [
      "the ticket of another's instance",
      "invalid_claim",
      (device) =>
        Effect.map(device.ticket(A, { instanceId: Instance.InstanceId.make("ins_another") }), (ticket) => ({ ticket })),
    ],
    [
      "a ticket under another definition",
      "invalid_claim",
      (device) => Effect.map(device.ticket(A, { definitionDigest: "e".repeat(64) }), (ticket) => ({ ticket })),
    ],
    [
      "a ticket that ended more than a day ago",
      "invalid_ticket",
      (device) => Effect.map(device.ticket(A, { expiresAtMs: 60_000 - 86_400_001 }), (ticket) => ({ ticket })),
    ],
  ]
  for (const [what, code, lie] of refusals) {
    it.effect(`with ${what} is refused, and costs nothing`, () =>
      Effect.gen(function* () {
        const { device, claims } = yield* expiredHold
        const report = device.chain([yield* entryFor(device, A, yield* lie(device))])
        const verdict = yield* claims.process(device, report)
        assert.deepStrictEqual([verdict.acknowledged, codes(verdict)], [1, [code]])
        assert.strictEqual(yield* balance(EARNED), 0n)
        // The truth is still paid.
        yield* claims.process(device, device.chain([yield* entryFor(device, A)]))
        assert.strictEqual(yield* balance(EARNED), SHARE)
      }).pipe(Effect.provide(layer)),
    )
  }

  it.effect("by a second device about the same request is paid nothing", () =>
    Effect.gen(function* () {
      const { device, claims } = yield* expiredHold
      const second = yield* makeDevice
      yield* claims.process(device, device.chain([yield* entryFor(device, A)]))
      const report = second.chain([yield* entryFor(second, A, { usage: { outputToken: 10 } })])
      assert.deepStrictEqual(yield* claims.process(second, report), { acknowledged: 1, refused: [] })
      assert.strictEqual(yield* balance(EARNED), SHARE)
    }).pipe(Effect.provide(layer)),
  )
})

describe("a log", () => {
  it.effect("that is not whole is refused as a whole: altered, reordered, cut, or signed by another", () =>
    Effect.gen(function* () {
      const { device, claims } = yield* expiredHold
      yield* takeHold(B, 100_000)
      const good = device.chain([yield* entryFor(device, A), yield* entryFor(device, B)])
      const [first, second] = good.lines
      if (first === undefined || second === undefined) return assert.fail()
      const other = yield* makeDevice
      const wrong = [
        { ...good, lines: [{ ...first, usage: { outputToken: 6 } }, second] },
        { ...good, lines: [second, first] },
        { ...good, lines: [first] },
        { ...good, lines: [first, { ...second, previous: "0".repeat(64) }] },
        { ...good, head: { ...good.head, signature: "" } },
        { ...good, head: { ...good.head, number: 3 } },
        { ...good, head: other.chain([yield* entryFor(other, A)]).head },
      ]
      for (const report of wrong) {
        const verdict = yield* claims.process(device, report)
        assert.deepStrictEqual(
          codes(verdict),
          report.lines.map(() => "invalid_claim"),
        )
        assert.strictEqual(verdict.acknowledged, report.lines.at(-1)?.number)
      }
      assert.strictEqual(yield* balance(EARNED), 0n)
      assert.strictEqual((yield* claims.process(device, good)).acknowledged, 1)
      assert.deepStrictEqual(yield* claims.process(device, { lines: [], head: good.head }), {
        acknowledged: 0,
        refused: [],
      })
    }).pipe(Effect.provide(layer)),
  )

  it.effect("of any mixture is acknowledged up to the first line that waits, and pays exactly the expired ones", () =>
    Effect.gen(function* () {
      yield* openBuyer
      const device = yield* makeDevice
      const claims = yield* Claims.Claims
      const ledger = yield* Ledger.Ledger
      let seed = 1
      const dice = (sides: number) => (seed = (seed * 48_271) % 2_147_483_647) % sides
      let paid = 0n
      for (let run = 0; run < 30; run++) {
        const kinds = Array.from({ length: 1 + dice(8) }, () => dice(4))
        const ids = SampleEntry.requestIds(kinds.length)
        const lines = []
        for (const [at, kind] of kinds.entries()) {
          const id = ids[at] as Request.RequestId
          if (kind < 3) yield* takeHold(id, kind === 0 ? 1 : 100_000)
          if (kind === 1) yield* ledger.void(Hold.HoldId.make(id), [])
          const outputToken = dice(60)
          if (kind === 0) {
            const share = (2_000_000n * BigInt(outputToken) * 9n) / 10n
            paid += share < CAP ? share : CAP
          }
          const nowMs = yield* Clock.currentTimeMillis
          const ticket = yield* device.ticket(id, { issuedAtMs: nowMs - 10_000, expiresAtMs: nowMs + 60_000 })
          lines.push(yield* entryFor(device, id, { ticket, usage: { outputToken } }))
        }
        yield* TestClock.adjust(2)
        yield* ledger.expire(100)
        const from = 1 + dice(1000)
        const verdict = yield* claims.process(device, device.chain(lines, from))
        const waiting = kinds.indexOf(2)
        assert.strictEqual(verdict.acknowledged, from - 1 + (waiting === -1 ? kinds.length : waiting), `run ${run}`)
        assert.strictEqual(verdict.refused.length, kinds.filter((kind) => kind === 3).length)
        assert.strictEqual(yield* balance(EARNED), paid)
      }
      const store = yield* LedgerStore.LedgerStore
      const accounts = yield* store.accounts()
      assert.strictEqual(
        accounts.reduce((sum, account) => sum + account.balance, 0n),
        0n,
      )
    }).pipe(Effect.provide(layer)),
  )
})
