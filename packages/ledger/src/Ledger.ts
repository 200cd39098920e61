/**
 * The only writer of money. A thin service over `LedgerStore` that gathers concurrent commands into batches, so that
 * one commit to the disk serves many callers.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import type { Asset } from "@guildhall/core/Asset"
import type { Account, AccountId, AccountKind, Terms } from "./Account.ts"
import type { TrialBalance } from "./Entry.ts"
import type { Hold, HoldId, HoldRequest, Part } from "./Hold.ts"
import { LedgerError, Unavailable, UnknownAccount } from "./LedgerError.ts"
import { type Attached, type Command, LedgerStore, type Linkable, type Outcome, type Preview } from "./LedgerStore.ts"
import type { PayoutRange } from "./PayoutRange.ts"
import type { Attachment, Posting } from "./Posting.ts"

/**
 * What a posting led to: its sequence number, and whether it had been made before.
 *
 * @category models
 * @since 0.1.0
 */
export interface Made {
  readonly sequence: bigint
  readonly replayed: boolean
}

/**
 * What a hold has grown to: its amount, its parts in the order in which they are spent, and what its accounts have left
 * together. `replayed` says that it was of as much before.
 *
 * @category models
 * @since 0.1.0
 */
export interface Grown {
  readonly amount: bigint
  readonly parts: readonly [Part, ...ReadonlyArray<Part>]
  readonly available: bigint
  readonly replayed: boolean
}

/**
 * The service.
 *
 * @category services
 * @since 0.1.0
 */
export class Ledger extends Context.Service<
  Ledger,
  {
    /** Opens an account, without a ceiling if none is given. Opening it again with the same terms changes nothing. */
    readonly open: (account: {
      readonly id: AccountId
      readonly kind: AccountKind
      readonly asset: Asset
      readonly floor: bigint | null
      readonly ceiling?: bigint | null
    }) => Effect.Effect<Account, LedgerError>
    /** Changes an account's floor, ceiling and state, once per idempotency key. */
    readonly setTerms: (change: {
      readonly idempotencyKey: string
      readonly account: AccountId
      readonly terms: Terms
    }) => Effect.Effect<Account, LedgerError>
    /** Makes a posting, once per idempotency key. Answers its sequence number. */
    readonly post: (posting: Posting) => Effect.Effect<Made, LedgerError>
    /**
     * Takes a posting back by one with the opposite legs, once. A payout is taken back when the rail gave the money back: it
     * is paid out again with the next one.
     */
    readonly reverse: (sequence: bigint, attachments: ReadonlyArray<Attachment>) => Effect.Effect<Made, LedgerError>
    /** Takes a hold; returns once it is durable. `available` is what the account, and the further ones, have left. */
    readonly hold: (
      hold: HoldRequest,
    ) => Effect.Effect<{ readonly hold: Hold; readonly available: bigint }, LedgerError>
    /**
     * Lets a pending hold be of at least `amount`, not of so much more: asking again changes nothing. What is missing is held
     * of `sources` in their order, or else of the accounts that it is on. It stays as it is where they have too little.
     */
    readonly grow: (
      hold: HoldId,
      to: { readonly amount: bigint; readonly sources?: ReadonlyArray<AccountId> },
    ) => Effect.Effect<Grown, LedgerError>
    /** Posts a part of a hold, which keeps the rest. */
    readonly draw: (hold: HoldId, posting: Posting) => Effect.Effect<Made, LedgerError>
    /** Posts a hold, up to what it still keeps; the rest is free again. */
    readonly settle: (hold: HoldId, posting: Posting) => Effect.Effect<Made, LedgerError>
    /** Gives back what a pending hold still keeps. */
    readonly void: (hold: HoldId, attachments: ReadonlyArray<Attachment>) => Effect.Effect<void, LedgerError>
    /** Pays a claim for a hold that expired, once. */
    readonly claim: (hold: HoldId, posting: Posting) => Effect.Effect<Made, LedgerError>
    /** Makes all of these commands, each as if the ones before were made, or none. */
    readonly link: (commands: ReadonlyArray<Linkable>) => Effect.Effect<ReadonlyArray<Outcome>, LedgerError>
    /** Puts off the expiry of every pending hold of an owner; answers how many there are. */
    readonly renew: (owner: string, lifeMs: number) => Effect.Effect<number, LedgerError>
    /** Expires holds whose time has passed; answers which. */
    readonly expire: (limit: number) => Effect.Effect<ReadonlyArray<HoldId>, LedgerError>
    /** Lets nothing count before a time any more. */
    readonly closePeriod: (endMs: number) => Effect.Effect<void, LedgerError>
    /** Writes down the trial balance of a closed period, for good; answers its sequence. `Period.close` computes it. */
    readonly sealPeriod: (endMs: number, trialBalance: TrialBalance) => Effect.Effect<bigint, LedgerError>
    /** Takes the next range of a payable account to be paid out; the pending one, if there is; null if there is too little. */
    readonly beginPayout: (payout: {
      readonly account: AccountId
      readonly rail: string
      readonly unit: bigint
      readonly minimum: bigint
    }) => Effect.Effect<PayoutRange | null, LedgerError>
    /** What a command would do if it were sent now, or why not. Changes nothing. */
    readonly dryRun: (
      command: Extract<Command, { readonly _tag: "Preview" }>["command"],
    ) => Effect.Effect<Preview, LedgerError>
    /** One account, as the store has it. */
    readonly account: (id: AccountId) => Effect.Effect<Account, LedgerError>
    readonly accounts: (ids?: ReadonlyArray<AccountId>) => Effect.Effect<ReadonlyArray<Account>, LedgerError>
    readonly findHold: (id: HoldId) => Effect.Effect<Hold | undefined, LedgerError>
    readonly attachments: (after: bigint, limit: number) => Effect.Effect<ReadonlyArray<Attached>, LedgerError>
    /**
     * What this process last saw available where a hold began with this account, its further ones included, without asking
     * the store; undefined where it saw none.
     */
    readonly lastAvailable: (id: AccountId) => bigint | undefined
    /** Whether a batch could not be committed, and the next seconds have not shown that others can. Asks nobody. */
    readonly isStuck: () => boolean
  }
