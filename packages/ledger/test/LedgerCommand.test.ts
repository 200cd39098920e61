import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Console, Effect, Exit, FileSystem, Layer } from "effect"
import { Command } from "effect/cli"
import { TestClock } from "effect/testing"
import * as Signature from "effect/crypto/Signature"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as KeyRing from "@guildhall/core/KeyRing"
import { LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerCommand from "../src/LedgerCommand.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import { oneTooMuch, seen } from "./SampleBooks.ts"

const outside = Sample.accountId("external")
const buyer = Sample.accountId("buyer")

/** Two accounts in entries 1 and 2, a top-up of 2.5 in entry 3, and a minute later one of 0.5 in entry 4. */
const books = Effect.gen(function* () {
  const store = yield* LedgerStoreMemory.make
  yield* store.commit([
    Sample.open(outside, { kind: "external", floor: null }),
    Sample.open(buyer),
    Sample.post(outside, buyer, 2_500_000_000_000n, { kind: "topUp", idempotencyKey: "first" }),
    { _tag: "Hold", hold: Sample.holdRequest(buyer, 1_000_000_000_000n) },
  ])
  yield* TestClock.adjust("1 minute")
  yield* store.commit([Sample.post(outside, buyer, 500_000_000_000n, { kind: "topUp" })])
  return store
})

const Crypto = Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto))
/** The market's keys, the same for every command. */
const kept: Array<KeyRing.StoredKey> = []
const store = {
  load: Effect.sync(() => [...kept]),
  add: (key: KeyRing.StoredKey) => Effect.sync(() => void kept.push(key)),
}
const Keys = Layer.effect(KeyRing.KeyRing, KeyRing.make(store)).pipe(Layer.provide(Crypto))

const runOn = Effect.fnUntraced(function* <E>(
  layer: Layer.Layer<LedgerStore | KeyRing.KeyRing, E>,
  ...args: ReadonlyArray<string>
) {
  const out: Array<string> = []
  const errors: Array<string> = []
  const console = yield* Console.Console
  const exit = yield* Command.runWith(LedgerCommand.make(layer), { version: "0.0.0" })(args).pipe(
    Effect.provideService(Console.Console, {
      ...console,
      log: (...texts: ReadonlyArray<unknown>) => void out.push(texts.join(" ")),
      error: (...texts: ReadonlyArray<unknown>) => void errors.push(texts.join(" ")),
    }),
    Effect.provide(NodeServices.layer),
    Effect.exit,
  )
  return { isOk: Exit.isSuccess(exit), out, errors }
})

const run = (store: LedgerStore["Service"], ...args: ReadonlyArray<string>) =>
  runOn(Layer.merge(Layer.succeed(LedgerStore, store), Keys), ...args)

