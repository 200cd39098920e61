/**
 * PORT. What was signed and sent, so that no process that dies forgets a transaction, and no two give one nonce away.
 *
 * Guarantees, each proved by `SenderStoreTest.suite`:
 *
 * 1. A key is opened once: whoever opens it again gets what is there, and nothing is signed.
 * 2. The nonces of an account follow each other without a gap, whoever opens and however many at once.
 * 3. A nonce whose transaction could not be signed is the next one's.
 * 4. A transaction is replaced by one at a time, under its nonce, and every version of it is kept.
 * 5. A state is changed only by who knows the one before.
 * 6. What is not final is watched, in the order of accounts and nonces; what is final is found by its key for ever.
 * 7. A nonce that another program took is given up, and the transaction gets the next one.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import type { Address } from "@guildhall/chain/Address"
import type { SenderError } from "./SenderError.ts"
import type { Price, Signed } from "./Signer.ts"

/** A signed version of a transaction, and what it bids. @category models @since 0.1.0 */
export interface Version extends Signed {
  readonly price: Price
  readonly signedAtMs: number
}

/** Where a transaction was included. @category models @since 0.1.0 */
export interface Place {
  readonly hash: `0x${string}`
  readonly blockNumber: bigint
  readonly blockHash: string
  readonly isDone: boolean
}

/**
 * How far a transaction is. `Pending`: signed, and perhaps in a pool. `Included`: in a block that may still be taken back.
 * `Confirmed`: deep enough to be credited. `Final`: too deep to be taken back, and not watched any more.
 *
 * @category models
 * @since 0.1.0
 */
export type State = "Pending" | "Included" | "Confirmed" | "Final"

/** What is to be sent. `content` is the digest of all that makes it this transaction. @category models @since 0.1.0 */
export interface Order {
  readonly chainId: number
  readonly idempotencyKey: string
  readonly content: string
  readonly by: Address
  readonly to: Address | null
  readonly data: `0x${string}`
  readonly valueWei: bigint
  readonly gas: bigint
}

/** What was sent: every version of it, the newest last, and its place once it has one. @category models @since 0.1.0 */
export interface Sending extends Order {
  readonly nonce: number
  readonly state: State
  readonly place: Place | null
  readonly versions: ReadonlyArray<Version>
}

/**
 * Which nonce: the next one, at least `least`, which is what the chain knows; or `exact`, to fill a gap.
 *
 * @category models
 * @since 0.1.0
 */
export type Wanted = { readonly least: number } | { readonly exact: number }

/** Signs for a nonce. It runs under the account's lock. @category models @since 0.1.0 */
export type Sign = (nonce: number) => Effect.Effect<Version, SenderError>

/**
 * The port.
 *
 * - `find`: by chain and key.
 * - `open`: gives the order a nonce, and keeps what is signed before it answers. `isNew` says whether it was there before;
 *   undefined means that the exact nonce is taken.
 * - `replace`: signs a version more, if the sending is pending with as many versions as `known` has. Answers what is there then.
 * - `renumber`: gives a pending sending another nonce, when its own was taken by another program. Its versions so far go.
 * - `mark`: from the state and the nonce that `known` has to another; false where it is not there any more.
 * - `watched`: all of a chain that are not final.
 *
 * @category services
 * @since 0.1.0
 */
export class SenderStore extends Context.Service<
  SenderStore,
  {
    readonly find: (chainId: number, idempotencyKey: string) => Effect.Effect<Sending | undefined, SenderError>
    readonly open: (
      order: Order,
      wanted: Wanted,
      sign: Sign,
    ) => Effect.Effect<{ readonly sending: Sending; readonly isNew: boolean } | undefined, SenderError>
    readonly replace: (known: Sending, sign: Sign) => Effect.Effect<Sending, SenderError>
    readonly renumber: (known: Sending, least: number, sign: Sign) => Effect.Effect<Sending, SenderError>
    readonly mark: (known: Sending, state: State, place: Place | null) => Effect.Effect<boolean, SenderError>
    readonly watched: (chainId: number) => Effect.Effect<ReadonlyArray<Sending>, SenderError>
  }
