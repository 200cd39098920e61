/**
 * Commands from a seed, aimed at where rules meet: few accounts, holds and keys, a fifth of them asked before, some of those
 * with another content, amounts that nobody should send, and time that passes, now and then the wrong way.
 */
import * as Chance from "@guildhall/tools/Chance"
import { AssetCode } from "@guildhall/core/Asset"
import { AccountId, type AccountKind, type AccountState } from "../../src/Account.ts"
import { HoldId } from "../../src/Hold.ts"
import type { Linkable } from "../../src/LedgerStore.ts"
import { AMOUNT_MAX } from "../../src/Limits.ts"
import type { Leg, Posting } from "../../src/Posting.ts"
import type { Asked, Books, Part } from "./Shapes.ts"

/** Commands of one batch, and what the clock says then. */
export interface Step {
  readonly clockMs: number
  readonly commands: ReadonlyArray<Asked>
}

const USD = { code: AssetCode.make("USD"), scale: 12 }
const EUR = { code: AssetCode.make("EUR"), scale: 2 }

type Open = Extract<Asked, { readonly _tag: "Open" }>
const open = (id: string, kind: AccountKind, floor: bigint | null = 0n, more: Partial<Open> = {}): Open => ({
  _tag: "Open",
  id: AccountId.make(id),
  kind,
  asset: USD,
  floor,
  ceiling: null,
  ...more,
})

/** Accounts of most kinds, without a floor, with one, with a credit line, with a ceiling, in two assets. */
const opened: ReadonlyArray<Open> = [
  open("external:card", "external", null),
  open("platform:fees", "platform", null),
  open("buyer:ann", "buyer"),
  open("buyer:bob", "buyer", -20n),
  open("buyer:cap", "buyer", 0n, { ceiling: 60n }),
  open("accrual:card:eve", "accrual"),
  open("payable:bank:eve", "payable"),
  open("payable:bank:zed", "payable", -10n),
  open("external:vast", "external", null),
  open("buyer:vast", "buyer"),
  open("external:euro", "external", null, { asset: EUR }),
  open("buyer:euro", "buyer", 0n, { asset: EUR }),
]
const id = (text: string) => AccountId.make(text)
const payers = [id("buyer:ann"), id("buyer:bob"), id("buyer:cap")]
const earners = [id("accrual:card:eve"), id("payable:bank:eve"), id("payable:bank:zed"), id("platform:fees")]
const owners = ["gateway-1", "gateway-2", "gateway-3"]

/** How the next command is chosen, by weight. */
const weights: ReadonlyArray<readonly [Asked["_tag"], number]> = [
  ["Post", 26],
  ["Hold", 22],
  ["Grow", 9],
  ["Draw", 8],
  ["Settle", 13],
  ["Void", 5],
  ["Claim", 6],
  ["Reverse", 5],
  ["Link", 4],
  ["Preview", 2],
  ["Renew", 2],
  ["Expire", 5],
  ["Open", 2],
  ["SetTerms", 5],
  ["ClosePeriod", 1],
  ["SealPeriod", 1],
  ["BeginPayout", 4],
]

