/**
 * The page of the API: whoever reads it finds of each operation what it does, what goes wrong, and an example that is right.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { HttpApi, type HttpApiEndpoint, OpenApi } from "effect/http-api"
import { ControlApi, OpenApiPage, WorkersApi } from "../src/api/index.ts"

const document = OpenApi.fromApi(ControlApi.ControlApi)
const METHODS = ["get", "post", "delete", "put", "patch"] as const
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  METHODS.flatMap((method) => {
    const operation = item[method]
    return operation === undefined ? [] : [{ name: `${method.toUpperCase()} ${path}`, operation }]
  }),
)

const endpoints = new Map<string, HttpApiEndpoint.Top>()
const keep = ({ endpoint }: { readonly endpoint: HttpApiEndpoint.Top }) => {
  const path = endpoint.path.replace(/:(\w+)/g, "{$1}")
  endpoints.set(`${endpoint.method} ${path}`, endpoint)
}
HttpApi.reflect(ControlApi.ControlApi, { onGroup: () => undefined, onEndpoint: keep })
HttpApi.reflect(WorkersApi.WorkersApi, { onGroup: () => undefined, onEndpoint: keep })

/** What is wrong with an example, where none of the schemas takes it. */
const wrong = (schemas: Iterable<Schema.Top>, value: unknown): ReadonlyArray<string> => {
  const problems: Array<string> = []
  for (const schema of schemas) {
    // Decoding JSON needs nothing of the surroundings; the type of a schema in a set does not say so.
    const decode = Schema.decodeUnknownResult(Schema.toCodecJson(schema as Schema.Codec<unknown, unknown>), {
      onExcessProperty: "error",
    })
    const decoded = decode(value)
    if (Result.isSuccess(decoded)) return []
    problems.push(String(decoded.failure))
  }
  return problems
}

const payloadsOf = ({ payload }: HttpApiEndpoint.Top): ReadonlyArray<Schema.Top> =>
  [...payload.values()].flatMap((one) => ("schemas" in one ? one.schemas : []))

describe("the page of the API", () => {
  it("V2, S15 · says of every operation what it does, what goes wrong, and shows how it is called", () => {
    for (const { name, operation } of operations) {
      assert.isAtLeast(operation.summary?.length ?? 0, 5, name)
      assert.isAtLeast(operation.description?.length ?? 0, 10, name)
      const statuses = Object.keys(operation.responses).map(Number)
      if (!name.endsWith("/status/heartbeat"))
        assert.isTrue(
          statuses.some((status) => status >= 400),
          name,
        )
      const [sample] = (operation as { "x-codeSamples"?: ReadonlyArray<{ source: string }> })["x-codeSamples"] ?? []
      assert.include(sample?.source, "curl", name)
      assert.notMatch(sample?.source ?? "{", /\{\w+\}/, name)
      if (operation.requestBody === undefined) continue
      const bodies = Object.entries(operation.requestBody.content)
      for (const [type, shape] of bodies) {
        if (type === "application/json") assert.property(shape, "examples", name)
      }
    }
  })

  it("has no text of an operation that is not there", () => {
    const names = new Set(operations.map(({ name }) => name))
    assert.deepStrictEqual(
      Object.keys(OpenApiPage.pages).filter((name) => !names.has(name)),
      [],
    )
  })

  it("shows examples that the market takes, and answers that it gives", () => {
    const problems = Object.entries(OpenApiPage.pages).flatMap(([name, { answer, body }]) => {
      const endpoint = endpoints.get(name)
      if (endpoint === undefined) return [`${name}: there is none`]
      return [
        ...(typeof body === "object" ? wrong(payloadsOf(endpoint), body) : []),
        ...(answer === undefined ? [] : wrong(endpoint.success, answer)),
      ].map((problem) => `${name}: ${problem}`)
    })
    assert.deepStrictEqual(problems, [])
  })

  it("puts the workers' operations beside the others without a clash", () => {
    const workers = OpenApi.fromApi(WorkersApi.WorkersApi)
    const own = new Set(Object.keys(workers.paths))
    assert.isAtLeast(own.size, 12)
    for (const path of own) assert.property(document.paths, path)
    for (const [name, schema] of Object.entries(workers.components.schemas)) {
      assert.deepStrictEqual(document.components.schemas[name], schema, name)
    }
    const tags = new Set(document.tags.map(({ name }) => name))
    assert.strictEqual(tags.size, document.tags.length)
  })
})
