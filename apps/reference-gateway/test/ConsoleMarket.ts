/** A market with its pages, for tests in a browser: whoever enters is checked, as by default. */
import { local } from "@guildhall/markets/local"
import * as RunningMarket from "./RunningMarket.ts"

export interface ConsoleMarket {
  readonly market: RunningMarket.RunningMarket
  /** A key of a member who provides. */
  readonly key: string
  /** Starts it again after it was killed, at its address. */
  readonly again: () => Promise<RunningMarket.RunningMarket>
}

/** Starts it, and waits until its pages are built. */
export const start = async (): Promise<ConsoleMarket> => {
  const home = RunningMarket.makeHome()
  const { entry } = local
  const environment = {
    GUILDHALL_MARKET: RunningMarket.writeDefinition(home, {
      ...RunningMarket.calm,
      ...(entry === undefined ? {} : { entry }),
    }),
    GUILDHALL_AGENT: "off",
    GUILDHALL_CONSOLE: "on",
  }
  const market = await RunningMarket.start({ home, environment })
  const { secret } = await RunningMarket.issueKey(market, { name: "browser", role: "provider" })
  await RunningMarket.until(
    "the pages to be built",
    async () => ((await fetch(`${market.url}/console/`)).status === 200 ? true : undefined),
    90_000,
  )
  const port = Number(new URL(market.url).port)
  return { market, key: secret, again: () => RunningMarket.start({ home, environment, port }) }
}
