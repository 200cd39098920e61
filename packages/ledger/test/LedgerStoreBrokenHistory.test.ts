import { Effect, Result } from "effect"
import type { Command, History, Outcome, Range } from "../src/LedgerStore.ts"
import { breaks, isRefused, persists, reposts, rereads, rewrites } from "./BrokenStore.ts"

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
breaks("has balances of now only", 8, (store) => ({
  balances: (_, ids) => store.balances({ sequence: 2n ** 62n }, ids),
}))
breaks("counts what is back-dated when it is posted", 8, (store) => ({
  balances: (moment, ids) =>
    Effect.gen(function* () {
      if ("sequence" in moment) return yield* store.balances(moment, ids)
      const entries = yield* store.history("entries", { after: 0n, limit: 100_000 })
      const last = entries.findLast(({ postedAtMs }) => postedAtMs < moment.beforeMs)
      return yield* store.balances({ sequence: last?.sequence ?? 0n }, ids)
    }),
}))
breaks("shows all of history to who asks for a part", 8, (store) => ({
  history: (kind, { after, limit }) => store.history(kind, { after, limit }),
}))
breaks("shows an account's entries once for each leg", 8, (store) => ({
  history: <Kind extends keyof History>(kind: Kind, range: Range) =>
    Effect.map(store.history(kind, range), (items) =>
      range.account === undefined ? items : items.flatMap((item) => [item, item]).slice(0, range.limit),
    ),
}))
reposts("leaves a gap in the numbers", 9, (posted) => (posted.sequence % 7n === 0n ? undefined : posted))
reposts("records wrong balances", 9, (posted) => ({ ...posted, balances: posted.balances.map((balance) => -balance) }))
rereads("loses attachments", 10, { attachments: () => [] })
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
reposts("says that a posting took place later than it did", 12, (posted) => ({
  ...posted,
  effectiveAtMs: posted.effectiveAtMs + 1,
}))
rereads("records another root", 12, {
  batches: (batches) => batches.map((batch) => ({ ...batch, root: batch.chain })),
})
rereads("chains nothing", 12, {
  batches: (batches) => batches.map((batch) => ({ ...batch, chain: new Uint8Array(32) })),
})
rereads("loses a batch", 12, { batches: (batches) => batches.filter(({ number }) => number % 5n !== 0n) })
rereads("keeps no nodes", 12, { nodes: () => [] })
rewrites("lets nothing count earlier than now", 13, (command) => {
  if (command._tag !== "Post") return command
  const { effectiveAtMs: _, ...posting } = command.posting
  return { ...command, posting }
})
breaks("changes the balances of a closed period", 13, (store) => ({
  balances: (moment, ids) =>
    store.balances("beforeMs" in moment ? { beforeMs: moment.beforeMs + 10 ** 9 } : moment, ids),
}))
rewrites("seals whatever it is given last", 13, (command) =>
  command._tag === "SealPeriod"
    ? { ...command, trialBalance: { root: "r".repeat(43), accounts: 0, totals: [] } }
    : command,
)
persists("takes what comes too late for a closed period as of now", 13, (command, answer) => {
  if (command._tag !== "Post" || !isRefused(answer, "PeriodClosed")) return Effect.succeed(undefined)
  const { effectiveAtMs: _, ...posting } = command.posting
  return Effect.succeed({ _tag: "Post", posting })
})
rereads("leaves a gap between payouts", 14, {
  payouts: (payouts) => payouts.map((payout) => ({ ...payout, fromSequence: payout.fromSequence + 1n })),
})
rereads("carries nothing on", 14, {
  payouts: (payouts) => payouts.map((payout) => ({ ...payout, carriedIn: 0n, carriedOut: 0n })),
})
rereads("forgets a payout that failed", 14, {
  payouts: (payouts) => payouts.filter(({ state }) => state !== "voided"),
})
breaks("begins a payout anew while one is pending", 14, (store) => ({
  commit: (commands) =>
    Effect.map(store.commit(commands), (results) =>
      results.map((result) =>
        Result.map(result, (outcome): Outcome => {
          if (outcome._tag !== "PayoutBegun" || outcome.payout === null) return outcome
          const { payout } = outcome
          return { ...outcome, payout: { ...payout, fromSequence: payout.toSequence } }
        }),
      ),
    ),
}))
rewrites("pays by any posting", 14, (command) =>
  command._tag === "Settle" && command.hold.startsWith("payout:")
    ? { ...command, posting: { ...command.posting, kind: "payout" } }
    : command,
)
