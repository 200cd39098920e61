/**
 * How a device signs what it sends to the market. The JSON body travels as it is; three headers carry the device's
 * key, the signature and when it was made.
 *
 * @since 0.1.0
 */

/**
 * The headers of a signed request: the device's public key, the Ed25519 signature in base64url, milliseconds since
 * 1970 at signing, and a number that each message of a device raises.
 *
 * @category constants
 * @since 0.1.0
 */
export const HEADERS = {
  device: "guildhall-device",
  signature: "guildhall-signature",
  issuedAt: "guildhall-issued-at",
  sequence: "guildhall-sequence",
} as const

/**
 * How far `issuedAt` may lie from the market's clock.
 *
 * @category constants
 * @since 0.1.0
 */
export const MAX_SKEW_MS = 60_000

/**
 * The bytes that the device signs: a header of lines, then the body as it travels.
 *
 * @category encoding
 * @since 0.1.0
 */
export const bytes = (request: {
  readonly method: string
  readonly path: string
  readonly issuedAtMs: number
  readonly sequence: number
  readonly body: Uint8Array
}): Uint8Array => {
  const head = new TextEncoder().encode(
    `guildhall-request-v1\n${request.method}\n${request.path}\n${request.issuedAtMs}\n${request.sequence}\n`,
  )
  const joined = new Uint8Array(head.length + request.body.length)
  joined.set(head)
  joined.set(request.body, head.length)
  return joined
}
