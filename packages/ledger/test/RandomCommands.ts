/** Random commands over a few accounts, holds and keys, so that they meet. The same seed gives the same commands. */
import * as Chance from "@guildhall/tools/Chance"
import { type Asset, AssetCode, USD } from "@guildhall/core/Asset"
import { AccountId, type AccountKind } from "../src/Account.ts"
import { HoldId } from "../src/Hold.ts"
import type { Command, Linkable } from "../src/LedgerStore.ts"
import type { PayoutRange } from "../src/PayoutRange.ts"
import type { Leg, Posting } from "../src/Posting.ts"

const EUR: Asset = { code: AssetCode.make("EUR"), scale: 2 }

type Open = Extract<Command, { readonly _tag: "Open" }>

const open = (
  id: string,
  kind: AccountKind,
  floor: bigint | null,
  ceiling: bigint | null = null,
  asset = USD,
): Open => ({
  _tag: "Open",
  id: AccountId.make(id),
  kind,
  asset,
  floor,
  ceiling,
})

/** Accounts in two assets, with and without limits, one of them with a credit line. */
export const accounts: ReadonlyArray<Open> = [
  open("external:card", "external", null),
  open("buyer:ann", "buyer", 0n),
  open("buyer:bob", "buyer", -20n),
  open("accrual:card:eve", "accrual", 0n),
  open("pool:boost", "pool", 0n, 40n),
  open("payable:card:eve", "payable", -15n),
  open("exchange:USD", "exchange", null),
  open("external:euro", "external", null, null, EUR),
  open("buyer:euro", "buyer", 0n, null, EUR),
  open("exchange:EUR", "exchange", null, null, EUR),
]

const [card, earner] = [AccountId.make("external:card"), AccountId.make("accrual:card:eve")]
const [pool, payable] = [AccountId.make("pool:boost"), AccountId.make("payable:card:eve")]
const buyers = [AccountId.make("buyer:ann"), AccountId.make("buyer:bob")]

/** What chance is made of. */
const chances = (seed: number) => {
  const { below, next } = Chance.make(seed)
  const pick = <A>(items: ReadonlyArray<A>): A => {
    const item = items[below(items.length)]
    if (item === undefined) throw new Error("there is nothing to pick from")
    return item
  }
  return { next, below, pick }
}

type Chances = ReturnType<typeof chances>

const makePostings = ({ below, next, pick }: Chances) => {
  const account = (): AccountId => (next() < 0.03 ? AccountId.make("buyer:nobody") : pick(accounts).id)
  const amount = (): bigint => BigInt(below(30) - (next() < 0.1 ? 5 : 0))
  const key = (): string => `key-${below(400)}`

  /** Times that are past in any store, and in a period that may be closed. */
  const detail = (): Partial<Posting> => ({
    ...(next() < 0.15 ? { effectiveAtMs: below(12) } : {}),
    ...(next() < 0.1 ? { links: { request: key() } } : {}),
  })

  const posting = (kind: Posting["kind"]): Posting => {
    const isOrdinary = next() < 0.6
    const moved = isOrdinary && kind === "charge" ? BigInt(1 + below(6)) : amount()
    const from = isOrdinary ? (kind === "charge" ? pick(buyers) : card) : account()
    const to = isOrdinary ? (kind === "topUp" ? pick([...buyers, pool]) : pick([earner, payable])) : account()
    const legs: Array<Leg> = [
      { account: from, amount: -moved },
      { account: to, amount: next() < 0.05 ? moved + 1n : moved },
    ]
    if (next() < 0.2) legs.push({ account: account(), amount: 2n }, { account: pick(legs).account, amount: -2n })
    const attachments = next() < 0.3 ? [{ kind: "sample", body: { key: key(), moved: moved.toString() } }] : []
    return { idempotencyKey: key(), kind, legs, attachments, ...detail() }
  }

  /** Two for one, and sometimes not quite. */
  const exchange = (): Posting => {
    const taken = BigInt(1 + below(9))
    const given = 2n * taken + (next() < 0.2 ? 1n : 0n)
    return {
      idempotencyKey: key(),
      kind: "exchange",
      legs: [
        { account: pick(buyers), amount: -taken },
        { account: AccountId.make("exchange:USD"), amount: taken },
        { account: AccountId.make("exchange:EUR"), amount: -given },
        { account: AccountId.make("buyer:euro"), amount: given },
      ],
      attachments: [],
      rate: { from: USD.code, to: EUR.code, numerator: 2n, denominator: 1n, source: "desk", asOfMs: 1 },
    }
  }
  return { account, amount, key, posting, exchange }
}

