/**
 * What a ledger must answer, on top of what money must do: what was done, such as `Posted 7` or, for a known key,
 * `Posted again 7`; or every reason that there is against it, one of which a ledger has to give. Exchanges are not modelled.
 */
import type { HoldRequest } from "../../src/Hold.ts"
import { free, freeOf, isBeyond, leave, left, no, once, post, reserve, text } from "./Oracle.ts"
import type { Answer, Asked, Books, Hold, Part } from "./Shapes.ts"

type Of<Tag extends Asked["_tag"]> = Extract<Asked, { readonly _tag: Tag }>

const copy = (b: Books): Books => ({
  ...b,
  accounts: new Map(b.accounts),
  holds: new Map(b.holds),
  payouts: new Map(b.payouts),
  times: new Map(b.times),
  keys: new Map(b.keys),
  why: [],
})
const untilMs = (b: Books, { owner, untilMs }: Hold) => Math.max(untilMs, b.times.get(owner) ?? 0)

const hold = (b: Books, request: HoldRequest): string => {
  const { account, amount, context, definitionDigest, further = [], id, lifeMs, owner } = request
  const of: ReadonlyArray<string> = [account, ...further]
  const [known, asked] = [b.holds.get(id), JSON.stringify([`${amount}`, owner, definitionDigest])]
  no(b, amount < 0n || isBeyond(amount))
  if (known !== undefined) {
    no(b, known.asked !== asked || known.parts.some((part) => !of.includes(part.account)), "Conflict")
    return `Held again ${freeOf(b, of)}`
  }
  b.holds.set(id, {
    asked,
    owner,
    parts: reserve(b, of, amount),
    untilMs: lifeMs === null ? Infinity : b.nowMs + lifeMs,
    state: "pending",
    claimed: false,
    context,
  })
  return `Held ${freeOf(b, of)}`
}

/** Grows a hold to an amount, in the order of the accounts that are named. */
const grow = (b: Books, { amount, hold: id, sources }: Of<"Grow">): string => {
  const known = b.holds.get(id)
  no(b, amount < 0n || isBeyond(amount) || id.startsWith("payout:"))
  if (known?.state !== "pending") {
    no(b, true, "HoldNotAvailable")
    return ""
  }
  const of: ReadonlyArray<string> = sources ?? known.parts.map(({ account }) => account)
  const has = known.parts.reduce((all, part) => all + part.amount, 0n)
  if (amount <= has) return `Grown again ${has} ${freeOf(b, of)}`
  const parts = [...known.parts]
  for (const more of reserve(b, of, amount - has)) {
    const at = parts.findIndex(({ account }) => account === more.account)
    const was = parts[at]
    if (was === undefined) parts.push(more)
    else parts[at] = { ...was, amount: was.amount + more.amount }
  }
  no(b, new Set(parts.map(({ account }) => b.accounts.get(account)?.asset.code)).size > 1)
  const rank = ({ account }: Part) => of.indexOf(account)
  const some = parts.filter((part) => part.amount > 0n).toSorted((x, y) => rank(x) - rank(y))
  b.holds.set(id, { ...known, parts: some })
  return `Grown ${amount} ${freeOf(b, of)}`
}

const giveBack = (b: Books, id: string): string => {
  const known = b.holds.get(id)
  if (known?.state === "voided") return "Voided again"
  if (known?.state !== "pending") no(b, true, "HoldNotAvailable")
  else leave(b, id, known, known.parts.map(left), { state: "voided" })
  return "Voided"
}

const setTerms = (b: Books, { account: id, idempotencyKey, terms }: Of<"SetTerms">): string =>
  once(b, "TermsSet", idempotencyKey, [id, terms], () => {
    const was = b.accounts.get(id)
    if (was === undefined) return no(b, true, "UnknownAccount")
    const is = { ...was, ...terms }
    no(b, was.state === "closed" && is.state !== "closed")
    no(b, is.state === "closed" && (is.balance !== 0n || is.held !== 0n))
    no(b, free(is) < 0n || (is.ceiling !== null && is.balance > is.ceiling))
    b.accounts.set(id, is)
  })

const payOut = (b: Books, { account: id, minimum, rail, unit }: Of<"BeginPayout">): string => {
  const [account, last] = [b.accounts.get(id), b.payouts.get(id)]
  no(b, account === undefined, "UnknownAccount")
  no(b, account !== undefined && account.kind !== "payable")
  no(b, last?.isPending === true && last.rail !== rail, "Conflict")
  if (account === undefined || last?.isPending === true) return `PayoutBegun again ${last?.hold}`
  no(b, account.state !== "open", "AccountNotOpen")
  const most = account.balance < free(account) ? account.balance : free(account)
  const [amount, name, to] = [most - (most % unit), `payout:${id}:${last?.to ?? 0}-${b.keys.size}`, b.keys.size]
  if (amount <= 0n || amount < minimum) return "PayoutBegun nothing"
  b.payouts.set(id, { hold: name, rail, to, isPending: true })
  b.accounts.set(id, { ...account, held: account.held + amount })
  b.holds.set(name, {
    asked: JSON.stringify([`${amount}`, "payouts", ""]),
    owner: "payouts",
    parts: [{ account: id, amount, drawn: 0n }],
    untilMs: Infinity,
    state: "pending",
    claimed: false,
    context: null,
  })
  once(b, "PayoutBegun", `ledger:begin:${name}`, "", () => undefined)
  return `PayoutBegun ${name} ${amount}`
}

