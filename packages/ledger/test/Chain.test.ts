import { assert, describe, it } from "@effect/vitest"
import * as Merkle from "@guildhall/core/Merkle"
import { AssetCode } from "@guildhall/core/Asset"
import { AccountId } from "../src/Account.ts"
import * as Chain from "../src/Chain.ts"
import type { Acted, Entry, Posted } from "../src/Entry.ts"
import { HoldId } from "../src/Hold.ts"
import type { Leg, Posting } from "../src/Posting.ts"
import { numbers } from "./SampleBooks.ts"

const buyer = AccountId.make("buyer:ann")
const provider = AccountId.make("accrual:card:eve")

const leg = (account: AccountId, amount: bigint): Leg => ({ account, amount })

const posted = (sequence: bigint, values: Partial<Posting> = {}, rest: Partial<Posted> = {}): Posted => ({
  _tag: "Posted",
  sequence,
  fingerprint: "f",
  posting: {
    idempotencyKey: `request:req_${sequence}`,
    kind: "charge",
    legs: [leg(buyer, -sequence), leg(provider, sequence)],
    attachments: [],
    ...values,
  },
  hold: null,
  balances: [100n - sequence, sequence],
  postedAtMs: 5_000,
  effectiveAtMs: 5_000,
  ...rest,
})

const acted = (sequence: bigint, act: Acted["act"]): Acted => ({
  _tag: "Acted",
  sequence,
  idempotencyKey: `act-${sequence}`,
  fingerprint: "f",
  act,
  postedAtMs: 5_000,
})

const entries: ReadonlyArray<Entry> = Array.from({ length: 1_100 }, (_, at) => posted(BigInt(at + 1)))
const hashes = entries.map(Chain.leafHash)
const hex = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString("hex")

/** Appends in batches of these sizes. */
const appended = (sizes: ReadonlyArray<number>) => {
  let head = Chain.empty
  let at = 0
  const nodes: Array<Chain.Node> = []
  const batches: Array<Chain.Batch> = []
  for (const size of sizes) {
    const made = Chain.append(head, entries.slice(at, at + size), 5_000)
    if (made.batch !== undefined) batches.push(made.batch)
    nodes.push(...made.nodes)
    head = made.head
    at += size
  }
  return { head, nodes, batches }
}

const randomSizes = (seed: number, total: number): ReadonlyArray<number> => {
  const next = numbers(seed)
  const sizes: Array<number> = []
  for (let left = total; left > 0;) {
    const size = Math.min(left, Math.floor(next() ** 3 * 400))
    sizes.push(size)
    left -= size
  }
  return sizes
}

