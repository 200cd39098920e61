/**
 * Every refusal of a provider's route is a letter: a problem with a code, and a sentence that says what to do.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { OpenApi } from "effect/http-api"
import { Reason } from "@guildhall/core"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import { pages } from "@guildhall/protocol/api/OpenApiPage"
import * as TestControl from "./TestControl.ts"

const REGISTER_GPU = "/api/network/register-gpu"
const PROVIDERS = /^\/(v1\/providers|v1\/settings|api\/(devices|network))/
const METHODS = ["get", "post", "put", "patch", "delete"] as const

let market: TestControl.TestControl
beforeAll(async () => {
  market = await TestControl.start()
})
afterAll(() => market.close())

/** The provider's operations as the page has them, the workers' own lanes aside: those have tests of their own. */
const operations = Object.entries(OpenApi.fromApi(ControlApi).paths).flatMap(([path, item]) =>
  PROVIDERS.test(path) && !/\/(jobs|tunnel)/.test(path)
    ? METHODS.flatMap((method) => {
        const operation = item[method]
        const name = `${method.toUpperCase()} ${path}`
        const url = path.replace("{id}", path.startsWith("/api/devices") ? `dev_${"0".repeat(32)}` : "ins_1")
        return operation === undefined ? [] : [{ name, method: method.toUpperCase(), path, url, operation }]
      })
    : [],
)
const withBodies = operations.filter(({ operation }) => operation.requestBody !== undefined)

const isCode = (code: string): code is Reason.ReasonCode => Object.hasOwn(Reason.reasons, code)

/** A letter, whatever went wrong: its code is one of the market's, with that code's status, and it says something. */
const isLetter = (reply: TestControl.Reply, name: string, code?: Reason.ReasonCode) => {
  assert.include(reply.headers.get("content-type"), "application/problem+json", `${name}: ${reply.text}`)
  assert.isTrue(isCode(reply.json.code), name)
  if (isCode(reply.json.code)) assert.strictEqual(reply.status, Reason.describe(reply.json.code).status, name)
  assert.strictEqual(reply.json.status, reply.status, name)
  assert.isAtLeast(reply.json.detail.length, 20, name)
  if (code !== undefined) assert.strictEqual(reply.json.code, code, `${name}: ${reply.text}`)
}

const fits = (path: string, url: string): boolean => new RegExp(`^${path.replace(/\{\w+\}/g, "[^/]+")}$`).test(url)

const send = (method: string, url: string, body: string, type = "application/json") =>
  market.call(method, url, { as: "provider", body, headers: { "content-type": type } })

