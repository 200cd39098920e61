/** What comes of the transactions of blocks that are taken back: in which order they come again, and which of them do not. */
import type * as Chance from "@guildhall/tools/Chance"

/**
 * - `Again`: the sender finds that they are gone, and sends them again.
 * - `OtherOrder`: the other branch has them as well, in another order and at other seconds.
 * - `Dropped`: some lost their nonce to another transaction of their account, and nobody sends them again.
 * - `Late`: as before, but the sender gives them another nonce once that is final: others come before them.
 */
export const kinds = ["Again", "OtherOrder", "Dropped", "Late"] as const
export type Kind = (typeof kinds)[number]

/** A transaction that was taken back. `key` is that of what it does; undefined where it does nothing but use its nonce. */
export interface Taken {
  readonly hash: string
  readonly by: string
  readonly nonce: number
  readonly key: string | undefined
  /** Whether it is an act, which a trace can do without; not what only makes one possible. */
  readonly isAct: boolean
}

/** What a block of the other branch has: one of them, or what used the nonce of one of them instead. */
export interface Slot {
  readonly taken: Taken
  readonly isLost: boolean
}

/** Any order in which the transactions of each account follow each other as before. */
const shuffled = (chance: Chance.Chance, all: ReadonlyArray<Taken>): ReadonlyArray<Taken> => {
  const queues = [...Map.groupBy(all, ({ by }) => by).values()].map((queue) => [...queue])
  const order: Array<Taken> = []
  while (order.length < all.length) {
    const queue = queues[chance.below(queues.length)]
    const next = queue?.shift()
    if (next !== undefined) order.push(next)
  }
  return order
}

/** What the other branch has, in its order. */
export const plan = (chance: Chance.Chance, kind: Kind, taken: ReadonlyArray<Taken>): ReadonlyArray<Slot> => {
  const order = kind === "OtherOrder" || chance.percent(50) ? shuffled(chance, taken) : taken
  if (kind === "OtherOrder") return order.map((one) => ({ taken: one, isLost: false }))
  const acts = order.filter(({ isAct }) => isAct)
  const lost = acts.filter(() => chance.percent(45))
  const last = acts.at(-1)
  const all = new Set(lost.length === 0 && last !== undefined ? [last] : lost)
  return order.map((one) => ({ taken: one, isLost: all.has(one) }))
}

/** So many seconds between two, in order. */
export const seconds = (chance: Chance.Chance, count: number, fromS: number, toS: number): ReadonlyArray<number> =>
  Array.from({ length: count }, () => chance.between(fromS, toS)).toSorted((one, other) => one - other)
