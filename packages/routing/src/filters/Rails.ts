import type { Filter } from "../Filter.ts"

/**
 * Leaves out an instance that has declared whose payments it takes, and not the way in which this buyer pays:
 * `rail_not_accepted`.
 *
 * @category filters
 * @since 0.1.0
 */
export const rails: Filter = ({ features }, { instance }) => {
  const rail = features?.buyer?.rail
  if (rail === undefined || instance.rails === undefined) return undefined
  return instance.rails.includes(rail) ? undefined : "rail_not_accepted"
}
