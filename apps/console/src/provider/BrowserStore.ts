/** The chain of usage lines in the browser's database: it outlives the page, until the market has acknowledged them. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { sha256 } from "@noble/hashes/sha2.js"
import * as UsageChain from "@guildhall/agent/serving/UsageChain"
import * as UsageLog from "@guildhall/agent/serving/UsageLog"
import { UsageLine } from "@guildhall/protocol/provider/UsageLog"
import { BrowserError, wordsOf } from "./BrowserError.ts"
import { answer, type Database } from "./Database.ts"

const HEAD = "head"

const encode = Schema.encodeSync(UsageLine)
const Base = Schema.Struct({ number: Schema.Int, hash: Schema.String })
const decodeLines = Schema.decodeUnknownEffect(Schema.Array(UsageLine))
const decodeBase = Schema.decodeUnknownEffect(Schema.UndefinedOr(Base))

const damaged = (cause: unknown) =>
  new BrowserError(
    `What this page kept of its served requests cannot be read: ${wordsOf(cause)} Clear this site's data in the browser: it then joins as a new device.`,
  )

/** Opens the chain. */
export const open = Effect.fnUntraced(function* (database: Database) {
  const tables = ["chain", "lines"] as const
  const kept = yield* database.read(tables, async (store) => ({
    head: (await answer(store("chain").get(HEAD))) as unknown,
    lines: (await answer(store("lines").getAll())) as unknown,
  }))
  let head: UsageLog.Base = (yield* Effect.mapError(decodeBase(kept.head), damaged)) ?? UsageLog.START
  let lines: ReadonlyArray<UsageLine> = yield* Effect.mapError(decodeLines(kept.lines), damaged)
  const oneAtATime = yield* Semaphore.make(1)
  const alone = <A, E>(effect: Effect.Effect<A, E>) => Effect.uninterruptible(oneAtATime.withPermit(effect))

  const put = (added: ReadonlyArray<UsageLine>, next: UsageLog.Base, isAnew: boolean) =>
    database.write(tables, async (store) => {
      if (isAnew) await answer(store("lines").clear())
      await Promise.all(added.map((line) => answer(store("lines").put(encode(line)))))
      await answer(store("chain").put(next, HEAD))
    })

  const append = Effect.fnUntraced(function* (entries: ReadonlyArray<UsageLog.Entry>) {
    const next = UsageChain.after(sha256, head, entries)
    yield* put(next.lines, next.head, false)
    head = next.head
    lines = [...lines, ...next.lines]
  })
  const acknowledge = Effect.fnUntraced(function* (number: number) {
    const left = lines.filter((line) => line.number > number)
    const gone = lines.length - left.length
    if (gone === 0) return 0
    yield* database.write(["lines"], (store) => answer(store("lines").delete(IDBKeyRange.upperBound(number))))
    lines = left
    return gone
  })
  const goOnFrom = Effect.fnUntraced(function* (held: UsageLog.Base) {
    if (UsageChain.has({ head, lines }, held)) return false
    const next = UsageChain.rebase(sha256, { head, lines }, held)
    yield* put(next.lines, next.head, true)
    head = next.head
    lines = next.lines
    return true
  })

  const made: UsageLog.Store<BrowserError> = {
    append: (entries) => alone(append(entries)),
    acknowledge: (number) => alone(acknowledge(number)),
    lines: Effect.sync(() => lines),
    head: Effect.sync(() => head),
    goOnFrom: (held) => alone(goOnFrom(held)),
  }
  return made
})
