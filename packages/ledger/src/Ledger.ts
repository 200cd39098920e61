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
/** So many accounts' last known balances are kept. */
const KNOWN_MAX = 10_000

interface Waiting {
  readonly command: Command
  readonly answer: Deferred.Deferred<Outcome, LedgerError>
}

/** What a caller gets from a store that answers fewer commands than it was given. */
const missing: Result.Result<Outcome, LedgerError> = Result.fail(
  new LedgerError({ reason: new Unavailable({ cause: "the store did not answer this command" }) }),
)

/** Commits what has gathered, again and again: while one batch is on its way to the disk the next one gathers. */
const commitAll = (store: LedgerStore["Service"], queue: Queue.Dequeue<Waiting>) =>
  Effect.gen(function* () {
    const batch = yield* Queue.takeBetween(queue, 1, BATCH_MAX)
    const results = yield* Effect.result(store.commit(batch.map((waiting) => waiting.command)))
    batch.forEach((waiting, index) => {
      const result = Result.flatMap(results, (answers) => answers[index] ?? missing)
      Deferred.doneUnsafe(waiting.answer, Effect.fromResult(result))
    })
  }).pipe(Effect.forever)

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

/**
 * Makes the service over a store. A caller that is interrupted leaves its command in its batch.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const store = yield* LedgerStore
  const queue = yield* Queue.unbounded<Waiting>()
  yield* Effect.forkScoped(commitAll(store, queue))
  const known = new Map<AccountId, bigint>()

  const submit = <C extends Command>(command: C): Effect.Effect<Answer<C["_tag"]>, LedgerError> =>
    Effect.suspend(() => {
      const answer = Deferred.makeUnsafe<Outcome, LedgerError>()
      Queue.offerUnsafe(queue, { command, answer })
      // The rules answer each kind of command with its own kind of outcome, which OutcomeOf writes down.
      return Deferred.await(answer) as Effect.Effect<Answer<C["_tag"]>, LedgerError>
    })

  const remember = (id: AccountId, available: bigint): void => {
    known.delete(id)
    if (known.size >= KNOWN_MAX) for (const oldest of known.keys()) if (known.delete(oldest)) break
    known.set(id, available)
  }

  return Ledger.of({
    open: (account) => Effect.map(submit({ _tag: "Open", ...account }), ({ account }) => account),
    post: (posting) => submit({ _tag: "Post", posting }),
    hold: (hold) =>
      Effect.map(submit({ _tag: "Hold", hold }), (held) => {
        remember(hold.account, held.available)
        return held
      }),
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
