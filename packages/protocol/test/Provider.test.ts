import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Asset, Device, Instance, PriceSheet, Request } from "@guildhall/core"
import { Heartbeat, Registration, SignedRequest, Ticket, UsageLog } from "../src/provider/index.ts"

const registration: Registration.Registration = {
  provider_type: "agent",
  endpoint_url: "http://127.0.0.1:9000",
  model: Registration.Registration.fields.model.make("guildhall/demo"),
  input_price_per_million: 100,
  output_price_per_million: 200,
  context_length_offered: 8192,
  concurrency: 4,
}

describe("a registration", () => {
  const decode = Schema.decodeUnknownExit(Registration.Registration)

  it("takes whole cents from zero, and nothing else", () => {
    assert.strictEqual(decode(registration)._tag, "Success")
    for (const name of ["input_price_per_million", "output_price_per_million"]) {
      for (const price of [-1, 0.5, 100_000_001, "100", null, Number.NaN, Infinity]) {
        assert.strictEqual(decode({ ...registration, [name]: price })._tag, "Failure", `${name} ${price}`)
      }
    }
  })

  it("has limits on everything that is long", () => {
    const wrong = [
      { endpoint_url: `http://${"x".repeat(2000)}` },
      { concurrency: 0 },
      { concurrency: 100_001 },
      { context_length_offered: 0 },
      { context_length_offered: 100_000_001 },
      { provider_type: "tab" },
    ]
    for (const change of wrong) assert.strictEqual(decode({ ...registration, ...change })._tag, "Failure")
  })
})

describe("a signed request", () => {
  const request = {
    method: "POST",
    path: "/v1/providers/heartbeat",
    issuedAtMs: 1_750_000_000_000,
    sequence: 7,
    body: new TextEncoder().encode("{}"),
  }

  it("covers method, path, time, sequence and body", () => {
    const text = new TextDecoder().decode(SignedRequest.bytes(request))
    assert.strictEqual(text, "guildhall-request-v1\nPOST\n/v1/providers/heartbeat\n1750000000000\n7\n{}")
    const changes = [
      { method: "GET" },
      { path: "/v1/providers/register" },
      { issuedAtMs: request.issuedAtMs + 1 },
      { sequence: 8 },
      { body: new TextEncoder().encode("{ }") },
    ]
    for (const change of changes) {
      assert.notStrictEqual(new TextDecoder().decode(SignedRequest.bytes({ ...request, ...change })), text)
    }
  })

  it("does not touch the body's bytes", () => {
    const body = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    assert.deepStrictEqual(SignedRequest.bytes({ ...request, body }).slice(-256), body)
  })
})

const ticket: Ticket.Ticket = {
  requestId: Request.RequestId.make(`req_${"0".repeat(32)}`),
  attempt: 1,
  instanceId: Instance.InstanceId.make("ins_1"),
  asset: Asset.USD.code,
  cap: 10n ** 30n,
  priceDigest: "p",
  definitionDigest: "d",
  issuedAtMs: 1,
  expiresAtMs: 2,
}

const line: UsageLog.UsageLine = {
  number: 1,
  previous: "0".repeat(64),
  ticket: { ticket, signature: { keyId: "ticket_1", value: "signature" } },
  price: PriceSheet.perMillionCents({ input: 100n, output: 200n }),
  usage: { inputToken: 10, outputToken: 5 },
  outcome: "completed",
  endedAtMs: 3,
  hash: "",
}

describe("a ticket", () => {
  it("signs every member, with the cap as a string", () => {
    const text = new TextDecoder().decode(Ticket.bytes(ticket))
    assert.include(text, `"cap":"1${"0".repeat(30)}"`)
    for (const name of Object.keys(ticket)) assert.include(text, `"${name}":`)
  })

  it("travels as JSON and comes back as itself", () => {
    const json = JSON.stringify(Schema.encodeSync(Ticket.SignedTicket)(line.ticket))
    assert.deepStrictEqual(Schema.decodeUnknownSync(Ticket.SignedTicket)(JSON.parse(json)), line.ticket)
  })

  it("has no negative cap", () => {
    const decode = Schema.decodeUnknownExit(Ticket.Ticket)
    assert.strictEqual(decode({ ...ticket, cap: "-1" })._tag, "Failure")
    assert.strictEqual(decode({ ...ticket, cap: "1.5" })._tag, "Failure")
  })
})

describe("a usage line", () => {
  it("hashes what a claim is paid by: the ticket's signature, the price, the usage, the place in the chain", () => {
    const bytes = (change: Partial<UsageLog.UsageLine>) =>
      new TextDecoder().decode(UsageLog.lineBytes({ ...line, ...change }))
    const changes: ReadonlyArray<Partial<UsageLog.UsageLine>> = [
      { number: 2 },
      { previous: "1".repeat(64) },
      { ticket: { ticket, signature: { keyId: "ticket_1", value: "another" } } },
      { price: PriceSheet.perMillionCents({ input: 100n, output: 201n }) },
      { usage: { inputToken: 10, outputToken: 6 } },
      { outcome: "aborted" },
      { endedAtMs: 4 },
    ]
    for (const change of changes) assert.notStrictEqual(bytes(change), bytes({}))
    assert.strictEqual(bytes({ hash: "f".repeat(64) }), bytes({}))
  })

  it("is one of at most 500 in a beat", () => {
    const decode = Schema.decodeUnknownExit(Heartbeat.Heartbeat)
    const encoded = Schema.encodeSync(UsageLog.UsageLine)(line)
    const beat = (count: number) => ({
      instances: [],
      usage: { lines: Array.from({ length: count }, () => encoded), head: { number: 1, hash: "", signature: "" } },
    })
    assert.strictEqual(decode(beat(500))._tag, "Success")
    assert.strictEqual(decode(beat(501))._tag, "Failure")
  })

  it("the head's bytes name the device", () => {
    const [one, two] = ["A", "B"].map((letter) => Device.DevicePublicKey.make(letter.repeat(43)))
    const head = { number: 1, hash: "h" }
    if (one === undefined || two === undefined) return assert.fail()
    assert.notDeepEqual(UsageLog.headBytes(one, head), UsageLog.headBytes(two, head))
  })
})

describe("every message", () => {
  const seeded = (seed: string) => ({ arbitrary: { seed, runs: 100 } })
  const roundTrip = <A>(schema: Schema.Codec<A, unknown>, value: A) => {
    const text = JSON.stringify(Schema.encodeSync(schema)(value))
    const again = Schema.decodeUnknownSync(schema)(JSON.parse(text))
    // As text: JSON has no minus zero.
    assert.strictEqual(JSON.stringify(Schema.encodeSync(schema)(again)), text)
  }

  it.prop(
    "of a heartbeat reads back as itself",
    [Heartbeat.Heartbeat],
    ([beat]) => roundTrip(Heartbeat.Heartbeat, beat),
    {
      ...seeded("heartbeat"),
    },
  )

  it.prop(
    "of a registration reads back as itself",
    [Registration.Registration],
    ([terms]) => roundTrip(Registration.Registration, terms),
    { ...seeded("registration") },
  )
})
