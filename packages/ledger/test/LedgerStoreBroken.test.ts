import { Effect, Result } from "effect"
import type { AccountId } from "../src/Account.ts"
import type { Command, Linkable, Outcome } from "../src/LedgerStore.ts"
import { accountId, open, posting, text } from "../src/testing/SampleCommand.ts"
import { type Answer, answers, breaks, isRefused, persists, reposts, rereads, rewrites } from "./BrokenStore.ts"

const isLimitless = (command: Command): Command => (command._tag === "Open" ? { ...command, ceiling: null } : command)

const expand = (command: Command): ReadonlyArray<Command> => (command._tag === "Link" ? command.commands : [command])

const unlinked = (commands: ReadonlyArray<Linkable>): ReadonlyArray<Linkable> => commands.slice(0, -1)
rewrites("forgets the keys of postings", 1, (command) =>
  command._tag === "Post" ? { ...command, posting: { ...command.posting, idempotencyKey: text() } } : command,
)
rewrites("forgets the keys of settlements", 1, (command) =>
  command._tag === "Settle" ? { ...command, posting: { ...command.posting, idempotencyKey: text() } } : command,
)
answers("never says that it has seen a command", 1, (outcome) =>
  "replayed" in outcome ? { ...outcome, replayed: false } : outcome,
)
rewrites("forgets the keys of terms", 1, (command) =>
  command._tag === "SetTerms" ? { ...command, idempotencyKey: text() } : command,
)
rewrites("does not look at links", 1, (command) => {
  if (command._tag !== "Post") return command
  const { links: _, ...posting } = command.posting
  return { _tag: "Post", posting }
})
persists(
  "takes a posting back twice",
  1,
  Effect.fnUntraced(function* (command, answer, store) {
    const isReplayed = Result.isSuccess(answer) && answer.success._tag === "Posted" && answer.success.replayed
    if (command._tag !== "Reverse" || !isReplayed) return undefined
    const [entry] = yield* store.history("entries", { after: command.sequence - 1n, limit: 1 })
    if (entry?._tag !== "Posted") return undefined
    const legs = entry.posting.legs.map((leg) => ({ ...leg, amount: -leg.amount }))
    return { _tag: "Post", posting: { ...entry.posting, idempotencyKey: text(), legs } }
  }),
)
persists(
  "takes a reversal of a reversal",
  1,
  Effect.fnUntraced(function* (command, answer, store) {
    if (command._tag !== "Reverse" || !isRefused(answer, "InvalidCommand") || command.sequence < 1n) return undefined
    const [entry] = yield* store.history("entries", { after: command.sequence - 1n, limit: 1 })
    if (entry?._tag !== "Posted") return undefined
    const legs = entry.posting.legs.map((leg) => ({ ...leg, amount: -leg.amount }))
    return { _tag: "Post", posting: { ...entry.posting, kind: "adjustment", idempotencyKey: text(), legs } }
  }),
)
persists("takes keys that are the ledger's own", 1, (command, answer) =>
  Effect.succeed(
    command._tag === "Post" &&
      isRefused(answer, "InvalidCommand") &&
      command.posting.idempotencyKey.startsWith("ledger:")
      ? { ...command, posting: { ...command.posting, idempotencyKey: text() } }
      : undefined,
  ),
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
breaks("mixes assets of different scales", 2, (store) => ({
  // The asset of each account is another one.
  commit: (commands) =>
    store.commit(
      commands.map((command) =>
        command._tag === "Open" && command.asset.scale === 3
          ? { ...command, asset: { ...command.asset, scale: 2 } }
          : command,
      ),
    ),
}))
rewrites("exchanges at any rate", 2, (command) => {
  if (command._tag !== "Post" || command.posting.rate === undefined) return command
  const { legs, rate } = command.posting
  const [taken, given] = [legs[1]?.amount ?? 1n, -(legs[2]?.amount ?? -1n)]
  if (taken <= 0n || given <= 0n) return command
  return { ...command, posting: { ...command.posting, rate: { ...rate, numerator: given, denominator: taken } } }
})
reposts("loses links and rates", 2, (posted) => {
  const { links: _, rate: __, ...posting } = posted.posting
  return { ...posted, posting }
})
rewrites("lets an account go below its floor", 3, (command) =>
  command._tag === "Open" ? { ...command, floor: null } : command,
)
rewrites("holds nothing", 3, (command) =>
  command._tag === "Hold" ? { ...command, hold: { ...command.hold, amount: 0n } } : command,
)
rewrites("lets an account rise above its ceiling", 3, isLimitless)
rewrites("freezes nothing", 3, (command) =>
  command._tag === "SetTerms" && command.terms.state === "frozen"
    ? { ...command, terms: { ...command.terms, state: "open" } }
    : command,
)
rewrites("sets no floors and ceilings", 3, (command) =>
  command._tag === "SetTerms" ? { ...command, terms: { ...command.terms, floor: null, ceiling: null } } : command,
)
persists("lets a closed account be opened again", 3, (command, answer) =>
  Effect.succeed(
    command._tag === "SetTerms" && isRefused(answer, "InvalidCommand") && command.terms.state !== "closed"
      ? open(accountId())
      : undefined,
  ),
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
        ...[from, to].map((id): Command => open(id, { kind: "external", floor: null })),
        { _tag: "Post", posting: posting(from, to, 1n, { attachments: lost }) },
      ])
    }
    return results
  }),
}))
breaks("makes linked commands one by one", 4, (store) => ({
  commit: Effect.fnUntraced(function* (commands) {
    const results: Array<Answer> = []
    for (const command of commands) {
      if (command._tag !== "Link") {
        results.push(...(yield* store.commit([command])))
        continue
      }
      const whole = yield* store.commit([{ _tag: "Preview", command }])
      const made = yield* store.commit(expand(command))
      const outcomes = made.flatMap((answer) => (Result.isSuccess(answer) ? [answer.success] : []))
      results.push(...whole.map((answer) => Result.map(answer, (): Outcome => ({ _tag: "Linked", outcomes }))))
    }
    return results
  }),
}))
rewrites("makes what should only be previewed", 4, (command) =>
  command._tag === "Preview" ? command.command : command,
)
answers("previews another balance than there will be", 4, (outcome) => {
  if (outcome._tag !== "Previewed") return outcome
  const accounts = outcome.preview.accounts.map(({ after, before }) => ({
    before,
    after: { ...after, held: after.held + 1n },
  }))
  return { ...outcome, preview: { ...outcome.preview, accounts } }
})
answers("answers linked commands the other way round", 4, (outcome) =>
  outcome._tag === "Linked" ? { ...outcome, outcomes: outcome.outcomes.toReversed() } : outcome,
)
rewrites("forgets the last of linked commands", 4, (command) =>
  command._tag === "Link" && command.commands.length > 1
    ? { ...command, commands: unlinked(command.commands) }
    : command,
)
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
rewrites("ends a hold when it is drawn on", 5, (command) =>
  command._tag === "Draw" ? { ...command, _tag: "Settle" } : command,
)
rewrites("draws past the hold", 5, (command) =>
  command._tag === "Draw" ? { _tag: "Post", posting: command.posting } : command,
)
breaks("a voided hold gives back what was drawn of it, too", 5, (store) => {
  const given = new Map<AccountId, bigint>()
  return {
    commit: Effect.fnUntraced(function* (commands) {
      for (const command of commands) {
        const [hold] = command._tag === "Void" ? yield* store.holds({ ids: [command.hold] }) : []
        if (hold?.state === "pending") given.set(hold.account, (given.get(hold.account) ?? 0n) + hold.drawn)
      }
      return yield* store.commit(commands)
    }),
    accounts: (ids) =>
      Effect.map(store.accounts(ids), (accounts) =>
        accounts.map((account) => ({ ...account, held: account.held - (given.get(account.id) ?? 0n) })),
      ),
  }
})
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
rereads("says nothing of what expired", 6, {
  attachments: (items) => items.filter((one) => one.attachment.kind !== "hold.expired"),
})
reposts("its time goes back", 6, (posted) => ({ ...posted, postedAtMs: 1_000_000 - Number(posted.sequence) }))
rewrites("lets everything expire", 6, (command) =>
  command._tag === "Hold" ? { ...command, hold: { ...command.hold, lifeMs: command.hold.lifeMs ?? 1 } } : command,
)
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
persists(
  "pays claims of any amount",
  7,
  Effect.fnUntraced(function* (command, answer, store) {
    const [hold] = command._tag === "Claim" ? yield* store.holds({ ids: [command.hold] }) : []
    const isLate = hold?.state === "expired" && !hold.claimed && isRefused(answer, "InvalidCommand")
    return command._tag === "Claim" && isLate ? { _tag: "Post", posting: command.posting } : undefined
  }),
)
