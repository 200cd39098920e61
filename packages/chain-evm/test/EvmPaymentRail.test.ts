import { afterAll, assert, describe, it } from "@effect/vitest"
import * as AddressOf from "@guildhall/chain/Address"
import { AssetCode } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import type { PaymentRail } from "@guildhall/ledger/PaymentRail"
import * as PaymentRailTest from "@guildhall/ledger/testing/PaymentRailTest"
import { Effect } from "effect"
import { HDKey, privateKeyToAddress } from "viem/accounts"
import * as DepositKey from "../src/DepositKey.ts"
import * as Development from "../src/Development.ts"
import * as EvmPaymentRail from "../src/EvmPaymentRail.ts"
import * as Indexer from "../src/Indexer.ts"
import * as IndexStoreSql from "../src/IndexStoreSql.ts"
import { Rpc } from "../src/Rpc.ts"
import * as Anvil from "@guildhall/tools/Anvil"
import * as RailScene from "./RailScene.ts"
import * as SenderTrial from "./SenderTrial.ts"

const { inside, runtime } = RailScene.start()
afterAll(() => runtime.dispose())

const asset = AssetCode.make("USD")
const dollar = 10n ** 12n
const amount = 5n * dollar
const xpub = HDKey.fromMasterSeed(new Uint8Array(64).fill(7)).derive("m/44'/60'/0'/0").publicExtendedKey

/** A token that keeps a hundredth of what is moved, as far as its events say: log3(Transfer, caller, to, amount - amount / 100). */
const FEE = AddressOf.fromBytes(new Uint8Array(20).fill(0xfe))
const FEE_CODE = [
  "0x602435806064900490035f52600435337f",
  "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
  "60205fa300",
].join("")

let made = 0

const make = () => {
  made += 1
  const name = `Deposit${made}`
  const scene = Effect.runSync(
    Effect.cached(
      Effect.gen(function* () {
        const { deployer, tokens } = yield* RailScene.market
        const anvil = yield* Anvil.Anvil
        const rpc = yield* Rpc
        const store = yield* IndexStoreSql.make({ name, subject: "test" })
        const rail = yield* EvmPaymentRail.make({
          name,
          fundingSource: "usdc",
          chainId: rpc.chain.id,
          assets: [
            RailScene.usd(tokens.usd),
            { asset: { code: AssetCode.make("GLD"), scale: 6 }, token: tokens.stake, decimals: 18 },
            { asset: { code: AssetCode.make("FEE"), scale: 0 }, token: FEE, decimals: 0 },
          ],
          addresses: yield* DepositKey.fromExtendedKey(xpub),
          store,
        })
        const firstBlock = yield* anvil.blockNumber
        const index = Indexer.make({ name, rpc, store, firstBlock, watches: rail.watches })
        let paid = 0
        const pay = Effect.fnUntraced(function* (member: MemberId, units: bigint, token = tokens.usd) {
          paid += 1
          const to = yield* rail.addressOf(member)
          const idempotencyKey = `${name} ${paid}`
          yield* Development.mint({ idempotencyKey, by: deployer, token, to, amount: units })
        })
        const read = Effect.andThen(index.catchUp, rail.take)
        const settle = Effect.gen(function* () {
          yield* anvil.mine(3)
          yield* read
        })
        return { ...rail, pay, payer: deployer, read, settle, tokens, anvil }
      }),
    ),
  )
  const members = new Map<string, MemberId>()
  const rail: PaymentRail = {
    name,
    fundingSource: "usdc",
    capabilities: { refunds: false },
    start: (topUp) => {
      members.set(topUp.idempotencyKey, topUp.member)
      return inside(Effect.flatMap(scene, ({ rail }) => rail.start(topUp))) as ReturnType<PaymentRail["start"]>
    },
    find: (key) => inside(Effect.flatMap(scene, ({ rail }) => rail.find(key))) as ReturnType<PaymentRail["find"]>,
    movements: (after, limit) =>
      inside(Effect.flatMap(scene, ({ rail }) => rail.movements(after, limit))) as ReturnType<PaymentRail["movements"]>,
  }
  /** Pays everything that waits. */
  const advance = Effect.gen(function* () {
    const { pay, rail, settle } = yield* scene
    for (const { amount, idempotencyKey, state } of yield* rail.movements(null, 1_000)) {
      const member = members.get(idempotencyKey)
      if (state._tag === "Pending" && member !== undefined) yield* pay(member, amount / 1_000_000n)
    }
    yield* settle
  })
  return { rail, scene, advance }
}

