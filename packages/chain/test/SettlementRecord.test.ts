import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { AssetCode } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import { Effect, Layer } from "effect"
import * as Address from "../src/Address.ts"
import * as CumulativeTree from "../src/CumulativeTree.ts"
import * as Record from "../src/SettlementRecord.ts"
import * as SettlementRecordMemory from "../src/SettlementRecordMemory.ts"
import * as SettlementRecordSql from "../src/SettlementRecordSql.ts"

const asset = AssetCode.make("USD")
const at = (byte: number) => Address.fromBytes(new Uint8Array(20).fill(byte))
const domain = { chainId: 31_337, contract: at(1), token: at(2) }
const of = (epoch: number): Record.Of => ({ asset, ...domain, epoch })

const beginning = (epoch: number): Record.Beginning => ({
  ...of(epoch),
  unit: 10n ** 6n,
  endMs: (epoch + 1) * 60_000,
  kind: "root",
  definition: "d1",
})

/** An epoch in which these earned so much, over nothing before. */
const filling = (earned: ReadonlyArray<readonly [name: string, account: Address.Address, amount: bigint]>) => {
  const amounts = earned.map(([, account, amount]) => ({ account, cumulative: amount }))
  const tree = CumulativeTree.make(domain, amounts)
  const total = earned.reduce((sum, [, , amount]) => sum + amount, 0n)
  const sum: Record.Sum = {
    commitment: tree.root,
    gross: total,
    boost: 1n,
    boostLeft: 7n,
    total,
    payees: earned.length,
    accounts: earned.length,
  }
  const payees = earned.map(([name, account, amount]) => ({
    member: MemberId.make(`mem_${name}`),
    account,
    hold: `payout:${name}`,
    amount,
  }))
  const leaves = amounts.map(({ account, cumulative }, index) => ({
    account,
    amount: cumulative,
    cumulative,
    proof: tree.proofs[index] ?? [],
  }))
  return { sum, payees, leaves }
}

const stores: ReadonlyArray<readonly [name: string, layer: Layer.Layer<Record.SettlementRecord, unknown>]> = [
  ["in memory", Layer.sync(Record.SettlementRecord, () => SettlementRecordMemory.make(2))],
  ["on PostgreSQL", SettlementRecordSql.layer(2).pipe(Layer.provide(TestDatabase.layer))],
]

