/** A market for tests: it registers, beats, verifies every signature and chain, and issues tickets. */
import * as Crypto from "node:crypto"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { AssetCode } from "@guildhall/core/Asset"
import { DeviceId, DevicePublicKey } from "@guildhall/core/Device"
import { InstanceId } from "@guildhall/core/Instance"
import type { PublishedKey } from "@guildhall/core/KeyRing"
import { RequestId } from "@guildhall/core/Request"
import { Heartbeat } from "@guildhall/protocol/provider/Heartbeat"
import { priceSheet, Registration } from "@guildhall/protocol/provider/Registration"
import * as SignedRequest from "@guildhall/protocol/provider/SignedRequest"
import * as Ticket from "@guildhall/protocol/provider/Ticket"
import { headBytes, lineBytes, type UsageLine } from "@guildhall/protocol/provider/UsageLog"
import { priceDigest } from "../src/TicketGate.ts"

export interface ScriptedMarket {
  readonly url: string
  readonly apiKey: string
  readonly registrations: Array<typeof Registration.Type>
  readonly beats: Array<typeof Heartbeat.Type>
  readonly sequences: Array<number>
  readonly problems: Array<string>
  readonly lines: Map<number, UsageLine>
  /** Answers the next message instead of the market: the status and the code of a problem. */
  readonly failNext: (status: number, code: string) => void
  /** From now on nothing is answered. */
  readonly hang: () => void
  readonly away: (away: boolean) => void
  readonly acknowledging: (acknowledging: boolean) => void
  /** From now on these lines are refused, as often as they come. */
  readonly refusing: (...numbers: ReadonlyArray<number>) => void
  readonly ticket: (model: string, options?: Partial<Ticket.Ticket> & { readonly key?: "other" }) => string
  readonly keys: ReadonlyArray<PublishedKey>
}

const rawKey = (key: Crypto.KeyObject) => key.export({ format: "jwk" }).x ?? ""
const devicePublicKey = (raw: string) =>
  Crypto.createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x: raw } })
const idOf = (prefix: string, text: string | Uint8Array) =>
  `${prefix}_${Crypto.createHash("sha256").update(text).digest("hex").slice(0, 32)}`

export const instanceOf = (device: string, model: string) => InstanceId.make(idOf("ins", `${device} ${model}`))

const body = (request: Http.IncomingMessage) =>
  new Promise<Buffer>((resolve, reject) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => resolve(Buffer.concat(chunks)))
    request.on("error", reject)
  })

