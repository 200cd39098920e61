import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Context, Effect, Layer } from "effect"
import { USD } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import { ids } from "../src/Account.ts"
import * as Books from "../src/Books.ts"
import * as Ledger from "../src/Ledger.ts"
import { LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as Sample from "../src/testing/SampleCommand.ts"

const eve = MemberId.make("mem_eve")
const earned = ids.accrual("card", eve)

const book = Effect.fnUntraced(function* <E, R>(number: number, store: Layer.Layer<LedgerStore, E, R>) {
  const context = yield* Layer.build(Layer.fresh(Ledger.layer.pipe(Layer.provideMerge(store))))
  return { number, ledger: Context.get(context, Ledger.Ledger), store: Context.get(context, LedgerStore) }
})

const sql = (number: number) => LedgerStoreSql.layer({ renewMs: 10_000, book: number })

/** Two books, in the first of which a provider has earned `amount`. */
const earning = Effect.fnUntraced(function* (one: Books.OneBook, two: Books.OneBook, amount: bigint) {
  const outside = ids.external("card")
  yield* one.ledger.open({ id: outside, kind: "external", asset: USD, floor: null })
  yield* one.ledger.open({ id: earned, kind: "accrual", asset: USD, floor: 0n })
  yield* one.ledger.post(Sample.posting(outside, earned, amount))
  return Books.make([one, two])
})

const balances = (books: Books.Books) =>
  Effect.forEach(books.all, ({ ledger }) =>
    Effect.map(ledger.accounts([earned]), ([account]) => account?.balance ?? 0n),
  )

/** A ledger whose postings of a kind do not arrive. */
const cut = (one: Books.OneBook): Books.OneBook => ({
  ...one,
  ledger: Ledger.Ledger.of({ ...one.ledger, post: () => Effect.die("the process ends here") }),
})

const crossing = { account: earned, from: 1, to: 2 }

for (const [name, first, second] of [
  ["memory", LedgerStoreMemory.layer, LedgerStoreMemory.layer],
  ["sql", sql(1), sql(2)],
] as const) {
  describe(`Books: ${name}`, () => {
    const test = <A, E>(effect: (one: Books.OneBook, two: Books.OneBook) => Effect.Effect<A, E>) =>
      Effect.gen(function* () {
        return yield* effect(yield* book(1, first), yield* book(2, second))
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer))

    it.effect("what crosses over leaves one book and arrives in the other, once an epoch", () =>
      test(
        Effect.fnUntraced(function* (one, two) {
          const books = yield* earning(one, two, 100n)
          assert.strictEqual(yield* books.cross("7", crossing), 100n)
          assert.deepStrictEqual(yield* balances(books), [0n, 100n])
          assert.strictEqual(yield* books.cross("7", crossing), 100n)
          assert.deepStrictEqual(yield* balances(books), [0n, 100n])
          assert.strictEqual(yield* books.cross("8", crossing), 0n)
          assert.deepStrictEqual(yield* books.inTransit, [])
        }),
      ),
    )

    it.effect("what was begun before a crash is finished after it, with the amount of then", () =>
      test(
        Effect.fnUntraced(function* (one, two) {
          const books = yield* earning(one, two, 100n)
          const crashed = yield* Effect.exit(Books.make([one, cut(two)]).cross("7", crossing))
          assert.strictEqual(crashed._tag, "Failure")
          assert.deepStrictEqual(yield* balances(books), [0n, 0n])
          assert.deepStrictEqual(yield* books.inTransit, [{ books: [1, 2], asset: USD.code, amount: 100n }])
          yield* one.ledger.post(Sample.posting(ids.external("card"), earned, 5n))
          assert.strictEqual(yield* books.cross("7", crossing), 100n)
          assert.deepStrictEqual(yield* balances(books), [5n, 100n])
          assert.deepStrictEqual(yield* books.inTransit, [])
          assert.strictEqual(yield* books.cross("8", crossing), 5n)
          assert.deepStrictEqual(yield* balances(books), [0n, 105n])
        }),
      ),
    )

    it.effect("many that let it cross over at once move it once", () =>
      test(
        Effect.fnUntraced(function* (one, two) {
          const books = yield* earning(one, two, 100n)
          const all = Array.from({ length: 8 }, () => books.cross("7", crossing))
          assert.deepStrictEqual(
            yield* Effect.all(all, { concurrency: "unbounded" }),
            all.map(() => 100n),
          )
          assert.deepStrictEqual(yield* balances(books), [0n, 100n])
        }),
      ),
    )

    it.effect("a debt crosses over as well, and what is held stays", () =>
      test(
        Effect.fnUntraced(function* (one, two) {
          const books = yield* earning(one, two, 100n)
          yield* one.ledger.hold(Sample.holdRequest(earned, 30n))
          assert.strictEqual(yield* books.cross("7", crossing), 70n)
          const loss = { id: ids.platformLoss, kind: "platform", asset: USD, floor: null } as const
          yield* one.ledger.open(loss)
          yield* one.ledger.post(Sample.posting(loss.id, earned, 9n))
          assert.strictEqual(yield* books.cross("7", { ...crossing, account: loss.id }), -9n)
          assert.strictEqual((yield* two.ledger.account(loss.id)).balance, -9n)
          assert.strictEqual((yield* one.ledger.account(loss.id)).balance, 0n)
          assert.deepStrictEqual(yield* books.inTransit, [])
        }),
      ),
    )
  })
}

describe("Books", () => {
  it.effect("spread members evenly, each always to the same book", () =>
    Effect.gen(function* () {
      const three = Books.make([
        yield* book(1, LedgerStoreMemory.layer),
        yield* book(2, LedgerStoreMemory.layer),
        yield* book(3, LedgerStoreMemory.layer),
      ])
      const counts = new Map<number, number>()
      for (let member = 0; member < 3_000; member++) {
        const id = MemberId.make(`mem_${member}`)
        const { number } = three.of(id)
        assert.strictEqual(three.of(id).number, number)
        counts.set(number, (counts.get(number) ?? 0) + 1)
      }
      for (const count of counts.values()) assert.isTrue(count > 900 && count < 1_100)
    }).pipe(Effect.scoped),
  )
})
