/**
 * A market for the clients of others: with one provider for each dialect, which speaks no other, and one for all that is no
 * conversation, each behind an agent; which dialect it is, the agents find out by themselves. Every answer can be looked up:
 * what it cost, and what the receipt says of it.
 */
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { assert } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { local } from "@guildhall/markets/local"
import * as RunningMarket from "../RunningMarket.ts"
import type { Dialect } from "./Asked.ts"
import * as DialectProvider from "./DialectProvider.ts"
import * as Extras from "./Extras.ts"

/** What a client was told of an answer: all tokens of the prompt, those of them that came from a cache, and the answer's. */
export interface Told {
  readonly prompt: number
  readonly cached?: number
  readonly output: number
}

/** A `fetch` that counts, and keeps what the answers' heads say. */
export interface Wire {
  readonly fetch: typeof fetch
  readonly answers: Array<{ readonly status: number; readonly headers: Headers }>
  /** The id of the last request. */
  readonly id: () => string
}

interface Buyer {
  readonly member: string
  readonly key: string
}

export interface SdkMarket {
  readonly url: string
  readonly key: string
  readonly providers: Readonly<Record<Dialect | "extras", DialectProvider.DialectProvider>>
  readonly model: (dialect: Dialect) => string
  readonly wire: () => Wire
  /** Waits for a request's receipt. */
  readonly receipt: (id: string, key?: string) => Promise<RunningMarket.ReceiptContent>
  /** Waits for a request's receipt and compares it with what the client was told, and with the prices. */
  readonly settled: (id: string, told: Told, key?: string) => Promise<RunningMarket.ReceiptContent>
  /** Makes a buyer with a balance, in units of the asset, and terms of its key. */
  readonly buyer: (name: string, options: { readonly amount?: string; readonly terms?: object }) => Promise<Buyer>
  readonly call: RunningMarket.RunningMarket["call"]
  /** Waits until nothing is held, and asks the books whether they are right. */
  readonly balances: () => Promise<void>
  readonly close: () => Promise<void>
}

/** Units of 10⁻¹² USD a token, of 100 and 200 cents for a million. */
const INPUT = 1_000_000n
const OUTPUT = 2_000_000n
/** What an image costs, in the same units. */
export const IMAGE = 40_000_000_000n

const EXTRAS = "sdk/extras"
/** By its name nobody could tell that it embeds and paints, so it has to be said. A thousand images cost 40 USD. */
const EXTRA = { GUILDHALL_ENDPOINTS: Extras.endpoints.join(","), GUILDHALL_IMAGE_PRICE: "4000" }
const modelOf = (dialect: Dialect): string => `sdk/${dialect.split("/", 1)[0] ?? ""}`

const makeDatabase = async () => {
  const scope = Scope.makeUnsafe()
  const url = await Effect.runPromise(Scope.provide(TestDatabase.make, scope))
  return { url, close: () => Effect.runPromise(Scope.close(scope, Exit.void)) }
}

const wire = (): Wire => {
  const answers: Wire["answers"] = []
  return {
    answers,
    fetch: async (input, init) => {
      const response = await fetch(input, init)
      answers.push({ status: response.status, headers: response.headers })
      return response
    },
    id: () => answers.at(-1)?.headers.get("x-request-id") ?? "",
  }
}

const lookups = (market: RunningMarket.RunningMarket): Pick<SdkMarket, "receipt" | "settled" | "buyer"> => {
  const receipt: SdkMarket["receipt"] = (id, key = market.buyerKey) =>
    RunningMarket.until(`the receipt of ${id}`, () => RunningMarket.receipt(market, id, key))
  return {
    receipt,
    settled: async (id, { cached = 0, output, prompt }, key) => {
      const content = await receipt(id, key)
      const { cachedInputToken = 0, inputToken = 0, outputToken = 0 } = content.usage
      assert.deepStrictEqual(
        { prompt: inputToken + cachedInputToken, cached: cachedInputToken, output: outputToken },
        { prompt, cached, output },
      )
      assert.strictEqual(content.outcome, "completed")
      assert.strictEqual(BigInt(content.charge), BigInt(prompt) * INPUT + BigInt(output) * OUTPUT)
      return content
    },
    buyer: async (name, { amount = "5", terms }) => {
      const { id, member, secret } = await RunningMarket.issueKey(market, { name, role: "buyer" })
      if (amount !== "0") {
        const order = { member, amount, idempotencyKey: name }
        const added = await market.call("/v1/operator/top-ups", { body: order })
        assert.isBelow(added.status, 300, JSON.stringify(added.body))
      }
      if (terms !== undefined) {
        const changed = await market.call(`/v1/operator/keys/${id}/terms`, { method: "PUT", body: terms })
        assert.strictEqual(changed.status, 200, JSON.stringify(changed.body))
      }
      return { member, key: secret }
    },
  }
}

/** Starts one. */
export const start = async (): Promise<SdkMarket> => {
  const database = await makeDatabase()
  const home = RunningMarket.makeHome()
  const definition = RunningMarket.writeDefinition(home, {
    ...RunningMarket.calm,
    receipts: { batchMs: 50, batchSize: 512 },
    limits: { ...local.limits, key: { concurrentRequests: 64 }, member: {} },
    // What the tests break on purpose must not use up what is there for bad luck.
    relay: { ...local.relay, retries: { percent: 100, perSecond: 100 } },
    recount: { percent: 0 },
  })
  const environment = { GUILDHALL_MARKET: definition, GUILDHALL_AGENT: "off", DATABASE_URL: database.url }
  const market = await RunningMarket.start({ home, environment })
  const { secret } = await RunningMarket.issueKey(market, { name: "provider", role: "provider" })

  const agents: Array<{ readonly kill: (signal: NodeJS.Signals) => Promise<unknown> }> = []
  const provide = async (speaks: Dialect | "extras"): Promise<DialectProvider.DialectProvider> => {
    const model = speaks === "extras" ? EXTRAS : modelOf(speaks)
    const provider = await DialectProvider.start(speaks, model)
    agents.push(
      await RunningMarket.startAgent(market, {
        key: secret,
        backend: provider.url,
        environment: speaks === "extras" ? EXTRA : {},
      }),
    )
    return provider
  }
  const providers = {
    "chat/completions": await provide("chat/completions"),
    messages: await provide("messages"),
    responses: await provide("responses"),
    extras: await provide("extras"),
  }
  await Promise.all(Object.values(providers).map(({ model }) => RunningMarket.listed(market, model, 1)))

  return {
    url: market.url,
    key: market.buyerKey,
    providers,
    model: modelOf,
    wire,
    ...lookups(market),
    call: market.call,
    balances: async () => {
      await RunningMarket.until("nothing to be held", async () => {
        const { body } = await market.call("/v1/operator/accounts")
        const { data } = body as { data: ReadonlyArray<{ readonly held: { readonly amount: string } }> }
        return data.every(({ held }) => held.amount === "0") ? true : undefined
      })
      const { code, output } = await RunningMarket.guildhall(home, ["ledger", "verify"], { DATABASE_URL: database.url })
      assert.strictEqual(code, 0, output)
      assert.notInclude(market.output(), "failed inside the gateway")
    },
    close: async () => {
      await Promise.all(agents.map((agent) => agent.kill("SIGKILL")))
      await market.close()
      await Promise.all(Object.values(providers).map((provider) => provider.close()))
      await database.close()
    },
  }
}
