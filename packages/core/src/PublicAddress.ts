/**
 * Which internet addresses are public. Whoever calls an address that somebody else named looks here, before a name is
 * resolved, after it, and when it connects.
 *
 * @since 0.1.0
 */
import * as IpRange from "./IpRange.ts"

/**
 * What is not on the public internet: the special-purpose registries of RFC 6890, multicast and reserved space. Of IPv6 only
 * `2000::/3` is public; inside it, some ranges can carry an IPv4 address (Teredo, 6to4), or are for documents.
 */
const BLOCKED = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/3",
  "::/3",
  "2001::/23",
  "2001:db8::/32",
  "2002::/16",
  "3fff::/20",
  "4000::/2",
  "8000::/1",
] as const

interface Address {
  readonly family: IpRange.Parsed["family"]
  readonly bits: bigint
}

const v4Bits = (text: string): bigint => text.split(".").reduce((bits, part) => (bits << 8n) | BigInt(part), 0n)

/** The eight groups of an IPv6 address. The parser of URLs writes it in one form, and an IPv4 tail as two groups. */
const v6Bits = (text: string): bigint => {
  const hostname = URL.parse(`http://[${text}]/`)?.hostname ?? "[::]"
  const [left = "", right = ""] = hostname.slice(1, -1).split("::")
  const groups = (part: string): ReadonlyArray<string> => (part === "" ? [] : part.split(":"))
  const [first, last] = [groups(left), groups(right)]
  const middle = Array.from({ length: 8 - first.length - last.length }, () => "0")
  return [...first, ...middle, ...last].reduce((bits, group) => (bits << 16n) | BigInt(`0x${group}`), 0n)
}

const read = ({ address, family }: IpRange.Parsed): Address => ({
  family,
  bits: family === "ipv4" ? v4Bits(address) : v6Bits(address),
})

interface Range {
  readonly family: Address["family"]
  readonly shift: bigint
  readonly head: bigint
}

const rangesOf = (texts: ReadonlyArray<string>): ReadonlyArray<Range> =>
  texts.flatMap((text) => {
    const range = IpRange.parse(text)
    if (range === undefined) return []
    const shift = BigInt((range.family === "ipv4" ? 32 : 128) - range.prefix)
    const { bits, family } = read(range)
    return [{ family, shift, head: bits >> shift }]
  })

const isIn = ({ bits, family }: Address, ranges: ReadonlyArray<Range>): boolean =>
  ranges.some((range) => range.family === family && bits >> range.shift === range.head)

const blocked = rangesOf(BLOCKED)

const parse = (text: string): Address | undefined => {
  const range = text.includes("/") ? undefined : IpRange.parse(text)
  return range === undefined ? undefined : read(range)
}

/**
 * Whether a text is an IP address: four decimal numbers, or an IPv6 address without brackets.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isAddress = (text: string): boolean => parse(text) !== undefined

/**
 * Whether an address is on the public internet: not loopback, private, link-local, of a carrier's own network, reserved,
 * or a way to write such a one in IPv6. Text that is no IP address is not public: resolve a name first.
 *
 * **Example** (The metadata service of a cloud)
 *
 * ```ts
 * import { PublicAddress } from "@guildhall/core"
 *
 * PublicAddress.isPublic("169.254.169.254") // => false
 * PublicAddress.isPublic("::ffff:10.0.0.1") // => false
 * PublicAddress.isPublic("1.1.1.1") // => true
 * ```
 *
 * @category predicates
 * @since 0.1.0
 */
export const isPublic = (text: string): boolean => {
  const address = parse(text)
  if (address === undefined) return false
  return !isIn(address, blocked)
}

/** This machine and private networks, each in the one way that it is usually written. Link-local ones are those of metadata services. */
const LOCAL = ["10.0.0.0/8", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"] as const

const local = rangesOf(LOCAL)

const LOCAL_NAME = /(?:^|\.)(?:localhost|local|internal|intranet|lan|home\.arpa)$/

/** A host without the brackets of IPv6 and the dots at its end. */
const bare = (hostname: string): string =>
  hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, "")
    .replace(/\.+$/, "")

/** What is no address, but has a colon as one with a zone has, is no name either. */
const isName = (host: string): boolean => !host.includes(":")
const isLocalName = (host: string): boolean => !host.includes(".") || LOCAL_NAME.test(host)

/**
 * Whether the host of a URL may be public: a public address, or a name that is not one of a local network. Take it from a
 * parsed URL, which has made `0x7f.1` and `2130706433` into `127.0.0.1`. What a name resolves to is another question.
 *
 * **Example** (Names and addresses)
 *
 * ```ts
 * import { PublicAddress } from "@guildhall/core"
 *
 * PublicAddress.isPublicHost("gpu.example.com") // => true
 * PublicAddress.isPublicHost("printer.local") // => false
 * PublicAddress.isPublicHost("[::1]") // => false
 * ```
 *
 * @category predicates
 * @since 0.1.0
 */
export const isPublicHost = (hostname: string): boolean => {
  const host = bare(hostname)
  return isAddress(host) ? isPublic(host) : isName(host) && !isLocalName(host)
}

/**
 * Whether the host of a URL is on this machine or in a private network of one's own: loopback, the private ranges, or a local
 * name. Link-local, shared and reserved addresses are neither this nor public, nor are IPv4 addresses that are written in IPv6.
 *
 * **Example** (What lies between)
 *
 * ```ts
 * import { PublicAddress } from "@guildhall/core"
 *
 * PublicAddress.isLocalHost("192.168.1.20") // => true
 * PublicAddress.isLocalHost("gateway") // => true
 * PublicAddress.isLocalHost("169.254.169.254") // => false
 * ```
 *
 * @category predicates
 * @since 0.1.0
 */
export const isLocalHost = (hostname: string): boolean => {
  const host = bare(hostname)
  const address = parse(host)
  return address === undefined ? isName(host) && isLocalName(host) : isIn(address, local)
}
