import type { Filter } from "../Filter.ts"

/**
 * Leaves out an instance that has not declared to stand in one of the countries whose law the buyer accepts:
 * `country_not_accepted`.
 *
 * @category filters
 * @since 0.1.0
 */
export const jurisdiction: Filter = ({ features }, { instance }) => {
  const accepted = features?.countries
  if (accepted === undefined) return undefined
  return instance.country !== undefined && accepted.includes(instance.country) ? undefined : "country_not_accepted"
}
