import type { Filter } from "../Filter.ts"

/**
 * Leaves out an instance that has not declared one of the regions where alone a request may be served:
 * `region_not_accepted`.
 *
 * @category filters
 * @since 0.1.0
 */
export const region: Filter = ({ features }, { instance }) => {
  const accepted = features?.regions
  if (accepted === undefined) return undefined
  return instance.region !== undefined && accepted.includes(instance.region) ? undefined : "region_not_accepted"
}
