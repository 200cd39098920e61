/**
 * What the proofs of the ledger's store have in common: one command at a time, and the answers that they expect.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Account, AccountId } from "../../Account.ts"
import type { Entry } from "../../Entry.ts"
import type { Hold, HoldId } from "../../Hold.ts"
import type { LedgerError, LedgerReason } from "../../LedgerError.ts"
import { type Command, LedgerStore, type Outcome } from "../../LedgerStore.ts"
import * as Sample from "../SampleCommand.ts"

/** Lets the store's time pass. @category models @since 0.1.0 */
export type Pass = (durationMs: number) => Effect.Effect<void>

/** Commits one batch. @since 0.1.0 */
export const commit = (commands: ReadonlyArray<Command>) => LedgerStore.use((store) => store.commit(commands))

/** Commits one command by itself, and answers what it led to. @since 0.1.0 */
export const attempt = (command: Command) =>
  Effect.map(commit([command]), ([answer]): Result.Result<Outcome, LedgerError> => {
    if (answer === undefined) return assert.fail("the store did not answer")
    return answer
  })

/** The outcome of a command that must succeed. @since 0.1.0 */
export const outcome = (command: Command) =>
  Effect.map(attempt(command), (answer): Outcome => {
    if (Result.isFailure(answer)) return assert.fail(`${command._tag} was refused: ${answer.failure.message}`)
    return answer.success
  })

/** Why a command was refused; its outcome's name where it was not. @since 0.1.0 */
export const reasonOf = (answer: Result.Result<Outcome, LedgerError> | undefined): LedgerReason["_tag"] | string =>
  answer === undefined ? "no answer" : Result.isFailure(answer) ? answer.failure.reason._tag : answer.success._tag

const isOutcome = <Tag extends Outcome["_tag"]>(
  found: Outcome,
  tag: Tag,
): found is Extract<Outcome, { readonly _tag: Tag }> => found._tag === tag

/** The outcome of a command that must succeed, and in this way. @since 0.1.0 */
export const answer = <Tag extends Outcome["_tag"]>(command: Command, tag: Tag) =>
  Effect.map(outcome(command), (found): Extract<Outcome, { readonly _tag: Tag }> => {
    if (!isOutcome(found, tag)) return assert.fail(`${command._tag} led to ${found._tag}`)
    return found
  })

/** Asserts that a command is refused for this reason. @since 0.1.0 */
export const refuses = (command: Command, reason: LedgerReason["_tag"]) =>
  Effect.map(attempt(command), (answer) => assert.strictEqual(reasonOf(answer), reason))

/** Asserts that linked commands are refused because of the one at this place, for this reason. @since 0.1.0 */
export const refusesLink = (
  commands: Extract<Command, { readonly _tag: "Link" }>["commands"],
  index: number,
  reason: LedgerReason["_tag"],
) =>
  Effect.map(attempt({ _tag: "Link", commands }), (answer) => {
    if (Result.isSuccess(answer)) return assert.fail("the linked commands were not refused")
    const refused = answer.failure.reason
    if (refused._tag !== "LinkRefused") return assert.fail(`they were refused for ${refused._tag}`)
    assert.deepStrictEqual({ index: refused.index, reason: refused.cause._tag }, { index, reason })
  })

/** One entry, as the store has it. @since 0.1.0 */
export const entry = (sequence: bigint) =>
  Effect.map(
    LedgerStore.use((store) => store.history("entries", { after: sequence - 1n, limit: 1 })),
    ([found]): Entry => {
      if (found?.sequence !== sequence) return assert.fail(`the store has no entry ${sequence}`)
      return found
    },
  )

/** Makes a posting, and reads the entry that it made. @since 0.1.0 */
export const posted = Effect.fnUntraced(function* (command: Command) {
  const made = yield* entry((yield* answer(command, "Posted")).sequence)
  return made._tag === "Posted" ? made : assert.fail(`${command._tag} made no posting`)
})

/** One account, as the store has it. @since 0.1.0 */
export const account = (id: AccountId) =>
  Effect.map(
    LedgerStore.use((store) => store.accounts([id])),
    ([found]): Account => found ?? assert.fail(`the store has no account ${id}`),
  )

/** Asserts what an account has and what is held of it. @since 0.1.0 */
export const stands = (id: AccountId, balance: bigint, held: bigint) =>
  Effect.map(account(id), (found) =>
    assert.deepStrictEqual({ balance: found.balance, held: found.held }, { balance, held }, id),
  )

/** One hold, as the store has it. @since 0.1.0 */
export const hold = (id: HoldId) =>
  Effect.map(
    LedgerStore.use((store) => store.holds({ ids: [id] })),
    ([found]): Hold => found ?? assert.fail(`the store has no hold ${id}`),
  )

/** A world outside without a floor, a buyer with `funds`, and a provider. @since 0.1.0 */
export const people = Effect.fnUntraced(function* (funds: bigint) {
  const outside = Sample.accountId("external")
  const buyer = Sample.accountId("buyer")
  const provider = Sample.accountId("accrual")
  yield* outcome(Sample.open(outside, { kind: "external", floor: null }))
  yield* outcome(Sample.open(buyer))
  yield* outcome(Sample.open(provider, { kind: "accrual" }))
  if (funds > 0n) yield* outcome(Sample.post(outside, buyer, funds, { kind: "topUp" }))
  return { outside, buyer, provider }
})

/** Sweeps until a hold is no longer pending, letting time pass in between; or gives up after ten seconds. @since 0.1.0 */
export const sweepUntilExpired = Effect.fnUntraced(function* (id: HoldId, pass: Pass) {
  const swept: Array<HoldId> = []
  for (let round = 0; round < 500; round++) {
    const expired = yield* outcome({ _tag: "Expire", limit: 100 })
    if (expired._tag === "Expired") swept.push(...expired.holds)
    if ((yield* hold(id)).state !== "pending") return swept
    yield* pass(20)
  }
  return assert.fail(`the hold ${id} did not expire within ten seconds`)
})
