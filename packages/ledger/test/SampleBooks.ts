/** Books with random postings that count at random times of the past, and what a reader should find in them. */
import { AssetCode } from "@guildhall/core/Asset"
import { Effect } from "effect"
import type { AccountId, AccountKind } from "../src/Account.ts"
import { AccountId as AccountIdSchema } from "../src/Account.ts"
import type { LedgerStore, View } from "../src/LedgerStore.ts"
import type { Links, Posting } from "../src/Posting.ts"

export const USD = { code: AssetCode.make("USD"), scale: 12 }
export const EUR = { code: AssetCode.make("EUR."), scale: 2 }

const account = (id: string, kind: AccountKind, asset = USD) => ({ id: AccountIdSchema.make(id), kind, asset })

/** Accounts in two assets, with ids that are hard to write down. */
export const accounts = [
  account("external:card", "external"),
  account("buyer:mem_1", "buyer"),
  account("buyer:Bob.x-1", "buyer"),
  account("accrual:card:mem_2", "accrual"),
  account("platform:fees", "platform"),
  account("external:euro", "external", EUR),
  account("buyer:euro", "buyer", EUR),
] as const

/** Numbers from 0 up to 1, the same for the same seed. */
export const numbers = (seed: number) => {
  let state = BigInt(seed) * 2n + 1n
  return (): number => {
    state = (state * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n) % (1n << 64n)
    return Number(state >> 33n) / 2 ** 31
  }
}

export const DAY_MS = 86_400_000
/** Everything counts in the 90 days from here. */
export const START_MS = Date.UTC(2025, 0, 1)

export interface Move {
  readonly sequence: bigint
  readonly posting: Posting
  readonly countsAtMs: number
}

const kinds = ["topUp", "charge", "refund", "adjustment", "boost"] as const
const nasty = ["req_1", '=HYPERLINK("x")', 'a "quoted", one', "@cmd\r\nline", "back\\slash", "日本"]

/** Opens the accounts. */
export const open = Effect.fnUntraced(function* (store: LedgerStore["Service"]) {
  const opened = yield* store.commit(
    accounts.map((each) => ({ _tag: "Open" as const, ...each, floor: null, ceiling: null })),
  )
  for (const each of opened) yield* Effect.fromResult(each)
})

/** Opens the accounts and makes so many postings; answers them with their sequences. */
export const fill = Effect.fnUntraced(function* (store: LedgerStore["Service"], seed: number, count: number) {
  yield* open(store)
  const next = numbers(seed)
  const below = (limit: number) => Math.floor(next() * limit)
  const pick = <A>(items: ReadonlyArray<A>): A => items[below(items.length)] ?? raise()
  const links = (): Links => ({ request: pick(nasty), ...(next() < 0.2 ? { movement: `mv-${below(99)}` } : {}) })
  const moves: Array<Move> = []
  for (let at = 0; at < count; at++) {
    const asset = next() < 0.8 ? USD : EUR
    const [from, to] = [pick(accounts), pick(accounts)]
    if (from.asset !== asset || to.asset !== asset || from === to) continue
    const amount = BigInt(1 + below(1_000_000)) * (next() < 0.1 ? 10n ** 12n : 1n)
    const countsAtMs = START_MS + below(90 * DAY_MS)
    const posting: Posting = {
      idempotencyKey: `k-${at}`,
      kind: pick(kinds),
      legs: [
        { account: from.id, amount: -amount },
        { account: to.id, amount },
      ],
      attachments: [],
      ...(next() < 0.7 ? { links: links() } : {}),
      effectiveAtMs: countsAtMs,
    }
    const [answer] = yield* store.commit([{ _tag: "Post", posting }])
    const outcome = yield* Effect.fromResult(answer ?? raise())
    if (outcome._tag === "Posted") moves.push({ sequence: outcome.sequence, posting, countsAtMs })
  }
  return moves
})

const raise = (): never => {
  throw new Error("there is none")
}

/** The same books, seen wrongly in every snapshot. */
export const seen = (store: LedgerStore["Service"], change: (view: View) => Partial<View>): LedgerStore["Service"] => ({
  ...store,
  snapshot: (read) => store.snapshot((view) => read({ ...view, ...change(view) })),
})

/** A unit too much on every balance. */
export const oneTooMuch = (view: View): Partial<View> => ({
  accounts: (ids) =>
    Effect.map(view.accounts(ids), (all) => all.map((each) => ({ ...each, balance: each.balance + 1n }))),
})

/** What a statement should say, by looking at every posting. */
export const expected = (moves: ReadonlyArray<Move>, id: AccountId, fromMs: number | null, toMs: number | null) => {
  const on = ({ posting }: Move) => posting.legs.reduce((sum, leg) => (leg.account === id ? sum + leg.amount : sum), 0n)
  const touching = moves.filter((move) => move.posting.legs.some((leg) => leg.account === id))
  const before = (ms: number) =>
    touching.filter((move) => move.countsAtMs < ms).reduce((sum, move) => sum + on(move), 0n)
  const opening = fromMs === null ? 0n : before(fromMs)
  const within = touching.filter(
    ({ countsAtMs }) => (fromMs === null || countsAtMs >= fromMs) && (toMs === null || countsAtMs < toMs),
  )
  let balance = opening
  const lines = within.map((move) => {
    balance += on(move)
    return { sequence: move.sequence, countsAtMs: move.countsAtMs, amount: on(move), balance }
  })
  return { opening, lines, closing: balance }
}