const act = (b: Books, c: Exclude<Asked, Of<"Link" | "Preview">>): string => {
  const pending = [...b.holds].filter(([, { state }]) => state === "pending")
  switch (c._tag) {
    case "Open": {
      const { asset, ceiling, floor, id, kind } = c
      const isOther = [...b.accounts.values()].some(
        (known) => known.asset.code === asset.code && known.asset.scale !== asset.scale,
      )
      return once(b, "Opened", `ledger:open:${id}`, [kind, asset, floor, ceiling], () => {
        no(b, isOther)
        b.accounts.set(id, { kind, asset, floor, ceiling, state: "open", balance: 0n, held: 0n })
      })
    }
    case "SetTerms":
      return setTerms(b, c)
    case "Hold":
      return hold(b, c.hold)
    case "Grow":
      return grow(b, c)
    case "Void":
      return giveBack(b, c.hold)
    case "Reverse": {
      const of = [...b.keys.values()][Number(c.sequence) - 1]?.posting
      no(b, of === undefined || of.kind === "reversal")
      if (of === undefined) return ""
      const { effectiveAtMs: _, ...rest } = of
      const legs = of.legs.map(({ account, amount }) => ({ account, amount: -amount }))
      const links = { ...of.links, reverses: `${c.sequence}` }
      return post(b, "Post", {
        ...rest,
        idempotencyKey: `ledger:reversal:${c.sequence}`,
        kind: "reversal",
        legs,
        links,
        attachments: [],
      })
    }
    case "Renew":
      b.times.set(c.owner, Math.max(b.nowMs + c.lifeMs, b.times.get(c.owner) ?? 0))
      return `Renewed ${pending.filter(([, { owner }]) => owner === c.owner).length}`
    case "Expire": {
      const due = pending.filter(([, known]) => untilMs(b, known) <= b.nowMs)
      const first = due
        .toSorted(([a, x], [z, y]) => untilMs(b, x) - untilMs(b, y) || (a < z ? -1 : 1))
        .slice(0, c.limit)
      for (const [id, known] of first) leave(b, id, known, known.parts.map(left), { state: "expired" })
      b.attached = b.attached.concat(first.map(([, { context }]) => text({ kind: "hold.expired", body: context })))
      return `Expired ${first.map(([id]) => id).join(" ")}`
    }
    case "ClosePeriod":
      return once(b, "PeriodClosed", `ledger:close:${c.endMs}`, "", () => {
        no(b, c.endMs > b.nowMs || c.endMs <= (b.times.get("closed") ?? 0))
        b.times.set("closed", c.endMs)
      })
    case "SealPeriod": {
      const isOpen = !b.keys.has(`ledger:close:${c.endMs}`)
      return once(b, "PeriodSealed", `ledger:seal:${c.endMs}`, c.trialBalance, () => no(b, isOpen))
    }
    case "BeginPayout":
      return payOut(b, c)
    default:
      return post(b, c._tag, c.posting, "hold" in c ? c.hold : "")
  }
}

/** Answers a command: the books as they are then, those from before if there is a reason against it. */
export const ask = (before: Books, c: Asked): readonly [Answer, Books] => {
  const b = copy(before)
  if (c._tag === "Preview") return [ask(b, c.command)[0], before]
  if (c._tag === "Link") {
    let at = b
    const answers: Array<string> = []
    for (const [index, command] of c.commands.entries()) {
      const [answer, after] = ask(at, command)
      if (typeof answer !== "string") return [answer.map((reason) => `${index} ${reason}`), before]
      answers.push(answer)
      at = after
    }
    return [answers.join(", "), at]
  }
  const done = act(b, c)
  for (const [id, is] of b.accounts) {
    const was = before.accounts.get(id) ?? is
    no(b, is.balance > was.balance && is.ceiling !== null && is.balance > is.ceiling, "CeilingExceeded")
    no(b, is.balance < was.balance && free(is) < 0n, "InsufficientFunds")
  }
  if (b.why.length > 0) return [b.why, before]
  const attached = "posting" in c ? c.posting.attachments : "attachments" in c ? c.attachments : []
  if (!/^\w+ again/.test(done)) b.attached = b.attached.concat(attached.map(text))
  return [done, b]
}
