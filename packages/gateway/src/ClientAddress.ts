/**
 * Where a request comes from. Behind a proxy that is the proxy's address; one that is trusted may say for whom it asks.
 *
 * @since 0.1.0
 */
import { BlockList, isIPv4, isIPv6 } from "node:net"
import * as Context from "effect/Context"
import * as IpRange from "@guildhall/core/IpRange"

/**
 * The proxies whose `X-Forwarded-For` is believed. None unless told, for anyone can write such a header.
 *
 * @category references
 * @since 0.1.0
 */
export const TrustedProxies = Context.Reference<ReadonlyArray<IpRange.IpRange>>(
  "@guildhall/gateway/ClientAddress/TrustedProxies",
  { defaultValue: () => [] },
)

/** An IPv4 address that came over a socket for both families. */
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

const plain = (address: string): string => MAPPED.exec(address)?.[1] ?? address

/**
 * Makes the test whether an address lies in one of some ranges. What is no range counts for nothing.
 *
 * **Example** (An office and its network)
 *
 * ```ts
 * import { ClientAddress } from "@guildhall/gateway"
 *
 * const isOffice = ClientAddress.within(["192.0.2.0/24", "2001:db8::1"])
 * isOffice("192.0.2.77") // => true
 * isOffice("::ffff:192.0.2.77") // => true
 * isOffice("198.51.100.1") // => false
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const within = (ranges: ReadonlyArray<IpRange.IpRange>): ((address: string) => boolean) => {
  const list = new BlockList()
  for (const range of ranges) {
    const parsed = IpRange.parse(range)
    if (parsed !== undefined) list.addSubnet(parsed.address, parsed.prefix, parsed.family)
  }
  return (given) => {
    const address = plain(given)
    if (isIPv4(address)) return list.check(address, "ipv4")
    return isIPv6(address) && list.check(address, "ipv6")
  }
}

/**
 * Makes the function that says where a request comes from: the address of its connection or, where that is a trusted
 * proxy's, the last address in `X-Forwarded-For` that is not. Empty where nobody can say.
 *
 * @category rules
 * @since 0.1.0
 */
export const make = (trusted: ReadonlyArray<IpRange.IpRange>) => {
  const isTrusted = within(trusted)
  return (remote: string | undefined, forwardedFor: string | undefined): string => {
    let address = plain(remote ?? "")
    if (trusted.length === 0 || forwardedFor === undefined) return address
    const hops = forwardedFor.split(",")
    while (isTrusted(address)) {
      const hop = hops.pop()
      if (hop === undefined) break
      address = plain(hop.trim())
    }
    return address
  }
}
