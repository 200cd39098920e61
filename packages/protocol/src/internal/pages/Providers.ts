import type { Pages } from "./Page.ts"
import * as Samples from "./Samples.ts"

const { device, instance, model } = Samples

/** What providers say of what they serve, and what they hear of it. */
export const providerPages: Pages = {
  "POST /v1/providers/register": {
    key: "provider",
    text: "Three ways in. With a provider's API key alone, for a server at a public URL that speaks OpenAI's API: `endpoint_url` is needed, and the instance is unattested, which receipts and routing say. With the signature of a paired device, which needs no API key. With both, for a device that is not paired. Prices are whole cents for a million tokens. Registering again gives new terms; the same URL or device with the same model keeps its instance. Where the market checks who enters, requests go to it once `GET /v1/providers/{id}/entry` says `passed`.",
    body: {
      provider_type: "agent",
      endpoint_url: "https://gpu.example.com/v1",
      model,
      input_price_per_million: 100,
      output_price_per_million: 200,
      context_length_offered: 8192,
    },
    answer: {
      device_id: device,
      instance_id: instance,
      unattested: true,
      heartbeat_interval_ms: 60_000,
      keys: [],
      entry: "/v1/providers/{instance_id}/entry",
    },
  },
  "POST /v1/providers/heartbeat": {
    key: "provider",
    text: "A device signs its beats, once in `heartbeat_interval_ms`; each carries the nonce that the answer before it gave, and the usage log since. Under an API key alone a beat is for the member's instances without a device key: all of them where the body is empty. Those are asked by health checks whether they are there, so that their beats are needed to drain only.",
    body: { instances: [{ instance_id: instance, state: "draining" }] },
    answer: {
      instances: [{ instance_id: instance, model, state: "draining" }],
      heartbeat_interval_ms: 60_000,
      entry: "/v1/providers/{instance_id}/entry",
    },
  },
  "DELETE /v1/providers/{id}": {
    key: "provider",
    text: "Requests under way are answered and paid; no new ones come from then on. It comes back by registering again.",
  },
  "GET /v1/providers/demand": {
    key: "provider",
    query: "?model=qwen%2Fqwen3.5-9b",
    text: "For each model: how many requests came in the last 24 hours, for how many of them nobody had room, who is online, and the range of prices. Where to serve is where requests are refused. It is made anew every ten seconds. The suggested price is the median, or what the market asks by default where nobody is online.",
    answer: {
      as_of_ms: 1_795_293_000_000,
      window_ms: 86_400_000,
      suggested_input_price_per_million: 100,
      suggested_output_price_per_million: 200,
      data: [
        {
          model,
          requests_24h: 1_840,
          refused_no_capacity_24h: 36,
          providers_online: 3,
          instances_online: 4,
          input_price_per_million: { min: 60, median: 90, max: 100 },
          output_price_per_million: { min: 150, median: 190, max: 400 },
          suggested_input_price_per_million: 90,
          suggested_output_price_per_million: 190,
        },
      ],
    },
  },
  "GET /v1/settings/provider/rails": {
    key: "provider",
    text: "A rail is a way in which buyers pay: `accepts_stripe` those with `Authorization: Bearer sk-…`, `accepts_tempo` those with `Authorization: Payment …`. A buyer is routed to instances that take its rail.",
    answer: {
      accepts_stripe: true,
      accepts_tempo: false,
      rails: [{ name: "ApiKey", is_on: true, is_ready: true, needs: null, todo: null }],
      payout_targets: [],
      instances: [{ instance_id: instance, model, rails: ["ApiKey"], off: [] }],
    },
  },
  "PATCH /v1/settings/provider/rails": {
    key: "provider",
    text: "What is not named stays as it is. Gateways go by it within a second. One rail stays on, for you and for each instance: else `last_rail`. One that needs something is refused with `onboarding_needed`, which says what to do. With `instance_id` for that instance alone.",
    body: { accepts_stripe: true },
  },
  "GET /v1/providers/why": {
    key: "provider",
    query: "?from=1795200000000",
    text: "Why your instances were not routed to: how many requests they could have served, why they were left out, and which one change would have won them.",
  },
  "GET /v1/providers/{id}/entry": {
    key: "provider",
    text: "Each check with what it found and how to mend it. It runs when you join, when your endpoint, model or terms change, and again at random.",
  },
  "GET /v1/providers/earnings": {
    key: "provider",
    query: "?days=30",
    text: "Day by day and instance by instance, from the receipts.",
  },
  "GET /v1/settlements/{epoch}/proof": {
    key: "provider",
    text: "Keep it: with this answer you are paid by the chain even if the market is gone. Send `call.data` to `call.to` from any wallet; whoever sends it, your wallet is paid. Sent twice it pays once.",
    answer: {
      epoch: 20778,
      asset: "USD",
      state: "claimable",
      kind: "root",
      endMs: 1795305600000,
      chainId: 8453,
      contract: "0x1111111111111111111111111111111111111111",
      token: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
      root: "0x8b1a944cf13a9a1c08facb2c9e98623ef3254d2ddb48113885c3e8e97fec8db9",
      total: "48123456",
      boost: "0",
      accounts: 212,
      transaction: "0x5c504ed432cb51138bcf09aa5e8a410dd4a1e204ef84bfed1be16dfba1b22060",
      appliesAtS: 1795309200,
      definition: "6f0c…",
      proofs: [
        {
          account: "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
          amount: "1250000",
          cumulative: "90125000",
          leaf: "0x2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
          proof: ["0x9c22ff5f21f0b81b113e63f7db6da94fedef11b2119b4088b89664fb9a3cb658"],
          call: { to: "0x1111111111111111111111111111111111111111", data: "0x3d13f874" },
        },
      ],
    },
  },
  "GET /v1/providers/targets": { key: "provider", text: "How your instances stand to what the market aims at." },
  "GET /v1/providers/guidance": { key: "provider", text: "What would bring more requests, from your own numbers." },
  "GET /v1/market/estimates": {
    query: "?class=consumer",
    text: "What devices of a class earned of late, with what was assumed.",
  },
  "GET /v1/providers/warnings": { key: "provider", text: "The newest come first." },
  "GET /v1/settings/provider/warnings": { key: "provider", text: "Null stands for nowhere." },
  "PATCH /v1/settings/provider/warnings": {
    key: "provider",
    text: "What is not named stays as it is.",
    body: { webhookUrl: "https://example.com/guildhall", email: null },
  },
  "GET /v1/providers/instances": {
    key: "provider",
    text: "With the state, the last beat, and how its checks at the entry ended.",
  },
  "POST /v1/providers/maintenance": {
    key: "provider",
    text: "For one instance, or for all of a device. Time in the window counts neither for nor against you.",
    body: { instance, fromMs: 1_795_300_000_000, toMs: 1_795_303_600_000, reason: "New fans" },
  },
  "DELETE /v1/providers/maintenance": {
    key: "provider",
    query: `?instance=${instance}`,
    text: "Requests come again once a beat or a check says that it is there.",
  },
  "POST /v1/providers/gpus": {
    key: "provider",
    text: "The price is that of an hour, as a decimal string.",
    body: {
      name: "RTX 4090",
      memory_mib: 24_564,
      cuda_version: "12.4",
      base_price_per_hour: "0.35",
      region: "eu-west",
    },
  },
  "GET /v1/providers/gpus": { key: "provider", query: "?region=eu-west", text: "Yours are those with `is_mine`." },
  "GET /v1/providers/gpus/{id}": { key: "provider", text: "With the instances of its device." },
  "PATCH /v1/providers/gpus/{id}": {
    key: "provider",
    text: "What is not named stays as it is.",
    body: { base_price_per_hour: "0.30" },
  },
  "DELETE /v1/providers/gpus/{id}": { key: "provider", text: "Its device stays." },
  "POST /v1/providers/cloud": {
    key: "provider",
    text: "The service is asked with the token before the account is taken. The token is sealed, and is never shown again.",
    body: {
      name: "work",
      base_url: "https://api.example.com/v1",
      token: "the token of the account there",
      models: [
        {
          model,
          service_model: "qwen-9b",
          input_price_per_million: 100,
          output_price_per_million: 200,
          context_length_offered: 8192,
          concurrency: 4,
        },
      ],
    },
  },
  "GET /v1/providers/cloud": { key: "provider", text: "Of a token the last four characters are told." },
  "PATCH /v1/providers/cloud/{id}": {
    key: "provider",
    text: "It is tried first, and used everywhere within a second.",
    body: { token: "another token of the account there" },
  },
  "DELETE /v1/providers/cloud/{id}": {
    key: "provider",
    text: "Its models leave the market and the token is forgotten.",
  },
}