>()("@guildhall/chain-evm/SenderStore") {}

/** What of a final sending is still of use: that it was, and where. @category combinators @since 0.1.0 */
export const settled = (sending: Sending, place: Place | null): Pick<Sending, "data" | "versions" | "place"> => ({
  data: "0x",
  place,
  versions: sending.versions.filter(({ hash }) => hash === place?.hash),
})

const isSame = (known: Sending, now: Sending | undefined): now is Sending =>
  now !== undefined && now.state === known.state && now.nonce === known.nonce && now.place?.hash === known.place?.hash

/**
 * A store in memory, for tests and for chains that live no longer than the process.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMemory: Effect.Effect<SenderStore["Service"]> = Effect.sync(() => {
  const sendings = new Map<string, Sending>()
  const next = new Map<string, number>()
  const lock = Semaphore.makeUnsafe(1)
  const keyOf = (chainId: number, key: string) => `${chainId} ${key}`
  const put = (sending: Sending) => {
    sendings.set(keyOf(sending.chainId, sending.idempotencyKey), sending)
    return sending
  }
  const at = ({ chainId, idempotencyKey }: Order) => sendings.get(keyOf(chainId, idempotencyKey))
  const account = ({ by, chainId }: Order) => keyOf(chainId, by)
  const isTaken = (order: Order, nonce: number) =>
    [...sendings.values()].some((one) => account(one) === account(order) && one.nonce === nonce)

  const open = Effect.fnUntraced(function* (order: Order, wanted: Wanted, sign: Sign) {
    const there = at(order)
    if (there !== undefined) return { sending: there, isNew: false }
    const after = next.get(account(order)) ?? 0
    if ("exact" in wanted && isTaken(order, wanted.exact)) return undefined
    const nonce = "exact" in wanted ? wanted.exact : Math.max(after, wanted.least)
    const version = yield* sign(nonce)
    next.set(account(order), Math.max(after, nonce + 1))
    return { sending: put({ ...order, nonce, state: "Pending", place: null, versions: [version] }), isNew: true }
  })

  const replace = Effect.fnUntraced(function* (known: Sending, sign: Sign) {
    const now = at(known) ?? known
    if (!isSame(known, now) || now.state !== "Pending" || now.versions.length !== known.versions.length) return now
    return put({ ...now, versions: [...now.versions, yield* sign(now.nonce)] })
  })

  const renumber = Effect.fnUntraced(function* (known: Sending, least: number, sign: Sign) {
    const now = at(known) ?? known
    if (!isSame(known, now) || now.state !== "Pending") return now
    const nonce = Math.max(next.get(account(known)) ?? 0, least)
    const version = yield* sign(nonce)
    next.set(account(known), nonce + 1)
    return put({ ...now, nonce, versions: [version] })
  })

  return SenderStore.of({
    find: (chainId, key) => Effect.sync(() => sendings.get(keyOf(chainId, key))),
    open: (order, wanted, sign) => lock.withPermits(1)(open(order, wanted, sign)),
    replace: (known, sign) => lock.withPermits(1)(replace(known, sign)),
    renumber: (known, least, sign) => lock.withPermits(1)(renumber(known, least, sign)),
    mark: (known, state, place) =>
      lock.withPermits(1)(
        Effect.sync(() => {
          const now = at(known)
          if (!isSame(known, now)) return false
          put({ ...now, state, place, ...(state === "Final" ? settled(now, place) : {}) })
          return true
        }),
      ),
    watched: (chainId) =>
      Effect.sync(() =>
        [...sendings.values()]
          .filter((one) => one.chainId === chainId && one.state !== "Final")
          .sort((a, b) => (a.by < b.by ? -1 : a.by > b.by ? 1 : a.nonce - b.nonce)),
      ),
  })
})

/** {@link makeMemory} as a layer. @category layers @since 0.1.0 */
export const layerMemory: Layer.Layer<SenderStore> = Layer.effect(SenderStore, makeMemory)
