/** The ways of our own agent, a paired device without an API key: called at an address, through a tunnel, or asking. */
import * as AgentLog from "../AgentLog.ts"
import * as CutNetwork from "../CutNetwork.ts"
import * as PairedAgent from "../PairedAgent.ts"
import * as RunningMarket from "../RunningMarket.ts"
import * as ScriptedEngine from "../ScriptedEngine.ts"
import { CHECKS, type Provider, type Way } from "./Way.ts"
import type { WayMarket } from "./WayMarket.ts"

const join = async (market: WayMarket, name: string, isCalled: boolean, flags: ReadonlyArray<string>) => {
  const { cleanups, model } = market
  const engine = await ScriptedEngine.start(model, "counts")
  cleanups.push(engine.close)
  const out = await market.network()
  const { member, secret: key } = await RunningMarket.issueKey(market.market(), { name, role: "provider" })
  const { home } = await PairedAgent.pair({ ...market.market(), url: out.url }, key)
  const port = isCalled ? await RunningMarket.freePort() : 0
  const back = isCalled ? await CutNetwork.start(port) : undefined
  if (back !== undefined) cleanups.push(back.close)
  const networks = back === undefined ? [out] : [out, back]
  const options = {
    key: "",
    backend: engine.url,
    home,
    port,
    flags: [
      "--concurrency",
      "4",
      "--context",
      "1024",
      ...flags,
      ...(back === undefined ? [] : ["--public-url", back.url]),
    ],
  }
  const begin = () => RunningMarket.startAgent({ ...market.market(), url: out.url }, options)
  let agent = await begin()
  cleanups.push(() => agent.kill("SIGKILL"))
  const provider: Provider = {
    member,
    key,
    log: AgentLog.at(home),
    asked: () => engine.counts.seen,
    kill: async () => void (await agent.kill("SIGKILL")),
    comeBack: async () => {
      agent = await begin()
    },
    leave: async () => {
      const code = await agent.kill("SIGTERM")
      if (code !== 0) throw new Error(`The agent ended with ${code}:\n${agent.output()}`)
    },
    network: CutNetwork.switchOf(networks),
  }
  return provider
}

const of = (name: string, isCalled: boolean, flags: ReadonlyArray<string>, shortLoss: Way["shortLoss"]): Way => ({
  name,
  isAttested: true,
  checks: CHECKS,
  delivery: "tokens",
  shortLoss,
  join: (market, provider) => join(market, provider, isCalled, flags),
})

export const endpoint = of("endpoint", true, [], "ends")
export const tunnel = of("tunnel", false, ["--tunnel", "yes"], "goes on")
export const pull = of("pull", false, ["--pull"], "goes on")
