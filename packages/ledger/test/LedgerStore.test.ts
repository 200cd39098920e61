import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer, Result } from "effect"
import { TestClock } from "effect/testing"
import type { AccountId } from "../src/Account.ts"
import type { LedgerError } from "../src/LedgerError.ts"
import { type Command, LedgerStore, type Outcome } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as LedgerStoreTest from "../src/testing/LedgerStoreTest.ts"
import { USD, accountId, posting, text } from "../src/testing/SampleCommand.ts"

const virtual = { pass: (durationMs: number) => TestClock.adjust(durationMs) }
/** The database has a clock of its own. */
const real = { pass: (durationMs: number) => TestClock.withLive(Effect.sleep(durationMs)) }

LedgerStoreTest.suite("memory", LedgerStoreMemory.layer, virtual)
LedgerStoreTest.suite("sql", LedgerStoreSql.layer({ renewMs: 100 }).pipe(Layer.provide(TestDatabase.layer)), real)

type Service = LedgerStore["Service"]
type Answer = Result.Result<Outcome, LedgerError>
const breaks = (name: string, number: number, change: (store: Service) => Partial<Service>) =>
  LedgerStoreTest.breaks(
    name,
    Layer.effect(
      LedgerStore,
      Effect.map(LedgerStore, (store) => LedgerStore.of({ ...store, ...change(store) })),
    ).pipe(Layer.provide(Layer.fresh(LedgerStoreMemory.layer))),
    number,
    virtual,
  )

/** A store that takes other commands than those it was given. */
const rewrites = (name: string, number: number, rewrite: (command: Command) => Command) =>
  breaks(name, number, (store) => ({ commit: (commands) => store.commit(commands.map(rewrite)) }))

/** A store that answers other things than it should. */
const answers = (name: string, number: number, change: (outcome: Outcome, command: Command | undefined) => Outcome) =>
  breaks(name, number, (store) => ({
    commit: (commands) =>
      Effect.map(store.commit(commands), (results) =>
        results.map((result, at) => Result.map(result, (outcome) => change(outcome, commands[at]))),
      ),
  }))

