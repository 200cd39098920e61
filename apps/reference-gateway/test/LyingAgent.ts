/**
 * A device that says of itself whatever a test wants: its own server, its own key, and a registration of its own. An honest
 * agent would not let a test lie.
 */
import { generateKeyPairSync, sign, type KeyObject } from "node:crypto"
import { once } from "node:events"
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { setTimeout as pause } from "node:timers/promises"
import * as Schema from "effect/Schema"
import { DevicePublicKey } from "@guildhall/core/Device"
import type { InstanceId } from "@guildhall/core/Instance"
import * as DeviceProof from "@guildhall/protocol/provider/DeviceProof"
import * as SignedRequest from "@guildhall/protocol/provider/SignedRequest"
import type { RunningMarket } from "./RunningMarket.ts"

/** What a device can lie about; where nothing is said it is honest. */
export interface Lies {
  /** It signs its proof with another key, which the proof names. */
  readonly otherKey?: boolean
  /** It answers requests that came at the same time one after the other, each after so long, or turns them away. */
  readonly atATime?: { readonly most: number; readonly afterwards: "wait" | "refuse" }
  /** It takes prompts of so many words only. */
  readonly words?: number
  /** It gathers its whole answer before it sends any of it. */
  readonly gathers?: boolean
  /** It does not answer this ticket, counted from 1. */
  readonly hangsAt?: number
  /** What it answers at any path, instead of all else. */
  readonly answer?: RequestListener
}

export interface LyingAgent {
  readonly url: string
  readonly seen: { requests: number; tickets: number }
  readonly instance: () => InstanceId
  /** Registers, again where it has before. `changes` are members of the registration. */
  readonly register: (market: RunningMarket, key: string, changes?: object) => Promise<InstanceId>
  readonly close: () => Promise<void>
}

interface Asked {
  readonly stream?: boolean
  readonly max_tokens?: number
  readonly messages?: ReadonlyArray<{ readonly content: string }>
}

const TOKEN_MS = 40
const decodeCommitment = Schema.decodeUnknownSync(DeviceProof.Commitment)

const read = async (request: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

const json = (response: ServerResponse, status: number, body: object): void => {
  response.writeHead(status, { "content-type": "application/json" })
  response.end(JSON.stringify(body))
}

const words = (asked: Asked): number => (asked.messages?.[0]?.content ?? "").split(/\s+/).length

const complete = async (asked: Asked, response: ServerResponse, lies: Lies): Promise<void> => {
  const read = words(asked)
  if (lies.words !== undefined && read > lies.words) {
    return json(response, 400, { error: { message: `The context is ${lies.words} tokens.`, code: "context_length" } })
  }
  const tokens = asked.max_tokens ?? 16
  const usage = { prompt_tokens: read, completion_tokens: tokens, total_tokens: read + tokens }
  const base = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "org/model" }
  if (asked.stream !== true) {
    const message = { role: "assistant", content: "word ".repeat(tokens) }
    const choices = [{ index: 0, message, finish_reason: "length" }]
    return json(response, 200, { ...base, object: "chat.completion", choices, usage })
  }
  response.writeHead(200, { "content-type": "text/event-stream" })
  if (lies.gathers !== true) response.flushHeaders()
  let kept = ""
  const send = (text: string): void => void (lies.gathers === true ? (kept += text) : response.write(text))
  for (let index = 0; index < tokens; index += 1) {
    await pause(TOKEN_MS)
    const choices = [{ index: 0, delta: { content: `word${index} ` }, finish_reason: null }]
    send(`data: ${JSON.stringify({ ...base, choices })}\n\n`)
  }
  send(`data: ${JSON.stringify({ ...base, choices: [{ index: 0, delta: {}, finish_reason: "length" }] })}\n\n`)
  send(`data: ${JSON.stringify({ ...base, choices: [], usage })}\n\ndata: [DONE]\n\n`)
  response.end(kept)
}

