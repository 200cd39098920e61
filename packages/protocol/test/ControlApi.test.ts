import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema } from "effect"
import { HttpClient, type HttpClientRequest, HttpClientResponse } from "effect/http"
import { HttpApiClient, OpenApi } from "effect/http-api"
import { Asset, Reason } from "@guildhall/core"
import {
  Access,
  BalanceApi,
  ControlApi,
  DisplayMoney,
  MembersApi,
  Problem,
  RequestsApi,
  WorkersApi,
} from "../src/api/index.ts"

const document = OpenApi.fromApi(ControlApi.ControlApi)
/** What the page shows of lanes of their own, which have errors and keys of their own, is no part of this API. */
const beside = OpenApi.fromApi(WorkersApi.WorkersApi).paths
const own = Object.entries(document.paths).filter(([path]) => beside[path] === undefined)
const operations = own.flatMap(([path, item]) =>
  (["get", "post", "delete", "put", "patch"] as const).flatMap((method) => {
    const operation = item[method]
    return operation === undefined ? [] : [{ path, method, operation }]
  }),
)

describe("the API", () => {
  it("is described whole: every operation has a summary, and problems for what can go wrong", () => {
    assert.isAtLeast(operations.length, 21)
    for (const { path, method, operation } of operations) {
      assert.isString(operation.summary, `${method} ${path}`)
      const { "500": failure } = operation.responses
      assert.property(failure?.content, "application/problem+json", `${method} ${path}`)
    }
  })

  it("is open without a key only where it says so", () => {
    const open = operations.filter(({ operation }) => operation.security.length === 0)
    assert.sameMembers(
      open.map(({ method, path }) => `${method} ${path}`),
      [
        "get /v1/market",
        "get /v1/market/estimates",
        "get /.well-known/guildhall-keys.json",
        "get /healthz",
        "get /readyz",
        // Signed by a device.
        "post /v1/providers/heartbeat",
        "post /v1/providers/register",
        "post /api/devices/pair",
        "post /api/devices/{id}/key",
        "post /api/devices/{id}/wallet",
        "post /api/devices/heartbeat",
        // Gone.
        "post /api/network/register-gpu",
      ],
    )
  })

  it("keeps the operators' endpoints to operators, and members' devices to providers", () => {
    const { members, operator } = ControlApi.ControlApi.groups
    for (const endpoint of [...Object.values(members.endpoints), ...Object.values(operator.endpoints)]) {
      assert.deepStrictEqual(endpoint.annotations.mapUnsafe.get(Access.Roles.key), ["operator"])
    }
    const { approve, list, pairCode, refuse, rename } = ControlApi.ControlApi.groups.devices.endpoints
    for (const endpoint of [approve, list, pairCode, refuse, rename]) {
      assert.deepStrictEqual(endpoint.annotations.mapUnsafe.get(Access.Roles.key), ["provider"])
    }
  })
})

describe("a problem", () => {
  it("says of every code what it is, in a text that reads back as itself", () => {
    for (const code of Reason.ReasonCode.literals) {
      const problem = Problem.Problem.of(code)
      const { status, isRetryable, sentence } = Reason.describe(code)
      assert.deepInclude(problem, { code, status, title: sentence, detail: sentence })
      assert.strictEqual(problem.isRetryable, isRetryable)
      const json = Schema.encodeSync(Problem.Problem)(problem)
      assert.notProperty(json, "_tag")
      assert.deepStrictEqual(Schema.decodeSync(Problem.Problem)(json), problem)
    }
  })

  it("comes out of a client as it was, whatever its status", async () => {
    const answers = (problem: Problem.Problem) =>
      HttpClient.make((request) => {
        const body = JSON.stringify(Schema.encodeSync(Problem.Problem)(problem))
        const headers = { "content-type": "application/problem+json" }
        const response = new Response(body, { status: problem.status, headers })
        return Effect.succeed(HttpClientResponse.fromWeb(request, response))
      })
    for (const code of ["missing_api_key", "insufficient_role", "receipt_pending", "service_unavailable"] as const) {
      const problem = Problem.Problem.of(code, "This time.")
      const failure = await Effect.runPromise(
        Effect.gen(function* () {
          const client = yield* HttpApiClient.make(ControlApi.ControlApi, { baseUrl: "http://market" })
          const params = { id: RequestsApi.RequestView.fields.id.make(`req_${"0".repeat(32)}`) }
          return yield* Effect.flip(client.receipts.get({ params }))
        }).pipe(
          Effect.provide(
            Layer.merge(
              Layer.succeed(HttpClient.HttpClient, answers(problem)),
              Access.layerClient(Redacted.make("sk-test")),
            ),
          ),
        ),
      )
      assert.deepStrictEqual(failure, problem)
    }
  })
})

describe("a client", () => {
  it("sends its key, and reads amounts exactly", async () => {
    const requests: Array<HttpClientRequest.HttpClientRequest> = []
    const balance: BalanceApi.Balance = {
      member: BalanceApi.Balance.fields.member.make("mem_1"),
      funds: {
        balance: DisplayMoney.of(10n ** 30n + 1n, Asset.USD),
        held: DisplayMoney.of(0n, Asset.USD),
        available: null,
      },
      accounts: [
        {
          id: "buyer:card:mem_1",
          kind: "buyer",
          source: "card",
          state: "open",
          balance: DisplayMoney.of(10n ** 30n + 1n, Asset.USD),
          held: DisplayMoney.of(0n, Asset.USD),
          available: null,
        },
      ],
    }
    const json = Schema.encodeSync(Schema.toCodecJson(BalanceApi.Balance))(balance)
    const market = HttpClient.make((request) => {
      requests.push(request)
      return Effect.succeed(HttpClientResponse.fromWeb(request, Response.json(json)))
    })
    const answer = await Effect.runPromise(
      Effect.flatMap(HttpApiClient.make(ControlApi.ControlApi, { baseUrl: "http://market" }), (client) =>
        client.balance.get(),
      ).pipe(
        Effect.provide(
          Layer.merge(Layer.succeed(HttpClient.HttpClient, market), Access.layerClient(Redacted.make("sk-test"))),
        ),
      ),
    )
    assert.deepStrictEqual(answer, balance)
    assert.strictEqual(requests[0]?.headers["authorization"], "Bearer sk-test")
    assert.include(JSON.stringify(json), '"amount":"1000000000000000000000000000001"')
  })
})

describe("pages and money", () => {
  const page = Schema.decodeUnknownExit(Schema.Struct(RequestsApi.PageQuery))

  it("pages have 20 items unless told, 1 to 100, of whole numbers", () => {
    assert.strictEqual(Schema.decodeUnknownSync(Schema.Struct(RequestsApi.PageQuery))({}).limit, 20)
    for (const limit of ["1", "100"]) assert.strictEqual(page({ limit })._tag, "Success")
    for (const limit of ["0", "101", "-1", "1.5", "x", ""]) assert.strictEqual(page({ limit })._tag, "Failure", limit)
    assert.strictEqual(page({ before: "req_1" })._tag, "Failure")
  })

  it("a key keeps bodies to itself unless told", () => {
    const key = Schema.decodeUnknownSync(MembersApi.NewKey)({ member: "mem_1", name: "k", role: "buyer" })
    assert.strictEqual(key.dataCollection, "deny")
  })
})