describe("Chain: the tree", () => {
  it("has the root of RFC 6962 over all entries, after every batch", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { batches, head } = appended(randomSizes(seed, entries.length))
      for (const { lastSequence, root } of batches) {
        assert.strictEqual(hex(root), hex(Merkle.rootOf(Chain.sha256, hashes.slice(0, Number(lastSequence)))))
      }
      assert.strictEqual(head.size, BigInt(entries.length))
      assert.strictEqual(hex(Chain.rootOf(head)), hex(Merkle.rootOf(Chain.sha256, hashes)))
    }
    assert.strictEqual(hex(Chain.rootOf(Chain.empty)), hex(Chain.sha256(new Uint8Array())))
  })

  it("grows the same however its batches are cut; the chain over them is another", () => {
    const whole = appended([entries.length])
    const chains = new Set([hex(whole.head.chain)])
    for (let seed = 1; seed <= 20; seed++) {
      const { head, nodes } = appended(randomSizes(seed, entries.length))
      assert.deepStrictEqual(head.peaks, whole.head.peaks)
      assert.deepStrictEqual(nodes, whole.nodes)
      chains.add(hex(head.chain))
    }
    assert.strictEqual(chains.size, 21)
  })

  it("numbers the nodes without a gap in the order in which they become full, and finds each", () => {
    const { nodes } = appended(randomSizes(7, entries.length))
    assert.deepStrictEqual(
      nodes.map(({ number, level, index }) => [number, level, index]),
      [
        [1n, 8, 0n],
        [2n, 8, 1n],
        [3n, 9, 0n],
        [4n, 8, 2n],
        [5n, 8, 3n],
        [6n, 9, 1n],
        [7n, 10, 0n],
      ],
    )
    for (const { hash, index, level, number } of nodes) {
      assert.strictEqual(Chain.nodeNumber(level, index), number)
      const width = 2 ** level
      const from = Number(index) * width
      assert.strictEqual(hex(hash), hex(Merkle.rootOf(Chain.sha256, hashes.slice(from, from + width))))
    }
  })

  it("numbers the nodes of long histories without a gap", () => {
    const found = new Set<bigint>()
    const blocks = 2 ** 12
    for (let level = Chain.NODE_LEVEL; level <= Chain.NODE_LEVEL + 12; level++) {
      const count = blocks >> (level - Chain.NODE_LEVEL)
      for (let index = 0; index < count; index++) found.add(Chain.nodeNumber(level, BigInt(index)))
    }
    assert.strictEqual(found.size, 2 * blocks - 1)
    for (let number = 1; number < 2 * blocks; number++) assert.isTrue(found.has(BigInt(number)), `${number}`)
  })

  it("has no record of a batch without entries", () => {
    const { head } = appended([3])
    assert.deepStrictEqual(Chain.append(head, [], 9_000), { head, batch: undefined, nodes: [] })
  })

  it("links each batch to the one before, by its number, end, time and root", () => {
    const { batches, head } = appended([3, 0, 1, 8])
    assert.deepStrictEqual(
      batches.map(({ firstSequence, lastSequence, number }) => [number, firstSequence, lastSequence]),
      [
        [1n, 1n, 3n],
        [2n, 4n, 4n],
        [3n, 5n, 12n],
      ],
    )
    let before = Chain.empty.chain
    for (const batch of batches) {
      const text = Buffer.from(`${batch.number} ${batch.lastSequence} ${batch.committedAtMs}`)
      before = Chain.sha256(Buffer.concat([before, batch.root, text]))
      assert.strictEqual(hex(batch.chain), hex(before))
    }
    assert.strictEqual(hex(head.chain), hex(before))
    const [batch] = batches
    if (batch === undefined) return assert.fail("there is none")
    const link = hex(batch.chain)
    for (const change of [{ number: 2n }, { lastSequence: 4n }, { committedAtMs: 1 }, { root: Chain.empty.chain }]) {
      assert.notStrictEqual(hex(Chain.link(Chain.empty.chain, { ...batch, ...change })), link)
    }
  })
})

