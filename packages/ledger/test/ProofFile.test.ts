import { assert, describe, it } from "@effect/vitest"
import * as KeyRing from "@guildhall/core/KeyRing"
import * as Merkle from "@guildhall/core/Merkle"
import { Effect, Exit, Layer, Schema } from "effect"
import { SecureRandom, Signature } from "effect/crypto"
import { AccountId } from "../src/Account.ts"
import * as Chain from "../src/Chain.ts"
import * as Checkpoint from "../src/Checkpoint.ts"
import type { Posted } from "../src/Entry.ts"
import { HoldId } from "../src/Hold.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import type { Posting } from "../src/Posting.ts"
import * as Proof from "../src/Proof.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import * as Trial from "../src/testing/internal/Trial.ts"
import { numbers } from "./SampleBooks.ts"

const Crypto = Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto))
const Keys = KeyRing.layerMemory.pipe(Layer.provide(Crypto))
const Books = LedgerStoreMemory.layer.pipe(Layer.provideMerge(Keys), Layer.provideMerge(Crypto))

const encode = Schema.encodeEffect(Proof.Json)
const list = Effect.flatMap(KeyRing.KeyRing, (ring) => ring.list)

const outside = AccountId.make("external:card")
const buyers = Array.from({ length: 9 }, (_, at) => AccountId.make(`buyer:b${at}`))

/** The file of a posting of ten legs, shown from the account in its second group; and the one of an act. */
const files = Effect.gen(function* () {
  yield* Trial.commit([
    Sample.open(outside, { kind: "external", floor: null }),
    ...buyers.map((buyer) => Sample.open(buyer)),
    {
      _tag: "Post",
      posting: Sample.postingOf([[outside, -9n], ...buyers.map((buyer) => [buyer, 1n] as const)], {
        idempotencyKey: "wide",
        links: { request: "req_1" },
      }),
    },
    Sample.post(outside, buyers[0] ?? outside, 5n),
  ])
  const [buyer] = [buyers[5] ?? outside]
  return {
    posting: yield* encode(yield* Proof.make({ account: buyer }, 1)),
    act: yield* encode(yield* Proof.make({ sequence: 3n }, 1)),
  }
})

const check = (text: string, keys: ReadonlyArray<KeyRing.PublishedKey>) =>
  Effect.flatMap(Proof.parse(text), (proof) => Proof.check(proof, keys))

const refused = (text: string, keys: ReadonlyArray<KeyRing.PublishedKey>) =>
  Effect.map(Effect.flip(check(text, keys)), (error) => (error._tag === "ProofError" ? error.reason : error._tag))

interface Plain {
  [name: string]: Plain | string | number | null
}
const plain = (text: string): Plain => JSON.parse(text)

/** Every place in a file, as a path of names. */
const placesIn = (
  value: Plain | string | number | null,
  at: ReadonlyArray<string> = [],
): ReadonlyArray<ReadonlyArray<string>> =>
  typeof value === "object" && value !== null
    ? [
        ...(at.length === 0 ? [] : [at]),
        ...Object.entries(value).flatMap(([name, each]) => placesIn(each, [...at, name])),
      ]
    : [at]

/** The file with another value at a place; undefined takes it out. */
const withAt = (
  text: string,
  at: ReadonlyArray<string>,
  change: (before: Plain[string]) => Plain[string] | undefined,
): string => {
  const file = plain(text)
  let inner = file
  for (const name of at.slice(0, -1)) {
    const next = inner[name]
    if (typeof next !== "object" || next === null) return assert.fail("no such place")
    inner = next
  }
  const name = at.at(-1) ?? ""
  const after = change(inner[name] ?? null)
  if (after === undefined) delete inner[name]
  else inner[name] = after
  return JSON.stringify(file)
}