const makeLinkables = (chance: Chances) => {
  const { below, next, pick } = chance
  const { account, amount, exchange, key, posting } = makePostings(chance)
  const hold = (): HoldId => HoldId.make(`hold-${below(40)}`)

  const take = (): Linkable => {
    const [id, amountHeld] = [hold(), amount()]
    const hasShortLife = next() < 0.3
    const others = next() < 0.3 ? buyers.toReversed() : []
    const first = next() < 0.7 ? pick(buyers) : account()
    const further = others.filter((other) => other !== first)
    return {
      _tag: "Hold",
      hold: {
        id,
        account: first,
        ...(further.length === 0 ? {} : { further }),
        amount: amountHeld,
        owner: pick(["gateway-1", "gateway-2"]) + (hasShortLife ? "-gone" : ""),
        lifeMs: next() < 0.05 ? null : hasShortLife ? 1 : 600_000,
        definitionDigest: "d",
        context: { of: id },
      },
    }
  }

  const setTerms = (): Linkable => ({
    _tag: "SetTerms",
    idempotencyKey: `terms-${below(60)}`,
    account: account(),
    terms: {
      floor: pick([null, 0n, 0n, -20n, 5n]),
      ceiling: pick([null, null, 40n, 400n]),
      state: pick(["open", "open", "open", "open", "open", "open", "frozen", "closed"]),
    },
  })

  return (): Linkable => {
    const dice = next()
    if (dice < 0.04) return { ...pick(accounts), floor: next() < 0.5 ? 0n : null }
    if (dice < 0.07) return setTerms()
    if (dice < 0.35) return { _tag: "Post", posting: posting(pick(["topUp", "topUp", "charge", "refund"])) }
    if (dice < 0.38) return { _tag: "Post", posting: exchange() }
    if (dice < 0.58) return take()
    if (dice < 0.62) {
      return { _tag: "Grow", hold: hold(), amount: 4n * amount(), ...(next() < 0.5 ? {} : { sources: buyers }) }
    }
    if (dice < 0.68) return { _tag: "Draw", hold: hold(), posting: posting("charge") }
    if (dice < 0.83) return { _tag: "Settle", hold: hold(), posting: posting("charge") }
    if (dice < 0.87) return { _tag: "Void", hold: hold(), attachments: [{ kind: "voided", body: key() }] }
    if (dice < 0.96) return { _tag: "Claim", hold: hold(), posting: posting("claim") }
    return { _tag: "Reverse", sequence: BigInt(below(200)), attachments: [] }
  }
}

/** Makes batches of commands, the first of which opens the accounts. */
export const batches = (seed: number, count: number): ReadonlyArray<ReadonlyArray<Command>> => {
  const chance = chances(seed)
  const { below, next, pick } = chance
  const linkable = makeLinkables(chance)
  const linked = (): Extract<Command, { readonly _tag: "Link" }> => ({
    _tag: "Link",
    commands: Array.from({ length: 1 + below(2) }, linkable),
  })

  const command = (): Command => {
    const dice = next()
    if (dice < 0.08) return linked()
    if (dice < 0.12) return { _tag: "Preview", command: next() < 0.3 ? linked() : linkable() }
    if (dice < 0.15) return { _tag: "Renew", owner: pick(["gateway-1", "gateway-2"]), lifeMs: 600_000 }
    if (dice < 0.17) return { _tag: "Expire", limit: 1_000 }
    if (dice < 0.22) {
      return { _tag: "BeginPayout", account: payable, rail: "card", unit: BigInt(1 + below(4)), minimum: 2n }
    }
    if (dice < 0.225) return { _tag: "ClosePeriod", endMs: below(12) }
    if (dice < 0.23) {
      return {
        _tag: "SealPeriod",
        endMs: below(12),
        trialBalance: { root: "r".repeat(43), accounts: below(2), totals: [] },
      }
    }
    return linkable()
  }

  const made: Array<ReadonlyArray<Command>> = [accounts]
  for (let left = count; left > 0;) {
    const size = Math.min(left, 1 + below(6))
    made.push(Array.from({ length: size }, command))
    left -= size
  }
  return made
}

/** Ends a payout: it is paid, or proven to have failed, as its range has it. */
export const endOf = ({ account, amount, hold, toSequence }: PayoutRange): Command =>
  toSequence % 3n === 0n
    ? { _tag: "Void", hold, attachments: [] }
    : {
        _tag: "Settle",
        hold,
        posting: {
          idempotencyKey: hold,
          kind: "payout",
          legs: [
            { account, amount: -amount },
            { account: card, amount },
          ],
          attachments: [],
        },
      }
