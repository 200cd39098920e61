import * as Schema from "effect/Schema"
import type { AssetCode } from "@guildhall/core/Asset"
import type { Account, AccountId, AccountKind, AccountState } from "../Account.ts"
import { Act, type Entry, type Posted } from "../Entry.ts"
import type { Hold, HoldId, HoldState, Part } from "../Hold.ts"
import type { PayoutRange } from "../PayoutRange.ts"
import type { Leg, Links, Posting, PostingKind, Rate } from "../Posting.ts"
import * as Arrays from "./Arrays.ts"

// Rows come as JSON arrays of what this store wrote, numbers of any size as text. They are taken at their word: the
// tables refuse what is no account or hold, and every batch reads hundreds of them.

export type AccountTuple = readonly [
  number: string,
  id: AccountId,
  kind: AccountKind,
  asset: AssetCode,
  scale: string,
  floor: string,
  ceiling: string,
  state: AccountState,
  balance: string,
  held: string,
]

/** An account `a` as the JSON of its tuple, put together by hand: none of its words has a character to escape. */
export const accountJson = `concat('["', concat_ws('","', a.number, a.id, a.kind, a.asset, a.scale,
  COALESCE(a.floor::text, '-'), COALESCE(a.ceiling::text, '-'), a.state, a.balance, a.held), '"]')`

const limitOf = (text: string): bigint | null => (text === "-" ? null : BigInt(text))

export const accountOf = (row: AccountTuple): Account => {
  const [, id, kind, code, scale, floor, ceiling, state, balance, held] = row
  return {
    id,
    kind,
    asset: { code, scale: Number(scale) },
    floor: limitOf(floor),
    ceiling: limitOf(ceiling),
    state,
    balance: BigInt(balance),
    held: BigInt(held),
  }
}

export type HoldTuple = readonly [
  id: HoldId,
  account: AccountId,
  amount: string,
  drawn: string,
  owner: string,
  lifeMs: number | null,
  definitionDigest: string,
  context: string | null,
  state: HoldState,
  claimed: boolean,
  expiresAtMs: number | null,
  asked: string | null,
  parts: ReadonlyArray<PartTuple> | null,
]

/** A part of a hold, in a list that its row has only where it is of several accounts. */
export type PartTuple = readonly [account: AccountId, amount: string, drawn: string]

/** When a hold `h` with its owner's lease `o` ends: it lives until the later of both, or for ever. */
export const expiresAtMs =
  "CASE WHEN h.expires_at_ms IS NOT NULL THEN GREATEST(h.expires_at_ms, COALESCE(o.until_ms, 0)) END"

/**
 * The columns of a hold `h`, in the order of its tuple. Its context is the most of it, and only read where it is wanted.
 */
export const holdColumns = (context = "h.context::text") => `h.id, h.account, h.amount::text, h.drawn::text, h.owner,
  h.life_ms, h.definition_digest, ${context}, h.state, h.claimed, ${expiresAtMs}, h.asked::text, h.parts`

const partOf = ([account, amount, drawn]: PartTuple): Part => ({
  account,
  amount: BigInt(amount),
  drawn: BigInt(drawn),
})

/** The parts of a hold as its row has them. */
export const partTuples = (parts: ReadonlyArray<Part>): ReadonlyArray<PartTuple> =>
  parts.map(({ account, amount, drawn }) => [account, amount.toString(), drawn.toString()])

export const holdOf = (row: HoldTuple): Hold => {
  const [id, account, amount, drawn, owner, lifeMs, definitionDigest, context, state, claimed, expiresAtMs] = row
  const [asked, parts] = [row[11], row[12]]
  const hold: Hold = {
    id,
    account,
    amount: BigInt(amount),
    drawn: BigInt(drawn),
    owner,
    lifeMs,
    definitionDigest,
    context: context === null ? null : parseJson(context),
    state,
    claimed,
    expiresAtMs,
  }
  if (asked === null && parts === null) return hold
  const [first, ...others] = (parts ?? []).map(partOf)
  return {
    ...hold,
    ...(asked === null ? {} : { asked: BigInt(asked) }),
    ...(first === undefined ? {} : { parts: [first, ...others] }),
  }
}

export type PayoutTuple = readonly [
  account: AccountId,
  rail: string,
  fromSequence: string,
  toSequence: string,
  carriedIn: string,
  amount: string,
  carriedOut: string,
  hold: HoldId,
  state: PayoutRange["state"],
]

/** The columns of a payout `p`, in the order of its tuple. */
export const payoutColumns = `p.account, p.rail, p.from_sequence::text, p.to_sequence::text, p.carried_in::text,
  p.amount::text, p.carried_out::text, p.hold, p.state`