describe("Proof: a file that was tampered with", () => {
  it.effect("never proves anything else: any character changed", () =>
    Effect.gen(function* () {
      const { act, posting } = yield* files
      const keys = yield* list
      const next = numbers(11)
      const letters = `0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_ "\\{}[]:,.+\u0000\u00e9`
      const below = (limit: number) => Math.floor(next() * limit)
      for (const text of [posting, act]) {
        const sound = yield* check(text, keys)
        for (const at of text.split("").keys()) {
          const letter = letters[below(letters.length)] ?? " "
          const kinds = [
            text.slice(0, at) + letter + text.slice(at + 1),
            text.slice(0, at) + text.slice(at + 1),
            text.slice(0, at) + letter + text.slice(at),
          ]
          const changed = kinds[below(3)] ?? text
          const exit = yield* Effect.exit(check(changed, keys))
          // What is read from another spelling of the same file is the same.
          if (Exit.isSuccess(exit)) assert.deepStrictEqual(exit.value, sound, changed)
        }
      }
    }).pipe(Effect.provide(Books)),
  )

  it.effect("never proves anything else: any field changed, emptied, taken out or taken from another file", () =>
    Effect.gen(function* () {
      const { act, posting } = yield* files
      const keys = yield* list
      for (const [text, other] of [
        [posting, act],
        [act, posting],
      ] as const) {
        const sound = yield* check(text, keys)
        for (const at of placesIn(plain(text))) {
          const there = at.reduce<Plain[string] | undefined>(
            (inner, name) => (typeof inner === "object" && inner !== null ? inner[name] : undefined),
            plain(other),
          )
          const changes: ReadonlyArray<(before: Plain[string]) => Plain[string] | undefined> = [
            () => undefined,
            () => null,
            () => "",
            () => 0,
            () => -1,
            () => 1e15,
            () => ({}),
            () => there,
            (before) => (typeof before === "string" ? `${before}${before}` : before),
            (before) => (typeof before === "string" ? before.slice(0, -1) : before),
            (before) => (typeof before === "number" ? before + 1 : before),
            (before) => (typeof before === "string" ? before.slice(0, Math.floor(before.length / 2)) : before),
          ]
          for (const change of changes) {
            const changed = withAt(text, at, change)
            const exit = yield* Effect.exit(check(changed, keys))
            if (Exit.isSuccess(exit)) assert.deepStrictEqual(exit.value, sound, `${at.join(".")}: ${changed}`)
          }
        }
      }
    }).pipe(Effect.provide(Books)),
  )

  it.effect("says what is wrong with it", () =>
    Effect.gen(function* () {
      const { act, posting } = yield* files
      const keys = yield* list
      const is = (at: ReadonlyArray<string>, change: (before: string) => Plain[string] | undefined, text = posting) =>
        refused(
          withAt(text, at, (before) => change(String(before))),
          keys,
        )
      const flip = (before: string) => (before.startsWith("A") ? "B" : "A") + before.slice(1)
      for (const text of [
        "",
        "{",
        "null",
        "[]",
        "{}",
        posting.slice(0, -1),
        `${posting}x`,
        posting.slice(1),
        "\u0000",
      ]) {
        assert.strictEqual(yield* refused(text, keys), "Malformed", text)
      }
      assert.strictEqual(yield* is(["version"], () => "guildhall-proof-2"), "Malformed")
      assert.strictEqual(yield* is(["header"], () => "[]"), "Malformed")
      for (const sequence of ["0", "-1", "011", "1e1", " 11", `${10n ** 19n}`]) {
        assert.strictEqual(yield* is(["header", "1"], () => sequence), "Malformed", sequence)
      }
      assert.strictEqual(yield* is(["header", "9"], () => "more"), "Malformed")
      assert.strictEqual(yield* is(["header", "4"], () => "{", act), "Malformed")
      assert.strictEqual(yield* is(["path"], (before) => before.slice(4)), "Malformed")
      assert.strictEqual(yield* is(["path"], (before) => "A".repeat(43 * 65) + before), "Malformed")
      assert.strictEqual(yield* is(["checkpoint", "root"], () => "AAAA"), "Malformed")
      assert.strictEqual(yield* is(["header", "5"], () => "wild"), "NotIncluded")
      for (const sequence of ["1", "10", "12", `${2n ** 60n}`]) {
        assert.strictEqual(yield* is(["header", "1"], () => sequence), "NotIncluded", sequence)
      }
      assert.strictEqual(yield* is(["path"], flip), "NotIncluded")
      assert.strictEqual(yield* is(["path"], () => ""), "NotIncluded")
      assert.strictEqual(yield* is(["checkpoint", "size"], () => "13"), "NotIncluded")
      assert.strictEqual(yield* is(["checkpoint", "size"], () => "11"), "NotIncluded")
      assert.strictEqual(yield* is(["checkpoint", "root"], flip), "NotIncluded")
      for (const name of ["book", "chain", "atMs"]) {
        const change = name === "chain" ? flip : () => 7
        assert.strictEqual(yield* is(["checkpoint", name], change), "NotSigned", name)
      }
      for (const name of ["keyId", "value"]) {
        assert.strictEqual(yield* is(["checkpoint", "signature", name], flip), "NotSigned", name)
      }
      assert.strictEqual(yield* is(["legs", "text"], (before) => before.replace(" 1 1\n", " 2 2\n")), "WrongLegs")
      assert.strictEqual(yield* is(["legs", "text"], () => ""), "WrongLegs")
      assert.strictEqual(yield* is(["legs", "path"], flip), "WrongLegs")
      assert.strictEqual(yield* is(["legs", "group"], () => 2), "WrongLegs")
      assert.strictEqual(yield* is(["legs"], () => null), "WrongLegs")
      const { legs = null } = plain(posting)
      assert.strictEqual(
        yield* refused(
          withAt(act, ["legs"], () => legs),
          keys,
        ),
        "WrongLegs",
      )
    }).pipe(Effect.provide(Books)),
  )

  it.effect("holds by the keys that signed it only, and still after they were rotated", () =>
    Effect.gen(function* () {
      const { posting } = yield* files
      const ring = yield* KeyRing.KeyRing
      const before = yield* ring.list
      assert.strictEqual(yield* refused(posting, []), "NotSigned")
      assert.strictEqual(
        yield* refused(
          posting,
          before.filter(({ purpose }) => purpose !== "checkpoint"),
        ),
        "NotSigned",
      )
      // A key for something else does not sign a checkpoint, even under the same name.
      const renamed = before.map((key) => ({ ...key, purpose: "receipt" as const }))
      assert.strictEqual(yield* refused(posting, renamed), "NotSigned")
      const strangers = yield* Effect.provide(list, Layer.fresh(KeyRing.layerMemory))
      assert.strictEqual(yield* refused(posting, strangers), "NotSigned")
      const mine = strangers.find(({ purpose }) => purpose === "checkpoint")
      if (mine === undefined) return assert.fail("there is none")
      const forged = before.map((key) => ({ ...key, publicKey: mine.publicKey }))
      assert.strictEqual(yield* refused(posting, forged), "NotSigned")
      yield* ring.rotate("checkpoint")
      yield* check(posting, yield* ring.list)
      const later = yield* encode(yield* Proof.make({ sequence: 1n }, 1))
      yield* check(later, yield* ring.list)
      assert.strictEqual(yield* refused(later, before), "NotSigned")
    }).pipe(Effect.provide(Books)),
  )
})