rewrites("forgets the keys of postings", 1, (command) =>
  command._tag === "Post" ? { ...command, posting: { ...command.posting, idempotencyKey: text() } } : command,
)
rewrites("forgets the keys of settlements", 1, (command) =>
  command._tag === "Settle" ? { ...command, posting: { ...command.posting, idempotencyKey: text() } } : command,
)
answers("never says that it has seen a command", 1, (outcome) =>
  "replayed" in outcome ? { ...outcome, replayed: false } : outcome,
)
rewrites("moves only what balances, and drops the rest", 2, (command) =>
  command._tag === "Post" && command.posting.legs.length === 3
    ? { ...command, posting: { ...command.posting, legs: posting(accountId(), accountId(), 1n).legs } }
    : command,
)
breaks("balances what does not sum to zero", 2, (store) => {
  const balancing = (command: Command): Command => {
    const [first, second] = command._tag === "Post" ? command.posting.legs : []
    if (command._tag !== "Post" || first === undefined || second === undefined) return command
    return {
      ...command,
      posting: {
        ...command.posting,
        legs: [first, { ...second, amount: -first.amount }, ...command.posting.legs.slice(2)],
      },
    }
  }
  return { commit: (commands) => store.commit(commands.map(balancing)) }
})
rewrites("lets an account go below its floor", 3, (command) =>
  command._tag === "Open" ? { ...command, floor: null } : command,
)
rewrites("holds nothing", 3, (command) =>
  command._tag === "Hold" ? { ...command, hold: { ...command.hold, amount: 0n } } : command,
)
breaks("one refused command stops its batch", 4, (store) => ({
  commit: Effect.fnUntraced(function* (commands) {
    const results: Array<Answer> = []
    for (const command of commands) {
      const last = results.at(-1)
      const [answer = last] = last !== undefined && Result.isFailure(last) ? [last] : yield* store.commit([command])
      if (answer !== undefined) results.push(answer)
    }
    return results
  }),
}))
breaks("a refused posting leaves its attachments behind", 4, (store) => ({
  commit: Effect.fnUntraced(function* (commands) {
    const results = yield* store.commit(commands)
    const lost = commands.flatMap((command, at) =>
      command._tag === "Post" && results[at] !== undefined && Result.isFailure(results[at])
        ? command.posting.attachments
        : [],
    )
    const [from, to] = [accountId("external"), accountId("external")]
    if (lost.length > 0) {
      yield* store.commit([
        ...[from, to].map((id): Command => ({ _tag: "Open", id, kind: "external", asset: USD, floor: null })),
        { _tag: "Post", posting: posting(from, to, 1n, { attachments: lost }) },
      ])
    }
    return results
  }),
}))
breaks("settles more than was held", 5, (store) => ({
  // What is over the hold's amount is taken as a posting of its own.
  commit: Effect.fnUntraced(function* (commands) {
    const results = yield* store.commit(commands)
    const others = yield* store.commit(
      commands.map((command) => (command._tag === "Settle" ? { _tag: "Post", posting: command.posting } : command)),
    )
    return results.map((result, at) => {
      const other = others[at]
      return commands[at]?._tag === "Settle" && Result.isFailure(result) && other !== undefined ? other : result
    })
  }),
}))
rewrites("a settled hold stays held", 5, (command) =>
  command._tag === "Settle" ? { _tag: "Post", posting: command.posting } : command,
)
breaks("expires nothing", 6, (store) => ({
  commit: (commands) =>
    store.commit(
      commands.map((command) => (command._tag === "Expire" ? { _tag: "Renew", owner: "x", lifeMs: 1 } : command)),
    ),
}))
rewrites("renewal does nothing", 6, (command) =>
  command._tag === "Renew" ? { ...command, owner: `${command.owner}-other` } : command,
)
breaks("expires twice", 6, (store) => {
  const released = new Map<AccountId, bigint>()
  return {
    commit: Effect.fnUntraced(function* (commands) {
      const before = yield* store.holds({ pending: true })
      const results = yield* store.commit(commands)
      for (const result of results) {
        if (Result.isFailure(result) || result.success._tag !== "Expired") continue
        for (const id of result.success.holds) {
          const hold = before.find((one) => one.id === id)
          if (hold !== undefined) released.set(hold.account, (released.get(hold.account) ?? 0n) + hold.amount)
        }
      }
      return results
    }),
    accounts: (ids) =>
      Effect.map(store.accounts(ids), (accounts) =>
        accounts.map((account) => ({ ...account, held: account.held - (released.get(account.id) ?? 0n) })),
      ),
  }
})
breaks("says nothing of what expired", 6, (store) => ({
  attachments: (after, limit) =>
    Effect.map(store.attachments(after, limit), (all) => all.filter((one) => one.attachment.kind !== "hold.expired")),
}))
rewrites("pays a claim for a hold that is pending or was settled", 7, (command) =>
  command._tag === "Claim" ? { _tag: "Post", posting: command.posting } : command,
)
breaks("pays a claim twice", 7, (store) => ({
  commit: Effect.fnUntraced(function* (commands) {
    const results: Array<Answer> = []
    for (const command of commands) {
      const [hold] = command._tag === "Claim" ? yield* store.holds({ ids: [command.hold] }) : []
      const again: Command =
        command._tag === "Claim" && hold?.claimed === true ? { _tag: "Post", posting: command.posting } : command
      results.push(...(yield* store.commit([again])))
    }
    return results
  }),
}))
breaks("settles a hold that has expired", 7, (store) => ({
  commit: Effect.fnUntraced(function* (commands) {
    const results: Array<Answer> = []
    for (const command of commands) {
      const [hold] = command._tag === "Settle" ? yield* store.holds({ ids: [command.hold] }) : []
      const late: Command =
        command._tag === "Settle" && hold?.state === "expired" ? { _tag: "Post", posting: command.posting } : command
      results.push(...(yield* store.commit([late])))
    }
    return results
  }),
}))
breaks("forgets the holds", 8, () => ({ holds: () => Effect.succeed([]) }))
breaks("forgets the hold's context", 8, (store) => ({
  holds: (query) => Effect.map(store.holds(query), (holds) => holds.map((hold) => ({ ...hold, context: null }))),
}))
rewrites("rounds amounts to what a float holds", 8, (command) =>
  command._tag === "Post"
    ? {
        ...command,
        posting: {
          ...command.posting,
          legs: command.posting.legs.map((leg) => ({ ...leg, amount: BigInt(Number(leg.amount)) })),
        },
      }
    : command,
)
breaks("takes back what it has answered", 8, (store) => ({
  commit: Effect.fnUntraced(function* (commands) {
    const results = yield* store.commit(commands)
    const holds = results.flatMap((result) =>
      Result.isSuccess(result) && result.success._tag === "Held" ? [result.success.hold.id] : [],
    )
    yield* store.commit(holds.map((hold): Command => ({ _tag: "Void", hold, attachments: [] })))
    return results
  }),
}))
breaks("leaves a gap in the numbers", 9, (store) => ({
  postings: (after, limit) =>
    Effect.map(store.postings(after, limit), (all) => all.filter(({ sequence }) => sequence !== 3n)),
}))
breaks("records wrong balances", 9, (store) => ({
  postings: (after, limit) =>
    Effect.map(store.postings(after, limit), (all) =>
      all.map((posted) => ({ ...posted, balances: posted.balances.map((balance) => -balance) })),
    ),
}))
breaks("loses attachments", 10, () => ({ attachments: () => Effect.succeed([]) }))
breaks("turns attachments around", 10, (store) => ({
  commit: (commands) =>
    store.commit(
      commands.map((command) =>
        command._tag === "Post"
          ? { ...command, posting: { ...command.posting, attachments: command.posting.attachments.toReversed() } }
          : command,
      ),
    ),
}))
breaks("reads what it has at the time", 11, (store) => ({ snapshot: (read) => read(store) }))
breaks("shows balances of now among holds of then", 11, (store) => ({
  snapshot: (read) => store.snapshot((view) => read({ ...view, accounts: store.accounts })),
}))
