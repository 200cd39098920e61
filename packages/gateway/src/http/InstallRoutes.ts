/**
 * `/install.sh`, which makes a machine a provider, and the archive that it installs.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerRespondable from "effect/http/HttpServerRespondable"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { Problem } from "@guildhall/protocol/api/Problem"
import * as AddressRate from "./internal/AddressRate.ts"

/** So often a network may ask; a machine asks three times. */
const ASKS_PER_MINUTE = 60

/**
 * What is installed. `script` answers the script for the market's address, which it names in shell quotes: the address has
 * only letters, digits and `:/.[]_~-`. `archive` is named in the script by its SHA-256 in hexadecimal.
 *
 * @category models
 * @since 0.1.0
 */
export interface Installer {
  readonly script: (marketUrl: string) => string
  readonly archive: { readonly sha256: string; readonly bytes: Uint8Array }
}

/**
 * The market's address where none is set: the one under which it was asked, behind a proxy that ends TLS as that proxy says. It
 * goes into a script, so anything but an address's own characters is refused.
 */
const asked = Effect.gen(function* () {
  const { headers } = yield* HttpServerRequest.HttpServerRequest
  const host = headers["host"] ?? ""
  if (!/^[A-Za-z0-9.:[\]-]{1,255}$/.test(host)) {
    return yield* Problem.of("invalid_request", "The header Host has no address that a script could hold.")
  }
  return `${headers["x-forwarded-proto"] === "https" ? "https" : "http"}://${host}`
})

/** Nothing on the way may keep a script, for it names the archive of this very market. */
const SCRIPT_HEADERS = { "cache-control": "no-store", "x-content-type-options": "nosniff" }
/** An archive's name says its content. */
const ARCHIVE_HEADERS = {
  "cache-control": "public, max-age=31536000, immutable",
  "x-content-type-options": "nosniff",
}

const ARCHIVE = /^\/install\/agent-([0-9a-f]{64})\.tgz$/

/**
 * The routes. `publicUrl` is the market's address in the world, without a slash at its end; where it is not known, the script
 * names the address under which it was fetched. `installer` is asked at the first request, and again where it failed.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: {
  readonly publicUrl: string | undefined
  readonly installer: Effect.Effect<Installer, Problem>
}): Layer.Layer<never, never, HttpRouter.HttpRouter> =>
  HttpRouter.use((router) =>
    Effect.gen(function* () {
      const addressed = yield* AddressRate.make(ASKS_PER_MINUTE)
      const answer = <R>(work: Effect.Effect<HttpServerResponse.HttpServerResponse, Problem, R>) =>
        addressed.pipe(
          Effect.andThen(work),
          Effect.catchTag("Problem", (problem) => problem[HttpServerRespondable.symbol]()),
        )
      const script = Effect.gen(function* () {
        const marketUrl = options.publicUrl ?? (yield* asked)
        const installer = yield* options.installer
        return HttpServerResponse.text(installer.script(marketUrl), {
          contentType: "text/x-shellscript; charset=utf-8",
          headers: SCRIPT_HEADERS,
        })
      })
      const archive = Effect.gen(function* () {
        const request = yield* HttpServerRequest.HttpServerRequest
        const wanted = Option.match(HttpServerRequest.toURL(request), {
          onNone: () => undefined,
          onSome: ({ pathname }) => ARCHIVE.exec(pathname)?.[1],
        })
        const { archive: held } = yield* options.installer
        if (wanted !== held.sha256) {
          const detail = "The market installs another version by now. Fetch /install.sh again, and run that."
          return yield* Problem.of("not_found", detail)
        }
        return HttpServerResponse.uint8Array(held.bytes, { contentType: "application/gzip", headers: ARCHIVE_HEADERS })
      })
      yield* router.add("GET", "/install.sh", answer(script))
      yield* router.add("GET", "/install/:file", answer(archive))
    }),
  )