/** The file of an entry among so many. Its path leads to a root that is of no history. */
const fileOf = Effect.fnUntraced(function* (
  posting: Posting,
  hold: string | null,
  size: bigint,
  balances: ReadonlyArray<bigint>,
) {
  const atMs = Date.UTC(2026, 10, 21)
  const entry: Posted = {
    _tag: "Posted",
    sequence: 4_567_890n,
    fingerprint: "",
    posting,
    hold: hold === null ? null : HoldId.make(hold),
    balances,
    postedAtMs: atMs,
    effectiveAtMs: atMs,
  }
  const hashes = Chain.legHashes(posting, balances)
  const header = Chain.header(entry)
  const depth = Merkle.pathLeaves(Number(entry.sequence) - 1, Number(size)).length
  const path = Array.from({ length: depth }, (_, at) => Chain.sha256(new Uint8Array([at])))
  const leaf = new TextEncoder().encode(header)
  const root = Merkle.rootFromPath(Chain.sha256, leaf, Number(entry.sequence) - 1, Number(size), path)
  if (root === undefined) return assert.fail("the path has a wrong length")
  const ring = yield* KeyRing.KeyRing
  const stands = { book: 1, size, root, chain: Chain.sha256(root), atMs }
  const checkpoint = { ...stands, signature: yield* ring.sign("checkpoint", Checkpoint.payload(stands)) }
  const legsPath = Merkle.pathLeaves(0, hashes.length).map(({ from, to }) =>
    Merkle.rootOf(Chain.sha256, hashes.slice(from, to)),
  )
  const text = yield* encode({
    version: "guildhall-proof-1",
    header: yield* Schema.decodeUnknownEffect(Schema.fromJsonString(Proof.Header))(header),
    legs: {
      text: Chain.legText(Chain.legLines(posting, balances, 0)),
      group: 0,
      groups: hashes.length,
      path: new Uint8Array(Buffer.concat(legsPath)),
    },
    path: new Uint8Array(Buffer.concat(path)),
    checkpoint,
  })
  const proved = yield* check(text, yield* ring.list)
  assert.strictEqual(proved.sequence, entry.sequence)
  return { bytes: new TextEncoder().encode(`${text}\n`).length, depth }
})

