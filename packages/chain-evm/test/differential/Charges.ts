/**
 * What the market's own books say of what was settled: every charge by the split of its epoch, shared and posted as the ledger does
 * it for any request. Per request each charge is rounded; of vouchers all of an epoch together is one charge, and of a netted epoch
 * its gross. What each provider has there must be what the contract owes it or has paid it.
 */
import { Effect } from "effect"
import type { Address } from "@guildhall/chain/Address"
import type { ChainEvent } from "@guildhall/chain/ChainEvent"
import * as Entries from "@guildhall/chain/Entries"
import type { Terms } from "@guildhall/chain/Settlement"
import { type Asset, AssetCode } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import { RequestId } from "@guildhall/core/Request"
import * as Split from "@guildhall/core/rules/Split"
import { ids } from "@guildhall/ledger/Account"
import type { Ledger } from "@guildhall/ledger/Ledger"
import * as Charge from "@guildhall/ledger/templates/Charge"
import * as Books from "./Books.ts"
import * as Cast from "./Cast.ts"
import type { Ports } from "./Ports.ts"

/** The smallest units of all tokens: their accounts are kept apart by the source of the money. */
const UNITS: Asset = { code: AssetCode.make("UNITS"), scale: 0 }

const PAYER = ids.buyer(MemberId.make("mem_payer"))

interface Due {
  readonly name: string
  readonly token: string
  readonly provider: string
  readonly amount: bigint
  readonly terms: Terms
}

/** The split of terms: the provider and up to two parties have their floors, and the platform, as the treasury, the rest. */
const splitOf = ({ providerBps, shares }: Terms): Split.Split => {
  const [validators = 0, insurance = 0] = shares.map(({ bps }) => bps)
  return Split.Split.make({
    shares: [
      { party: "provider", bps: providerBps },
      { party: "validators", bps: validators },
      { party: "insurance", bps: insurance },
      { party: "platform", bps: 10_000 - providerBps - validators - insurance },
    ],
    remainderTo: "platform",
  })
}

const opener = ({ open }: Ledger["Service"]) => {
  const opened = new Set<string>()
  return Effect.fnUntraced(function* (account: { readonly id: ReturnType<typeof ids.buyer>; readonly kind: Kind }) {
    if (opened.has(account.id)) return
    yield* open({ ...account, asset: UNITS, floor: null })
    opened.add(account.id)
  })
}

type Kind = "buyer" | "accrual" | "platform" | "pool" | "insurance"

/** The kind of an account follows from the first word of its id. */
const kindOf = (id: string): Kind => {
  const word = id.split(":")[0]
  return word === "accrual" || word === "platform" || word === "pool" || word === "insurance" ? word : "buyer"
}

type Of<T extends ChainEvent["_tag"]> = Extract<ChainEvent, { readonly _tag: T }>
const isOf =
  <T extends ChainEvent["_tag"]>(...tags: ReadonlyArray<T>) =>
  (event: ChainEvent): event is Of<T> =>
    tags.some((tag) => tag === event._tag)

/** A trace's settlement, as its contracts tell it. */
export interface Settled {
  readonly cast: Cast.Cast
  readonly events: ReadonlyArray<ChainEvent>
  readonly ports: Ports
}

const hex = (text: string): string => text.slice(-32)

/** What providers are due: a charge for each request, and one for all vouchers of a provider, a token and an epoch. */
const dues = Effect.fnUntraced(function* ({ cast, events, ports }: Settled) {
  const nameOf = new Map([...cast.accounts].map(([name, address]) => [address, name]))
  const termsAt = Effect.fnUntraced(function* (epoch: number) {
    return (yield* ports.settlement.termsAt(epoch)) ?? (yield* Effect.die(`Epoch ${epoch} has no terms.`))
  })
  const { epochLengthS } = cast.settings.settlement
  const all: Array<Due> = []
  for (const { amount, position, provider, requestId, token } of events.filter(
    isOf("Settlement.Settled", "Settlement.SettledFrom"),
  )) {
    const terms = yield* termsAt(Math.floor(position.atS / epochLengthS))
    all.push({ name: `req_${hex(requestId)}`, token, provider: nameOf.get(provider) ?? "", amount, terms })
  }
  const redeemed = new Map<string, Of<"Settlement.VoucherRedeemed">>()
  for (const event of events.filter(isOf("Settlement.VoucherRedeemed"))) {
    redeemed.set(`${event.token} ${event.provider} ${event.epoch}`, event)
  }
  for (const [at, { epoch, provider, redeemed: amount, token }] of [...redeemed.values()].entries()) {
    const name = `req_f${`${at}`.padStart(31, "0")}`
    all.push({ name, token, provider: nameOf.get(provider) ?? "", amount, terms: yield* termsAt(epoch) })
  }
  return all
}, Effect.orDie)

