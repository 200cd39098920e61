/**
 * What is mounted stands on the API's page, or on a short list that says why it does not.
 */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { OpenApi } from "effect/http-api"
import * as HttpRouter from "effect/http/HttpRouter"
import { Endpoint } from "@guildhall/core/Endpoint"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import { Horde } from "../src/Horde.ts"
import * as ControlRoutes from "../src/http/ControlRoutes.ts"
import * as HordeRoutes from "../src/http/HordeRoutes.ts"
import * as InferenceRoutes from "../src/http/InferenceRoutes.ts"
import * as NotFoundRoute from "../src/http/NotFoundRoute.ts"
import * as PullRoutes from "../src/http/PullRoutes.ts"
import { InferenceLane } from "../src/InferenceLane.ts"
import { PullJobs } from "../src/PullJobs.ts"
import * as TestControl from "./TestControl.ts"

/** Why a route is not on the page. */
const elsewhere = new Map([
  ...Endpoint.literals.map(
    (endpoint) => [`* /v1/${endpoint}`, "OpenAI's and Anthropic's own protocols: docs/clients.md"] as const,
  ),
  ["GET /v1/models", "OpenAI's own protocol: docs/clients.md"],
  ["GET /v1/models/{id}", "OpenAI's own protocol: docs/clients.md"],
  ["GET /v1/models/{org}/{name}", "OpenAI's own protocol: docs/clients.md"],
  ["GET /metrics", "Prometheus' own format"],
  ["GET /openapi.json", "the page itself"],
  ["GET /docs", "the page itself"],
  ["* /*", "what there is not"],
])

/** The routers of the app's composition that are not looked at here: files for people, and no API. */
const files = ["Installer", "ConsolePages"]

const document = OpenApi.fromApi(ControlApi)
const onPage = new Set(
  Object.entries(document.paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
  ),
)

/** A router that writes down what is mounted on it. */
const recorded = Effect.gen(function* () {
  const router = yield* HttpRouter.make
  const mounted = new Set<string>()
  const note = (method: string, path: string) => void mounted.add(`${method} ${path.replace(/:(\w+)/g, "{$1}")}`)
  const recording = HttpRouter.HttpRouter.of({
    ...router,
    add: (method, path, handler, options) => {
      note(method, path)
      return router.add(method, path, handler, options)
    },
    addAll: (routes) => {
      for (const { method, path } of routes) note(method, path)
      return router.addAll(routes)
    },
  })
  return { mounted, recording }
})

/** Nobody asks these here: routes take them when they are mounted. */
const stand = <A>(value: object): A => value as A

describe("S15, V2, G2 · the page of the API", () => {
  it("S15, V2 · has every route that is mounted, but for a list with reasons", async () => {
    const { mounted, recording } = await Effect.runPromise(recorded)
    const routes = Layer.mergeAll(
      InferenceRoutes.layer,
      ControlRoutes.layer,
      PullRoutes.layer,
      HordeRoutes.layer,
      NotFoundRoute.layer,
    ).pipe(
      Layer.provide([
        Layer.succeed(HttpRouter.HttpRouter, recording),
        Layer.succeed(InferenceLane, stand({ handle: () => () => Effect.void })),
        Layer.succeed(PullJobs, stand({})),
        Layer.succeed(Horde, stand({})),
      ]),
      Layer.provide(TestControl.services({})),
      Layer.provide(NodeHttpServer.layerHttpServices),
    )
    await Effect.runPromise(Effect.scoped(Layer.build(routes)))
    assert.isAtLeast(mounted.size, 60)
    const missing = [...mounted].filter((name) => {
      const [, path = ""] = name.split(" ")
      return !onPage.has(name) && !elsewhere.has(name) && !elsewhere.has(`* ${path}`)
    })
    assert.deepStrictEqual(missing, [])
    // What the page shows is mounted; a tunnel's upgrade is taken out of the server before its routes.
    const invented = [...onPage].filter((name) => !mounted.has(name))
    assert.deepStrictEqual(invented, ["GET /v1/providers/tunnel"])
  })

  it("looks at all routers that the reference gateway mounts", () => {
    const app = readFileSync(
      fileURLToPath(new URL("../../../apps/reference-gateway/src/App.ts", import.meta.url)),
      "utf8",
    )
    const [, served = ""] = /HttpRouter\.serve\(([\s\S]*?)\{ disableLogger/.exec(app) ?? []
    const names = [...served.matchAll(/(\w+)\.layer/g)].flatMap(([, name]) => (name === undefined ? [] : [name]))
    assert.sameMembers(
      names,
      [...["InferenceRoutes", "ControlRoutes", "PullRoutes", "HordeRoutes", "NotFoundRoute"], ...files].concat(
        names.filter((name) => name === "Layer"),
      ),
    )
  })

  it("V2, S15 · is served with a summary, a text, errors and an example for each of a provider's routes", async () => {
    const market = await TestControl.start()
    try {
      const { json } = await market.call("GET", "/openapi.json")
      const page = await market.call("GET", "/docs")
      assert.include(page.text, "x-codeSamples")
      // Keys are typed into it: no fonts, counters or services of others.
      for (const word of [`"telemetry":false`, `"withDefaultFonts":false`, `"showDeveloperTools":"never"`]) {
        assert.include(page.text, word)
      }
      const provider = Object.entries<Record<string, object>>(json.paths).filter(([path]) =>
        /^\/(v1\/(providers|settings)|api\/|\.well-known)/.test(path),
      )
      assert.isAtLeast(provider.length, 30)
      for (const [path, item] of provider) {
        for (const [method, operation] of Object.entries<Record<string, never>>(item as never)) {
          const name = `${method} ${path}`
          assert.isString(operation["summary"], name)
          assert.isString(operation["description"], name)
          assert.isNotEmpty(operation["x-codeSamples"], name)
          const statuses = Object.keys(operation["responses"] ?? {})
          assert.isTrue(path.endsWith("status/heartbeat") || statuses.some((status) => Number(status) >= 400), name)
        }
      }
    } finally {
      await market.close()
    }
  })
})
