import { assert, describe, it } from "@effect/vitest"
import * as KeyRing from "@guildhall/core/KeyRing"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer, Schema } from "effect"
import { SecureRandom, Signature } from "effect/crypto"
import { TestClock } from "effect/testing"
import { AccountId } from "../src/Account.ts"
import * as Checkpoint from "../src/Checkpoint.ts"
import { type Entry, keyOf, type Posted } from "../src/Entry.ts"
import { type Command, LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as Proof from "../src/Proof.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import * as Trial from "../src/testing/internal/Trial.ts"
import { numbers } from "./SampleBooks.ts"

const Crypto = Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto))
const Keys = KeyRing.layerMemory.pipe(Layer.provide(Crypto))
const Memory = LedgerStoreMemory.layer.pipe(Layer.provideMerge(Keys), Layer.provideMerge(Crypto))
const Sql = LedgerStoreSql.layer({ renewMs: 10_000 }).pipe(
  Layer.provide(TestDatabase.layer),
  Layer.provideMerge(Keys),
  Layer.provideMerge(Crypto),
)

const outside = AccountId.make("external:card")
const accounts = Array.from({ length: 100 }, (_, at) => AccountId.make(`buyer:b${at}`))
const accountAt = (at: number): AccountId => accounts[at % accounts.length] ?? assert.fail("no such account")

/** A posting of `legs` legs: from outside to so many buyers, from the one at `from` on. */
const many = (legs: number, from: number, key: string): Command => ({
  _tag: "Post",
  posting: Sample.postingOf(
    [[outside, -BigInt(legs - 1)], ...Array.from({ length: legs - 1 }, (_, at) => [accountAt(from + at), 1n] as const)],
    { idempotencyKey: key, kind: "topUp" },
  ),
})

/** The first 101 entries open the accounts; then postings of 2 to 100 legs, a hold that is settled, terms that are set. */
const command = (number: number): Command => {
  const opened = accounts[number - 2]
  if (number === 1) return Sample.open(outside, { kind: "external", floor: null })
  if (opened !== undefined) return Sample.open(opened)
  if (number % 7 === 0)
    return { ...Sample.setTerms(accountAt(number), { floor: BigInt(-number) }), idempotencyKey: `key-${number}` }
  return many(2 + ((number * 13) % 99), number, `key-${number}`)
}

/** Makes the history longer, in batches of various sizes, so that it has `size` entries. */
const growTo = Effect.fnUntraced(function* (from: number, size: number, together = 64) {
  for (let at = from; at < size; at += together) {
    yield* TestClock.adjust(5)
    const commands = Array.from({ length: Math.min(together, size - at) }, (_, place) => command(at + place + 1))
    for (const answer of yield* Trial.commit(commands)) yield* Effect.fromResult(answer)
  }
})

const entries = Effect.gen(function* () {
  const store = yield* LedgerStore
  const all: Array<Entry> = []
  for (;;) {
    const page = yield* store.snapshot((view) => view.history("entries", { after: BigInt(all.length), limit: 1_000 }))
    if (page.length === 0) return all
    all.push(...page)
  }
})

const publishedKeys = Effect.flatMap(KeyRing.KeyRing, (ring) => ring.list)
const encode = Schema.encodeEffect(Proof.Json)

/** Writes a proof, reads it again as a stranger would, and checks it with nothing but the published keys. */
const proved = Effect.fnUntraced(function* (subject: Proof.Subject) {
  const text = yield* encode(yield* Proof.make(subject, 1))
  const proof = yield* Proof.parse(text)
  return { text, proof, is: yield* Proof.check(proof, yield* publishedKeys) }
})

const linesOn = ({ balances, posting }: Posted) =>
  posting.legs.map(({ account, amount }, at) => ({ account, amount, balance: balances[at] ?? 0n }))

/** What the proof must say of an entry: which legs, where an account was asked for. */
const agrees = (is: Proof.Proved, entry: Entry, account?: AccountId) => {
  assert.strictEqual(is.sequence, entry.sequence)
  assert.strictEqual(is.idempotencyKey, keyOf(entry))
  assert.strictEqual(is.postedAtMs, entry.postedAtMs)
  if (entry._tag === "Acted") {
    assert.strictEqual(is.kind, entry.act._tag)
    assert.deepStrictEqual(is.legs, [])
    return
  }
  assert.strictEqual(is.kind, entry.posting.kind)
  assert.strictEqual(is.effectiveAtMs, entry.effectiveAtMs)
  const lines = linesOn(entry)
  const at = account === undefined ? 0 : lines.findLastIndex((line) => line.account === account)
  const from = at - (at % 4)
  assert.deepStrictEqual(is.legs, lines.slice(from, from + 4))
}

const lastOf = (all: ReadonlyArray<Entry>, account: AccountId) =>
  all.findLast((entry) => entry._tag === "Posted" && entry.posting.legs.some((leg) => leg.account === account))

