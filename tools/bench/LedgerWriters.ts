/**
 * Several gateways on one database: processes that each have a ledger and callers of their own.
 */
import { fork } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import path from "node:path"
import type { Order, Report } from "./LedgerWriter.ts"

/** The processes, ready to work. */
export interface Writers {
  /** Lets all of them work at once; the sum of what they did. */
  readonly run: (order: Order) => Promise<Pick<Report, "perSecond" | "total">>
  readonly stop: () => Promise<void>
}

const message = async (child: ChildProcess): Promise<unknown> => {
  const [received] = await Promise.race([
    once(child, "message"),
    once(child, "exit").then(() => Promise.reject(new Error("A writer's process ended; it said why above."))),
  ])
  return received
}

const isReport = (value: unknown): value is Report =>
  typeof value === "object" && value !== null && "perSecond" in value && "total" in value

/** Starts a process for each of the books given, each on the database. */
export const start = async (url: string, books: ReadonlyArray<number>): Promise<Writers> => {
  const children = books.map((book) =>
    fork(path.join(import.meta.dirname, "LedgerWriter.ts"), [url, String(book)], {
      execArgv: ["--conditions=@guildhall/source"],
    }),
  )
  const stop = async (): Promise<void> => {
    const living = children.filter((child) => child.connected)
    const ended = Promise.all(living.map((child) => once(child, "exit")))
    for (const child of living) child.disconnect()
    await ended
  }
  const everyone = (): Promise<ReadonlyArray<unknown>> => Promise.all(children.map(message))
  await everyone().catch(async (error: unknown) => {
    await stop()
    throw error
  })
  return {
    run: async (order) => {
      const answered = everyone()
      for (const child of children) child.send(order)
      const reports = (await answered).filter(isReport)
      return {
        perSecond: reports.reduce((sum, { perSecond }) => sum + perSecond, 0),
        total: reports.reduce((sum, { total }) => sum + total, 0),
      }
    },
    stop,
  }
}
