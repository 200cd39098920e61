import { BYTES, type Pages } from "./Page.ts"
import * as Samples from "./Samples.ts"

const job = { model: Samples.model, skipped: {} }

/** What the gateway serves beside the control lane. */
export const workerPages: Pages = {
  "POST /v1/providers/jobs/take": {
    key: "device",
    text: "The device signs it. Each job carries the request that a buyer made and a lease: unless it is renewed, or bytes of the answer come, the market takes the job back and gives it to another.",
    body: { instances: [Samples.instance], count: 1, wait_ms: 20_000 },
    answer: { jobs: [] },
  },
  "POST /v1/providers/jobs/{id}/answer": {
    key: "device",
    query: "?offset=0",
    text: "The body begins with one line of JSON, the status and the headers of the answer, and goes on with its bytes. With `more=1` it is not the end. What arrived twice counts once; a worker whose upload broke off goes on at `received`.",
    body: BYTES,
    answer: { state: "done", received: 1_204, lease_ms: 30_000 },
  },
  "POST /v1/providers/jobs/{id}/renew": {
    key: "device",
    text: "For a worker that has nothing to show yet.",
    answer: { state: "working", received: 0, lease_ms: 30_000 },
  },
  "POST /v1/providers/jobs/{id}/return": {
    key: "device",
    text: "A job that was handed back is no failure of the buyer's request.",
    answer: { state: "working", received: 0, lease_ms: 30_000 },
  },
  "POST /api/v2/generate/text/pop": {
    text: "The key of a provider comes in the header `apikey`. Each model of a worker is listed at its first pop. Without a job `id` is null.",
    body: { name: "attic", models: [Samples.model], max_length: 512, max_context_length: 4096, threads: 1 },
    answer: { ...job, id: "8d6f2b1e", ids: ["8d6f2b1e"], payload: { prompt: "Hello", max_length: 80 }, ttl: 150 },
  },
  "POST /api/v2/generate/text/submit": {
    text: "`reward` is what it earned, in kudos: ten-thousandths of a dollar, estimated.",
    body: { id: "8d6f2b1e", generation: "Hello yourself.", state: "ok" },
    answer: { reward: 0.8 },
  },
  "POST /api/v2/generate/pop": {
    text: "As for text. `r2_upload` is where the picture may be put.",
    body: { name: "attic", models: ["stable-diffusion-xl"], max_pixels: 1_048_576, threads: 1 },
    answer: { id: null, ids: [], skipped: { models: 3 } },
  },
  "POST /api/v2/generate/submit": {
    text: "`generation` is the picture in base64, or `R2` once it was uploaded.",
    body: { id: "8d6f2b1e", generation: "R2", state: "ok" },
    answer: { reward: 20 },
  },
  "PUT /api/v2/generate/upload/{id}/{secret}": { text: "The body is the picture itself.", body: BYTES },
  "GET /api/v2/find_user": {
    text: "Kudos are not kept here: GET /v1/balance says what was earned.",
    answer: { username: "mem_provider#0", id: 0, kudos: 0 },
  },
  "GET /api/v2/status/heartbeat": { text: "Needs no key.", answer: { message: "OK", version: "guildhall" } },
  "GET /v1/providers/tunnel": {
    key: "device",
    text: "The device signs the headers, with an empty body; a page in a browser, which cannot set any, puts its signature into its hello. Frames are binary, of the subprotocol `guildhall-tunnel-v1`: many requests at a time, each with its own flow control. An upgrade that is refused is answered with a problem.",
  },
}
