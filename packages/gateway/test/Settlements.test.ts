/**
 * Epochs and proofs on the control lane: whose they are, and what stands in them.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { AssetCode } from "@guildhall/core/Asset"
import { Address, CumulativeTree, Hex } from "@guildhall/chain"
import * as Record from "@guildhall/chain/SettlementRecord"
import * as SettlementRecordMemory from "@guildhall/chain/SettlementRecordMemory"
import * as TestControl from "./TestControl.ts"

const asset = AssetCode.make("USD")
const at = (byte: number) => Address.fromBytes(new Uint8Array(20).fill(byte))
const domain = { chainId: 31_337, contract: at(1), token: at(2) }
const { operator, provider } = TestControl.members

/** Epochs 1 and 2 can be claimed, 3 is on the chain; the provider earned in the first, on one wallet, and in the second on another. */
const record = Layer.effect(
  Record.SettlementRecord,
  Effect.gen(function* () {
    const record = SettlementRecordMemory.make()
    const earned = [
      [1, [[provider, at(10), 5n]]],
      [
        2,
        [
          [provider, at(11), 7n],
          [operator, at(12), 3n],
        ],
      ],
      [3, [[operator, at(12), 1n]]],
    ] as const
    const sums = new Map<Address.Address, bigint>()
    for (const [epoch, payees] of earned) {
      const of = { asset, ...domain, epoch }
      yield* record.begin({ ...of, unit: 1n, endMs: epoch * 60_000, kind: "root", definition: "d" })
      for (const [, account, amount] of payees) sums.set(account, (sums.get(account) ?? 0n) + amount)
      const leaves = [...sums].map(([account, cumulative]) => ({ account, cumulative }))
      const tree = CumulativeTree.make(domain, leaves)
      const total = payees.reduce((sum, [, , amount]) => sum + amount, 0n)
      yield* record.net(
        of,
        {
          commitment: tree.root,
          gross: total,
          boost: 0n,
          boostLeft: 0n,
          total,
          payees: payees.length,
          accounts: leaves.length,
        },
        {
          payees: payees.map(([member, account, amount]) => ({ member, account, amount, hold: "h" })),
          leaves: leaves.map((leaf, index) => ({ ...leaf, amount: 0n, proof: tree.proofs[index] ?? [] })),
        },
      )
      yield* record.note(of, { state: "posted", transaction: Hex.word(1n), appliesAtS: 90 })
      if (epoch < 3) yield* record.note(of, { state: "claimable" })
    }
    return record
  }).pipe(Effect.orDie),
)

