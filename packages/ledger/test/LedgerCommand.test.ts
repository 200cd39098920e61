import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Console, Effect, Exit, Layer } from "effect"
import { Command } from "effect/cli"
import * as Signature from "effect/crypto/Signature"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as KeyRing from "@guildhall/core/KeyRing"
import { LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerCommand from "../src/LedgerCommand.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as Sample from "../src/testing/SampleCommand.ts"

const outside = Sample.accountId("external")
const buyer = Sample.accountId("buyer")

const books = Effect.gen(function* () {
  const store = yield* LedgerStoreMemory.make
  yield* store.commit([
    Sample.open(outside, { kind: "external", floor: null }),
    Sample.open(buyer),
    Sample.post(outside, buyer, 2_500_000_000_000n, { kind: "topUp" }),
    { _tag: "Hold", hold: Sample.holdRequest(buyer, 1_000_000_000_000n) },
  ])
  return store
})

const Crypto = Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto))
const Keys = KeyRing.layerMemory.pipe(Layer.provide(Crypto))

/** The same books, with a unit too much on every balance. */
const damaged = (store: LedgerStore["Service"]): LedgerStore["Service"] => ({
  ...store,
  snapshot: (read) =>
    store.snapshot((view) =>
      read({
        ...view,
        accounts: () =>
          Effect.map(view.accounts(), (all) => all.map((account) => ({ ...account, balance: account.balance + 1n }))),
      }),
    ),
})

const run = Effect.fnUntraced(function* (store: LedgerStore["Service"], ...args: ReadonlyArray<string>) {
  const out: Array<string> = []
  const errors: Array<string> = []
  const console = yield* Console.Console
  const exit = yield* Command.runWith(LedgerCommand.make(Layer.merge(Layer.succeed(LedgerStore, store), Keys)), { version: "0.0.0" })(args).pipe(
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

describe("ledger", () => {
  it.effect("verify says what agrees, for people and for programs", () =>
    Effect.gen(function* () {
      const store = yield* books
      assert.deepStrictEqual(yield* run(store, "verify"), {
        isOk: true,
        out: ["ok  1 postings, 2 accounts, 1 holds pending: every balance agrees with its history"],
        errors: [],
      })
      const { isOk, out } = yield* run(store, "verify", "--json")
      assert.isTrue(isOk)
      assert.deepStrictEqual(JSON.parse(out.join("\n")), { ok: true, postings: 1, accounts: 2, pendingHolds: 1 })
    }),
  )

  it.effect("verify fails on the first figure that differs, and says which", () =>
    Effect.gen(function* () {
      const store = damaged(yield* books)
      const told = yield* run(store, "verify")
      assert.isFalse(told.isOk)
      assert.lengthOf(told.out, 0)
      assert.include(told.errors.join("\n"), `the balance of ${outside} should be -2500000000000 and is -2499999999999`)
      const { isOk, out } = yield* run(store, "verify", "--json")
      assert.isFalse(isOk)
      assert.deepInclude(JSON.parse(out.join("\n")), {
        ok: false,
        figure: "balance",
        sequence: null,
        account: outside,
        expected: "-2500000000000",
        found: "-2499999999999",
      })
    }),
  )

  it.effect("balances lists every account, with amounts as money or as integers", () =>
    Effect.gen(function* () {
      const store = yield* books
      const { isOk, out } = yield* run(store, "balances")
      assert.isTrue(isOk)
      assert.lengthOf(out, 3)
      assert.match(out[0] ?? "", /^account +asset +balance +held +state$/)
      assert.match(out[1] ?? "", new RegExp(`^${buyer} +USD +2\\.5 +1 +open$`))
      assert.match(out[2] ?? "", new RegExp(`^${outside} +USD +-2\\.5 +0 +open$`))
      const { out: json } = yield* run(store, "balances", "--json")
      assert.deepStrictEqual(JSON.parse(json.join("\n")).accounts[0], {
        id: buyer,
        kind: "buyer",
        asset: "USD",
        floor: "0",
        state: "open",
        balance: "2500000000000",
        held: "1000000000000",
      })
    }),
  )
})
