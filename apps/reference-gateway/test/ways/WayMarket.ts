/**
 * The market of a way's scenarios: a real gateway on a database of its own that is killed, stopped and started again, the
 * providers that joined it, and buyers with the published `openai` client.
 */
import OpenAI from "openai"
import type * as MarketDefinition from "@guildhall/core/MarketDefinition"
import type { EntryView } from "@guildhall/protocol/api/EntriesApi"
import type * as Aftermath from "../Aftermath.ts"
import * as FundedBuyer from "../FundedBuyer.ts"
import type { Buyer } from "../FundedBuyer.ts"
import * as CutNetwork from "../CutNetwork.ts"
import * as MarketDatabase from "../MarketDatabase.ts"
import * as RunningMarket from "../RunningMarket.ts"
import type { Provider, Way } from "./Way.ts"

/** Nobody is silent for as long as a test takes; who is there is known by checks, a second apart. */
const TERMS = {
  heartbeat: { intervalMs: 1_000, missesMax: 60, checkMs: 1_000 },
  hold: { lifeMs: 4_000, renewMs: 1_000 },
  receipts: { batchMs: 50, batchSize: 512 },
  timeouts: { connectMs: 5_000, headersMs: 10_000, firstTokenMs: 10_000, betweenTokensMs: 8_000, totalMs: 120_000 },
  queue: { waitMs: 500, requestsMax: 1_000, memberPercent: 50 },
} as const

/** How an answer ended. A `code` is that of an error which the buyer was told. */
export interface Ended {
  readonly id: string | undefined
  readonly text: string
  /** Events with text in them. */
  readonly parts: number
  readonly error: unknown
  readonly code: string | undefined
}

/** An answer on its way. */
export interface Asked {
  readonly parts: () => number
  readonly ended: Promise<Ended>
}

export interface WayMarket extends Aftermath.Scene {
  readonly model: string
  readonly definition: Partial<MarketDefinition.MarketDefinition>
  readonly providers: Array<Provider>
  /** A proxy in front of the gateway: the network of one provider. */
  readonly network: () => Promise<CutNetwork.CutNetwork>
  readonly buyer: (name: string) => Promise<Buyer>
  readonly ask: (buyer: Buyer, script: string) => Asked
  /** Asks until the market answers with a text, which is the answer. */
  readonly served: (buyer: Buyer, script: string) => Promise<string>
  /** Waits until the checks at the entry are over, and answers what they found. */
  readonly entry: (provider: Pick<Provider, "member" | "key">) => Promise<EntryView>
  readonly restart: () => Promise<void>
  /** What is to be closed with the market, last come first. */
  readonly cleanups: Array<() => Promise<unknown>>
  readonly close: () => Promise<void>
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof OpenAI.APIError && typeof error.code === "string" ? error.code : undefined

/** Asks for a stream, and reads it to its end, good or bad. */
const ask = (market: RunningMarket.RunningMarket, { key }: Buyer, model: string, script: string): Asked => {
  let text = ""
  let parts = 0
  let id: string | undefined
  const read = async (): Promise<Ended> => {
    try {
      const { data, response } = await market
        .client(key)
        .chat.completions.create({
          model,
          messages: [{ role: "user", content: script }],
          stream: true,
          max_tokens: 500,
        })
        .withResponse()
      id = response.headers.get("x-request-id") ?? undefined
      for await (const chunk of data) {
        const more = chunk.choices[0]?.delta.content ?? ""
        if (more !== "") parts += 1
        text += more
      }
      return { id, text, parts, error: undefined, code: undefined }
    } catch (error) {
      return { id, text, parts, error, code: codeOf(error) }
    }
  }
  return { parts: () => parts, ended: read() }
}

interface Listed {
  readonly instance: { readonly id: string; readonly memberId: string; readonly state: string }
}

/** The instance of a member's only provider. */
export const instanceOf = (market: RunningMarket.RunningMarket, member: string): Promise<Listed["instance"]> =>
  RunningMarket.until(
    `an instance of ${member}`,
    async () => {
      const { body } = await market.call("/v1/operator/instances")
      const { data } = body as { readonly data: ReadonlyArray<Listed> }
      return data.find(({ instance }) => instance.memberId === member)?.instance
    },
    40_000,
  )

/** Starts the market of a way, with nobody in it. */
export const start = async (way: Way): Promise<WayMarket> => {
  const [first, ...others] = way.checks
  const definition: Partial<MarketDefinition.MarketDefinition> = {
    ...TERMS,
    limits: RunningMarket.quick.limits,
    ...(first === undefined
      ? {}
      : {
          entry: {
            checks: [first, ...others],
            recheckMs: 604_800_000,
            promptTokensMax: 1_024,
            parallelMax: 2,
          },
        }),
  }
  const database = await MarketDatabase.make({ renewMs: TERMS.hold.renewMs })
  const home = RunningMarket.makeHome()
  const environment = {
    GUILDHALL_MARKET: RunningMarket.writeDefinition(home, definition),
    GUILDHALL_AGENT: "off",
    GUILDHALL_SEAL_KEYS: `ways:${Buffer.alloc(32, 7).toString("base64url")}`,
    DATABASE_URL: database.url,
  }
  let market = await RunningMarket.start({ home, environment: { ...environment, GUILDHALL_PORT: "0" } })
  const port = Number(new URL(market.url).port)
  const providers: Array<Provider> = []
  const cleanups: Array<() => Promise<unknown>> = []
  const model = `ways/${way.name}`

  const buyer = (name: string) => FundedBuyer.make(market, database, name)

  return {
    model,
    definition,
    database,
    providers,
    cleanups,
    market: () => market,
    network: async () => {
      const network = await CutNetwork.start(port)
      cleanups.push(network.close)
      return network
    },
    buyer,
    ask: (of, script) => ask(market, of, model, script),
    served: (of, script) =>
      RunningMarket.until(
        `${model} to be served`,
        async () => {
          const { error, text } = await ask(market, of, model, script).ended
          return error === undefined ? text : undefined
        },
        60_000,
      ),
    entry: async ({ key, member }) => {
      const { id } = await instanceOf(market, member)
      return RunningMarket.until(
        `the checks of ${id}`,
        async () => {
          const { body, status } = await market.call(`/v1/providers/${id}/entry`, { key })
          return status === 200 && (body as EntryView).state !== "pending" ? (body as EntryView) : undefined
        },
        60_000,
      )
    },
    restart: async () => {
      market = await RunningMarket.start({ home, environment, port })
    },
    command: (...args) => RunningMarket.guildhall(home, args, { DATABASE_URL: database.url }),
    close: async () => {
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
      await market.kill("SIGKILL").catch(() => undefined)
      await market.close()
      await database.close()
    },
  }
}
