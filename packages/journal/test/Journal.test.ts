import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer } from "effect"
import type { Receipt } from "@guildhall/core/Receipt"
import { RequestId } from "@guildhall/core/Request"
import * as Journal from "../src/Journal.ts"
import * as JournalSql from "../src/JournalSql.ts"
import * as ServedDay from "../src/ServedDay.ts"
import * as JournalTest from "../src/testing/JournalTest.ts"

JournalTest.suite("memory", Journal.layerMemory)
JournalTest.suite("SQL", JournalSql.layer.pipe(Layer.provide(TestDatabase.layer)))

type Service = Journal.Journal["Service"]
const broken = (change: (journal: Service) => Partial<Service>) =>
  Layer.effect(
    Journal.Journal,
    Effect.map(Journal.makeMemory, (journal) => Journal.Journal.of({ ...journal, ...change(journal) })),
  )

JournalTest.breaks(
  "an entry is appended anew under its old id",
  broken((journal) => {
    let copies = 0
    return {
      append: (entries, position) =>
        journal.append(
          entries.map((entry) => ({ ...entry, id: `${entry.id}#${copies++}` })),
          position,
        ),
    }
  }),
  1,
)
JournalTest.breaks(
  "the position is forgotten",
  broken(() => ({ position: Effect.succeed(0n) })),
  2,
)
JournalTest.breaks(
  "requests come oldest first",
  broken((journal) => ({
    requests: (query) => Effect.map(journal.requests(query), (requests) => requests.toReversed()),
  })),
  3,
)
JournalTest.breaks(
  "receipts wait for ever",
  broken((journal) => ({ receipts: { ...journal.receipts, seal: () => Effect.void } })),
  4,
)
JournalTest.breaks(
  "the directory log ends too early",
  broken((journal) => ({
    directory: { ...journal.directory, upTo: (replica, version) => journal.directory.upTo(replica, version - 1) },
  })),
  5,
)
JournalTest.breaks(
  "entries are kept as they come",
  broken((journal) => {
    const kept: Array<Journal.RequestRecord> = []
    return {
      append: (entries, position) => {
        for (const entry of entries)
          if (entry._tag === "RequestEnded" || entry._tag === "RequestRefused") kept.push(entry)
        return journal.append(entries, position)
      },
      requests: () => Effect.succeed(kept),
    }
  }),
  6,
)
JournalTest.breaks(
  "a revision counts beside the one before",
  broken((journal) => {
    const sealed: Array<Receipt> = []
    return {
      receipts: {
        ...journal.receipts,
        seal: Effect.fnUntraced(function* (batch, receipts) {
          for (const { entryId } of receipts) {
            const [found] = yield* journal.requests({ id: RequestId.make(entryId.split(":")[0] ?? "") })
            if (found?._tag === "RequestEnded") sealed.push(found.receipt)
          }
          yield* journal.receipts.seal(batch, receipts)
        }),
      },
      served: ({ provider }) =>
        Effect.sync(() => {
          const sums = new ServedDay.Sums()
          for (const receipt of sealed) sums.count(receipt, 1)
          return sums.all().filter((day) => day.provider === provider)
        }),
    }
  }),
  7,
)
