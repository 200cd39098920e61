import { assert, describe, it } from "@effect/vitest"
import * as Address from "@guildhall/chain/Address"
import type { ChainEvent } from "@guildhall/chain/ChainEvent"
import * as Hex from "@guildhall/chain/Hex"
import { InstanceId } from "@guildhall/core/Instance"
import { Effect } from "effect"
import * as IndexStore from "../src/IndexStore.ts"
import * as Standing from "../src/Standing.ts"

const wallet = Address.fromBytes(new Uint8Array(20).fill(7))
const stranger = Address.fromBytes(new Uint8Array(20).fill(8))
const device = Hex.word(9n)
const at = (atS: number) => ({
  blockNumber: atS,
  blockHash: Hex.word(1n),
  transaction: Hex.word(2n),
  logIndex: 0,
  atS,
})

const tiers = [
  { minStake: 0n, multiplierBps: 10_000, priority: 0 },
  { minStake: 1_000n, multiplierBps: 12_500, priority: 1 },
]
const events: ReadonlyArray<ChainEvent> = [
  { _tag: "Staking.TiersAppended", position: at(1), table: 0, activatesAt: 10, tiers },
  { _tag: "Staking.Staked", position: at(20), account: wallet, amount: 1_000n, active: 1_000n },
  { _tag: "ProviderBond.ClassAppended", position: at(21), classId: 1, minimum: 500n },
  { _tag: "ProviderBond.Bonded", position: at(30), device, provider: wallet, classId: 1, amount: 500n },
]
const activated: ChainEvent = { _tag: "ProviderBond.Activated", position: at(31), device, provider: wallet, classId: 1 }
const slashed: ChainEvent = {
  _tag: "ProviderBond.SlashProposed",
  position: at(40),
  device,
  offenceId: Hex.word(3n),
  rateBps: 200,
  amount: 10n,
  offenceTime: 35,
  evidenceHash: Hex.word(4n),
  finder: wallet,
  appealUntil: 99,
}

const instanceId = InstanceId.make("ins_1")

describe("Standing", () => {
  it("gives a tier to stake that was there for the minimum time", () => {
    const state = Standing.fold(events)
    const tier = (nowS: number) => Standing.tierAt(state, wallet, { nowS, minActiveS: 100 })?.multiplierBps
    assert.isUndefined(tier(9))
    assert.strictEqual(tier(50), 10_000)
    assert.strictEqual(tier(119), 10_000)
    assert.strictEqual(tier(120), 12_500)
    const less = Standing.fold([
      ...events,
      {
        _tag: "Staking.UnstakeRequested",
        position: at(130),
        account: wallet,
        amount: 1n,
        unbonding: 1n,
        readyAt: 999,
      },
    ])
    assert.strictEqual(Standing.tierAt(less, wallet, { nowS: 131, minActiveS: 100 })?.multiplierBps, 10_000)
  })

  it("counts a bond that is active and whole, and the wallet's own", () => {
    const bonded = (more: ReadonlyArray<ChainEvent>) => Standing.isBonded(Standing.fold([...events, ...more]), device)
    assert.isFalse(bonded([]))
    assert.isTrue(bonded([activated]))
    assert.isFalse(bonded([activated, slashed]))
    const back: ChainEvent = { ...slashed, _tag: "ProviderBond.SlashOverturned" }
    assert.isTrue(bonded([activated, slashed, back]))
    const leaving: ChainEvent = { _tag: "ProviderBond.UnbondRequested", position: at(50), device, cooldownEnd: 99 }
    assert.isFalse(bonded([activated, leaving]))
    const state = Standing.fold([...events, activated])
    const now = { nowS: 200, minActiveS: 100 }
    assert.isFalse(Standing.ratingOf(state, { instanceId, wallet: stranger, device }, now).bonded)
    assert.deepStrictEqual(Standing.ratingOf(state, { instanceId, wallet, device }, now), {
      bonded: true,
      tier: { priority: "normal", weightBps: 12_500 },
    })
  })

  it.effect("is read on as events become final, and anew after a fork", () =>
    Effect.gen(function* () {
      const store = IndexStore.makeMemory()
      const log = (blockNumber: number) => ({
        blockNumber,
        logIndex: 0,
        blockHash: Hex.word(BigInt(blockNumber)),
        transaction: Hex.word(BigInt(blockNumber)),
        atS: blockNumber,
        address: Hex.Hex.make("0x"),
        topics: [],
        data: Hex.Hex.make("0x"),
      })
      const all = [...events, activated]
      const standing = Standing.make(store, ({ atS }) => all.find(({ position }) => position.atS === atS))
      const cursor = (number: number, forks: number) => ({
        number,
        hash: Hex.word(BigInt(number)),
        finalNumber: number,
        settledNumber: 0,
        forks,
      })
      yield* standing.refresh
      yield* store.move({ from: null, to: cursor(30, 0), keptUpTo: 0, blocks: [], logs: [1, 20, 21, 30].map(log) })
      yield* standing.refresh
      assert.isFalse(Standing.isBonded(standing.current(), device))
      yield* store.move({ from: cursor(30, 0), to: cursor(31, 0), keptUpTo: 30, blocks: [], logs: [log(31)] })
      yield* standing.refresh
      assert.isTrue(Standing.isBonded(standing.current(), device))
      yield* store.move({ from: cursor(31, 0), to: cursor(30, 1), keptUpTo: 30, blocks: [], logs: [] })
      yield* standing.refresh
      assert.isFalse(Standing.isBonded(standing.current(), device))
    }),
  )
})
