/**
 * Recomputes the books from their history, from the first entry to the last, and stops at the first figure that differs
 * from what the store says: balances, terms, holds, payouts, periods, and the proofs over all of it.
 *
 * It does not read what history does not hold, or what only finds it: attachments, the amounts for which pending holds were
 * taken, and the store's index of entries by account, which statements and balances of the past are read by. Whoever can
 * write the whole history again is found by a checkpoint that was kept elsewhere, and by nothing else.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { AccountId } from "./Account.ts"
import type { Checkpoint } from "./Checkpoint.ts"
import * as Chain from "./Chain.ts"
import type { Entry } from "./Entry.ts"
import { type Hold, partsOf } from "./Hold.ts"
import type { LedgerError } from "./LedgerError.ts"
import { type History, LedgerStore, type View } from "./LedgerStore.ts"
import * as Period from "./Period.ts"
import * as Internal from "./internal/Disagreement.ts"
import { differ, Replay } from "./internal/Replay.ts"

/**
 * What can differ.
 *
 * - `sequence`, `time`: entries are numbered without a gap, and their times never go back.
 * - `sum`, `running balance`: a posting's legs sum to zero in each asset, and recorded the balances that history gives.
 * - `balance`, `held`, `available`, `terms`: what an account has, is held of it, and may do, is what history says.
 * - `account`, `hold`: every account that is named is there, and every pending hold was drawn by what history says.
 * - `period`, `seal`: nothing counts in a closed period, and its trial balance is the one that was sealed.
 * - `payout`: ranges have no gaps, and were paid once and in full.
 * - `batch`, `root`, `chain`, `node`, `checkpoint`: the proofs over history are those that it gives.
 *
 * @category errors
 * @since 0.1.0
 */
export const Figure = Internal.Figure
/** @since 0.1.0 */
export type Figure = Internal.Figure

/**
 * The first figure that does not agree: at which entry and account, what history gives, and what the store says.
 *
 * @category errors
 * @since 0.1.0
 */
export const Disagreement = Internal.Disagreement
/** @since 0.1.0 */
export type Disagreement = Internal.Disagreement

/**
 * What was verified, and the Merkle root over all of it, in hexadecimal.
 *
 * @category models
 * @since 0.1.0
 */
export interface Verified {
  readonly entries: number
  readonly postings: number
  readonly accounts: number
  readonly pendingHolds: number
  readonly batches: number
  readonly root: string
}

/** How many entries are read at a time. */
const PAGE = 2_000

/** After so many entries what the database sends is taken up: it waits where nobody reads. */
const BREATH = 250n

/** Reads a history page by page, the next page while the one before is looked at. */
const pages = Effect.fnUntraced(function* <Kind extends keyof History>(
  view: View,
  kind: Kind,
  numberOf: (item: History[Kind]) => bigint,
) {
  // In the scope of the verification: what is read ahead ends with it, also where it stops early.
  const read = (after: bigint) => Effect.forkScoped(view.history(kind, { after, limit: PAGE }))
  let next = yield* read(0n)
  return Effect.fnUntraced(function* () {
    const page = yield* Fiber.join(next)
    const last = page.at(-1)
    if (last !== undefined) next = yield* read(numberOf(last))
    return page
  })
})

/** Hands out the items of a history one by one. */
const oneByOne = Effect.fnUntraced(function* <Kind extends keyof History>(
  view: View,
  kind: Kind,
  numberOf: (item: History[Kind]) => bigint,
) {
  const nextPage = yield* pages(view, kind, numberOf)
  let page: ReadonlyArray<History[Kind]> = yield* nextPage()
  let at = 0
  return {
    /** The next item, if its page has been read; else undefined. */
    peek: (): History[Kind] | undefined => page[at],
    skip: (): void => void (at += 1),
    /** Reads on, once a page is used up. */
    fill: Effect.suspend(() => {
      if (at < page.length || page.length === 0) return Effect.void
      at = 0
      return Effect.map(nextPage(), (next) => void (page = next))
    }),
  }
})

const sameNode = (a: Chain.Node, b: Chain.Node | undefined): boolean =>
  b !== undefined &&
  a.number === b.number &&
  a.level === b.level &&
  a.index === b.index &&
  Buffer.compare(a.hash, b.hash) === 0

