/** One look at everything that was sent and is not final: what became of it, and what is to be done. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Chain from "../Chain.ts"
import type { Rpc } from "../Rpc.ts"
import type { RpcError } from "../RpcError.ts"
import { SenderError } from "../SenderError.ts"
import type { Order, Place, SenderStore, Sending, Version } from "../SenderStore.ts"
import type { Price, Signer } from "../Signer.ts"
import type { SignerError } from "../SignerError.ts"
import type { ChainReads } from "./ChainReads.ts"
import * as GasPrice from "./GasPrice.ts"
import * as NonceGaps from "./NonceGaps.ts"
import * as NonceTaken from "./NonceTaken.ts"

export interface Settings {
  readonly chain: Chain.Chain
  readonly stuckMs: number
  readonly rebroadcastMs: number
  readonly maxFeeCapWei: bigint
}

export interface Parts {
  readonly rpc: Rpc["Service"]
  readonly reads: ChainReads
  readonly store: SenderStore["Service"]
  readonly signer: Signer["Service"]
}

export const ofRpc = ({ reason }: RpcError): SenderError => new SenderError({ reason })
const ofSigner = ({ reason }: SignerError): SenderError => new SenderError({ reason })

/** Signs a version of a sending. */
export const signing =
  ({ signer }: Parts, order: Order, price: Price) =>
  (nonce: number): Effect.Effect<Version, SenderError> =>
    Effect.gen(function* () {
      const { by, chainId, data, gas, to, valueWei } = order
      const unsigned = { chainId, nonce, to, data, valueWei, gas, price }
      const signed = yield* Effect.mapError(signer.signTransaction(by, unsigned), ofSigner)
      return { ...signed, price, signedAtMs: yield* Clock.currentTimeMillis }
    })

