/**
 * A range of internet addresses, in the notation of RFC 4632: `192.0.2.0/24`, `2001:db8::/32`, or one address alone.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A range as its address and how many of its leading bits count.
 *
 * @category models
 * @since 0.1.0
 */
export interface Parsed {
  readonly family: "ipv4" | "ipv6"
  readonly address: string
  readonly prefix: number
}

const form = /^([0-9a-fA-F:.]{2,45})(?:\/(\d{1,3}))?$/
const decimal = /^(?:0|[1-9]\d{0,2})$/

const isIpv4 = (address: string): boolean => {
  const parts = address.split(".")
  return parts.length === 4 && parts.every((part) => decimal.test(part) && Number(part) <= 255)
}

// A host in brackets is an IPv6 address, or the URL is none: every runtime has this parser.
const isIpv6 = (address: string): boolean => address.includes(":") && URL.canParse(`http://[${address}]/`)

/**
 * Reads a range, or answers `undefined` where it is none.
 *
 * **Example** (A network and a single address)
 *
 * ```ts
 * import { IpRange } from "@guildhall/core"
 *
 * IpRange.parse("192.0.2.0/24") // => { family: "ipv4", address: "192.0.2.0", prefix: 24 }
 * IpRange.parse("2001:db8::1") // => { family: "ipv6", address: "2001:db8::1", prefix: 128 }
 * IpRange.parse("192.0.2.0/33") // => undefined
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (text: string): Parsed | undefined => {
  const [, address, bits] = form.exec(text) ?? []
  if (address === undefined) return undefined
  const family = isIpv4(address) ? "ipv4" : isIpv6(address) ? "ipv6" : undefined
  if (family === undefined) return undefined
  const most = family === "ipv4" ? 32 : 128
  const prefix = bits === undefined ? most : Number(bits)
  return prefix > most ? undefined : { family, address, prefix }
}

/**
 * A range as text.
 *
 * @category models
 * @since 0.1.0
 */
export const IpRange = Schema.String.pipe(
  Schema.check(
    Schema.makeFilter((text: string) =>
      parse(text) === undefined ? "an address such as 192.0.2.7, or a range such as 192.0.2.0/24" : undefined,
    ),
  ),
)
/** @since 0.1.0 */
export type IpRange = typeof IpRange.Type
