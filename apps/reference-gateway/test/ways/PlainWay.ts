/** A model server at an address that its member registers with an API key alone: an endpoint without an agent. */
import * as RunningMarket from "../RunningMarket.ts"
import * as Service from "./Service.ts"
import { CHECKS, type Way } from "./Way.ts"

export const plain: Way = {
  name: "plain",
  isAttested: false,
  checks: CHECKS,
  delivery: "tokens",
  shortLoss: "ends",
  join: async (market, name) => {
    const service = await Service.start(market)
    const { member, secret: key } = await RunningMarket.issueKey(market.market(), { name, role: "provider" })
    const { body, status } = await market.market().call("/v1/providers/register", {
      key,
      body: {
        endpoint_url: service.url,
        model: market.model,
        input_price_per_million: 100,
        output_price_per_million: 200,
        context_length_offered: 1_024,
        concurrency: 4,
      },
    })
    if (status !== 200) throw new Error(`The endpoint was not taken: ${JSON.stringify(body)}`)
    const id = (body as { readonly instance_id: string }).instance_id
    return {
      ...service,
      member,
      key,
      leave: async () => {
        const { status } = await market.market().call(`/v1/providers/${id}`, { key, method: "DELETE" })
        if (status !== 204) throw new Error(`The market did not let ${id} go: ${status}.`)
      },
    }
  },
}
