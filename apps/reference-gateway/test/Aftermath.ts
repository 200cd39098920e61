/**
 * What must be true after a crash, whatever it met: read from the books, the journal, the providers' own logs and the signed
 * receipts, each of which is asked by itself.
 */
import { assert } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import { SignedReceipt } from "@guildhall/core/Receipt"
import * as NodeSignature from "@guildhall/gateway/NodeSignature"
import * as ReceiptVerify from "@guildhall/journal/ReceiptVerify"
import type { UsageLine } from "@guildhall/protocol/provider/UsageLog"
import type { CrashMarket } from "./CrashMarket.ts"
import type { Buyer } from "./FundedBuyer.ts"
import type { AgentLog } from "./AgentLog.ts"
import * as RunningMarket from "./RunningMarket.ts"

type Receipt = SignedReceipt["receipt"]

/** What became of one request that took a hold. `paid` are the provider's own lines for it. */
export interface Fate {
  readonly id: string
  readonly hold: "posted" | "voided" | "expired"
  readonly held: bigint
  readonly receipt: Receipt
  readonly lines: ReadonlyArray<UsageLine>
}

const signature = NodeSignature.layer.pipe(Layer.provide(NodeCrypto.layer))
const decodeSigned = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.toCodecJson(SignedReceipt)))

const PROVIDER_BPS = 9_000n

/** What a provider has of an amount in the market of these tests. */
const share = (amount: bigint): bigint => (amount * PROVIDER_BPS) / 10_000n

/** What a provider may claim for a line: its share of what it served, up to what the ticket promises. */
const claimable = ({ price, ticket, usage }: UsageLine): bigint => {
  const worth = share(PriceSheet.cost(price, usage))
  const { cap } = ticket.ticket
  return worth < cap ? worth : cap
}

/** The market that is looked at, with the logs of all providers that keep one. */
export interface Scene extends Pick<CrashMarket, "database" | "market" | "command"> {
  readonly providers: ReadonlyArray<{ readonly member: string; readonly log: () => AgentLog }>
}

const lines = (market: Scene): ReadonlyArray<UsageLine> => market.providers.flatMap(({ log }) => log().lines)

/** Waits until this buyer has a hold in this state. */
export const isHeld = (
  { database }: Pick<Scene, "database">,
  { member }: Buyer,
  state: "pending" | "posted" = "pending",
) =>
  RunningMarket.until(`a hold of ${member} to be ${state}`, async () => {
    const found = await database.query(
      `SELECT 1 FROM ledger_holds WHERE state = '${state}' AND account = 'buyer:development:${member}'`,
    )
    return found.length > 0 ? true : undefined
  })