>()("@guildhall/ledger/Ledger") {}

/** A batch is at most so many commands, so that one caller's wait stays short. */
const BATCH_MAX = 512
/** So many batches are on their way at once: one waits for the disk, one is written, and the next is decided. */
const BATCHES_AHEAD = 3
/** So many commands wait at most while the store is slow; the next ones hear at once that it is not available. */
const WAITING_MAX = 20_000
/** So many accounts' last known balances are kept. */
const KNOWN_MAX = 10_000

/** Up to so many commands are committed at once; of more, one half is decided while the other is written. */
const WHOLE_MAX = 64

/** How many of those that wait a batch takes. */
const share = (waiting: number, inFlight: ReadonlyArray<ReadonlyArray<unknown>>): number => {
  let all = waiting
  for (const batch of inFlight) all += batch.length
  return all <= WHOLE_MAX ? waiting : Math.min(waiting, Math.ceil(all / 2), BATCH_MAX)
}

interface Waiting {
  readonly command: Command
  readonly answer: Deferred.Deferred<Outcome, LedgerError>
}

const unavailable = (cause: unknown): LedgerError => new LedgerError({ reason: new Unavailable({ cause }) })

/** The command with lists of its own: what a caller changes while its command waits must not change what is made. */
const ownCopy = (command: Command): Command => {
  if ("posting" in command && Array.isArray(command.posting?.legs)) {
    const legs = command.posting.legs.map(({ account, amount }) => ({ account, amount }))
    return { ...command, posting: { ...command.posting, legs } }
  }
  if (command._tag === "Grow" && Array.isArray(command.sources)) return { ...command, sources: [...command.sources] }
  return command._tag === "Hold" && Array.isArray(command.hold?.further)
    ? { ...command, hold: { ...command.hold, further: [...command.hold.further] } }
    : command
}

type Answers = Result.Result<ReadonlyArray<Result.Result<Outcome, LedgerError>>, LedgerError>

/** Commits a batch. A defect of the store is no answer either, and must not end the loop for everyone else. */
const commit = (store: LedgerStore["Service"], batch: ReadonlyArray<Waiting>): Effect.Effect<Answers> =>
  Effect.suspend(() => store.commit(batch.map(({ command }) => command))).pipe(
    Effect.result,
    Effect.catchDefect((defect) =>
      Effect.as(
        Effect.logError("The ledger's store failed in a way that it should not.", defect),
        Result.fail(unavailable(defect)),
      ),
    ),
  )

const answer = (batch: ReadonlyArray<Waiting>, answers: Answers): void =>
  batch.forEach((waiting, index) => {
    const result = Result.flatMap(
      answers,
      (each) => each[index] ?? Result.fail(unavailable("no answer to this command")),
    )
    Deferred.doneUnsafe(waiting.answer, Effect.fromResult(result))
  })

