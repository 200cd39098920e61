import { assert, describe, it } from "@effect/vitest"
import { Option, Schema } from "effect"
import { Address, CumulativeTree, Hex, Keccak, MemoryChain } from "@guildhall/chain"
import { MerkleTree } from "./PlainMerkle.ts"

const domain = {
  chainId: 31_337,
  contract: MemoryChain.addressOf("vault"),
  token: MemoryChain.addressOf("token"),
}

const Units = Schema.Array(Schema.Natural).pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(40)))

const earnedOf = (units: ReadonlyArray<number>) =>
  units.map((unit, at) => ({ account: MemoryChain.addressOf(`account ${at}`), cumulative: BigInt(unit) }))

describe("CumulativeTree", () => {
  it("is the tree of the published example of two values", () => {
    // The quick start of @openzeppelin/merkle-tree: an address and an amount in each leaf.
    const values = [
      ["0x1111111111111111111111111111111111111111", 5_000_000_000_000_000_000n],
      ["0x2222222222222222222222222222222222222222", 2_500_000_000_000_000_000n],
    ] as const
    const leaves = values.map(([account, amount]) => CumulativeTree.ofWords([Hex.wordOf(account), Hex.word(amount)]))
    const tree = CumulativeTree.ofLeaves(leaves)
    assert.strictEqual(tree.root, "0xd4dee0beab2d53f2cc83e567171bd2820e49898130a22622b10ead383e90bd77")
    assert.deepStrictEqual(tree.proofs[0]?.map(String), [
      "0xb92c48e9d7abe27fd8dfd6b5dfdbfb1c9a463f80c712b66f3a5180a090cccafc",
    ])
  })

  it("hashes a leaf twice, over five words, with nothing between them", () => {
    const account = Option.getOrThrow(Address.fromText("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"))
    const words = [
      "0000000000000000000000000000000000000000000000000000000000007a69",
      domain.contract.slice(2).toLowerCase().padStart(64, "0"),
      domain.token.slice(2).toLowerCase().padStart(64, "0"),
      "0000000000000000000000005aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
      "00000000000000000000000000000000000000000000000000000000000003e8",
    ]
    const once = Keccak.ofHex(`0x${words.join("")}`)
    assert.strictEqual(CumulativeTree.leaf(domain, { account, cumulative: 1_000n }), Keccak.ofHex(once))
  })

  it("has no proof for anybody where nobody earned", () => {
    const { proofs, root } = CumulativeTree.make(domain, [])
    assert.deepStrictEqual([proofs, String(root)], [[], Hex.word(0n)])
  })

  it.prop(
    "every account is proved, and nobody else, nor any other amount",
    [Units],
    ([units]) => {
      const earned = earnedOf(units)
      const tree = CumulativeTree.make(domain, earned)
      for (const [at, one] of earned.entries()) {
        const proof = tree.proofs[at] ?? []
        const leaf = CumulativeTree.leaf(domain, one)
        assert.isTrue(CumulativeTree.isProved(tree.root, leaf, proof))
        const more = CumulativeTree.leaf(domain, { ...one, cumulative: one.cumulative + 1n })
        assert.isFalse(CumulativeTree.isProved(tree.root, more, proof))
        const elsewhere = CumulativeTree.leaf({ ...domain, chainId: 1 }, one)
        assert.isFalse(CumulativeTree.isProved(tree.root, elsewhere, proof))
        assert.isAtMost(proof.length, Math.ceil(Math.log2(earned.length)) + 1)
      }
    },
    { arbitrary: { seed: "tree-proofs", runs: 60 } },
  )

  it.prop(
    "the order of the accounts changes nothing, and a plain tree over sorted leaves has the same root",
    [Units],
    ([units]) => {
      const earned = earnedOf(units)
      const { root } = CumulativeTree.make(domain, earned)
      assert.strictEqual(CumulativeTree.make(domain, earned.toReversed()).root, root)
      const leaves = earned.map((one) => CumulativeTree.leaf(domain, one))
      assert.strictEqual(MerkleTree.rootOf(leaves), root)
    },
    { arbitrary: { seed: "tree-order", runs: 60 } },
  )
})
