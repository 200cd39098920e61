import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import * as Http from "node:http"
import * as PageRoutes from "../src/http/PageRoutes.ts"

const SECRET = "not a page"

/** A folder of built pages, with what must not be seen around and in it. */
const folderOf = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const base = yield* fs.makeTempDirectoryScoped()
  const folder = `${base}/pages`
  yield* fs.makeDirectory(`${folder}/assets/.hidden`, { recursive: true })
  const files = {
    "secret.txt": SECRET,
    "pages/index.html": "<!doctype html><title>Pages</title>",
    "pages/assets/index-AbCdEf12.js": "console.info(1)\n".repeat(200),
    "pages/assets/engine-AbCdEf12.wasm": "\0asm",
    "pages/assets/plain.css": "p{}",
    "pages/.env": SECRET,
    "pages/notes.md": SECRET,
    "pages/assets/.hidden/key.txt": SECRET,
  }
  for (const [name, text] of Object.entries(files)) yield* fs.writeFileString(`${base}/${name}`, text)
  yield* fs.symlink(`${base}/secret.txt`, `${folder}/assets/link.txt`).pipe(Effect.ignore)
  return folder
})

/** A server on the routes; what it answers to a path as it is written, which `fetch` would tidy up. */
const serve = Effect.fnUntraced(function* (pages: () => PageRoutes.Pages) {
  const context = yield* Layer.build(
    HttpRouter.serve(PageRoutes.layer({ prefix: "/console", views: ["", "serve"], pages }), {
      disableLogger: true,
      disableListenLog: true,
    }).pipe(
      Layer.provideMerge(NodeHttpServer.layer(() => Http.createServer(), { port: 0, host: "127.0.0.1" })),
      Layer.provide(NodeServices.layer),
    ),
  )
  const { address } = yield* Effect.provide(HttpServer.HttpServer, context)
  const port = address._tag === "UnixPathAddress" ? 0 : address.port
  return (path: string, headers: Record<string, string> = {}) =>
    Effect.callback<{ readonly status: number; readonly headers: Http.IncomingHttpHeaders; readonly body: string }>(
      (resume) => {
        Http.get({ port, host: "127.0.0.1", path, headers }, (response) => {
          let body = ""
          response.on("data", (chunk: Buffer) => (body += chunk.toString("latin1")))
          response.on("end", () =>
            resume(Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, body })),
          )
        })
      },
    )
})

describe("PageRoutes", () => {
  it.effect("answers the views with the page, files with their type, and keeps hashed ones for ever", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf
      const get = yield* serve(() => ({ _tag: "Ready", folder }))
      for (const path of ["/console/", "/console/serve", "/console/serve/", "/console/?a=1"]) {
        const answer = yield* get(path)
        assert.strictEqual(answer.status, 200, path)
        assert.strictEqual(answer.headers["content-type"], "text/html; charset=utf-8")
        assert.strictEqual(answer.headers["cache-control"], "no-cache")
      }
      assert.deepInclude((yield* get("/console")).headers, { location: "/console/" })
      const script = yield* get("/console/assets/index-AbCdEf12.js")
      assert.strictEqual(script.headers["content-type"], "text/javascript; charset=utf-8")
      assert.strictEqual(script.headers["cache-control"], "public, max-age=31536000, immutable")
      assert.isUndefined(script.headers["content-encoding"])
      const packed = yield* get("/console/assets/index-AbCdEf12.js", { "accept-encoding": "br, gzip;q=0.8" })
      assert.strictEqual(packed.headers["content-encoding"], "gzip")
      assert.isBelow(packed.body.length, script.body.length)
      assert.isUndefined(
        (yield* get("/console/assets/index-AbCdEf12.js", { "accept-encoding": "gzip;q=0" })).headers[
          "content-encoding"
        ],
      )
      assert.strictEqual(
        (yield* get("/console/assets/engine-AbCdEf12.wasm")).headers["content-type"],
        "application/wasm",
      )
      assert.strictEqual((yield* get("/console/assets/plain.css")).headers["cache-control"], "no-cache")
      const again = yield* get("/console/", { "if-none-match": String((yield* get("/console/")).headers.etag) })
      assert.deepStrictEqual([again.status, again.body], [304, ""])
    }).pipe(Effect.provide(NodeServices.layer)),
  )

  it.effect(
    "tells the browser of every answer to run nothing but the market's own files, and to let nobody frame it",
    () =>
      Effect.gen(function* () {
        const folder = yield* folderOf
        const get = yield* serve(() => ({ _tag: "Ready", folder }))
        for (const path of ["/console/", "/console", "/console/assets/index-AbCdEf12.js", "/console/nothing"]) {
          const { headers } = yield* get(path)
          const policy = String(headers["content-security-policy"])
          for (const rule of [
            "default-src 'none'",
            "script-src 'self' 'wasm-unsafe-eval'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
          ]) {
            assert.include(policy, rule, path)
          }
          assert.notInclude(policy, "unsafe-inline")
          assert.notMatch(policy, /'unsafe-eval'/)
          assert.deepInclude(headers, {
            "x-content-type-options": "nosniff",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-embedder-policy": "require-corp",
            "referrer-policy": "no-referrer",
          })
        }
      }).pipe(Effect.provide(NodeServices.layer)),
  )

  it.effect("finds nothing outside the folder, hidden in it, or of a kind that pages do not have", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf
      const get = yield* serve(() => ({ _tag: "Ready", folder }))
      for (const path of [
        "/console/../secret.txt",
        "/console/assets/../../secret.txt",
        "/console/%2e%2e/secret.txt",
        "/console/..%2fsecret.txt",
        "/console/..%5csecret.txt",
        "/console/assets/%252e%252e/%252e%252e/secret.txt",
        "/console//etc/passwd",
        `/console/${folder}/index.html`,
        "/console/.env",
        "/console/notes.md",
        "/console/assets/.hidden/key.txt",
        "/console/assets/link.txt",
        "/console/assets/",
        "/console/__proto__",
        "/console/constructor",
        "/console/index.html%00.js",
      ]) {
        const answer = yield* get(path)
        assert.notInclude(answer.body, SECRET, path)
        assert.include([400, 404], answer.status, path)
      }
    }).pipe(Effect.provide(NodeServices.layer)),
  )

  it.effect("says that the pages are being built, looks again, and says why there are none", () =>
    Effect.gen(function* () {
      const folder = yield* folderOf
      let pages: PageRoutes.Pages = { _tag: "Building" }
      const get = yield* serve(() => pages)
      const building = yield* get("/console/")
      assert.strictEqual(building.status, 503)
      assert.include(building.body, "being built")
      assert.deepInclude(building.headers, { refresh: "2", "cache-control": "no-store" })
      pages = { _tag: "Missing", letter: "<b>vite</b> is not installed." }
      assert.include((yield* get("/console/")).body, "&lt;b&gt;vite&lt;/b&gt; is not installed.")
      pages = { _tag: "Ready", folder }
      assert.strictEqual((yield* get("/console/")).status, 200)
    }).pipe(Effect.provide(NodeServices.layer)),
  )
})
