import { lookup as resolve, type LookupAddress } from "node:dns"
import { isIP, type LookupFunction } from "node:net"
import { isPrivateAddress } from "@guildhall/registry/Endpoint"

/** Why a host is not called. */
export class PrivateHost extends Error {
  constructor(host: string) {
    super(`"${host}" is not on the public internet. The market calls only public endpoints.`)
  }
}

/** Whether a host, as it stands in a URL, is a private address. A name is looked at when it is resolved. */
export const isPrivateLiteral = (hostname: string): boolean => {
  const host = hostname.replace(/^\[|\]$/g, "")
  return isIP(host) !== 0 && isPrivateAddress(host)
}

/**
 * Resolves names to public addresses only. A provider's name was looked at when it registered, and may have come to mean
 * an address of the market's own network since: the address that is connected to is the one that counts.
 */
export const lookup: LookupFunction = (hostname, options, callback) => {
  resolve(hostname, { ...options, all: true }, (error, addresses) => {
    const found: ReadonlyArray<LookupAddress> = error === null ? addresses : []
    const open = found.filter(({ address }) => !isPrivateAddress(address))
    const [first] = open
    if (first === undefined) callback(error ?? new PrivateHost(hostname), [])
    else if (options.all === true) callback(null, [...open])
    else callback(null, first.address, first.family)
  })
}
