import * as Effect from "effect/Effect"
import { Refusal } from "../Refusal.ts"
import type { Buyer } from "./Buyer.ts"
import * as Ticks from "./Ticks.ts"

/**
 * Reads a request's body, whole or not at all: too much of it, or too slowly, and the rest is never read. The answer
 * to such a refusal closes the connection.
 */
export const read = (
  buyer: Buyer,
  limits: { readonly requestBytes: number; readonly requestBodyMs: number },
): Effect.Effect<Buffer, Refusal> =>
  Effect.callback<Buffer, Refusal>((resume) => {
    const { request } = buyer
    const tooLarge = () =>
      new Refusal({
        code: "body_too_large",
        detail: `The body is larger than ${limits.requestBytes} bytes. Send less.`,
        headers: { connection: "close" },
      })
    if (Number(request.headers["content-length"] ?? 0) > limits.requestBytes) {
      resume(Effect.fail(tooLarge()))
      return
    }
    // Effect's server leaves this to whoever reads the body; without it some clients wait for a second.
    if (request.headers.expect?.toLowerCase() === "100-continue") buyer.response.writeContinue()
    const chunks: Array<Buffer> = []
    let bytes = 0
    const finish = (result: Effect.Effect<Buffer, Refusal>) => {
      Ticks.stop(timer)
      request.off("data", onData)
      request.off("end", onEnd)
      buyer.onGone = undefined
      resume(result)
    }
    const onData = (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > limits.requestBytes) {
        request.pause()
        finish(Effect.fail(tooLarge()))
      } else chunks.push(chunk)
    }
    const onEnd = () => {
      const [only] = chunks
      finish(Effect.succeed(only !== undefined && chunks.length === 1 ? only : Buffer.concat(chunks, bytes)))
    }
    const timer = Ticks.after(limits.requestBodyMs, () => {
      request.pause()
      const detail = `The body did not arrive within ${limits.requestBodyMs} ms. Send it faster.`
      finish(Effect.fail(new Refusal({ code: "body_timeout", detail, headers: { connection: "close" } })))
    })
    const onGone = () => finish(Effect.fail(new Refusal({ code: "client_closed_request" })))
    buyer.onGone = onGone
    request.on("data", onData)
    request.on("end", onEnd)
    if (buyer.gone) onGone()
  })
