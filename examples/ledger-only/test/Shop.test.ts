import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { execFile } from "node:child_process"
import path from "node:path"
import { promisify } from "node:util"
import { Effect, Layer } from "effect"
import { MemberId } from "@guildhall/core/Member"
import { ids } from "@guildhall/ledger/Account"
import * as Ledger from "@guildhall/ledger/Ledger"
import * as LedgerStoreMemory from "@guildhall/ledger/LedgerStoreMemory"
import * as Shop from "../src/Shop.ts"

const [ann, bob] = [MemberId.make("mem_ann"), MemberId.make("mem_bob")]
const main = path.join(import.meta.dirname, "../src/main.ts")

describe("a shop with only the ledger", () => {
  it.effect("gives the price back when an order fails", () =>
    Effect.gen(function* () {
      yield* Effect.forEach([ann, bob], Shop.join)
      yield* Shop.topUp(ann, 50n, "pi_1")
      const sale = { id: "order-1", buyer: ann, maker: bob, price: 20n }
      assert.strictEqual(yield* Effect.flip(Shop.order(sale, Effect.fail("no clay"))), "no clay")
      const ledger = yield* Ledger.Ledger
      assert.deepInclude(yield* ledger.account(ids.buyer(ann)), { balance: 50n, held: 0n })
    }).pipe(Effect.provide(Ledger.layer.pipe(Layer.provide(LedgerStoreMemory.layer)))),
  )

  it.live("pays the maker, and prints the same when it is run again", () =>
    Effect.gen(function* () {
      const url = yield* TestDatabase.make
      const run = Effect.promise(() =>
        promisify(execFile)(process.execPath, ["--conditions=@guildhall/source", main], {
          env: { ...process.env, DATABASE_URL: url },
        }),
      )
      const { stdout } = yield* run
      assert.match(stdout, /^payable:bank:mem_bob +18$/m)
      assert.match(stdout, /^platform:fees +2$/m)
      assert.match(stdout, /^2 postings verified, Merkle root [0-9a-f]{64}$/m)
      assert.strictEqual((yield* run).stdout, stdout)
    }).pipe(Effect.scoped),
  )
})