describe("Chain: the bytes", () => {
  // What is written here was signed somewhere: these bytes are never changed, a new form gets a version of its own.
  it("hashes a posting as its header", () => {
    const entry = posted(
      7n,
      { links: { request: "req_7", epoch: "e1" } },
      { hold: HoldId.make("req_7"), effectiveAtMs: 4_000 },
    )
    assert.strictEqual(
      Chain.header(entry),
      `["post1","7",5000,4000,"charge","request:req_7","req_7","{\\"links\\":{\\"epoch\\":\\"e1\\",\\"request\\":\\"req_7\\"}}","LEGS"]`.replace(
        "LEGS",
        Buffer.from(Chain.sha256(Buffer.from("\u0000buyer:ann -7 93\naccrual:card:eve 7 7\n"))).toString("base64url"),
      ),
    )
    assert.strictEqual(hex(Chain.leafHash(entry)), hex(Chain.sha256(Buffer.from(`\u0000${Chain.header(entry)}`))))
    assert.strictEqual(
      hex(Chain.leafHash(posted(1n))),
      "cf639bdfe48f91c7f16f5157477b7c377af2f424c4d7ace8a95ef26a7f4f89a9",
    )
  })

  it("hashes an act as its header", () => {
    const act = acted(2n, { _tag: "TermsSet", account: buyer, floor: -5n, ceiling: null, state: "open" })
    assert.strictEqual(
      Chain.header(act),
      `["act1","2",5000,"act-2","{\\"_tag\\":\\"TermsSet\\",\\"account\\":\\"buyer:ann\\",\\"ceiling\\":null,\\"floor\\":\\"-5\\",\\"state\\":\\"open\\"}"]`,
    )
    const other = acted(2n, { _tag: "TermsSet", state: "open", ceiling: null, floor: -5n, account: buyer })
    assert.strictEqual(Chain.header(other), Chain.header(act), "the order of its fields does not matter")
  })

  it("writes links and rate as one detail, whatever their order", () => {
    const [USD, EUR] = [AssetCode.make("USD"), AssetCode.make("EUR")]
    const rate = { from: USD, to: EUR, numerator: 9n, denominator: 10n, source: "ecb", asOfMs: 1 }
    const { posting } = posted(1n)
    assert.isNull(Chain.detailOf(posting))
    assert.strictEqual(
      Chain.detailOf({ ...posting, links: { case: "c", booking: "b" } }),
      `{"links":{"booking":"b","case":"c"}}`,
    )
    const told = `{"asOfMs":1,"denominator":"10","from":"USD","numerator":"9","source":"ecb","to":"EUR"}`
    assert.strictEqual(Chain.detailOf({ ...posting, rate }), `{"rate":${told}}`)
    assert.strictEqual(
      Chain.detailOf({ ...posting, rate, links: { case: "c" } }),
      `{"links":{"case":"c"},"rate":${told}}`,
    )
  })

  it("hashes legs four by four, and covers each of them", () => {
    const legs = Array.from({ length: 9 }, (_, at) =>
      leg(AccountId.make(`buyer:b${at}`), at === 8 ? -36n : BigInt(at + 1)),
    )
    const balances = legs.map((_, at) => BigInt(at * 10))
    const { posting } = posted(1n, { legs })
    const hashed = Chain.legHashes(posting, balances)
    assert.lengthOf(hashed, 3)
    assert.deepStrictEqual(Chain.legLines(posting, balances, 2), [
      { account: AccountId.make("buyer:b8"), amount: -36n, balance: 80n },
    ])
    const header = (entry: Posted) => Chain.header(entry)
    const sound = header(posted(1n, { legs }, { balances }))
    for (const at of legs.keys()) {
      const amount = legs.map((each, place) => (place === at ? { ...each, amount: each.amount + 1n } : each))
      assert.notStrictEqual(header(posted(1n, { legs: amount }, { balances })), sound)
      const account = legs.map((each, place) => (place === at ? { ...each, account: provider } : each))
      assert.notStrictEqual(header(posted(1n, { legs: account }, { balances })), sound)
      const balance = balances.map((each, place) => (place === at ? each + 1n : each))
      assert.notStrictEqual(header(posted(1n, { legs }, { balances: balance })), sound)
    }
    assert.notStrictEqual(header(posted(1n, { legs: legs.toReversed() }, { balances: balances.toReversed() })), sound)
  })

  it("covers every field of a posting but its attachments and fingerprint", () => {
    const sound = Chain.header(posted(1n))
    const others: ReadonlyArray<Posted> = [
      posted(1n, {}, { sequence: 2n }),
      posted(1n, { idempotencyKey: "another" }),
      posted(1n, { kind: "refund" }),
      posted(1n, { links: { request: "r" } }),
      posted(1n, {}, { hold: HoldId.make("req_1") }),
      posted(1n, {}, { postedAtMs: 5_001 }),
      posted(1n, {}, { effectiveAtMs: 4_999 }),
      posted(1n, {}, { balances: [1n, 1n] }),
      posted(1n, { legs: [leg(buyer, -2n), leg(provider, 2n)] }),
    ]
    const headers = new Set([sound, ...others.map(Chain.header)])
    assert.strictEqual(headers.size, others.length + 1)
    assert.strictEqual(Chain.header(posted(1n, { attachments: [{ kind: "k", body: 1 }] }, { fingerprint: "g" })), sound)
  })

  it("reads the legs' text back, and nothing that is none", () => {
    const lines = [
      { account: buyer, amount: -7n, balance: 10n ** 78n - 1n },
      { account: provider, amount: 7n, balance: 0n },
    ]
    assert.deepStrictEqual(Chain.linesOf(Chain.legText(lines)), lines)
    const text = Chain.legText(lines.slice(0, 1))
    for (const wrong of [
      text.trimEnd(),
      ` ${text}`,
      text.replace(" ", "  "),
      text.replace("-7", "7.0"),
      text.replace("-7", "+7"),
      text.replace("-7", "0x7"),
      text.replace("-7", ""),
      text.replace("\n", " 1\n"),
      text.replace("\n", "\r\n"),
      text.replace("buyer:ann", ""),
      text.replace("buyer:ann", "buyer:ann\u001b[2J"),
      text.repeat(5),
      text.replace(/\d{78}/, "1".repeat(79)),
    ]) {
      assert.isUndefined(Chain.linesOf(wrong), JSON.stringify(wrong))
    }
  })
})
