/**
 * The gateway, composed of its layers. A placeholder: it answers `/healthz` and nothing else.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import { createServer } from "node:http"
import { listenError } from "./Launch.ts"
import type { Facts, Running } from "./Launch.ts"
import type { LaunchError } from "./LaunchError.ts"

/**
 * Starts the gateway in the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (facts: Facts): Effect.Effect<Running, LaunchError, Scope.Scope> =>
  Effect.gen(function* () {
    const server = createServer((request, response) => {
      response.writeHead(request.url === "/healthz" ? 200 : 404).end()
    })
    const listen = Effect.callback<void, LaunchError>((resume) => {
      server.once("error", (cause) => resume(Effect.fail(listenError(facts.settings, cause))))
      server.listen(facts.settings.port, facts.settings.host, () => resume(Effect.void))
    })
    yield* Effect.acquireRelease(listen, () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      }),
    )
    const address = server.address()
    const key = (prefix: string) => Redacted.make(`${prefix}${randomBytes(24).toString("base64url")}`)
    return {
      port: typeof address === "object" && address !== null ? address.port : facts.settings.port,
      keys: facts.lastKeys ?? { buyerKey: key("sk-"), operatorKey: key("op-") },
      agent: undefined,
      ready: Effect.void,
      model: Effect.succeed("none"),
    }
  })