const replayAll = Effect.fnUntraced(function* (
  view: View,
  replay: Replay,
  checkpoint: Checkpoint | undefined,
  progress: (entries: number) => Effect.Effect<void>,
) {
  const nextEntries = yield* pages(view, "entries", ({ sequence }) => sequence)
  const batches = yield* oneByOne(view, "batches", ({ number }) => number)
  const nodes = yield* oneByOne(view, "nodes", ({ number }) => number)
  let entries: Array<Entry> = []
  let last = 0n
  let isCompared = checkpoint === undefined
  for (;;) {
    const page = yield* nextEntries()
    if (page.length === 0) break
    for (const entry of page) {
      if (entry.sequence % BREATH === 0n) yield* Effect.yieldNow
      if (entry.sequence !== last + 1n) return yield* differ("sequence", {}, last + 1n, entry.sequence)
      const wrong = replay.add(entry)
      if (wrong !== undefined) return yield* wrong
      last = entry.sequence
      entries.push(entry)
      if (entry.sequence < (batches.peek()?.lastSequence ?? 0n)) continue
      const made = replay.seal(entries, batches.peek())
      if (made instanceof Internal.Disagreement) return yield* made
      entries = []
      batches.skip()
      yield* batches.fill
      for (const node of made) {
        yield* nodes.fill
        if (!sameNode(node, nodes.peek()))
          return yield* differ("node", { sequence: last }, node.number, nodes.peek()?.number)
        nodes.skip()
      }
      if (checkpoint?.size === replay.head.size) {
        yield* compare(replay, checkpoint)
        isCompared = true
      }
    }
    yield* progress(Number(last))
  }
  if (entries.length > 0) return yield* differ("batch", { sequence: last }, "recorded", undefined)
  yield* nodes.fill
  const rest = batches.peek() ?? nodes.peek()
  if (rest !== undefined) return yield* differ("batch", {}, "none", rest.number)
  // A checkpoint is taken where a batch ends. A history that was written again may have its batches end elsewhere.
  if (checkpoint === undefined || isCompared) return undefined
  const { size } = replay.head
  return yield* checkpoint.size > size
    ? differ("checkpoint", {}, `${checkpoint.size} entries or more`, size)
    : differ("checkpoint", { sequence: checkpoint.size }, "the last of a batch", "within one")
})

