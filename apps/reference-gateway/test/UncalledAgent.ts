/**
 * A market with an agent that nobody calls, since it opens a tunnel or pulls, behind a network that can break; and a buyer who
 * reads its streams.
 */
import type OpenAI from "openai"
import * as CutNetwork from "./CutNetwork.ts"
import * as RunningMarket from "./RunningMarket.ts"
import * as ScriptedEngine from "./ScriptedEngine.ts"

/** How the market is started, and by which flags the agent is one that nobody calls. */
export interface Options {
  readonly model: string
  readonly flags: ReadonlyArray<string>
  readonly args?: ReadonlyArray<string>
}

/** Starts all but the agent. What is to be closed is added to `cleanups`, in its order. */
export const setUp = async (cleanups: Array<() => Promise<unknown>>, { args = [], flags, model }: Options) => {
  const home = RunningMarket.makeHome()
  const environment = {
    GUILDHALL_MARKET: RunningMarket.writeDefinition(home, RunningMarket.calm),
    GUILDHALL_AGENT: "off",
  }
  const market = await RunningMarket.start({ home, environment, args })
  cleanups.push(market.close)
  const network = await CutNetwork.start(Number(new URL(market.url).port))
  cleanups.push(network.close)
  const engine = await ScriptedEngine.start(model)
  cleanups.push(engine.close)
  const provider = await RunningMarket.issueKey(market, { name: "uncalled", role: "provider" })
  const startAgent = async (of: { readonly home?: string; readonly backend?: string } = {}) => {
    const options = { key: provider.secret, backend: engine.url, flags, ...of }
    const agent = await RunningMarket.startAgent({ ...market, url: network.url }, options)
    cleanups.push(() => agent.kill("SIGKILL"))
    return agent
  }
  return { environment, home, market, network, engine, startAgent }
}

/** Asks for a stream by a script of the engine. */
export const asking =
  (model: string) =>
  (
    market: RunningMarket.RunningMarket,
    script: string,
    signal?: AbortSignal,
  ): Promise<AsyncIterable<OpenAI.ChatCompletionChunk>> =>
    market
      .client()
      .chat.completions.create(
        { model, messages: [{ role: "user", content: script }], stream: true, max_tokens: 500 },
        signal === undefined ? {} : { signal },
      )

/** What the engine answers to `tokens=<count>`. */
export const words = (count: number): string => Array.from({ length: count }, (_, at) => `word${at} `).join("")

/** Reads a stream to its end; does something when some of it has come. */
export const read = async (
  stream: AsyncIterable<OpenAI.ChatCompletionChunk>,
  at = -1,
  act: () => unknown = () => undefined,
) => {
  let text = ""
  let chunks = 0
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? ""
    if (++chunks === at) await act()
  }
  return text
}
