import { assert, describe, it } from "@effect/vitest"
import { hash } from "node:crypto"
import * as Merkle from "../src/Merkle.ts"

const sha256: Merkle.Hash = (bytes) => hash("sha256", bytes, "buffer")
const hex = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : Buffer.from(bytes).toString("hex"))
const bytes = (text: string) => new Uint8Array(Buffer.from(text, "hex"))

const SIZES = 130
const numbersTo = (size: number): ReadonlyArray<number> => Array.from({ length: size }, (_, at) => at + 1)

const leaves = numbersTo(SIZES).map((at) => new Uint8Array([at]))
const hashes = leaves.map((leaf) => sha256(new Uint8Array([0, ...leaf])))

/** The definition of RFC 6962, section 2.1, word by word. What was computed is remembered: there are many pairs. */
const known = new Map<string, Uint8Array>()
const treeHash = (from: number, to: number): Uint8Array => {
  const name = `${from}-${to}`
  const before = known.get(name)
  if (before !== undefined) return before
  let made = hashes[from] ?? assert.fail("no such leaf")
  if (to - from > 1) {
    let k = 1
    while (k * 2 < to - from) k *= 2
    made = sha256(new Uint8Array([1, ...treeHash(from, from + k), ...treeHash(from + k, to)]))
  }
  known.set(name, made)
  return made
}

const hashesOf = (runs: ReadonlyArray<Merkle.Leaves>) => runs.map(({ from, to }) => treeHash(from, to))

const treeOf = (size: number) => ({ size, root: treeHash(0, size) })

const flipped = (hash: Uint8Array): Uint8Array => hash.map((byte, at) => (at === 17 ? byte ^ 4 : byte))

/** The proof with one hash changed, at each place. */
const changed = (proof: ReadonlyArray<Uint8Array>) =>
  proof.map((_, place) => proof.map((hash, at) => (at === place ? flipped(hash) : hash)))

/** The proof without its first or last hash, and with one more. */
const resized = (proof: ReadonlyArray<Uint8Array>) => {
  const shorter = proof.length === 0 ? [] : [proof.slice(1), proof.slice(0, -1)]
  const extra = treeHash(0, 1)
  return [...shorter, [extra, ...proof], [...proof, extra], [...proof, ...proof.slice(-1), extra]]
}

describe("Merkle: trees too large to hold", () => {
  it("has the root of each size over hashes as over leaves", () => {
    for (const size of numbersTo(SIZES)) {
      assert.strictEqual(hex(Merkle.rootOf(sha256, hashes.slice(0, size))), hex(treeHash(0, size)))
    }
    assert.strictEqual(hex(Merkle.rootOf(sha256, [])), hex(sha256(new Uint8Array())))
  })

  it("names the hashes of every leaf's path, at every size", () => {
    for (const size of numbersTo(SIZES)) {
      const { paths } = Merkle.tree(sha256, leaves.slice(0, size))
      for (const [index, path] of paths.entries()) {
        assert.deepStrictEqual(hashesOf(Merkle.pathLeaves(index, size)).map(hex), path.map(hex))
      }
    }
  })

  it("proves by such a path, and by none that was changed, cut or lengthened", () => {
    for (const size of numbersTo(SIZES)) {
      const root = hex(treeHash(0, size))
      for (const [index, leaf] of leaves.slice(0, size).entries()) {
        const path = hashesOf(Merkle.pathLeaves(index, size))
        const isProved = (path: ReadonlyArray<Uint8Array>, at = index, of = size) =>
          hex(Merkle.rootFromPath(sha256, leaf, at, of, path)) === root
        assert.isTrue(isProved(path))
        for (const wrong of [...changed(path), ...resized(path)]) assert.isFalse(isProved(wrong), `${index} of ${size}`)
        assert.isFalse(isProved(path, index + 1))
        assert.isFalse(isProved(path, index - 1))
      }
    }
  })

  it("names nothing where there is no such leaf, and no such beginning", () => {
    for (const [index, size] of [
      [0, 0],
      [-1, 4],
      [4, 4],
      [9, 4],
    ] as const) {
      assert.deepStrictEqual(Merkle.pathLeaves(index, size), [])
    }
    for (const [first, size] of [
      [0, 4],
      [-1, 4],
      [5, 4],
      [4, 4],
    ] as const) {
      assert.deepStrictEqual(Merkle.consistencyLeaves(first, size), [])
    }
  })

  it("names few hashes, each once, however long the history is", () => {
    const size = 10_000_000
    for (const index of [0, 1, 4_999_999, 8_388_607, 8_388_608, size - 1]) {
      const runs = Merkle.pathLeaves(index, size)
      assert.isAtMost(runs.length, 24)
      const named = runs.reduce((sum, { from, to }) => sum + to - from, 0)
      assert.strictEqual(named, size - 1)
      assert.isAtMost(Merkle.consistencyLeaves(index + 1, size).length, 25)
    }
  })
})