describe("ledger verify", () => {
  it.effect("says what agrees, for people and for programs", () =>
    Effect.gen(function* () {
      const store = yield* books
      const { errors, isOk, out } = yield* run(store, "verify")
      assert.isTrue(isOk)
      assert.deepStrictEqual(errors, [])
      const [first, second, ...rest] = out.join("\n").split("\n")
      assert.strictEqual(first, "ok  2 postings, 2 accounts, 1 holds pending: every balance agrees with its history")
      assert.match(second ?? "", /^ {4}4 entries in 2 batches, whose Merkle root is [0-9a-f]{64}$/)
      assert.deepStrictEqual(rest, [])
      const json = yield* run(store, "verify", "--json")
      assert.isTrue(json.isOk)
      const verified = { ok: true, entries: 4, postings: 2, accounts: 2, pendingHolds: 1, batches: 2 }
      assert.deepInclude(JSON.parse(json.out.join("\n")), verified)
    }),
  )

  it.effect("fails on the first figure that differs, and says which", () =>
    Effect.gen(function* () {
      const store = seen(yield* books, oneTooMuch)
      const told = yield* run(store, "verify")
      assert.isFalse(told.isOk)
      assert.lengthOf(told.out, 0)
      assert.include(told.errors.join("\n"), `the balance of ${outside} should be -3000000000000 and is -2999999999999`)
      const { isOk, out } = yield* run(store, "verify", "--json")
      assert.isFalse(isOk)
      assert.deepInclude(JSON.parse(out.join("\n")), {
        ok: false,
        figure: "balance",
        sequence: null,
        account: outside,
        expected: "-3000000000000",
        found: "-2999999999999",
      })
    }),
  )

  it.effect("holds the history to a checkpoint's file, and says what is wrong with one that is none", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      const file = `${folder}/checkpoint.json`
      const store = yield* books
      assert.isTrue((yield* run(store, "checkpoint", "--out", file)).isOk)
      yield* store.commit([Sample.post(buyer, outside, 1n)])
      const continued = yield* run(store, "verify", "--checkpoint", file)
      assert.isTrue(continued.isOk)
      assert.match(continued.out.join("\n"), /and the first 4 entries are those that checkpoint_\S+ signed$/)

      // Whoever can swap the file cannot sign it, nor pass another book's off.
      const text = yield* fs.readFileString(file)
      for (const [forged, complaint] of [
        [text.replace(/"value":"...../, '"value":"AAAAA'), "was not signed by a key of this market"],
        [text.replace('"book":1', '"book":2'), "is of book 2, and this is book 1"],
      ] as const) {
        yield* fs.writeFileString(file, forged)
        const refused = yield* run(store, "verify", "--checkpoint", file)
        assert.isFalse(refused.isOk)
        assert.include(refused.errors.join("\n"), complaint)
      }
      yield* fs.writeFileString(file, text)

      const rewritten = yield* LedgerStoreMemory.make
      yield* rewritten.commit([
        Sample.open(outside, { kind: "external", floor: null }),
        ...Array.from({ length: 6 }, () => Sample.open(Sample.accountId())),
      ])
      const found = yield* run(rewritten, "verify", "--checkpoint", file)
      assert.isFalse(found.isOk)
      assert.include(
        found.errors.join("\n"),
        "the checkpoint at entry 4 should be the last of a batch and is within one",
      )

      const missing = yield* run(store, "verify", "--checkpoint", `${folder}/none.json`)
      assert.isFalse(missing.isOk)
      assert.include(missing.errors.join("\n"), `"${folder}/none.json" is not there`)
      yield* fs.writeFileString(file, `{"book":1}`)
      const wrong = yield* run(store, "verify", "--checkpoint", file, "--json")
      assert.isFalse(wrong.isOk)
      assert.include(JSON.parse(wrong.out.join("\n")).detail, "is not a checkpoint. Take one with")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  )
})

describe("ledger balances", () => {
  it.effect("lists every account, with amounts as money or as integers", () =>
    Effect.gen(function* () {
      const store = yield* books
      const { isOk, out } = yield* run(store, "balances")
      assert.isTrue(isOk)
      assert.lengthOf(out, 3)
      assert.match(out[0] ?? "", /^account +asset +balance +held +state$/)
      assert.match(out[1] ?? "", new RegExp(`^${buyer} +USD +3 +1 +open$`))
      assert.match(out[2] ?? "", new RegExp(`^${outside} +USD +-3 +0 +open$`))
      const { out: json } = yield* run(store, "balances", "--json")
      assert.deepStrictEqual(JSON.parse(json.join("\n")).accounts[0], {
        id: buyer,
        kind: "buyer",
        asset: "USD",
        scale: 12,
        floor: "0",
        ceiling: null,
        state: "open",
        balance: "3000000000000",
        held: "1000000000000",
      })
    }),
  )

  it.effect("shows what accounts had at a time, or right after an entry", () =>
    Effect.gen(function* () {
      const store = yield* books
      const lines = (...args: ReadonlyArray<string>) =>
        Effect.map(run(store, "balances", ...args), ({ errors, isOk, out }) => {
          assert.isTrue(isOk, errors.join("\n"))
          return out.map((line) => line.split(/ +/))
        })
      const head = ["account", "asset", "balance"]
      const early = [head, [buyer, "USD", "2.5"], [outside, "USD", "-2.5"]]
      const late = [head, [buyer, "USD", "3"], [outside, "USD", "-3"]]
      assert.deepStrictEqual(yield* lines("--sequence", "2"), [head])
      assert.deepStrictEqual(yield* lines("--sequence", "3"), early)
      assert.deepStrictEqual(yield* lines("--sequence", "4"), late)
      assert.deepStrictEqual(yield* lines("--at", "1970-01-01"), [head])
      assert.deepStrictEqual(yield* lines("--at", "1970-01-01T00:01:00Z"), early)
      assert.deepStrictEqual(yield* lines("--at", "1970-01-02"), late)
      const { out } = yield* run(store, "balances", "--sequence", "3", "--json")
      assert.deepStrictEqual(JSON.parse(out.join("\n")), {
        sequence: "3",
        accounts: [
          { id: buyer, kind: "buyer", asset: "USD", scale: 12, balance: "2500000000000" },
          { id: outside, kind: "external", asset: "USD", scale: 12, balance: "-2500000000000" },
        ],
      })
      const at = yield* run(store, "balances", "--at", "1970-01", "--json")
      assert.deepStrictEqual(JSON.parse(at.out.join("\n")), { before: "1970-01-01T00:00:00.000Z", accounts: [] })
    }),
  )

  it.effect("says what is wrong with a moment that is none", () =>
    Effect.gen(function* () {
      const store = yield* books
      const letter = (...args: ReadonlyArray<string>) =>
        Effect.map(run(store, "balances", ...args), ({ errors, isOk, out }) => {
          assert.isFalse(isOk)
          return [...out, ...errors].join("\n")
        })
      assert.include(yield* letter("--at", "1970-01-01", "--sequence", "3"), "give --at or --sequence, not both")
      assert.include(yield* letter("--sequence", "5"), "There is no entry 5 in this book")
      for (const none of ["0", "-1", "1.5", "x", "1".repeat(19)]) {
        assert.include(yield* letter(`--sequence=${none}`), `"${none}" is not the number of an entry`)
      }
      assert.include(yield* letter("--at", "yesterday"), `"yesterday" is not a time`)
      assert.include(yield* letter("--sequence", "5", "--json"), `"ok":false`)
    }),
  )
})

describe("ledger check", () => {
  it.effect("needs no books: it does not ask for them", () =>
    Effect.gen(function* () {
      const none = Layer.effect(LedgerStore, Effect.die("the books were asked for"))
      const { errors, isOk } = yield* runOn(Layer.merge(none, Keys), "check", "/there/is/none.json")
      assert.isFalse(isOk)
      assert.include(errors.join("\n"), `"/there/is/none.json" is not there`)
    }),
  )
})