describe("V2, V5, V11, S15 · refusals on providers' routes", () => {
  it("finds the routes", () => {
    assert.isAtLeast(operations.length, 30)
    assert.isAtLeast(withBodies.length, 10)
  })

  it("another content type, a body that is too large, and one that is no JSON", async () => {
    for (const { method, name, url } of withBodies) {
      for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]) {
        isLetter(await send(method, url, "{}", type), `${name} ${type}`, "unsupported_media_type")
      }
      isLetter(await send(method, url, `"${"x".repeat(1_000_001)}"`), `${name} too large`, "body_too_large")
      isLetter(await send(method, url, "{"), `${name} no JSON`)
      for (const body of ["[]", "7", "null", '"text"']) isLetter(await send(method, url, body), `${name} ${body}`)
    }
  })

  it("each member of a body with a value of another type", async () => {
    let tried = 0
    for (const { method, name, operation, url } of withBodies) {
      const body = pages[name]?.body
      if (typeof body !== "object" || body === null || Array.isArray(body)) continue
      // A beat under an API key may say anything beside its instances, and what it does not know is read past.
      for (const member of Object.keys(body)) {
        const changed = JSON.stringify({ ...body, [member]: { unexpected: [] } })
        isLetter(await send(method, url, changed), `${name} ${member}`)
        tried += 1
      }
      assert.isDefined(operation.requestBody)
    }
    assert.isAtLeast(tried, 25)
  })

  it("a member that there is not, where somebody writes the body by hand", async () => {
    const wrong = [
      ["POST", "/v1/providers/register", "POST /v1/providers/register"],
      ["PATCH", "/v1/settings/provider/rails", "PATCH /v1/settings/provider/rails"],
    ] as const
    for (const [method, path, name] of wrong) {
      const body = pages[name]?.body
      assert.isObject(body)
      const reply = await send(method, path, JSON.stringify({ ...(body as object), acepts_stripe: true }))
      isLetter(reply, name, "invalid_request")
      assert.include(reply.json.detail, "acepts_stripe")
    }
  })

  it("another method than an address takes: 405, with those that it does", async () => {
    for (const path of new Set(operations.map((one) => one.path))) {
      if (path === REGISTER_GPU) continue
      const own = operations.filter((one) => one.path === path).map(({ method }) => method)
      const url = operations.find((one) => one.path === path)?.url ?? path
      for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
        // `DELETE /v1/providers/{id}` takes any last part, and says that there is no such instance.
        const isOthers = operations.some((one) => one.method === method && fits(one.path, url))
        if (own.includes(method) || isOthers) continue
        const reply = await market.call(method, url, { as: "provider" })
        isLetter(reply, `${method} ${path}`, "method_not_allowed")
        const allowed = reply.headers.get("allow")?.split(", ")
        assert.includeMembers(allowed ?? [], own, path)
      }
    }
    for (const path of ["/v1/providers/jobs/take", "/api/v2/generate/text/pop"]) {
      isLetter(await market.call("GET", path), path, "method_not_allowed")
    }
    // As in a gateway of several processes, which has no jobs to give.
    const unserved = await market.call("POST", "/v1/providers/jobs/take", { body: {} })
    isLetter(unserved, "jobs", "not_found")
    assert.include(unserved.json.detail, "opens a tunnel")
    isLetter(await market.call("GET", "/v1/providers/jobs/one/two/three"), "nothing", "not_found")
  })

  it("nobody's key, and a buyer's", async () => {
    for (const { method, name, operation, url } of operations) {
      if (operation.security.length === 0) continue
      isLetter(await market.call(method, url), `${name} without a key`, "missing_api_key")
      isLetter(await market.call(method, url, { as: "sk-nobody" }), `${name} nobody's`, "invalid_api_key")
      if (name !== "GET /v1/providers/demand") {
        isLetter(await market.call(method, url, { as: "buyer" }), `${name} a buyer's`, "insufficient_role")
      }
    }
  })
})

describe("S15 · the dashboard's names", () => {
  const gone = {
    type: "urn:guildhall:reason:pair_instead",
    title: Reason.describe("pair_instead").sentence,
    status: 410,
    detail:
      "Make a code with POST /api/devices/pair-code (API key of the role provider), run `guildhall-agent pair <code>` on the machine, compare the fingerprint that both show, and approve it with POST /api/devices/:id/approve. Then `guildhall-agent` serves without an API key.",
    code: "pair_instead",
  }

  it("S15 · POST /api/network/register-gpu answers 410 and says how to pair, and so does every other method", async () => {
    for (const method of ["POST", "GET", "PUT", "PATCH", "DELETE"]) {
      for (const as of ["provider", undefined]) {
        const reply = await market.call(method, REGISTER_GPU, as === undefined ? {} : { as })
        assert.strictEqual(reply.status, 410, method)
        assert.deepInclude(reply.json, gone)
        assert.include(reply.headers.get("content-type"), "application/problem+json")
      }
    }
    const bodies = ["", "{", '{"gpu":"RTX 4090"}']
    for (const body of bodies) assert.strictEqual((await send("POST", REGISTER_GPU, body)).status, 410)
  })

  it("S15 · pair-code, pair and heartbeat are there under these names, for POST alone", async () => {
    const code = await market.call("POST", "/api/devices/pair-code", { as: "provider" })
    assert.strictEqual(code.status, 201)
    assert.match(code.json.code, /^\d{6}$/)
    isLetter(await market.call("POST", "/api/devices/pair", { body: { code: "000000" } }), "pair", "invalid_request")
    isLetter(await market.call("POST", "/api/devices/heartbeat", { body: {} }), "heartbeat", "invalid_request")
    for (const name of ["pair-code", "pair", "heartbeat"]) {
      for (const method of ["GET", "PUT"]) {
        const reply = await market.call(method, `/api/devices/${name}`, { as: "provider" })
        isLetter(reply, `${method} ${name}`, "method_not_allowed")
        assert.include(reply.headers.get("allow"), "POST")
      }
    }
  })
})
