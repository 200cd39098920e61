/**
 * A buyer with money of its own on a running market.
 */
import type * as MarketDatabase from "./MarketDatabase.ts"
import * as RunningMarket from "./RunningMarket.ts"

/** A member who buys, with a key and money of its own: its account tells the whole story of what happened to it. */
export interface Buyer {
  readonly member: string
  readonly key: string
  readonly opening: bigint
}

/** Makes one: its key, with these terms, and what the market says it has. */
export const make = async (
  market: RunningMarket.RunningMarket,
  database: MarketDatabase.MarketDatabase,
  name: string,
  terms?: object,
): Promise<Buyer> => {
  const key = await RunningMarket.issueKey(market, { name, role: "buyer", ...(terms === undefined ? {} : { terms }) })
  const order = { member: key.member, amount: "5", idempotencyKey: `for ${key.member}` }
  const { body, status } = await market.call("/v1/operator/top-ups", { body: order })
  if (status >= 300) throw new Error(JSON.stringify(body))
  const [funds] = await database.query<{ readonly sum: string }>(
    `SELECT sum(balance)::text AS sum FROM ledger_accounts WHERE id LIKE 'buyer:%:${key.member}'`,
  )
  return { member: key.member, key: key.secret, opening: BigInt(funds?.sum ?? 0) }
}
