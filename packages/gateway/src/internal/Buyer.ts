import type { IncomingMessage, ServerResponse } from "node:http"

/**
 * The buyer's end of an exchange: Node's request and response, and what happens to their connection. There is one set
 * of listeners for the whole request; each phase puts its own functions here.
 */
export class Buyer {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** The connection ended before the answer did. */
  gone = false
  onGone: (() => void) | undefined
  onDrain: (() => void) | undefined

  /** Whether an answer may end with trailers: only a chunked one has any, and in HTTP/1.0 none is chunked. */
  get takesTrailers(): boolean {
    return this.request.httpVersion !== "1.0"
  }

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.request = request
    this.response = response
    if (response.destroyed || response.socket?.destroyed === true) this.gone = true
    response.on("close", () => {
      if (response.writableFinished) return
      this.gone = true
      this.onGone?.()
    })
    response.on("drain", () => this.onDrain?.())
    // Without a listener a reset connection would be an uncaught error; the close that follows is what counts.
    response.on("error", () => undefined)
    request.on("error", () => undefined)
    // A token must leave at once: Nagle's algorithm and a delayed acknowledgement together would hold it for 40 ms.
    response.socket?.setNoDelay(true)
  }
}