describe("Proof", () => {
  for (const [name, store, sizes] of [
    [
      "memory",
      Memory,
      [...Array.from({ length: 40 }, (_, at) => at + 1), 255, 256, 257, 258, 259, 260, 511, 512, 513, 514, 700],
    ],
    ["SQL", Sql, [2, 40, 256, 257, 513, 700]],
  ] as const) {
    it.effect(`proves entries by number, by key and by account, however long the history is: ${name}`, () =>
      Effect.gen(function* () {
        const next = numbers(5)
        let from = 0
        for (const size of sizes) {
          yield* growTo(from, size)
          from = size
          const all = yield* entries
          assert.lengthOf(all, size)
          const places =
            size <= 40
              ? all.keys()
              : [
                  0,
                  1,
                  254,
                  255,
                  256,
                  511,
                  512,
                  size - 1,
                  ...Array.from({ length: 12 }, () => Math.floor(next() * size)),
                ]
          for (const place of places) {
            const entry = all[place]
            if (entry === undefined) continue
            const { is } = yield* proved({ sequence: entry.sequence })
            agrees(is, entry)
            assert.strictEqual(is.checkpoint.size, BigInt(size))
            if (place % 5 === 0) agrees((yield* proved({ key: keyOf(entry) })).is, entry)
          }
          for (const account of size < 110
            ? []
            : [outside, ...Array.from({ length: 8 }, () => accountAt(Math.floor(next() * 100)))]) {
            const entry = lastOf(all, account)
            if (entry === undefined) assert.strictEqual((yield* Effect.flip(proved({ account })))._tag, "NotFound")
            else agrees((yield* proved({ account })).is, entry, account)
          }
        }
      }).pipe(Effect.provide(store)),
    )

    it.effect(`proves consistency between any two checkpoints: ${name}`, () =>
      Effect.gen(function* () {
        const store = yield* LedgerStore
        const taken: Array<Checkpoint.Checkpoint> = []
        let from = 0
        for (const size of sizes.filter((_, at) => name === "SQL" || at % 3 === 0)) {
          yield* growTo(from, size)
          from = size
          taken.push(yield* store.snapshot((view) => Checkpoint.take(view, 1)))
        }
        for (const later of taken) {
          for (const earlier of taken) {
            const hashes = yield* Proof.consistency(earlier, later)
            assert.strictEqual(Proof.isConsistent(earlier, later, hashes), earlier.size <= later.size)
            assert.isFalse(Proof.isConsistent({ ...earlier, book: 2 }, later, hashes))
            if (earlier.size >= later.size) continue
            const rewritten = earlier.root.map((byte, at) => (at === 0 ? byte ^ 1 : byte))
            assert.isFalse(Proof.isConsistent({ ...earlier, root: rewritten }, later, hashes))
            assert.isFalse(Proof.isConsistent(earlier, later, hashes.slice(1)))
          }
        }
        const [first, last] = [taken[0], taken.at(-1)]
        if (first === undefined || last === undefined) return assert.fail("there are none")
        for (const size of [last.size + 1n, 10n ** 12n, 10n ** 77n]) {
          assert.strictEqual((yield* Effect.flip(Proof.consistency(first, { ...last, size })))._tag, "NotFound")
        }
      }).pipe(Effect.provide(store)),
    )
  }

  it.effect("refuses consistency after a rewrite", () =>
    Effect.gen(function* () {
      yield* growTo(0, 300)
      const keys = yield* KeyRing.KeyRing
      const honest = yield* LedgerStore.use((store) => store.snapshot((view) => Checkpoint.take(view, 1)))
      const rewritten = yield* LedgerStoreMemory.make
      const commands = Array.from({ length: 400 }, (_, at) => command(at + 1))
      yield* rewritten.commit(commands.map((each, at) => (at === 150 ? many(3, 1, "key-151") : each)))
      const later = yield* rewritten
        .snapshot((view) => Checkpoint.take(view, 1))
        .pipe(Effect.provideService(KeyRing.KeyRing, keys))
      assert.strictEqual(later.size, 400n)
      const hashes = yield* Proof.consistency(honest, later).pipe(Effect.provideService(LedgerStore, rewritten))
      assert.isFalse(Proof.isConsistent(honest, later, hashes))
    }).pipe(Effect.provide(Memory)),
  )

  it.effect("shows an account deep in a posting of a hundred legs its own group only", () =>
    Effect.gen(function* () {
      yield* growTo(0, 101)
      yield* Trial.outcome(many(100, 0, "wide"))
      for (const at of [0, 3, 4, 50, 98]) {
        const { is, proof } = yield* proved({ account: accountAt(at) })
        assert.isAtMost(is.legs.length, 4)
        assert.include(
          is.legs.map(({ account }) => String(account)),
          String(accountAt(at)),
        )
        assert.strictEqual(proof.legs?.groups, 25)
        assert.isAtMost(proof.legs?.path.length ?? 0, 5 * 32)
      }
    }).pipe(Effect.provide(Memory)),
  )

  it.effect("says what it cannot find, and that there is nothing to prove in an empty book", () =>
    Effect.gen(function* () {
      const empty = yield* Effect.flip(Proof.make({ sequence: 1n }, 1))
      assert.strictEqual(empty._tag, "NothingYet")
      assert.include(empty.message, "no entries yet")
      yield* growTo(0, 5)
      for (const subject of [
        { sequence: 0n },
        { sequence: 6n },
        { sequence: 10n ** 77n },
        { key: "none" },
        { account: accountAt(0) },
        { account: AccountId.make("buyer:none") },
      ]) {
        const error = yield* Effect.flip(Proof.make(subject, 1))
        assert.strictEqual(error._tag, "NotFound")
        assert.include(error.message, String(Object.values(subject)[0]))
      }
    }).pipe(Effect.provide(Memory)),
  )
})
