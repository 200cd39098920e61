import { Effect, Result } from "effect"
import type { AccountId } from "../src/Account.ts"
import type { Hold } from "../src/Hold.ts"
import type { Command } from "../src/LedgerStore.ts"
import { hold, text } from "../src/testing/SampleCommand.ts"
import { type Answer, breaks, isRefused, persists, rewrites } from "./BrokenStore.ts"

/** What is answered, and changes nothing. */
const nothing: Command = { _tag: "Renew", owner: "nobody", lifeMs: 1 }

rewrites("grows nothing", 15, (command) => (command._tag === "Grow" ? { ...command, amount: 0n } : command))
breaks("grows by what is asked each time", 15, (store) => ({
  commit: Effect.fnUntraced(function* (commands) {
    const results: Array<Answer> = []
    for (const command of commands) {
      const [known] = command._tag === "Grow" ? yield* store.holds({ ids: [command.hold] }) : []
      const isKnown = command._tag === "Grow" && known !== undefined && command.amount > 0n
      const more: Command =
        isKnown && known.asked !== undefined ? { ...command, amount: known.amount + command.amount } : command
      results.push(...(yield* store.commit([more])))
    }
    return results
  }),
}))
persists("says that it grew where there is too little", 15, (command, answer) =>
  Effect.succeed(command._tag === "Grow" && isRefused(answer, "InsufficientFunds") ? nothing : undefined),
)
persists("grows holds that have ended", 15, (command, answer) =>
  Effect.succeed(command._tag === "Grow" && isRefused(answer, "HoldNotAvailable") ? nothing : undefined),
)
persists("grows what a frozen account promised", 15, (command, answer) =>
  Effect.succeed(command._tag === "Grow" && isRefused(answer, "AccountNotOpen") ? nothing : undefined),
)
breaks("forgets what a hold was taken with before it grew", 15, (store) => ({
  commit: Effect.fnUntraced(function* (commands) {
    const results: Array<Answer> = []
    for (const command of commands) {
      const [known] = command._tag === "Hold" ? yield* store.holds({ ids: [command.hold.id] }) : []
      const other: Command =
        command._tag === "Hold" && known?.asked !== undefined
          ? { ...command, hold: { ...command.hold, definitionDigest: text() } }
          : command
      results.push(...(yield* store.commit([other])))
    }
    return results
  }),
}))
breaks("settles up to what was held before it grew", 15, (store) => ({
  commit: Effect.fnUntraced(function* (commands) {
    const results: Array<Answer> = []
    for (const command of commands) {
      const [known] = command._tag === "Settle" ? yield* store.holds({ ids: [command.hold] }) : []
      const isGrown = command._tag === "Settle" && known?.asked !== undefined && known.state === "pending"
      const least: Command = isGrown ? { _tag: "Void", hold: command.hold, attachments: [] } : command
      results.push(...(yield* store.commit([least])))
    }
    return results
  }),
}))

rewrites("takes of the first account alone", 16, (command) => {
  if (command._tag !== "Hold") return command
  const { further: _, ...first } = command.hold
  return { _tag: "Hold", hold: first }
})
rewrites("takes of the last account first", 16, (command) => {
  if (command._tag !== "Hold" || command.hold.further === undefined) return command
  const [account = command.hold.account, ...further] = [command.hold.account, ...command.hold.further].toReversed()
  return { _tag: "Hold", hold: { ...command.hold, account, further } }
})
persists("takes what there is, where it is too little", 16, (command, answer) => {
  const reason = Result.isFailure(answer) ? answer.failure.reason : undefined
  return Effect.succeed(
    command._tag === "Hold" && reason?._tag === "InsufficientFunds"
      ? { _tag: "Hold", hold: { ...command.hold, amount: reason.available } }
      : undefined,
  )
})
persists("settles one part out of another", 16, (command, answer) =>
  Effect.succeed(
    command._tag === "Settle" && isRefused(answer, "InvalidCommand")
      ? { _tag: "Post", posting: command.posting }
      : undefined,
  ),
)
persists("draws on a part that it pays into", 16, (command, answer) =>
  Effect.succeed(
    command._tag === "Draw" && isRefused(answer, "InvalidCommand")
      ? { _tag: "Post", posting: command.posting }
      : undefined,
  ),
)

/** What stays held of the later parts of a hold. */
const rest = (known: Hold | undefined): ReadonlyArray<readonly [AccountId, bigint]> =>
  (known?.parts ?? []).slice(1).map(({ account, amount, drawn }) => [account, amount - drawn])

const keepsRest = (name: string, tag: "Void" | "Expire") =>
  breaks(name, 16, (store) => ({
    commit: Effect.fnUntraced(function* (commands) {
      const pending = yield* store.holds({ pending: true })
      const results = yield* store.commit(commands)
      for (const [at, command] of commands.entries()) {
        const answer = results[at]
        if (command._tag !== tag || answer === undefined || Result.isFailure(answer)) continue
        const ended = answer.success._tag === "Expired" ? answer.success.holds : []
        const gone = pending.filter(({ id }) =>
          command._tag === "Void" ? id === command.hold : ended.some((hold) => hold === id),
        )
        const kept = gone.flatMap(rest).map(([account, amount]) => hold(account, amount, { lifeMs: null }))
        yield* store.commit(kept)
      }
      return results
    }),
  }))
keepsRest("a voided hold keeps its later parts", "Void")
keepsRest("an expired hold keeps its later parts", "Expire")

persists("holds what a frozen account would have to pay for", 16, (command, answer) =>
  Effect.succeed(command._tag === "Hold" && isRefused(answer, "AccountNotOpen") ? nothing : undefined),
)
persists("lets a claim be paid by the one whose hold expired", 16, (command, answer) =>
  Effect.succeed(
    command._tag === "Claim" && isRefused(answer, "InvalidCommand")
      ? { _tag: "Post", posting: command.posting }
      : undefined,
  ),
)
rewrites("grows on the accounts alone that a hold began with", 16, (command) => {
  if (command._tag !== "Grow") return command
  const { sources: _, ...grow } = command
  return grow
})
