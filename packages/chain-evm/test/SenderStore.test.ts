import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Address } from "@guildhall/chain/Address"
import * as SenderStore from "../src/SenderStore.ts"
import * as SenderStoreSql from "../src/SenderStoreSql.ts"
import * as SenderStoreTest from "../src/testing/SenderStoreTest.ts"

type Store = SenderStore.SenderStore["Service"]

SenderStoreTest.suite("in memory", SenderStore.layerMemory)
SenderStoreTest.suite("on PostgreSQL", SenderStoreSql.layer.pipe(Layer.provide(TestDatabase.layer)))

const broken = (change: (store: Store) => Partial<Store>) =>
  Layer.effect(
    SenderStore.SenderStore,
    Effect.map(SenderStore.makeMemory, (store) => ({ ...store, ...change(store) })),
  )

let count = 0
SenderStoreTest.breaks(
  "it forgets keys",
  broken(({ open }) => ({
    open: (order, wanted, sign) => open({ ...order, idempotencyKey: `${++count}` }, wanted, sign),
  })),
  1,
)
SenderStoreTest.breaks(
  "it leaves gaps",
  broken(({ open }) => ({
    open: (order, wanted, sign) =>
      open(order, "least" in wanted ? { least: wanted.least + 2 * (++count % 2) } : wanted, sign),
  })),
  2,
)
SenderStoreTest.breaks(
  "it burns the nonce of what could not be signed",
  broken(({ open }) => {
    let burnt = 0
    return {
      open: (order, wanted, sign) =>
        Effect.tapError(open(order, "least" in wanted ? { least: wanted.least + burnt } : wanted, sign), () =>
          Effect.sync(() => (burnt += 1)),
        ),
    }
  }),
  3,
)
SenderStoreTest.breaks(
  "it replaces what another replaced",
  broken(({ find, replace }) => ({
    replace: (known, sign) =>
      Effect.flatMap(find(known.chainId, known.idempotencyKey), (now) => replace(now ?? known, sign)),
  })),
  4,
)
SenderStoreTest.breaks(
  "it changes what it does not know",
  broken(({ find, mark }) => ({
    mark: (known, state, place) =>
      Effect.flatMap(find(known.chainId, known.idempotencyKey), (now) => mark(now ?? known, state, place)),
  })),
  5,
)
SenderStoreTest.breaks(
  "it watches nothing",
  broken(() => ({ watched: () => Effect.succeed([]) })),
  6,
)
SenderStoreTest.breaks(
  "it keeps a nonce that is gone",
  broken(() => ({ renumber: (known) => Effect.succeed(known) })),
  7,
)

describe("SenderStoreSql", () => {
  it.live("gives no nonce twice, though two processes share the key", () =>
    Effect.gen(function* () {
      const url = yield* TestDatabase.make
      const by = Address.make("0x000000000000000000000000000000000000dEaD")
      const open = (process: string) =>
        Effect.gen(function* () {
          const store = yield* SenderStore.SenderStore
          return yield* Effect.forEach(
            Array.from({ length: 15 }, (_, at) => `${process} ${at}`),
            (idempotencyKey) =>
              store.open(
                { chainId: 1, idempotencyKey, content: "", by, to: by, data: "0x", valueWei: 0n, gas: 1n },
                { least: 0 },
                (nonce) =>
                  Effect.succeed({
                    raw: `0x${"00"}`,
                    hash: `0x${nonce}`.padEnd(66, "0") as `0x${string}`,
                    price: { style: "legacy", priceWei: 1n },
                    signedAtMs: 0,
                  }),
              ),
            { concurrency: 5 },
          )
        }).pipe(
          Effect.provide(Layer.fresh(SenderStoreSql.layer.pipe(Layer.provide(Layer.fresh(TestDatabase.at(url)))))),
        )
      const all = (yield* Effect.all([open("one"), open("two")], { concurrency: "unbounded" })).flat()
      assert.deepStrictEqual(
        all.map((opened) => opened?.sending.nonce ?? -1).sort((a, b) => a - b),
        Array.from({ length: 30 }, (_, at) => at),
      )
    }).pipe(Effect.scoped),
  )

  it.live("says that it is away when the database is, and what the signer said when the signer did", () =>
    Effect.gen(function* () {
      const store = yield* SenderStoreSql.make
      const sql = yield* SqlClient.SqlClient
      yield* sql`DROP TABLE chain_evm_versions`
      const error = yield* Effect.flip(store.find(1, "key"))
      assert.strictEqual(error.reason._tag, "StoreAway")
    }).pipe(Effect.provide(TestDatabase.layer)),
  )
})