export const make = Effect.fnUntraced(function* (
  options: { readonly intervalMs?: number; readonly port?: number } = {},
) {
  const own = Crypto.generateKeyPairSync("ed25519")
  const other = Crypto.generateKeyPairSync("ed25519")
  const apiKey = `sk-${Crypto.randomBytes(12).toString("hex")}`
  const keys: ReadonlyArray<PublishedKey> = [
    { id: "ticket-1", purpose: "ticket", algorithm: "ed25519", publicKey: rawKey(own.publicKey), validFromMs: 0 },
  ]
  const fails: Array<{ status: number; code: string }> = []
  const seen = new Map<string, number>()
  let device = ""
  let isAway = false
  let isHanging = false
  let isAcknowledging = true
  let acknowledged = 0
  let refusing: ReadonlyArray<number> = []
  let head = { number: 0, hash: "0".repeat(64) }
  let requests = 0
  // As a market has it: a beat carries what was answered last, or once what was answered before that.
  let [nonce, former]: [string, string | undefined] = ["nonce_0", undefined]
  let nonces = 0

  const market = {
    apiKey,
    registrations: [] as Array<typeof Registration.Type>,
    beats: [] as Array<typeof Heartbeat.Type>,
    sequences: [] as Array<number>,
    problems: [] as Array<string>,
    lines: new Map<number, UsageLine>(),
  }

  const asked = () => {
    const last = market.registrations.at(-1)
    return last === undefined ? [] : priceSheet(last)
  }

  const verified = (request: Http.IncomingMessage, bytes: Uint8Array): string | undefined => {
    const header = (name: keyof typeof SignedRequest.HEADERS) => String(request.headers[SignedRequest.HEADERS[name]])
    if (request.headers.authorization !== `Bearer ${apiKey}`) return "invalid_api_key"
    const raw = header("device")
    const sequence = Number(header("sequence"))
    const message = SignedRequest.bytes({
      method: "POST",
      path: request.url ?? "",
      issuedAtMs: Number(header("issuedAt")),
      sequence,
      body: bytes,
    })
    if (!Crypto.verify(null, message, devicePublicKey(raw), Buffer.from(header("signature"), "base64url")))
      return "invalid_signature"
    market.sequences.push(sequence)
    if (sequence <= (seen.get(raw) ?? 0)) return "replayed_message"
    seen.set(raw, sequence)
    device = raw
    return undefined
  }

  const keepLines = (beat: typeof Heartbeat.Type) => {
    const { usage } = beat
    if (usage === undefined) return
    for (const line of usage.lines) {
      const { hash, ...rest } = line
      if (Crypto.createHash("sha256").update(lineBytes(rest)).digest("hex") !== hash)
        market.problems.push(`hash of ${line.number}`)
      if (line.number > head.number) {
        if (line.number !== head.number + 1 || line.previous !== head.hash)
          market.problems.push(`chain at ${line.number}`)
        head = { number: line.number, hash }
      }
      market.lines.set(line.number, line)
    }
    const last = usage.lines.at(-1)
    const { signature, ...signed } = usage.head
    if ((last?.hash ?? head.hash) !== signed.hash) market.problems.push("head is not the last line")
    const bytes = headBytes(DevicePublicKey.make(device), signed)
    if (!Crypto.verify(null, bytes, devicePublicKey(device), Buffer.from(signature, "base64url"))) {
      market.problems.push("signature of head")
    }
    if (isAcknowledging) acknowledged = Math.max(acknowledged, last?.number ?? 0)
  }

  const answer = (path: string, bytes: Uint8Array): unknown => {
    const text = Buffer.from(bytes).toString()
    const heartbeat_interval_ms = options.intervalMs ?? 60_000
    if (path === "/v1/providers/register") {
      const registration = Schema.decodeUnknownSync(Schema.fromJsonString(Registration))(text)
      market.registrations.push(registration)
      const device_id = DeviceId.make(idOf("dev", Buffer.from(device, "base64url")))
      nonces += 1
      ;[nonce, former] = [`nonce_${nonces}`, undefined]
      return { device_id, instance_id: instanceOf(device, registration.model), nonce, heartbeat_interval_ms, keys }
    }
    const beat = Schema.decodeUnknownSync(Schema.fromJsonString(Heartbeat))(text)
    market.beats.push(beat)
    if (beat.nonce !== nonce && beat.nonce !== former) market.problems.push(`nonce ${beat.nonce}`)
    nonces += 1
    ;[nonce, former] = [`nonce_${nonces}`, beat.nonce === nonce ? nonce : undefined]
    keepLines(beat)
    const refused = (beat.usage?.lines ?? [])
      .filter(({ number }) => refusing.includes(number))
      .map((line) => ({ request_id: line.ticket.ticket.requestId, code: "invalid_claim" }))
    return { acknowledged, refused, nonce, heartbeat_interval_ms, keys }
  }

  const server = Http.createServer((request, response) => {
    void body(request).then((bytes) => {
      if (isHanging) return undefined
      if (isAway) return request.socket.destroy()
      const failed = fails.shift()
      const code = failed?.code ?? verified(request, bytes)
      if (code !== undefined) {
        const status = failed?.status ?? (code === "replayed_message" ? 409 : 401)
        response.writeHead(status, { "content-type": "application/problem+json" })
        return response.end(JSON.stringify({ type: "about:blank", status, code, detail: `It is ${code}.` }))
      }
      response.writeHead(200, { "content-type": "application/json" })
      return response.end(JSON.stringify(answer(request.url ?? "", bytes)))
    })
  })
  const port = yield* Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(options.port ?? 0, "127.0.0.1", () => {
        resume(Effect.succeed((server.address() as AddressInfo).port))
      })
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      }),
  )

  const made: ScriptedMarket = {
    ...market,
    url: `http://127.0.0.1:${port}`,
    keys,
    failNext: (status, code) => {
      fails.push({ status, code })
    },
    hang: () => {
      isHanging = true
    },
    away: (now) => {
      isAway = now
    },
    acknowledging: (now) => {
      isAcknowledging = now
    },
    refusing: (...numbers) => {
      refusing = numbers
    },
    ticket: (model, overrides = {}) => {
      requests += 1
      const { key, ...fields } = overrides
      const nowMs = Date.now()
      const ticket: Ticket.Ticket = {
        requestId: RequestId.make(`req_${requests.toString(16).padStart(32, "0")}`),
        attempt: 1,
        instanceId: instanceOf(device, model),
        asset: AssetCode.make("USD"),
        cap: 1_000_000_000n,
        priceDigest: priceDigest(asked()),
        definitionDigest: "d",
        issuedAtMs: nowMs,
        expiresAtMs: nowMs + 60_000,
        ...fields,
      }
      const signer = key === "other" ? other.privateKey : own.privateKey
      const value = Crypto.sign(null, Ticket.message(Ticket.bytes(ticket)), signer).toString("base64url")
      const encoded = Schema.encodeSync(Schema.fromJsonString(Ticket.SignedTicket))({
        ticket,
        signature: { keyId: "ticket-1", value },
      })
      return Buffer.from(encoded).toString("base64url")
    },
  }
  return made
})
