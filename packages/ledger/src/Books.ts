/**
 * Several books side by side: each orders its own postings, so that more than one machine's worth of them can be made. A
 * buyer's accounts are all in one book, found by a hash of its id. What is earned in another book than its owner's crosses
 * over once an epoch, as one posting in each of the two: it leaves through the one book's clearing account and arrives
 * through the other's.
 *
 * With one book, which is the ordinary case, nothing here is needed.
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import type { AssetCode } from "@guildhall/core/Asset"
import type { MemberId } from "@guildhall/core/Member"
import { type Account, type AccountId, ids } from "./Account.ts"
import type { Ledger } from "./Ledger.ts"
import { Conflict, type LedgerError } from "./LedgerError.ts"
import type { LedgerStore } from "./LedgerStore.ts"
import * as CrossingTemplate from "./templates/Crossing.ts"

/**
 * One of the books: its number, as its store has it, its ledger and its store.
 *
 * @category models
 * @since 0.1.0
 */
export interface OneBook {
  readonly number: number
  readonly ledger: Ledger["Service"]
  readonly store: LedgerStore["Service"]
}

/**
 * What crosses: all that an account has in the book `from` goes to the account of the same name in the book `to`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Crossing {
  readonly account: AccountId
  readonly from: number
  readonly to: number
}

/**
 * What has left one of two books and not arrived in the other; below zero where a debt is on its way.
 *
 * @category models
 * @since 0.1.0
 */
export interface InTransit {
  readonly books: readonly [number, number]
  readonly asset: AssetCode
  readonly amount: bigint
}

/**
 * The books of a market.
 *
 * @category models
 * @since 0.1.0
 */
export interface Books {
  readonly all: readonly [OneBook, ...ReadonlyArray<OneBook>]
  /** The book in which a member's accounts are. It stays the same as long as the number of books does. */
  readonly of: (member: MemberId) => OneBook
  /**
   * Lets an account's balance cross over at the end of an epoch; answers how much it was. Once per epoch, account and
   * pair of books: asked again after a crash, it finishes what was begun, with the amount that it was begun with.
   */
  readonly cross: (epoch: string, crossing: Crossing) => Effect.Effect<bigint, LedgerError>
  /** What is on its way between two books: nothing, once every crossing that was begun is finished. */
  readonly inTransit: Effect.Effect<ReadonlyArray<InTransit>, LedgerError>
}

/** Opens an account on the terms of another, wherever it is not open yet. */
const ensure = Effect.fnUntraced(function* (
  ledger: Ledger["Service"],
  account: Pick<Account, "id" | "kind" | "asset" | "floor">,
) {
  const { asset, floor, id, kind } = account
  yield* Effect.catchIf(
    ledger.open({ id, kind, asset, floor }),
    ({ reason }) => reason instanceof Conflict,
    () => Effect.void,
  )
})

const clearing = (book: number, { asset }: Account) =>
  ({ id: ids.clearing(book, asset.code), kind: "clearing", asset, floor: null }) as const

/** What may leave: all of a debt, or what nobody holds of a credit. */
const leaving = ({ balance, held }: Account): bigint => (balance > held ? balance - held : balance < 0n ? balance : 0n)

const makeCross = (bookOf: (number: number) => Effect.Effect<OneBook>) => {
  /** What has left already under the key, so that a second try brings the same. */
  const begun = Effect.fnUntraced(function* ({ store }: OneBook, { account }: Crossing, key: string) {
    const [entry] = yield* store.history("entries", { after: 0n, limit: 1, keys: [key] })
    if (entry?._tag !== "Posted") return undefined
    const leg = entry.posting.legs.find((leg) => leg.account === account)
    return leg === undefined ? undefined : -leg.amount
  })

  return Effect.fn("Books.cross")(function* (epoch: string, crossing: Crossing) {
    const from = yield* bookOf(crossing.from)
    const to = yield* bookOf(crossing.to)
    const account = yield* from.ledger.account(crossing.account)
    const asset = account.asset.code
    const key = CrossingTemplate.keyOf({ ...crossing, epoch }, "out")
    const known = yield* begun(from, crossing, key)
    const wanted = known ?? leaving(account)
    if (wanted === 0n) return 0n
    yield* ensure(from.ledger, clearing(to.number, account))
    yield* ensure(to.ledger, clearing(from.number, account))
    yield* ensure(to.ledger, account)
    // Whoever else began it in the meantime has settled how much it is.
    const out = yield* Effect.fromResult(CrossingTemplate.leaving({ ...crossing, epoch, asset, amount: wanted }))
    const amount = yield* from.ledger.post(out).pipe(
      Effect.as(wanted),
      Effect.catchIf(
        ({ reason }) => reason._tag === "Conflict",
        () => Effect.map(begun(from, crossing, key), (other) => other ?? wanted),
      ),
    )
    yield* to.ledger.post(yield* Effect.fromResult(CrossingTemplate.arriving({ ...crossing, epoch, asset, amount })))
    return amount
  })
}

const makeInTransit = (all: ReadonlyArray<OneBook>) =>
  Effect.gen(function* () {
    const sums = new Map<string, InTransit>()
    for (const book of all) {
      for (const { asset, balance, id, kind } of yield* book.ledger.accounts()) {
        if (kind !== "clearing") continue
        const other = all.find(({ number }) => ids.clearing(number, asset.code) === id)
        if (other === undefined) continue
        const books = [Math.min(book.number, other.number), Math.max(book.number, other.number)] as const
        const key = `${books.join("-")} ${asset.code}`
        sums.set(key, { books, asset: asset.code, amount: (sums.get(key)?.amount ?? 0n) + balance })
      }
    }
    return [...sums.values()].filter(({ amount }) => amount !== 0n)
  })

/**
 * Makes the books of a market out of its ledgers, in the order of their numbers.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (all: Books["all"]): Books => {
  const bookOf = (number: number): Effect.Effect<OneBook> => {
    const found = all.find((book) => book.number === number)
    return found === undefined ? Effect.die(`there is no book ${number}`) : Effect.succeed(found)
  }
  return {
    all,
    of: (member) => {
      // The first 48 bits of a hash: evenly spread, and exact as a number.
      const spread = createHash("sha256").update(member).digest().readUIntBE(0, 6)
      return all[spread % all.length] ?? all[0]
    },
    cross: makeCross(bookOf),
    inTransit: makeInTransit(all),
  }
}
