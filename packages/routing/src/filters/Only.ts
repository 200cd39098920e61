/**
 * The providers that a buyer named, and the ones that it ruled out.
 *
 * @since 0.1.0
 */
import type { Instance } from "@guildhall/core/Instance"
import type { Filter } from "../Filter.ts"

/**
 * Whether a buyer means this instance by a name: its provider's public name, or the id of member, device or instance.
 *
 * @category rules
 * @since 0.1.0
 */
export const isNamed = (name: string, { deviceId, id, memberId, provider }: Instance): boolean =>
  name === provider || name === memberId || name === deviceId || name === id

/** @category filters @since 0.1.0 */
export const only: Filter = ({ preferences }, { instance }) => {
  const { fallbacks, ignore, only, order } = preferences ?? {}
  if (ignore?.some((name) => isNamed(name, instance))) return "ignored_by_request"
  if (only !== undefined && !only.some((name) => isNamed(name, instance))) return "not_in_only"
  if (fallbacks !== false || order === undefined) return undefined
  return order.some((name) => isNamed(name, instance)) ? undefined : "no_fallback_allowed"
}
