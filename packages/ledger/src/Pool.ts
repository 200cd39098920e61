/**
 * Pools: what the market pays beyond what buyers pay. A pool is funded before it pays, and pays at most its cap in an epoch.
 * Where the claims of an epoch are more, all are scaled by the same factor.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { NonNegativeAmount } from "@guildhall/core/Money"
import { AccountId, ids } from "./Account.ts"
import type { LedgerError } from "./LedgerError.ts"
import type { Posting, PostingKind } from "./Posting.ts"
import type { Extras } from "./templates/Template.ts"
import * as Draft from "./templates/internal/Draft.ts"

/** One leg is the pool's. */
const PAYEES_MAX = 99
/** So many postings can be linked at once, to be made all or none. */
const POSTINGS_MAX = 100

/**
 * The account of a pool: `pool:<name>`, or the insurance.
 *
 * @category models
 * @since 0.1.0
 */
export const PoolAccount = AccountId.pipe(
  Schema.check(
    Schema.makeFilter((id) =>
      id === ids.insurance || /^pool:[^:]{1,40}$/.test(id) ? undefined : `${id} is no pool. Name one as pool:<name>.`,
    ),
  ),
)

/**
 * What a pool is asked to pay in an epoch. `funded` is what it has, as read just before; it pays neither more than that nor
 * more than `cap`. Claims of one account count together. Where they are scaled, what rounding leaves goes to `remainderTo`,
 * which has no claim itself.
 *
 * @category models
 * @since 0.1.0
 */
export const Epoch = Schema.Struct({
  pool: PoolAccount,
  epoch: Draft.Name,
  cap: NonNegativeAmount,
  funded: NonNegativeAmount,
  claims: Schema.Array(Schema.Struct({ account: AccountId, amount: Draft.PositiveAmount })),
  remainderTo: AccountId,
}).pipe(
  Schema.check(
    Schema.makeFilter(({ claims, pool, remainderTo }) => {
      if (pool === remainderTo) return `${pool} cannot pay the remainder to itself.`
      const stranger = claims.find(({ account }) => account === remainderTo || account === pool)
      return stranger === undefined
        ? undefined
        : `${stranger.account} has a claim, and is the pool or has the remainder.`
    }),
  ),
)
/** @since 0.1.0 */
export type Epoch = typeof Epoch.Type

/**
 * What each account gets of an epoch, by its id; `remainder` is what `remainderTo` gets. `isScaled` says that the claims were
 * more than there is, and by which factor they were scaled: `paid / claimed`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Shares {
  readonly payments: ReadonlyArray<{ readonly account: AccountId; readonly amount: bigint }>
  readonly remainder: bigint
  readonly claimed: bigint
  readonly paid: bigint
  readonly isScaled: boolean
}

/**
 * What each account gets. All of its claim, where there is enough for all; else the floor of its share, and the payments and
 * the remainder sum to all there is. The order of the claims does not matter. Pure.
 *
 * **Example** (Ten, where twelve were asked for)
 *
 * ```ts
 * import { Account, Pool } from "@guildhall/ledger"
 *
 * const [a, b] = [Account.AccountId.make("accrual:card:mem_a"), Account.AccountId.make("accrual:card:mem_b")]
 * const claims = [{ account: a, amount: 5n }, { account: b, amount: 7n }]
 * const shares = Pool.share({ cap: 10n, funded: 100n, claims })
 * shares.payments // => [{ account: "accrual:card:mem_a", amount: 4n }, { account: "accrual:card:mem_b", amount: 5n }]
 * shares.remainder // => 1n
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const share = ({ cap, claims, funded }: Pick<Epoch, "cap" | "funded" | "claims">): Shares => {
  const sums = new Map<AccountId, bigint>()
  for (const { account, amount } of claims) sums.set(account, (sums.get(account) ?? 0n) + amount)
  const claimed = Draft.sumOf(claims)
  const there = cap < funded ? cap : funded
  const isScaled = claimed > there
  const payments = [...sums]
    .map(([account, amount]) => ({ account, amount: isScaled ? (amount * there) / claimed : amount }))
    .filter(({ amount }) => amount > 0n)
    .sort((a, b) => (a.account < b.account ? -1 : 1))
  const paid = isScaled ? there : claimed
  return { payments, remainder: paid - Draft.sumOf(payments), claimed, paid, isScaled }
}

const paying = (kind: PostingKind) =>
  Draft.template(
    kind,
    Schema.Struct({ pool: PoolAccount, epoch: Draft.Name, part: Schema.Int, payments: Schema.Array(Draft.Part) }),
    ({ epoch, part, payments, pool }) => ({
      key: part === 0 ? `${kind}:${pool}:${epoch}` : `${kind}:${pool}:${epoch}#${part}`,
      moves: [[pool, -Draft.sumOf(payments)], ...payments.map(({ account, amount }): Draft.Move => [account, amount])],
      links: { epoch },
    }),
  )

const templates = {
  boost: paying("boost"),
  bounty: paying("bounty"),
  grant: paying("grant"),
  compensation: paying("compensation"),
} as const

/**
 * What a pool pays for.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = keyof typeof templates

const check = Schema.decodeUnknownResult(Schema.toType(Epoch))

/**
 * The postings that pay an epoch, once for each pool and epoch: one for each 99 accounts, in the order of their ids, and none
 * where there is nothing to pay. Link them (`Ledger.link`), so that all are made or none; after an `Unavailable` send the same
 * ones again. An epoch that is paid anew with other claims is refused as a `Conflict`. At most 9,900 accounts are paid.
 *
 * Attachments go with the first of them.
 *
 * @category templates
 * @since 0.1.0
 */
export const postings = (
  kind: Kind,
  given: Epoch,
  { attachments, ...extras }: Extras = {},
): Result.Result<ReadonlyArray<Posting>, LedgerError> => {
  const checked = check(given)
  if (Result.isFailure(checked)) return Draft.invalid(`no pool pays this. ${checked.failure.message}`)
  const { epoch, pool, remainderTo } = given
  const { payments, remainder } = share(given)
  const all = remainder === 0n ? payments : [...payments, { account: remainderTo, amount: remainder }]
  if (all.length > PAYEES_MAX * POSTINGS_MAX) {
    return Draft.invalid(`${pool} would pay ${all.length} accounts, and ${PAYEES_MAX * POSTINGS_MAX} is the most.`)
  }
  const parts = Array.from({ length: Math.ceil(all.length / PAYEES_MAX) }, (_, part) => part)
  return Result.all(
    parts.map((part) =>
      templates[kind](
        { pool, epoch, part, payments: all.slice(part * PAYEES_MAX, (part + 1) * PAYEES_MAX) },
        part === 0 ? { ...extras, attachments } : extras,
      ),
    ),
  )
}
