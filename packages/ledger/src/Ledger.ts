/**
 * The only writer of money. A thin service over `LedgerStore` that gathers concurrent commands into batches, so that
 * one commit to the disk serves many callers.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import type { AssetCode } from "@guildhall/core/Asset"
import type { Account, AccountId, AccountKind } from "./Account.ts"
import type { Hold, HoldId, HoldRequest } from "./Hold.ts"
import { LedgerError, Unavailable, UnknownAccount } from "./LedgerError.ts"
import { type Attached, type Command, LedgerStore, type Outcome } from "./LedgerStore.ts"
import type { Attachment, Posting } from "./Posting.ts"

/**
 * The service.
 *
 * @category services
 * @since 0.1.0
 */
export class Ledger extends Context.Service<
  Ledger,
  {
    /** Opens an account. Opening it again with the same terms changes nothing. */
    readonly open: (account: {
      readonly id: AccountId
      readonly kind: AccountKind
      readonly asset: AssetCode
      readonly floor: bigint | null
    }) => Effect.Effect<Account, LedgerError>
    /** Makes a posting, once per idempotency key. Answers its sequence number. */
    readonly post: (
      posting: Posting,
    ) => Effect.Effect<{ readonly sequence: bigint; readonly replayed: boolean }, LedgerError>
    /** Takes a hold; returns once it is durable. `available` is what the account has left. */
    readonly hold: (
      hold: HoldRequest,
    ) => Effect.Effect<{ readonly hold: Hold; readonly available: bigint }, LedgerError>
    /** Posts a hold, up to its amount; the rest is free again. */
    readonly settle: (
      hold: HoldId,
      posting: Posting,
    ) => Effect.Effect<{ readonly sequence: bigint; readonly replayed: boolean }, LedgerError>
    /** Gives a pending hold back whole. */
    readonly void: (hold: HoldId, attachments: ReadonlyArray<Attachment>) => Effect.Effect<void, LedgerError>
    /** Pays a claim for a hold that expired, once. */
    readonly claim: (
      hold: HoldId,
      posting: Posting,
    ) => Effect.Effect<{ readonly sequence: bigint; readonly replayed: boolean }, LedgerError>
    /** Puts off the expiry of every pending hold of an owner; answers how many there are. */
    readonly renew: (owner: string, lifeMs: number) => Effect.Effect<number, LedgerError>
    /** Expires holds whose time has passed; answers which. */
    readonly expire: (limit: number) => Effect.Effect<ReadonlyArray<HoldId>, LedgerError>
    /** One account, as the store has it. */
    readonly account: (id: AccountId) => Effect.Effect<Account, LedgerError>
    readonly accounts: (ids?: ReadonlyArray<AccountId>) => Effect.Effect<ReadonlyArray<Account>, LedgerError>
    readonly findHold: (id: HoldId) => Effect.Effect<Hold | undefined, LedgerError>
    readonly attachments: (after: bigint, limit: number) => Effect.Effect<ReadonlyArray<Attached>, LedgerError>
    /** The last `available` this process saw of an account, without asking the store; undefined where it saw none. */
    readonly lastAvailable: (id: AccountId) => bigint | undefined
  }
>()("@guildhall/ledger/Ledger") {}

/** A batch is at most so many commands, so that one caller's wait stays short. */
const BATCH_MAX = 512
/** So many commands wait at most while the store is slow; the next ones hear at once that it is not available. */
const WAITING_MAX = 20_000
/** So many accounts' last known balances are kept. */
const KNOWN_MAX = 10_000

interface Waiting {
  readonly command: Command
  readonly answer: Deferred.Deferred<Outcome, LedgerError>
}

const unavailable = (cause: unknown): LedgerError => new LedgerError({ reason: new Unavailable({ cause }) })

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

/**
 * Gathers commands and commits them batch by batch: while one is on its way to the disk the next one gathers. When the
 * scope ends, whoever still waits hears that the outcome is not known.
 */
