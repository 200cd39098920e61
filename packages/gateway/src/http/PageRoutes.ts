/**
 * Serves pages that were built ahead: what lies in a folder, found by name in a list that was made when it was read, so that no
 * path leads out of it. Pages hold keys and sign requests, so a browser is told to run nothing but their own files.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as PageFiles from "./internal/PageFiles.ts"

/**
 * Where the pages are: in a folder, still being built, or nowhere, with a letter that says why.
 *
 * @category models
 * @since 0.1.0
 */
export type Pages =
  | { readonly _tag: "Ready"; readonly folder: string }
  | { readonly _tag: "Building" }
  | { readonly _tag: "Missing"; readonly letter: string }

/**
 * What is served. `prefix` is the path in front of them, such as `/console`; `views` are the paths behind it that the page itself
 * tells apart, each answered with `index.html`. `pages` is asked at each request, and has its answer at hand.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly prefix: `/${string}`
  readonly views: ReadonlyArray<string>
  readonly pages: () => Pages
}

/**
 * What a browser is told of every page. Script is a file of this server or WebAssembly, never text in the page; the page speaks to
 * this server alone; no other site frames it. The last three give it memory that threads share, which a browser only gives to pages
 * that are apart from all others.
 */
const GUARDS = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self' blob:",
    // An engine's threads start from a text that the page itself makes.
    "worker-src 'self' blob:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
}

const FOREVER = "public, max-age=31536000, immutable"
const ASK_AGAIN = "no-cache"

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign] ?? sign)

/** A page without script or style, which is all that its policy lets it have. */
const plain = (title: string, text: string): string =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><title>${escaped(title)}</title></head><body><main><h1>${escaped(title)}</h1><p>${escaped(text)}</p></main></body></html>`

const note = (title: string, text: string, headers: Readonly<Record<string, string>>) =>
  HttpServerResponse.text(plain(title, text), {
    status: 503,
    contentType: "text/html; charset=utf-8",
    headers: { ...GUARDS, "cache-control": "no-store", ...headers },
  })

const BUILDING = note("These pages are being built", "It takes some seconds. This page looks again by itself.", {
  refresh: "2",
  "retry-after": "2",
})

const missing = (letter: string) => note("These pages are not here", letter, {})

const NOT_FOUND = HttpServerResponse.text("There is no such file.\n", {
  status: 404,
  headers: { ...GUARDS, "cache-control": "no-store" },
})

const answer = (
  file: PageFiles.PageFile,
  { headers }: HttpServerRequest.HttpServerRequest,
): HttpServerResponse.HttpServerResponse => {
  const common = {
    ...GUARDS,
    "cache-control": file.isHashed ? FOREVER : ASK_AGAIN,
    etag: file.etag,
    vary: "accept-encoding",
  }
  if (headers["if-none-match"] === file.etag) return HttpServerResponse.empty({ status: 304, headers: common })
  const isPacked =
    file.gzip !== undefined &&
    /(?:^|,)\s*gzip\s*(?:,|;(?!\s*q=0(?:\.0*)?\s*(?:,|$))|$)/.test(headers["accept-encoding"] ?? "")
  const body = isPacked && file.gzip !== undefined ? file.gzip : file.bytes
  return HttpServerResponse.uint8Array(body, {
    contentType: file.type,
    headers: isPacked ? { ...common, "content-encoding": "gzip" } : common,
  })
}

/**
 * The routes: the prefix, the views and the files. A folder is read into memory once.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = ({
  pages,
  prefix,
  views,
}: Options): Layer.Layer<never, never, HttpRouter.HttpRouter | FileSystem.FileSystem> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const router = yield* HttpRouter.HttpRouter
      const fs = yield* FileSystem.FileSystem
      const fileOf = yield* PageFiles.make(fs)
      const names = new Map(views.map((view) => [view, "index.html"]))
      const asked = Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        const [path = ""] = request.url.split("?", 1)
        // Addresses in a page are relative to the folder that it is in.
        if (path === prefix) return HttpServerResponse.redirect(`${prefix}/`, { status: 308, headers: GUARDS })
        const now = pages()
        if (now._tag === "Building") return BUILDING
        if (now._tag === "Missing") return missing(now.letter)
        const name = path.slice(prefix.length + 1)
        const file = yield* fileOf(now.folder, names.get(name.replace(/\/$/, "")) ?? name)
        return file === undefined ? NOT_FOUND : answer(file, request)
      }).pipe(
        Effect.catchTag("PlatformError", (error) =>
          Effect.as(
            Effect.logError(`The pages cannot be read: ${error.message}`),
            missing("They cannot be read from this market's disk. Its log says more."),
          ),
        ),
      )
      // The path without anything behind it is matched as well.
      yield* router.add("GET", `${prefix}/*`, asked)
    }),
  )