/** Waits until nothing is under way any more: no hold, no receipt that is not sealed, no line that is not acknowledged. */
export const settled = async (market: Scene): Promise<void> => {
  const left = async (): Promise<string | undefined> => {
    const [counts] = await market.database.query<{ readonly holds: number; readonly waiting: number }>(`SELECT
      (SELECT count(*) FROM ledger_holds WHERE state = 'pending')::int AS holds,
      (SELECT count(*) FROM journal_unsealed)::int + (SELECT count(*) FROM ledger_attachments
        WHERE sequence > (SELECT position FROM journal_position))::int AS waiting`)
    if (counts?.holds !== 0) return `${counts?.holds} holds are pending`
    if (counts.waiting !== 0) return `${counts.waiting} entries wait`
    for (const { log, member } of market.providers) {
      const { acknowledged, lines } = log()
      const last = lines.at(-1)?.number ?? 0
      if (acknowledged < last) return `${member} waits for an answer to line ${last}`
    }
    return undefined
  }
  let why: string | undefined
  await RunningMarket.until(
    "everything to be over",
    async () => {
      why = await left()
      return why === undefined ? true : undefined
    },
    20_000,
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${why}`)
  })
}

/** The market's published keys. */
const publishedKeys = async (market: Scene) => {
  const published = await (await fetch(`${market.market().url}/.well-known/guildhall-keys.json`)).text()
  const keys = ReceiptVerify.readKeys(published)
  if (keys._tag === "Failure") throw new Error(keys.failure)
  return keys.success
}

type Keys = Awaited<ReturnType<typeof publishedKeys>>

const signedReceipt = async (market: Scene, keys: Keys, id: string, key: string): Promise<Receipt> => {
  const response = await fetch(`${market.market().url}/v1/receipts/${id}`, {
    headers: { authorization: `Bearer ${key}` },
  })
  const text = await response.text()
  assert.strictEqual(response.status, 200, `${id}: ${text}`)
  const verdict = await Effect.runPromise(ReceiptVerify.verify({ text, keys }).pipe(Effect.provide(signature)))
  const failed = verdict.checks.filter(({ holds }) => !holds)
  assert.deepStrictEqual(failed, [], id)
  return decodeSigned(text).receipt
}

/** What a request's hold, receipt and lines say must be the same story. */
const isOneStory = ({ held, hold, id, lines, receipt }: Fate): void => {
  assert.strictEqual(receipt.charge > 0n, hold === "posted", `${id}: charged ${receipt.charge}, its hold ${hold}`)
  assert.strictEqual(receipt.outcome === "recovered", hold === "expired", `${id}: ${receipt.outcome}, its hold ${hold}`)
  assert.isTrue(receipt.charge <= held, `${id}: charged more than was held`)
  // One of its lines is paid, only where the buyer was not charged, and at most what was held.
  const due = lines.map(claimable).map((amount) => (amount < held ? amount : held))
  const claims = hold === "expired" ? due.filter((amount) => amount > 0n) : []
  if (claims.length === 0) assert.strictEqual(receipt.paidFromLoss, 0n, `${id}: nothing was to be paid from loss`)
  else assert.include(claims, receipt.paidFromLoss, `${id}: what was claimed was not paid`)
}

/** Looks at everything that a buyer was involved in. The market must be {@link settled}. */
export const of = async (market: Scene, buyer: Buyer): Promise<ReadonlyArray<Fate>> => {
  const { database } = market
  const holds = await database.query<{ readonly id: string; readonly state: Fate["hold"]; readonly amount: string }>(
    `SELECT id, state, amount::text AS amount FROM ledger_holds h WHERE account LIKE 'buyer:%:${buyer.member}'
      AND owner NOT LIKE 'used-up-%' ORDER BY id`,
  )
  const all = lines(market)
  const keys = await publishedKeys(market)
  const fates: Array<Fate> = []
  for (const { amount, id, state } of holds) {
    const receipt = await signedReceipt(market, keys, id, buyer.key)
    const own = all.filter(({ ticket }) => ticket.ticket.requestId === id)
    const fate = { id, hold: state, held: BigInt(amount), receipt, lines: own }
    isOneStory(fate)
    fates.push(fate)
  }
  const charged = fates.reduce((sum, { receipt }) => sum + receipt.charge, 0n)
  const accounts = await database.query<{ readonly id: string; readonly balance: string; readonly held: string }>(
    `SELECT id, balance::text AS balance, held::text AS held FROM ledger_accounts WHERE id LIKE 'buyer:%:${buyer.member}'`,
  )
  const balance = accounts.reduce((sum, account) => sum + BigInt(account.balance), 0n)
  assert.strictEqual(buyer.opening - balance, charged, `${buyer.member} paid what the receipts say`)
  for (const account of accounts) assert.strictEqual(account.held, "0", account.id)
  const [entries] = await database.query<{
    readonly count: number
  }>(`SELECT count(*)::int AS count FROM ledger_entries e
    WHERE e.kind = 'charge' AND EXISTS (SELECT FROM ledger_accounts a
      WHERE a.number = ANY(e.accounts) AND a.id LIKE 'buyer:%:${buyer.member}')`)
  assert.strictEqual(
    entries?.count,
    fates.filter(({ receipt }) => receipt.charge > 0n).length,
    "one charge for a receipt",
  )
  return fates
}

/** The whole market's books: they add up, they verify, and every provider has what receipts and claims say. */
export const books = async (market: Scene): Promise<void> => {
  const { database } = market
  const rows = await database.query<{ readonly id: string; readonly balance: string; readonly held: string }>(
    `SELECT id, balance::text AS balance, held::text AS held FROM ledger_accounts`,
  )
  const sum = rows.reduce((total, { balance }) => total + BigInt(balance), 0n)
  assert.strictEqual(sum, 0n, "the books add up")
  const [latest] = await database.query<{ readonly loss: string; readonly earned: string }>(`WITH latest AS (
      SELECT DISTINCT ON (request_id) body -> 'receipt' AS receipt FROM journal_entries WHERE tag = 'RequestEnded'
      ORDER BY request_id, revision DESC
    ) SELECT COALESCE(sum((receipt ->> 'paidFromLoss')::numeric), 0)::text AS loss,
      COALESCE(sum((SELECT sum((s ->> 'amount')::numeric) FROM jsonb_array_elements(receipt -> 'split') s
        WHERE s ->> 'party' = 'provider')), 0)::text AS earned FROM latest`)
  const balanceOf = (prefix: string) =>
    rows.filter(({ id }) => id.startsWith(prefix)).reduce((total, { balance }) => total + BigInt(balance), 0n)
  const loss = BigInt(latest?.loss ?? 0)
  assert.strictEqual(balanceOf("platform:loss"), -loss, "the platform lost what the receipts say")
  assert.strictEqual(balanceOf("accrual:"), BigInt(latest?.earned ?? 0) + loss, "providers have what the receipts say")
  const { code, output } = await market.command("ledger", "verify")
  assert.strictEqual(code, 0, output)
}