describe("settlements on the control lane", () => {
  it("lists epochs page by page, and finds one by number or as the latest that can be claimed", async () => {
    const market = await TestControl.start({ record })
    try {
      const first = await market.call("GET", "/v1/settlements?limit=2", { as: "buyer" })
      assert.strictEqual(first.status, 200, first.text)
      assert.deepStrictEqual(
        first.json.data.map((one: { epoch: number; state: string }) => [one.epoch, one.state]),
        [
          [3, "posted"],
          [2, "claimable"],
        ],
      )
      assert.strictEqual(first.json.next, 2)
      const rest = await market.call("GET", "/v1/settlements?limit=2&before=2", { as: "buyer" })
      assert.lengthOf(rest.json.data, 1)
      assert.isUndefined(rest.json.next)
      const latest = await market.call("GET", "/v1/settlements/latest", { as: "buyer" })
      assert.deepInclude(latest.json, { epoch: 2, total: "10", chainId: 31_337, contract: at(1), accounts: 3 })
      assert.strictEqual((await market.call("GET", "/v1/settlements/9", { as: "buyer" })).json.code, "not_found")
      const soon = await market.call("GET", "/v1/settlements/soon", { as: "buyer" })
      assert.strictEqual(soon.status, 404)
      assert.strictEqual(
        soon.json.detail,
        "There is nothing at this address. epoch: Expected the number of an epoch, or `latest`.",
      )
      assert.strictEqual((await market.call("GET", "/v1/settlements")).status, 401)
    } finally {
      await market.close()
    }
  })

  it("tells epochs of a former contract from those of the same number of the present one", async () => {
    const former = { ...domain, contract: at(3) }
    const moved = Layer.effect(
      Record.SettlementRecord,
      Effect.gen(function* () {
        const record = SettlementRecordMemory.make()
        for (const [place, cumulative] of [
          [former, 5n],
          [domain, 8n],
        ] as const) {
          const of = { asset, ...place, epoch: 7 }
          const tree = CumulativeTree.make(place, [{ account: at(10), cumulative }])
          const totals = { gross: cumulative, boost: 0n, boostLeft: 0n, total: cumulative, payees: 1, accounts: 1 }
          const payee = { member: provider, account: at(10), amount: cumulative, hold: "h" }
          yield* record.begin({ ...of, unit: 1n, endMs: 420_000, kind: "root", definition: "d" })
          const leaves = [{ account: at(10), amount: cumulative, cumulative, proof: tree.proofs[0] ?? [] }]
          yield* record.net(of, { commitment: tree.root, ...totals }, { payees: [payee], leaves })
          yield* record.note(of, { state: "claimable" })
        }
        return record
      }).pipe(Effect.orDie),
    )
    const market = await TestControl.start({ record: moved })
    try {
      const ask = (path: string) => market.call("GET", `/v1/settlements${path}`, { as: "provider" })
      const present = await ask("/7/proof")
      assert.deepStrictEqual([present.json.contract, present.json.proofs[0].cumulative], [at(1), "8"])
      for (const which of ["7", "latest"]) {
        const { json } = await ask(`/${which}/proof?contract=${at(3).toLowerCase()}`)
        const [{ cumulative, leaf, proof }] = json.proofs
        assert.deepStrictEqual([json.contract, cumulative], [at(3), "5"])
        assert.strictEqual(leaf, CumulativeTree.leaf(former, { account: at(10), cumulative: 5n }))
        assert.isTrue(CumulativeTree.isProved(json.root, leaf, proof))
      }
      assert.strictEqual((await ask(`/7?contract=${at(4)}`)).json.code, "not_found")
      const pages = [await ask("?limit=1"), await ask(`?limit=1&before=2`), await ask(`?contract=${at(3)}`)]
      assert.deepStrictEqual(
        pages.map(({ json }) => json.data.map((one: { contract: string }) => one.contract)),
        [[at(1)], [at(3)], [at(3)]],
      )
      assert.strictEqual((await ask("?contract=there")).status, 400)
    } finally {
      await market.close()
    }
  })

  it("gives a provider the proofs of all wallets it was ever paid on, and nobody else's", async () => {
    const market = await TestControl.start({ record })
    try {
      const { json, status } = await market.call("GET", "/v1/settlements/latest/proof", { as: "provider" })
      assert.strictEqual(status, 200)
      assert.deepStrictEqual(
        json.proofs.map((one: { account: string; cumulative: string }) => [one.account, one.cumulative]),
        [
          [at(10), "5"],
          [at(11), "7"],
        ],
      )
      for (const { account, cumulative, leaf, proof } of json.proofs) {
        assert.strictEqual(leaf, CumulativeTree.leaf(domain, { account, cumulative: BigInt(cumulative) }))
        assert.isTrue(CumulativeTree.isProved(json.root, leaf, proof))
      }
      const before = await market.call("GET", "/v1/settlements/3/proof", { as: "provider" })
      assert.lengthOf(before.json.proofs, 2)
      assert.strictEqual((await market.call("GET", "/v1/settlements/1/proof", { as: "buyer" })).status, 403)
    } finally {
      await market.close()
    }
  })

  it("has none in a market without a chain", async () => {
    const market = await TestControl.start()
    try {
      const list = await market.call("GET", "/v1/settlements", { as: "buyer" })
      assert.deepStrictEqual([list.status, list.json], [200, { data: [] }])
      const proof = await market.call("GET", "/v1/settlements/latest/proof", { as: "provider" })
      assert.deepStrictEqual([proof.status, proof.json.code], [404, "not_found"])
      assert.include(proof.json.detail, "on a chain")
    } finally {
      await market.close()
    }
  })
})