/** Lets so many in at a time; the others wait for their turn. */
const turns = (most: number) => {
  let running = 0
  const waiting: Array<() => void> = []
  return {
    isFull: () => running >= most,
    enter: async () => {
      if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve))
      running += 1
    },
    leave: () => {
      running -= 1
      waiting.shift()?.()
    },
  }
}

interface Pair {
  readonly privateKey: KeyObject
  readonly publicKey: DevicePublicKey
}

const pair = (): Pair => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519")
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32)
  return { privateKey, publicKey: DevicePublicKey.make(raw.toString("base64url")) }
}

const signed = ({ privateKey }: Pair, bytes: Uint8Array): string => sign(null, bytes, privateKey).toString("base64url")

/** Starts one on a free port of the loopback interface. `serves` is what it commits to, beside the model's id. */
export const start = async (lies: Lies = {}, serves: object = {}): Promise<LyingAgent> => {
  const seen = { requests: 0, tickets: 0 }
  const [own, other] = [pair(), pair()]
  const gate = turns(lies.atATime?.most ?? 1_000)
  const commitment = decodeCommitment({
    model: "org/model",
    contextLength: 1_000_000,
    weights: "0".repeat(64),
    ...serves,
  })

  const prove = (nonce: string): object => {
    const key = lies.otherKey === true ? other : own
    const proof = { device: key.publicKey, nonce, serves: [commitment] }
    return { ...proof, signature: signed(key, DeviceProof.bytes(proof)) }
  }

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    seen.requests += 1
    if (lies.answer !== undefined) return lies.answer(request, response)
    const url = new URL(request.url ?? "/", "http://agent")
    if (url.pathname === "/healthz") return json(response, 200, { status: "ok" })
    if (url.pathname === DeviceProof.PATH) return json(response, 200, prove(url.searchParams.get("nonce") ?? ""))
    if (request.headers["guildhall-ticket"] !== undefined) seen.tickets += 1
    const asked = JSON.parse(await read(request)) as Asked
    if (seen.tickets === lies.hangsAt) return
    if (gate.isFull() && lies.atATime?.afterwards === "refuse") {
      return json(response, 429, { error: { message: "There is no room.", code: "full" } })
    }
    await gate.enter()
    await complete(asked, response, lies).finally(gate.leave)
  }
  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy())
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let sequence = Date.now()
  let instance: InstanceId | undefined

  const post = async (market: RunningMarket, key: string, path: string, terms: object): Promise<unknown> => {
    const body = Buffer.from(JSON.stringify(terms))
    sequence += 1
    const issuedAtMs = Date.now()
    const message = { method: "POST", path, issuedAtMs, sequence, body }
    const response = await fetch(market.url + path, {
      method: "POST",
      body,
      headers: {
        authorization: `Bearer ${key}`,
        "content-type": "application/json",
        [SignedRequest.HEADERS.device]: own.publicKey,
        [SignedRequest.HEADERS.signature]: signed(own, SignedRequest.bytes(message)),
        [SignedRequest.HEADERS.issuedAt]: String(issuedAtMs),
        [SignedRequest.HEADERS.sequence]: String(sequence),
      },
    })
    const answer: unknown = await response.json()
    if (response.status !== 200) throw new Error(JSON.stringify(answer))
    return answer
  }

  return {
    url,
    seen,
    instance: () => {
      if (instance === undefined) throw new Error("It has not registered.")
      return instance
    },
    register: async (market, key, changes = {}) => {
      const terms = {
        provider_type: "agent",
        endpoint_url: url,
        model: "org/model",
        input_price_per_million: 100,
        output_price_per_million: 200,
        context_length_offered: 8_192,
        concurrency: 4,
        ...changes,
      }
      const answer = (await post(market, key, "/v1/providers/register", terms)) as { instance_id: InstanceId }
      instance = answer.instance_id
      return instance
    },
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    },
  }
}
