/** Random commands over a few accounts, holds and keys, so that they meet. The same seed gives the same commands. */
import { AssetCode } from "@guildhall/core/Asset"
import { AccountId } from "../src/Account.ts"
import { HoldId } from "../src/Hold.ts"
import type { Command } from "../src/LedgerStore.ts"
import type { Posting } from "../src/Posting.ts"

const EUR = AssetCode.make("EUR")
const USD = AssetCode.make("USD")

type Open = Extract<Command, { readonly _tag: "Open" }>

const open = (id: string, floor: bigint | null, asset = USD): Open => ({
  _tag: "Open",
  id: AccountId.make(id),
  kind: floor === null ? "external" : "buyer",
  asset,
  floor,
})

/** Accounts in two assets, with and without a floor, one of them with a credit line. */
export const accounts: ReadonlyArray<Open> = [
  open("external:card", null),
  open("buyer:ann", 0n),
  open("buyer:bob", -20n),
  open("accrual:card:eve", 0n),
  open("external:euro", null, EUR),
  open("buyer:euro", 0n, EUR),
]

const [card, earner] = [AccountId.make("external:card"), AccountId.make("accrual:card:eve")]
const buyers = [AccountId.make("buyer:ann"), AccountId.make("buyer:bob")]

/** Numbers from 0 up to 1 (mulberry32). */
const numbers = (seed: number) => {
  let state = seed >>> 0
  return (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Makes batches of commands, the first of which opens the accounts. */
export const batches = (seed: number, count: number): ReadonlyArray<ReadonlyArray<Command>> => {
  const next = numbers(seed)
  const below = (limit: number): number => Math.floor(next() * limit)
  const pick = <A>(items: ReadonlyArray<A>): A => {
    const item = items[below(items.length)]
    if (item === undefined) throw new Error("there is nothing to pick from")
    return item
  }
  const account = (): AccountId => (next() < 0.03 ? AccountId.make("buyer:nobody") : pick(accounts).id)
  const amount = (): bigint => BigInt(below(30) - (next() < 0.1 ? 5 : 0))
  const hold = (): HoldId => HoldId.make(`hold-${below(40)}`)
  const key = (): string => `key-${below(150)}`

  const posting = (kind: Posting["kind"]): Posting => {
    const isOrdinary = next() < 0.6
    const moved = isOrdinary && kind === "charge" ? BigInt(1 + below(6)) : amount()
    const from = isOrdinary ? (kind === "charge" ? pick(buyers) : card) : account()
    const to = isOrdinary ? (kind === "topUp" ? pick(buyers) : earner) : account()
    const legs = [
      { account: from, amount: -moved },
      { account: to, amount: next() < 0.05 ? moved + 1n : moved },
    ]
    if (next() < 0.2) legs.push({ account: account(), amount: 2n }, { account: pick(legs).account, amount: -2n })
    const attachments = next() < 0.3 ? [{ kind: "sample", body: { key: key(), moved: moved.toString() } }] : []
    return { idempotencyKey: key(), kind, legs, attachments }
  }

  const command = (): Command => {
    const dice = next()
    if (dice < 0.04) return { ...pick(accounts), floor: next() < 0.5 ? 0n : null }
    if (dice < 0.34) return { _tag: "Post", posting: posting(pick(["topUp", "charge", "refund"])) }
    if (dice < 0.62) {
      const [id, amountHeld] = [hold(), amount()]
      const hasShortLife = next() < 0.5
      return {
        _tag: "Hold",
        hold: {
          id,
          account: next() < 0.7 ? pick(buyers) : account(),
          amount: amountHeld,
          owner: pick(["gateway-1", "gateway-2"]) + (hasShortLife ? "-gone" : ""),
          lifeMs: hasShortLife ? 1 : 600_000,
          definitionDigest: "d",
          context: { of: id },
        },
      }
    }
    if (dice < 0.76) return { _tag: "Settle", hold: hold(), posting: posting("charge") }
    if (dice < 0.84) return { _tag: "Void", hold: hold(), attachments: [{ kind: "voided", body: key() }] }
    if (dice < 0.93) return { _tag: "Claim", hold: hold(), posting: posting("claim") }
    if (dice < 0.96) return { _tag: "Renew", owner: pick(["gateway-1", "gateway-2"]), lifeMs: 600_000 }
    return { _tag: "Expire", limit: 1_000 }
  }

  const made: Array<ReadonlyArray<Command>> = [accounts]
  for (let left = count; left > 0;) {
    const size = Math.min(left, 1 + below(6))
    made.push(Array.from({ length: size }, command))
    left -= size
  }
  return made
}
