import { afterAll, assert, describe, it } from "@effect/vitest"
import type { Address } from "@guildhall/chain/Address"
import * as AddressOf from "@guildhall/chain/Address"
import { AssetCode } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import type { PayoutRail } from "@guildhall/ledger/PayoutRail"
import * as PayoutRailTest from "@guildhall/ledger/testing/PayoutRailTest"
import { Effect } from "effect"
import { hash } from "node:crypto"
import * as Development from "../src/Development.ts"
import * as EvmPayoutRail from "../src/EvmPayoutRail.ts"
import * as Token from "../src/Token.ts"
import * as Anvil from "@guildhall/tools/Anvil"
import * as RailScene from "./RailScene.ts"
import * as SenderTrial from "./SenderTrial.ts"

const { inside, runtime } = RailScene.start()
afterAll(() => runtime.dispose())

const asset = AssetCode.make("USD")
const dollar = 10n ** 12n
const amount = 5n * dollar

/** Every member has an address that follows from its id. */
const addressOf = (member: MemberId): Address =>
  AddressOf.fromBytes(new Uint8Array(hash("sha256", member, "buffer").subarray(0, 20)))

let made = 0

/** A rail of its own name, over the one market of this file. */
const make = (funded = 1_000_000n) => {
  made += 1
  const name = `Usdc${made}`
  const scene = Effect.runSync(
    Effect.cached(
      Effect.gen(function* () {
        const { contracts, deployer, roles, tokens } = yield* RailScene.market
        const rail = yield* EvmPayoutRail.make({
          name,
          settlement: contracts.settlement,
          operator: roles.operator,
          assets: [RailScene.usd(tokens.usd)],
          addressOf: (member) => Effect.succeed(member.includes("nowhere") ? undefined : addressOf(member)),
        })
        const fund = (units: bigint) =>
          Development.fund({
            idempotencyKey: `${name} ${units}`,
            by: deployer,
            token: tokens.usd,
            settlement: contracts.settlement,
            funded: units,
            boost: 0n,
          })
        if (funded > 0n) yield* fund(funded * 1_000_000n)
        return { ...rail, fund, token: tokens.usd, settlement: contracts.settlement, operator: roles.operator }
      }),
    ),
  )
  const settle = Effect.gen(function* () {
    const { flush } = yield* scene
    const anvil = yield* Anvil.Anvil
    yield* flush
    yield* anvil.mine(3)
    yield* flush
  })
  const rail: PayoutRail = {
    name,
    capabilities: { scale: 6, cancels: false, keyLifeMs: null, absenceMs: null },
    send: (payout) => inside(Effect.flatMap(scene, ({ rail }) => rail.send(payout))) as ReturnType<PayoutRail["send"]>,
    find: (key) => inside(Effect.flatMap(scene, ({ rail }) => rail.find(key))) as ReturnType<PayoutRail["find"]>,
    movements: (after, limit) =>
      inside(Effect.flatMap(scene, ({ rail }) => rail.movements(after, limit))) as ReturnType<PayoutRail["movements"]>,
  }
  return { rail, scene, settle }
}

PayoutRailTest.suite("Settlement on anvil", () => {
  const { rail, scene, settle } = make()
  const moved = Effect.flatMap(scene, ({ settlement, token }) =>
    Effect.map(Token.balance(token, settlement), (balance) => -balance),
  )
  return { rail, asset, amount, moved: Effect.orDie(inside(moved)), advance: Effect.orDie(inside(settle)) }
})

PayoutRailTest.breaks(
  "it forgets what was sent",
  () => {
    const { rail } = make(0n)
    return {
      rail: { ...rail, send: (payout) => rail.send({ ...payout, idempotencyKey: `x${(made += 1)}` }) },
      asset,
      amount,
    }
  },
  1,
)

const payout = (key: string, member: string, of = amount) => ({
  idempotencyKey: key,
  member: MemberId.make(`mem_${member}`),
  asset,
  amount: of,
})

describe("EvmPayoutRail", () => {
  it.live(
    "pays 250 members in one transaction, each its amount",
    () =>
      inside(
        Effect.gen(function* () {
          const { scene, settle } = make()
          const { rail, token } = yield* scene
          const anvil = yield* Anvil.Anvil
          const members = Array.from({ length: 250 }, (_, at) => `many-${at}`)
          yield* Effect.forEach(members, (member, at) => rail.send(payout(`m${at}`, member, BigInt(at + 1) * dollar)), {
            concurrency: 8,
          })
          const before = yield* anvil.blockNumber
          yield* settle
          // One block of the batch, and the three that were mined.
          assert.strictEqual((yield* anvil.blockNumber) - before, 4)
          for (const at of [0, 100, 249]) {
            const units = yield* Token.balance(token, addressOf(MemberId.make(`mem_many-${at}`)))
            assert.strictEqual(units, BigInt(at + 1) * 1_000_000n)
          }
          const states = (yield* rail.movements(null, 1_000)).map(({ state }) => state._tag)
          assert.deepStrictEqual(new Set(states), new Set(["Succeeded"]))
        }),
      ),
    30_000,
  )

  it.live("waits where too little is funded, says why, and pays once it is", () =>
    inside(
      Effect.gen(function* () {
        const { scene, settle } = make(0n)
        const { fund, rail } = yield* scene
        const huge = payout("huge", "huge", 10_000_000n * dollar)
        yield* rail.send(huge)
        yield* settle
        const waiting = yield* rail.find("huge")
        assert.strictEqual(waiting.state._tag, "Pending")
        yield* fund(10_000_000n * 1_000_000n)
        yield* settle
        assert.strictEqual((yield* rail.find("huge")).state._tag, "Succeeded")
      }),
    ),
  )

  it.live("pays once though the block of the batch is taken back, and another process sends it too", () =>
    inside(
      Effect.gen(function* () {
        const { scene, settle } = make()
        const { flush, operator, rail, token } = yield* scene
        const anvil = yield* Anvil.Anvil
        yield* rail.send(payout("again", "again"))
        yield* Effect.all([flush, flush], { concurrency: 2 })
        assert.strictEqual((yield* rail.find("again")).state._tag, "Pending")
        yield* SenderTrial.survived([operator], Effect.andThen(anvil.reorg(1), anvil.mine(1)))
        yield* settle
        yield* settle
        assert.strictEqual((yield* rail.find("again")).state._tag, "Succeeded")
        assert.strictEqual(yield* Token.balance(token, addressOf(MemberId.make("mem_again"))), 5_000_000n)
      }),
    ),
  )

  it.live(
    "refuses what the chain cannot carry: parts of a unit, too much, an asset without a token, a member without an address",
    () =>
      inside(
        Effect.gen(function* () {
          const { rail } = yield* make(0n).scene
          const cases = [
            payout("fine", "fine", amount + 1n),
            payout("large", "large", 2n ** 96n * 1_000_000n),
            { ...payout("euro", "euro"), asset: AssetCode.make("EUR") },
            payout("lost", "nowhere"),
          ]
          for (const asked of cases) {
            assert.strictEqual((yield* Effect.flip(rail.send(asked))).reason, "Refused")
            assert.strictEqual((yield* Effect.flip(rail.find(asked.idempotencyKey))).reason, "NotFound")
          }
        }),
      ),
  )
})
