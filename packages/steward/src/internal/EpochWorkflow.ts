import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Activity from "effect/workflow/Activity"
import * as DurableClock from "effect/workflow/DurableClock"
import * as Workflow from "effect/workflow/Workflow"
import { WorkflowEngine } from "effect/workflow/WorkflowEngine"
import * as Record from "@guildhall/chain/SettlementRecord"
import * as Account from "@guildhall/ledger/Account"
import { HoldId } from "@guildhall/ledger/Hold"
import { Ledger } from "@guildhall/ledger/Ledger"
import { LedgerStore } from "@guildhall/ledger/LedgerStore"
import * as Payout from "@guildhall/ledger/templates/Payout"
import * as EpochChain from "./EpochChain.ts"
import * as EpochNetting from "./EpochNetting.ts"
import { type Desk, Order, RAIL } from "./EpochTerms.ts"

/** How an epoch ends. `passed`: another one was under way, and what it would have paid is paid later. */
const End = Schema.Literals(["claimable", "cancelled", "empty", "passed"])

/**
 * One run for each epoch, whoever starts it and however often. A run that breaks down by a fault of ours is suspended and goes on
 * when it is started again; its name changes with its steps, so that what runs already ends by the steps it began with.
 */
const EpochV1 = Workflow.make("GuildhallEpoch/1", {
  payload: Order,
  success: End,
  idempotencyKey: ({ beginning: { asset, chainId, contract, epoch, token } }) =>
    [chainId, contract, token, asset, epoch].join(":"),
}).annotate(Workflow.SuspendOnFailure, true)

/** How often in a row an epoch that we proposed must be missing, before it counts as taken off the chain. */
const GONE_MAX = 3
/** So many payees' payouts are posted at a time. */
const AT_ONCE = { concurrency: 64, discard: true } as const

/** Waits on the engine's clock, which goes on while no process runs. */
const sleep = (name: string, durationMs: number) =>
  DurableClock.sleep({ name, duration: Math.max(1, durationMs), inMemoryThreshold: 0 })

const wait = ({ firstWaitMs, longestWaitMs }: Order, name: string, cycle: number) =>
  sleep(`${name}/${cycle}`, Math.min(firstWaitMs * 2 ** Math.min(cycle - 1, 30), longestWaitMs))

const ofOrder = ({ beginning }: Order): Record.Of => Record.of(beginning)

const line = (order: Order, words: string) => `Epoch ${order.beginning.epoch} (${order.asset.code}) waits. ${words}`

const say = (order: Order, words: string, isOurs: boolean) =>
  isOurs ? Effect.logError(line(order, words)) : Effect.logWarning(line(order, words))

/** Why a step was not made. What `isExpected` passes by itself, and nobody need be warned of it. */
interface Unmade {
  readonly message: string
  readonly isRetryable?: boolean
  readonly isExpected?: boolean
}

/**
 * A step that is made until it succeeds: what went wrong is told, and it is made again, after longer and longer waits. It gives
 * `null` where it must be made again.
 */
const until = Effect.fnUntraced(function* <A, R>(
  order: Order,
  name: string,
  success: Schema.Codec<A, unknown>,
  step: Effect.Effect<A | null, Unmade, R>,
) {
  for (let cycle = 1; ; cycle++) {
    const made = yield* Activity.make({
      name: `${name}/${cycle}`,
      success: Schema.NullOr(success),
      execute: Effect.catch(step, ({ isExpected = false, isRetryable = true, message }) =>
        Effect.as(isExpected ? Effect.logInfo(line(order, message)) : say(order, message, !isRetryable), null),
      ),
    })
    if (made !== null) return made
    yield* wait(order, `${name}Wait`, cycle)
  }
})

/** A step on the chain: it waits where this process settles on another contract than the one that the epoch began on. */
const onChain = <A, E, R>({ settlement }: Desk, order: Order, step: Effect.Effect<A | null, E, R>) => {
  const { chainId, contract, definition } = order.beginning
  const here = settlement.domain
  if (here.chainId === chainId && here.contract === contract) return step
  const words = `It began on ${contract} (chain ${chainId}), and this market settles on ${here.contract} (chain ${here.chainId}). Nothing else is settled until it is over: start the market with the definition that it began under (${definition}), and change it afterwards.`
  return Effect.as(say(order, words, true), null)
}

