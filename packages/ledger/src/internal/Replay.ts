import type { AssetCode } from "@guildhall/core/Asset"
import type { Account, AccountId } from "../Account.ts"
import * as Chain from "../Chain.ts"
import type { Acted, Entry, Posted, TrialBalance } from "../Entry.ts"
import { type Hold, type HoldId, partsOf } from "../Hold.ts"
import type { PayoutRange } from "../PayoutRange.ts"
import { type Figure, Disagreement } from "./Disagreement.ts"

/** An account as history gives it. One that moves is changed in place: there are four such changes to a posting. */
type Standing = Omit<Account, "held" | "balance"> & { balance: bigint }

/** What history drew of a part of a hold that is pending now. */
interface Drawn {
  readonly account: AccountId
  amount: bigint
}

/** A payout as history gives it. */
type Payout = Omit<PayoutRange, "state"> & { state: PayoutRange["state"] }

export const differ = (
  figure: Figure,
  where: { readonly sequence?: bigint; readonly account?: AccountId },
  expected: bigint | number | string | null,
  found: bigint | number | string | null | undefined,
): Disagreement =>
  new Disagreement({
    figure,
    sequence: where.sequence ?? null,
    account: where.account ?? null,
    expected: String(expected ?? "none"),
    found: found === undefined ? "missing" : String(found ?? "none"),
  })

/**
 * The books as history alone gives them. Each entry is added in order; what does not agree with those before is answered.
 * Plain code: it runs for every posting there ever was.
 */
export class Replay {
  readonly accounts = new Map<AccountId, Standing>()
  readonly drawn: ReadonlyMap<HoldId, ReadonlyArray<Drawn>>
  readonly payouts = new Map<HoldId, Payout>()
  readonly seals: Array<{ readonly sequence: bigint; readonly endMs: number; readonly trialBalance: TrialBalance }> = []
  head: Chain.Head = Chain.empty
  postings = 0
  #lastPayout = new Map<AccountId, Payout>()
  #lastPostedAtMs = 0
  #closedUntilMs = 0

  /** Of holds only those that are pending now are followed: there are far fewer of them than there ever were. */
  constructor(pending: ReadonlyArray<Hold>) {
    this.drawn = new Map(
      pending.map((hold) => [hold.id, partsOf(hold).map(({ account }) => ({ account, amount: 0n }))]),
    )
  }

  /** Adds an entry, but for its place in the chain. */
  add(entry: Entry): Disagreement | undefined {
    const { postedAtMs, sequence } = entry
    if (postedAtMs < this.#lastPostedAtMs) return differ("time", { sequence }, this.#lastPostedAtMs, postedAtMs)
    this.#lastPostedAtMs = postedAtMs
    return entry._tag === "Posted" ? this.#post(entry) : this.#act(entry)
  }

  /** Adds the record of a batch, whose entries have been added. */
  seal(entries: ReadonlyArray<Entry>, batch: Chain.Batch | undefined): Disagreement | ReadonlyArray<Chain.Node> {
    const sequence = entries.at(-1)?.sequence ?? 0n
    if (batch === undefined) return differ("batch", { sequence }, "recorded", undefined)
    const { head, batch: made, nodes } = Chain.append(this.head, entries, batch.committedAtMs)
    if (made === undefined || made.number !== batch.number || made.firstSequence !== batch.firstSequence) {
      return differ("batch", { sequence }, made?.number ?? null, batch.number)
    }
    const wrongTime = entries.find(({ postedAtMs }) => postedAtMs !== batch.committedAtMs)
    if (wrongTime !== undefined) {
      return differ("time", { sequence: wrongTime.sequence }, batch.committedAtMs, wrongTime.postedAtMs)
    }
    if (!sameBytes(made.root, batch.root)) return differ("root", { sequence }, hex(made.root), hex(batch.root))
    if (!sameBytes(made.chain, batch.chain)) return differ("chain", { sequence }, hex(made.chain), hex(batch.chain))
    this.head = head
    return nodes
  }

  #post({ balances, effectiveAtMs, hold, posting, sequence }: Posted): Disagreement | undefined {
    this.postings += 1
    if (effectiveAtMs < this.#closedUntilMs) return differ("period", { sequence }, this.#closedUntilMs, effectiveAtMs)
    let asset: AssetCode | undefined
    let sum = 0n
    let others: Map<AssetCode, bigint> | undefined
    let isDoubtful = false
    let at = 0
    for (const { account: id, amount } of posting.legs) {
      const account = this.accounts.get(id)
      if (account === undefined) return differ("account", { sequence, account: id }, "known", undefined)
      const balance = account.balance + amount
      if (balances[at] !== balance) return differ("running balance", { sequence, account: id }, balance, balances[at])
      at += 1
      account.balance = balance
      isDoubtful ||= isBeyond(account)
      const { code } = account.asset
      asset ??= code
      if (code === asset) sum += amount
      else others = (others ?? new Map<AssetCode, bigint>()).set(code, (others?.get(code) ?? 0n) + amount)
    }
    if (sum !== 0n) return differ("sum", { sequence }, `0 ${asset}`, `${sum} ${asset}`)
    for (const [code, rest] of others ?? [])
      if (rest !== 0n) return differ("sum", { sequence }, `0 ${code}`, `${rest} ${code}`)
    if (isDoubtful) {
      const beyond = this.#beyond(posting.legs, sequence)
      if (beyond !== undefined) return beyond
    }
    return hold === null ? undefined : this.#taken(hold, posting.legs, sequence)
  }

  /** A leg may pass a limit that a later one of its posting comes back from: what counts is where all of them lead. */
  #beyond(legs: Posted["posting"]["legs"], sequence: bigint): Disagreement | undefined {
    for (const { account: id } of legs) {
      const account = this.accounts.get(id)
      if (account === undefined || !isBeyond(account)) continue
      const { balance, ceiling, floor, state } = account
      const where = { sequence, account: id }
      if (state === "closed") return differ("terms", where, "open", "closed")
      return floor !== null && balance < floor
        ? differ("available", where, `${floor} or more`, balance)
        : differ("balance", where, `${ceiling} or less`, balance)
    }
    return undefined
  }