describe("Proof: the size of its file", () => {
  it.effect("is under 2,000 bytes for a charge among ten million entries", () =>
    Effect.gen(function* () {
      const request = "req_0123456789abcdef0123456789abcdef"
      const price = 2_500_000_003n
      const charge = Sample.postingOf(
        [
          [AccountId.make("buyer:mem_0123456789abcdef"), -price],
          [AccountId.make("accrual:card:mem_fedcba9876543210"), price - 150_000_000n],
          [AccountId.make("platform:fees"), 125_000_000n],
          [AccountId.make("insurance:pool"), 25_000_000n],
        ],
        { idempotencyKey: `request:${request}`, links: { request, definition: "0123456789abcdef".repeat(4) } },
      )
      const balances = charge.legs.map(() => 98_765_432_109_876_543n)
      for (const size of [10_000_000n, 2n ** 24n]) {
        const { bytes, depth } = yield* fileOf(charge, request, size, balances)
        assert.strictEqual(depth, 24)
        assert.isBelow(bytes, 2_000)
      }
    }).pipe(Effect.provide(Books)),
  )

  it.effect("has an end, however much a posting says", () =>
    Effect.gen(function* () {
      const account = (at: number) =>
        AccountId.make(`${"a".repeat(20)}:${`${at}`.padStart(80, "0")}:${"b".repeat(80)}:${"c".repeat(80)}`)
      const id = (letter: string) => letter.repeat(100)
      const amount = 10n ** 77n
      const widest = Sample.postingOf(
        Array.from({ length: 100 }, (_, at) => [account(at), at % 2 === 0 ? -amount : amount] as const),
        {
          idempotencyKey: '"'.repeat(200),
          links: { request: id("r"), payout: id("p"), case: id("c"), booking: id("b") },
        },
      )
      const { bytes } = yield* fileOf(
        widest,
        '"'.repeat(320),
        2n ** 32n,
        widest.legs.map(() => -amount),
      )
      assert.isBelow(bytes, 6_000)
    }).pipe(Effect.provide(Books)),
  )
})