/** Adds the epoch up and writes down what it pays; whether it pays anybody. */
const netted = Effect.fnUntraced(function* (desk: Desk, order: Order) {
  const { record, settlement } = desk
  const of = ofOrder(order)
  const [known] = yield* record.epochs({ ...of, limit: 1 })
  if (known !== undefined && known.state !== "begun") return known.state !== "empty"
  const terms = yield* settlement.termsAt(order.beginning.epoch)
  if (terms === undefined || terms.providerBps === 0) {
    const words = "The contract has no terms for it that pay providers. Its curator publishes them (appendTerms)."
    return yield* Effect.as(say(order, words, true), null)
  }
  const result = yield* EpochNetting.net(desk, order, terms.providerBps)
  if (result._tag === "Nothing") {
    yield* record.note(of, { state: "empty" })
    return false
  }
  yield* record.net(of, result.sum, result)
  return true
})

const sumOf = Effect.fnUntraced(function* ({ record }: Desk, order: Order) {
  const [found] = yield* record.epochs({ ...ofOrder(order), limit: 1 })
  return found?.sum ?? (yield* Effect.die(new Error(`Epoch ${order.beginning.epoch} has no sum.`)))
})

/** How an attempt to bring the epoch to the chain ended: it is there, it is missing although it was done, or not yet known. */
const Brought = Schema.Union([
  Schema.TaggedStruct("There", { appliesAtS: Schema.NullOr(Schema.Int) }),
  Schema.TaggedStruct("Missing", {}),
])

const bring = Effect.fnUntraced(function* (desk: Desk, order: Order) {
  const { beginning, by } = order
  const sum = yield* sumOf(desk, order)
  const tried = yield* EpochChain.attempt(desk, EpochChain.proposing({ ...beginning, by }, sum))
  const seen = yield* EpochChain.look(desk, beginning, sum)
  switch (seen._tag) {
    case "Waiting": {
      const transaction = tried._tag === "Done" ? tried.act.transaction : ""
      yield* desk.record.note(ofOrder(order), { state: "posted", transaction, appliesAtS: seen.appliesAtS })
      return { _tag: "There" as const, appliesAtS: seen.appliesAtS }
    }
    case "Applied":
      return { _tag: "There" as const, appliesAtS: null }
    case "Foreign":
      return yield* Effect.as(
        say(order, `On the chain ${seen.words} The market's operator must look into it.`, true),
        null,
      )
    case "Gone":
      if (tried._tag === "Done") return { _tag: "Missing" as const }
      return yield* Effect.as(say(order, tried.words, tried.isOurs), null)
  }
})

/** Brings the epoch to the chain, until it is there; `null` where it was there and was taken off. */
const posted = Effect.fnUntraced(function* (desk: Desk, order: Order, round: number) {
  for (let missing = 0; missing < GONE_MAX; missing++) {
    const brought = yield* until(order, `Post/${round}.${missing}`, Brought, onChain(desk, order, bring(desk, order)))
    if (brought._tag === "There") return brought
    yield* sleep(`Missing/${round}.${missing}`, Math.max(order.finalityMs, order.firstWaitMs))
  }
  return null
})

/** Makes the epoch count; false where it is not there any more. */
const apply = Effect.fnUntraced(function* (desk: Desk, order: Order) {
  const { beginning, by } = order
  const sum = yield* sumOf(desk, order)
  const before = yield* EpochChain.look(desk, beginning, sum)
  if (before._tag === "Applied") return true
  if (before._tag === "Gone") return false
  const tried = yield* EpochChain.attempt(desk, yield* EpochChain.applying(desk, { ...beginning, by }))
  const seen = yield* EpochChain.look(desk, beginning, sum)
  if (seen._tag === "Applied") return true
  if (seen._tag === "Gone") return false
  const words = seen._tag === "Foreign" ? seen.words : tried._tag === "Not" ? tried.words : "It is not applied yet."
  return yield* Effect.as(say(order, words, tried._tag === "Not" && tried.isOurs), null)
})

/** Posts what the chain owes now, payee by payee, and says that the epoch counts. */
const settle = Effect.fnUntraced(function* (desk: Desk, order: Order) {
  const { ledger, record } = desk
  const { beginning } = order
  const { unit } = beginning
  const [found] = yield* record.epochs({ ...ofOrder(order), limit: 1 })
  const movement = `${beginning.chainId}.${found?.transaction ?? ""}`
  yield* ledger.open({ id: Account.ids.external(RAIL), kind: "external", asset: order.asset, floor: null }).pipe(
    Effect.catchIf(
      (error) => error.reason._tag === "Conflict",
      () => Effect.void,
    ),
  )
  yield* Effect.forEach(
    yield* record.payees(ofOrder(order)),
    ({ account, amount, hold, member }) => {
      const body = { payout: hold, rail: RAIL, amount: `${amount * unit}`, epoch: beginning.epoch, account }
      const posting = Payout.posting(
        {
          account: Account.ids.payable(RAIL, member),
          rail: RAIL,
          amount: amount * unit,
          hold: HoldId.make(hold),
          movement,
        },
        { attachments: [{ kind: "payout.posted", body }], definition: beginning.definition },
      )
      return Effect.flatMap(Effect.fromResult(posting), (made) => ledger.settle(HoldId.make(hold), made))
    },
    AT_ONCE,
  )
  yield* record.note(ofOrder(order), { state: "claimable" })
  yield* Effect.logInfo(`Epoch ${beginning.epoch} (${order.asset.code}) is claimable.`)
  return true as const
})