  /** What a posting takes of its hold. */
  #taken(hold: HoldId, legs: Posted["posting"]["legs"], sequence: bigint): Disagreement | undefined {
    for (const drawn of this.drawn.get(hold) ?? []) {
      for (const { account, amount } of legs) if (account === drawn.account) drawn.amount -= amount
    }
    return this.#paid(hold, legs, sequence)
  }

  /** A payout's hold is posted once, and by what its range is worth. */
  #paid(hold: HoldId, legs: Posted["posting"]["legs"], sequence: bigint): Disagreement | undefined {
    const payout = this.payouts.get(hold)
    if (payout === undefined) return undefined
    const paid = legs.reduce((sum, { account, amount }) => (account === payout.account ? sum - amount : sum), 0n)
    if (payout.state !== "pending")
      return differ("payout", { sequence, account: payout.account }, `${payout.state} once`, "posted again")
    if (paid !== payout.amount) return differ("payout", { sequence, account: payout.account }, payout.amount, paid)
    payout.state = "posted"
    return undefined
  }

  #act({ act, sequence }: Acted): Disagreement | undefined {
    switch (act._tag) {
      case "Opened": {
        const { account: id, asset, ceiling, floor, kind, state } = act
        if (this.accounts.has(id)) return differ("account", { sequence, account: id }, "opened once", "opened again")
        this.accounts.set(id, { id, kind, asset, floor, ceiling, state, balance: 0n })
        return undefined
      }
      case "TermsSet": {
        const { account: id, ceiling, floor, state } = act
        const account = this.accounts.get(id)
        if (account === undefined) return differ("account", { sequence, account: id }, "known", undefined)
        const set = { ...account, floor, ceiling, state }
        this.accounts.set(id, set)
        return isBeyond(set) && state !== "closed"
          ? differ("terms", { sequence, account: id }, `terms that fit ${set.balance}`, `${floor}..${ceiling}`)
          : undefined
      }
      case "PeriodClosed":
        if (act.endMs <= this.#closedUntilMs) {
          return differ("period", { sequence }, `later than ${this.#closedUntilMs}`, act.endMs)
        }
        this.#closedUntilMs = act.endMs
        return undefined
      case "PeriodSealed":
        if (act.endMs > this.#closedUntilMs) return differ("seal", { sequence }, "of a closed period", act.endMs)
        this.seals.push({ sequence, endMs: act.endMs, trialBalance: act.trialBalance })
        return undefined
      case "PayoutBegun":
        return this.#begin(act, sequence)
      case "PayoutVoided": {
        const payout = this.payouts.get(act.hold)
        if (payout?.state !== "pending") return differ("payout", { sequence }, "pending", payout?.state)
        const voided: Payout = { ...payout, carriedOut: payout.carriedOut + payout.amount, state: "voided" }
        this.payouts.set(act.hold, voided)
        this.#lastPayout.set(voided.account, voided)
        return undefined
      }
    }
  }

  #begin(range: Omit<PayoutRange, "state">, sequence: bigint): Disagreement | undefined {
    const { account, amount, carriedIn, carriedOut, fromSequence, hold, rail, toSequence } = range
    const last = this.#lastPayout.get(account)
    const from = last?.toSequence ?? 0n
    const where = { sequence, account }
    if (last?.state === "pending") return differ("payout", where, "one at a time", "two pending")
    if (fromSequence !== from) return differ("payout", where, from, fromSequence)
    if (toSequence !== sequence - 1n) return differ("payout", where, sequence - 1n, toSequence)
    if (carriedIn !== (last?.carriedOut ?? 0n)) return differ("payout", where, last?.carriedOut ?? 0n, carriedIn)
    const balance = this.accounts.get(account)?.balance ?? 0n
    if (amount + carriedOut !== balance) return differ("payout", where, balance, amount + carriedOut)
    const payout: Payout = {
      account,
      rail,
      fromSequence,
      toSequence,
      carriedIn,
      amount,
      carriedOut,
      hold,
      state: "pending",
    }
    this.payouts.set(hold, payout)
    this.#lastPayout.set(account, payout)
    return undefined
  }
}

/** Whether no posting may leave an account like this. */
const isBeyond = ({ balance, ceiling, floor, state }: Standing): boolean =>
  (floor !== null && balance < floor) || (ceiling !== null && balance > ceiling) || state === "closed"

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
