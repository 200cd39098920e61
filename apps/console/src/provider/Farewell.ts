/**
 * The last words of a page that is closed. A browser gives it no time to sign anything then, so the words are signed ahead, with
 * a number that comes after those of all that may be under way, and only have to be sent.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { InstanceId } from "@guildhall/core/Instance"
import { SIGNED_PATHS } from "@guildhall/protocol/api/ProvidersApi"
import { Heartbeat } from "@guildhall/protocol/provider/Heartbeat"
import type { BrowserKey } from "./BrowserKey.ts"

/** A market takes what was signed in the last minute. */
const RENEW = "20 seconds"

const encode = Schema.encodeSync(Schema.fromJsonString(Heartbeat))

/** The words. `told` hears what the next beat must carry, `say` sends them, at once and once. */
export interface Farewell {
  readonly told: (nonce: string) => Effect.Effect<void>
  readonly say: () => void
}

/** Makes the words of these instances, which are known once they are registered. */
export const make = Effect.fnUntraced(function* (
  url: string,
  { signLast }: Pick<BrowserKey, "signLast">,
  instances: () => ReadonlyArray<InstanceId>,
) {
  let nonce: string | undefined
  let ready: (() => void) | undefined
  const renew = Effect.suspend(() => {
    if (nonce === undefined) return Effect.void
    const draining = instances().map((id) => ({ instance_id: id, state: "draining" as const, in_flight: 0 }))
    const text = encode({ nonce, instances: draining })
    const body = new TextEncoder().encode(text)
    const send = (headers: Readonly<Record<string, string>>) =>
      Effect.sync(() => {
        ready = () => {
          ready = undefined
          void fetch(`${url}${SIGNED_PATHS.heartbeat}`, {
            method: "POST",
            keepalive: true,
            headers: { ...headers, "content-type": "application/json" },
            body,
          }).catch(() => undefined)
        }
      })
    return Effect.ignore(Effect.flatMap(signLast({ method: "POST", path: SIGNED_PATHS.heartbeat, body }), send))
  })
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(RENEW), renew)))
  yield* Effect.addFinalizer(() => Effect.sync(() => (ready = undefined)))
  const made: Farewell = {
    told: (next) => {
      nonce = next
      return renew
    },
    say: () => ready?.(),
  }
  return made
})