const makeSubmit = Effect.fnUntraced(function* (store: LedgerStore["Service"]) {
  const queue = yield* Queue.unbounded<Waiting>()
  let inFlight: ReadonlyArray<Waiting> = []
  let isClosed = false
  const closed = Result.fail(unavailable("the ledger is closed"))
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      isClosed = true
      answer(inFlight, closed)
      answer(yield* Queue.clear(queue), closed)
    }),
  )
  yield* Effect.gen(function* () {
    inFlight = yield* Queue.takeBetween(queue, 1, BATCH_MAX)
    const answers = yield* commit(store, inFlight)
    answer(inFlight, answers)
  }).pipe(Effect.forever, Effect.forkScoped)
  return (command: Command): Effect.Effect<Outcome, LedgerError> => {
    if (isClosed) return Effect.fromResult(closed)
    if (Queue.sizeUnsafe(queue) >= WAITING_MAX) return Effect.fail(unavailable("too many commands wait already"))
    const waiting: Waiting = { command, answer: Deferred.makeUnsafe() }
    Queue.offerUnsafe(queue, waiting)
    return Deferred.await(waiting.answer)
  }
})

type Answer<Tag extends Command["_tag"]> = Extract<Outcome, { readonly _tag: OutcomeOf[Tag] }>
interface OutcomeOf {
  readonly Open: "Opened"
  readonly Post: "Posted"
  readonly Settle: "Posted"
  readonly Claim: "Posted"
  readonly Hold: "Held"
  readonly Void: "Voided"
  readonly Renew: "Renewed"
  readonly Expire: "Expired"
}

/** The last known balances, the most recently seen ones last; the others make room. */
const makeKnown = () => {
  const known = new Map<AccountId, bigint>()
  const see = (id: AccountId, available: bigint): void => {
    known.delete(id)
    if (known.size >= KNOWN_MAX) for (const oldest of known.keys()) if (known.delete(oldest)) break
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
  const offer = yield* makeSubmit(store)
  const { known, see } = makeKnown()

  const submit = <C extends Command>(command: C): Effect.Effect<Answer<C["_tag"]>, LedgerError> =>
    // The rules answer each kind of command with its own kind of outcome, which OutcomeOf writes down.
    Effect.suspend(() => offer(command) as Effect.Effect<Answer<C["_tag"]>, LedgerError>)

  return Ledger.of({
    open: (account) => Effect.map(submit({ _tag: "Open", ...account }), ({ account }) => account),
    post: (posting) => submit({ _tag: "Post", posting }),
    hold: (hold) =>
      Effect.tapError(
        Effect.map(submit({ _tag: "Hold", hold }), (held) => {
          see(hold.account, held.available)
          return held
        }),
        ({ reason }) =>
          Effect.sync(() => {
            if (reason._tag === "InsufficientFunds") see(reason.account, reason.available)
          }),
      ),
    settle: (hold, posting) => submit({ _tag: "Settle", hold, posting }),
    void: (hold, attachments) => Effect.asVoid(submit({ _tag: "Void", hold, attachments })),
    claim: (hold, posting) => submit({ _tag: "Claim", hold, posting }),
    renew: (owner, lifeMs) => Effect.map(submit({ _tag: "Renew", owner, lifeMs }), ({ count }) => count),
    expire: (limit) => Effect.map(submit({ _tag: "Expire", limit }), ({ holds }) => holds),
    account: Effect.fnUntraced(function* (id) {
      const [account] = yield* store.accounts([id])
      return account ?? (yield* new LedgerError({ reason: new UnknownAccount({ account: id }) }))
    }),
    accounts: store.accounts,
    findHold: (id) => Effect.map(store.holds({ ids: [id] }), ([hold]) => hold),
    attachments: store.attachments,
    lastAvailable: (id) => known.get(id),
  })
})

/**
 * The service over the store in context.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Ledger, never, LedgerStore> = Layer.effect(Ledger, make)
