/**
 * The one way in which a value becomes bytes that are hashed or signed: JSON with sorted keys and no spaces
 * (RFC 8785). Amounts are strings before they get here.
 *
 * @since 0.1.0
 */

/**
 * What can be written canonically.
 *
 * @category models
 * @since 0.1.0
 */
export type Json = string | number | boolean | null | ReadonlyArray<Json> | { readonly [key: string]: Json }

/**
 * Writes a value canonically. Two values that are equal as JSON give the same text. Members that are `undefined`
 * are left out. Throws a `TypeError` on a number that is not finite, and on a whole number beyond 2⁵³, which another
 * reader may take for its neighbour.
 *
 * **Example** (Key order does not matter)
 *
 * ```ts
 * import { Canonical } from "@guildhall/core"
 *
 * Canonical.stringify({ b: 1, a: ["x", null] }) // => '{"a":["x",null],"b":1}'
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const stringify = (value: Json): string => {
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value)
  if (typeof value === "number") {
    const isExact = Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value)
    if (!isExact) throw new TypeError(`${value} has no canonical form: write it as a string.`)
    return JSON.stringify(value)
  }
  if (isList(value)) return `[${value.map(stringify).join(",")}]`
  const members: Array<string> = []
  for (const key of Object.keys(value).sort()) {
    const member = value[key]
    if (member !== undefined) members.push(`${JSON.stringify(key)}:${stringify(member)}`)
  }
  return `{${members.join(",")}}`
}

const isList = (value: Json): value is ReadonlyArray<Json> => Array.isArray(value)

/**
 * The UTF-8 bytes of {@link stringify}.
 *
 * @category encoding
 * @since 0.1.0
 */
export const bytes = (value: Json): Uint8Array => encoder.encode(stringify(value))

const encoder = new TextEncoder()
