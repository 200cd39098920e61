import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { createHash } from "node:crypto"
import * as Merkle from "../src/Merkle.ts"

const sha256: Merkle.Hash = (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest())
const hex = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : Buffer.from(bytes).toString("hex"))
const bytes = (text: string) => new Uint8Array(Buffer.from(text, "hex"))

// The reference vectors of Certificate Transparency (RFC 6962).
const leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"].map(
  bytes,
)
const roots = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

const Batch = Schema.Array(Schema.Uint8Array).pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(40)))

describe("Merkle", () => {
  it("gives the roots of RFC 6962", () => {
    assert.strictEqual(hex(Merkle.root(sha256, [])), hex(sha256(new Uint8Array())))
    for (const [at, root] of roots.entries())
      assert.strictEqual(hex(Merkle.root(sha256, leaves.slice(0, at + 1))), root)
  })

  it("gives the paths of RFC 6962", () => {
    assert.deepStrictEqual(Merkle.path(sha256, leaves, 0).map(hex), [
      "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ])
    assert.deepStrictEqual(Merkle.path(sha256, leaves.slice(0, 3), 2).map(hex), [roots[1]])
  })

  it.prop(
    "every leaf's path proves that leaf at that place, and no other",
    [Batch, Schema.Uint8Array],
    ([batch, stranger]) => {
      const { root, paths } = Merkle.tree(sha256, batch)
      assert.strictEqual(hex(root), hex(Merkle.root(sha256, batch)))
      for (const [at, leaf] of batch.entries()) {
        const path = paths[at] ?? []
        const proves = (leaf: Uint8Array, index: number) =>
          hex(Merkle.rootFromPath(sha256, leaf, index, batch.length, path)) === hex(root)
        assert.isTrue(proves(leaf, at))
        for (const [place, other] of batch.entries()) {
          assert.strictEqual(proves(other, at), hex(other) === hex(leaf))
          if (place !== at && hex(other) !== hex(leaf)) assert.isFalse(proves(leaf, place))
        }
        assert.strictEqual(proves(stranger, at), hex(stranger) === hex(leaf))
      }
    },
    { arbitrary: { seed: "merkle-paths", runs: 60 } },
  )

  it("refuses a path that is too long, too short, or for no place of the batch", () => {
    const { root, paths } = Merkle.tree(sha256, leaves)
    const [leaf, path] = [leaves[3] ?? new Uint8Array(), paths[3] ?? []]
    const from = (index: number, size: number, path: ReadonlyArray<Uint8Array>) =>
      hex(Merkle.rootFromPath(sha256, leaf, index, size, path))
    assert.strictEqual(from(3, 8, path), hex(root))
    for (const index of [-1, 8, 1.5, Number.NaN, Infinity]) assert.isUndefined(from(index, 8, path))
    assert.isUndefined(from(3, 8, path.slice(1)))
    assert.isUndefined(from(3, 8, [...path, root]))
    assert.isUndefined(from(0, Infinity, path))
    // A node of the tree is no leaf of it: leaves and nodes are hashed with different prefixes.
    const [left, right] = [Merkle.root(sha256, leaves.slice(0, 4)), Merkle.root(sha256, leaves.slice(4))]
    const forged = new Uint8Array([...left, ...right])
    assert.notStrictEqual(hex(Merkle.root(sha256, [forged])), hex(root))
  })

  it("makes a batch of 512 with 512 leaf hashes and 511 node hashes", () => {
    let hashes = 0
    const batch = Array.from({ length: 512 }, (_, at) => new Uint8Array([at & 255, at >> 8]))
    Merkle.tree((bytes) => (hashes++, sha256(bytes)), batch)
    assert.strictEqual(hashes, 512 + 511)
  })
})
