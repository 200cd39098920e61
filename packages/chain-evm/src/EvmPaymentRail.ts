/**
 * Money that comes in as a token: each member has an address of its own, and whatever arrives there is the member's.
 *
 * Any wallet can pay, and nothing has to be signed or quoted. A transfer of the amount that was asked for completes that top-up; any
 * other amount is a movement of its own, with what really arrived, so that a token that keeps a part of each transfer, or a
 * payer who sends too little, is credited for what is there. A transfer counts after the chain's confirmations.
 *
 * The addresses come from a key that cannot spend. Sweeping them is the treasury's work, with the key that can.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Address } from "@guildhall/chain/Address"
import type { AssetCode } from "@guildhall/core/Asset"
import type { MemberId } from "@guildhall/core/Member"
import { type Movement, RailError } from "@guildhall/ledger/Movement"
import type { PaymentRail, TopUp } from "@guildhall/ledger/PaymentRail"
import * as ChainFeed from "./ChainFeed.ts"
import type { Addresses } from "./DepositKey.ts"
import { IndexError } from "./IndexError.ts"
import type * as Indexer from "./Indexer.ts"
import type { IndexedLog, IndexStore } from "./IndexStore.ts"
import * as DepositBook from "./internal/DepositBook.ts"
import * as RailAsset from "./RailAsset.ts"

/**
 * - `name`: that of the rail, for good. `fundingSource`: the money's, in accounts and statements.
 * - `chainId`, `assets`: which chain, and what is taken there, each by its token.
 * - `addresses`: where members pay to.
 * - `store`: the index of the tokens' transfers; its indexer listens to {@link EvmPaymentRail.watches}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly name: string
  readonly fundingSource: string
  readonly chainId: number
  readonly assets: ReadonlyArray<RailAsset.RailAsset>
  readonly addresses: Addresses
  readonly store: IndexStore
}

/**
 * Money of a member that is there: under the key of the top-up that asked for it, or one of its own; `externalId` is the movement's.
 *
 * @category models
 * @since 0.1.0
 */
export interface Arrived {
  readonly key: string
  readonly externalId: string
  readonly member: MemberId
  readonly asset: AssetCode
  readonly amount: bigint
}

/**
 * The rail, and what makes it credit.
 *
 * - `watches`: what its indexer listens to: transfers to members' addresses, those that were given out by then.
 * - `take`: credits what is final of the index; answers how many transfers were read. Run it after each step of the index.
 * - `deliver`: hands over what arrived and is not in the books yet, the oldest first; answers how many were taken. What is answered
 *   with true is not handed over again. A crash in between may hand it over twice: post it under its key.
 * - `addressOf`: where a member pays to.
 *
 * @category models
 * @since 0.1.0
 */
export interface EvmPaymentRail {
  readonly rail: PaymentRail
  readonly watches: Effect.Effect<ReadonlyArray<Indexer.Watch>, IndexError>
  readonly take: Effect.Effect<number, IndexError | RailError>
  readonly deliver: <E, R>(
    post: (arrived: Arrived) => Effect.Effect<boolean, E, R>,
  ) => Effect.Effect<number, E | RailError, R>
  readonly addressOf: (member: MemberId) => Effect.Effect<Address, RailError>
}

/** `Transfer(address,address,uint256)`. */
const TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"

const topicOf = (address: string): string => `0x${address.slice(2).toLowerCase().padStart(64, "0")}`

type Book = Effect.Success<ReturnType<typeof DepositBook.make>>

/** The request for a transfer that wallets understand (EIP-681). */
const requestOf = ({ token }: RailAsset.RailAsset, chainId: number, to: Address, units: bigint): string =>
  `ethereum:${token}@${chainId}/transfer?address=${to}&uint256=${units}`

const externalIdOf = (name: string, { number }: DepositBook.Kept): string => `${name.toLowerCase()}-${number}`

const makeMovements = (options: Options, book: Book) =>
  Effect.fnUntraced(function* (row: DepositBook.Kept): Effect.fn.Return<Movement, RailError> {
    const { amount, asset, key, member, number, transaction } = row
    const found = { cursor: `${number}`, idempotencyKey: key, externalId: externalIdOf(options.name, row) }
    const base = { ...found, asset, amount }
    if (transaction !== null) return { ...base, state: { _tag: "Succeeded" } }
    const known = options.assets.find((each) => each.asset.code === asset)
    const units = known === undefined ? undefined : RailAsset.toUnits(known, amount)
    if (known === undefined || units === undefined) return { ...base, state: { _tag: "Pending", next: null } }
    const next = requestOf(known, options.chainId, yield* book.addressOf(member), units)
    return { ...base, state: { _tag: "Pending", next } }
  })

const refused = (detail: string) => new RailError({ reason: "Refused", detail })

const checkAsked = (options: Options, { amount, asset }: TopUp): RailError | undefined => {
  if (amount <= 0n) return refused("The amount must be above zero.")
  const known = options.assets.find((each) => each.asset.code === asset)
  if (known === undefined) return refused(`There is no token for ${asset} on this chain.`)
  return RailAsset.toUnits(known, amount) === undefined
    ? refused(`The token has ${known.decimals} decimal places, and this has more.`)
    : undefined
}

