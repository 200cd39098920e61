/** Nonces before the last pending one that no sending has: the chain waits for them for ever. */
import * as Effect from "effect/Effect"
import type { Order, Sending } from "../SenderStore.ts"

/** A transaction that does nothing but use its nonce. */
export type Filler = Order

const fillerOf = ({ by, chainId }: Sending, nonce: number): Filler => ({
  chainId,
  idempotencyKey: `gap:${by}:${nonce}`,
  content: "a gap",
  by,
  to: by,
  data: "0x",
  valueWei: 0n,
  gas: 21_000n,
})

/** At most so many gaps are closed in one look: an account whose books are of another chain is not burnt empty. */
const MAX_GAPS = 16

/** Fills the gaps of an account whose next nonce is this one by the chain. */
export const fill = Effect.fnUntraced(function* <E>(
  sendings: ReadonlyArray<Sending>,
  next: number,
  open: (filler: Filler, nonce: number) => Effect.Effect<void, E>,
) {
  const last = sendings.findLast(({ nonce, state }) => state === "Pending" && nonce > next)
  if (last === undefined) return
  const taken = new Set(sendings.map(({ nonce }) => nonce))
  const gaps = Array.from({ length: last.nonce - next }, (_, at) => next + at).filter((nonce) => !taken.has(nonce))
  for (const nonce of gaps.slice(0, MAX_GAPS)) {
    yield* Effect.logWarning("A nonce was never used, and is filled", last.by, nonce)
    yield* open(fillerOf(last, nonce), nonce)
  }
})
