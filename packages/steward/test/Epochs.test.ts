import { assert, describe, it } from "@effect/vitest"
import * as Address from "@guildhall/chain/Address"
import * as ChainError from "@guildhall/chain/ChainError"
import * as CumulativeTree from "@guildhall/chain/CumulativeTree"
import { Settlement } from "@guildhall/chain/Settlement"
import * as Record from "@guildhall/chain/SettlementRecord"
import * as SettlementRecordMemory from "@guildhall/chain/SettlementRecordMemory"
import { AssetCode } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import * as Account from "@guildhall/ledger/Account"
import * as Ledger from "@guildhall/ledger/Ledger"
import * as LedgerStoreMemory from "@guildhall/ledger/LedgerStoreMemory"
import * as Opening from "@guildhall/ledger/Opening"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { WorkflowEngine } from "effect/workflow"
import * as Epochs from "../src/Epochs.ts"
import * as Scripted from "./ScriptedSettlement.ts"

const asset = { code: AssetCode.make("USD"), scale: 12 }
/** A millionth of a dollar, the token's smallest unit, in the books' unit. */
const unit = 1_000_000n
const hour = 3_600_000

const walletOf = (name: string): Address.Address =>
  Address.fromBytes(Uint8Array.from({ length: 20 }, (_, at) => name.charCodeAt(at % name.length)))
const member = (name: string) => MemberId.make(`mem_${name}`)
const world = Account.ids.external("world")

/** An epoch of the contract that the tests begin with. */
const at = (epoch: number): Record.Of => ({ asset: asset.code, token: Scripted.token, ...Scripted.domain, epoch })

let postings = 0

/** Lets a member earn, of money of a source. */
const earn = Effect.fnUntraced(function* (name: string, amount: bigint, source = "card") {
  const ledger = yield* Ledger.Ledger
  const account = Account.ids.accrual(source, member(name))
  yield* give(account, amount)
  return ledger
})

const give = Effect.fnUntraced(function* (account: Account.AccountId, amount: bigint) {
  const ledger = yield* Ledger.Ledger
  for (const id of [world, account]) yield* ledger.open(Opening.of(id, asset))
  yield* ledger.post({
    idempotencyKey: `test:${++postings}`,
    kind: "topUp",
    legs: [
      { account: world, amount: -amount },
      { account, amount },
    ],
    attachments: [],
  })
})

const balance = (id: Account.AccountId) =>
  Effect.flatMap(Ledger.Ledger, (ledger) => Effect.map(ledger.accounts([id]), ([found]) => found?.balance ?? 0n))

interface Scene {
  readonly place: ReturnType<typeof Scripted.inMemory>
  /** Who has no wallet. */
  readonly without: Set<string>
  /** What the next acts fail with, each once. */
  readonly failures: Array<ChainError.ChainReason | "lost">
}

const options = (scene: Scene, changes: Partial<Epochs.Options["settling"]>): Epochs.Options => ({
  settling: { asset: asset.code, kind: "root", epochMs: hour, sources: { card: { afterMs: 0 } }, ...changes },
  asset,
  token: { address: Scripted.token, decimals: 6 },
  definition: "d1",
  by: Scripted.operator,
  wallets: (members) =>
    Effect.succeed(
      new Map(
        members.flatMap((id) => {
          const name = id.slice("mem_".length)
          return scene.without.has(name) ? [] : [[id, walletOf(name)] as const]
        }),
      ),
    ),
  multipliers: (accounts) =>
    Effect.succeed(new Map(accounts.map((account) => [account, account === walletOf("pro") ? 15_000 : 10_000]))),
  finalityMs: 10_000,
  firstWaitMs: 1_000,
  longestWaitMs: 60_000,
})

