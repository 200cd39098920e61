import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Activity from "effect/workflow/Activity"
import * as DurableClock from "effect/workflow/DurableClock"
import * as Workflow from "effect/workflow/Workflow"
import { WorkflowEngine } from "effect/workflow/WorkflowEngine"
import { AssetCode } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import type { AccountId } from "../Account.ts"
import type { Ledger } from "../Ledger.ts"
import type { LedgerError } from "../LedgerError.ts"
import type { Payout, PayoutRail } from "../PayoutRail.ts"
import { attemptKey, PayoutRange } from "../PayoutRange.ts"
import type { Status } from "../PayoutRun.ts"
import * as Template from "../templates/Payout.ts"
import { Evidence, look } from "./PayoutEvidence.ts"

/** What a run begins with, and keeps to its end. */
const Order = Schema.Struct({
  range: PayoutRange,
  member: MemberId,
  asset: AssetCode,
  keyLifeMs: Schema.NullOr(Schema.Int),
  attemptsMax: Schema.Int,
  firstWaitMs: Schema.Int,
  longestWaitMs: Schema.Int,
  definition: Schema.NullOr(Schema.String),
})
type Order = typeof Order.Type

/**
 * One run for each range, whoever starts it and however often. A run that breaks down by a fault of ours is suspended and
 * goes on when it is started again; its name changes with its steps, so that what runs already ends by the steps it began with.
 */
const PayoutRunV1 = Workflow.make("GuildhallPayoutRun/1", {
  payload: Order,
  success: Schema.Literals(["posted", "voided"]),
  idempotencyKey: ({ range }) => range.hold,
}).annotate(Workflow.SuspendOnFailure, true)

/** What the steps need of the process that runs them. */
interface Desk {
  readonly ledger: Ledger["Service"]
  readonly rails: ReadonlyMap<string, PayoutRail>
  readonly answerMs: number
  readonly tell: (account: AccountId, status: Status) => Effect.Effect<void>
}

type Words = Pick<Status, "state" | "attempt" | "words">

const tell = Effect.fnUntraced(function* (desk: Desk, { range, asset }: Order, words: Words) {
  const atMs = yield* Clock.currentTimeMillis
  const { account, hold, rail, amount } = range
  yield* desk.tell(account, { payout: hold, rail, asset, amount, atMs, ...words })
})

/** What the one who is paid reads of evidence that has not ended the payout. */
const wordsOf = (evidence: Evidence, attempt: number, order: Order): Words | undefined => {
  switch (evidence._tag) {
    case "Succeeded":
      return undefined
    case "Failed":
      return attempt === order.attemptsMax
        ? undefined
        : { state: "waiting", attempt, words: `Attempt ${attempt} failed: ${evidence.detail} Another one follows.` }
    case "Undecided":
      switch (evidence.reason) {
        case "Pending":
          return { state: "sending", attempt, words: `The rail has it and is not done yet. ${evidence.detail}`.trim() }
        case "Unknown":
          return {
            state: "waiting",
            attempt,
            words: `The rail cannot say yet whether it arrived: ${evidence.detail} It is asked again.`,
          }
        case "Silent":
          return {
            state: "waiting",
            attempt,
            words: `The rail did not answer, so it is not known whether it arrived: ${evidence.detail} It is asked again.`,
          }
        case "Refused":
          return {
            state: "waiting",
            attempt,
            words: `The rail does not take it: ${evidence.detail} It is tried again.`,
          }
        case "Disputed":
          return { state: "blocked", attempt, words: `The market's operator must look into it: ${evidence.detail}` }
      }
  }
}

/** Waits on the engine's clock, which goes on while no process runs: twice as long each time. */
const wait = ({ firstWaitMs, longestWaitMs }: Order, name: string, cycle: number) =>
  DurableClock.sleep({
    name: `${name}/${cycle}`,
    duration: Math.min(firstWaitMs * 2 ** Math.min(cycle - 1, 30), longestWaitMs),
    inMemoryThreshold: 0,
  })

const payoutOf = ({ range, member, asset }: Order, attempt: number, notAfterMs: number | null): Payout => ({
  idempotencyKey: attemptKey(range, attempt),
  member,
  asset,
  amount: range.amount,
  ...(notAfterMs === null ? {} : { notAfterMs }),
})

