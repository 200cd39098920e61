/**
 * Sends transactions so that each is done once, whatever dies on the way.
 *
 * A transaction gets its nonce as it is signed, under a lock that all processes of a database share, and is on the disk before
 * any endpoint hears of it. After a crash the next process broadcasts it again. What waits too long is replaced under the same
 * nonce for a higher bid, up to a cap, and every version stays watched, for any of them may be included. What a pool dropped is
 * given to it again; a nonce that nobody used is filled; what a reorganisation took out of the chain is watched and sent
 * again, until it is too deep to be taken out.
 *
 * A key answers for one transaction: asked again, it waits for that one and answers alike.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Semaphore from "effect/Semaphore"
import { keccak256, stringToHex } from "viem/utils"
import type { Address } from "@guildhall/chain/Address"
import * as ChainReads from "./internal/ChainReads.ts"
import * as GasPrice from "./internal/GasPrice.ts"
import * as Watch from "./internal/Watch.ts"
import * as Rpc from "./Rpc.ts"
import type { RpcError } from "./RpcError.ts"
import { KeyUsed, NoGas, NotIncluded, Reverted, SenderError, type SenderReason } from "./SenderError.ts"
import { type Order, SenderStore, type Sending } from "./SenderStore.ts"
import { Signer } from "./Signer.ts"

/**
 * - `stuckMs`: after how long the first transaction of an account bids more; ten blocks if nothing is said.
 * - `pollMs`: how often the chain is looked at while something is pending; a third of a block's time if nothing is said.
 * - `patienceMs`: for how long `send` waits for a block; two minutes if nothing is said.
 * - `maxFeeCapWei`: the most that is bid for a unit of gas; the chain's own cap if nothing is said.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly stuckMs?: number | undefined
  readonly pollMs?: number | undefined
  readonly patienceMs?: number | undefined
  readonly maxFeeCapWei?: bigint | undefined
}

/**
 * What is to be sent. `to` is null to create a contract. `gas` is estimated, with a margin, where it is not given.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request {
  readonly idempotencyKey: string
  readonly by: Address
  readonly to: Address | null
  readonly data: `0x${string}`
  readonly valueWei?: bigint | undefined
  readonly gas?: bigint | undefined
}

/**
 * A transaction that is in the chain: its place, what it emitted, and the contract that it created. It may still be
 * reorganised; then it is sent again.
 *
 * @category models
 * @since 0.1.0
 */
export interface Included {
  readonly idempotencyKey: string
  readonly hash: `0x${string}`
  readonly blockNumber: bigint
  readonly blockHash: string
  readonly atS: number
  readonly gasUsed: bigint
  readonly contractAddress: string | null
  readonly logs: ReadonlyArray<ChainReads.RawLog>
}

/**
 * The service.
 *
 * - `send`: signs, keeps, broadcasts and waits until it is included. What the contract refuses is found before anything is sent.
 * - `find`: what became of a key; undefined where it was never used.
 * - `look`: one look at all that is watched. The layer does it again and again; a test may want it now.
 *
 * @category services
 * @since 0.1.0
 */
export class Sender extends Context.Service<
  Sender,
  {
    readonly send: (request: Request) => Effect.Effect<Included, SenderError>
    readonly find: (idempotencyKey: string) => Effect.Effect<Sending | undefined, SenderError>
    readonly look: Effect.Effect<void, SenderError>
  }
>()("@guildhall/chain-evm/Sender") {}

/** Five slots that were empty. What is not burnt costs nothing. */
const GAS_MARGIN = 110_500n

const fail = (reason: SenderReason) => Effect.fail(new SenderError({ reason }))

const refusal = (error: RpcError) =>
  Option.match(ChainReads.revertOf(error), {
    onNone: () => Watch.ofRpc(error),
    onSome: ({ data, detail }) => new SenderError({ reason: new Reverted({ data, detail, isSent: false }) }),
  })

/** The digest of all that makes it this transaction. What it bids and burns is not part of it. */
const contentOf = ({ by, data, to, valueWei = 0n }: Request): string =>
  keccak256(stringToHex(`${by} ${to ?? "create"} ${data} ${valueWei}`))

