/** What was sent, in memory: which act a transaction is of, and which acts their owners gave up. */
import { Effect } from "effect"
import * as SenderStore from "../../src/SenderStore.ts"

/** A signed transaction, and the key of what it does. */
export interface Signed {
  readonly key: string
  readonly raw: `0x${string}`
}

export const make = Effect.map(SenderStore.makeMemory, (store) => {
  const signed = new Map<string, Signed>()
  const givenUp = new Set<string>()
  const keep = (sending: SenderStore.Sending) => {
    for (const { hash, raw } of sending.versions) signed.set(hash, { key: sending.idempotencyKey, raw })
    return sending
  }
  return {
    store: SenderStore.SenderStore.of({
      ...store,
      open: (order, wanted, sign) =>
        Effect.tap(store.open(order, wanted, sign), (opened) =>
          Effect.sync(() => opened !== undefined && keep(opened.sending)),
        ),
      replace: (known, sign) => Effect.map(store.replace(known, sign), keep),
      renumber: (known, least, sign) => Effect.map(store.renumber(known, least, sign), keep),
      watched: (chainId) =>
        Effect.map(store.watched(chainId), (all) => all.filter(({ idempotencyKey }) => !givenUp.has(idempotencyKey))),
    }),
    /** What a transaction is, in any of its versions; undefined where somebody else sent it. */
    signed: (hash: string): Signed | undefined => signed.get(hash),
    /** Its owner does not send it again. */
    giveUp: (key: string): void => void givenUp.add(key),
  }
})

export type SentBook = Effect.Success<typeof make>