PaymentRailTest.suite("Deposits on anvil", () => {
  const { advance, rail } = make()
  return { rail, asset, amount, advance: Effect.orDie(inside(advance)) }
})

PaymentRailTest.breaks(
  "it lists every other movement",
  () => {
    const { rail } = make()
    const movements: PaymentRail["movements"] = (after, limit) =>
      Effect.map(rail.movements(after, limit), (page) => page.filter((_, at) => at % 2 === 0))
    return { rail: { ...rail, movements }, asset, amount }
  },
  4,
)

const ann = MemberId.make("mem_ann")

const topUp = (key: string, member = ann, of = amount) => ({ idempotencyKey: key, member, asset, amount: of })

describe("EvmPaymentRail", () => {
  it.live("says how to pay, waits for the confirmations, and takes the transfer that was asked for", () =>
    inside(
      Effect.gen(function* () {
        const { addressOf, pay, rail, read, settle, tokens } = yield* make().scene
        const asked = yield* rail.start(topUp("k1"))
        const address = yield* addressOf(ann)
        assert.deepStrictEqual(asked.state, {
          _tag: "Pending",
          next: `ethereum:${tokens.usd}@31337/transfer?address=${address}&uint256=5000000`,
        })
        yield* pay(ann, 5_000_000n)
        yield* read
        assert.strictEqual((yield* rail.find("k1")).state._tag, "Pending")
        yield* settle
        assert.strictEqual((yield* rail.find("k1")).state._tag, "Succeeded")
        assert.lengthOf(yield* rail.movements(null, 10), 1)
      }),
    ),
  )

  it.live(
    "credits what arrived where it is another amount, of any token with its own decimals, and nothing of a stranger's",
    () =>
      inside(
        Effect.gen(function* () {
          const { addressOf, anvil, pay, rail, settle, tokens } = yield* make().scene
          yield* rail.start(topUp("k1"))
          // A token that keeps a part, or a payer who sends too little: what arrived is what counts.
          yield* pay(ann, 4_950_000n)
          yield* pay(ann, 2_000_000_000_000_000_000n, tokens.stake)
          yield* pay(ann, 999_999_999_999n, tokens.stake)
          yield* anvil.request("anvil_setCode", [FEE, FEE_CODE])
          yield* anvil.request("anvil_autoImpersonateAccount", [true])
          const word = (digits: string) => digits.padStart(64, "0")
          const data = `0xa9059cbb${word((yield* addressOf(ann)).slice(2))}${word((1_000).toString(16))}`
          yield* anvil.request("eth_sendTransaction", [
            { from: (yield* anvil.account("payer")).address, to: FEE, data },
          ])
          yield* settle
          const movements = yield* rail.movements(null, 10)
          assert.deepStrictEqual(
            movements.map(({ amount, asset, state }) => [amount, asset, state._tag]),
            [
              [amount, "USD", "Pending"],
              [4_950_000n * 1_000_000n, "USD", "Succeeded"],
              [2_000_000n, "GLD", "Succeeded"],
              [990n, "FEE", "Succeeded"],
            ],
          )
          assert.match(movements[1]?.idempotencyKey ?? "", /^deposit:31337:0x[0-9a-f]{64}:\d+$/)
        }),
      ),
  )

  it.live("credits a transfer once, though a fork moves it to another block", () =>
    inside(
      Effect.gen(function* () {
        const { anvil, pay, payer, rail, settle } = yield* make().scene
        yield* rail.start(topUp("k1"))
        yield* pay(ann, 5_000_000n)
        yield* pay(ann, 7_000_000n)
        yield* settle
        const before = yield* rail.movements(null, 10)
        assert.lengthOf(before, 2)
        yield* SenderTrial.survived([payer], Effect.andThen(anvil.reorg(5), settle))
        yield* settle
        yield* settle
        assert.deepStrictEqual(yield* rail.movements(null, 10), before)
      }),
    ),
  )

  it.live("hands over what arrived until it is taken, and not what the chain took back before", () =>
    inside(
      Effect.gen(function* () {
        const { anvil, deliver, pay, rail, read, settle } = yield* make().scene
        const seen: Array<readonly [string | undefined, bigint, boolean]> = []
        const hand = (isTaken: (amount: bigint) => boolean) => {
          seen.length = 0
          return deliver(({ amount, externalId }) =>
            Effect.sync(() => {
              seen.push([externalId.replace(/^deposit\d+-/, ""), amount / dollar, isTaken(amount)])
              return isTaken(amount)
            }),
          )
        }
        yield* rail.start(topUp("k1"))
        assert.strictEqual(yield* hand(() => true), 0)
        yield* pay(ann, 5_000_000n)
        yield* pay(ann, 7_000_000n)
        yield* settle
        const [first, second] = yield* rail.movements(null, 10)
        const numbers = [first, second].map((movement) => movement?.cursor)
        // Whose account takes nothing keeps nobody else waiting.
        assert.strictEqual(yield* hand((of) => of !== amount), 1)
        assert.deepStrictEqual(seen, [
          [numbers[0], 5n, false],
          [numbers[1], 7n, true],
        ])
        assert.strictEqual(yield* hand(() => true), 1)
        assert.strictEqual(yield* hand(() => true), 0)
        // Credited, and taken back for good before anybody posted it.
        yield* pay(ann, 9_000_000n)
        yield* settle
        yield* anvil.reorg(4)
        yield* anvil.request("anvil_dropAllTransactions")
        yield* read
        assert.strictEqual(yield* hand(() => true), 0)
      }),
    ),
  )

  it.live("gives each member an address of its own, for good", () =>
    inside(
      Effect.gen(function* () {
        const { addressOf } = yield* make().scene
        const [first, second] = [yield* addressOf(ann), yield* addressOf(MemberId.make("mem_bob"))]
        assert.notStrictEqual(first, second)
        assert.strictEqual(yield* addressOf(ann), first)
        const addresses = yield* DepositKey.fromExtendedKey(xpub)
        assert.strictEqual(addresses(0), first)
      }),
    ),
  )
})

describe("DepositKey", () => {
  it.effect("makes the addresses of the keys that can spend from them", () =>
    Effect.gen(function* () {
      const addresses = yield* DepositKey.fromExtendedKey(xpub)
      const secret = HDKey.fromMasterSeed(new Uint8Array(64).fill(7)).derive("m/44'/60'/0'/0")
      for (let place = 0; place < 20; place++) {
        const key = Buffer.from(secret.deriveChild(place).privateKey ?? [])
        assert.strictEqual<string>(addresses(place), privateKeyToAddress(`0x${key.toString("hex")}`))
      }
    }),
  )

  it.effect("refuses a key that could spend, and what is none", () =>
    Effect.gen(function* () {
      const secret = HDKey.fromMasterSeed(new Uint8Array(64).fill(7)).privateExtendedKey
      assert.include((yield* Effect.flip(DepositKey.fromExtendedKey(secret))).message, "can spend")
      assert.include((yield* Effect.flip(DepositKey.fromExtendedKey("xpub"))).message, "cannot be read")
    }),
  )
})
