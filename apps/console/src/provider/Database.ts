/**
 * What this page keeps in the browser's database: the device's key, and the lines of its usage log that the market has not
 * acknowledged.
 */
import * as Effect from "effect/Effect"
import { BrowserError, wordsOf } from "./BrowserError.ts"

const NAME = "guildhall"

export type Table = "device" | "chain" | "lines"

const failed = (cause: unknown) =>
  new BrowserError(
    `This browser's storage cannot be used: ${wordsOf(cause)} Private windows often have none, and a full disk lets nothing be written. Open this page in an ordinary window, or free the disk.`,
  )

const asEffect = <A>(make: () => Promise<A>) => Effect.tryPromise({ try: make, catch: failed })

const answer = <A>(request: IDBRequest<A>): Promise<A> =>
  new Promise((resolve, reject) => {
    request.addEventListener("success", () => resolve(request.result))
    request.addEventListener("error", () => reject(request.error ?? new Error("The database gave no reason.")))
  })

/** One transaction: what `work` asks for, once everything is on disk. */
const transact = async <A>(
  database: IDBDatabase,
  tables: ReadonlyArray<Table>,
  mode: IDBTransactionMode,
  work: (store: (table: Table) => IDBObjectStore) => Promise<A>,
): Promise<A> => {
  const transaction = database.transaction([...tables], mode, { durability: "strict" })
  const ended = new Promise<void>((resolve, reject) => {
    const fail = () => reject(transaction.error ?? new Error("The transaction was aborted."))
    transaction.addEventListener("complete", () => resolve())
    transaction.addEventListener("abort", fail)
    transaction.addEventListener("error", fail)
  })
  const [result] = await Promise.all([work((table) => transaction.objectStore(table)), ended])
  return result
}

/** The database. `read` and `write` are one transaction each. */
export interface Database {
  readonly read: <A>(
    tables: ReadonlyArray<Table>,
    work: (store: (table: Table) => IDBObjectStore) => Promise<A>,
  ) => Effect.Effect<A, BrowserError>
  readonly write: <A>(
    tables: ReadonlyArray<Table>,
    work: (store: (table: Table) => IDBObjectStore) => Promise<A>,
  ) => Effect.Effect<A, BrowserError>
}

export { answer }

/** Opens the database. It closes with the scope. */
export const open = Effect.gen(function* () {
  const database = yield* Effect.acquireRelease(
    asEffect(() => {
      const request = indexedDB.open(NAME, 1)
      request.addEventListener("upgradeneeded", () => {
        for (const table of ["device", "chain"]) request.result.createObjectStore(table)
        request.result.createObjectStore("lines", { keyPath: "number" })
      })
      return answer(request)
    }),
    (opened) => Effect.sync(() => opened.close()),
  )
  const made: Database = {
    read: (tables, work) => asEffect(() => transact(database, tables, "readonly", work)),
    write: (tables, work) => asEffect(() => transact(database, tables, "readwrite", work)),
  }
  return made
})
