/**
 * Which URLs the market may call. Providers name them, so a URL that leads into the market's own network is refused.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as PublicAddress from "@guildhall/core/PublicAddress"

/**
 * The longest URL that is taken, in characters.
 *
 * @category constants
 * @since 0.1.0
 */
export const LENGTH_MAX = 2000

/**
 * Checks the URL of an endpoint and answers it without a slash at its end, or says what is wrong with it. It must
 * be `http:` or `https:`, without credentials, query and fragment. Unless `allowPrivate` is set, hosts that are
 * private addresses or local names are refused; a public name can still resolve to a private address, so whoever
 * connects checks again with `PublicAddress.isPublic`.
 *
 * **Example** (A public and a private host)
 *
 * ```ts
 * import { Endpoint } from "@guildhall/registry"
 * import { Result } from "effect"
 *
 * Endpoint.check("https://gpu.example.com:8443/v1/", { allowPrivate: false }) // => Result.succeed("https://gpu.example.com:8443/v1")
 * Result.isFailure(Endpoint.check("http://127.0.0.1:9000", { allowPrivate: false })) // => true
 * ```
 *
 * @category parsing
 * @since 0.1.0
 */
export const check = (text: string, options: { readonly allowPrivate: boolean }): Result.Result<string, string> => {
  if (text.length > LENGTH_MAX) return Result.fail(`It is longer than ${LENGTH_MAX} characters. Give a shorter one.`)
  const url = URL.parse(text)
  if (url === null) return Result.fail("It is not a URL. Write one such as https://gpu.example.com:8443.")
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return Result.fail(`It begins with "${url.protocol}". Use http: or https:.`)
  }
  if (url.username !== "" || url.password !== "") {
    return Result.fail("It holds a user name or a password. Leave them out: the gateway authenticates with a ticket.")
  }
  if (url.search !== "" || url.hash !== "" || /[?#]/.test(text)) {
    return Result.fail("It has a query or a fragment. Give only the address and a path.")
  }
  if (!options.allowPrivate && !PublicAddress.isPublicHost(url.hostname)) {
    return Result.fail(`"${url.hostname}" is not a public host. Give an address that the market can reach.`)
  }
  return Result.succeed(url.href.replace(/\/+$/, ""))
}
