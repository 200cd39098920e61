/**
 * Which URLs the market may call. Providers name them, so a URL that leads into the market's own network is refused.
 *
 * @since 0.1.0
 */
import { BlockList, isIP } from "node:net"
import * as Result from "effect/Result"

/**
 * The longest URL that is taken, in characters.
 *
 * @category constants
 * @since 0.1.0
 */
export const LENGTH_MAX = 2000

/** What is not on the public internet: the special-purpose registries of RFC 6890, multicast and reserved space. */
const BLOCKED_V4 = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
] as const

/** Outside of `2000::/3` nothing is public; inside, these can carry an IPv4 address, or are for documents. */
const BLOCKED_V6 = [
  ["::", 3],
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
  ["4000::", 2],
  ["8000::", 1],
] as const

/** Two lists, because one would look up an IPv4 address among the IPv6 ones too, written as `::ffff:…`. */
const [blockedV4, blockedV6] = [new BlockList(), new BlockList()]
for (const [net, prefix] of BLOCKED_V4) blockedV4.addSubnet(net, prefix, "ipv4")
for (const [net, prefix] of BLOCKED_V6) blockedV6.addSubnet(net, prefix, "ipv6")

/**
 * Whether an IP address is loopback, private, link-local, reserved, or a way to write such a one. Text that is no
 * IP address counts as private. Use it after a name was resolved, too.
 *
 * **Example** (The metadata service of a cloud)
 *
 * ```ts
 * import { Endpoint } from "@guildhall/registry"
 *
 * Endpoint.isPrivateAddress("169.254.169.254") // => true
 * Endpoint.isPrivateAddress("::ffff:10.0.0.1") // => true
 * Endpoint.isPrivateAddress("1.1.1.1") // => false
 * ```
 *
 * @category predicates
 * @since 0.1.0
 */
export const isPrivateAddress = (address: string): boolean => {
  const version = isIP(address)
  if (version === 4) return blockedV4.check(address, "ipv4")
  return version === 0 || blockedV6.check(address, "ipv6")
}

const LOCAL_NAME = /(?:^|\.)(?:localhost|local|internal|intranet|lan|home\.arpa)$/

const isPrivateHost = (hostname: string): boolean => {
  const host = hostname.replace(/^\[|\]$/g, "").replace(/\.+$/, "")
  return isIP(host) === 0 ? LOCAL_NAME.test(host) || !host.includes(".") : isPrivateAddress(host)
}

/**
 * Checks the URL of an endpoint and answers it without a slash at its end, or says what is wrong with it. It must
 * be `http:` or `https:`, without credentials, query and fragment. Unless `allowPrivate` is set, hosts that are
 * private addresses or local names are refused; a public name can still resolve to a private address, so whoever
 * connects checks again with {@link isPrivateAddress}.
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
  if (!options.allowPrivate && isPrivateHost(url.hostname)) {
    return Result.fail(`"${url.hostname}" is not a public host. Give an address that the market can reach.`)
  }
  return Result.succeed(url.href.replace(/\/+$/, ""))
}