/** What a log says of a transfer to a member; undefined where it is none, or of nothing. */
const arrivedOf = (
  { assets, chainId }: Options,
  members: ReadonlyMap<string, MemberId>,
  log: IndexedLog,
): DepositBook.Arrived | undefined => {
  const [selector, , to] = log.topics
  const known = assets.find(({ token }) => token.toLowerCase() === log.address)
  const member = to === undefined ? undefined : members.get(to)
  if (selector !== TRANSFER || known === undefined || member === undefined || log.data.length !== 66) return undefined
  const amount = RailAsset.toAmount(known, BigInt(log.data))
  if (amount === 0n) return undefined
  const { blockHash, logIndex, transaction } = log
  const key = `deposit:${chainId}:${transaction}:${logIndex}`
  return { key, member, asset: known.asset.code, amount, transaction, logIndex, blockHash }
}

const makeReader = (options: Options, book: Book): ChainFeed.Reader<RailError, never> => {
  const arrivals = Effect.fnUntraced(function* (logs: ReadonlyArray<IndexedLog>) {
    const members = new Map((yield* book.members).map(({ address, member }) => [topicOf(address), member]))
    return logs.flatMap((log) => arrivedOf(options, members, log) ?? [])
  })
  return {
    name: `deposits ${options.name}`,
    credit: Effect.fnUntraced(function* (logs) {
      for (const arrived of yield* arrivals(logs)) yield* book.credit(arrived)
    }),
    takeBack: Effect.fnUntraced(function* (logs) {
      for (const arrived of yield* arrivals(logs)) {
        if (!(yield* book.takeBack(arrived))) continue
        yield* Effect.logError(
          `The chain took back a deposit that was credited: ${arrived.amount} ${arrived.asset} of ${arrived.member}, transaction ${arrived.transaction}. Most come again in another block, and then nothing is to be done; if it does not, reverse the top-up. More confirmations make this rarer.`,
        )
      }
    }),
  }
}

const cursorOf = (after: string | null): number => {
  const number = after === null ? 0 : Number(after)
  return Number.isSafeInteger(number) && number >= 0 ? number : 0
}

/** So many are looked up at a time. */
const PAGE = 100

const makeDeliver = (name: string, book: Book): EvmPaymentRail["deliver"] =>
  Effect.fnUntraced(function* (post) {
    let taken = 0
    for (let after = 0; ;) {
      const rows = yield* book.due(after, PAGE)
      for (const row of rows) {
        const { amount, asset, key, member, number } = row
        if (!(yield* post({ key, externalId: externalIdOf(name, row), member, asset, amount }))) continue
        yield* book.posted(number)
        taken += 1
      }
      const last = rows.at(-1)
      if (last === undefined) return taken
      after = last.number
    }
  })

/**
 * Makes the rail. What it knows is kept in PostgreSQL; creates the tables where they are missing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const { fundingSource, name, store } = options
  const book = yield* DepositBook.make(name, options.addresses)
  const movementOf = makeMovements(options, book)
  const reader = makeReader(options, book)

  const start = Effect.fnUntraced(function* (topUp: TopUp): Effect.fn.Return<Movement, RailError> {
    const { amount, asset, idempotencyKey: key, member } = topUp
    const known = yield* book.find(key)
    if (known === undefined) {
      const error = checkAsked(options, topUp)
      if (error !== undefined) return yield* error
      yield* book.ask({ key, member, asset, amount })
    }
    const row = known ?? (yield* book.find(key))
    if (row === undefined) return yield* DepositBook.unavailable()
    if (row.member !== member || row.asset !== asset || row.amount !== amount) {
      const detail = `It was ${row.amount} ${row.asset} for ${row.member}.`
      return yield* new RailError({ reason: "Conflict", detail })
    }
    return yield* movementOf(row)
  })

  const made: EvmPaymentRail = {
    rail: {
      name,
      fundingSource,
      capabilities: { refunds: false },
      start,
      find: Effect.fnUntraced(function* (key) {
        const row = yield* book.find(key)
        if (row === undefined) return yield* new RailError({ reason: "NotFound", detail: "Start it first." })
        return yield* movementOf(row)
      }),
      movements: Effect.fnUntraced(function* (after, limit) {
        return yield* Effect.forEach(yield* book.page(cursorOf(after), limit), movementOf)
      }),
    },
    watches: book.members.pipe(
      Effect.map((members) =>
        members.length === 0
          ? []
          : [
              {
                addresses: options.assets.map(({ token }) => token),
                topics: [[TRANSFER], null, members.map(({ address }) => topicOf(address))],
              },
            ],
      ),
      Effect.mapError((cause) => new IndexError({ reason: "store", detail: "", cause })),
    ),
    take: ChainFeed.read(store, reader),
    deliver: makeDeliver(name, book),
    addressOf: book.addressOf,
  }
  return made
})