/** Where there is no room for more, these may still be committed. */
const ADDS_NOTHING: ReadonlySet<Command["_tag"]> = new Set(["Renew", "Expire", "Preview"])

/** What the database itself said, without what was wrapped around it on the way. */
const innermost = (error: unknown): string => {
  let at: unknown = error
  for (let depth = 0; depth < 8 && typeof at === "object" && at !== null; depth++) {
    const inner: unknown = "reason" in at ? at.reason : "cause" in at ? at.cause : undefined
    if (inner === undefined) break
    at = inner
  }
  return at instanceof Error ? at.message : String(at)
}

/** On a disk that is full some batches still find room. The store commits again once none has failed for so long. */
const CALM_MS = 2_000

/** Knows whether the store commits, and tells an outage in two lines: when it begins, and when it is over. */
const makeStanding = () => {
  let isStuck = false
  let failedAtMs = 0
  const failed = (error: LedgerError) =>
    Effect.flatMap(Clock.currentTimeMillis, (nowMs) => {
      failedAtMs = nowMs
      if (isStuck) return Effect.void
      isStuck = true
      return Effect.logWarning(
        `The ledger's store does not commit, so requests are refused until it does. Look after the database and its disk; it said: ${innermost(error)}`,
      )
    })
  const committed = Effect.flatMap(Clock.currentTimeMillis, (nowMs) => {
    if (nowMs - failedAtMs < CALM_MS) return Effect.void
    isStuck = false
    return Effect.logInfo("The ledger's store commits again.")
  })
  const see = (answers: Answers, batch: ReadonlyArray<Waiting>): Effect.Effect<void> => {
    if (Result.isFailure(answers)) return failed(answers.failure)
    const isNews = isStuck && batch.some(({ command }) => !ADDS_NOTHING.has(command._tag))
    return isNews ? committed : Effect.void
  }
  return { see, isStuck: () => isStuck }
}

/**
 * Gathers commands and commits them batch by batch: while one waits for the disk the next is written, the one after that
 * decided, and another gathers. When the scope ends, whoever still waits hears that the outcome is not known.
 */
const makeSubmit = Effect.fnUntraced(function* (
  store: LedgerStore["Service"],
  see: ReturnType<typeof makeStanding>["see"],
) {
  const queue = yield* Queue.unbounded<Waiting>()
  const slots = yield* Semaphore.make(BATCHES_AHEAD)
  // An array, for a set that comes and goes leaves copies behind that would keep whole batches from the collector.
  const inFlight: Array<ReadonlyArray<Waiting>> = []
  let isClosed = false
  const closed = Result.fail(unavailable("the ledger is closed"))
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      isClosed = true
      for (const batch of inFlight) answer(batch, closed)
      answer(yield* Queue.clear(queue), closed)
    }),
  )
  const serve = Effect.fnUntraced(function* (batch: ReadonlyArray<Waiting>) {
    const answers = yield* commit(store, batch)
    inFlight.splice(inFlight.indexOf(batch), 1)
    yield* see(answers, batch)
    answer(batch, answers)
    yield* slots.release(1)
  })
  yield* Effect.gen(function* () {
    yield* slots.take(1)
    yield* Queue.peek(queue)
    const batch = yield* Queue.takeBetween(queue, 1, share(Queue.sizeUnsafe(queue), inFlight))
    inFlight.push(batch)
    yield* Effect.forkChild(serve(batch))
  }).pipe(Effect.forever, Effect.forkScoped)
  return (command: Command): Effect.Effect<Outcome, LedgerError> => {
    if (isClosed) return Effect.fromResult(closed)
    if (Queue.sizeUnsafe(queue) >= WAITING_MAX) return Effect.fail(unavailable("too many commands wait already"))
    const waiting: Waiting = { command: ownCopy(command), answer: Deferred.makeUnsafe() }
    Queue.offerUnsafe(queue, waiting)
    return Deferred.await(waiting.answer)
  }
})

type Answer<Tag extends Command["_tag"]> = Extract<Outcome, { readonly _tag: OutcomeOf[Tag] }>
interface OutcomeOf {
  readonly Open: "Opened"
  readonly SetTerms: "TermsSet"
  readonly Post: "Posted"
  readonly Reverse: "Posted"
  readonly Draw: "Posted"
  readonly Settle: "Posted"
  readonly Claim: "Posted"
  readonly Link: "Linked"
  readonly ClosePeriod: "PeriodClosed"
  readonly SealPeriod: "PeriodSealed"
  readonly BeginPayout: "PayoutBegun"
  readonly Preview: "Previewed"
  readonly Hold: "Held"
  readonly Grow: "Grown"
  readonly Void: "Voided"
  readonly Renew: "Renewed"
  readonly Expire: "Expired"
}