/** Posts the charges, and answers what each provider has by its token and name. */
const posted = Effect.fnUntraced(function* (dues: ReadonlyArray<Due>, codeOf: (token: string) => string) {
  const books = yield* Books.ledger
  const open = opener(books)
  const earned = new Map<string, bigint>()
  for (const { amount, name, provider, terms, token } of dues) {
    const member = MemberId.make(`mem_${provider}`)
    const sources = [{ payer: PAYER, fundingSource: codeOf(token), amount }]
    const { parts } = Charge.shared(splitOf(terms), member, sources)
    const charge = { request: RequestId.make(name), provider: member, parts }
    const posting = yield* Effect.fromResult(Charge.posting(charge))
    for (const { account } of posting.legs) yield* open({ id: account, kind: kindOf(account) })
    yield* books.post(posting)
  }
  for (const { provider, token } of dues) {
    const id = ids.accrual(codeOf(token), MemberId.make(`mem_${provider}`))
    yield* open({ id, kind: "accrual" })
    const [account] = yield* books.accounts([id])
    earned.set(`${token} ${provider}`, account?.balance ?? 0n)
  }
  return earned
}, Effect.orDie)

/** What the contract credited an account with: what it owes it now, what it paid it, less what came by batches and failed payouts. */
const credited = Effect.fnUntraced(function* ({ events, ports }: Settled, token: Address, account: Address) {
  const { owed } = yield* Effect.orDie(ports.settlement.credit(token, account))
  const sum = (amounts: ReadonlyArray<bigint>) => amounts.reduce((total, amount) => total + amount, 0n)
  const mine = <E extends { readonly token: string; readonly account: string; readonly amount: bigint }>(
    found: ReadonlyArray<E>,
  ) => sum(found.filter((event) => event.token === token && event.account === account).map(({ amount }) => amount))
  const entries = events
    .filter(isOf("Settlement.BatchApplied"))
    .flatMap((event) => Entries.unpack(event.packed).map((entry) => ({ ...entry, token: event.token })))
  const claimed = mine(events.filter(isOf("Settlement.Claimed")))
  const failed = mine(events.filter(isOf("Settlement.PayoutCredited")))
  return owed + claimed - failed - mine(entries)
})

/** What a netted epoch's providers have together: the split's share of its gross, its boost, and less than a unit of dust each. */
const epochs = Effect.fnUntraced(function* ({ events, ports }: Settled) {
  const proposals = new Map<string, Of<"Settlement.EpochProposed">>()
  const found: Array<string> = []
  for (const event of events) {
    if (event._tag === "Settlement.EpochProposed") proposals.set(`${event.token} ${event.epoch}`, event)
    if (event._tag !== "Settlement.RootApplied" && event._tag !== "Settlement.BatchApplied") continue
    const proposal = proposals.get(`${event.token} ${event.epoch}`)
    const terms = yield* Effect.orDie(ports.settlement.termsAt(event.epoch))
    if (proposal === undefined || terms === undefined) {
      found.push(`Epoch ${event.epoch} was applied, and was never proposed.`)
      continue
    }
    const share = Split.share(splitOf(terms), proposal.gross).find(({ party }) => party === "provider")?.amount ?? 0n
    const dust = share + proposal.boost - event.providers
    const most = event._tag === "Settlement.BatchApplied" ? BigInt(Entries.unpack(event.packed).length) : 1n
    if (dust < 0n || dust >= most)
      found.push(`Epoch ${event.epoch}: the books give ${share + proposal.boost}, the contract ${event.providers}.`)
  }
  return found
})

/** Where the market's books and the contracts differ about what providers earned, and how many amounts were compared. */
export const compare = Effect.fnUntraced(function* (settled: Settled) {
  const { cast } = settled
  const codes = new Map<string, string>(Object.entries(cast.tokens).map(([code, token]) => [token, code]))
  const due = yield* dues(settled)
  const earned = yield* posted(due, (token) => codes.get(token) ?? "")
  const found: Array<string> = [...(yield* epochs(settled))]
  let compared = 0
  for (const name of Cast.members) {
    for (const token of Object.values(cast.tokens)) {
      const amount = yield* credited(settled, token, Cast.of(cast, name))
      const books = earned.get(`${token} ${name}`) ?? 0n
      compared++
      if (books !== amount)
        found.push(`${name} earned ${books} by the books in ${token}, and ${amount} by the contract.`)
    }
  }
  return { compared, charges: due.length, found }
})