const run = (
  test: (
    scene: Scene,
    round: Effect.Effect<void, unknown>,
  ) => Effect.Effect<void, unknown, Ledger.Ledger | Record.SettlementRecord>,
  changes: Partial<Epochs.Options["settling"]> = {},
  funded = 10n ** 12n,
) =>
  Effect.suspend(() => {
    const place = Scripted.inMemory(Scripted.fresh(funded, 10n ** 12n))
    const scene: Scene = { place, without: new Set(), failures: [] }
    const settlement = Scripted.make(place, (_, act) =>
      Effect.suspend(() => {
        const failure = scene.failures.shift()
        if (failure === undefined) return act
        if (failure !== "lost") return Effect.fail(new ChainError.ChainError({ reason: failure }))
        const detail = "the answer was lost."
        const reason = new ChainError.Undecided({ idempotencyKey: "", detail })
        return Effect.andThen(act, Effect.fail(new ChainError.ChainError({ reason })))
      }),
    )
    const layer = Layer.mergeAll(
      Ledger.layer.pipe(Layer.provideMerge(LedgerStoreMemory.layer)),
      SettlementRecordMemory.layer,
      Layer.succeed(Settlement, settlement),
      WorkflowEngine.layerMemory,
    )
    return Effect.gen(function* () {
      const { round } = yield* Epochs.make(options(scene, changes))
      yield* test(scene, round)
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

const rest = Effect.forEach(Array.from({ length: 60 }), () => Effect.yieldNow, { discard: true })

/** Rounds every ten seconds for so many minutes, as the loop makes them. */
const pass = Effect.fnUntraced(function* (round: Effect.Effect<void, unknown>, minutes: number) {
  for (let tens = 0; tens < minutes * 6; tens++) {
    yield* round
    yield* rest
    yield* TestClock.adjust("10 seconds")
    yield* rest
  }
})

const epochs = Effect.flatMap(Record.SettlementRecord, (record) => record.epochs({ limit: 20 }))
const states = Effect.map(epochs, (found) => found.map(({ epoch, state }) => `${epoch} ${state}`))

/** Every account with a leaf in the epoch claims by its proof, without the market. */
const claimAll = Effect.fnUntraced(function* (
  { place }: Pick<Scene, "place">,
  epoch: number,
  domain = Scripted.domain,
) {
  const record = yield* Record.SettlementRecord
  const settlement = Scripted.make(place, undefined, { at: domain, delayS: Scripted.challengeDelayS })
  for (const { account, cumulative, proof } of yield* record.leaves({ ...at(epoch), ...domain })) {
    const idempotencyKey = `claim:${epoch}:${account}`
    yield* settlement.act({
      _tag: "ClaimRoot",
      by: account,
      idempotencyKey,
      token: Scripted.token,
      account,
      cumulative,
      proof,
    })
  }
})

const claimedBy = ({ place }: Pick<Scene, "place">, name: string) => place.state.claimed[walletOf(name)] ?? 0n
const payable = (name: string) => Account.ids.payable("Settlement", member(name))
const paid = balance(Account.ids.external("Settlement"))

describe("Epochs", () => {
  it.effect("settles an epoch: floors once to the token's unit, posts a root, and lets all claim exactly that", () =>
    run((scene, round) =>
      Effect.gen(function* () {
        yield* earn("ann", 5n * unit + 7n)
        yield* earn("bob", 3n * unit)
        yield* earn("tiny", 9n)
        yield* earn("grantee", 9n * unit, "grant")
        yield* pass(round, 59)
        assert.isEmpty(yield* epochs)
        yield* pass(round, 1.5)
        // Within the epoch that has begun since; it is not paid in this one.
        yield* earn("ann", 2n * unit)
        yield* pass(round, 3)
        assert.deepStrictEqual(yield* states, ["0 claimable"])
        const [epoch] = yield* epochs
        assert.deepStrictEqual(epoch?.sum, {
          commitment: scene.place.state.root,
          gross: 9n,
          boost: 0n,
          boostLeft: 0n,
          total: 8n,
          payees: 2,
          accounts: 2,
        })
        yield* claimAll(scene, 0)
        assert.deepStrictEqual([claimedBy(scene, "ann"), claimedBy(scene, "bob")], [5n, 3n])
        assert.strictEqual(yield* paid, 8n * unit)
        assert.strictEqual(yield* balance(payable("ann")), 7n)
        assert.strictEqual(yield* balance(payable("tiny")), 9n)
        assert.strictEqual(yield* balance(Account.ids.accrual("grant", member("grantee"))), 9n * unit)
        // All that was set aside was paid out: there is no dust.
        assert.strictEqual(scene.place.state.paid, 0n)

        yield* pass(round, 62)
        assert.deepStrictEqual(yield* states, ["1 claimable", "0 claimable"])
        yield* claimAll(scene, 1)
        // What was too small before counts now, and bob, who earned nothing, has nothing more and loses nothing.
        assert.deepStrictEqual([claimedBy(scene, "ann"), claimedBy(scene, "bob")], [7n, 3n])
        assert.strictEqual(yield* paid, 10n * unit)
        assert.deepStrictEqual(scene.place.state.proposed, [0, 1])
      }),
    ),
  )

  it.effect("proofs can be checked as soon as the chain has the root, and an epoch without earnings is empty", () =>
    run((_, round) =>
      Effect.gen(function* () {
        yield* pass(round, 61)
        assert.deepStrictEqual(yield* states, ["0 empty"])
        yield* earn("ann", 5n * unit)
        yield* pass(round, 60)
        const [epoch] = yield* epochs
        assert.strictEqual(epoch?.state, "posted")
        const record = yield* Record.SettlementRecord
        const [leaf] = yield* record.leaves(at(1), member("ann"))
        assert.isDefined(leaf)
        if (leaf === undefined || epoch?.sum === null || epoch === undefined) return
        const hash = CumulativeTree.leaf({ ...Scripted.domain, token: Scripted.token }, leaf)
        assert.isTrue(CumulativeTree.isProved(epoch.sum.commitment, hash, leaf.proof))
        yield* pass(round, 3)
        assert.deepStrictEqual((yield* states)[0], "1 claimable")
      }),
    ),
  )

  it.effect("who has no wallet keeps what it earned, and is paid once it has one; under the minimum it waits", () =>
    run(
      (scene, round) =>
        Effect.gen(function* () {
          scene.without.add("ann")
          yield* earn("ann", 50n * unit)
          yield* earn("bob", 19n * unit)
          yield* pass(round, 63)
          assert.deepStrictEqual(yield* states, ["0 empty"])
          assert.strictEqual(yield* balance(Account.ids.accrual("card", member("ann"))), 50n * unit)
          scene.without.delete("ann")
          yield* earn("bob", 2n * unit)
          yield* pass(round, 63)
          yield* claimAll(scene, 1)
          assert.deepStrictEqual([claimedBy(scene, "ann"), claimedBy(scene, "bob")], [50n, 21n])
        }),
      { minimum: 20n },
    ),
  )

  it.effect("money that can be taken back for a while is settled when it cannot any more", () =>
    run(
      (scene, round) =>
        Effect.gen(function* () {
          yield* earn("ann", 5n * unit)
          yield* pass(round, 90)
          yield* earn("ann", 3n * unit)
          yield* pass(round, 33)
          assert.deepStrictEqual(yield* states, ["1 claimable", "0 empty"])
          assert.strictEqual(scene.place.state.paid, 5n)
          yield* pass(round, 60)
          assert.strictEqual(scene.place.state.paid, 8n)
        }),
      { sources: { card: { afterMs: hour } } },
    ),
  )

  it.effect("what tiers add comes from the boost pool alone, scaled where it is too little, with its cap", () =>
    run(
      (scene, round) =>
        Effect.gen(function* () {
          yield* earn("pro", 10n * unit)
          yield* earn("ann", 10n * unit)
          yield* pass(round, 63)
          // The pool was not funded, so it paid nothing.
          assert.strictEqual(scene.place.state.boostPool, 10n ** 12n)
          yield* give(Account.ids.pool("boost"), 100n * unit)
          yield* earn("pro", 10n * unit + 1n)
          yield* earn("ann", 10n * unit)
          yield* pass(round, 60)
          yield* claimAll(scene, 1)
          assert.deepStrictEqual([claimedBy(scene, "pro"), claimedBy(scene, "ann")], [25n, 20n])
          assert.strictEqual(scene.place.state.boostPool, 10n ** 12n - 5n)
          assert.strictEqual(yield* balance(Account.ids.pool("boost")), 95n * unit)
          const [second] = yield* epochs
          assert.deepInclude(second?.sum, { boost: 5n, total: 25n, gross: 23n, boostLeft: 0n })
          // Beyond the cap of an epoch all are scaled.
          yield* earn("pro", 100n * unit)
          yield* pass(round, 60)
          const [third] = yield* epochs
          assert.deepInclude(third?.sum, { boost: 8n, total: 108n })
          assert.strictEqual(yield* balance(Account.ids.pool("boost")), 87n * unit)
        }),
      { boost: { cap: 8n * unit } },
    ),
  )

  it.effect("a boost of an epoch that is too small to pay anybody is paid with the next one", () =>
    run(
      (_, round) =>
        Effect.gen(function* () {
          yield* give(Account.ids.pool("boost"), 100n * unit)
          yield* earn("pro", (6n * unit) / 10n)
          yield* pass(round, 63)
          const [first] = yield* epochs
          assert.strictEqual(first?.state, "empty")
          assert.strictEqual(yield* balance(Account.ids.pool("boost")), 100n * unit - (3n * unit) / 10n)
          yield* earn("pro", 2n * unit)
          yield* pass(round, 60)
          const [second] = yield* epochs
          assert.deepInclude(second?.sum, { total: 3n, boost: 1n, boostLeft: (3n * unit) / 10n })
        }),
      { boost: { cap: 8n * unit } },
    ),
  )

  it.effect("a batch credits all at once, and who finds no room is first in a later one", () =>
    run(
      (scene, round) =>
        Effect.gen(function* () {
          for (const [name, amount] of [
            ["a", 9n],
            ["b", 8n],
            ["c", 7n],
            ["d", 6n],
          ] as const) {
            yield* earn(name, amount * unit)
          }
          yield* pass(round, 63)
          assert.strictEqual(scene.place.state.paid, 24n)
          yield* pass(round, 60)
          assert.strictEqual(scene.place.state.paid, 30n)
          assert.strictEqual(yield* paid, 30n * unit)
          assert.deepStrictEqual(scene.place.state.applied, [0, 1])
        }),
      { kind: "batch" },
    ),
  )

  it.effect("a contract with too little funds waits, says so, and goes on once it is funded", () =>
    run(
      (scene, round) =>
        Effect.gen(function* () {
          yield* earn("ann", 5n * unit)
          yield* pass(round, 70)
          assert.deepStrictEqual(yield* states, ["0 netted"])
          assert.strictEqual(yield* paid, 0n)
          scene.place.state = { ...scene.place.state, funded: 100n }
          yield* pass(round, 4)
          assert.deepStrictEqual(yield* states, ["0 claimable"])
          assert.strictEqual(yield* paid, 5n * unit)
        }),
      {},
      3n,
    ),
  )

  it.effect("answers that are lost and a chain that is away repeat nothing", () =>
    run((scene, round) =>
      Effect.gen(function* () {
        yield* earn("ann", 5n * unit)
        const away = new ChainError.Unavailable({ detail: "no endpoint answered." })
        scene.failures.push(away, "lost", away)
        yield* pass(round, 62)
        scene.failures.push("lost", away)
        yield* pass(round, 5)
        assert.deepStrictEqual(yield* states, ["0 claimable"])
        assert.deepStrictEqual([scene.place.state.proposed, scene.place.state.applied], [[0], [0]])
        assert.strictEqual(yield* paid, 5n * unit)
      }),
    ),
  )

  it.effect("an epoch that its challenger cancels gives everything back, and the next one pays it, once", () =>
    run((scene, round) =>
      Effect.gen(function* () {
        yield* earn("ann", 5n * unit)
        yield* pass(round, 60.5)
        assert.deepStrictEqual(yield* states, ["0 posted"])
        scene.place.state = Scripted.cancelled(scene.place.state)
        yield* pass(round, 5)
        assert.deepStrictEqual(yield* states, ["0 cancelled"])
        assert.deepStrictEqual([yield* paid, yield* balance(payable("ann"))], [0n, 5n * unit])
        yield* pass(round, 58)
        yield* claimAll(scene, 1)
        assert.strictEqual(claimedBy(scene, "ann"), 5n)
        assert.strictEqual(yield* paid, 5n * unit)
      }),
    ),
  )

  it.effect("a root that the chain rewrites away is brought there again, before it counts and after", () =>
    run((scene, round) =>
      Effect.gen(function* () {
        yield* earn("ann", 5n * unit)
        const before = scene.place.state
        yield* pass(round, 60.5)
        assert.deepStrictEqual(yield* states, ["0 posted"])
        scene.place.state = before
        yield* pass(round, 5)
        assert.deepStrictEqual(yield* states, ["0 claimable"])
        assert.strictEqual(yield* paid, 5n * unit)
        // Deeper than it should ever be: the books do not change, and the chain is given it again.
        scene.place.state = before
        yield* pass(round, 3)
        assert.deepStrictEqual(scene.place.state.applied, [0])
        yield* claimAll(scene, 0)
        assert.strictEqual(claimedBy(scene, "ann"), 5n)
        assert.strictEqual(yield* paid, 5n * unit)
      }),
    ),
  )

  it.effect("where the market stood still for several epochs, the last one pays for all", () =>
    run((scene, round) =>
      Effect.gen(function* () {
        yield* earn("ann", 5n * unit)
        yield* TestClock.adjust("301 minutes")
        yield* pass(round, 4)
        assert.deepStrictEqual(yield* states, ["4 claimable"])
        assert.strictEqual(scene.place.state.paid, 5n)
      }),
    ),
  )

  const former = Scripted.domain
  const present = { ...former, contract: Address.fromBytes(new Uint8Array(20).fill(7)) }
  const books = Layer.mergeAll(
    Ledger.layer.pipe(Layer.provideMerge(LedgerStoreMemory.layer)),
    SettlementRecordMemory.layer,
  )

  /** The market runs for so many minutes with its epochs on a contract, and ends. */
  const live = (
    place: Scene["place"],
    domain: typeof former,
    minutes: number,
    changes: Partial<Epochs.Options["settling"]> = {},
  ) =>
    Effect.gen(function* () {
      const { round } = yield* Epochs.make(options({ place, without: new Set(), failures: [] }, changes))
      yield* pass(round, minutes)
    }).pipe(
      Effect.scoped,
      Effect.provide(WorkflowEngine.layerMemory),
      Effect.provideService(
        Settlement,
        Scripted.make(place, undefined, { at: domain, delayS: Scripted.challengeDelayS }),
      ),
    )

  it.effect(
    "a market that moves to another contract counts anew there, and takes no former epoch for one of its own",
    () =>
      Effect.gen(function* () {
        const boost = { cap: 100n * unit }
        const places = [
          Scripted.inMemory(Scripted.fresh(100n, 100n)),
          Scripted.inMemory(Scripted.fresh(100n, 100n)),
        ] as const
        yield* give(Account.ids.pool("boost"), 100n * unit)
        yield* earn("pro", 10n * unit)
        yield* live(places[0], former, 63, { boost })
        yield* earn("pro", 2n * unit)
        // Epochs of the new contract are longer, so its first one has the number 0 again.
        yield* live(places[1], present, 61, { boost, epochMs: 2 * hour })
        assert.deepStrictEqual(yield* states, ["0 claimable", "0 claimable"])
        const [second, first] = yield* epochs
        assert.deepStrictEqual([first?.contract, second?.contract], [former.contract, present.contract])
        assert.deepInclude(first?.sum, { total: 15n, boost: 5n })
        assert.deepInclude(second?.sum, { total: 3n, boost: 1n })
        yield* claimAll({ place: places[0] }, 0)
        yield* claimAll({ place: places[1] }, 0, present)
        assert.deepStrictEqual(
          places.map((place) => claimedBy({ place }, "pro")),
          [15n, 3n],
        )
        assert.strictEqual(yield* paid, 18n * unit)
        // Back on the former one it goes on from what was earned there.
        yield* earn("pro", 4n * unit)
        yield* live(places[0], former, 60)
        yield* claimAll({ place: places[0] }, 2)
        assert.strictEqual(claimedBy({ place: places[0] }, "pro"), 19n)
      }).pipe(Effect.provide(books)),
  )

  it.effect(
    "an epoch that is under way ends on the contract it began on, and until then nothing begins on another",
    () =>
      Effect.gen(function* () {
        const places = [Scripted.inMemory(Scripted.fresh(100n)), Scripted.inMemory(Scripted.fresh(100n))] as const
        yield* earn("ann", 5n * unit)
        yield* live(places[0], former, 60.5)
        assert.deepStrictEqual(yield* states, ["0 posted"])
        yield* earn("ann", 3n * unit)
        yield* live(places[1], present, 20)
        assert.deepStrictEqual([yield* states, places[1].state.proposed], [["0 posted"], []])
        yield* live(places[0], former, 3)
        assert.deepStrictEqual(yield* states, ["0 claimable"])
        yield* live(places[1], present, 40)
        assert.deepStrictEqual(yield* states, ["1 claimable", "0 empty", "0 claimable"])
        yield* claimAll({ place: places[0] }, 0)
        yield* claimAll({ place: places[1] }, 1, present)
        assert.deepStrictEqual(
          places.map((place) => claimedBy({ place }, "ann")),
          [5n, 3n],
        )
        assert.strictEqual(yield* paid, 8n * unit)
      }).pipe(Effect.provide(books)),
  )
})