/** The last known balances, the most recently seen ones last once it gets crowded; the others make room. */
const makeKnown = () => {
  const known = new Map<AccountId, bigint>()
  const see = (id: AccountId, available: bigint): void => {
    if (known.size > KNOWN_MAX / 2) known.delete(id)
    const [oldest] = known.size < KNOWN_MAX ? [] : known.keys()
    if (oldest !== undefined) known.delete(oldest)
    known.set(id, available)
  }
  return { known, see }
}

/**
 * Makes the service over a store. A caller that is interrupted leaves its command in its batch.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const store = yield* LedgerStore
  const standing = makeStanding()
  const offer = yield* makeSubmit(store, standing.see)
  const { known, see } = makeKnown()

  const submit = <C extends Command>(command: C): Effect.Effect<Answer<C["_tag"]>, LedgerError> =>
    // The rules answer each kind of command with its own kind of outcome, which OutcomeOf writes down.
    Effect.suspend(() => offer(command) as Effect.Effect<Answer<C["_tag"]>, LedgerError>)

  /** Sees what an answer says of the accounts that begin with this one, a refusal too. */
  const seeing = <A extends { readonly available: bigint }>(
    answer: Effect.Effect<A, LedgerError>,
    first: (answer: A) => AccountId,
  ): Effect.Effect<A, LedgerError> =>
    Effect.tapError(
      Effect.map(answer, (held) => {
        see(first(held), held.available)
        return held
      }),
      ({ reason }) =>
        Effect.sync(() => {
          if (reason._tag === "InsufficientFunds") see(reason.account, reason.available)
        }),
    )

  return Ledger.of({
    open: (account) =>
      Effect.map(submit({ ...account, ceiling: account.ceiling ?? null, _tag: "Open" }), ({ account }) => account),
    setTerms: (change) => Effect.map(submit({ ...change, _tag: "SetTerms" }), ({ account }) => account),
    post: (posting) => submit({ _tag: "Post", posting }),
    hold: (hold) => seeing(submit({ _tag: "Hold", hold }), () => hold.account),
    grow: (hold, { amount, sources }) =>
      seeing(
        submit({ _tag: "Grow", hold, amount, ...(sources === undefined ? {} : { sources }) }),
        ({ parts }) => sources?.[0] ?? parts[0].account,
      ),
    reverse: (sequence, attachments) => submit({ _tag: "Reverse", sequence, attachments }),
    draw: (hold, posting) => submit({ _tag: "Draw", hold, posting }),
    settle: (hold, posting) => submit({ _tag: "Settle", hold, posting }),
    void: (hold, attachments) => Effect.asVoid(submit({ _tag: "Void", hold, attachments })),
    claim: (hold, posting) => submit({ _tag: "Claim", hold, posting }),
    link: (commands) => Effect.map(submit({ _tag: "Link", commands }), ({ outcomes }) => outcomes),
    renew: (owner, lifeMs) => Effect.map(submit({ _tag: "Renew", owner, lifeMs }), ({ count }) => count),
    expire: (limit) => Effect.map(submit({ _tag: "Expire", limit }), ({ holds }) => holds),
    closePeriod: (endMs) => Effect.asVoid(submit({ _tag: "ClosePeriod", endMs })),
    sealPeriod: (endMs, trialBalance) =>
      Effect.map(submit({ _tag: "SealPeriod", endMs, trialBalance }), ({ sequence }) => sequence),
    beginPayout: (payout) => Effect.map(submit({ ...payout, _tag: "BeginPayout" }), ({ payout }) => payout),
    dryRun: (command) => Effect.map(submit({ _tag: "Preview", command }), ({ preview }) => preview),
    account: Effect.fnUntraced(function* (id) {
      const [account] = yield* store.accounts([id])
      return account ?? (yield* new LedgerError({ reason: new UnknownAccount({ account: id }) }))
    }),
    accounts: store.accounts,
    findHold: (id) => Effect.map(store.holds({ ids: [id] }), ([hold]) => hold),
    attachments: (after, limit) => store.history("attachments", { after, limit }),
    lastAvailable: (id) => known.get(id),
    isStuck: standing.isStuck,
  })
})

/**
 * The service over the store in context.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Ledger, never, LedgerStore> = Layer.effect(Ledger, make)
