/**
 * The client of `serving/MarketClient`, with the agent's key and letters for who sits at its terminal.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as HttpClient from "effect/http/HttpClient"
import * as Client from "./serving/MarketClient.ts"
import { AgentError } from "./AgentError.ts"
import { DeviceKey, KEY_FILE } from "./DeviceKey.ts"
import * as MarketAddress from "./MarketAddress.ts"

/**
 * The client. All fail with `MarketAway` (worth another try) or `MarketRefused` (with the market's code).
 *
 * @category services
 * @since 0.1.0
 */
export class MarketClient extends Context.Service<MarketClient, Client.MarketClient<AgentError>>()(
  "@guildhall/agent/MarketClient",
) {}

/**
 * Which market, and under which key, if any. `url` is its base, such as `http://127.0.0.1:8787`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly url: string
  readonly apiKey: Redacted.Redacted<string> | undefined
}

/** What to do about a refusal, where the agent's side can do something. */
const advice: Readonly<Record<string, string>> = {
  invalid_api_key: "Check --key (GUILDHALL_PROVIDER_KEY): it must be a provider's key of this market.",
  missing_api_key: "Pass a provider's key with --key or GUILDHALL_PROVIDER_KEY.",
  insufficient_role: "Pass a provider's key: this one is of another role.",
  stale_message: "Set this machine's clock: it differs from the market's by more than a minute.",
  device_not_paired: "Or pass a provider's key with --key or GUILDHALL_PROVIDER_KEY.",
  device_revoked: `Delete ${KEY_FILE} in the agent's home to join as a new device, if the market allows it.`,
  provider_name_taken: "Give a name of your own with --provider, or none.",
  too_many_instances: "Take off the market what is not served any more, or ask the operator for more.",
  invalid_price: "Give prices in whole cents for a million tokens with --input-price and --output-price.",
  invalid_endpoint: "Give the address under which the market reaches this agent with --public-url.",
}

const away = (detail: string) =>
  new AgentError({
    reason: "MarketAway",
    detail: `${detail} Check the address and the network if this lasts; a running agent keeps trying.`,
  })

const refused: Client.Options<AgentError>["refused"] = ({ status, code, detail }) => {
  const what = advice[code]
  const letter = `The market refused (${status} ${code}): ${detail}${what === undefined ? "" : ` ${what}`}`
  return new AgentError({ reason: "MarketRefused", detail: letter, code, status })
}

/**
 * Makes the client. Messages leave one at a time, so that their sequence numbers arrive rising. Fails with `BadSetting` where the
 * address is none that a key may be sent to: `MarketAddress.trusted`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const key = yield* DeviceKey
  const url = yield* MarketAddress.trusted(options.url)
  return MarketClient.of(
    yield* Client.make<AgentError>({
      ...options,
      url,
      signRequest: key.signRequest,
      away,
      refused,
    }),
  )
})

/**
 * Makes a client that signs nothing: the API key is all that it shows.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeByKey = (options: Options) =>
  Client.make<AgentError>({ ...options, signRequest: () => Effect.succeed({}), away, refused })

/**
 * The client as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<MarketClient, AgentError, DeviceKey | HttpClient.HttpClient> =>
  Layer.effect(MarketClient, make(options))