const compare = (replay: Replay, checkpoint: Checkpoint) => {
  const [root, chain] = [hex(Chain.rootOf(replay.head)), hex(replay.head.chain)]
  const sequence = checkpoint.size
  if (root !== hex(checkpoint.root)) return differ("checkpoint", { sequence }, hex(checkpoint.root), root)
  return chain === hex(checkpoint.chain)
    ? Effect.void
    : differ("checkpoint", { sequence }, hex(checkpoint.chain), chain)
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** What pending holds keep of each account. */
const heldOf = Effect.fnUntraced(function* (pending: ReadonlyArray<Hold>, replay: Replay) {
  const held = new Map<AccountId, bigint>()
  for (const hold of pending) {
    const parts = partsOf(hold)
    let [amount, drawn] = [0n, 0n]
    for (const [at, part] of parts.entries()) {
      const { account } = part
      if (!replay.accounts.has(account)) return yield* differ("account", { account }, "known", undefined)
      if (part.drawn < 0n || part.drawn > part.amount) {
        return yield* differ("hold", { account }, `at most ${part.amount}`, part.drawn)
      }
      const is = replay.drawn.get(hold.id)?.[at]?.amount ?? 0n
      if (part.drawn !== is) {
        return yield* differ("hold", { account }, `${hold.id} drawn by ${is}`, `drawn by ${part.drawn}`)
      }
      held.set(account, (held.get(account) ?? 0n) + part.amount - part.drawn)
      amount += part.amount
      drawn += part.drawn
    }
    const { account } = hold
    if (amount !== hold.amount) return yield* differ("hold", { account }, amount, hold.amount)
    if (drawn !== hold.drawn) return yield* differ("hold", { account }, drawn, hold.drawn)
  }
  return held
})

const compareAccounts = Effect.fnUntraced(function* (view: View, replay: Replay, held: ReadonlyMap<AccountId, bigint>) {
  const accounts = yield* view.accounts()
  const seen = new Set<AccountId>()
  for (const account of accounts) {
    const { id } = account
    const is = replay.accounts.get(id)
    if (is === undefined) return yield* differ("account", { account: id }, "opened", "never opened")
    seen.add(id)
    const terms = (of: typeof is) =>
      `${of.kind} ${of.asset.code}/${of.asset.scale} ${of.floor}..${of.ceiling} ${of.state}`
    if (account.balance !== is.balance) return yield* differ("balance", { account: id }, is.balance, account.balance)
    const holding = held.get(id) ?? 0n
    if (account.held !== holding) return yield* differ("held", { account: id }, holding, account.held)
    if (terms(account) !== terms(is)) return yield* differ("terms", { account: id }, terms(is), terms(account))
    // History has no holds: that balances alone keep their limits was seen with each posting.
    if (is.floor !== null && is.balance - holding < is.floor) {
      return yield* differ("available", { account: id }, `${is.floor} or more`, is.balance - holding)
    }
  }
  for (const id of replay.accounts.keys()) {
    if (!seen.has(id)) return yield* differ("account", { account: id }, "known", undefined)
  }
  return accounts.length
})

const comparePayouts = Effect.fnUntraced(function* (view: View, replay: Replay, pending: ReadonlyArray<Hold>) {
  const holds = new Map(pending.map((hold) => [hold.id, hold]))
  const found = yield* oneByOne(view, "payouts", ({ toSequence }) => toSequence)
  let count = 0
  for (;;) {
    yield* found.fill
    const payout = found.peek()
    if (payout === undefined) break
    const is = replay.payouts.get(payout.hold)
    const words = (of: typeof payout | undefined) =>
      of === undefined
        ? undefined
        : [of.account, of.rail, of.fromSequence, of.toSequence, of.carriedIn, of.amount, of.carriedOut, of.state].join(
            " ",
          )
    if (words(is) !== words(payout)) {
      return yield* differ("payout", { account: payout.account }, words(is) ?? "none", words(payout))
    }
    const { account, amount, hold, state } = payout
    const kept = holds.get(hold)
    if (state === "pending" && (kept?.account !== account || kept.amount !== amount)) {
      return yield* differ("payout", { account }, `${amount} held for it`, kept?.amount)
    }
    count += 1
    found.skip()
  }
  return count === replay.payouts.size ? undefined : yield* differ("payout", {}, replay.payouts.size, count)
})

const compareSeals = Effect.fnUntraced(function* (view: View, replay: Replay) {
  for (const { endMs, sequence, trialBalance } of replay.seals) {
    const is = yield* Effect.mapError(Period.trialBalance(view, endMs), (error) =>
      error._tag === "DoesNotBalance" ? differ("seal", { sequence }, error.debits, error.credits) : error,
    )
    const words = ({ accounts, root, totals }: typeof is) =>
      [root, accounts, ...totals.map(({ asset, credits, debits }) => `${asset} ${debits}/${credits}`)].join(" ")
    if (words(is) !== words(trialBalance)) return yield* differ("seal", { sequence }, words(is), words(trialBalance))
  }
  return undefined
})

const verifyView = Effect.fnUntraced(function* (
  view: View,
  checkpoint: Checkpoint | undefined,
  progress: (entries: number) => Effect.Effect<void>,
) {
  const pending = yield* view.holds({ pending: true })
  const replay = new Replay(pending)
  yield* replayAll(view, replay, checkpoint, progress)
  const { head } = replay
  const accounts = yield* compareAccounts(view, replay, yield* heldOf(pending, replay))
  yield* comparePayouts(view, replay, pending)
  yield* compareSeals(view, replay)
  return {
    entries: Number(head.size),
    postings: replay.postings,
    accounts,
    pendingHolds: pending.length,
    batches: Number(head.batch),
    root: hex(Chain.rootOf(head)),
  }
}, Effect.scoped)

/**
 * How books are verified. `checkpoint` is one that was taken before: the history must still begin with it, so that whoever
 * rewrote all of it, or cut off its end, is found. `progress` is told after each page how many entries are done.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly checkpoint?: Checkpoint | undefined
  readonly progress?: ((entries: number) => Effect.Effect<void>) | undefined
}

/**
 * Verifies the books that the store in context holds, as they are in one moment: the market may run meanwhile. Memory grows
 * with the accounts, the pending holds and the payouts, not with the postings.
 *
 * A checkpoint's signature is not checked here: give one that you kept yourself.
 *
 * @category commands
 * @since 0.1.0
 */
export const verify = Effect.fn("Ledger.verify")(function* (
  options: Options = {},
): Effect.fn.Return<Verified, Disagreement | LedgerError, LedgerStore> {
  const store = yield* LedgerStore
  return yield* store.snapshot((view) => verifyView(view, options.checkpoint, options.progress ?? (() => Effect.void)))
})
