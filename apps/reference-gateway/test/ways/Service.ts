/** A model server in a process of its own, behind a network that can break: what ways without an agent consist of. */
import * as AgentLog from "../AgentLog.ts"
import * as CutNetwork from "../CutNetwork.ts"
import * as MarketProcess from "../MarketProcess.ts"
import type { Provider } from "./Way.ts"
import type { WayMarket } from "./WayMarket.ts"

/** What it serves is for as good as its market says; `url` is where it is reached. */
export interface Service extends Omit<Provider, "member" | "key" | "leave"> {
  readonly url: string
}

/** Starts one; with a `token` it answers nobody who does not send it. */
export const start = async ({ cleanups, model }: WayMarket, token?: string): Promise<Service> => {
  const settings = { SERVICE_MODEL: model, ...(token === undefined ? {} : { SERVICE_TOKEN: token }) }
  const begin = async () => {
    const process = MarketProcess.runFile("ways/ServiceProcess.ts", settings)
    await process.says("listens")
    return { process, port: Number(/listens on (\d+)/.exec(process.output())?.[1]) }
  }
  let service = await begin()
  const network = await CutNetwork.start(service.port)
  cleanups.push(network.close, () => service.process.endBy("SIGKILL"))
  let before = 0
  const count = () => service.process.output().split("asked ").length - 1
  return {
    url: network.url,
    log: AgentLog.none,
    asked: () => before + count(),
    kill: async () => void (await service.process.endBy("SIGKILL")),
    comeBack: async () => {
      before += count()
      service = await begin()
      network.to(service.port)
    },
    network: CutNetwork.switchOf([network]),
  }
}
