import type { Pages } from "./Page.ts"

/** What buyers read, and what anyone may. */
export const buyerPages: Pages = {
  "GET /v1/requests": {
    key: "buyer",
    query: "?limit=20",
    text: "Newest first; `before` is the last id of the page before.",
  },
  "GET /v1/requests/{id}": { key: "buyer", text: "How it ended, what it cost, and who served it." },
  "GET /v1/requests/{id}/explain": {
    key: "buyer",
    text: "Every candidate of every attempt, with why it was chosen or not.",
  },
  "GET /v1/receipts/{id}": { key: "buyer", text: "It verifies offline, with the market's published keys." },
  "GET /v1/balance": { key: "buyer", text: "What is held for requests under way is told apart." },
  "GET /v1/deposits": {
    key: "buyer",
    text: "The address is yours for good: send the token to it from any wallet. Empty where the market takes no such deposits.",
    answer: {
      data: [
        {
          rail: "EvmDeposit",
          source: "usdc",
          asset: "USD",
          chainId: 8453,
          token: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
          decimals: 6,
          address: "0x6Fac4D18c912343BF86fa7049364Dd4E424Ab9C0",
        },
      ],
    },
  },
  "GET /v1/limits": { key: "buyer", text: "What your key may use, and what is left of it." },
  "GET /v1/settlements": {
    key: "buyer",
    query: "?limit=20",
    text: "With any key. What a root commits to, anyone who has all leaves can compute again; what stands on the chain is what counts.",
  },
  "GET /v1/settlements/{epoch}": { key: "buyer", text: "With any key." },
  "GET /v1/market": { text: "Needs no key." },
  "GET /.well-known/guildhall-keys.json": {
    text: "Tickets, receipts and warnings are signed with these. A key that was replaced stays on the list.",
  },
  "GET /healthz": { text: "For whoever restarts what hangs.", answer: { status: "ok" } },
  "GET /readyz": {
    text: "For whoever sends requests: it says no while the gateway is stopping, or its stores are away.",
  },
}
