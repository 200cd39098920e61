/**
 * What the contracts Settlement and RootVault keep in memory: the buckets of each token, what accounts are owed, and the terms.
 *
 * @since 0.1.0
 */
import * as HashMap from "effect/HashMap"
import type * as Division from "@guildhall/core/rules/Division"
import { type Address, ZERO } from "../Address.ts"
import * as Hex from "../Hex.ts"
import type { Proposal, SettlementTerms, SettlementTotals, Terms, UnfundRequest } from "../Settlement.ts"
import * as Step from "./Step.ts"

/**
 * A token: its buckets, the epoch that waits, the last one that was applied, what waits to leave, and the root that counts.
 *
 * @category models
 * @since 0.1.0
 */
export interface Book {
  readonly totals: SettlementTotals
  readonly proposal: Proposal
  readonly lastEpoch: number
  readonly unfund: UnfundRequest
  readonly root: Hex.Bytes32
}

/** The contracts' state. @category models @since 0.1.0 */
export interface State extends Step.Pausable {
  readonly terms: SettlementTerms
  /** The contract that pays by roots. */
  readonly vault: Address
  readonly books: HashMap.HashMap<string, Book>
  /** By token and account. */
  readonly owed: HashMap.HashMap<string, bigint>
  readonly rootClaimed: HashMap.HashMap<string, bigint>
  /** By token, provider and epoch. */
  readonly redeemed: HashMap.HashMap<string, bigint>
  readonly settled: HashMap.HashMap<string, true>
  readonly paid: HashMap.HashMap<string, true>
  readonly appended: ReadonlyArray<Terms>
}

/** Contracts that were just deployed, with the terms of epoch 0. @category constructors @since 0.1.0 */
export const make = (terms: SettlementTerms, vault: Address, first: Terms): State => ({
  terms,
  vault,
  pausedUntilS: 0,
  books: HashMap.empty(),
  owed: HashMap.empty(),
  rootClaimed: HashMap.empty(),
  redeemed: HashMap.empty(),
  settled: HashMap.empty(),
  paid: HashMap.empty(),
  appended: [first],
})

/** Nothing is requested. @category constants @since 0.1.0 */
export const NO_UNFUND: UnfundRequest = { funded: 0n, boost: 0n, readyAtS: 0, expiresAtS: 0 }

const NO_BOOK: Book = {
  totals: { funded: 0n, boostPool: 0n, pending: 0n, rootPool: 0n, owed: 0n },
  proposal: { kind: "None", epoch: 0, appliesAtS: 0, gross: 0n, boost: 0n, commitment: Hex.word(0n) },
  lastEpoch: 0,
  unfund: NO_UNFUND,
  root: Hex.word(0n),
}

/** The book of a token. @category destructors @since 0.1.0 */
export const bookOf = (state: State, token: Address): Book => Step.get(state.books, token, NO_BOOK)

/** Writes the book of a token. @category combinators @since 0.1.0 */
export const withBook = (state: State, token: Address, book: Book): State => ({
  ...state,
  books: HashMap.set(state.books, token, book),
})

/** Moves amounts between the buckets of a token, or in and out of them. @category combinators @since 0.1.0 */
export const move = (state: State, token: Address, change: Partial<SettlementTotals>): State => {
  const book = bookOf(state, token)
  const { boostPool, funded, owed, pending, rootPool } = book.totals
  return withBook(state, token, {
    ...book,
    totals: {
      funded: funded + (change.funded ?? 0n),
      boostPool: boostPool + (change.boostPool ?? 0n),
      pending: pending + (change.pending ?? 0n),
      rootPool: rootPool + (change.rootPool ?? 0n),
      owed: owed + (change.owed ?? 0n),
    },
  })
}

/** The key of what is by token and account. @category destructors @since 0.1.0 */
export const keyOf = (token: Address, account: Address): string => `${token} ${account}`

/** Credits an account: `owed` of it and of the token rise. @category combinators @since 0.1.0 */
export const credit = (state: State, token: Address, account: Address, amount: bigint): State =>
  move({ ...state, owed: Step.add(state.owed, keyOf(token, account), amount) }, token, { owed: amount })

/** The terms of an epoch; undefined before the first. @category destructors @since 0.1.0 */
export const termsAt = (state: State, epoch: number): Terms | undefined =>
  state.appended.findLast((terms) => terms.fromEpoch <= epoch)

/** What divides by these terms. Without terms the treasury is nobody, and nothing is divided. @category destructors @since 0.1.0 */
export const divisionOf = (terms: Terms | undefined): Division.Terms => ({
  providerBps: terms?.providerBps ?? 0,
  partiesBps: terms?.shares.map(({ bps }) => bps) ?? [],
})

/** The number of the epoch of a second. @category destructors @since 0.1.0 */
export const epochAt = (state: State, nowS: number): number => Math.floor(nowS / state.terms.epochLengthS)

/** Credits the parties of a division their parts, and the treasury `treasury`. @category combinators @since 0.1.0 */
export const creditOthers = (
  state: State,
  token: Address,
  terms: Terms | undefined,
  { parties, treasury }: Division.Parts,
): State => {
  const shared = parties.reduce(
    (next, amount, at) => credit(next, token, terms?.shares[at]?.party ?? ZERO, amount),
    state,
  )
  return treasury === 0n ? shared : credit(shared, token, terms?.treasury ?? ZERO, treasury)
}