/** Gives back what was held: the chain took the epoch off. It is paid with a later one. */
const giveBack = Effect.fnUntraced(function* ({ ledger, record }: Desk, order: Order) {
  const { beginning } = order
  const { unit } = beginning
  yield* Effect.forEach(
    yield* record.payees(ofOrder(order)),
    ({ amount, hold }) => {
      const body = { payout: hold, rail: RAIL, amount: `${amount * unit}`, epoch: beginning.epoch }
      return ledger.void(HoldId.make(hold), [{ kind: "payout.voided", body }])
    },
    AT_ONCE,
  )
  yield* record.note(ofOrder(order), { state: "cancelled" })
  yield* Effect.logError(
    `Epoch ${beginning.epoch} (${order.asset.code}) was cancelled on the chain. What it would have paid is part of the next one; find out why its challenger did that.`,
  )
  return true as const
})

const begun = ({ record }: Desk, { beginning }: Order) =>
  Effect.map(record.begin(beginning), (found): boolean => Record.isSame(found, beginning) && found.state !== "empty")

const closed = ({ ledger, store }: Desk, order: Order) =>
  EpochNetting.close(order).pipe(
    Effect.as(true as const),
    Effect.provideService(Ledger, ledger),
    Effect.provideService(LedgerStore, store),
  )

const Yes = Schema.Literal(true)

/** From the chain's word that it has the epoch to the one that it counts for good; `null` where it was taken off on the way. */
const counted = Effect.fnUntraced(function* (desk: Desk, order: Order, round: number) {
  const there = yield* posted(desk, order, round)
  if (there === null) return false
  if (there.appliesAtS !== null) {
    const nowMs = yield* Clock.currentTimeMillis
    yield* sleep(`Delay/${round}`, there.appliesAtS * 1_000 - nowMs)
  }
  if (!(yield* until(order, `Apply/${round}`, Schema.Boolean, onChain(desk, order, apply(desk, order))))) return null
  yield* sleep(`Final/${round}`, order.finalityMs)
  // What the chain rewrote meanwhile is brought there again.
  return (yield* until(order, `Look/${round}`, Schema.Boolean, onChain(desk, order, isApplied(desk, order))))
    ? true
    : null
})

const isApplied = Effect.fnUntraced(function* (desk: Desk, order: Order) {
  const seen = yield* EpochChain.look(desk, order.beginning, yield* sumOf(desk, order))
  if (seen._tag !== "Foreign") return seen._tag === "Applied"
  return yield* Effect.as(say(order, seen.words, true), null)
})

const run = (desk: Desk) =>
  Effect.fnUntraced(function* (order: Order) {
    if (!(yield* until(order, "Begin", Schema.Boolean, begun(desk, order)))) return "passed" as const
    yield* until(order, "Close", Yes, closed(desk, order))
    if (!(yield* until(order, "Net", Schema.Boolean, onChain(desk, order, netted(desk, order)))))
      return "empty" as const
    for (let round = 1; ; round++) {
      const isCounted = yield* counted(desk, order, round)
      if (isCounted === null) continue
      if (isCounted) {
        yield* until(order, "Settle", Yes, settle(desk, order))
        return "claimable" as const
      }
      yield* until(order, "GiveBack", Yes, giveBack(desk, order))
      return "cancelled" as const
    }
  })

/** Makes the engine able to run epochs in this process. */
export const register = (desk: Desk) => Effect.flatMap(WorkflowEngine, (engine) => engine.register(EpochV1, run(desk)))

/** Begins the run of an epoch, or lets one go on that was suspended by a fault. */
export const begin = Effect.fnUntraced(function* (order: Order) {
  const executionId = yield* EpochV1.execute(order, { discard: true })
  yield* Effect.catchCause(EpochV1.resume(executionId), (cause) =>
    Effect.logWarning(
      `The run of epoch ${order.beginning.epoch} could not be looked after. It is the next time.`,
      cause,
    ),
  )
})