export const make = (settings: Settings, parts: Parts) => {
  const { chain, maxFeeCapWei, rebroadcastMs, stuckMs } = settings
  const { reads, rpc, store } = parts
  const taker = NonceTaken.make(reads, chain.finalityDepth)
  /** When a version was last given to the endpoints by this process; nothing is lost with it. */
  const broadcastAtMs = new Map<string, number>()
  /** Versions that cannot bid more, so that it is said once. */
  const atCap = new Set<string>()

  /** A refusal says why this version will not be taken now; it stays watched, for another endpoint may have taken it. */
  const broadcast = Effect.fnUntraced(function* (sending: Sending) {
    const version = sending.versions.at(-1)
    if (version === undefined) return
    broadcastAtMs.set(version.hash, yield* Clock.currentTimeMillis)
    yield* Effect.catch(rpc.broadcast(version.raw), ({ message, reason }) => {
      const known = reason._tag === "NodeRefused" && /already|known|imported|nonce too low/i.test(reason.detail)
      return known ? Effect.void : Effect.logWarning("A transaction was not taken", sending.idempotencyKey, message)
    })
  })

  const include = Effect.fnUntraced(function* (sending: Sending) {
    for (const { hash } of sending.versions.toReversed()) {
      const receipt = yield* reads.receipt(hash)
      if (receipt === undefined) continue
      const { blockHash, blockNumber, isDone } = receipt
      const place: Place = { hash, blockHash, blockNumber, isDone }
      return place
    }
    return undefined
  })

  /** Bids more for the first transaction of an account, which holds up all others. */
  const unstick = Effect.fnUntraced(function* (sending: Sending, head: bigint) {
    const last = sending.versions.at(-1)
    const block = yield* reads.block(head)
    if (last === undefined || block === undefined) return false
    const now = yield* GasPrice.suggest(reads, chain.fees, maxFeeCapWei, block)
    const price = GasPrice.bump(last.price, now, maxFeeCapWei)
    if (price === undefined) {
      if (atCap.has(last.hash)) return false
      atCap.add(last.hash)
      const detail = `${sending.idempotencyKey} bids ${GasPrice.highest(last.price)} wei and may bid ${maxFeeCapWei}. It waits until gas is cheaper, or the cap is raised.`
      yield* Effect.logWarning("A transaction is stuck at the cap of its fee", detail)
      return false
    }
    const replaced = yield* store.replace(sending, signing(parts, sending, price))
    yield* broadcast(replaced)
    return true
  })

  /** Someone else's transaction has the nonce. Once that is proven and cannot be undone any more, this one gets another. */
  const taken = Effect.fnUntraced(function* (sending: Sending, next: number, head: bigint) {
    const price = sending.versions.at(-1)?.price
    const by = yield* taker(sending, head)
    if (by === undefined || price === undefined || Number(head - by) + 1 < chain.finalityDepth) return false
    yield* Effect.logWarning("A nonce was used by another program", sending.idempotencyKey, sending.nonce)
    yield* broadcast(yield* store.renumber(sending, next, signing(parts, sending, price)))
    return true
  })

  /** Opens a filler at a nonce, for what is bid now. */
  const opening = (head: bigint) =>
    Effect.fnUntraced(function* (filler: NonceGaps.Filler, nonce: number) {
      const block = yield* reads.block(head)
      if (block === undefined) return
      const price = yield* GasPrice.suggest(reads, chain.fees, maxFeeCapWei, block)
      const opened = yield* store.open(filler, { exact: nonce }, signing(parts, filler, price))
      if (opened?.isNew === true) yield* broadcast(opened.sending)
    })

  const pending = Effect.fnUntraced(function* (sending: Sending, next: number, head: bigint) {
    if (sending.nonce < next) {
      const place = yield* include(sending)
      if (place !== undefined) return yield* store.mark(sending, "Included", place)
      return yield* taken(sending, next, head)
    }
    const nowMs = yield* Clock.currentTimeMillis
    const last = sending.versions.at(-1)
    if (last === undefined) return false
    const isStuck = sending.nonce === next && nowMs - last.signedAtMs >= stuckMs
    if (isStuck && (yield* unstick(sending, head))) return true
    if (nowMs - (broadcastAtMs.get(last.hash) ?? Number.NEGATIVE_INFINITY) >= rebroadcastMs) yield* broadcast(sending)
    return false
  })

  const placed = Effect.fnUntraced(function* (sending: Sending, place: Place, next: number, head: bigint) {
    const block = yield* reads.block(place.blockNumber)
    // The endpoints that answered may be behind. Where the account has used its nonce, they are.
    if (block === undefined && place.blockNumber > head && sending.nonce < next) return false
    if (block?.hash !== place.blockHash) {
      const found = yield* include(sending)
      if (found?.blockHash === place.blockHash) return false
      yield* Effect.logInfo("A transaction was reorganised", sending.idempotencyKey, found?.blockNumber ?? "out")
      const isMoved = yield* store.mark(sending, found === undefined ? "Pending" : "Included", found ?? null)
      if (found === undefined) yield* broadcast(sending)
      return isMoved
    }
    const depth = Number(head - place.blockNumber) + 1
    if (depth >= chain.finalityDepth) return yield* store.mark(sending, "Final", place)
    if (sending.state === "Included" && depth >= chain.confirmations) {
      return yield* store.mark(sending, "Confirmed", place)
    }
    return false
  })

  const account = Effect.fnUntraced(function* (by: string, sendings: ReadonlyArray<Sending>, head: bigint) {
    const next = yield* reads.nonceAt(by, head)
    for (const sending of sendings) {
      // One that cannot be looked at now must not keep the others from it.
      const looked = sending.place === null ? pending(sending, next, head) : placed(sending, sending.place, next, head)
      yield* Effect.catchTags(looked, {
        RpcError: ({ message }) =>
          Effect.logDebug("A transaction could not be looked at", sending.idempotencyKey, message),
      })
    }
    if (parts.signer.addresses.some((address) => address === by)) yield* NonceGaps.fill(sendings, next, opening(head))
  })

  /** What is not watched any more need not be remembered. */
  const forget = (sendings: ReadonlyArray<Sending>) => {
    const known = new Set<string>(sendings.flatMap(({ versions }) => versions.map(({ hash }) => hash)))
    for (const hash of broadcastAtMs.keys()) if (!known.has(hash)) broadcastAtMs.delete(hash)
    for (const hash of atCap) if (!known.has(hash)) atCap.delete(hash)
  }

  const pass = Effect.gen(function* () {
    const sendings = yield* store.watched(chain.id)
    forget(sendings)
    if (sendings.length === 0) return sendings
    const head = yield* reads.head
    const accounts = Map.groupBy(sendings, ({ by }) => by)
    yield* Effect.forEach(accounts, ([by, ofAccount]) => account(by, ofAccount, head), { discard: true })
    return sendings
  }).pipe(Effect.mapError((error) => (error._tag === "RpcError" ? ofRpc(error) : error)))

  return { broadcast, pass }
}