export const make = (seed: number) => {
  const { below, next } = Chance.make(seed)
  const chance = (probability: number): boolean => next() < probability
  const pick = <A>(items: ReadonlyArray<A>): A => {
    const item = items[below(items.length)]
    if (item === undefined) throw new Error("there is nothing to pick from")
    return item
  }
  const asked: Array<Linkable> = []
  let made = 0
  let clockMs = 1_800_000_000_000 + below(1_000_000)

  const fresh = (word: string): string => `${word}-${seed}-${(made += 1)}`
  const amount = (): bigint => BigInt(1 + below(chance(0.3) ? 40 : 8))
  const anyAccount = (): AccountId => (chance(0.04) ? id("buyer:nobody") : pick(opened).id)

  /** What nobody should send, and the most that may be. */
  const hostile = (): ReadonlyArray<Leg> => {
    const bad = pick([0n, AMOUNT_MAX + 1n, -AMOUNT_MAX - 1n, AMOUNT_MAX, AMOUNT_MAX - 1n])
    return [
      { account: id("external:vast"), amount: -bad },
      { account: id("buyer:vast"), amount: bad },
    ]
  }

  const legs = (from: AccountId, to: AccountId, moved: bigint): ReadonlyArray<Leg> => {
    if (chance(0.03)) return hostile()
    const both: Array<Leg> = [
      { account: from, amount: -moved },
      { account: to, amount: chance(0.03) ? moved + 1n : moved },
    ]
    const fee = BigInt(1 + below(3))
    if (chance(0.25))
      both.push({ account: pick(earners), amount: fee }, { account: chance(0.5) ? from : anyAccount(), amount: -fee })
    return both
  }

  const posting = (books: Books, kind: Posting["kind"], moved: ReadonlyArray<Leg>): Posting => ({
    idempotencyKey: fresh("key"),
    kind,
    legs: moved,
    attachments: chance(0.2) ? [{ kind: "sample", body: { made } }] : [],
    ...(chance(0.2) ? { links: { request: `req-${below(9)}` } } : {}),
    ...(chance(0.12)
      ? {
          effectiveAtMs:
            books.nowMs - below(chance(0.2) ? 60_000 : chance(0.2) ? 2 : 4_000) + (chance(0.1) ? 10_000 : 0),
        }
      : {}),
  })

  const holdIn = (books: Books, state: "pending" | "expired"): [string, ReadonlyArray<Part>] => {
    const wanted = [...books.holds].filter(([, hold]) => (chance(0.06) ? true : hold.state === state && !hold.claimed))
    const [name, hold] = wanted.length === 0 || chance(0.04) ? ["nothing", undefined] : pick(wanted)
    return [name, hold?.parts ?? [{ account: "buyer:ann", amount: 5n, drawn: 0n }]]
  }

  /** One account, or several in any order, some of which are not there, or in another asset. */
  const sources = (): [AccountId, ...ReadonlyArray<AccountId>] => {
    const of = chance(0.9) ? pick(payers) : anyAccount()
    const others = [...payers, ...(chance(0.2) ? [anyAccount()] : [])].filter(() => chance(0.7))
    const further = others.toSorted(() => next() - 0.5).filter((other) => other !== of)
    return chance(0.55) ? [of] : [of, ...new Set(further)]
  }

  const growth = (books: Books): Linkable => {
    const [name, parts] = holdIn(books, "pending")
    const has = parts.reduce((sum, { amount: part }) => sum + part, 0n)
    const to = chance(0.02) ? pick([-1n, AMOUNT_MAX + 1n, 0n]) : chance(0.15) ? has - 1n : has + amount()
    return {
      _tag: "Grow",
      hold: HoldId.make(name),
      amount: to < -1n ? 0n : to,
      ...(chance(0.4) ? {} : { sources: sources() }),
    }
  }

  /** What parts keep of an amount, in their order; now and then one gives too much, or in another order. */
  const spread = (parts: ReadonlyArray<Part>, amount: bigint): ReadonlyArray<Leg> => {
    let rest = amount
    const given = (chance(0.1) ? parts.toReversed() : parts).flatMap(({ account, amount: part, drawn }, at) => {
      const isLast = at === parts.length - 1
      const has = part - drawn
      const takes = isLast || has > rest || chance(0.03) ? rest : has
      rest -= takes
      return takes === 0n ? [] : [{ account: id(account), amount: -takes }]
    })
    return given
  }

  /** A posting that takes from a hold what it has, mostly. */
  const ofHold = (books: Books, tag: "Draw" | "Settle" | "Claim"): Linkable => {
    const [name, parts] = holdIn(books, tag === "Claim" ? "expired" : "pending")
    const left = parts.reduce((sum, part) => sum + part.amount - part.drawn, 0n)
    const isPayout = name.startsWith("payout:") && !chance(0.1)
    const most = isPayout || chance(0.2) ? left : BigInt(below(Number(left < 1_000n ? left : 1_000n) + 1))
    const moved = chance(0.06) ? left + 1n : most
    const [from, to] = [
      tag === "Claim" && !chance(0.1) ? id("platform:fees") : id(parts[0]?.account ?? "buyer:ann"),
      isPayout ? id("external:card") : pick(earners),
    ]
    const kind = isPayout ? "payout" : tag === "Claim" ? "claim" : "charge"
    const both =
      moved === 0n && !chance(0.1)
        ? []
        : parts.length > 1 && tag !== "Claim"
          ? [...spread(parts, moved), { account: to, amount: moved }]
          : legs(from, to, moved)
    const isFree = both.length < 2
    const of = posting(books, kind, isFree ? legs(id("platform:fees"), pick(earners), 1n) : both)
    return { _tag: tag, hold: HoldId.make(name), posting: of }
  }

  const transfer = (books: Books): Linkable => {
    const dice = next()
    if (dice < 0.4)
      return {
        _tag: "Post",
        posting: posting(books, "topUp", legs(id("external:card"), pick(payers), BigInt(10 + below(40)))),
      }
    if (dice < 0.8)
      return { _tag: "Post", posting: posting(books, "charge", legs(pick(payers), pick(earners), amount())) }
    if (dice < 0.85)
      return { _tag: "Post", posting: posting(books, "topUp", legs(id("external:euro"), id("buyer:euro"), amount())) }
    return {
      _tag: "Post",
      posting: posting(books, pick(["refund", "payout", "adjustment"]), legs(anyAccount(), anyAccount(), amount())),
    }
  }

  const terms = (books: Books): Linkable => {
    const frozen = [...books.accounts].filter(([, { state }]) => state === "frozen")
    const account =
      frozen.length > 0 && chance(0.7)
        ? id(pick(frozen)[0])
        : chance(0.5)
          ? id(pick([...books.accounts.keys()]))
          : anyAccount()
    const isNew = account.startsWith("buyer:new") || chance(0.1)
    const state: AccountState = isNew && chance(0.5) ? "closed" : chance(0.25) ? "frozen" : "open"
    const known = books.accounts.get(account)
    const [floor, ceiling] = chance(0.6)
      ? [known?.floor ?? null, known?.ceiling ?? null]
      : [pick([null, 0n, -20n, -1n]), pick([null, null, 60n, 90n])]
    return { _tag: "SetTerms", idempotencyKey: fresh("terms"), account, terms: { floor, ceiling, state } }
  }

  const linkable = (books: Books, tag: Asked["_tag"]): Linkable => {
    switch (tag) {
      case "Open":
        return chance(0.5)
          ? open(`buyer:new${below(12)}`, "buyer", pick([0n, -5n]), { asset: chance(0.1) ? { ...USD, scale: 3 } : USD })
          : pick(opened)
      case "SetTerms":
        return terms(books)
      case "Grow":
        return growth(books)
      case "Hold": {
        const [of, ...further] = sources()
        return {
          _tag: "Hold",
          hold: {
            id: HoldId.make(fresh("hold")),
            account: of,
            ...(further.length === 0 ? {} : { further }),
            amount: chance(0.02) ? pick([-1n, AMOUNT_MAX + 1n, 0n]) : amount(),
            owner: pick(owners),
            lifeMs: chance(0.05) ? null : 1 + below(chance(0.5) ? 400 : 5_000),
            definitionDigest: "d",
            context: { made },
          },
        }
      }
      case "Draw":
      case "Settle":
      case "Claim":
        return ofHold(books, tag)
      case "Void":
        return {
          _tag: "Void",
          hold: HoldId.make(holdIn(books, "pending")[0]),
          attachments: [{ kind: "voided", body: made }],
        }
      case "Reverse": {
        const sequence = Math.max(1, books.keys.size - below(chance(0.5) ? 12 : 400))
        return { _tag: "Reverse", sequence: BigInt(sequence), attachments: [] }
      }
      default:
        return transfer(books)
    }
  }

  /** The same key for something else. */
  const twisted = (command: Linkable): Linkable => {
    if ("posting" in command) {
      const doubled = command.posting.legs.map((leg) => ({ ...leg, amount: leg.amount * 2n }))
      return {
        ...command,
        posting: chance(0.5) ? { ...command.posting, legs: doubled } : { ...command.posting, links: { case: "other" } },
      }
    }
    if (command._tag === "Hold") {
      const [account, ...further] = sources()
      return chance(0.5)
        ? { ...command, hold: { ...command.hold, amount: command.hold.amount + 1n } }
        : { ...command, hold: { ...command.hold, account, further } }
    }
    if (command._tag === "Grow") return { ...command, amount: command.amount + 1n }
    if (command._tag === "SetTerms") return { ...command, terms: { ...command.terms, floor: -7n } }
    if (command._tag === "Open") return { ...command, floor: -99n }
    return command
  }

  const isSound = (command: Linkable): boolean =>
    !("posting" in command && command.posting.kind === "payout" && command._tag !== "Settle") &&
    (command._tag !== "Hold" || (command.hold.amount >= 0n && command.hold.amount <= AMOUNT_MAX)) &&
    (command._tag !== "Grow" ||
      (command.amount >= 0n && command.amount <= AMOUNT_MAX && !command.hold.startsWith("payout:"))) &&
    !(
      "posting" in command &&
      command.posting.legs.some(({ amount: moved }) => moved === 0n || moved > AMOUNT_MAX || -moved > AMOUNT_MAX)
    )

  /** A form that is wrong is refused before anything else is looked at, so links have none. */
  const several = (books: Books): ReadonlyArray<Linkable> =>
    Array.from({ length: 2 + below(3) }, () =>
      chance(0.1) && asked.length > 0 ? pick(asked) : linkable(books, pick(weights)[0]),
    ).filter(isSound)

  const choose = (): Asked["_tag"] => {
    let dice = next() * weights.reduce((sum, [, weight]) => sum + weight, 0)
    return weights.find(([, weight]) => (dice -= weight) < 0)?.[0] ?? "Post"
  }

  const command = (books: Books): Asked => {
    if (asked.length > 0 && chance(0.2)) {
      const before = asked[Math.max(0, asked.length - 1 - below(chance(0.7) ? 20 : asked.length))] ?? pick(asked)
      return chance(0.25) ? twisted(before) : before
    }
    const tag = choose()
    switch (tag) {
      case "Link": {
        const commands = several(books)
        return commands.length === 0 ? transfer(books) : { _tag: "Link", commands }
      }
      case "Preview": {
        const commands = several(books)
        return {
          _tag: "Preview",
          command: chance(0.3) && commands.length > 0 ? { _tag: "Link", commands } : linkable(books, choose()),
        }
      }
      case "Renew":
        return { _tag: "Renew", owner: pick(owners), lifeMs: 1 + below(800) }
      case "Expire":
        return { _tag: "Expire", limit: chance(0.3) ? 1 + below(3) : 1_000 }
      case "ClosePeriod":
        return {
          _tag: "ClosePeriod",
          endMs: chance(0.2)
            ? (books.times.get("closed") ?? 0) + below(2)
            : books.nowMs - below(chance(0.2) ? 2 : 20_000) + (chance(0.1) ? 20_000 : 0),
        }
      case "SealPeriod": {
        const closed = [...books.keys.keys()].filter((key) => key.startsWith("ledger:close:"))
        const endMs = closed.length > 0 && !chance(0.2) ? Number(pick(closed).slice(13)) : books.nowMs - below(9_000)
        const trialBalance = { root: "r".repeat(43), accounts: chance(0.8) ? 1 : 2, totals: [] }
        return { _tag: "SealPeriod", endMs, trialBalance }
      }
      case "BeginPayout":
        return {
          _tag: "BeginPayout",
          account: chance(0.9) ? pick(earners.slice(1, 3)) : anyAccount(),
          rail: chance(0.85) ? "bank" : "card",
          unit: pick([1n, 5n]),
          minimum: pick([0n, 3n]),
        }
      default: {
        const one = linkable(books, tag)
        asked.push(one)
        return one
      }
    }
  }

  return {
    opening: (): ReadonlyArray<Asked> => opened,
    clock: (): number => (clockMs += chance(0.03) ? -below(3_000) : below(chance(0.1) ? 2_000 : 60)),
    command,
    size: (): number => 1 + below(12),
  }
}
