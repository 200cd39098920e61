import type { Pages } from "./Page.ts"

/** What operators do. */
export const operatorPages: Pages = {
  "PUT /v1/operator/members/{id}/payout-targets/{kind}": {
    key: "operator",
    text: "`connect` is an account at the market's card processor, `wallet` a wallet of the member's own. A rail that needs it is ready from then on, and on unless it was turned off.",
    body: { target: "0x52908400098527886E0F7030069857D2E4169EE7" },
  },
  "DELETE /v1/operator/members/{id}/payout-targets/{kind}": {
    key: "operator",
    text: "Instances that are paid by no other rail get no requests then.",
  },
  "POST /v1/operator/members": {
    key: "operator",
    text: "Say an id to make it again without harm.",
    body: { name: "Ada" },
  },
  "POST /v1/operator/keys": {
    key: "operator",
    text: "The secret is shown once.",
    body: { member: "mem_provider", name: "attic", role: "provider" },
  },
  "GET /v1/operator/keys": { key: "operator", query: "?member=mem_provider", text: "Revoked ones too." },
  "PUT /v1/operator/keys/{id}/terms": {
    key: "operator",
    text: "What is left out is not restricted.",
    body: { allowedModels: ["qwen/qwen3.5-9b"] },
  },
  "DELETE /v1/operator/keys/{id}": { key: "operator", text: "It is refused everywhere within a second." },
  "DELETE /v1/operator/devices/{id}": { key: "operator", text: "Whoever's it is. Its instances leave the market." },
  "POST /v1/operator/top-ups": {
    key: "operator",
    text: "The amount is in the smallest unit of the market's asset. The same idempotency key adds once.",
    body: { member: "mem_buyer", amount: "5000000000000", idempotencyKey: "top-up-1" },
  },
  "GET /v1/operator/accounts": {
    key: "operator",
    query: "?limit=100",
    text: "Every account of the ledger, with its balance.",
  },
  "GET /v1/operator/requests": {
    key: "operator",
    query: "?limit=20",
    text: "Newest first; `before` is the last id of the page before.",
  },
  "GET /v1/operator/instances": { key: "operator", text: "Whatever their state." },
}
