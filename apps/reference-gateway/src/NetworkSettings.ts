/**
 * The settings that say where a gateway listens, and how the others find it.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as IpRange from "@guildhall/core/IpRange"
import * as Setting from "./Setting.ts"

const Port = Schema.FiniteFromString.pipe(
  Schema.check(Schema.isInt(), Schema.isBetween({ minimum: 0, maximum: 65_535 })),
)

const HttpUrl = Schema.String.pipe(Schema.check(Schema.isPattern(/^https?:\/\/\S+$/)))

/** It goes into scripts and messages, so it has an address's own characters only. */
const PublicUrl = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^https?:\/\/[A-Za-z0-9.:[\]-]+(\/[A-Za-z0-9._~/-]*)?$/)),
)

const PointName = Schema.String.pipe(Schema.check(Schema.isPattern(/^[a-z][a-z0-9-]{0,39}$/)))

const ranges = Schema.String.pipe(
  Schema.check(
    Schema.makeFilter((text: string) => rangesOf(text).every((range) => IpRange.parse(range) !== undefined)),
  ),
)

const rangesOf = (text: string): ReadonlyArray<IpRange.IpRange> => Setting.listOf(text)

/**
 * Those of the table.
 *
 * @category constants
 * @since 0.1.0
 */
export const table = {
  port: Setting.make(
    "GUILDHALL_PORT",
    "8787",
    Port,
    "a whole number from 0 to 65535",
    "The port of the gateway; 0 takes a free one.",
  ),
  host: Setting.make(
    "GUILDHALL_HOST",
    "127.0.0.1",
    Schema.NonEmptyString,
    "an address of this machine",
    "The address to listen on. `0.0.0.0` opens the gateway to the network: put TLS in front of it.",
  ),
  trustedProxies: Setting.make(
    "GUILDHALL_TRUSTED_PROXIES",
    undefined,
    ranges,
    "addresses and ranges such as 10.0.0.0/8, parted by commas",
    "The proxies in front of the gateway, whose `X-Forwarded-For` is believed where a key may only be used from some addresses. None by default.",
  ),
  publicUrl: Setting.make(
    "GUILDHALL_PUBLIC_URL",
    undefined,
    PublicUrl,
    "a URL that begins with http:// or https://",
    "The market's address in the world: `install.sh` names it. Without it: the address under which the script was fetched.",
  ),
  tunnelUrl: Setting.make(
    "GUILDHALL_TUNNEL_URL",
    undefined,
    HttpUrl,
    "a URL that begins with http:// or https://",
    "Where several gateways serve a market behind one address: the address of this one alone, at which agents open tunnels. They hold some to several gateways.",
  ),
  peerUrl: Setting.make(
    "GUILDHALL_PEER_URL",
    undefined,
    HttpUrl,
    "a URL that begins with http:// or https://",
    "Where the market's other gateways reach this one, to ask agents whose tunnels end here. They need the same database and keys.",
  ),
  point: Setting.make(
    "GUILDHALL_POINT",
    undefined,
    PointName,
    "a name such as fra, of lower-case letters, digits and hyphens",
    "Where this gateway stands, by a name of the definition's `entry.points`: what the check of regions measures from.",
  ),
} as const

/**
 * Those of one start.
 *
 * @category models
 * @since 0.1.0
 */
export interface NetworkSettings {
  readonly port: number
  readonly host: string
  readonly trustedProxies: ReadonlyArray<IpRange.IpRange>
  /** Without a slash at its end. */
  readonly publicUrl: string | undefined
  readonly tunnelUrl: string | undefined
  readonly peerUrl: string | undefined
  readonly point: string | undefined
}

/**
 * Reads them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const load = Effect.gen(function* () {
  return {
    port: yield* Setting.readRequired(table.port),
    host: yield* Setting.readRequired(table.host),
    publicUrl: (yield* Setting.read(table.publicUrl))?.replace(/\/+$/, ""),
    trustedProxies: rangesOf((yield* Setting.read(table.trustedProxies)) ?? ""),
    tunnelUrl: yield* Setting.read(table.tunnelUrl),
    peerUrl: yield* Setting.read(table.peerUrl),
    point: yield* Setting.read(table.point),
  } satisfies NetworkSettings
})