/**
 * Makes a sender over the chain of `Rpc`. It watches for as long as its scope is open, beginning with what an earlier process
 * left.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const rpc = yield* Rpc.Rpc
  const store = yield* SenderStore
  const signer = yield* Signer
  const { chain } = rpc
  const { patienceMs = 120_000, pollMs = Math.ceil(chain.blockTimeMs / 3) } = options
  const settings: Watch.Settings = {
    chain,
    stuckMs: options.stuckMs ?? 10 * chain.blockTimeMs,
    rebroadcastMs: 4 * chain.blockTimeMs,
    maxFeeCapWei: options.maxFeeCapWei ?? chain.fees.maxFeeCapWei,
  }
  const reads = ChainReads.make(rpc)
  const parts: Watch.Parts = { rpc, reads, store, signer }
  const watch = Watch.make(settings, parts)
  const one = Semaphore.makeUnsafe(1)
  let looked = Deferred.makeUnsafe<void>()
  const tell = Effect.suspend(() => {
    const done = looked
    looked = Deferred.makeUnsafe<void>()
    return Deferred.succeed(done, undefined)
  })
  const look = one.withPermits(1)(Effect.ensuring(watch.pass, tell))
  const pokes = yield* Queue.sliding<void>(1)

  /** Signs an order under its account's lock, if its key is new. */
  const open = Effect.fnUntraced(function* (request: Request) {
    const { by, data, idempotencyKey, to, valueWei = 0n } = request
    const call = { from: by, to, data, valueWei }
    const head = yield* Effect.mapError(reads.head, Watch.ofRpc)
    const block = yield* Effect.mapError(reads.block(head), Watch.ofRpc)
    if (block === undefined) return yield* fail(new NotIncluded({ idempotencyKey, waitedMs: 0 }))
    const estimated = yield* Effect.mapError(reads.estimate(call), refusal)
    // A second later a contract may write slots that it does not write now: a checkpoint of its own, an index that has moved.
    const wanted = request.gas ?? estimated + estimated / 2n + GAS_MARGIN
    const gas = block.gasLimit !== null && wanted > block.gasLimit ? block.gasLimit : wanted
    const price = yield* Effect.mapError(GasPrice.suggest(reads, chain.fees, settings.maxFeeCapWei, block), Watch.ofRpc)
    if (chain.fundsInCoin) {
      const hasWei = yield* Effect.mapError(reads.balance(by), Watch.ofRpc)
      const needsWei = gas * GasPrice.highest(price) + valueWei
      const { symbol } = chain.nativeCurrency
      if (hasWei < needsWei) return yield* fail(new NoGas({ account: by, symbol, hasWei, needsWei }))
    }
    const least = yield* Effect.mapError(reads.nonceAt(by, head), Watch.ofRpc)
    const content = contentOf(request)
    const order: Order = { chainId: chain.id, idempotencyKey, content, by, to, data, valueWei, gas }
    const opened = yield* store.open(order, { least }, Watch.signing(parts, order, price))
    if (opened === undefined) return yield* Effect.die("the next nonce was taken under the lock")
    return opened
  })

  const result = Effect.fnUntraced(function* (sending: Sending, isNew: boolean) {
    const { idempotencyKey, place } = sending
    if (place === null) return undefined
    const receipt = yield* reads.receipt(place.hash)
    const block = receipt === undefined ? undefined : yield* reads.block(receipt.blockNumber)
    if (receipt === undefined || block === undefined || block.hash !== receipt.blockHash) return undefined
    if (!receipt.isDone) {
      const { by, data, to, valueWei } = sending
      // The state before its block may say why; where it does not, the words of the chain must do.
      const why = yield* Effect.flip(
        Effect.asVoid(reads.call({ from: by, to, data, valueWei }, receipt.blockNumber - 1n)),
      ).pipe(Effect.option, Effect.map(Option.flatMap(ChainReads.revertOf)))
      const detail = `transaction ${receipt.hash} reverted${isNew ? "" : " when the key was first used"}.`
      return yield* fail(new Reverted({ data: Option.getOrUndefined(why)?.data ?? null, detail, isSent: true }))
    }
    const { blockHash, blockNumber, contractAddress, gasUsed, hash, logs } = receipt
    return { idempotencyKey, hash, blockNumber, blockHash, atS: block.atS, gasUsed, contractAddress, logs }
  })

  /** Its result, once it is in the chain and the endpoints agree about it. */
  const standing = Effect.fnUntraced(function* (idempotencyKey: string, isNew: boolean) {
    const now = yield* store.find(chain.id, idempotencyKey)
    return now === undefined
      ? undefined
      : yield* Effect.catchTag(result(now, isNew), "RpcError", () => Effect.undefined)
  })

  /** Waits for one look after the other. Only the first one is hurried. */
  const wait = Effect.fnUntraced(function* (idempotencyKey: string, isNew: boolean) {
    yield* Queue.offer(pokes, undefined)
    for (;;) {
      const next = looked
      const found = yield* standing(idempotencyKey, isNew)
      if (found !== undefined) return found
      yield* Deferred.await(next)
    }
  })

  const send = Effect.fn("Sender.send")(function* (request: Request) {
    const { idempotencyKey } = request
    const there = yield* store.find(chain.id, idempotencyKey)
    const opened = there === undefined ? yield* open(request) : { sending: there, isNew: false }
    if (opened.sending.content !== contentOf(request)) return yield* fail(new KeyUsed({ idempotencyKey }))
    if (opened.isNew) yield* watch.broadcast(opened.sending)
    return yield* wait(idempotencyKey, opened.isNew).pipe(
      Effect.timeoutOrElse({
        duration: patienceMs,
        orElse: () => fail(new NotIncluded({ idempotencyKey, waitedMs: patienceMs })),
      }),
    )
  })

  // It looks at once, for an earlier process may have left something; then whenever there is something to look at.
  const forever = Effect.gen(function* () {
    const watched = yield* Effect.catch(look, (error) =>
      Effect.as(Effect.logWarning("Sent transactions could not be looked at", error.message), null),
    )
    const isPending = watched === null || watched.some(({ state }) => state === "Pending")
    const pause = isPending ? pollMs : watched.length > 0 ? chain.blockTimeMs : 30 * chain.blockTimeMs
    yield* Effect.race(Effect.sleep(pause), Queue.take(pokes))
  })
  yield* Effect.forkScoped(Effect.forever(forever))

  return Sender.of({
    send,
    find: (idempotencyKey) => store.find(chain.id, idempotencyKey),
    look: Effect.asVoid(look),
  })
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Sender, never, Rpc.Rpc | SenderStore | Signer> =>
  Layer.effect(Sender, make(options))