for (const [name, layer] of stores) {
  describe(`SettlementRecord ${name}`, () => {
    it.effect("1. one epoch of an asset is unfinished at a time, whoever begins one", () =>
      Effect.gen(function* () {
        const record = yield* Record.SettlementRecord
        const begun = yield* Effect.all(
          [7, 8, 7, 9].map((epoch) => record.begin(beginning(epoch))),
          { concurrency: "unbounded" },
        )
        assert.lengthOf(new Set(begun.map(({ epoch }) => epoch)), 1)
        const [first] = begun
        assert.isDefined(first)
        if (first === undefined) return
        assert.strictEqual(first.state, "begun")
        yield* record.note(first, { state: "empty" })
        const next = yield* record.begin(beginning(first.epoch + 10))
        assert.strictEqual(next.epoch, first.epoch + 10)
        assert.strictEqual((yield* record.begin(beginning(first.epoch))).state, "empty")
        const other = yield* record.begin({ ...beginning(1), asset: AssetCode.make("EUR") })
        assert.strictEqual(other.epoch, 1)
        // An epoch before one that was begun cannot come any more.
        yield* record.note(next, { state: "empty" })
        assert.deepStrictEqual(yield* record.begin(beginning(next.epoch - 1)), { ...next, state: "empty" })
      }).pipe(Effect.provide(layer)),
    )

    it.effect("2. what an epoch pays is written once, and who writes again gets what was written first", () =>
      Effect.gen(function* () {
        const record = yield* Record.SettlementRecord
        yield* record.begin(beginning(1))
        const first = filling([
          ["a", at(10), 5n],
          ["b", at(11), 10n ** 30n],
          ["c", at(12), 3n],
        ])
        const kept = yield* record.net(of(1), first.sum, first)
        assert.deepStrictEqual(kept.sum, first.sum)
        const second = filling([["a", at(10), 99n]])
        assert.deepStrictEqual(yield* record.net(of(1), second.sum, second), kept)
        assert.deepStrictEqual([...(yield* record.payees(of(1)))], first.payees)
        assert.deepStrictEqual([...(yield* record.leaves(of(1)))], first.leaves)
        const own = yield* record.leaves(of(1), MemberId.make("mem_b"))
        assert.deepStrictEqual([...own], first.leaves.slice(1, 2))
        const [leaf] = own
        if (leaf === undefined) return
        assert.isTrue(CumulativeTree.isProved(first.sum.commitment, CumulativeTree.leaf(domain, leaf), leaf.proof))
        assert.isEmpty(yield* record.leaves(of(1), MemberId.make("mem_z")))
      }).pipe(Effect.provide(layer)),
    )

    it.effect("3. an epoch only moves forward, and a finished one never moves again", () =>
      Effect.gen(function* () {
        const record = yield* Record.SettlementRecord
        yield* record.begin(beginning(3))
        assert.strictEqual((yield* record.note(of(3), { state: "cancelled" })).state, "begun")
        const { sum, ...pays } = filling([["a", at(10), 5n]])
        yield* record.net(of(3), sum, pays)
        assert.strictEqual((yield* record.note(of(3), { state: "empty" })).state, "netted")
        const posted = yield* record.note(of(3), { state: "posted", transaction: "0xaa", appliesAtS: 90 })
        assert.deepStrictEqual([posted.state, posted.transaction, posted.appliesAtS], ["posted", "0xaa", 90])
        const again = yield* record.note(of(3), { state: "posted", transaction: "0xbb", appliesAtS: 91 })
        assert.deepStrictEqual(again, posted)
        assert.strictEqual((yield* record.note(of(3), { state: "claimable" })).state, "claimable")
        assert.strictEqual((yield* record.note(of(3), { state: "cancelled" })).state, "claimable")
        const [found] = yield* record.epochs({ ...of(3), limit: 1 })
        assert.deepStrictEqual([found?.state, found?.transaction], ["claimable", "0xaa"])
        const lost = yield* Effect.flip(record.note(of(99), { state: "claimable" }))
        assert.strictEqual(lost.reason, "Corrupt")
      }).pipe(Effect.provide(layer)),
    )

    it.effect("4. the leaves of the newest claimable epochs stay, and who was paid on which account for good", () =>
      Effect.gen(function* () {
        const record = yield* Record.SettlementRecord
        const finish = Effect.fnUntraced(function* (epoch: number, end: "claimable" | "cancelled") {
          yield* record.begin(beginning(epoch))
          const { sum, ...pays } = filling([
            ["a", at(10), BigInt(epoch)],
            ["b", at(20), 1n],
          ])
          yield* record.net(of(epoch), sum, pays)
          yield* record.note(of(epoch), { state: "posted", transaction: "0x01", appliesAtS: 1 })
          yield* record.note(of(epoch), { state: end })
        })
        // Somebody who earned in the first epoch alone, on an account that is another's later.
        yield* record.begin(beginning(1))
        const { sum, ...pays } = filling([["first", at(20), 1n]])
        yield* record.net(of(1), sum, pays)
        yield* record.note(of(1), { state: "claimable" })
        for (const epoch of [2, 3]) yield* finish(epoch, "claimable")
        yield* finish(4, "cancelled")
        const some = Effect.forEach([1, 2, 3, 4], (epoch) =>
          Effect.map(record.leaves(of(epoch)), (leaves) => leaves.length),
        )
        assert.deepStrictEqual(yield* some, [0, 2, 2, 2])
        yield* finish(5, "claimable")
        assert.deepStrictEqual(yield* some, [0, 0, 2, 2])
        assert.isEmpty(yield* record.payees(of(2)))
        // Their account is somebody else's too by now, and still theirs.
        const own = yield* record.leaves(of(5), MemberId.make("mem_first"))
        assert.deepStrictEqual(
          own.map(({ account }) => account),
          [at(20)],
        )
        const listed = yield* record.epochs({ limit: 3 })
        assert.deepStrictEqual(
          listed.map(({ epoch, state }) => [epoch, state]),
          [
            [5, "claimable"],
            [4, "cancelled"],
            [3, "claimable"],
          ],
        )
        assert.deepStrictEqual(
          (yield* record.epochs({ asset, before: listed.at(-1)?.sequence, limit: 9 })).map(({ epoch }) => epoch),
          [2, 1],
        )
      }).pipe(Effect.provide(layer)),
    )

    it.effect("5. a number means another epoch on each chain, contract and token", () =>
      Effect.gen(function* () {
        const record = yield* Record.SettlementRecord
        const member = MemberId.make("mem_a")
        const places = [
          of(7),
          { ...of(7), contract: at(3) },
          { ...of(7), chainId: 8_453 },
          { ...of(7), token: at(4) },
          // A shorter number than those before: its epochs are longer.
          { ...of(2), contract: at(5) },
        ]
        for (const [index, place] of places.entries()) {
          const { sum, ...pays } = filling([["a", at(10), BigInt(index + 1)]])
          const begun = yield* record.begin({ ...beginning(7), ...place })
          assert.deepStrictEqual([Record.of(begun), begun.state, begun.unit], [place, "begun", 10n ** 6n])
          // Until it is over nothing begins anywhere else.
          assert.deepStrictEqual(yield* record.begin({ ...beginning(9), contract: at(9) }), begun)
          yield* record.net(place, sum, pays)
          yield* record.note(place, { state: "claimable" })
        }
        for (const [index, place] of places.entries()) {
          const [payee] = yield* record.payees(place)
          const [leaf] = yield* record.leaves(place, member)
          assert.deepStrictEqual([payee?.amount, leaf?.amount], [BigInt(index + 1), BigInt(index + 1)])
          const found = yield* record.epochs({ ...place, limit: 9 })
          assert.deepStrictEqual(found.map(Record.of), [place])
        }
        const all = yield* record.epochs({ asset, limit: 9 })
        assert.deepStrictEqual(all.map(Record.of), places.toReversed())
        // What one place keeps does not depend on how many epochs another has.
        const other = { ...beginning(7), contract: at(3) }
        for (const epoch of [8, 9, 10]) {
          const { sum, ...pays } = filling([["a", at(10), 1n]])
          yield* record.begin({ ...other, epoch })
          yield* record.net({ ...other, epoch }, sum, pays)
          yield* record.note({ ...other, epoch }, { state: "claimable" })
        }
        assert.isEmpty(yield* record.leaves({ ...of(7), contract: at(3) }))
        assert.lengthOf(yield* record.leaves(of(7)), 1)
      }).pipe(Effect.provide(layer)),
    )
  })
}
