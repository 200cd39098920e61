/**
 * Resolves the names of endpoints to public addresses only, at the moment of connecting: what a name meant when it was looked
 * at says nothing of what it means now.
 *
 * @since 0.1.0
 */
import { lookup as resolve, type LookupAddress } from "node:dns"
import type { LookupFunction } from "node:net"
import * as PublicAddress from "@guildhall/core/PublicAddress"

/**
 * Why a host is not called.
 *
 * @category errors
 * @since 0.1.0
 */
export class PrivateHost extends Error {
  constructor(host: string) {
    super(`"${host}" is not on the public internet, and only public addresses are called.`)
  }
}

/**
 * Whether a host, as it stands in a URL, is an address that is not public. A name is looked at when it is resolved.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isPrivateLiteral = (hostname: string): boolean => {
  const host = hostname.replace(/^\[|\]$/g, "")
  return PublicAddress.isAddress(host) && !PublicAddress.isPublic(host)
}

/**
 * A lookup for `net.connect` and `undici` that answers public addresses only, those that another one finds: the system's, unless
 * told otherwise.
 *
 * @category constructors
 * @since 0.1.0
 */
export const over =
  (resolver: LookupFunction): LookupFunction =>
  (hostname, options, callback) => {
    resolver(hostname, { ...options, all: true }, (error, addresses) => {
      const found: ReadonlyArray<LookupAddress> = error === null && typeof addresses !== "string" ? addresses : []
      const open = found.filter(({ address }) => PublicAddress.isPublic(address))
      const [first] = open
      if (first === undefined) callback(error ?? new PrivateHost(hostname), [])
      else if (options.all === true) callback(null, [...open])
      else callback(null, first.address, first.family)
    })
  }

/**
 * {@link over} the system's lookup. A provider's name was looked at when it registered, and may have come to mean an address of
 * the market's own network since: the address that is connected to is the one that counts.
 *
 * @category lookups
 * @since 0.1.0
 */
export const lookup: LookupFunction = over(resolve)
