/** A member's account at a service, to which the gateway forwards with the account's token. */
import * as RunningMarket from "../RunningMarket.ts"
import * as Service from "./Service.ts"
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
    const service = await Service.start(market, TOKEN)
    const { member, secret: key } = await RunningMarket.issueKey(market.market(), { name, role: "provider" })
    const call = (method: string, under: string, body?: object) =>
      market.market().call(`/v1/providers/cloud${under}`, { key, method, ...(body === undefined ? {} : { body }) })
    const added = await call("POST", "", {
      name,
      base_url: `${service.url}/v1`,
      token: TOKEN,
      models: [
        {
          model: market.model,
          service_model: market.model,
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
      ...service,
      member,
      key,
      leave: async () => {
        const { status } = await call("DELETE", `/${id}`)
        if (status !== 204) throw new Error(`The market did not let ${id} go: ${status}.`)
      },
    }
  },
}
