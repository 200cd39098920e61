import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import * as Http from "node:http"
import { Problem } from "@guildhall/protocol/api/Problem"
import * as InstallRoutes from "../src/http/InstallRoutes.ts"

const sha256 = "ab".repeat(32)
const installer: InstallRoutes.Installer = {
  script: (marketUrl) => `#!/bin/sh\nMARKET='${marketUrl}'\n`,
  archive: { sha256, bytes: new Uint8Array([1, 2, 3]) },
}

interface Answer {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly body: string
}

/** A server on the routes; its answer to a path and headers as they are written, which `fetch` would tidy up. */
const serve = Effect.fnUntraced(function* (options: Partial<Parameters<typeof InstallRoutes.layer>[0]> = {}) {
  const routes = InstallRoutes.layer({ publicUrl: undefined, installer: Effect.succeed(installer), ...options })
  const context = yield* Layer.build(
    HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provideMerge(NodeHttpServer.layer(() => Http.createServer(), { port: 0, host: "127.0.0.1" })),
    ),
  )
  const { address } = yield* Effect.provide(HttpServer.HttpServer, context)
  const port = address._tag === "UnixPathAddress" ? 0 : address.port
  return (path: string, headers: Record<string, string> = {}) =>
    Effect.callback<Answer>((resume) => {
      Http.get({ port, host: "127.0.0.1", path, headers, agent: false }, (response) => {
        let body = ""
        response.on("data", (chunk: Buffer) => (body += chunk.toString("latin1")))
        response.on("end", () =>
          resume(Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, body })),
        )
      })
    })
})

describe("InstallRoutes", () => {
  it.effect("answers the script with the address under which it was asked, and lets nobody keep it", () =>
    Effect.gen(function* () {
      const get = yield* serve()
      const { body, headers, status } = yield* get("/install.sh", { host: "market.example:8443" })
      assert.strictEqual(status, 200)
      assert.strictEqual(body, installer.script("http://market.example:8443"))
      assert.deepInclude(headers, {
        "content-type": "text/x-shellscript; charset=utf-8",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
      })
      const proxied = yield* get("/install.sh", { host: "market.example", "x-forwarded-proto": "https" })
      assert.strictEqual(proxied.body, installer.script("https://market.example"))
    }),
  )

  it.effect("puts nothing into the script that is no address", () =>
    Effect.gen(function* () {
      const get = yield* serve()
      for (const host of ["a'$(id)'", "a b", "a;id", "a/`id`", "x".repeat(300), 'a"', "a\\"]) {
        const { body, status } = yield* get("/install.sh", { host })
        assert.strictEqual(status, 400, host)
        assert.notInclude(body, "#!/bin/sh")
      }
    }),
  )

  it.effect("names the market's own address where it is known, whatever was asked", () =>
    Effect.gen(function* () {
      const get = yield* serve({ publicUrl: "https://market.example" })
      const { body } = yield* get("/install.sh", { host: "elsewhere.example" })
      assert.strictEqual(body, installer.script("https://market.example"))
    }),
  )

  it.effect("answers the archive under its digest alone, for ever", () =>
    Effect.gen(function* () {
      const get = yield* serve()
      const { body, headers, status } = yield* get(`/install/agent-${sha256}.tgz`)
      assert.strictEqual(status, 200)
      assert.strictEqual(body, "\u0001\u0002\u0003")
      assert.deepInclude(headers, {
        "content-type": "application/gzip",
        "cache-control": "public, max-age=31536000, immutable",
      })
      for (const path of [`/install/agent-${"0".repeat(64)}.tgz`, "/install/agent.tgz", "/install/..%2f..%2fetc"]) {
        const other = yield* get(path)
        assert.strictEqual(other.status, 404, path)
        assert.include(other.body, "Fetch /install.sh again")
      }
    }),
  )

  it.effect("tells why there is no installer, and bounds how often a network may ask", () =>
    Effect.gen(function* () {
      const get = yield* serve({ installer: Effect.fail(Problem.of("service_unavailable", "It could not be made.")) })
      const { body, status } = yield* get("/install.sh")
      assert.strictEqual(status, 503)
      assert.include(body, "It could not be made.")
      const answers = yield* Effect.forEach(Array.from({ length: 60 }), () => get("/install.sh"), { concurrency: 8 })
      assert.strictEqual(answers.filter((answer) => answer.status === 429).length, 1)
    }),
  )
})
