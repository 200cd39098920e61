/** A member's account at a service in a process of its own, to which the gateway forwards with the account's token. */
import * as AgentLog from "../AgentLog.ts"
import * as CutNetwork from "../CutNetwork.ts"
import * as MarketProcess from "../MarketProcess.ts"
import * as RunningMarket from "../RunningMarket.ts"
import type { Way } from "./Way.ts"

const TOKEN = "a-token-of-the-account"

export const cloud: Way = {
  name: "cloud",
  isAttested: false,
  // Its service was asked before the account was taken.
  checks: [],
  delivery: "tokens",
  shortLoss: "ends",
  join: async (market, name) => {
    const { cleanups, model } = market
    const { member, secret: key } = await RunningMarket.issueKey(market.market(), { name, role: "provider" })
    const begin = async () => {
      const service = MarketProcess.runFile("ways/ServiceProcess.ts", { SERVICE_MODEL: model, SERVICE_TOKEN: TOKEN })
      await service.says("listens")
      return { service, port: Number(/listens on (\d+)/.exec(service.output())?.[1]) }
    }
    let { port, service } = await begin()
    const network = await CutNetwork.start(port)
    cleanups.push(network.close, () => service.endBy("SIGKILL"))
    let asked = 0
    const count = () => service.output().split("asked ").length - 1
    const cloud = (method: string, under: string, body?: object) =>
      market.market().call(`/v1/providers/cloud${under}`, { key, method, ...(body === undefined ? {} : { body }) })
    const added = await cloud("POST", "", {
      name,
      base_url: `${network.url}/v1`,
      token: TOKEN,
      models: [
        {
          model,
          service_model: model,
          input_price_per_million: 100,
          output_price_per_million: 200,
          context_length_offered: 1_024,
          concurrency: 4,
        },
      ],
    })
    if (added.status !== 201) throw new Error(`The account was not taken: ${JSON.stringify(added.body)}`)
    const { id } = added.body as { readonly id: string }
    return {
      member,
      key,
      log: AgentLog.none,
      asked: () => asked + count(),
      kill: async () => void (await service.endBy("SIGKILL")),
      comeBack: async () => {
        asked += count()
        ;({ port, service } = await begin())
        network.to(port)
      },
      leave: async () => {
        const { status } = await cloud("DELETE", `/${id}`)
        if (status !== 204) throw new Error(`The market did not let ${id} go: ${status}.`)
      },
      network: {
        cut: () => (network.open(false), network.drop()),
        hang: () => (network.open(false), network.hang()),
        mend: () => (network.drop(), network.open(true)),
      },
    }
  },
}