/** One attempt, until there is proof of how it ended. */
const attempted = Effect.fnUntraced(function* (desk: Desk, order: Order, attempt: number) {
  const { range, keyLifeMs } = order
  // Durable before the first send: however late a step is made again, it knows when the rail forgets its key.
  const notAfterMs = yield* Activity.make({
    name: `Begin/${attempt}`,
    success: Schema.NullOr(Schema.Int),
    execute: Effect.map(Clock.currentTimeMillis, (nowMs) => (keyLifeMs === null ? null : nowMs + keyLifeMs)),
  })
  const payout = payoutOf(order, attempt, notAfterMs)
  const isHeld = Effect.map(desk.ledger.findHold(range.hold), (hold) => hold?.state === "pending")
  for (let cycle = 1; ; cycle++) {
    const evidence = yield* Activity.make({
      name: `Look/${attempt}/${cycle}`,
      success: Evidence,
      execute: Effect.gen(function* () {
        const rail = desk.rails.get(range.rail)
        const seen = yield* look({ rail, payout, answerMs: desk.answerMs, isHeld })
        const words = wordsOf(seen, attempt, order)
        if (words !== undefined) yield* tell(desk, order, words)
        if (words?.state === "blocked") yield* Effect.logError(`The payout ${range.hold} is blocked.`, words.words)
        return seen
      }),
    })
    if (evidence._tag !== "Undecided") return evidence
    yield* wait(order, `Wait/${attempt}`, cycle)
  }
})

/** A step of the ledger, made until the ledger takes it: how the payout ended is decided, and must get into the books. */
const recorded = Effect.fnUntraced(function* (
  desk: Desk,
  order: Order,
  name: "Post" | "Void",
  step: Effect.Effect<unknown, LedgerError>,
  words: Words,
) {
  for (let cycle = 1; ; cycle++) {
    const isTaken = yield* Activity.make({
      name: `${name}/${cycle}`,
      success: Schema.Boolean,
      execute: Effect.matchEffect(step, {
        onSuccess: () => Effect.as(tell(desk, order, words), true),
        onFailure: (error) =>
          Effect.as(
            error.isRetryable
              ? Effect.logWarning(`The payout ${order.range.hold} is not in the books yet.`, error)
              : Effect.logError(`The payout ${order.range.hold} ended, and the books do not take it.`, error),
            false,
          ),
      }),
    })
    if (isTaken) return
    yield* wait(order, `${name}Wait`, cycle)
  }
})

const postingOf = ({ range, definition }: Order, attempt: number, externalId: string) => {
  const { amount, hold, rail } = range
  const body = { payout: hold, rail, amount: `${amount}`, attempt, externalId }
  return Template.posting(
    { ...range, movement: externalId },
    { attachments: [{ kind: "payout.posted", body }], definition: definition ?? undefined },
  )
}

const run = (desk: Desk) =>
  Effect.fnUntraced(function* (order: Order) {
    const { range, attemptsMax } = order
    const { hold, rail, amount } = range
    let detail = ""
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const evidence = yield* attempted(desk, order, attempt)
      if (evidence._tag === "Succeeded") {
        const posting = postingOf(order, attempt, evidence.externalId)
        const words = `Paid out, as ${evidence.externalId}.`
        const settled = Effect.flatMap(Effect.fromResult(posting), (posting) => desk.ledger.settle(hold, posting))
        yield* recorded(desk, order, "Post", settled, { state: "paid", attempt, words })
        return "posted" as const
      }
      detail = evidence.detail
      if (attempt < attemptsMax) yield* wait(order, "Again", attempt)
    }
    const body = { payout: hold, rail, amount: `${amount}`, attempts: attemptsMax, detail }
    const words = `It failed ${attemptsMax} times, the last time because: ${detail} The amount is on your balance and part of the next payout.`
    yield* recorded(desk, order, "Void", desk.ledger.void(hold, [{ kind: "payout.voided", body }]), {
      state: "returned",
      attempt: attemptsMax,
      words,
    })
    return "voided" as const
  })

/** Makes the engine able to run payouts in this process. */
export const register = (desk: Desk) =>
  Effect.flatMap(WorkflowEngine, (engine) => engine.register(PayoutRunV1, run(desk)))

/** Begins the run of a range, or lets one go on that was suspended by a fault. */
export const begin = Effect.fnUntraced(function* (order: Order) {
  const executionId = yield* PayoutRunV1.execute(order, { discard: true })
  yield* Effect.catchCause(PayoutRunV1.resume(executionId), (cause) =>
    Effect.logWarning(
      `The run of the payout ${order.range.hold} could not be looked after. It is the next time.`,
      cause,
    ),
  )
})
