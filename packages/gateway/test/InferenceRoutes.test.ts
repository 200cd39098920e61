import { afterEach, assert, describe, it } from "@effect/vitest"
import { Endpoint } from "@guildhall/core"
import * as TestLane from "./TestLane.ts"
import * as Upstream from "./ScriptedUpstream.ts"

afterEach(TestLane.closeAll)

const start = async () => {
  const { lane } = await TestLane.withUpstream(Upstream.status(500, "must not be asked"))
  return (path: string, method: string) => fetch(`http://127.0.0.1:${lane.port}${path}`, { method })
}

describe("the routes of the lane", () => {
  it("answer another method with 405 and the one that there is, in the endpoint's dialect", async () => {
    const ask = await start()
    for (const endpoint of Endpoint.Endpoint.literals) {
      for (const method of ["GET", "PUT", "DELETE", "OPTIONS"]) {
        const answer = await ask(`/v1/${endpoint}`, method)
        assert.strictEqual(answer.status, 405, `${method} ${endpoint}`)
        assert.strictEqual(answer.headers.get("allow"), "POST")
        const { error, ...rest } = JSON.parse(await answer.text())
        assert.strictEqual(error.code, "method_not_allowed")
        assert.include(error.message, `takes POST, and not ${method}`)
        assert.deepStrictEqual(rest, endpoint === "messages" ? { type: "error" } : {})
      }
    }
  })

  it.each(["test/model", "test%2Fmodel", "test/model:floor", "test%2Fmodel%3Anitro", "small", "small:floor"])(
    "show the model that %s names",
    async (name) => {
      const ask = await start()
      const answer = await ask(`/v1/models/${name}`, "GET")
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(JSON.parse(await answer.text()).id, TestLane.MODEL)
    },
  )

  it.each(["%", "test/model:free", "%E0%A4%A", "a%zz", "no/such", "no%2Fsuch"])(
    "say that there is no model %s",
    async (name) => {
      const ask = await start()
      const answer = await ask(`/v1/models/${name}`, "GET")
      assert.strictEqual(answer.status, 404)
      assert.strictEqual(JSON.parse(await answer.text()).error.code, "model_not_found")
    },
  )
})
