/** How this page speaks to its market as a device: the shared client, with letters for who sits before the page. */
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Client from "@guildhall/agent/serving/MarketClient"
import { BrowserError } from "./BrowserError.ts"
import type { BrowserKey } from "./BrowserKey.ts"

/** What to do about a refusal, where this side can do something. */
const advice: Readonly<Record<string, string>> = {
  invalid_api_key: "Sign out and give a provider's key of this market.",
  insufficient_role: "Sign out and give a provider's key: this one is of another role.",
  stale_message: "Set this device's clock: it differs from the market's by more than a minute.",
  device_revoked: "Clear this site's data in the browser to join as a new device.",
  invalid_price: "Change the prices.",
  too_many_instances: "Revoke devices that you do not use any more, or ask the operator for more.",
}

const refused: Client.Options<BrowserError>["refused"] = ({ code, detail, status }) => {
  const what = advice[code]
  const letter = `The market refused (${status} ${code}): ${detail}${what === undefined ? "" : ` ${what}`}`
  return new BrowserError(letter, { code, status })
}

/** Makes the client. */
export const make = (options: { readonly url: string; readonly apiKey: Redacted.Redacted; readonly key: BrowserKey }) =>
  Client.make<BrowserError>({
    url: options.url,
    apiKey: options.apiKey,
    signRequest: options.key.signRequest,
    away: (detail) =>
      new BrowserError(`${detail} The page keeps trying; check your connection if this lasts.`, { isRetryable: true }),
    refused,
  }).pipe(Effect.map((client): Client.MarketClient<BrowserError> => client))
