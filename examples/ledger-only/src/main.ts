/**
 * `DATABASE_URL=postgres://… node src/main.ts`: one order, from the card to the maker, in the schema `money` of that database.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { USD } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import { format } from "@guildhall/core/Money"
import * as Ledger from "@guildhall/ledger/Ledger"
import * as LedgerStoreSql from "@guildhall/ledger/LedgerStoreSql"
import * as Verify from "@guildhall/ledger/Verify"
import * as Shop from "./Shop.ts"

const [ann, bob] = [MemberId.make("mem_ann"), MemberId.make("mem_bob")]

const program = Effect.gen(function* () {
  const ledger = yield* Ledger.Ledger
  yield* Effect.forEach([ann, bob], Shop.join, { discard: true })
  yield* Shop.topUp(ann, 50_000_000_000_000n, "pi_1")
  yield* Shop.order({ id: "order-1", buyer: ann, maker: bob, price: 20_000_000_000_000n }, Effect.void)
  for (const { balance, id } of yield* ledger.accounts()) yield* Console.log(`${id.padEnd(24)} ${format(balance, USD)}`)
  const { postings, root } = yield* Verify.verify()
  yield* Console.log(`${postings} postings verified, Merkle root ${root}`)
})

const Database = PgClient.layerConfig({ url: Config.Redacted("DATABASE_URL") })
const Store = LedgerStoreSql.layer({ renewMs: 15_000, schema: "money" }).pipe(Layer.provide(Database))

NodeRuntime.runMain(Effect.provide(program, Ledger.layer.pipe(Layer.provideMerge(Store))))
