/**
 * What the whole control lane has in common: keys, roles, problems, limits, documents.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { connect } from "node:net"
import { Reason } from "@guildhall/core"
import { Journal } from "@guildhall/journal"
import * as TestControl from "./TestControl.ts"

let market: TestControl.TestControl
beforeAll(async () => {
  market = await TestControl.start()
})
afterAll(() => market.close())

const isProblem = (reply: TestControl.Reply, code: Reason.ReasonCode) => {
  assert.deepStrictEqual(
    { status: reply.status, code: reply.json?.code },
    {
      status: Reason.describe(code).status,
      code,
    },
    reply.text,
  )
  assert.strictEqual(reply.headers.get("content-type"), "application/problem+json")
  assert.strictEqual(reply.json.type, `urn:guildhall:reason:${code}`)
  assert.strictEqual(reply.json.status, reply.status)
  assert.isString(reply.json.title)
  assert.isString(reply.json.detail)
  assert.include(reply.json.docs, "reasons.md")
}

describe("keys and roles", () => {
  it("asks for a key, and says how", async () => {
    const reply = await market.call("GET", "/v1/balance")
    isProblem(reply, "missing_api_key")
    assert.include(reply.headers.get("www-authenticate") ?? "", "Bearer")
  })

  it("answers an unknown key and a revoked one alike", async () => {
    const issued = await market.call("POST", "/v1/operator/keys", {
      as: "operator",
      body: { member: "mem_other", name: "short-lived", role: "buyer" },
    })
    assert.strictEqual((await market.call("GET", "/v1/balance", { as: issued.json.secret })).status, 200)
    await market.call("DELETE", `/v1/operator/keys/${issued.json.id}`, { as: "operator" })
    const revoked = await market.call("GET", "/v1/balance", { as: issued.json.secret })
    const unknown = await market.call("GET", "/v1/balance", { as: "nobody" })
    isProblem(revoked, "invalid_api_key")
    assert.strictEqual(revoked.text, unknown.text)
  })

  it("keeps everyone but operators out of the operators' endpoints", async () => {
    const endpoints = [
      ["POST", "/v1/operator/members", { name: "x" }],
      ["POST", "/v1/operator/keys", { member: "mem_buyer", name: "x", role: "operator" }],
      ["GET", "/v1/operator/keys?member=mem_buyer", undefined],
      ["DELETE", "/v1/operator/keys/key_1", undefined],
      ["DELETE", `/v1/operator/devices/dev_${"0".repeat(32)}`, undefined],
      ["POST", "/v1/operator/top-ups", { member: "mem_buyer", amount: "1", idempotencyKey: "k" }],
      ["GET", "/v1/operator/accounts", undefined],
      ["GET", "/v1/operator/requests", undefined],
      ["GET", "/v1/operator/instances", undefined],
    ] as const
    for (const [method, path, body] of endpoints) {
      for (const as of ["buyer", "provider"]) {
        isProblem(await market.call(method, path, { as, body }), "insufficient_role")
      }
      isProblem(await market.call(method, path, { body }), "missing_api_key")
    }
  })
})

describe("bodies", () => {
  const path = "/v1/operator/members"

  it("refuses what is not JSON, not of the shape, or of another type", async () => {
    isProblem(await market.call("POST", path, { as: "operator", body: "{" }), "invalid_json")
    const shape = await market.call("POST", path, { as: "operator", body: { name: 7 } })
    isProblem(shape, "invalid_request")
    assert.include(shape.json.detail, "name")
    const headers = { "content-type": "text/plain" }
    isProblem(await market.call("POST", path, { as: "operator", body: "x", headers }), "unsupported_media_type")
  })

  it("refuses what is too large, before it is read", async () => {
    isProblem(
      await market.call("POST", path, { as: "operator", body: { name: "x".repeat(1_100_000) } }),
      "body_too_large",
    )
  })

  it("survives a body that is too large and does not say so", async () => {
    const socket = connect(Number(new URL(market.url).port), "127.0.0.1")
    socket.on("error", () => undefined)
    socket.resume()
    const closed = new Promise((resolve) => socket.on("close", resolve))
    socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n`)
    const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`
    for (let sent = 0; sent < 40; sent++) socket.write(chunk)
    await closed
    assert.strictEqual((await market.call("GET", "/healthz")).status, 200)
  })

  it("refuses a body that comes too slowly", async () => {
    const socket = connect(Number(new URL(market.url).port), "127.0.0.1")
    socket.on("error", () => undefined)
    let text = ""
    socket.on("data", (chunk) => (text += chunk.toString()))
    const closed = new Promise((resolve) => socket.on("close", resolve))
    socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{`)
    await closed
    assert.include(text, "408")
    assert.include(text, "body_timeout")
  })
})

describe("what anyone may read", () => {
  it("the terms, the keys, and whether it is up", async () => {
    const terms = await market.call("GET", "/v1/market")
    assert.strictEqual(terms.json.name, "test")
    assert.strictEqual(terms.json.digest, "d".repeat(64))
    assert.deepStrictEqual(terms.json.split.remainderTo, "platform")
    assert.deepStrictEqual(terms.json.deviceClasses, [{ name: "any", gpuMemoryGib: 0 }])
    const { json } = await market.call("GET", "/.well-known/guildhall-keys.json")
    assert.sameMembers(
      json.keys.map((key: { purpose: string }) => key.purpose),
      ["receipt", "ticket", "checkpoint", "warning"],
    )
    assert.deepStrictEqual((await market.call("GET", "/healthz")).json, { status: "ok" })
    assert.deepStrictEqual((await market.call("GET", "/readyz")).json, { status: "ready" })
  })

  it("the API's description and its page", async () => {
    const openapi = await market.call("GET", "/openapi.json")
    assert.containsAllKeys(openapi.json.paths, ["/v1/receipts/{id}", "/v1/providers/register", "/v1/operator/top-ups"])
    assert.include((await market.call("GET", "/docs")).text, "<html")
  })
})

describe("the metrics", () => {
  it("are for operators", async () => {
    isProblem(await market.call("GET", "/metrics"), "missing_api_key")
    isProblem(await market.call("GET", "/metrics", { as: "sk-nobody" }), "invalid_api_key")
    isProblem(await market.call("GET", "/metrics", { as: "buyer" }), "insufficient_role")
    isProblem(await market.call("GET", "/metrics", { as: "provider" }), "insufficient_role")
    const metrics = await market.call("GET", "/metrics", { as: "operator" })
    assert.strictEqual(metrics.status, 200)
    assert.include(metrics.headers.get("content-type") ?? "", "text/plain")
  })

  it("are for anyone where the market says so", async () => {
    const open = await TestControl.start({ metrics: "anyone" })
    const metrics = await open.call("GET", "/metrics")
    assert.strictEqual(metrics.status, 200)
    assert.include(metrics.headers.get("content-type") ?? "", "text/plain")
    await open.close()
  })
})

describe("readiness", () => {
  it("ends when the gateway drains, and liveness does not", async () => {
    const draining = await TestControl.start()
    await draining.run(draining.readiness.drain)
    const reply = await draining.call("GET", "/readyz")
    isProblem(reply, "shutting_down")
    assert.strictEqual(reply.headers.get("retry-after"), "1")
    assert.strictEqual((await draining.call("GET", "/healthz")).status, 200)
    await draining.close()
  })

  it("ends while a store is away or silent", async () => {
    for (const position of [
      Effect.fail(new Journal.JournalError({ reason: "Unavailable", cause: "away" })),
      Effect.never,
    ]) {
      const journal = Layer.effect(
        Journal.Journal,
        Effect.map(Journal.makeMemory, (memory) => Journal.Journal.of({ ...memory, position })),
      )
      const away = await TestControl.start({ journal })
      isProblem(await away.call("GET", "/readyz"), "service_unavailable")
      await away.close()
    }
  })
})
