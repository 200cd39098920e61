/**
 * Which addresses of a market an agent believes: its market's own, as a person gave it, and those of gateways that the market names.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as PublicAddress from "@guildhall/core/PublicAddress"
import { AgentError } from "./AgentError.ts"

/** A URL of the web that says where to go, and nothing else. */
const plain = (text: string): URL | undefined => {
  const url = URL.parse(text)
  const isPlain =
    url !== null &&
    (url.protocol === "http:" || url.protocol === "https:") &&
    url.username === "" &&
    url.password === "" &&
    !/[?#]/.test(text)
  return isPlain ? url : undefined
}

/** An address without the name and the password that it may hold. */
const shown = (text: string): string => text.replace(/\/\/[^/]*@/, "//").slice(0, 200)

const bad = (detail: string) => new AgentError({ reason: "BadSetting", detail })

/**
 * The base of a market's address, such as `http://127.0.0.1:8787`, without a slash at its end. Fails with `BadSetting` where it is
 * no address of the web, or holds more than one: a name and a password, a query, a fragment.
 *
 * @category parsing
 * @since 0.1.0
 */
export const base = (text: string): Effect.Effect<string, AgentError> => {
  const url = plain(text)
  return url === undefined
    ? bad(
        `"${shown(text)}" is no market's address. Write it like https://market.example or http://127.0.0.1:8787, without a password, a query or a fragment.`,
      )
    : Effect.succeed(url.href.replace(/\/+$/, ""))
}

/**
 * {@link base}, for what is signed or carries a key. Over plain `http:` anybody on the way reads the key and the prompts, and
 * answers in the market's name, so that is for this machine and private networks, or where `GUILDHALL_ALLOW_PLAIN_HTTP` says so.
 *
 * @category parsing
 * @since 0.1.0
 */
export const trusted = Effect.fnUntraced(function* (text: string) {
  const found = yield* base(text)
  const { hostname, protocol } = new URL(found)
  if (protocol === "https:" || PublicAddress.isLocalHost(hostname)) return found
  const allowsPlain = yield* Config.Boolean("GUILDHALL_ALLOW_PLAIN_HTTP").pipe(
    Config.withDefault(false),
    Effect.mapError(() => bad("GUILDHALL_ALLOW_PLAIN_HTTP is neither true nor false. Write true, or unset it.")),
  )
  if (allowsPlain) return found
  return yield* bad(
    `${found} is not encrypted: anybody on the way could read keys and prompts, and answer in the market's name. Use https. If the way there is safe by other means, as in a VPN, set GUILDHALL_ALLOW_PLAIN_HTTP=true.`,
  )
})

/**
 * Where a gateway that a market names may be dialed: `anywhere` where only the address that was given decides, `public` where what its
 * name resolves to must be looked at as well.
 *
 * @category models
 * @since 0.1.0
 */
export type Reach = "anywhere" | "public"

/**
 * Whether an agent dials a gateway that its market names, and how; or why it does not. On the market's own host, yes. Else it must be
 * public, so that no market has an agent knock at the doors of its own network; a market which is in a private network itself
 * may name others there. A market that is asked by TLS names none that is not.
 *
 * **Example** (A market on the internet)
 *
 * ```ts
 * import { MarketAddress } from "@guildhall/agent"
 * import { Result } from "effect"
 *
 * MarketAddress.gateway("https://market.example", "https://gw-2.market.example") // => Result.succeed("public")
 * Result.isFailure(MarketAddress.gateway("https://market.example", "https://10.0.0.1:22")) // => true
 * ```
 *
 * @category predicates
 * @since 0.1.0
 */
export const gateway = (market: string, named: string): Result.Result<Reach, string> => {
  const home = URL.parse(market)
  const url = plain(named)
  if (home === null || url === undefined) return Result.fail("it is no plain address of the web")
  if (home.protocol === "https:" && url.protocol !== "https:") return Result.fail("it is not encrypted")
  if (url.hostname === home.hostname) return Result.succeed("anywhere")
  if (PublicAddress.isLocalHost(url.hostname)) {
    return PublicAddress.isLocalHost(home.hostname)
      ? Result.succeed("anywhere")
      : Result.fail("it lies in a private network, and the market does not")
  }
  return PublicAddress.isPublicHost(url.hostname) ? Result.succeed("public") : Result.fail("it is no public address")
}
