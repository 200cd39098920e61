import type { RequestId } from "@guildhall/core/Request"
import * as Refusal from "../Refusal.ts"
import type { Buyer } from "./Buyer.ts"

/** Answers a request that gets no answer from a provider. Where an answer has begun, only the connection can end. */
export const refuse = (
  buyer: Buyer,
  refusal: Refusal.Refusal,
  request: { readonly id: RequestId; readonly attempts: number },
): void => {
  const { response, request: incoming } = buyer
  if (buyer.gone || response.writableEnded) return
  if (response.headersSent) {
    response.destroy()
    return
  }
  const body = Buffer.from(Refusal.body(refusal))
  const headers: Record<string, string | ReadonlyArray<string>> = {
    ...Refusal.headers(refusal, request),
    "content-length": String(body.length),
    "x-request-id": request.id,
    "x-guildhall-attempts": String(request.attempts),
  }
  // What is left of the body would have to be read before the connection could serve another request.
  if (!incoming.complete) headers["connection"] = "close"
  for (const name in headers) {
    const value = headers[name]
    if (value !== undefined) response.setHeader(name, typeof value === "string" ? value : [...value])
  }
  response.statusCode = Refusal.status(refusal)
  response.end(body)
}
