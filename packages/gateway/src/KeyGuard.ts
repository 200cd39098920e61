/**
 * What a key's terms allow: until when, from where, and for which models.
 *
 * @since 0.1.0
 */
import type { KeyTerms } from "@guildhall/core/KeyTerms"
import type { ModelId } from "@guildhall/core/Model"
import type { ReasonCode } from "@guildhall/core/Reason"
import * as ClientAddress from "./ClientAddress.ts"

/**
 * Why a key's terms do not allow something.
 *
 * @category models
 * @since 0.1.0
 */
export interface Barred {
  readonly code: ReasonCode
  readonly detail: string
}

/** The terms of a key come anew every second; so does what is made of them. */
const ranges = new WeakMap<ReadonlyArray<string>, (address: string) => boolean>()

const isWithin = (allowed: ReadonlyArray<string>, address: string): boolean => {
  const known = ranges.get(allowed)
  if (known !== undefined) return known(address)
  const made = ClientAddress.within(allowed)
  ranges.set(allowed, made)
  return made(address)
}

/**
 * Whether a key may be used now and from there; answers why not.
 *
 * **Example** (A key that has expired)
 *
 * ```ts
 * import { KeyGuard } from "@guildhall/gateway"
 *
 * KeyGuard.entering({ expiresAtMs: 1_000 }, { atMs: 999, address: "192.0.2.1" }) // => undefined
 * KeyGuard.entering({ expiresAtMs: 1_000 }, { atMs: 1_000, address: "192.0.2.1" })?.code // => "key_expired"
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const entering = (
  terms: KeyTerms | undefined,
  { address, atMs }: { readonly atMs: number; readonly address: string },
): Barred | undefined => {
  if (terms?.expiresAtMs !== undefined && terms.expiresAtMs <= atMs) {
    return { code: "key_expired", detail: "The API key has expired. Use another, or ask the operator for a new one." }
  }
  if (terms?.allowedIps !== undefined && !isWithin(terms.allowedIps, address)) {
    const from = address === "" ? "an unknown address" : address
    return {
      code: "ip_not_allowed",
      detail: `The API key may not be used from ${from}. Ask the operator to add it to the key's addresses.`,
    }
  }
  return undefined
}

/**
 * Whether a key may use a model, by the name that the market gives it; answers why not.
 *
 * @category rules
 * @since 0.1.0
 */
export const using = (terms: KeyTerms | undefined, model: ModelId): Barred | undefined =>
  terms?.allowedModels === undefined || terms.allowedModels.includes(model)
    ? undefined
    : {
        code: "model_not_allowed",
        detail: `The API key may not use \`${model.slice(0, 200)}\`. It may use ${terms.allowedModels
          .slice(0, 5)
          .map((name) => `\`${name}\``)
          .join(", ")}${terms.allowedModels.length > 5 ? " and others" : ""}.`,
      }
