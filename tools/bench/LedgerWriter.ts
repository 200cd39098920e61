/**
 * A gateway's ledger in a process of its own. It takes orders from its parent: which load, how many callers, how long.
 */
import type { LedgerError } from "@guildhall/ledger/LedgerError"
import type { Ledger } from "@guildhall/ledger/Ledger"
import type * as Effect from "effect/Effect"
import type { Outcome } from "./LedgerClients.ts"
import * as Load from "./LedgerLoad.ts"

/** An order; `durationMs` is what counts of it, after a while to warm up. */
export interface Order {
  readonly load: "charges" | "pairs"
  readonly callers: number
  readonly durationMs: number
}

/** The answer to an order. */
export type Report = Pick<Outcome, "count" | "total" | "perSecond">

const loads: Readonly<
  Record<Order["load"], (parties: Load.Parties, size: Load.Size) => Effect.Effect<Outcome, LedgerError, Ledger>>
> = { charges: Load.charges, pairs: Load.pairs }

const [url = "", book = ""] = process.argv.slice(2)
const books = Load.open(url, Number(book))

const obey = async ({ callers, durationMs, load }: Order): Promise<void> => {
  const { count, perSecond, total } = await books.runPromise(
    loads[load](Load.hot, { callers, durationMs, warmMs: 600 }),
  )
  process.send?.({ count, total, perSecond } satisfies Report)
}

const fail = (error: unknown): never => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}

process.on("message", (order: Order) => void obey(order).catch(fail))
// The parent has all it wants, or is gone.
process.on("disconnect", () => void books.dispose().then(() => process.exit(0)))
// A gateway that has run for a while: its code is compiled and its statements are prepared.
await books.runPromise(Load.pairs(Load.hot, { callers: 64, durationMs: 500, warmMs: 300 })).catch(fail)
process.send?.("ready")
