/**
 * Paying out: a durable run for each range of a payable account. It sends the range's amount by a rail and posts it once
 * the rail has proof that it arrived, or gives it back to the account once each attempt is proven to have failed.
 *
 * What is not known stays so until there is evidence: the run asks the rail again, after longer and longer waits that
 * survive a restart, and sends again only under the same key. A new attempt, under a new key, follows only a proven failure.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as KeyValueStore from "effect/persistence/KeyValueStore"
import * as Schema from "effect/Schema"
import { WorkflowEngine } from "effect/workflow/WorkflowEngine"
import { type Asset, AssetCode } from "@guildhall/core/Asset"
import type { MemberId } from "@guildhall/core/Member"
import { Amount } from "@guildhall/core/Money"
import { type AccountId, ids } from "./Account.ts"
import { HoldId } from "./Hold.ts"
import { Ledger } from "./Ledger.ts"
import { InvalidCommand, LedgerError, Unavailable } from "./LedgerError.ts"
import type { PayoutRail } from "./PayoutRail.ts"
import type { PayoutRange } from "./PayoutRange.ts"
import * as Run from "./internal/PayoutWorkflow.ts"

/**
 * How a payout stands, in words for whoever is paid. `sending`: on its way to the rail. `waiting`: the outcome is not known
 * yet, and `words` says why. `blocked`: it waits for an operator. `paid`: it arrived and is posted. `returned`: it failed,
 * and the amount is on the account again. Amounts are in the asset's smallest unit.
 *
 * @category models
 * @since 0.1.0
 */
export const Status = Schema.Struct({
  payout: HoldId,
  rail: Schema.String,
  asset: AssetCode,
  amount: Amount,
  state: Schema.Literals(["sending", "waiting", "blocked", "paid", "returned"]),
  attempt: Schema.Int,
  words: Schema.String,
  atMs: Schema.Int,
})
/** @since 0.1.0 */
export type Status = typeof Status.Type

/**
 * How runs that begin from now on behave; one under way keeps what it began with.
 *
 * - `attemptsMax`: so many attempts are made, each after the one before is proven to have failed. 3 by default.
 * - `firstWaitMs`, `longestWaitMs`: the wait before the rail is asked again: at first, doubled each time, and at most. A
 *   minute and six hours by default.
 * - `answerMs`: so long may one call of a rail take. A minute by default.
 *
 * @category models
 * @since 0.1.0
 */
export interface Policy {
  readonly attemptsMax: number
  readonly firstWaitMs: number
  readonly longestWaitMs: number
  readonly answerMs: number
}

const defaults: Policy = { attemptsMax: 3, firstWaitMs: 60_000, longestWaitMs: 6 * 3_600_000, answerMs: 60_000 }

/**
 * Whom to pay by which rail. There is no payout of less than `minimum`, in the asset's smallest unit; `definition` is the
 * digest under which it begins and ends, and is linked to its posting.
 *
 * @category models
 * @since 0.1.0
 */
export interface Due {
  readonly rail: string
  readonly member: MemberId
  readonly minimum: bigint
  readonly definition?: string
}

/**
 * The service.
 *
 * @category services
 * @since 0.1.0
 */
export class PayoutRun extends Context.Service<
  PayoutRun,
  {
    /**
     * Pays out what a member's payable account has, in whole units of the rail: begins a range and its run, and answers
     * without waiting for the end; `null` where there is too little. While a range is pending it answers that one, and
     * sees to it that its run goes on, so that asking again also heals what a crash left behind.
     */
    readonly start: (due: Due) => Effect.Effect<PayoutRange | null, LedgerError>
    /** How the member's last payout by a rail stands, for showing it; `null` before the first. */
    readonly status: (rail: string, member: MemberId) => Effect.Effect<Status | null, LedgerError>
  }
>()("@guildhall/ledger/PayoutRun") {}

const invalid = (detail: string): LedgerError => new LedgerError({ reason: new InvalidCommand({ detail }) })

/** Accounts have longer ids than a posting's key has room for; what is sent must have a key to be posted under. */
const ACCOUNT_ID_MAX = 150

