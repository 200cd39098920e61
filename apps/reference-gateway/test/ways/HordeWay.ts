/** A worker of AI Horde in a process of its own. It makes an answer while nobody hears of it, and sends it once it is whole. */
import * as AgentLog from "../AgentLog.ts"
import * as CutNetwork from "../CutNetwork.ts"
import * as MarketProcess from "../MarketProcess.ts"
import * as RunningMarket from "../RunningMarket.ts"
import { CHECKS, type Way } from "./Way.ts"
import { instanceOf } from "./WayMarket.ts"

export const horde: Way = {
  name: "horde",
  isAttested: false,
  checks: CHECKS,
  delivery: "whole",
  shortLoss: "goes on",
  join: async (market, name) => {
    const network = await market.network()
    const { member, secret: key } = await RunningMarket.issueKey(market.market(), { name, role: "provider" })
    const environment = { HORDE_URL: network.url, HORDE_KEY: key, HORDE_NAME: name, HORDE_MODEL: market.model }
    let asked = 0
    const count = () => worker.output().split("job ").length - 1
    const begin = () => MarketProcess.runFile("ways/HordeProcess.ts", environment)
    let worker = begin()
    market.cleanups.push(() => worker.endBy("SIGKILL"))
    return {
      member,
      key,
      log: AgentLog.none,
      asked: () => asked + count(),
      kill: async () => void (await worker.endBy("SIGKILL")),
      comeBack: async () => {
        asked += count()
        worker = begin()
      },
      leave: async () => {
        // It pops no more, and submits what it has; its member takes it off the market meanwhile.
        const ended = worker.endBy("SIGTERM")
        const { id } = await instanceOf(market.market(), member)
        const { status } = await market.market().call(`/v1/providers/${id}`, { key, method: "DELETE" })
        if (status !== 204) throw new Error(`The market did not let ${id} go: ${status}.`)
        const code = await ended
        if (code !== 0) throw new Error(`The worker ended with ${code}:\n${worker.output()}`)
      },
      network: CutNetwork.switchOf([network]),
    }
  },
}