describe("Merkle: consistency", () => {
  it("proves that every size begins with every smaller one", () => {
    for (const size of numbersTo(SIZES)) {
      for (const first of numbersTo(size)) {
        const proof = hashesOf(Merkle.consistencyLeaves(first, size))
        assert.isTrue(Merkle.isConsistent(sha256, treeOf(first), treeOf(size), proof), `${first} of ${size}`)
      }
    }
  })

  it("refuses a proof that was changed, cut or lengthened", () => {
    for (const size of numbersTo(SIZES)) {
      for (const first of numbersTo(size)) {
        const proof = hashesOf(Merkle.consistencyLeaves(first, size))
        for (const wrong of [...changed(proof), ...resized(proof)]) {
          assert.isFalse(Merkle.isConsistent(sha256, treeOf(first), treeOf(size), wrong), `${first} of ${size}`)
        }
      }
    }
  })

  it("refuses other roots, and sizes that are none", () => {
    for (const size of numbersTo(40)) {
      for (const first of numbersTo(size)) {
        const proof = hashesOf(Merkle.consistencyLeaves(first, size))
        const holds = (earlier: { size: number; root: Uint8Array }, later: { size: number; root: Uint8Array }) =>
          Merkle.isConsistent(sha256, earlier, later, proof)
        const [earlier, later] = [treeOf(first), treeOf(size)]
        assert.isFalse(holds({ ...earlier, root: flipped(earlier.root) }, later))
        assert.isFalse(holds(earlier, { ...later, root: flipped(later.root) }))
        assert.isFalse(holds(earlier, { ...later, root: later.root.slice(1) }))
        if (first < size) assert.isFalse(holds(later, earlier))
        for (const wrong of [0, -1, 0.5, Number.NaN, Infinity, 2 ** 53]) {
          assert.isFalse(holds({ ...earlier, size: wrong }, later))
          assert.isFalse(holds(earlier, { ...later, size: wrong }))
        }
      }
    }
  })

  it("finds a leaf that was rewritten", () => {
    const size = 100
    for (const rewritten of [0, 1, 31, 32, 63, 64, 98]) {
      const before = hashes.map((hash, at) => (at === rewritten ? flipped(hash) : hash))
      for (const first of numbersTo(size - 1)) {
        const old = { size: first, root: Merkle.rootOf(sha256, before.slice(0, first)) }
        const proof = hashesOf(Merkle.consistencyLeaves(first, size))
        assert.strictEqual(Merkle.isConsistent(sha256, old, treeOf(size), proof), first <= rewritten)
      }
    }
  })

  it("has the proofs of Certificate Transparency's reference tree", () => {
    const ct = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    const leaf = ct.map((text) => sha256(new Uint8Array([0, ...bytes(text)])))
    const over = ({ from, to }: Merkle.Leaves) => hex(Merkle.rootOf(sha256, leaf.slice(from, to)))
    assert.strictEqual(over({ from: 0, to: 8 }), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328")
    assert.deepStrictEqual(Merkle.pathLeaves(5, 8).map(over), [
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ])
    assert.deepStrictEqual(Merkle.pathLeaves(1, 5).map(over), [
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ])
    assert.deepStrictEqual(Merkle.consistencyLeaves(1, 1).map(over), [])
    assert.deepStrictEqual(Merkle.consistencyLeaves(1, 8).map(over), [
      "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ])
    assert.deepStrictEqual(Merkle.consistencyLeaves(6, 8).map(over), [
      "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ])
    assert.deepStrictEqual(Merkle.consistencyLeaves(2, 5).map(over), [
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ])
  })
})