export const payoutOf = (row: PayoutTuple): PayoutRange => {
  const [account, rail, fromSequence, toSequence, carriedIn, amount, carriedOut, hold, state] = row
  return {
    account,
    rail,
    fromSequence: BigInt(fromSequence),
    toSequence: BigInt(toSequence),
    carriedIn: BigInt(carriedIn),
    amount: BigInt(amount),
    carriedOut: BigInt(carriedOut),
    hold,
    state,
  }
}

export type EntryTuple = readonly [
  sequence: string,
  key: string,
  fingerprint: string,
  kind: PostingKind | "act",
  hold: HoldId | null,
  detail: string | null,
  postedAtMs: number,
  effectiveAtMs: number,
  accounts: string,
  amounts: string,
  balances: string,
]

/** The columns of an entry `e`, in the order of its tuple. */
export const entryColumns = `e.sequence::text, e.key, e.fingerprint, e.kind, e.hold, e.detail, e.posted_at_ms,
  e.effective_at_ms, e.accounts::text, e.amounts::text, e.balances::text`

const decodeAct = Schema.decodeUnknownSync(Act)

interface Detail {
  readonly links?: Links
  readonly rate?: Omit<Rate, "numerator" | "denominator"> & { readonly numerator: string; readonly denominator: string }
}

const detailOf = (text: string): Pick<Posting, "links" | "rate"> => {
  const { links, rate }: Detail = JSON.parse(text)
  return {
    ...(links === undefined ? {} : { links }),
    ...(rate === undefined
      ? {}
      : { rate: { ...rate, numerator: BigInt(rate.numerator), denominator: BigInt(rate.denominator) } }),
  }
}

/** An account that a row names by its number. A row that names none of the table's is none that this store wrote: a defect. */
const nameOf = (row: EntryTuple, number: string, ids: ReadonlyMap<string, AccountId>): AccountId => {
  const id = ids.get(number)
  if (id === undefined) throw new Error(`Entry ${row[0]} moves an unknown account.`)
  return id
}

const postingOf = (
  row: EntryTuple,
  ids: ReadonlyMap<string, AccountId>,
  accounts: ReadonlyArray<string>,
): Posted["posting"] => {
  const [, idempotencyKey, , kind, , detail, postedAtMs, effectiveAtMs, , amounts] = row
  if (kind === "act") throw new Error(`Entry ${row[0]} is an act.`)
  const legs: Array<Leg> = []
  for (const amount of Arrays.numbersIn(amounts)) {
    legs.push({ account: nameOf(row, accounts[legs.length] ?? "", ids), amount: BigInt(amount) })
  }
  const posting = { idempotencyKey, kind, legs, attachments: [] }
  if (detail === null && effectiveAtMs === postedAtMs) return posting
  return {
    ...posting,
    ...(detail === null ? {} : detailOf(detail)),
    ...(effectiveAtMs === postedAtMs ? {} : { effectiveAtMs }),
  }
}

/**
 * An entry, with its accounts by their ids; their numbers are given where they have been read already. It throws where the row is none that this store wrote: a defect. Plain loops: it
 * runs for every posting that is verified.
 */
export const entryOf = (
  row: EntryTuple,
  ids: ReadonlyMap<string, AccountId>,
  accounts: ReadonlyArray<string> = Arrays.numbersIn(row[8]),
): Entry => {
  const [number, idempotencyKey, fingerprint, kind, hold, detail, postedAtMs, effectiveAtMs, , , after] = row
  const sequence = BigInt(number)
  if (kind === "act") {
    const act = decodeAct(parseJson(detail ?? "null"))
    return { _tag: "Acted", sequence, idempotencyKey, fingerprint, act, postedAtMs }
  }
  const balances: Array<bigint> = []
  for (const balance of Arrays.numbersIn(after)) balances.push(BigInt(balance))
  const posting = postingOf(row, ids, accounts)
  return { _tag: "Posted", sequence, fingerprint, posting, hold, balances, postedAtMs, effectiveAtMs }
}

/** Reads what this store wrote; its tables take nothing but JSON. */
export const parseJson = (text: string): Schema.Json => JSON.parse(text)

/** Reads a list of tuples that a statement made. */
export const parseRows = <Tuple>(text: string): ReadonlyArray<Tuple> => JSON.parse(text)

/** What a statement makes a list of tuples of: rows of these columns, from this on. */
export const rowsOf = (columns: string): string => `COALESCE(json_agg(json_build_array(${columns})), '[]')::text`