/** The least amount that a rail can carry of an asset: rounding happens here, down. */
const unitOf = (asset: Asset, { capabilities }: PayoutRail): bigint =>
  10n ** BigInt(Math.max(0, asset.scale - capabilities.scale))

/** What is sent must have an account to be posted to, before it is sent. */
const openOutside = Effect.fnUntraced(function* (ledger: Ledger["Service"], id: AccountId, asset: Asset) {
  const [outside] = yield* ledger.accounts([id])
  if (outside === undefined) {
    yield* ledger.open({ id, kind: "external", asset, floor: null })
  } else if (outside.asset.code !== asset.code || outside.state !== "open") {
    return yield* invalid(
      `${id} is ${outside.state} and takes ${outside.asset.code}, and the payout is in ${asset.code}.`,
    )
  }
})

/**
 * Makes the service and registers its workflow. Each rail is found by its name, which is also that of the accounts
 * `payable:<rail>:<member>` and `external:<rail>`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: {
  readonly rails: ReadonlyArray<PayoutRail>
  readonly policy?: Partial<Policy>
}) {
  const ledger = yield* Ledger
  const engine = yield* WorkflowEngine
  const statuses = KeyValueStore.toSchemaStore(
    KeyValueStore.prefix(yield* KeyValueStore.KeyValueStore, "payout:"),
    Status,
  )
  const rails = new Map(options.rails.map((rail) => [rail.name, rail]))
  const policy: Policy = { ...defaults, ...options.policy }
  for (const [name, value] of Object.entries(policy)) {
    if (!Number.isInteger(value) || value < 1) {
      return yield* Effect.die(new Error(`${name} is ${value}, and must be a whole number from 1.`))
    }
  }
  yield* Run.register({
    ledger,
    rails,
    answerMs: policy.answerMs,
    // A status is only shown. Money does not wait for it.
    tell: (account, status) =>
      Effect.catchCause(statuses.set(account, status), (cause) =>
        Effect.logWarning(`The status of the payout ${status.payout} is not shown: it cannot be stored.`, cause),
      ),
  })

  return PayoutRun.of({
    start: Effect.fn("PayoutRun.start")(function* ({ rail: name, member, minimum, definition }) {
      const rail = rails.get(name)
      if (rail === undefined)
        return yield* invalid(`there is no payout rail ${name}. Name one of ${[...rails.keys()]}.`)
      const id = ids.payable(name, member)
      if (id.length > ACCOUNT_ID_MAX) return yield* invalid(`${id} is too long an id to be paid out.`)
      const { asset } = yield* ledger.account(id)
      yield* openOutside(ledger, ids.external(name), asset)
      const unit = unitOf(asset, rail)
      const least = minimum > unit ? minimum : unit
      const range = yield* ledger.beginPayout({ account: id, rail: name, unit, minimum: least })
      if (range === null) return null
      const { attemptsMax, firstWaitMs, longestWaitMs } = policy
      yield* Run.begin({
        range,
        member,
        asset: asset.code,
        keyLifeMs: rail.capabilities.keyLifeMs,
        attemptsMax,
        firstWaitMs,
        longestWaitMs,
        definition: definition ?? null,
      }).pipe(Effect.provideService(WorkflowEngine, engine))
      return range
    }),
    status: Effect.fn("PayoutRun.status")(function* (rail, member) {
      const found = yield* Effect.mapError(
        statuses.get(ids.payable(rail, member)),
        (cause) => new LedgerError({ reason: new Unavailable({ cause }) }),
      )
      return found._tag === "Some" ? found.value : null
    }),
  })
})

/**
 * The service over a ledger and a workflow engine: the one in memory for tests, the cluster's on PostgreSQL, where runs
 * survive a crash and each is done by one process. What the engine stores belongs to the books: restore both to the same
 * moment, or neither, unless the rail never forgets a key. A process that is frozen within a transaction keeps its locks
 * until the database ends its session, so set `idle_in_transaction_session_timeout`. The `KeyValueStore` keeps what is shown
 * of each run.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Parameters<typeof make>[0],
): Layer.Layer<PayoutRun, never, Ledger | WorkflowEngine | KeyValueStore.KeyValueStore> =>
  Layer.effect(PayoutRun, make(options))
